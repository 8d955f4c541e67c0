use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::dispute::Dispute;
use super::learn::Learned;
use super::{Curve, PowerSample, Prior, Scope};
use crate::model::Source;

/// Longer than this between two looks and nothing is known of the time between: a suspended
/// machine, a stopped clock. No energy is made up for it.
const LONGEST_GAP: Duration = Duration::from_mins(5);
/// A meter's reading is learnt together with the use at its time, for so many looks back.
const RECENT: usize = 70;
/// Only while the use hardly moves, %: then it does not matter by how much the meter lags.
const STEADY: f64 = 5.0;

/// What the node draws now.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Watts at the wall.
    pub power_w: f64,
    /// The band of an estimate: nine in ten such machines draw at least and at most so much.
    pub band_w: Option<(f64, f64)>,
    /// Of these, what it would draw with nothing to do; at most `power_w`.
    pub idle_w: f64,
    /// Where it comes from.
    pub source: Source,
    /// Which meter told it, or what an assumption was judged by.
    pub basis: Option<String>,
    /// Two that measure the same contradict one another, and have for a while.
    pub dispute: Option<String>,
    /// All that was drawn since the counter began, kWh; never less than before.
    pub energy_kwh: f64,
}

/// The node's own counter. Whatever tells the watts, it goes on without a step: where the source
/// has a counter of its own that leads, otherwise watts are summed up over the time that was
/// watched. Nothing is added for times of which nothing is known.
///
/// Without a meter, UPS or supply the watts are estimated, by the first of these that there is:
/// what a meter has taught about this machine ([`Source::Calibrated`]), the configured curve
/// ([`Source::Model`]), the processor's counters with the rest of the machine assumed
/// ([`Source::Rapl`]), its kind ([`Source::Prior`]).
#[derive(Debug, Clone)]
pub struct NodePower {
    curve: Option<Curve>,
    prior: Option<Prior>,
    learned: Learned,
    /// The last reading that was learnt: who told it, when it was measured.
    taught: Option<(String, Timestamp)>,
    recent: VecDeque<Look>,
    /// The least that was measured since the start, W.
    floor_w: Option<f64>,
    dispute: Dispute,
    energy_kwh: f64,
    last: Option<Last>,
}

/// What the processor did at one look.
#[derive(Debug, Clone, Copy)]
struct Look {
    up: Duration,
    usage_pct: f64,
    rapl_w: Option<f64>,
}

#[derive(Debug, Clone)]
struct Last {
    up: Duration,
    power_w: f64,
    /// The source's counter, with the source's name.
    counter: Option<(String, f64)>,
}

/// Watts, their band, their source and what they are judged by.
type Estimate = (f64, (f64, f64), Source, Option<String>);

impl NodePower {
    /// Goes on from `energy_kwh`; without a meter the watts are estimated by `curve`.
    pub fn new(curve: Option<Curve>, energy_kwh: f64) -> Self {
        Self {
            curve,
            prior: None,
            learned: Learned::default(),
            taught: None,
            recent: VecDeque::with_capacity(RECENT),
            floor_w: None,
            dispute: Dispute::default(),
            energy_kwh,
            last: None,
        }
    }

