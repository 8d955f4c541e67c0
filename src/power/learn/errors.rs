use serde::{Deserialize, Serialize};

use super::memory;

/// From so many samples on an estimate is told.
pub(super) const ENOUGH: u32 = 20;
/// Of the errors so many lie beyond each end of the band: 92 % lie within.
const BEYOND: f64 = 0.04;
/// The narrowest end of a band, as a share of the figure, …
const NARROWEST: f64 = 0.01;
/// … and the widest ones below and above it.
const LOWEST: f64 = 0.9;
const HIGHEST: f64 = 2.0;
/// Before anything was learnt nine in ten are within this share; it counts as so many samples.
const FIRST: f64 = 0.25;
const FIRST_SAMPLES: f64 = 3.0;
/// Errors are counted in classes that grow by a quarter each, from this one on.
const CLASSES: usize = 31;
const SMALLEST: f64 = 0.0025;
const GROWTH: f64 = 1.25;
/// Errors that all lie beyond the same end for so long, s, and in so many samples, are a change: a
/// lamp of the evening is none.
pub(super) const CHANGED: f64 = 12.0 * 3600.0;
const CHANGED_SAMPLES: f64 = 20.0;
/// By how much it has changed is told by so many of the latest.
const LATEST: f64 = 20.0;
/// Of what was counted before a change this part counts on: it may come back.
const COMES_BACK: f64 = 0.05;
/// What is predicted has moved once it did by such a share.
const MOVED: f64 = 0.02;
/// What lies within speaks so many times louder against a change.
const CALM: f64 = 4.0;

/// How far nine in ten are off at most, as shares of the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Band {
    pub(super) below: f64,
    pub(super) above: f64,
}

impl Band {
    pub(super) fn width(self) -> f64 {
        self.below + self.above
    }

    pub(super) const fn widest(self) -> f64 {
        self.below.max(self.above)
    }

    /// Wider by such a share at both ends.
    pub(super) const fn wider(self, share: f64) -> Self {
        Self {
            below: (self.below + share).clamp(NARROWEST, LOWEST),
            above: (self.above + share).clamp(NARROWEST, HIGHEST),
        }
    }
}

/// How far predictions were off. They are counted over days: a load that is not known and comes
/// and goes must have been in its place and out of it, and both are within the band.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Errors {
    samples: u32,
    /// Where nothing was counted yet, nine in ten are within this share.
    usual: f64,
    /// How many were lower or higher than predicted, by class.
    #[serde(default)]
    below: [f64; CLASSES],
    #[serde(default)]
    above: [f64; CLASSES],
    #[serde(default)]
    run: Run,
    /// By what share predictions have moved since what was counted lies where it does.
    #[serde(default)]
    moved: f64,
}

/// Errors beyond one end of the band that have not ended yet: something else has come, or the
/// machine has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Run {
    /// For how long more lay beyond than within, s; below the band less than none.
    length: f64,
    /// By class.
    held: [f64; CLASSES],
    /// By how much the latest are off in the mean, W, and how many they all are.
    off_w: f64,
    count: f64,
}

/// What an error turned out to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Noted {
    /// Like others before.
    Usual,
    /// Beyond the band: what it is will be seen.
    Held,
    /// The machine has changed, by so many watts.
    Changed(f64),
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            samples: 0,
            usual: FIRST,
            below: [0.0; CLASSES],
            above: [0.0; CLASSES],
            run: Run::default(),
            moved: 0.0,
        }
    }
}

impl Errors {
    /// Those of a guided calibration: `usual` is known.
    pub(super) fn known(usual: f64) -> Self {
        Self {
            samples: ENOUGH + 1,
            usual: usual.clamp(NARROWEST, LOWEST),
            ..Self::default()
        }
    }

