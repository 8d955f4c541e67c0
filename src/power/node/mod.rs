mod cards;
mod counter;
mod estimate;
mod teacher;

use std::time::Duration;

use super::dispute::Dispute;
use super::learn::{Idle, Learned, Reach};
use super::work::{Inputs, rapl};
use super::{Curve, Gap, PowerSample, Prior, Scope, SourceKind, Work};
use crate::model::Source;
use cards::{Cards, Graphics};
use counter::Counter;
pub use counter::Mark;
use teacher::Teacher;

/// What the node draws now.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Watts at the wall.
    pub power_w: f64,
    /// The band: nine in ten such machines, or meters, draw at least and at most so much.
    pub band_w: (f64, f64),
    /// Of these, what it would draw with nothing to do; at most `power_w`.
    pub idle_w: f64,
    /// The band of that.
    pub idle_band_w: (f64, f64),
    /// The least use that it was measured at, %, if it was never measured with as good as nothing
    /// to do: `idle_w` is then what follows from that.
    pub never_below_pct: Option<f64>,
    /// Where it comes from.
    pub source: Source,
    /// Which meter told it, or what an assumption was judged by.
    pub basis: Option<String>,
    /// Why what told it is not to be trusted fully: a UPS that only knows its load in percent.
    pub doubt: Option<String>,
    /// Two that measure the same contradict one another, and have for a while.
    pub dispute: Option<String>,
    /// All that was drawn since the counter began, kWh; never less than before.
    pub energy_kwh: f64,
}

impl Draw {
    /// Whether no thing that measures the whole machine has told it.
    pub const fn is_estimated(&self) -> bool {
        matches!(
            self.source,
            Source::Calibrated | Source::Model | Source::Rapl | Source::Prior
        )
    }
}

/// The node's watts and its own counter. Whatever tells the watts, the counter goes on without a
/// step.
///
/// What is nearest to the wall is believed: a meter, a UPS, a supply, a sensor of the whole board
/// or a battery that is being drained. Without any of them the watts are estimated, by the first
/// of these that there is: what a meter has taught about this machine ([`Source::Calibrated`]),
/// the configured curve ([`Source::Model`]), the processor's counters with the rest of the machine
/// assumed ([`Source::Rapl`]), its kind ([`Source::Prior`]). What graphics cards of their own say
/// they draw comes on top of all that knows only the processor.
#[derive(Debug, Clone)]
pub struct NodePower {
    curve: Option<Curve>,
    prior: Option<Prior>,
    teacher: Teacher,
    dispute: Dispute,
    counter: Counter,
    cards: Cards,
    /// What cards drew at the last look.
    graphics: Option<Graphics>,
}

/// Watts, their band, their source and what they are judged by.
#[derive(Debug, Clone)]
struct Told {
    watts: f64,
    band: (f64, f64),
    source: Source,
    basis: Option<String>,
    doubt: Option<String>,
    /// The source's counter, with the source's name.
    counter: Option<(String, f64)>,
}

impl NodePower {
    /// Goes on from `energy_kwh`; without a meter the watts are estimated by `curve`.
    pub fn new(curve: Option<Curve>, energy_kwh: f64) -> Self {
        Self {
            curve,
            prior: None,
            teacher: Teacher::default(),
            dispute: Dispute::default(),
            counter: Counter::new(energy_kwh, Gap::default()),
            cards: Cards::default(),
            graphics: None,
        }
    }

    /// The same with what an earlier run has learnt: from a meter of this machine alone, and from
    /// one on which there is more.
    #[must_use]
    pub fn with_learned(mut self, own: Learned, shared: Learned) -> Self {
        self.teacher = Teacher::new(own.checked(), shared.checked());
        self
    }

    /// The same for who looks rarely: what counts as a gap.
    #[must_use]
    pub fn with_gap(mut self, gap: Gap) -> Self {
        self.counter = Counter::new(self.energy_kwh(), gap);
        self
    }

    /// What is assumed of this machine while nothing better is known.
    pub fn assume(&mut self, prior: Prior) {
        self.prior = Some(prior);
    }

    /// Whether something is assumed already.
    pub const fn assumes(&self) -> bool {
        self.prior.is_some()
    }

    /// What was learnt from a meter of this machine alone, to be kept.
    pub const fn learned(&self) -> &Learned {
        self.teacher.own()
    }

    /// What was learnt from a meter on which there is more, to be kept.
    pub const fn learned_shared(&self) -> &Learned {
        self.teacher.shared()
    }

