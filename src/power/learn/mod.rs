//! What a meter has taught about this machine: watts by CPU use, and watts by what the
//! processor's own counters say.
//!
//! Watts by use are kept as means of 21 stretches of 5 % and made monotone (pool adjacent
//! violators), since a busier machine never draws less. Where no load was ever seen, the usual
//! [`shape`] goes on from the nearest stretch, with a band that widens. Watts by counter are a
//! straight line of least squares, in which what is old counts less and less.
//!
//! Every sample is predicted before it is learnt; the errors of days are counted, and the band is
//! what nine in ten keep within, below and above apart. So a load that nobody knows of and that
//! comes and goes widens it to where it is. When all errors lie beyond one end for half a day the
//! machine has changed: what was learnt moves there, and counts little from then on.
//!
//! A change of load is no change of the machine. Loads that are not seen any more keep what they
//! were known to draw, and go along only with what changes at loads that are known; [`Idle`] is
//! read off them.

mod counter;
mod errors;
mod estimate;
mod grain;
mod idle;
mod lag;
mod slopes;
mod stretches;

use serde::{Deserialize, Serialize};

use super::curve;
use super::work::{DISK, EXTRAS, GRAPHICS, Inputs};
use counter::ByCounter;
use errors::{CHANGED, Errors, Noted};
use grain::Grain;
pub(super) use idle::{Idle, Reach};
pub(super) use lag::{LAGS, Lag};
use slopes::{Means, Slope, Slopes, product};
use stretches::{Mean, STRETCHES, middles, monotone, stretch};

/// W per GHz of clock in full use: what the same use costs more at a higher clock.
const FREQUENCY: Slope = Slope {
    assumed: 0.0,
    least: 0.0,
    most: 300.0,
    grain: 0.1,
};
/// W per disk that is always busy.
const DISKS: Slope = Slope {
    assumed: 0.0,
    least: 0.0,
    most: 60.0,
    grain: 0.1,
};
/// W per 100 MB/s.
const NETWORK: Slope = Slope {
    assumed: 0.0,
    least: 0.0,
    most: 60.0,
    grain: 0.1,
};
/// A meter's watt is so many of a graphics card's own.
const GRAPHICS_CARDS: Slope = Slope {
    assumed: 1.1,
    least: 0.7,
    most: 2.0,
    grain: 2.0,
};
const SLOPES: [Slope; EXTRAS] = [FREQUENCY, DISKS, NETWORK, GRAPHICS_CARDS];
/// Of what is said of disks, network and graphics so much may be wrong.
const LOOSE: f64 = 0.15;
/// Nine in ten estimates between the points of a guided calibration (0, 10, 30, 60 and 100 %) are
/// off by less than this share, on machines with published curves.
pub const BETWEEN_POINTS: f64 = 0.035;
/// A stretch that was interpolated by a guided calibration counts as so many samples.
const INTERPOLATED: f64 = 40.0;
/// Less than this of a busy disk, W, is no part of its own; and it is known once disks were at
/// work for as much as so many samples with one that was fully busy and as many with none.
const LEAST: f64 = 0.3;
const WORKED: f64 = 5.0;
/// What is learnt is remembered for about so long, s, at any meter's pace …
const DAY: f64 = 86_400.0;
/// … and for at least so many samples.
const SAMPLES: f64 = 200.0;

/// So many samples are remembered where one stands for so many seconds: what is told while there
/// is no meter is not that of the last minutes with one.
fn memory(seconds: f64) -> f64 {
    (DAY / seconds.max(1.0)).max(SAMPLES)
}

/// What else is on the plug that teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plug {
    /// Nothing.
    Own,
    /// Something that may be switched on and off: only the least that is drawn at a load can be
    /// this machine's.
    Shared,
}

/// What was learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Learned {
    stretches: Vec<Mean>,
    by_usage: Errors,
    /// Where older versions kept what [`ByCounter`] is now.
    line: Line,
    by_counter: Errors,
    /// What else went on in general.
    #[serde(default)]
    usual: Means,
    /// What that is worth.
    #[serde(default)]
    extras: Slopes,
    #[serde(default)]
    counter: ByCounter,
    /// The least that graphics cards were seen with, W.
    #[serde(default)]
    graphics_floor_w: Option<f64>,
    #[serde(default)]
    lag: Lag,
    #[serde(default)]
    grain: Grain,
    /// For how long it was learnt, s.
    #[serde(default)]
    lived: f64,
}

