use serde::{Deserialize, Serialize};

/// From so many samples on an estimate is told.
pub(super) const ENOUGH: u32 = 20;
/// The narrowest and the widest band, as shares of the figure.
const NARROWEST: f64 = 0.01;
pub(super) const WIDEST: f64 = 0.6;

/// How far predictions were off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Errors {
    samples: u32,
    /// Nine in ten are within this share of the figure.
    pub(super) usual: f64,
    /// The mean of the latest, with its sign: away from 0 when the machine has changed.
    bias: f64,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            samples: 0,
            usual: 0.25,
            bias: 0.0,
        }
    }
}

impl Errors {
    /// Those of a guided calibration: `usual` is known.
    pub(super) fn known(usual: f64) -> Self {
        Self {
            samples: ENOUGH + 1,
            usual: usual.clamp(NARROWEST, WIDEST),
            bias: 0.0,
        }
    }

    /// Takes in that `predicted` turned out to be `watts`; tells whether the machine has changed.
    pub(super) fn note(&mut self, predicted: Option<f64>, watts: f64) -> bool {
        self.samples = self.samples.saturating_add(1);
        let Some(predicted) = predicted.filter(|predicted| *predicted > 0.0) else {
            return false;
        };
        let error = (watts - predicted) / predicted;
        // A step up at each error outside outweighs some twelve steps down: 92 % end up inside.
        let step = if error.abs() > self.usual {
            0.92
        } else {
            -0.08
        };
        // Slower and slower: at last the band is that of hours, not of the calm before a storm.
        let pace = match self.samples {
            ..100 => 0.15,
            100..400 => 0.05,
            _ => 0.01,
        };
        self.usual = (self.usual * f64::exp(pace * step)).clamp(NARROWEST, WIDEST);
        // One glitch is no change.
        let limit = (3.0 * self.usual).max(0.1);
        self.bias += (error.clamp(-limit, limit) - self.bias) / 20.0;
        let changed = self.samples > ENOUGH && self.bias.abs() > self.usual.max(0.04) * 1.2;
        if changed {
            self.bias = 0.0;
            self.usual = (self.usual * 2.0).min(WIDEST);
        }
        changed
    }

    pub(super) const fn is_known(&self) -> bool {
        self.samples >= ENOUGH
    }

    pub(super) fn is_sane(&self) -> bool {
        (NARROWEST..=WIDEST).contains(&self.usual) && self.bias.abs() <= 2.0
    }
}