    /// Takes in that `predicted` turned out to be `watts`, which stands for so many seconds; `firm`
    /// tells whether the prediction stands on enough to be held against the machine.
    pub(super) fn note(
        &mut self,
        predicted: Option<f64>,
        watts: f64,
        seconds: f64,
        firm: bool,
    ) -> Noted {
        self.samples = self.samples.saturating_add(1);
        let Some(predicted) = predicted.filter(|predicted| *predicted > 0.0) else {
            return Noted::Usual;
        };
        let error = (watts - predicted) / predicted;
        let band = self.ends(&self.below, &self.above);
        let beyond = if error > band.above {
            1.0
        } else if error < -band.below {
            -1.0
        } else {
            0.0
        };
        if !firm || beyond == 0.0 {
            self.count(error, seconds);
            let calm = if firm { CALM * seconds } else { 0.0 };
            self.run.length -= self.run.length.clamp(-calm, calm);
            if self.run.length == 0.0 {
                self.settle();
            }
            return Noted::Usual;
        }
        if self.run.length * beyond < 0.0 {
            self.settle();
        }
        self.run.length += beyond * seconds;
        self.run.count += 1.0;
        self.run.off_w += (watts - predicted - self.run.off_w) / self.run.count.min(LATEST);
        add(&mut self.run.held, error, 1.0);
        if self.run.length.abs() < CHANGED || self.run.count < CHANGED_SAMPLES {
            return Noted::Held;
        }
        // What was before is off by as much from now on.
        let off_w = std::mem::take(&mut self.run).off_w;
        for count in self.below.iter_mut().chain(&mut self.above) {
            *count *= COMES_BACK;
        }
        self.move_by(off_w / predicted);
        Noted::Changed(off_w)
    }

    /// Takes in that predictions have moved by such a share: what was counted, and may come back,
    /// is off by so much less, or more.
    pub(super) fn move_by(&mut self, share: f64) {
        self.moved += share;
        if self.moved.abs() < MOVED {
            return;
        }
        let moved = (1.0 + std::mem::take(&mut self.moved)).max(1.0 - LOWEST);
        let below = std::mem::replace(&mut self.below, [0.0; CLASSES]);
        let above = std::mem::replace(&mut self.above, [0.0; CLASSES]);
        for (counts, sign) in [(below, -1.0), (above, 1.0)] {
            let some = counts.iter().zip(classes());
            for (count, (from, to)) in some.filter(|(count, _)| **count > 0.0) {
                let there = |end: f64| (1.0 + sign * end).max(0.0) / moved - 1.0;
                self.spread(*count, (there(from), there(to)));
            }
        }
    }

    /// Spreads so many errors evenly between two.
    fn spread(&mut self, many: f64, (one, other): (f64, f64)) {
        // What lies beyond the last class is in it.
        let far = edges().fold(0.0, f64::max);
        let (low, high) = (one.min(other).min(0.99 * far), one.max(other).min(far));
        let width = (high - low).max(1e-9);
        for (counts, sign) in [(&mut self.below, -1.0), (&mut self.above, 1.0)] {
            for (count, (from, to)) in counts.iter_mut().zip(classes()) {
                let (from, to) = (
                    f64::min(sign * from, sign * to),
                    f64::max(sign * from, sign * to),
                );
                *count += many * (high.min(to) - low.max(from)).max(0.0) / width;
            }
        }
    }

    /// Counts the errors of a run that has ended: they are part of what may be.
    fn settle(&mut self) {
        let run = std::mem::take(&mut self.run);
        let side = if run.off_w < 0.0 {
            &mut self.below
        } else {
            &mut self.above
        };
        for (count, held) in side.iter_mut().zip(run.held) {
            *count += held;
        }
    }

    /// Counts an error in. What is old counts less and less, and at first only the latter half
    /// counts at all: little was known before.
    fn count(&mut self, error: f64, seconds: f64) {
        let keep = 1.0 - 1.0 / (f64::from(self.samples) / 2.0).clamp(10.0, 3.0 * memory(seconds));
        for count in self.below.iter_mut().chain(&mut self.above) {
            *count *= keep;
        }
        let side = if error < 0.0 {
            &mut self.below
        } else {
            &mut self.above
        };
        add(side, error, 1.0);
    }