/// Sums of a straight line through (counter W, meter W), of an older version.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
struct Line {
    weight: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Learned {
    /// What was kept, by this version or an older one, if it makes sense.
    #[must_use]
    pub fn checked(mut self) -> Self {
        let line = std::mem::take(&mut self.line);
        if self.counter.is_empty() && line.weight >= 1.0 {
            self.counter = ByCounter::of_sums(line.weight, [line.x, line.y, line.xx, line.xy]);
        }
        let fits = matches!(self.stretches.len(), 0 | STRETCHES)
            && self.stretches.iter().all(Mean::is_sane)
            && self.by_usage.is_sane()
            && self.by_counter.is_sane()
            && self.usual.is_sane()
            && self.extras.is_sane()
            && self.counter.is_sane()
            && self.graphics_floor_w.is_none_or(f64::is_finite)
            && self.lag.is_sane()
            && self.grain.is_sane()
            && (0.0..f64::MAX).contains(&self.lived);
        if fits { self } else { Self::default() }
    }

    /// By how much the meter lags.
    pub(super) const fn lag(&self) -> &Lag {
        &self.lag
    }

    /// Goes on with a lag that is known.
    pub(super) const fn set_lag(&mut self, lag: Lag) {
        self.lag = lag;
    }

    /// Takes in by which share of its watts a reading is off at each of [`LAGS`]. Once another is
    /// chosen, what was learnt at the wrong loads counts little.
    pub(super) fn time(&mut self, shares: [f64; LAGS.len()]) {
        if self.lag.note(shares) {
            self.forget();
        }
    }

    /// By how much the meter that taught may be off since it rounds, W.
    pub(super) fn rounds_w(&self) -> f64 {
        self.grain.off_w()
    }

    /// The machine draws so many watts more than it did, which was seen at the stretch `place`. What
    /// was seen since is known already.
    fn shift(&mut self, place: usize, off_w: f64) {
        let old = self.lived - CHANGED;
        for (number, mean) in self.stretches.iter_mut().enumerate() {
            if mean.weight > 0.0 && (number == place || mean.seen <= old) {
                mean.watts = (mean.watts + off_w).max(0.0);
            }
        }
    }

    /// The machine was busier and drew less than it is known to draw: that is no more.
    fn discard(&mut self, watts: f64) {
        for mean in self.stretches.iter_mut().filter(|mean| mean.watts > watts) {
            *mean = Mean::default();
        }
    }

    /// The most that it is known to draw with less to do than at the stretch `place`, W.
    fn less_busy(&self, inputs: &Inputs, place: usize) -> Option<f64> {
        let below = self.stretches.iter().take(place);
        let known = below.filter(|mean| mean.is_firm() && mean.is_near(inputs, &SLOPES));
        known.map(|mean| mean.watts).reduce(f64::max)
    }

    /// Makes all that was learnt by use count little.
    fn forget(&mut self) {
        for mean in &mut self.stretches {
            mean.weight = mean.weight.min(2.0);
        }
        self.extras.keep(0.05);
    }

    /// Takes in that a meter said `watts`, which stands for so many seconds, while the machine did
    /// what `inputs` tell. What is no sane figure is left alone.
    pub(super) fn learn(&mut self, inputs: &Inputs, watts: f64, seconds: f64, plug: Plug) {
        let usage_pct = inputs.usage_pct;
        if !(0.0..=100.0).contains(&usage_pct) || !(0.1..=100_000.0).contains(&watts) {
            return;
        }
        let known = self.by_usage(inputs);
        if plug == Plug::Shared && known.is_some_and(|known| watts > known.high_w() + 1.0) {
            // Something else is on. Even so it is known the better the longer nothing less was
            // seen: what is always on cannot be told from the machine.
            self.rise(inputs, watts);
            return;
        }
        let predicted = known.map(|known| known.watts);
        let place = stretch(usage_pct);
        self.lived += seconds;
        self.grain.note(watts);
        let firm = self.stretches.get(place);
        let firm = firm.is_some_and(|mean| mean.is_firm() && mean.is_near(inputs, &SLOPES));
        let less_busy = self.less_busy(inputs, place);
        let less_busy = less_busy.filter(|less_busy| !firm && watts < *less_busy);
        let held_to = less_busy.or(predicted);
        match self
            .by_usage
            .note(held_to, watts, seconds, firm || less_busy.is_some())
        {
            Noted::Usual => self.take_in(inputs, watts, seconds),
            // Whether it is the machine or something else is not known yet.
            Noted::Held => {}
            Noted::Changed(_) if less_busy.is_some() => self.discard(watts),
            Noted::Changed(off_w) => {
                self.shift(place, off_w);
                self.forget();
            }
        }
        self.usual.add(&inputs.extras, memory(seconds));
        if let Some(graphics) = inputs.extras.get(GRAPHICS).copied().flatten() {
            let floor = self.graphics_floor_w.unwrap_or(graphics);
            self.graphics_floor_w = Some(floor.min(graphics));
        }
        if let Some(rapl_w) = inputs.rapl_w
            && (0.0..=watts).contains(&rapl_w)
        {
            let known = self.by_counter.is_known();
            let predicted = self.counter.at(inputs).filter(|_| known);
            match self.by_counter.note(predicted, watts, seconds, known) {
                Noted::Usual => self.counter.add(inputs, watts, memory(seconds)),
                Noted::Held => {}
                Noted::Changed(off_w) => self.counter.shift(off_w),
            }
        }
    }

    /// Takes watts in as what this use costs.
    fn take_in(&mut self, inputs: &Inputs, watts: f64, seconds: f64) {
        let usage_pct = inputs.usage_pct;
        let memory = memory(seconds);
        let slopes = self.extras.solve(&SLOPES);
        self.stretches.resize(STRETCHES, Mean::default());
        let usual = self.by_usage.band().widest();
        for mean in &mut self.stretches {
            mean.busy -= mean.busy / memory;
        }
        let busy: f64 = self.stretches.iter().map(|mean| mean.busy).sum();
        let mut drift = 0.0;
        for mean in self.stretches.iter_mut().skip(stretch(usage_pct)).take(1) {
            let off = mean.extras.off(&inputs.extras);
            let explained = product(&slopes, &off);
            let mut rest = watts - mean.watts - explained;
            if mean.is_firm() {
                // One odd sample moves little; what stays is noticed as a change.
                let limit = (4.0 * usual * mean.watts).max(1.0);
                rest = rest.clamp(-limit, limit);
                drift = rest * mean.busy / mean.weight;
                // Right after a guided calibration none was busy yet.
                let moved = drift / busy.max(f64::MIN_POSITIVE) / mean.watts.max(0.1);
                self.by_usage.move_by(moved);
            }
            if mean.weight > 2.0 {
                self.extras.add(off, rest + explained);
            }
            mean.add(usage_pct, rest + explained, &inputs.extras, memory);
            mean.busy += 1.0 / memory;
            mean.seen = self.lived;
        }
        // What changes slowly does so at any load; those that are seen tell it of themselves.
        let old = self.lived - DAY;
        let unseen = self.stretches.iter_mut().filter(|mean| mean.weight > 0.0);
        for mean in unseen.filter(|mean| mean.seen < old) {
            mean.watts = (mean.watts + drift).max(0.0);
        }
    }

    /// Lets the stretch of `inputs` rise a little towards `watts`.
    fn rise(&mut self, inputs: &Inputs, watts: f64) {
        let place = stretch(inputs.usage_pct);
        for mean in self.stretches.iter_mut().skip(place).take(1) {
            let share = 0.01 / SAMPLES;
            mean.watts += (watts - mean.watts) * share;
        }
    }

    /// Takes over what a guided calibration has measured in place of all that was known: points
    /// of (CPU use in %, W), from idle to full load. `usual` is the share by which estimates
    /// between them are off. `None` if the points do not rise or are too few.
    pub(super) fn calibrated(points: &[(f64, f64)], usual: f64) -> Option<Self> {
        let curve = curve::Through::new(points)?;
        let mut learned = Self {
            by_usage: Errors::known(usual),
            ..Self::default()
        };
        learned.stretches = middles()
            .map(|usage_pct| Mean {
                weight: INTERPOLATED,
                usage_pct,
                watts: curve.at(usage_pct),
                ..Mean::default()
            })
            .collect();
        Some(learned)
    }

    /// What the machine draws when it has nothing to do.
    pub(super) fn idle_w(&self) -> Option<f64> {
        let idle = Inputs {
            usage_pct: 0.0,
            rapl_w: None,
            extras: [None, Some(0.0), Some(0.0), self.graphics_floor_w],
        };
        Some(self.by_usage(&idle)?.watts)
    }

    /// What the machine draws with nothing to do, by all that was seen of it and by what is known of
    /// its kind; `None` if nothing was seen.
    pub(super) fn idle(&self, reach: Option<Reach>) -> Option<Idle> {
        let slopes = self.extras.solve(&SLOPES);
        let points = monotone(&self.stretches, &self.usual, &slopes);
        let still = [None, Some(0.0), Some(0.0), self.graphics_floor_w];
        let more = product(&slopes, &self.usual.off(&still));
        let idle = Idle::of(&points, reach, self.rounds_w())?.with(more);
        // What nobody knows of and comes and goes does so while it idles, too.
        let known = self.by_usage.is_known().then(|| self.by_usage.band());
        Some(known.map_or(idle, |band| idle.within(band)))
    }

    /// Whether enough was seen for an estimate.
    pub(super) const fn is_known(&self) -> bool {
        self.by_usage.is_known()
    }

    /// What a disk that is always busy draws above one at rest, W; `None` while too little was seen
    /// of disks at work, or they make no difference.
    pub(super) fn disk_w(&self) -> Option<f64> {
        let slopes = self.extras.solve(&SLOPES);
        let slope = slopes.get(DISK).copied().filter(|slope| *slope >= LEAST)?;
        let known = self.by_usage.is_known() && self.extras.seen(DISK) >= WORKED;
        known.then_some(slope)
    }

    /// What a meter has taught of a watt that a graphics card says it draws: so many at the wall.
    pub(super) fn graphics_slope(&self) -> f64 {
        let slopes = self.extras.solve(&SLOPES);
        let slope = slopes.get(GRAPHICS).copied();
        slope.unwrap_or(GRAPHICS_CARDS.assumed)
    }

    /// Whether a graphics card has told what it draws while a meter was heard.
    pub(super) fn knows_graphics(&self) -> bool {
        self.graphics_floor_w.is_some()
    }
}

#[cfg(test)]
mod tests;