    /// The same with what an earlier run has learnt.
    #[must_use]
    pub fn with_learned(mut self, learned: Learned) -> Self {
        self.learned = learned.checked();
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

    /// What was learnt, to be kept.
    pub const fn learned(&self) -> &Learned {
        &self.learned
    }

    /// The counter, kWh.
    pub const fn energy_kwh(&self) -> f64 {
        self.energy_kwh
    }

    /// Takes in one look at everything that measures, and the CPU use (0–100 %), at the monotonic
    /// time `up`. `None` if nothing tells what the node draws.
    pub fn step(
        &mut self,
        up: Duration,
        samples: &[PowerSample],
        usage_pct: Option<f64>,
    ) -> Option<Draw> {
        let usage_pct = usage_pct.filter(|usage| usage.is_finite());
        let rapl_w = rapl(samples);
        if let Some(usage_pct) = usage_pct {
            self.recent.truncate(RECENT - 1);
            self.recent.push_front(Look {
                up,
                usage_pct,
                rapl_w,
            });
        }
        let best = best(samples);
        if let Some((sample, watts)) = best {
            self.learn(up, sample, watts);
        }
        let told = match best {
            Some((sample, watts)) => {
                let counter = sample.energy_kwh.map(|kwh| (sample.source_id.clone(), kwh));
                let watts = watts.max(0.0);
                let basis = Some(sample.label.clone());
                Some((watts, None, sample.kind.source(), basis, counter))
            }
            None => self.estimate(usage_pct, rapl_w).map(|estimate| {
                let (watts, band, source, basis) = estimate;
                (watts, Some(band), source, basis, None)
            }),
        };
        let Some((power_w, band_w, source, basis, counter)) = told else {
            self.last = None;
            return None;
        };
        self.count(up, power_w, counter);
        let dispute = best.and_then(|(sample, watts)| {
            let all = (samples, rapl_w);
            self.dispute.step(up, sample, watts, all).map(str::to_owned)
        });
        Some(Draw {
            power_w,
            band_w,
            idle_w: self.idle_w(power_w, band_w.is_none()),
            source,
            basis,
            dispute,
            energy_kwh: self.energy_kwh,
        })
    }

    fn count(&mut self, up: Duration, power_w: f64, counter: Option<(String, f64)>) {
        if let Some(last) = &self.last {
            let gap = up.saturating_sub(last.up);
            self.energy_kwh += match (&last.counter, &counter) {
                (Some((old, from)), Some((new, to))) if old == new => (to - from).max(0.0),
                _ if gap <= LONGEST_GAP => {
                    let mean_w = f64::midpoint(last.power_w, power_w);
                    mean_w * gap.as_secs_f64() / 3_600_000.0
                }
                _ => 0.0,
            };
        }
        self.last = Some(Last {
            up,
            power_w,
            counter,
        });
    }

    /// Learns from a reading that is new and can be believed, if the use was steady at its time.
    fn learn(&mut self, up: Duration, sample: &PowerSample, watts: f64) {
        if sample.suspect.is_some() {
            return;
        }
        let floor = self.floor_w.map_or(watts, |floor| floor.min(watts));
        self.floor_w = Some(floor.max(0.0));
        let reading = (sample.source_id.clone(), sample.at);
        if self.taught.as_ref() == Some(&reading) {
            return;
        }
        let measured = up.saturating_sub(sample.age);
        // The newest first: the last of those that are not before the reading holds its time.
        let after = self.recent.iter().take_while(|look| look.up >= measured);
        let Some(place) = after.count().checked_sub(1) else {
            return;
        };
        let (look, before) = (self.recent.get(place), self.recent.get(place + 1));
        if let (Some(look), Some(before)) = (look, before)
            && (look.usage_pct - before.usage_pct).abs() <= STEADY
        {
            self.learned.learn(look.usage_pct, look.rapl_w, watts);
            self.taught = Some(reading);
        }
    }

    fn estimate(&self, usage_pct: Option<f64>, rapl_w: Option<f64>) -> Option<Estimate> {
        let usage_pct = usage_pct?;
        if let Some(found) = self.learned.at(usage_pct, rapl_w) {
            let band = (
                found.watts * (1.0 - found.error),
                found.watts * (1.0 + found.error),
            );
            return Some((found.watts, band, Source::Calibrated, None));
        }
        if let Some(curve) = self.curve {
            let (low, likely, high) = curve.at(usage_pct);
            return Some((likely, (low, high), Source::Model, None));
        }
        let prior = self.prior.as_ref()?;
        let (source, (low, likely, high)) = match rapl_w {
            Some(rapl_w) => (Source::Rapl, prior.beside(rapl_w)),
            None => (Source::Prior, prior.at(usage_pct)),
        };
        Some((likely, (low, high), source, Some(prior.basis.clone())))
    }

    /// What of `power_w` is drawn with nothing to do, as well as that is known.
    fn idle_w(&self, power_w: f64, measured: bool) -> f64 {
        let curve = self.curve.map(|curve| curve.idle_w);
        let floor = self.floor_w.filter(|_| measured);
        let prior = self.prior.as_ref().map(|prior| prior.curve.idle_w);
        let known = self.learned.idle_w().or(curve).or(floor).or(prior);
        known.unwrap_or(power_w).clamp(0.0, power_w)
    }
}

/// The source nearest to the wall that tells watts of the whole machine.
fn best(samples: &[PowerSample]) -> Option<(&PowerSample, f64)> {
    let whole = samples.iter().filter(|sample| sample.scope == Scope::Host);
    let known = whole.filter_map(|sample| Some((sample, sample.power_w?)));
    // Of two of a kind the one that is not doubtful, then the one that was first by name.
    known.min_by(|(a, _), (b, _)| {
        let rank = |one: &PowerSample| (one.suspect.is_some(), one.kind);
        rank(a)
            .cmp(&rank(b))
            .then_with(|| a.source_id.cmp(&b.source_id))
    })
}

/// What the processors say of themselves and of memory beside them, W; else their platform.
fn rapl(samples: &[PowerSample]) -> Option<f64> {
    let of = |fits: fn(&Scope) -> bool| {
        let watts = samples.iter().filter(|sample| fits(&sample.scope));
        let mut watts = watts.filter_map(|sample| sample.power_w).peekable();
        watts.peek().is_some().then(|| watts.sum::<f64>())
    };
    let packages = of(|scope| matches!(scope, Scope::Package(_)));
    let memory = of(|scope| matches!(scope, Scope::Memory(_))).unwrap_or(0.0);
    let packages = packages.map(|packages| packages + memory);
    packages.or_else(|| of(|scope| *scope == Scope::Platform))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::SourceKind;

    const CURVE: Curve = Curve {
        idle_w: 20.0,
        max_w: 70.0,
    };

    fn sample(kind: SourceKind, power_w: Option<f64>, energy_kwh: Option<f64>) -> PowerSample {
        PowerSample {
            source_id: format!("{kind:?}"),
            label: format!("{kind:?}"),
            kind,
            scope: Scope::Host,
            at: jiff::Timestamp::UNIX_EPOCH,
            age: Duration::ZERO,
            power_w,
            energy_kwh,
            suspect: None,
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn what_is_nearest_to_the_wall_is_believed() {
        let mut node = NodePower::new(Some(CURVE), 0.0);
        let meter = sample(SourceKind::Meter, Some(31.5), None);
        let ups = sample(SourceKind::Ups, Some(40.0), None);
        let mut package = sample(SourceKind::Rapl, Some(9.0), None);
        package.scope = Scope::Package(0);
        let all = [package, ups.clone(), meter.clone()];
        let draw = node.step(at(0), &all, Some(50.0)).unwrap();
        assert_eq!((draw.power_w, draw.source), (31.5, Source::Meter));
        assert_eq!((draw.basis.as_deref(), draw.band_w), (Some("Meter"), None));
        let silent = sample(SourceKind::Meter, None, Some(3.0));
        let doubtful = PowerSample {
            suspect: Some("frozen".to_owned()),
            ..meter
        };
        for meter in [silent, doubtful.clone()] {
            let draw = node.step(at(10), &[meter, ups.clone()], None).unwrap();
            assert_eq!(draw.source, Source::Ups);
        }
        let alone = node.step(at(20), &[doubtful], None).unwrap();
        close(alone.power_w, 31.5);
        let below = sample(SourceKind::Meter, Some(-0.4), None);
        close(node.step(at(30), &[below], None).unwrap().power_w, 0.0);
    }

    #[test]
    fn of_two_meters_always_the_same_one_is_taken() {
        let mut node = NodePower::new(None, 0.0);
        let one = sample(SourceKind::Meter, Some(1.0), None);
        let mut two = sample(SourceKind::Meter, Some(2.0), None);
        two.source_id = "A".to_owned();
        for pair in [[one.clone(), two.clone()], [two, one]] {
            close(node.step(at(0), &pair, None).unwrap().power_w, 2.0);
        }
    }

    #[test]
    fn without_a_meter_the_curve_tells_a_band_that_holds_the_figure() {
        let mut node = NodePower::new(Some(CURVE), 0.0);
        for (usage, likely) in [
            (0.0, 20.0),
            (10.0, 28.1),
            (55.0, 45.775),
            (100.0, 70.0),
            (300.0, 70.0),
        ] {
            let draw = node.step(at(0), &[], Some(usage)).unwrap();
            close(draw.power_w, likely);
            assert_eq!((draw.source, draw.basis), (Source::Model, None));
            let (low, high) = draw.band_w.unwrap();
            assert!(low < likely && likely < high, "{usage} %");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let mut bare = NodePower::new(None, 1.0);
        assert_eq!(bare.step(at(0), &[], Some(50.0)), None);
        let mut curve = NodePower::new(Some(CURVE), 1.0);
        for usage in [None, Some(f64::NAN)] {
            assert_eq!(curve.step(at(0), &[], usage), None);
        }
        close(curve.energy_kwh(), 1.0);
    }

    #[test]
    fn watts_are_summed_up_over_the_time_that_was_watched() {
        let mut node = NodePower::new(None, 5.0);
        let watts = |watts| [sample(SourceKind::Ups, Some(watts), None)];
        node.step(at(0), &watts(100.0), None);
        node.step(at(36), &watts(300.0), None);
        close(node.energy_kwh(), 5.002);
        // A night's sleep: nothing is known of it.
        node.step(at(36_000), &watts(100.0), None);
        close(node.energy_kwh(), 5.002);
        // A source that was away for a moment: neither.
        node.step(at(36_010), &[], None);
        node.step(at(36_020), &watts(100.0), None);
        close(node.energy_kwh(), 5.002);
    }

    #[test]
    fn a_meters_own_counter_leads_and_a_change_of_source_makes_no_step() {
        let mut node = NodePower::new(Some(CURVE), 0.0);
        let meter = |kwh| [sample(SourceKind::Meter, Some(36.0), Some(kwh))];
        node.step(at(0), &meter(700.0), None);
        node.step(at(10), &meter(700.0), None);
        close(node.energy_kwh(), 0.0);
        // It has counted on while nobody looked.
        node.step(at(90_000), &meter(700.5), None);
        close(node.energy_kwh(), 0.5);
        node.step(at(90_010), &meter(700.4), None);
        close(node.energy_kwh(), 0.5);
        // The plug is gone; the estimate goes on from there, and the plug again.
        node.step(at(90_020), &[], Some(0.0));
        close(node.energy_kwh(), 0.5 + 28.0 * 10.0 / 3_600_000.0);
        let before = node.energy_kwh();
        node.step(at(90_030), &meter(9.0), None);
        close(node.energy_kwh() - before, 28.0 * 10.0 / 3_600_000.0);
    }

    /// A plug that speaks every ten seconds beside a machine that draws 20 W and 0.5 W more for
    /// each percent of use.
    fn teach(node: &mut NodePower, from: u64, looks: u64, suspect: Option<&str>) {
        for look in 0..looks {
            // Steps of a minute: steady in between.
            let usage = f64::from(u32::try_from(look / 6 * 7 % 100).unwrap());
            let mut plug = sample(SourceKind::Meter, Some(20.0 + 0.5 * usage), None);
            plug.at =
                jiff::Timestamp::from_second(i64::try_from(from + look * 10).unwrap()).unwrap();
            plug.suspect = suspect.map(str::to_owned);
            node.step(at(from + look * 10), &[plug], Some(usage));
        }
    }

    #[test]
    fn a_plug_teaches_the_estimate_that_stands_in_when_it_is_gone() {
        let mut node = NodePower::new(Some(CURVE), 0.0);
        teach(&mut node, 0, 400, None);
        for usage in [0.0, 33.0, 80.0] {
            let draw = node.step(at(4_000), &[], Some(usage)).unwrap();
            assert_eq!((draw.source, draw.basis), (Source::Calibrated, None));
            let (low, high) = draw.band_w.unwrap();
            let truth = 20.0 + 0.5 * usage;
            assert!((low..=high).contains(&truth), "{usage}: {low} to {high}");
            assert!(
                (draw.power_w / truth - 1.0).abs() < 0.05,
                "{usage}: {}",
                draw.power_w
            );
            assert!((draw.idle_w - 20.0).abs() < 1.5, "{}", draw.idle_w);
        }
        // Over a restart.
        let kept = serde_json::to_vec(node.learned()).unwrap();
        let learned = serde_json::from_slice(&kept).unwrap();
        let mut again = NodePower::new(None, 0.0).with_learned(learned);
        let draw = again.step(at(0), &[], Some(50.0)).unwrap();
        assert_eq!(draw.source, Source::Calibrated);
    }

    #[test]
    fn neither_a_doubtful_plug_nor_one_reading_told_often_nor_a_jump_teaches_anything() {
        let untaught = |node: &NodePower| *node.learned() == Learned::default();
        let mut node = NodePower::new(None, 0.0);
        teach(&mut node, 0, 100, Some("frozen"));
        assert!(untaught(&node));
        let plug = sample(SourceKind::Meter, Some(30.0), None);
        for look in 0..100_u32 {
            // To and fro.
            let usage = f64::from(look % 2) * 60.0;
            node.step(
                at(u64::from(look) * 10),
                std::slice::from_ref(&plug),
                Some(usage),
            );
        }
        assert!(untaught(&node), "never steady");
        for look in 0..100 {
            node.step(
                at(2_000 + look * 10),
                std::slice::from_ref(&plug),
                Some(30.0),
            );
        }
        let draw = node.step(at(4_000), &[], Some(30.0));
        assert_eq!(draw, None, "it was one reading only");
        let mut old = plug;
        old.age = Duration::from_hours(2);
        old.at = jiff::Timestamp::from_second(1).unwrap();
        let before = node.learned().clone();
        node.step(at(9_000), &[old], Some(30.0));
        assert_eq!(
            node.learned(),
            &before,
            "of its time nothing is known any more"
        );
    }

    #[test]
    fn a_machine_of_which_nothing_is_known_is_judged_by_its_kind_or_its_processor() {
        let mut node = NodePower::new(None, 0.0);
        assert!(!node.assumes());
        node.assume(Prior::of(&super::super::Kind::default(), 4.0));
        assert!(node.assumes());
        let draw = node.step(at(0), &[], Some(0.0)).unwrap();
        assert_eq!(draw.source, Source::Prior);
        assert_eq!(draw.basis.as_deref(), Some("a machine with 4 threads"));
        assert!(draw.idle_w > 0.0 && draw.idle_w <= draw.power_w);
        let part = |scope, watts| {
            let mut part = sample(SourceKind::Rapl, Some(watts), None);
            part.scope = scope;
            part
        };
        let parts = [
            part(Scope::Package(0), 20.0),
            part(Scope::Cores(0), 15.0),
            part(Scope::Memory(0), 4.0),
            part(Scope::Package(1), 10.0),
            part(Scope::Platform, 50.0),
        ];
        assert_eq!(rapl(&parts), Some(34.0), "nothing is counted twice");
        assert_eq!(rapl(&parts[4..]), Some(50.0));
        assert_eq!(rapl(&[]), None);
        let draw = node.step(at(10), &parts, Some(40.0)).unwrap();
        assert_eq!(draw.source, Source::Rapl);
        let (low, high) = draw.band_w.unwrap();
        assert!(34.0 < low && low < draw.power_w && draw.power_w < high);
    }

    #[test]
    fn idle_is_the_least_that_a_meter_has_told_while_nothing_better_is_known() {
        let mut node = NodePower::new(None, 0.0);
        let plug = |watts| [sample(SourceKind::Meter, Some(watts), None)];
        node.step(at(0), &plug(30.0), None);
        let busy = node.step(at(10), &plug(80.0), None).unwrap();
        close(busy.idle_w, 30.0);
        let mut bare = NodePower::new(None, 0.0);
        let mut doubtful = plug(9.0);
        doubtful[0].suspect = Some("frozen".to_owned());
        close(bare.step(at(0), &doubtful, None).unwrap().idle_w, 9.0);
    }

    #[test]
    fn a_contradiction_is_told_beside_the_figure() {
        let mut node = NodePower::new(None, 0.0);
        let meter = sample(SourceKind::Meter, Some(50.0), None);
        let ups = sample(SourceKind::Ups, Some(200.0), None);
        let both = [meter, ups];
        assert_eq!(node.step(at(0), &both, None).unwrap().dispute, None);
        let draw = node.step(at(601), &both, None).unwrap();
        close(draw.power_w, 50.0);
        assert!(draw.dispute.unwrap().starts_with("Ups says 200 W"));
    }
}
