//! Whether what a meter says can be, judged by its own other figures.

use std::time::Duration;

use tokio::time::Instant;

use super::doubt::Doubt;
use super::figures::Figures;

/// Below so many volt-amperes the ammeters of plugs are too coarse to judge by.
const ENOUGH_VA: f64 = 20.0;
/// So many messages with nothing changed, and …
const STILL_COUNT: u32 = 20;
/// … so long: mains voltage is never constant for hours.
const STILL: Duration = Duration::from_hours(2);
/// The counter is compared with the watts after so much energy, kWh.
const COMPARE: f64 = 0.1;
/// A counter that has never been seen to move is given so much, kWh: it may count whole ones.
const PATIENCE: f64 = 1.2;

/// Watts against volts and amperes: both are told in one message.
pub(super) fn against_apparent(figures: &Figures) -> Option<Doubt> {
    let watts = figures.power_w?.abs();
    let apparent = (figures.voltage_v? * figures.current_a?).abs();
    if !apparent.is_finite() || apparent < ENOUGH_VA {
        return None;
    }
    let share = watts / apparent;
    // Standby supplies go down to a power factor of 0.05; a thousandth is no power factor.
    if watts > 0.0 && share < 0.002 {
        return Some(Doubt::Kilowatts(watts, apparent));
    }
    (share > 1.5).then_some(Doubt::MoreThanApparent(watts, apparent))
}

/// Watts against the counter, over stretches of time.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    /// Where the stretch began: time and the counter's total.
    begun: Option<(Instant, f64)>,
    /// The watts, integrated since, kWh.
    integral: f64,
    verdict: Option<Verdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    SlowPower,
    FastCounter,
    Still,
}

impl Pace {
    /// Notes `grown` kWh more by the watts; `total` and `step` are the counter's.
    pub(super) fn note(
        &mut self,
        now: Instant,
        grown: f64,
        counter: (f64, Option<f64>),
        most_w: f64,
    ) {
        let (total, step) = counter;
        let (since, from) = *self.begun.get_or_insert((now, total));
        self.integral += grown;
        let moved = total - from;
        let most = most_w * now.duration_since(since).as_secs_f64() / 3.6e6;
        let enough = step.map_or(PATIENCE, |step| (5.0 * step).max(COMPARE));
        if moved < enough && self.integral < enough {
            return;
        }
        let share = self.integral / moved;
        self.verdict = if moved > 1.2 * most + enough {
            Some(Verdict::FastCounter)
        } else if (0.0003..0.003).contains(&share) {
            Some(Verdict::SlowPower)
        } else if moved <= 0.0 {
            Some(Verdict::Still)
        } else {
            None
        };
        self.begun = Some((now, total));
        self.integral = 0.0;
    }

    /// The doubt that stands, `watts` being what the meter says now.
    pub(super) fn doubt(&self, watts: Option<f64>) -> Option<Doubt> {
        Some(match self.verdict? {
            Verdict::SlowPower => Doubt::SlowPower,
            Verdict::FastCounter => Doubt::FastCounter,
            Verdict::Still => Doubt::Frozen(watts?),
        })
    }
}

/// Whether anything changes at all.
#[derive(Debug, Clone, Default)]
pub(super) struct Still {
    same: Option<(Figures, Instant)>,
    count: u32,
}

