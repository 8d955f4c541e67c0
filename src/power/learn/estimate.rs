//! What is estimated of what was learnt.

use super::errors::Band;
use super::slopes::product;
use super::stretches::{Point, between, monotone, span, unseen_w};
use super::{LOOSE, Learned, SLOPES};
use crate::power::curve::shape;
use crate::power::work::{CLOCK, Inputs};

/// An estimate with the shares of it by which nine in ten are off at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::power) struct Estimate {
    pub(in crate::power) watts: f64,
    pub(super) band: Band,
}

impl Estimate {
    /// The least that nine in ten are, W.
    pub(in crate::power) fn low_w(&self) -> f64 {
        self.watts * (1.0 - self.band.below)
    }

    /// The most, W.
    pub(in crate::power) fn high_w(&self) -> f64 {
        self.watts * (1.0 + self.band.above)
    }
}

impl Learned {
    /// The better of both estimates; `None` while too little was learnt.
    pub(in crate::power) fn at(&self, inputs: &Inputs) -> Option<Estimate> {
        let (by_usage, by_counter) = (self.by_usage(inputs), self.by_counter(inputs));
        let is_better = |one: &Estimate, other: &Estimate| one.band.width() < other.band.width();
        match (by_usage, by_counter) {
            (Some(usage), Some(counter)) if is_better(&usage, &counter) => Some(usage),
            (usage, counter) => counter.or(usage),
        }
    }

    pub(super) fn by_counter(&self, inputs: &Inputs) -> Option<Estimate> {
        let watts = self.counter.at(inputs);
        let watts = watts.filter(|_| self.by_counter.is_known())?;
        let band = self.by_counter.band().wider(self.grain.share_of(watts));
        Some(Estimate { watts, band })
    }

    pub(super) fn by_usage(&self, inputs: &Inputs) -> Option<Estimate> {
        if !self.by_usage.is_known() {
            return None;
        }
        let slopes = self.extras.solve(&SLOPES);
        let points = monotone(&self.stretches, &self.usual, &slopes);
        let usage_pct = inputs.usage_pct.clamp(0.0, 100.0);
        let plain = self.plain(&points, usage_pct)?;
        let mut off = self.usual.off(&inputs.extras);
        let clock = inputs.extras.get(CLOCK).copied().flatten();
        let usual = between(&points, usage_pct, |point| point.clock);
        let higher = clock.zip(usual).map_or(0.0, |(clock, usual)| clock - usual);
        off.get_mut(CLOCK).into_iter().for_each(|off| *off = higher);
        let more = product(&slopes, &off);
        let watts = (plain.watts + more).max(plain.watts * 0.3);
        let doubt = LOOSE * more.abs() / watts + self.grain.share_of(watts);
        let band = plain.band.wider(doubt);
        Some(Estimate { watts, band })
    }

    /// By use alone.
    fn plain(&self, points: &[Point], usage_pct: f64) -> Option<Estimate> {
        let (first, last) = (points.first()?, points.last()?);
        let band = self.by_usage.band();
        if (first.usage_pct..=last.usage_pct).contains(&usage_pct) {
            let watts = between(points, usage_pct, |point| Some(point.watts))?;
            let band = band.wider(unseen_w(points, usage_pct) / watts.max(0.1));
            return Some(Estimate { watts, band });
        }
        let near = if usage_pct > last.usage_pct {
            last
        } else {
            first
        };
        let steps = span(first, last) * (shape(usage_pct) - shape(near.usage_pct));
        let watts = (near.watts + steps).max(first.watts * 0.3);
        // What was never seen is known only as machines usually are: half of it may be wrong.
        let unseen = (watts - near.watts).abs() / watts;
        Some(Estimate {
            watts,
            band: band.wider(0.5 * unseen),
        })
    }
}
