use std::time::Duration;

use tokio::time::Instant;

/// A step back of at most so much, kWh, is rounding: Tasmota's total loses up to 1 Wh at midnight.
const ROUNDING: f64 = 0.002;
/// A step forward of so much, kWh, is never too much: some counters only count whole kWh.
const COARSE: f64 = 1.1;
/// No counter of a house has more, kWh.
const MOST: f64 = 1e8;
/// After so many readings that follow neither the last good one nor each other it is adrift.
const ADRIFT: u8 = 5;
/// Of the last eight readings so many may be odd before somebody else must be speaking.
const ODD_OF_EIGHT: u32 = 3;

/// Makes a counter that only grows out of one that resets, rolls back, glitches and jumps.
///
/// Energy is counted from reading to reading. A reading that cannot follow the last one (it went
/// back, or further than the most power times the time allows) waits for the next:
///
/// - the next goes on from *before*: it was a glitch, and is ignored;
/// - the next goes on from *it*: the counter was reset. One that began anew at zero is counted
///   from there; one that was rolled back or set to something else is followed without counting
///   the step, since nobody knows how much of it was ever used.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    /// Whether the first reading is the total so far.
    adopt: bool,
    total: f64,
    last: Option<Seen>,
    odd: Option<Seen>,
    /// So many readings in a row could not be followed.
    waiting: u8,
    /// One bit a reading, the newest lowest: whether it was odd.
    recent: u8,
    /// The smallest growth so far: what the counter can tell.
    step: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    raw: f64,
    at: Instant,
    /// Time before `at` that is not on this clock: the program was not running.
    before: Duration,
}

/// What a reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was counted.
    Counted,
    /// It is no number that a counter can show.
    Absurd,
    /// It cannot follow the last one; the next one decides.
    Waiting,
    /// The counter was set back to zero; counted from there.
    Reset,
    /// The counter was set back to an older value; what lies between is not counted twice.
    RolledBack,
    /// The counter was set forward by more than can be; the step is not counted.
    Jumped,
}

impl Counter {
    /// A counter whose own total is the device's at its first reading.
    pub(crate) const fn new() -> Self {
        Self {
            adopt: true,
            total: 0.0,
            last: None,
            odd: None,
            waiting: 0,
            recent: 0,
            step: None,
        }
    }

    /// One that starts from zero, whatever the device says at first.
    pub(crate) const fn from_zero() -> Self {
        let mut counter = Self::new();
        counter.adopt = false;
        counter
    }

    /// One that goes on from what was kept, which is `away` old at `now`.
    pub(crate) const fn resume(total: f64, raw: f64, away: Duration, now: Instant) -> Self {
        let mut counter = Self::new();
        counter.total = total;
        let before = away;
        counter.last = Some(Seen {
            raw,
            at: now,
            before,
        });
        counter
    }

    /// The total so far, kWh; `None` while nothing was counted.
    pub(crate) fn total(&self) -> Option<f64> {
        (self.last.is_some() || self.total > 0.0).then_some(self.total)
    }

    /// Keeps what was counted and takes the next reading as a new beginning: what the device
    /// counts until then is counted elsewhere.
    pub(crate) fn rest(&mut self) {
        let total = self.total;
        *self = Self::from_zero();
        self.total = total;
    }

    /// What is to be kept over a restart: total and the device's own figure.
    pub(crate) fn kept(&self) -> Option<(f64, f64)> {
        self.last.map(|last| (self.total, last.raw))
    }

    /// The smallest growth that was seen, kWh.
    pub(crate) const fn step(&self) -> Option<f64> {
        self.step
    }

    /// Whether readings go to and fro as if two devices spoke under one name.
    pub(crate) const fn is_of_two(&self) -> bool {
        self.recent.count_ones() >= ODD_OF_EIGHT
    }

    /// Whether its readings have made no sense for a while: most likely it counts in another unit
    /// and outruns the most power.
    pub(crate) const fn is_adrift(&self) -> bool {
        self.waiting >= ADRIFT
    }

    /// Takes the device's figure, kWh, read at `now`; `most_w` is the most that it can measure.
    pub(crate) fn take(&mut self, raw: f64, now: Instant, most_w: f64) -> Taken {
        if !(0.0..=MOST).contains(&raw) {
            return Taken::Absurd;
        }
        let seen = Seen {
            raw,
            at: now,
            before: Duration::ZERO,
        };
        let Some(last) = self.last else {
            if self.adopt {
                self.total = raw;
            }
            self.last = Some(seen);
            return Taken::Counted;
        };
        let taken = self.judge(last, seen, most_w);
        let is_odd = taken != Taken::Counted;
        let was_glitch = !is_odd && self.odd.is_some();
        if taken == Taken::Waiting {
            self.waiting = self.waiting.saturating_add(1);
        } else {
            self.odd = None;
            self.waiting = 0;
        }
        self.recent = self.recent << 1 | u8::from(was_glitch || is_odd && taken != Taken::Waiting);
        taken
    }

