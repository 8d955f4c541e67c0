use serde::{Deserialize, Serialize};

use crate::power::work::EXTRAS;

/// What is old counts less and less: half of it after some seven hundred samples.
const KEEP: f64 = 1.0 - 1.0 / 1000.0;
/// What is assumed of a slope counts as much as so many samples.
const ASSUMED: f64 = 5.0;
/// The search for slopes that are not negative is over after so many rounds; with four of them it
/// is near enough after far fewer.
const ROUNDS: usize = 40;

/// What is assumed of a slope before anything was learnt, and its limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slope {
    /// W per unit.
    pub(super) assumed: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    /// A movement of so much, in the input's unit, tells something.
    pub(super) grain: f64,
}

/// How watts go with several inputs: sums of products of deviations, of which least squares
/// follow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub(super) struct Slopes {
    xx: [[f64; EXTRAS]; EXTRAS],
    xy: [f64; EXTRAS],
}

impl Slopes {
    /// Sums that were kept of one input alone.
    pub(super) fn of_first(xx: f64, xy: f64) -> Self {
        let mut slopes = Self::default();
        if let (Some([first, ..]), Some(product)) = (slopes.xx.first_mut(), slopes.xy.first_mut()) {
            (*first, *product) = (xx, xy);
        }
        slopes
    }

    /// Takes in that inputs which are `off` from their usual went with `watts` off the usual.
    pub(super) fn add(&mut self, off: [f64; EXTRAS], watts: f64) {
        self.keep(KEEP);
        for ((row, product), own) in self.xx.iter_mut().zip(&mut self.xy).zip(off) {
            for (cell, other) in row.iter_mut().zip(off) {
                *cell += own * other;
            }
            *product += own * watts;
        }
    }

    /// How much the input at `place` has moved: the sum of the squares.
    pub(super) fn seen(&self, place: usize) -> f64 {
        let row = self.xx.get(place);
        row.and_then(|row| row.get(place)).copied().unwrap_or(0.0)
    }

    /// Makes all that was learnt count `share` as much.
    pub(super) fn keep(&mut self, share: f64) {
        for sum in self.xx.iter_mut().flatten().chain(&mut self.xy) {
            *sum *= share;
        }
    }

    /// The slopes, W per unit, each within its limits.
    pub(super) fn solve(&self, of: &[Slope; EXTRAS]) -> [f64; EXTRAS] {
        let mut found = of.map(|slope| slope.assumed);
        for _ in 0..ROUNDS {
            let before = found;
            for (place, ((row, product), slope)) in self.xx.iter().zip(self.xy).zip(of).enumerate()
            {
                let others = row.iter().zip(found).enumerate();
                let others = others.filter(|(other, _)| *other != place);
                let explained: f64 = others.map(|(_, (cell, slope))| cell * slope).sum();
                let own = row.get(place).copied().unwrap_or_default();
                let firm = ASSUMED * slope.grain * slope.grain;
                let best = (product - explained + firm * slope.assumed) / (own + firm);
                for found in found.iter_mut().skip(place).take(1) {
                    *found = best.clamp(slope.least, slope.most);
                }
            }
            let moved = found
                .iter()
                .zip(before)
                .map(|(now, before)| (now - before).abs());
            if moved.fold(0.0, f64::max) < 1e-6 {
                break;
            }
        }
        found
    }

    pub(super) fn is_sane(&self) -> bool {
        let mut sums = self.xx.iter().flatten().chain(&self.xy);
        sums.all(|sum| sum.is_finite())
    }
}

/// Means of inputs, each known to some degree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub(super) struct Means {
    mean: [f64; EXTRAS],
    weight: [f64; EXTRAS],
}

impl Means {
    /// The first of them alone.
    pub(super) fn of_first(mean: f64, weight: f64) -> Self {
        let mut means = Self::default();
        if let (Some(first), Some(known)) = (means.mean.first_mut(), means.weight.first_mut()) {
            (*first, *known) = (mean, weight);
        }
        means
    }

    /// How far `inputs` are off the means; what is not known is not off.
    pub(super) fn off(&self, inputs: &[Option<f64>; EXTRAS]) -> [f64; EXTRAS] {
        let mut off = [0.0; EXTRAS];
        let known = self.mean.iter().zip(&self.weight);
        for ((off, input), (mean, weight)) in off.iter_mut().zip(inputs).zip(known) {
            if let Some(input) = input.filter(|_| *weight > 0.0) {
                *off = input - mean;
            }
        }
        off
    }

    /// Takes the inputs in, a mean of at most `memory` samples.
    pub(super) fn add(&mut self, inputs: &[Option<f64>; EXTRAS], memory: f64) {
        let known = self.mean.iter_mut().zip(&mut self.weight);
        for ((mean, weight), input) in known.zip(inputs) {
            if let Some(input) = input {
                *weight = counted(*weight, memory);
                *mean += (input - *mean) / *weight;
            }
        }
    }

    /// Makes all that was taken in count `share` as much.
    pub(super) fn keep(&mut self, share: f64) {
        for weight in &mut self.weight {
            *weight *= share;
        }
    }

    /// What is known of them.
    pub(super) fn known(&self) -> [Option<f64>; EXTRAS] {
        let mut known = [None; EXTRAS];
        for (known, (mean, weight)) in known.iter_mut().zip(self.mean.iter().zip(self.weight)) {
            *known = (weight > 0.0).then_some(*mean);
        }
        known
    }

    pub(super) fn is_sane(&self) -> bool {
        let mut sums = self.mean.iter().chain(&self.weight);
        sums.all(|sum| sum.is_finite() && *sum >= 0.0)
    }
}

/// How many samples count after one more, of about so many that are remembered. One that stands for
/// long shortens the memory a little, and not at once.
pub(super) fn counted(weight: f64, memory: f64) -> f64 {
    (weight + 1.0).min(memory.max(weight * (1.0 - 1.0 / memory)))
}

/// The sum of products.
pub(super) fn product(slopes: &[f64; EXTRAS], off: &[f64; EXTRAS]) -> f64 {
    slopes.iter().zip(off).map(|(slope, off)| slope * off).sum()
}
