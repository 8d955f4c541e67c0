//! What a meter has taught about this machine: watts by CPU use, and watts by what the
//! processor's own counters say.
//!
//! Watts by use are kept as means of 21 stretches of 5 % and made monotone (pool adjacent
//! violators), since a busier machine never draws less. Where no load was ever seen, the usual
//! [`shape`] goes on from the nearest stretch, with a band that widens. Watts by counter are a
//! straight line of least squares, in which what is old counts less and less.
//!
//! Every sample is predicted before it is learnt; of the errors the one that nine in ten keep
//! within is the band. When they all go one way the machine has changed, and what was learnt
//! counts little from then on.

use serde::{Deserialize, Serialize};

use super::curve::shape;

/// Width of a stretch, %.
const WIDTH: f64 = 5.0;
const STRETCHES: usize = 21;
/// A stretch remembers about so many samples.
const MEMORY: f64 = 200.0;
/// From so many samples on an estimate is told.
const ENOUGH: u32 = 20;
/// A share of the way from idle to full load that tells how steep the rest is.
const TELLING: f64 = 0.3;
/// The usual way from idle to full load, in idle watts: the median machine draws 3.7 times as
/// much.
const USUAL_SPAN: f64 = 2.7;
/// The narrowest and the widest band, as shares of the figure.
const NARROWEST: f64 = 0.01;
const WIDEST: f64 = 0.6;

/// What was learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Learned {
    stretches: Vec<Mean>,
    by_usage: Errors,
    line: Line,
    by_counter: Errors,
}

/// The mean of the samples of one stretch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
struct Mean {
    weight: f64,
    usage_pct: f64,
    watts: f64,
}

/// How far predictions were off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Errors {
    samples: u32,
    /// Nine in ten are within this share of the figure.
    usual: f64,
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
    /// Takes in that `predicted` turned out to be `watts`; tells whether the machine has changed.
    fn note(&mut self, predicted: Option<f64>, watts: f64) -> bool {
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
        let pace = if self.samples < 100 { 0.15 } else { 0.05 };
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

    const fn is_known(&self) -> bool {
        self.samples >= ENOUGH
    }
}

/// Sums of a straight line through (counter W, meter W).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
struct Line {
    weight: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Line {
    fn add(&mut self, x: f64, y: f64) {
        self.keep(1.0 - 1.0 / 1000.0);
        self.weight += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
    }

    fn keep(&mut self, share: f64) {
        for sum in [
            &mut self.weight,
            &mut self.x,
            &mut self.y,
            &mut self.xx,
            &mut self.xy,
        ] {
            *sum *= share;
        }
    }

    fn at(&self, x: f64) -> Option<f64> {
        if self.weight < 1.0 {
            return None;
        }
        let (mean_x, mean_y) = (self.x / self.weight, self.y / self.weight);
        let variance = self.xx / self.weight - mean_x * mean_x;
        let covariance = self.xy / self.weight - mean_x * mean_y;
        // Below a watt or so of movement the slope is noise: then the usual loss of a supply.
        let steepness = if variance > 0.5 {
            (covariance / variance).clamp(0.8, 3.0)
        } else {
            1.15
        };
        // A machine never draws less than its processor.
        Some((mean_y + steepness * (x - mean_x)).max(x))
    }
}

/// An estimate with the share of it by which nine in ten are off at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) watts: f64,
    pub(super) error: f64,
}

impl Learned {
    /// What was kept, if it makes sense.
    #[must_use]
    pub fn checked(self) -> Self {
        let means = self.stretches.iter();
        let sane = |mean: &Mean| {
            [mean.weight, mean.usage_pct, mean.watts]
                .iter()
                .all(|figure| figure.is_finite() && *figure >= 0.0)
        };
        let line = self.line;
        let sums = [line.weight, line.x, line.y, line.xx, line.xy];
        let errors = [self.by_usage, self.by_counter];
        let fits = matches!(self.stretches.len(), 0 | STRETCHES)
            && means.clone().all(sane)
            && sums.iter().all(|sum| sum.is_finite() && *sum >= 0.0)
            && errors
                .iter()
                .all(|e| (NARROWEST..=WIDEST).contains(&e.usual) && e.bias.abs() <= 2.0);
        if fits { self } else { Self::default() }
    }

    /// Takes in that the machine drew `watts` at `usage_pct` (0–100) of CPU use while the
    /// processor's own counters said `rapl_w`. What is no sane figure is left alone.
    pub(super) fn learn(&mut self, usage_pct: f64, rapl_w: Option<f64>, watts: f64) {
        if !(0.0..=100.0).contains(&usage_pct) || !(0.1..=100_000.0).contains(&watts) {
            return;
        }
        let predicted = self.by_usage(usage_pct).map(|estimate| estimate.watts);
        if self.by_usage.note(predicted, watts) {
            for mean in &mut self.stretches {
                mean.weight = mean.weight.min(2.0);
            }
        }
        self.stretches.resize(STRETCHES, Mean::default());
        let usual = self.by_usage.usual;
        for mean in self.stretches.iter_mut().skip(stretch(usage_pct)).take(1) {
            mean.weight = (mean.weight + 1.0).min(MEMORY);
            let share = 1.0 / mean.weight;
            let mut off = watts - mean.watts;
            if mean.weight > 8.0 {
                // One odd sample moves little; a machine that has changed is noticed by its bias.
                let limit = (4.0 * usual * mean.watts).max(1.0);
                off = off.clamp(-limit, limit);
            }
            mean.watts += off * share;
            mean.usage_pct += (usage_pct - mean.usage_pct) * share;
        }
        if let Some(rapl_w) = rapl_w.filter(|rapl_w| (0.0..=watts).contains(rapl_w)) {
            let predicted = self.by_counter.is_known().then(|| self.line.at(rapl_w));
            if self.by_counter.note(predicted.flatten(), watts) {
                self.line.keep(0.05);
            }
            self.line.add(rapl_w, watts);
        }
    }

