use std::time::Duration;

use tokio::time::Instant;

use super::quantity::Quantity;

/// No part gets hotter or colder by more than this from one tick to the next, °C; a processor
/// that starts to work comes near to it.
const LEAP: f64 = 50.0;
/// What is warmer than this does not come to exactly 0 from one tick to the next, °C.
const WARM: f64 = 10.0;
/// So many leaps within an hour that led nowhere are a fault.
const LEAPS: usize = 3;
const HOUR: Duration = Duration::from_hours(1);
/// A figure that stands still for less has not frozen.
const SHORTEST: Duration = Duration::from_hours(6);
/// A figure that stands still for so many times its longest rest has frozen.
const RESTS: u32 = 20;
/// So many changes must have been seen before a rest says something.
const CHANGES: u32 = 20;

/// Whether the figures of one sensor can be believed, from one to the next. A single leap is held
/// back until the next figure confirms it. One that no longer moves although it always has is
/// frozen: judged by its own longest rest, so that those which hardly ever move are left alone.
#[derive(Debug, Default)]
pub(super) struct Belief {
    last: Option<f64>,
    /// A leap that the next figure may confirm.
    held: Option<f64>,
    /// When leaps were not confirmed.
    strays: Vec<Instant>,
    moved: Option<Instant>,
    changes: u32,
    longest: Duration,
}

impl Belief {
    /// Takes in a figure that can be and says whether it is believed.
    pub(super) fn take(
        &mut self,
        quantity: Quantity,
        value: f64,
        now: Instant,
    ) -> Result<f64, String> {
        match quantity {
            Quantity::Temperature => {
                self.falls(value)?;
                self.leaps(value, now)?;
                self.rests(value, now)?;
            }
            // A fan that stands may do so for weeks.
            Quantity::Fan if value > 0.0 => self.rests(value, now)?,
            Quantity::Fan
            | Quantity::Drive
            | Quantity::Voltage
            | Quantity::Current
            | Quantity::Power
            | Quantity::Energy
            | Quantity::Humidity
            | Quantity::Frequency
            | Quantity::Intrusion => self.moved = None,
        }
        self.last = Some(value);
        Ok(value)
    }

    /// Chips that lose their sensor tell exactly 0, for good: a second word proves nothing there.
    fn falls(&self, value: f64) -> Result<(), String> {
        let warm = self.last.filter(|last| *last > WARM);
        match warm {
            Some(last) if value.abs() < f64::EPSILON => {
                Err(format!("has fallen from {last} to exactly 0 °C"))
            }
            _ => Ok(()),
        }
    }

    fn leaps(&mut self, value: f64, now: Instant) -> Result<(), String> {
        let far = |from: f64| (value - from).abs() > LEAP;
        if let Some(held) = self.held.take() {
            if far(held) {
                self.strays.push(now);
            } else {
                self.last = None; // Two agree: it is there.
            }
        }
        self.strays.retain(|at| now.duration_since(*at) < HOUR);
        if let Some(last) = self.last.filter(|last| far(*last)) {
            self.held = Some(value);
            return Err(format!("has jumped from {last} to {value} °C"));
        }
        if self.strays.len() >= LEAPS {
            return Err(format!(
                "has jumped {} times within an hour and back",
                self.strays.len()
            ));
        }
        Ok(())
    }

    fn rests(&mut self, value: f64, now: Instant) -> Result<(), String> {
        let since = *self.moved.get_or_insert(now);
        let rest = now.duration_since(since);
        let same = self.last.is_some_and(|last| (last - value).abs() < 1e-9);
        if !same {
            if self.last.is_some() {
                self.changes = self.changes.saturating_add(1);
                // A frozen figure that moves again has not rested by nature.
                if !self.is_frozen(rest) {
                    self.longest = self.longest.max(rest);
                }
            }
            self.moved = Some(now);
            return Ok(());
        }
        if self.is_frozen(rest) {
            let hours = rest.as_secs() / 3600;
            return Err(format!(
                "has stood still at {value} for {hours} hours, which it never did"
            ));
        }
        Ok(())
    }

