use serde::{Deserialize, Serialize};

use super::slopes::{Means, Slope, Slopes, counted, product};
use super::{DISKS, GRAPHICS_CARDS, NETWORK};
use crate::power::work::{EXTRAS, Inputs};

/// A meter's watt is so many of the processor's own: the usual loss of a supply is assumed.
const PROCESSOR: Slope = Slope {
    assumed: 1.15,
    least: 0.8,
    most: 3.0,
    grain: 0.7,
};
const SLOPES: [Slope; EXTRAS] = [PROCESSOR, DISKS, NETWORK, GRAPHICS_CARDS];

/// Watts by the processors' own counters: static watts and, for each watt of theirs and for what
/// disks, network and graphics do, something more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub(super) struct ByCounter {
    weight: f64,
    watts: f64,
    inputs: Means,
    slopes: Slopes,
}

impl ByCounter {
    /// What an older version kept: sums of a straight line.
    pub(super) fn of_sums(weight: f64, [x, y, xx, xy]: [f64; 4]) -> Self {
        let (mean_x, mean_y) = (x / weight, y / weight);
        Self {
            weight,
            watts: mean_y,
            inputs: Means::of_first(mean_x, weight),
            slopes: Slopes::of_first(xx - x * mean_x, xy - x * mean_y),
        }
    }

    /// Takes a sample in; about so many are remembered.
    pub(super) fn add(&mut self, inputs: &Inputs, watts: f64, memory: f64) {
        let inputs = inputs_of(inputs);
        let off = watts - self.watts;
        if self.weight > 0.0 {
            self.slopes.add(self.inputs.off(&inputs), off);
        }
        self.weight = counted(self.weight, memory);
        self.watts += off / self.weight;
        self.inputs.add(&inputs, self.weight);
    }

    /// The machine draws so many watts more than it did: what was learnt moves there, and counts
    /// little from then on.
    pub(super) fn shift(&mut self, off_w: f64) {
        const KEEP: f64 = 0.05;
        self.watts = (self.watts + off_w).max(0.0);
        self.weight *= KEEP;
        self.inputs.keep(KEEP);
        self.slopes.keep(KEEP);
    }

    pub(super) fn at(&self, inputs: &Inputs) -> Option<f64> {
        let rapl_w = inputs.rapl_w.filter(|_| self.weight >= 1.0)?;
        let off = self.inputs.off(&inputs_of(inputs));
        let watts = self.watts + product(&self.slopes.solve(&SLOPES), &off);
        // A machine never draws less than its processor.
        Some(watts.max(rapl_w))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.weight <= 0.0
    }

    pub(super) fn is_sane(&self) -> bool {
        let figures = [self.weight, self.watts];
        let sane = |figure: &f64| figure.is_finite() && *figure >= 0.0;
        figures.iter().all(sane) && self.inputs.is_sane() && self.slopes.is_sane()
    }
}

/// The processors' watts in place of the clock: they hold all that it tells.
fn inputs_of(inputs: &Inputs) -> [Option<f64>; EXTRAS] {
    let [_, disks, network, graphics] = inputs.extras;
    [inputs.rapl_w, disks, network, graphics]
}