impl Still {
    /// Notes a message; whether nothing has changed for so long that it must hang. Only figures
    /// that mains make move all the time are judged: watts alone may well stand.
    pub(super) fn note(&mut self, figures: &Figures, now: Instant) -> bool {
        let moves = figures.voltage_v.is_some() && figures.current_a.is_some();
        let flows = figures.power_w.is_some_and(|watts| watts > 0.0);
        match self.same {
            Some((same, since)) if moves && flows && same == *figures => {
                self.count += 1;
                self.count >= STILL_COUNT && now.duration_since(since) >= STILL
            }
            _ => {
                self.same = Some((*figures, now));
                self.count = 0;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(power_w: f64, voltage_v: f64, current_a: f64) -> Figures {
        Figures {
            power_w: Some(power_w),
            voltage_v: Some(voltage_v),
            current_a: Some(current_a),
            ..Figures::default()
        }
    }

    #[test]
    fn kilowatts_that_are_called_watts_do_not_go_with_volts_and_amperes() {
        let doubt = |watts, volts, amperes| against_apparent(&figures(watts, volts, amperes));
        assert_eq!(doubt(120.0, 230.0, 0.6), None);
        assert_eq!(
            doubt(2.0, 230.0, 0.17),
            None,
            "a bad power factor is no fault"
        );
        assert_eq!(doubt(0.12, 230.0, 0.04), None, "too little to judge");
        assert_eq!(doubt(0.0, 230.0, 5.0), None, "nothing is not a thousandth");
        assert!(matches!(
            doubt(0.12, 230.0, 0.6),
            Some(Doubt::Kilowatts(..))
        ));
        assert!(matches!(
            doubt(900.0, 230.0, 0.6),
            Some(Doubt::MoreThanApparent(..))
        ));
        assert_eq!(doubt(1.0, f64::NAN, 1.0), None);
        let no_amperes = Figures {
            current_a: None,
            ..figures(1.0, 230.0, 0.0)
        };
        assert_eq!(against_apparent(&no_amperes), None);
    }

    /// The doubt after ten hours of `watts` while the counter grows by `per_hour` kWh.
    fn pace(watts: f64, per_hour: f64, step: Option<f64>) -> Option<Doubt> {
        let start = Instant::now();
        let mut pace = Pace::default();
        for minute in 0..600u32 {
            let at = start + Duration::from_secs(60 * u64::from(minute));
            let total = 7.0 + per_hour * f64::from(minute) / 60.0;
            let grown = if minute == 0 { 0.0 } else { watts / 60_000.0 };
            pace.note(at, grown, (total, step), 4000.0);
        }
        pace.doubt(Some(watts))
    }

    #[test]
    fn watts_and_counter_that_go_together_give_no_doubt() {
        assert_eq!(pace(100.0, 0.1, Some(0.01)), None);
        assert_eq!(pace(100.0, 0.1, None), None);
        assert_eq!(pace(1.0, 0.001, Some(0.001)), None, "too little to judge");
        assert_eq!(
            pace(100.0, 0.02, Some(0.01)),
            None,
            "off by five is no unit"
        );
    }

    #[test]
    fn a_wrong_unit_and_a_counter_that_stands_are_told_by_the_counter() {
        assert_eq!(pace(0.1, 0.1, Some(0.01)), Some(Doubt::SlowPower));
        assert_eq!(pace(100.0, 100.0, Some(0.1)), Some(Doubt::FastCounter));
        assert_eq!(pace(100.0, 0.0, Some(0.01)), Some(Doubt::Frozen(100.0)));
        assert_eq!(pace(100.0, 0.0, None), None, "it may count whole kWh");
        assert_eq!(pace(1000.0, 0.0, None), Some(Doubt::Frozen(1000.0)));
    }

    #[test]
    fn figures_that_stand_for_hours_are_frozen_and_steady_watts_alone_are_not() {
        let start = Instant::now();
        let run = |one: Figures, other: Figures| {
            let mut still = Still::default();
            let mut frozen = false;
            for minute in 0..200u64 {
                let now = start + Duration::from_secs(60 * minute);
                let figures = if minute % 50 == 0 { &other } else { &one };
                frozen = still.note(figures, now);
            }
            frozen
        };
        let dead = figures(40.0, 230.1, 0.2);
        assert!(run(dead, dead));
        assert!(!run(dead, figures(40.0, 230.2, 0.2)), "it lives");
        let off = figures(0.0, 230.1, 0.0);
        assert!(!run(off, off), "nothing flows");
        let plain = Figures {
            voltage_v: None,
            ..dead
        };
        assert!(!run(plain, plain));
    }
}