    /// The band, with what is on just now.
    pub(super) fn band(&self) -> Band {
        let (mut below, mut above) = (self.below, self.above);
        let side = if self.run.off_w < 0.0 {
            &mut below
        } else {
            &mut above
        };
        for (count, held) in side.iter_mut().zip(self.run.held) {
            *count += held;
        }
        self.ends(&below, &above)
    }

    fn ends(&self, below: &[f64; CLASSES], above: &[f64; CLASSES]) -> Band {
        let counted: f64 = below.iter().chain(above).sum();
        let trust = counted / (counted + FIRST_SAMPLES);
        let end = |counts: &[f64; CLASSES]| {
            let told = end(counts, counted * BEYOND);
            self.usual + (told - self.usual) * trust
        };
        Band {
            below: end(below),
            above: end(above),
        }
        .wider(0.0)
    }

    pub(super) const fn is_known(&self) -> bool {
        self.samples >= ENOUGH
    }

    pub(super) fn is_sane(&self) -> bool {
        let counts = self.below.iter().chain(&self.above).chain(&self.run.held);
        let mut counts = counts.chain([&self.run.count]);
        (NARROWEST..=LOWEST).contains(&self.usual)
            && self.run.length.is_finite()
            && self.run.off_w.is_finite()
            && self.moved.is_finite()
            && counts.all(|count| count.is_finite() && *count >= 0.0)
    }
}

/// The upper ends of the classes.
fn edges() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(SMALLEST), |edge| Some(edge * GROWTH)).take(CLASSES)
}

/// The classes' ends.
fn classes() -> impl Iterator<Item = (f64, f64)> {
    std::iter::once(0.0).chain(edges()).zip(edges())
}

/// Adds so many to the class of `error`.
fn add(counts: &mut [f64; CLASSES], error: f64, many: f64) {
    let place = edges().take_while(|edge| *edge < error.abs()).count();
    for count in counts.iter_mut().skip(place.min(CLASSES - 1)).take(1) {
        *count += many;
    }
}