    fn judge(&mut self, last: Seen, seen: Seen, most_w: f64) -> Taken {
        let growth = seen.raw - last.raw;
        if (0.0..=last.most(seen.at, most_w)).contains(&growth) {
            if growth > 0.0 {
                self.step = Some(self.step.map_or(growth, |step| step.min(growth)));
            }
            self.total += growth;
            self.last = Some(seen);
            return Taken::Counted;
        }
        if (-ROUNDING..0.0).contains(&growth) {
            // The highest mark stays: what comes up to it again was counted.
            return Taken::Counted;
        }
        let Some(odd) = self.odd else {
            self.odd = Some(seen);
            return Taken::Waiting;
        };
        let onward = seen.raw - odd.raw;
        if !(-ROUNDING..=odd.most(seen.at, most_w)).contains(&onward) {
            self.odd = Some(seen);
            return Taken::Waiting;
        }
        self.last = Some(seen);
        self.total += onward.max(0.0);
        if odd.raw > last.raw {
            return Taken::Jumped;
        }
        if odd.raw <= last.most(odd.at, most_w) {
            self.total += odd.raw;
            return Taken::Reset;
        }
        Taken::RolledBack
    }
}

impl Seen {
    /// The most that can have been used since, kWh.
    fn most(self, now: Instant, most_w: f64) -> f64 {
        let time = now.duration_since(self.at) + self.before;
        most_w * time.as_secs_f64() / 3.6e6 * 1.2 + COARSE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds readings a minute apart and returns what each came to and the total.
    fn feed(counter: &mut Counter, raws: &[f64]) -> (Vec<Taken>, f64) {
        let start = Instant::now();
        let mut taken = Vec::new();
        for (minute, raw) in (0u64..).zip(raws) {
            let at = start + Duration::from_secs(60 * minute);
            taken.push(counter.take(*raw, at, 4000.0));
        }
        (taken, counter.total().unwrap_or(f64::NAN))
    }

    fn check(raws: &[f64], want: &[Taken], total: f64) {
        let mut counter = Counter::new();
        let (taken, got) = feed(&mut counter, raws);
        assert_eq!(taken, want, "{raws:?}");
        assert!((got - total).abs() < 1e-9, "{raws:?}: {got}, not {total}");
    }

    use Taken::{Absurd, Counted, Jumped, Reset, RolledBack, Waiting};

    #[test]
    fn what_grows_is_counted_and_rounding_is_not_counted_twice() {
        check(&[100.0, 100.02, 100.02, 100.05], &[Counted; 4], 100.05);
        check(&[100.0, 99.999, 100.001, 100.02], &[Counted; 4], 100.02);
    }

    #[test]
    fn a_glitch_to_zero_is_ignored() {
        check(
            &[100.0, 0.0, 100.02, 100.03],
            &[Counted, Waiting, Counted, Counted],
            100.03,
        );
    }

    #[test]
    fn after_a_reset_it_goes_on_from_zero_and_nothing_is_lost() {
        check(
            &[100.0, 0.01, 0.03, 0.05],
            &[Counted, Waiting, Reset, Counted],
            100.05,
        );
        check(
            &[100.0, 0.0, 0.0, 0.0],
            &[Counted, Waiting, Reset, Counted],
            100.0,
        );
    }

    #[test]
    fn a_roll_back_is_followed_and_what_lies_between_is_not_counted_again() {
        check(
            &[100.0, 98.0, 98.01, 98.03],
            &[Counted, Waiting, RolledBack, Counted],
            100.03,
        );
    }

    #[test]
    fn a_jump_by_a_million_is_not_counted_and_what_follows_is() {
        check(
            &[100.0, 1_000_100.0, 1_000_100.02, 1_000_100.05],
            &[Counted, Waiting, Jumped, Counted],
            100.05,
        );
        check(
            &[100.0, 1_000_100.0, 100.02],
            &[Counted, Waiting, Counted],
            100.02,
        );
    }

    #[test]
    fn a_counter_that_outruns_every_power_is_adrift() {
        let mut counter = Counter::new();
        let raws: Vec<f64> = (0..8)
            .map(|minute| 100.0 + 5.0 * f64::from(minute))
            .collect();
        let (_, total) = feed(&mut counter, &raws);
        assert!(counter.is_adrift() && (total - 100.0).abs() < 1e-9);
        feed(&mut counter, &[100.0]);
        assert!(!counter.is_adrift());
    }

    #[test]
    fn readings_that_fit_neither_before_nor_each_other_keep_waiting() {
        check(
            &[100.0, 50.0, 20.0, 70.0, 100.01],
            &[Counted, Waiting, Waiting, Waiting, Counted],
            100.01,
        );
    }

    #[test]
    fn what_no_counter_can_show_is_not_taken() {
        check(
            &[100.0, f64::NAN, -1.0, f64::INFINITY, 1e12, 100.01],
            &[Counted, Absurd, Absurd, Absurd, Absurd, Counted],
            100.01,
        );
        assert_eq!(Counter::new().total(), None);
    }

    #[test]
    fn two_devices_of_one_name_are_found_out_and_one_glitch_is_not() {
        let mut counter = Counter::new();
        feed(&mut counter, &[100.0, 0.0, 100.01, 100.02]);
        assert!(!counter.is_of_two());
        let (_, total) = feed(
            &mut counter,
            &[100.03, 7.0, 100.04, 7.0, 100.05, 7.01, 100.06],
        );
        assert!(counter.is_of_two());
        assert!((total - 100.06).abs() < 1e-9, "{total}");
    }

    #[test]
    fn a_long_silence_is_made_up_for_by_the_counter() {
        let now = Instant::now();
        let mut counter = Counter::resume(500.0, 100.0, Duration::from_hours(24), now);
        assert_eq!(counter.kept(), Some((500.0, 100.0)));
        assert_eq!(counter.take(148.0, now, 4000.0), Counted);
        assert_eq!(counter.total(), Some(548.0));
        let mut short = Counter::resume(500.0, 100.0, Duration::ZERO, now);
        assert_eq!(short.take(148.0, now, 4000.0), Waiting);
    }

    #[test]
    fn one_that_joins_late_starts_from_zero_and_the_step_is_known() {
        let mut counter = Counter::from_zero();
        let (_, total) = feed(&mut counter, &[70.0, 70.5, 70.6]);
        assert!((total - 0.6).abs() < 1e-9);
        assert!(counter.step().is_some_and(|step| (step - 0.1).abs() < 1e-9));
    }

    /// What a device may do between two readings a minute apart.
    #[derive(Debug, Clone, Copy)]
    enum Act {
        Draw(u32),
        Glitch(u32),
        Reset,
        Round,
        Silence(u32),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            6 => (0u32..4000).prop_map(Act::Draw),
            1 => (0u32..50_000_000).prop_map(Act::Glitch),
            1 => Just(Act::Reset),
            1 => Just(Act::Round),
            1 => (1u32..600).prop_map(Act::Silence),
        ]
    }

