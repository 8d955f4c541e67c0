use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::power::Gap;

/// The node's own energy counter. Where the source has a counter of its own that leads, otherwise
/// watts are summed up over the time that was watched, never over a gap. Nothing is added for times of which
/// nothing is known, unless the same source's counter has gone on meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    energy_kwh: f64,
    gap: Gap,
    last: Option<Last>,
    away: Option<Away>,
    made_up_kwh: Option<f64>,
}

/// A source's counter as it stood at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    source: String,
    energy_kwh: f64,
}

#[derive(Debug, Clone)]
struct Last {
    up: Duration,
    power_w: f64,
    /// The source's counter, with the source's name.
    counter: Option<(String, f64)>,
}

/// A time in which nobody watched, until its source is heard again.
#[derive(Debug, Clone)]
struct Away {
    mark: Mark,
    /// The own counter then.
    begun_kwh: f64,
    /// More cannot have been drawn meanwhile.
    most_kwh: f64,
}

impl Counter {
    /// Goes on from `energy_kwh`.
    pub(super) const fn new(energy_kwh: f64, gap: Gap) -> Self {
        Self {
            energy_kwh,
            gap,
            last: None,
            away: None,
            made_up_kwh: None,
        }
    }

    /// All that was drawn, kWh.
    pub(super) const fn energy_kwh(&self) -> f64 {
        self.energy_kwh
    }

    /// Nothing is known of the time from now on.
    pub(super) fn pause(&mut self) {
        self.last = None;
    }

    /// Goes on after a time in which nobody watched, at whose begin a source's counter stood at
    /// `mark`; no more than `most_kwh` can have been drawn in it.
    pub(super) fn resume(&mut self, mark: Mark, most_kwh: f64) {
        self.away = Some(Away {
            mark,
            begun_kwh: self.energy_kwh,
            most_kwh,
        });
    }

    /// Where the source's counter stands, to be kept; of one that is not heard again yet, as it was.
    pub(super) fn mark(&self) -> Option<Mark> {
        let last = self.last.as_ref().and_then(|last| last.counter.clone());
        let last = last.map(|(source, energy_kwh)| Mark { source, energy_kwh });
        let away = self.away.as_ref().map(|away| Mark {
            source: away.mark.source.clone(),
            energy_kwh: away.mark.energy_kwh + self.energy_kwh - away.begun_kwh,
        });
        away.or(last)
    }

    /// Whether the source of the time in which nobody watched is not heard again yet.
    pub(super) const fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// What was drawn while nobody watched, kWh, once it is known.
    pub(super) const fn take_made_up(&mut self) -> Option<f64> {
        self.made_up_kwh.take()
    }

    /// Counts on to `up`, at which `power_w` are drawn.
    pub(super) fn count(&mut self, up: Duration, power_w: f64, counter: Option<(String, f64)>) {
        if let Some(last) = &self.last {
            let gap = up.saturating_sub(last.up);
            self.energy_kwh += match (&last.counter, &counter) {
                (Some((old, from)), Some((new, to))) if old == new => (to - from).max(0.0),
                _ if !self.gap.is(gap) => {
                    let mean_w = f64::midpoint(last.power_w, power_w);
                    mean_w * gap.as_secs_f64() / 3_600_000.0
                }
                _ => 0.0,
            };
        }
        if let Some((source, energy_kwh)) = &counter
            && let Some(away) = self.away.take_if(|away| away.mark.source == *source)
        {
            let since = self.energy_kwh - away.begun_kwh;
            let missed = energy_kwh - away.mark.energy_kwh - since;
            if missed > 0.0 && missed <= away.most_kwh {
                self.energy_kwh += missed;
                self.made_up_kwh = Some(missed);
            }
        }
        self.last = Some(Last {
            up,
            power_w,
            counter,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::testing::close;

    fn look(counter: &mut Counter, source: &str, energy_kwh: f64) {
        let told = Some((source.to_owned(), energy_kwh));
        counter.count(Duration::ZERO, 50.0, told);
    }

    fn again(before: &Counter, most_kwh: f64) -> Counter {
        let mut again = Counter::new(before.energy_kwh(), Gap::default());
        again.resume(before.mark().unwrap(), most_kwh);
        again
    }

    #[test]
    fn what_a_counter_went_on_while_nobody_watched_is_made_up_if_it_can_be() {
        let mut counter = Counter::new(7.0, Gap::default());
        assert_eq!(counter.mark(), None);
        look(&mut counter, "plug", 100.0);
        assert!(!counter.is_away());
        for (source, now_kwh, made_up) in [
            ("plug", 100.5, Some(0.5)),
            ("plug", 100.0, None),
            ("plug", 3.0, None),
            ("plug", 500.0, None),
            ("other", 100.5, None),
        ] {
            let mut again = again(&counter, 10.0);
            look(&mut again, source, now_kwh);
            let known = again.take_made_up();
            assert_eq!(known, made_up, "{source} {now_kwh}");
            close(again.energy_kwh(), 7.0 + made_up.unwrap_or(0.0));
            assert_eq!(again.is_away(), source == "other");
            assert_eq!(again.take_made_up(), None);
        }
    }

    #[test]
    fn what_was_counted_until_the_source_is_heard_is_not_made_up_again() {
        let mut counter = Counter::new(7.0, Gap::default());
        look(&mut counter, "plug", 100.0);
        let mut again_1 = again(&counter, 10.0);
        // 36 s of 1000 W before it speaks.
        again_1.count(Duration::ZERO, 1000.0, None);
        again_1.count(Duration::from_secs(36), 1000.0, None);
        // Ended once more before that.
        let mut again_2 = again(&again_1, 10.0);
        look(&mut again_2, "plug", 100.5);
        close(again_2.take_made_up().unwrap(), 0.49);
        close(again_2.energy_kwh(), 7.5);
    }
}