    /// The better of both estimates; `None` while too little was learnt.
    pub(super) fn at(&self, usage_pct: f64, rapl_w: Option<f64>) -> Option<Estimate> {
        let by_usage = self.by_usage(usage_pct);
        let by_counter = rapl_w.and_then(|rapl_w| self.by_counter(rapl_w));
        match (by_usage, by_counter) {
            (Some(usage), Some(counter)) if usage.error < counter.error => Some(usage),
            (usage, counter) => counter.or(usage),
        }
    }

    /// What the machine draws when it has nothing to do.
    pub(super) fn idle_w(&self) -> Option<f64> {
        Some(self.by_usage(0.0)?.watts)
    }

    fn by_counter(&self, rapl_w: f64) -> Option<Estimate> {
        let known = self.by_counter.is_known() && rapl_w.is_finite();
        let watts = known.then(|| self.line.at(rapl_w))??;
        Some(Estimate {
            watts,
            error: self.by_counter.usual,
        })
    }

    fn by_usage(&self, usage_pct: f64) -> Option<Estimate> {
        if !self.by_usage.is_known() {
            return None;
        }
        let points = self.monotone();
        let (first, last) = (points.first()?, points.last()?);
        let error = self.by_usage.usual;
        let usage_pct = usage_pct.clamp(0.0, 100.0);
        if (first.usage_pct..=last.usage_pct).contains(&usage_pct) {
            let watts = straight(&points, usage_pct);
            return Some(Estimate { watts, error });
        }
        let steps = span(first, last) * (shape(usage_pct) - shape(last.usage_pct));
        let watts = if usage_pct > last.usage_pct {
            last.watts + steps
        } else {
            let down = span(first, last) * (shape(first.usage_pct) - shape(usage_pct));
            (first.watts - down).max(first.watts * 0.3)
        };
        // What was never seen is known only as machines usually are: half of it may be wrong.
        let near = if usage_pct > last.usage_pct {
            last
        } else {
            first
        };
        let unseen = (watts - near.watts).abs() / watts;
        Some(Estimate {
            watts,
            error: (error + 0.5 * unseen).min(WIDEST),
        })
    }

    /// The stretches that were seen, none below the one before.
    fn monotone(&self) -> Vec<Mean> {
        let mut pools: Vec<Mean> = Vec::with_capacity(STRETCHES);
        let mut counts: Vec<(usize, f64)> = Vec::with_capacity(STRETCHES);
        let seen: Vec<Mean> = self
            .stretches
            .iter()
            .copied()
            .filter(|mean| mean.weight > 0.0)
            .collect();
        for mean in &seen {
            let mut pool = (1, mean.watts, mean.weight);
            while let Some((count, watts)) = counts.last().copied()
                && watts > pool.1
                && let Some(last) = pools.pop()
            {
                counts.pop();
                let weight = last.weight + pool.2;
                pool = (
                    count + pool.0,
                    (watts * last.weight + pool.1 * pool.2) / weight,
                    weight,
                );
            }
            counts.push((pool.0, pool.1));
            pools.push(Mean {
                weight: pool.2,
                usage_pct: mean.usage_pct,
                watts: pool.1,
            });
        }
        let levels = counts
            .iter()
            .flat_map(|(count, watts)| std::iter::repeat_n(*watts, *count));
        let pairs = seen.iter().zip(levels);
        pairs.map(|(mean, watts)| Mean { watts, ..*mean }).collect()
    }
}

/// The number of the stretch whose middle is nearest.
fn stretch(usage_pct: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 100, checked by the caller"
    )]
    let number = (usage_pct / WIDTH).round() as usize;
    number.min(STRETCHES - 1)
}

/// Watts at `usage_pct` on straight lines between points.
fn straight(points: &[Mean], usage_pct: f64) -> f64 {
    let mut before: Option<&Mean> = None;
    for point in points {
        if point.usage_pct >= usage_pct {
            let Some(from) = before else {
                return point.watts;
            };
            // `from` lies below `usage_pct` and `point` does not: they are never one place.
            let width = point.usage_pct - from.usage_pct;
            let share = (usage_pct - from.usage_pct) / width;
            return from.watts + (point.watts - from.watts) * share;
        }
        before = Some(point);
    }
    before.map_or(0.0, |last| last.watts)
}

/// How many watts lie between idle and full load: from what was seen, as far as that tells it.
fn span(first: &Mean, last: &Mean) -> f64 {
    let seen = shape(last.usage_pct) - shape(first.usage_pct);
    let usual = USUAL_SPAN * first.watts / (1.0 + USUAL_SPAN * shape(first.usage_pct));
    if seen <= 0.0 {
        return usual;
    }
    let told = (last.watts - first.watts) / seen;
    let trust = (seen / TELLING).min(1.0);
    told * trust + usual * (1.0 - trust)
}

#[cfg(test)]
mod tests;
