use std::collections::VecDeque;
use std::time::Duration;

/// How much a figure has grown within a time. A figure that falls was reset and goes on from
/// there; what it had grown before counts.
#[derive(Debug, Default)]
pub(super) struct Growth {
    last: Option<f64>,
    total: f64,
    /// The total at some earlier moments, oldest first.
    marks: VecDeque<(Duration, f64)>,
}

/// So many marks cover the whole time, whatever it is.
const MARKS: u32 = 30;

impl Growth {
    /// Takes the figure in and tells how much it has grown `over` this time.
    pub(super) fn take(&mut self, value: f64, up: Duration, over: Duration) -> f64 {
        if let Some(last) = self.last {
            self.total += (value - last).max(0.0);
        }
        self.last = Some(value);
        let step = over / MARKS;
        if self.marks.back().is_none_or(|(at, _)| *at + step <= up) {
            self.marks.push_back((up, self.total));
        }
        let from = up.saturating_sub(over);
        // The newest mark that is old enough stays: it is what the growth is measured from.
        while self.marks.get(1).is_some_and(|(at, _)| *at <= from) {
            self.marks.pop_front();
        }
        self.marks
            .front()
            .map_or(0.0, |(_, mark)| self.total - mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "whole numbers are exact")]
    fn growth_is_what_came_within_the_time_and_survives_resets() {
        let over = Duration::from_mins(10);
        let mut growth = Growth::default();
        let mut at = |minute: u64, value| growth.take(value, Duration::from_mins(minute), over);
        assert_eq!(at(0, 1_000.0), 0.0);
        assert_eq!(at(1, 1_050.0), 50.0);
        assert_eq!(at(5, 1_100.0), 100.0);
        assert_eq!(at(6, 20.0), 100.0, "a reset is no growth");
        assert_eq!(at(7, 50.0), 130.0);
        assert_eq!(at(15, 50.0), 30.0, "what is long ago no longer counts");
        assert_eq!(at(40, 50.0), 0.0);
    }

    #[test]
    fn it_stays_small() {
        let mut growth = Growth::default();
        for second in 0..100_000 {
            growth.take(0.0, Duration::from_secs(second), Duration::from_hours(1));
        }
        assert!(growth.marks.len() <= 32);
    }
}