    /// Takes over what a guided calibration has measured, points of (CPU use in %, W) from idle to
    /// full load, in place of all that was learnt; `usual` is the share by which nine in ten
    /// estimates are off between them. Whether the points make a curve.
    pub fn calibrate(&mut self, points: &[(f64, f64)], usual: f64) -> bool {
        let learned = Learned::calibrated(points, usual);
        let makes_one = learned.is_some();
        if let Some(learned) = learned {
            self.teacher.replace(learned);
        }
        makes_one
    }

    /// What would be estimated of `work` without any meter, W.
    pub fn estimated_w(&self, work: &Work) -> Option<f64> {
        let inputs = Inputs::of(work, &[])?;
        Some(self.reckon(&inputs, Graphics::default())?.watts)
    }

    /// By how much the meter lags.
    pub fn lag(&self) -> Duration {
        self.learned().lag().time()
    }

    /// What a meter has taught about a disk that is always busy: what it draws above one at rest,
    /// W.
    pub fn disk_w(&self) -> Option<f64> {
        self.teacher.own().disk_w()
    }

    /// What graphics cards draw above what they do at rest, at the wall, W; `None` if none tells.
    pub fn graphics_w(&self) -> Option<f64> {
        Some(self.graphics?.above * self.teacher.own().graphics_slope())
    }

    /// The counter, kWh.
    pub const fn energy_kwh(&self) -> f64 {
        self.counter.energy_kwh()
    }

    /// Goes on after a time in which nobody watched, at whose begin a source's counter stood at
    /// `mark`; no more than `most_kwh` can have been drawn in it.
    pub fn resume(&mut self, mark: Mark, most_kwh: f64) {
        self.counter.resume(mark, most_kwh);
    }

    /// Where the counter of what measures stands, to be kept; `None` without one.
    pub fn mark(&self) -> Option<Mark> {
        self.counter.mark()
    }

    /// Whether what measured before nobody watched is not heard again yet.
    pub const fn is_away(&self) -> bool {
        self.counter.is_away()
    }

    /// What was drawn while nobody watched, kWh, once that is known; it is counted already.
    pub const fn take_made_up(&mut self) -> Option<f64> {
        self.counter.take_made_up()
    }

    /// Takes in one look at everything that measures, and what the machine did, at the monotonic
    /// time `up`. `None` if nothing tells what the node draws.
    pub fn step(&mut self, up: Duration, samples: &[PowerSample], work: &Work) -> Option<Draw> {
        let inputs = Inputs::of(work, samples);
        let best = best(samples);
        self.graphics = self.cards.look(samples);
        self.teacher.step(up, inputs, samples, best);
        let told = match best {
            Some((sample, watts)) => Some(self.measured(up, sample, watts)),
            None => self.estimate(inputs.as_ref(), samples),
        };
        let Some(told) = told else {
            self.counter.pause();
            return None;
        };
        self.counter.count(up, told.watts, told.counter);
        let idle = self.idle(told.watts, inputs.as_ref(), best.is_some());
        let told_by = best.filter(|(sample, _)| sample.scope == Scope::Host);
        let dispute = told_by.and_then(|(sample, watts)| {
            let all = (samples, rapl(samples));
            self.dispute.step(up, sample, watts, all)
        });
        Some(Draw {
            power_w: told.watts,
            band_w: told.band,
            idle_w: idle.watts,
            idle_band_w: idle.band,
            never_below_pct: idle.busy_pct,
            source: told.source,
            basis: told.basis,
            doubt: told.doubt,
            dispute: dispute.map(str::to_owned),
            energy_kwh: self.counter.energy_kwh(),
        })
    }

    /// What `sample` tells. What it does not know yet, or rounds away, is within the band.
    fn measured(&self, up: Duration, sample: &PowerSample, watts: f64) -> Told {
        let mut told = measured(sample, watts);
        if sample.kind == SourceKind::Meter {
            let (low, high) = told.band;
            let rounds_w = (self.learned().rounds_w() - RESOLUTION).max(0.0);
            let since_w = self.teacher.since_w(up, sample);
            told.band = (
                (low - rounds_w + since_w.min(0.0)).max(0.0),
                high + rounds_w + since_w.max(0.0),
            );
        }
        told
    }