/// The error beyond which so many lie.
fn end(counts: &[f64; CLASSES], beyond: f64) -> f64 {
    let mut left = beyond;
    let classes: Vec<_> = counts.iter().zip(classes()).collect();
    for (count, (from, to)) in classes.into_iter().rev() {
        if *count > left {
            // Spread evenly over their class.
            return to - (to - from) * left / count;
        }
        left -= count;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes an error of so much of 100 W again and again, each standing for so many seconds; the
    /// watts of the changes that were told.
    fn note(errors: &mut Errors, error: f64, times: usize, seconds: f64) -> Vec<f64> {
        let noted = (0..times).map(|_| {
            let watts = 100.0 + 100.0 * error;
            errors.note(Some(100.0), watts, seconds, true)
        });
        let changes = noted.filter_map(|noted| match noted {
            Noted::Changed(off_w) => Some(off_w.round()),
            Noted::Usual | Noted::Held => None,
        });
        changes.collect()
    }

    fn after(of: &[f64], times: usize) -> Band {
        let mut errors = Errors::default();
        for _ in 0..times {
            for error in of {
                assert!(note(&mut errors, *error, 1, 10.0).is_empty());
            }
        }
        errors.band()
    }

    #[test]
    fn an_end_of_the_band_is_where_few_errors_lie_beyond() {
        let even: Vec<f64> = (0..100).map(|n| f64::from(n) / 1000.0 - 0.05).collect();
        let told = after(&even, 20);
        assert!((told.below - 0.046).abs() < 0.006, "{told:?}");
        assert!((told.above - 0.045).abs() < 0.006, "{told:?}");
        // A load that is there for a tenth of the time.
        let mut lamp = vec![-0.02; 90];
        lamp.extend([0.3; 10]);
        let told = after(&lamp, 20);
        assert!(told.below < 0.03, "{told:?}");
        assert!((0.29..0.35).contains(&told.above), "{told:?}");
        // Nearly all the same: as narrow as it gets. Far away: as wide as it gets.
        assert!(after(&[0.0], 5000).width() < 0.021);
        let told = after(&[-5.0, 50.0], 2000);
        assert!(
            (told.below - LOWEST).abs() < 1e-9 && told.above > 1.9,
            "{told:?}"
        );
        assert!((told.widest() - told.above).abs() < 1e-9);
    }

    #[test]
    fn half_a_day_is_half_a_day_however_far_readings_lie_apart() {
        let mut errors = Errors::default();
        assert!(note(&mut errors, 0.01, 1000, 10.0).is_empty());
        // Four hours of a lamp, some readings of which come after a silence.
        for _ in 0..10 {
            assert!(note(&mut errors, 0.6, 115, 10.0).is_empty());
            assert!(note(&mut errors, 0.6, 1, 300.0).is_empty());
        }
        assert!(note(&mut errors, 0.6, 2869, 10.0).is_empty());
        assert_eq!(note(&mut errors, 0.6, 1, 10.0), [60.0]);
    }

    #[test]
    fn what_was_before_stays_within_the_band_for_a_while_when_predictions_move_away() {
        for steps in [1, 40] {
            let mut errors = Errors::default();
            assert!(note(&mut errors, 0.0, 1000, 10.0).is_empty());
            let step = 1.4_f64.powf(1.0 / f64::from(steps));
            for _ in 0..steps {
                errors.move_by(step - 1.0);
            }
            // 100 W where 140 W are told: 29 % below.
            let band = errors.band();
            assert!((0.25..0.5).contains(&band.below), "{steps}: {band:?}");
            assert!(band.above < 0.05, "{steps}: {band:?}");
            for _ in 0..steps {
                errors.move_by(1.0 / step - 1.0);
            }
            let band = errors.band();
            assert!(band.below < 0.5 && band.above < 0.5, "{steps}: {band:?}");
            // And far away.
            errors.move_by(-2.0);
            assert!(errors.is_sane() && errors.band().above > 1.9);
        }
        let mut errors = Errors::default();
        assert!(note(&mut errors, 0.0, 5000, 10.0).is_empty());
        assert_eq!(note(&mut errors, 0.5, 4320, 10.0), [50.0]);
        assert!((0.3..0.4).contains(&errors.band().below), "it may go");
        assert!(note(&mut errors, 0.0, 20_000, 10.0).is_empty());
        assert!(errors.band().below < 0.05, "it has not");
    }

    #[test]
    fn what_comes_and_goes_is_within_the_band_and_what_stays_is_a_change() {
        let mut errors = Errors::default();
        assert!(note(&mut errors, 0.01, 8000, 10.0).is_empty());
        // Something is on for six hours: it is in the band while it is on and afterwards.
        assert!(note(&mut errors, 0.4, 2160, 10.0).is_empty());
        assert!((0.35..0.45).contains(&errors.band().above));
        assert!(note(&mut errors, 0.0, 1000, 10.0).is_empty());
        assert!((0.35..0.45).contains(&errors.band().above));
        assert!(note(&mut errors, 0.4, 9000, 10.0).is_empty(), "it is known");
        // Half a day of something else, in few samples of a slow meter, after a glitch.
        let mut errors = Errors::default();
        assert!(note(&mut errors, 0.01, 1000, 300.0).is_empty());
        assert!(note(&mut errors, 30.0, 1, 300.0).is_empty());
        assert!(note(&mut errors, 1.5, 142, 300.0).is_empty());
        assert_eq!(note(&mut errors, 1.5, 1, 300.0), [150.0]);
        // The same on the other side, which ends what was on.
        assert!(note(&mut errors, 1.5, 10, 300.0).is_empty());
        // What was before is known; what is lower still is another change.
        assert!((0.5..0.7).contains(&errors.band().below));
        assert!(note(&mut errors, -0.8, 100, 300.0).is_empty());
        assert!((0.7..0.9).contains(&errors.band().below));
        assert_eq!(note(&mut errors, -0.8, 44, 300.0), [-80.0]);
        // What stands on little is no reason for anything.
        let infirm = errors.note(Some(100.0), 400.0, 300.0, false);
        assert_eq!((infirm, errors.run), (Noted::Usual, Run::default()));
        assert_eq!(errors.note(Some(0.0), 50.0, 10.0, true), Noted::Usual);
        assert!(errors.is_sane());
    }
}
