use serde::{Deserialize, Serialize};

/// What meters round to, W, the coarsest first. What is finer makes no difference.
const STEPS: [f64; 5] = [10.0, 5.0, 2.0, 1.0, 0.1];
/// One that rounds to more than this, W, is only known by readings that differ.
const USUAL: f64 = 1.0;
/// So many of them do.
const DIFFER: u32 = 8;
/// A multiple of a step is off by no more than this.
const EXACT: f64 = 1e-6;

/// To what the meter rounds that taught: half of it is not in its figures, however many there are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Grain {
    /// W; `None` before the first reading, 0 if there is no telling.
    step_w: Option<f64>,
    /// The last reading, W, and how many differed from the one before.
    #[serde(default)]
    last_w: f64,
    #[serde(default)]
    differed: u32,
}

impl Grain {
    /// Takes a reading in, W.
    pub(super) fn note(&mut self, watts: f64) {
        let is_multiple = |step: f64| {
            let steps = watts / step;
            (steps - steps.round()).abs() < EXACT
        };
        let coarsest = self.step_w.unwrap_or(f64::MAX);
        let mut steps = STEPS.into_iter().filter(|step| *step <= coarsest);
        self.step_w = Some(steps.find(|step| is_multiple(*step)).unwrap_or(0.0));
        let differs = (watts - self.last_w).abs() > EXACT;
        self.differed = self.differed.saturating_add(u32::from(differs));
        self.last_w = watts;
    }

    /// By how many watts they may be off for it.
    pub(super) fn off_w(self) -> f64 {
        let step_w = self.step_w.unwrap_or(0.0);
        let known = if self.differed < DIFFER {
            step_w.min(USUAL)
        } else {
            step_w
        };
        known / 2.0
    }

    /// By what share of `watts` they may be off for it.
    pub(super) fn share_of(self, watts: f64) -> f64 {
        self.off_w() / watts.max(0.1)
    }

    /// Whether it can be, as it was kept.
    pub(super) fn is_sane(self) -> bool {
        let [coarsest, ..] = STEPS;
        self.step_w
            .is_none_or(|step| (0.0..=coarsest).contains(&step))
            && self.last_w.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::learn::{Learned, Plug};
    use crate::power::work::{EXTRAS, Inputs};

    #[test]
    fn a_meter_is_as_coarse_as_all_of_its_readings_are() {
        for (readings, want) in [
            (&[][..], 0.0),
            (&[8.0, 9.0, 24.0], 0.5),
            (&[8.0, 9.4, 24.0], 0.05),
            (&[8.31, 9.0, 24.0], 0.0),
            (&[8.3, 9.0, 24.12, 8.0], 0.0),
            (&[0.3, 0.7], 0.05),
            // Whole tens: of a few that are alike there is no telling.
            (&[40.0, 40.0, 50.0], 0.5),
            (&[20.0, 30.0, 20.0, 30.0, 40.0, 30.0, 20.0, 30.0], 5.0),
            (&[20.0, 25.0, 20.0, 30.0, 40.0, 30.0, 25.0, 30.0], 2.5),
            (&[20.0, 24.0, 20.0, 30.0, 42.0, 30.0, 26.0, 30.0], 1.0),
            (&[20.0, 24.0, 20.0, 30.0, 42.0, 30.0, 25.0, 30.0], 0.5),
        ] {
            let mut grain = Grain::default();
            for watts in readings {
                grain.note(*watts);
            }
            let off = grain.share_of(10.0) * 10.0;
            assert!((off - want).abs() < 1e-9, "{readings:?}: {off}");
            assert!(grain.is_sane());
        }
        let odd = Grain {
            step_w: Some(-1.0),
            ..Grain::default()
        };
        assert!(!odd.is_sane());
    }

    #[test]
    fn what_a_meter_rounds_away_is_within_the_band() {
        // A small board beside a plug of whole watts, which says 8 for what is 7.6 to 7.8.
        let truth = |usage_pct: f64| 7.6 + usage_pct / 100.0;
        let inputs = |usage_pct, rapl_w| Inputs {
            usage_pct,
            rapl_w,
            extras: [None; EXTRAS],
        };
        let mut learned = Learned::default();
        for sample in 0..400 {
            let usage_pct = f64::from(sample % 20);
            let told = truth(usage_pct).round();
            learned.learn(&inputs(usage_pct, Some(2.0)), told, 300.0, Plug::Own);
        }
        for rapl_w in [None, Some(2.0)] {
            for usage_pct in [0.0, 5.0, 15.0] {
                let estimate = learned.at(&inputs(usage_pct, rapl_w)).unwrap();
                let within = estimate.low_w()..=estimate.high_w();
                assert!(
                    within.contains(&truth(usage_pct)),
                    "{usage_pct}: {estimate:?}"
                );
            }
        }
    }
}