    fn is_frozen(&self, rest: Duration) -> bool {
        self.changes >= CHANGES && rest > SHORTEST.max(self.longest * RESTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sensor(Belief, Instant);

    impl Sensor {
        fn new() -> Self {
            Self(Belief::default(), Instant::now())
        }

        /// The figure after so many seconds.
        fn after(&mut self, seconds: u64, value: f64) -> Result<f64, String> {
            self.1 += Duration::from_secs(seconds);
            self.0.take(Quantity::Temperature, value, self.1)
        }
    }

    #[test]
    fn a_leap_waits_for_a_second_word_and_one_that_stays_is_true() {
        let mut sensor = Sensor::new();
        assert_eq!(sensor.after(0, 35.0), Ok(35.0));
        assert_eq!(sensor.after(10, 84.0), Ok(84.0), "a processor under load");
        assert!(
            sensor
                .after(10, 20.0)
                .unwrap_err()
                .contains("from 84 to 20")
        );
        assert_eq!(sensor.after(10, 21.0), Ok(21.0), "it is so");
        assert!(sensor.after(10, 99.0).is_err());
        assert_eq!(sensor.after(10, 22.0), Ok(22.0), "it was not so");
    }

    #[test]
    fn a_warm_part_is_never_at_exactly_nothing_however_often_that_is_said() {
        let mut sensor = Sensor::new();
        assert!(sensor.after(0, 45.0).is_ok());
        for _ in 0..3 {
            let text = sensor.after(10, 0.0).unwrap_err();
            assert!(text.contains("from 45 to exactly 0"), "{text}");
        }
        assert_eq!(sensor.after(10, 44.0), Ok(44.0), "it is back");
        let mut outside = Sensor::new();
        for degrees in [4.0, 0.5, 0.0, 0.0, -1.0] {
            assert_eq!(outside.after(10, degrees), Ok(degrees), "a frosty night");
        }
    }

    #[test]
    fn who_leaps_again_and_again_is_not_believed_until_an_hour_is_over() {
        let mut sensor = Sensor::new();
        assert!(sensor.after(0, 40.0).is_ok());
        for _ in 0..2 {
            assert!(sensor.after(10, 110.0).is_err());
            assert!(sensor.after(10, 40.0).is_ok());
        }
        assert!(sensor.after(10, 110.0).is_err());
        let text = sensor.after(10, 40.0).unwrap_err();
        assert!(text.contains("3 times within an hour"), "{text}");
        assert!(sensor.after(1800, 40.0).is_err());
        assert_eq!(sensor.after(1800, 40.0), Ok(40.0));
    }

    #[test]
    fn who_stops_moving_is_frozen_and_who_never_moved_is_not() {
        let mut constant = Sensor::new();
        let mut lively = Sensor::new();
        for step in 0..25_u32 {
            assert!(lively.after(60, 40.0 + f64::from(step % 3)).is_ok());
        }
        for _ in 0..6 * 60 {
            assert!(constant.after(60, 27.8).is_ok());
            assert!(lively.after(60, 41.0).is_ok());
        }
        assert!(constant.after(24 * 3600, 27.8).is_ok());
        let text = lively.after(120, 41.0).unwrap_err();
        assert!(text.contains("stood still at 41 for 6 hours"), "{text}");
        assert_eq!(lively.after(60, 42.0), Ok(42.0), "it moves again");
        assert!(lively.after(60, 42.0).is_ok());
        assert!(
            lively.after(7 * 3600, 42.0).is_err(),
            "and may freeze again"
        );
    }

    #[test]
    fn a_fan_that_stands_is_no_fault_and_one_that_turns_like_clockwork_is() {
        let (mut fan, mut now) = (Belief::default(), Instant::now());
        let mut take = |seconds, rpm| {
            now += Duration::from_secs(seconds);
            fan.take(Quantity::Fan, rpm, now)
        };
        for step in 0..25_u32 {
            assert!(take(60, 1000.0 + f64::from(step % 4)).is_ok());
        }
        assert!(take(60, 0.0).is_ok());
        assert!(take(7 * 3600, 0.0).is_ok());
        assert!(take(60, 1000.0).is_ok());
        assert!(take(60, 1000.0).is_ok());
        assert!(take(7 * 3600, 1000.0).is_err());
    }
}