    proptest! {
        /// Whatever a device shows: the total is a number and never goes back.
        #[test]
        fn the_total_never_goes_back(raws in prop::collection::vec(any::<f64>(), 0..60)) {
            let start = Instant::now();
            let mut counter = Counter::new();
            let mut last = 0.0;
            for (minute, raw) in (0u64..).zip(raws) {
                counter.take(raw, start + Duration::from_secs(60 * minute), 4000.0);
                let total = counter.total().unwrap_or(0.0);
                prop_assert!(total.is_finite() && total >= last, "{total} after {last}");
                last = total;
            }
        }

        /// Through resets to zero, glitches, rounding and silences not a watt-minute is lost or
        /// made up, but for what a counter's resolution hides.
        #[test]
        fn energy_is_that_of_the_device(acts in prop::collection::vec(act(), 1..80)) {
            let mut now = Instant::now();
            let mut counter = Counter::new();
            // What the device shows, and what really went through it, kWh.
            let (mut shown, mut truth) = (500.0, 500.0);
            counter.take(shown, now, 4000.0);
            let mut step = |shown: f64, minutes: u32| {
                now += Duration::from_secs(60 * u64::from(minutes));
                counter.take(shown, now, 4000.0);
                counter.total().unwrap_or(f64::NAN)
            };
            for act in acts {
                match act {
                    Act::Draw(watts) => {
                        let grown = f64::from(watts) / 60_000.0;
                        (shown, truth) = (shown + grown, truth + grown);
                        step(shown, 1);
                    }
                    Act::Glitch(height) => {
                        // One that is near the truth is no glitch that anybody could see.
                        let false_reading = f64::from(height) / 1000.0;
                        if (false_reading - shown).abs() > 2.0 {
                            step(false_reading, 1);
                            step(shown, 1);
                        }
                    }
                    Act::Reset => {
                        // Seen twice before anything else happens, as devices that were reset do;
                        // one that had counted next to nothing cannot be told from rounding.
                        if shown > 0.01 {
                            shown = 0.0;
                            step(shown, 1);
                            step(shown, 1);
                        }
                    }
                    Act::Round => {
                        step(shown - 0.001, 1);
                        step(shown, 1);
                    }
                    Act::Silence(minutes) => {
                        let grown = f64::from(minutes) * 150.0 / 60_000.0;
                        (shown, truth) = (shown + grown, truth + grown);
                        step(shown, minutes);
                    }
                }
            }
            let total = step(shown, 1);
            prop_assert!((total - truth).abs() < 1e-6, "{total}, not {truth}");
        }
    }
}
