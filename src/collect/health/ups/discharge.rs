//! One discharge of a battery: what was drawn, and what it shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A discharge that took less charge than this says too little, %.
const SHALLOW: f64 = 10.0;
/// What a lead battery gives falls with the load by this power of it (Peukert's exponent of 1.15
/// less 1).
pub(super) const PEUKERT: f64 = 0.15;

/// What hangs on a UPS. Watts, or if they are unknown percents of its load: they go for energy as
/// well as long as they are not mixed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Draw {
    Watts(f64),
    Percent(f64),
}

impl Draw {
    /// Of what is known of the two.
    pub(super) fn of(watts: Option<f64>, percent: Option<f64>) -> Option<Self> {
        let draw = watts.map(Self::Watts).or(percent.map(Self::Percent))?;
        (draw.amount() > 0.0).then_some(draw)
    }

    pub(super) const fn amount(self) -> f64 {
        match self {
            Self::Watts(amount) | Self::Percent(amount) => amount,
        }
    }

    pub(super) const fn is_like(self, other: Self) -> bool {
        matches!(self, Self::Watts(_)) == matches!(other, Self::Watts(_))
    }
}

/// What a discharge has shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Discharge {
    pub(super) at: Timestamp,
    /// The charge that it took, %.
    pub(super) depth: f64,
    /// What the whole battery would have given at that load, W·h or %·h.
    pub(super) capacity: f64,
    pub(super) draw: Draw,
}

impl Discharge {
    /// What the battery gives at another load.
    pub(super) fn capacity_at(&self, draw: Draw) -> f64 {
        self.capacity * (self.draw.amount() / draw.amount()).powf(PEUKERT)
    }
}

/// A discharge under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Running {
    pub(super) from: f64,
    pub(super) lowest: f64,
    pub(super) draw: Draw,
    /// W·h or %·h.
    pub(super) energy: f64,
    pub(super) hours: f64,
}

impl Running {
    pub(super) fn shows(&self, at: Timestamp) -> Option<Discharge> {
        let depth = self.from - self.lowest;
        let mean = self.energy / self.hours;
        (depth >= SHALLOW && self.hours > 0.0).then(|| Discharge {
            at,
            depth,
            capacity: self.energy / depth * 100.0,
            draw: match self.draw {
                Draw::Watts(_) => Draw::Watts(mean),
                Draw::Percent(_) => Draw::Percent(mean),
            },
        })
    }
}