    /// What of `power_w` is drawn with nothing to do, as well as that is known.
    fn idle(&self, power_w: f64, inputs: Option<&Inputs>, measured: bool) -> Idle {
        let usage_pct = inputs.map(|inputs| inputs.usage_pct);
        let own = self.teacher.own();
        let learned = own
            .idle(self.reach())
            .filter(|_| measured || own.is_known());
        // What was read off a meter once is better than what follows from a busy machine.
        let given = self
            .curve
            .map(|curve| said(curve.idle_w, curve.max_w, GIVEN));
        let learned = learned.filter(|learned| learned.busy_pct.is_none() || given.is_none());
        let look = || {
            let now = Idle::of_look(usage_pct?, power_w, self.reach())?;
            Some(now.below(self.teacher.floor_w()?))
        };
        let floor = self
            .teacher
            .floor_w()
            .map(|floor_w| said(floor_w, floor_w, 1.0));
        let looked = || look().or(floor).filter(|_| measured);
        let assumed = self.prior.as_ref();
        let rest_w = self.rest_w();
        let assumed = assumed.map(|kind| {
            let Curve { idle_w, max_w } = kind.curve;
            said(idle_w + rest_w, max_w + rest_w, kind.spread)
        });
        let known = learned.or(given).or_else(looked).or(assumed);
        known
            .unwrap_or_else(|| said(power_w, power_w, 1.0))
            .beside(power_w, usage_pct.filter(|_| measured))
    }

    /// What graphics cards draw at rest, at the wall, W.
    fn rest_w(&self) -> f64 {
        let slope = || self.teacher.own().graphics_slope();
        self.graphics
            .map_or(0.0, |cards| (cards.whole - cards.above) * slope())
    }

    /// What is known of the way from idle to full load before anything is learnt.
    fn reach(&self) -> Option<Reach> {
        let of = |curve: Curve, spread| Reach {
            span_w: curve.max_w - curve.idle_w,
            spread,
        };
        let given = self.curve.map(|curve| of(curve, GIVEN));
        let prior = self.prior.as_ref();
        given.or_else(|| prior.map(|prior| of(prior.curve, prior.spread)))
    }
}

/// How far what was given may be off.
const GIVEN: f64 = 1.1;

/// What is known to be drawn with nothing to do, to a `spread`-th and `spread` times as much.
fn said(idle_w: f64, max_w: f64, spread: f64) -> Idle {
    Idle {
        watts: idle_w,
        band: (idle_w / spread, idle_w * spread),
        span_w: max_w - idle_w,
        busy_pct: None,
    }
}

/// The source nearest to the wall that tells watts of the whole machine, before its supply if
/// there is one.
fn best(samples: &[PowerSample]) -> Option<(&PowerSample, f64)> {
    let whole = samples.iter();
    let whole = whole.filter(|sample| matches!(sample.scope, Scope::Host | Scope::Board));
    let known = whole.filter_map(|sample| Some((sample, sample.power_w?)));
    // Of two of a kind the one that is not doubtful, then the one that was first by name.
    known.min_by(|(a, _), (b, _)| {
        let rank = |one: &PowerSample| (one.scope.clone(), one.suspect.is_some(), one.kind);
        rank(a)
            .cmp(&rank(b))
            .then_with(|| a.source_id.cmp(&b.source_id))
    })
}

/// Of a watt behind its supply or from its battery, what it may come to at the wall: a good
/// supply at its best load, a usual one, one at a small share of its load.
const SUPPLY: (f64, f64, f64) = (1.04, 1.15, 1.4);

fn measured(sample: &PowerSample, watts: f64) -> Told {
    let watts = watts.max(0.0);
    let off = watts * accuracy(sample) + RESOLUTION;
    let (low, likely, high) = if sample.scope == Scope::Board {
        SUPPLY
    } else {
        (1.0, 1.0, 1.0)
    };
    Told {
        watts: watts * likely,
        band: ((watts * low - off).max(0.0), watts * high + off),
        source: sample.kind.source(),
        basis: Some(sample.label.clone()),
        doubt: sample.suspect.clone(),
        // A counter behind the supply leaves its loss out.
        counter: (sample.scope == Scope::Host)
            .then(|| Some((sample.source_id.clone(), sample.energy_kwh?)))
            .flatten(),
    }
}

/// Many plugs tell whole watts.
const RESOLUTION: f64 = 0.5;

/// How far off it may be, as a share: what makers say, and what is left of that at a load far
/// below the most.
const fn accuracy(sample: &PowerSample) -> f64 {
    if sample.suspect.is_some() {
        // A UPS that tells whole percents of a nominal power at an assumed power factor.
        return 0.25;
    }
    match sample.kind {
        SourceKind::Meter => 0.02,
        SourceKind::Hwmon | SourceKind::Rapl => 0.03,
        SourceKind::Psu | SourceKind::Battery | SourceKind::Gpu => 0.05,
        SourceKind::Ups => 0.1,
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod loads;
