use std::time::Duration;

use super::{PowerSample, Scope};
use crate::model::Source;

/// Longer than this between two looks and nothing is known of the time between: a suspended
/// machine, a stopped clock. No energy is made up for it.
const LONGEST_GAP: Duration = Duration::from_mins(5);

/// Watts at 0, 10 … 100 % load as shares of the way from idle to full load: the mean of 619
/// machines whose curves SPEC has published.
const SHAPE: [f64; 11] = [
    0.0, 0.162, 0.240, 0.314, 0.391, 0.471, 0.560, 0.657, 0.764, 0.885, 1.0,
];
/// What nine in ten of 120 such machines really draw, as shares of what [`SHAPE`] says: from …
const LOW: [f64; 11] = [
    0.97, 0.86, 0.83, 0.81, 0.82, 0.82, 0.82, 0.84, 0.88, 0.93, 0.97,
];
/// … to. At the ends, where only the given figures count, 3 % for how they were read off.
const HIGH: [f64; 11] = [
    1.03, 1.22, 1.21, 1.21, 1.20, 1.18, 1.16, 1.13, 1.09, 1.04, 1.03,
];

/// What a machine draws at the wall when it has nothing to do and when it is busy with all it
/// has, W.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// At 0 % CPU use.
    pub idle_w: f64,
    /// At 100 % CPU use; above `idle_w`.
    pub max_w: f64,
}

impl Curve {
    /// Watts at `usage_pct` (0–100) of CPU use: the least, the likely and the most that nine in
    /// ten machines of such a curve draw.
    fn at(self, usage_pct: f64) -> (f64, f64, f64) {
        let place = usage_pct.clamp(0.0, 100.0) / 10.0;
        let likely = self.idle_w + (self.max_w - self.idle_w) * between(&SHAPE, place);
        (
            likely * between(&LOW, place),
            likely,
            likely * between(&HIGH, place),
        )
    }
}

/// The value of `points` at `place` (0–10), on a straight line between two of them.
fn between(points: &[f64; 11], place: f64) -> f64 {
    let pairs = points.iter().zip(points.iter().skip(1));
    let mut value = points[0];
    let mut left = place;
    for (from, to) in pairs {
        if left <= 0.0 {
            break;
        }
        value = from + (to - from) * left.min(1.0);
        left -= 1.0;
    }
    value
}

/// What the node draws now.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Watts at the wall.
    pub power_w: f64,
    /// The band of an estimate: nine in ten such machines draw at least and at most so much.
    pub band_w: Option<(f64, f64)>,
    /// Where it comes from.
    pub source: Source,
    /// Which meter told it.
    pub meter: Option<String>,
    /// All that was drawn since the counter began, kWh; never less than before.
    pub energy_kwh: f64,
}

/// The node's own counter. Whatever tells the watts, it goes on without a step: where the source
/// has a counter of its own that leads, otherwise watts are summed up over the time that was
/// watched. Nothing is added for times of which nothing is known.
#[derive(Debug, Clone)]
pub struct NodePower {
    curve: Option<Curve>,
    energy_kwh: f64,
    last: Option<Last>,
}

#[derive(Debug, Clone)]
struct Last {
    up: Duration,
    power_w: f64,
    /// The source's counter, with the source's name.
    counter: Option<(String, f64)>,
}

impl NodePower {
    /// Goes on from `energy_kwh`; without a meter the watts are estimated by `curve`.
    pub const fn new(curve: Option<Curve>, energy_kwh: f64) -> Self {
        Self {
            curve,
            energy_kwh,
            last: None,
        }
    }

    /// The counter, kWh.
    pub const fn energy_kwh(&self) -> f64 {
        self.energy_kwh
    }

    /// Takes in one look at everything that measures, and the CPU use (0–100 %), at the monotonic
    /// time `up`. `None` if nothing tells what the node draws: nothing is guessed.
    pub fn step(
        &mut self,
        up: Duration,
        samples: &[PowerSample],
        usage_pct: Option<f64>,
    ) -> Option<Draw> {
        let Some((mut draw, counter)) = self.look(samples, usage_pct) else {
            self.last = None;
            return None;
        };
        if let Some(last) = &self.last {
            let gap = up.saturating_sub(last.up);
            self.energy_kwh += match (&last.counter, &counter) {
                (Some((old, from)), Some((new, to))) if old == new => (to - from).max(0.0),
                _ if gap <= LONGEST_GAP => {
                    let mean_w = f64::midpoint(last.power_w, draw.power_w);
                    mean_w * gap.as_secs_f64() / 3_600_000.0
                }
                _ => 0.0,
            };
        }
        draw.energy_kwh = self.energy_kwh;
        self.last = Some(Last {
            up,
            power_w: draw.power_w,
            counter,
        });
        Some(draw)
    }

    /// The source nearest to the wall that tells watts, with its counter; else the estimate.
    fn look(
        &self,
        samples: &[PowerSample],
        usage_pct: Option<f64>,
    ) -> Option<(Draw, Option<(String, f64)>)> {
        let whole = samples.iter().filter(|sample| sample.scope == Scope::Host);
        let known = whole.filter_map(|sample| Some((sample, sample.power_w?)));
        // Of two of a kind the one that is not doubtful, then the one that was first by name.
        let best = known.min_by(|(a, _), (b, _)| {
            let rank = |one: &PowerSample| (one.suspect.is_some(), one.kind);
            rank(a)
                .cmp(&rank(b))
                .then_with(|| a.source_id.cmp(&b.source_id))
        });
        if let Some((sample, power_w)) = best {
            let counter = sample.energy_kwh.map(|kwh| (sample.source_id.clone(), kwh));
            let draw = Draw {
                power_w: power_w.max(0.0),
                band_w: None,
                source: sample.kind.source(),
                meter: Some(sample.label.clone()),
                energy_kwh: self.energy_kwh,
            };
            return Some((draw, counter));
        }
        let (low, likely, high) = self.curve?.at(usage_pct.filter(|usage| usage.is_finite())?);
        let draw = Draw {
            power_w: likely,
            band_w: Some((low, high)),
            source: Source::Model,
            meter: None,
            energy_kwh: self.energy_kwh,
        };
        Some((draw, None))
    }
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
        assert_eq!((draw.meter.as_deref(), draw.band_w), (Some("Meter"), None));
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
            assert_eq!((draw.source, draw.meter), (Source::Model, None));
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
}
