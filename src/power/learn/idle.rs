//! What a machine draws with nothing to do, where it may never have had nothing to do.
//!
//! Below the least use that was seen watts go on as they go in what was seen. How far that can be
//! trusted is weighed: a machine of one steady load tells nothing of it, and then what such
//! machines are known for holds, with a band to match.

use super::errors::Band;
use super::stretches::{Point, USUAL_SPAN};
use crate::power::curve::shape;

/// Nine in ten machines draw between this part and so many times as much from idle to full load as
/// [`USUAL_SPAN`] says.
const USUAL_SPREAD: f64 = 2.5;
/// No more than so many idle watts lie between idle and full load.
const MOST_SPAN: f64 = 6.0;
/// However it looks, no less than this part of what is usual does.
const LEAST_SPAN: f64 = 0.125;
/// The watts of a stretch are off by such a share, …
const OFF: f64 = 0.01;
/// … and by more if it stands on fewer samples than about so many.
const FEW: f64 = 9.0;
/// What lies further above the least use, as a share of the way to full load, tells less of what
/// is below it.
const NEAR: f64 = 0.25;
/// Below what was seen, machines rise by such a share more or less than in it, …
const BENDS: f64 = 0.3;
/// … and in the first steps from doing nothing at all, at which they wake, by such a share.
const WAKES: f64 = 1.0;
/// Nine in ten are within so many deviations.
const NINE_IN_TEN: f64 = 1.64;
/// By how much a meter of whole watts is off, W.
const WHOLE_WATTS: f64 = 0.5;
/// At a use up to this, %, it has as good as nothing to do.
const AT_REST: f64 = 10.0;

/// How many watts such machines draw from idle to full load, and how far that may be off: nine in
/// ten lie between a `spread`-th and `spread` times as much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::power) struct Reach {
    pub(in crate::power) span_w: f64,
    pub(in crate::power) spread: f64,
}

/// What it draws with nothing to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::power) struct Idle {
    pub(in crate::power) watts: f64,
    /// Where nine in ten such machines lie, W.
    pub(in crate::power) band: (f64, f64),
    /// From there to full load, W.
    pub(in crate::power) span_w: f64,
    /// The least use that was seen, %, if the machine was not seen at rest.
    pub(in crate::power) busy_pct: Option<f64>,
}

impl Idle {
    /// What one look at a busy machine tells: `watts` at `usage_pct`.
    pub(in crate::power) fn of_look(
        usage_pct: f64,
        watts: f64,
        reach: Option<Reach>,
    ) -> Option<Self> {
        let look = Point {
            usage_pct: usage_pct.clamp(0.0, 100.0),
            watts,
            weight: 1.0,
            clock: None,
        };
        Self::of(&[look], reach, WHOLE_WATTS)
    }

    /// What points of a curve tell that a meter has taught which is off by so much for its
    /// rounding; they rise in use. `None` without any.
    pub(super) fn of(points: &[Point], reach: Option<Reach>, rounds_w: f64) -> Option<Self> {
        let first = points.first()?;
        let from = shape(first.usage_pct);
        let weighed = || {
            points.iter().map(|point| {
                let x = shape(point.usage_pct);
                let far = (x - from) / NEAR;
                let weight = point.weight / (point.weight + FEW) / far.mul_add(far, 1.0);
                (x, point.watts, weight)
            })
        };
        let all: f64 = weighed().map(|(_, _, weight)| weight).sum();
        let x = weighed().map(|(x, _, weight)| x * weight).sum::<f64>() / all;
        let y = weighed().map(|(_, y, weight)| y * weight).sum::<f64>() / all;
        let (mut xx, mut xy) = (0.0, 0.0);
        for (at, watts, weight) in weighed() {
            xx += weight * (at - x) * (at - x);
            xy += weight * (at - x) * (watts - y);
        }
        let (usual, spread) = usual(x, y, reach);
        let off = (OFF * y).max(0.1).powi(2);
        let doubt = (usual * (spread - 1.0) / NINE_IN_TEN).powi(2);
        let known = xx / off + 1.0 / doubt;
        let found = (xy / off + usual / doubt) / known;
        let span_w = found.clamp(usual * LEAST_SPAN, most(x, y));
        // At its least use it draws what was seen there, as far as that was seen often.
        let line = span_w.mul_add(from - x, y);
        let start = line + (first.watts - line) * (first.weight / FEW).min(1.0);
        let watts = (start - span_w * from).max(0.0);
        let bends = WAKES + (BENDS - WAKES) * (from / shape(AT_REST)).min(1.0);
        let deviation = known
            .recip()
            .sqrt()
            .hypot(bends * span_w * first.weight.min(1.0));
        let either = NINE_IN_TEN * (deviation * from).hypot(OFF * start) + rounds_w;
        // With less to do it draws no more.
        let most = start + NINE_IN_TEN * OFF * start + rounds_w;
        Some(Self {
            watts,
            band: (
                (watts - either).max(0.0),
                (watts + either).min(most).max(watts),
            ),
            span_w,
            busy_pct: Some(first.usage_pct).filter(|pct| *pct > AT_REST),
        })
    }

    /// The same where so much more is drawn at rest than in what was seen.
    pub(super) fn with(self, more_w: f64) -> Self {
        let watts = (self.watts + more_w).max(self.watts * 0.3);
        let moved = watts - self.watts;
        let (low, high) = self.band;
        Self {
            watts,
            band: ((low + moved).clamp(0.0, watts), high + moved),
            ..self
        }
    }

    /// The same of a machine of which what is told at any load is off by so much.
    pub(super) fn within(self, off: Band) -> Self {
        let (low, high) = self.band;
        Self {
            band: (
                low.min(self.watts * (1.0 - off.below)),
                high.max(self.watts * (1.0 + off.above)),
            ),
            ..self
        }
    }

    /// The same of a machine that was seen to draw no more than `floor_w`.
    pub(in crate::power) fn below(self, floor_w: f64) -> Self {
        let (low, high) = self.band;
        Self {
            watts: self.watts.min(floor_w),
            band: (low.min(floor_w), high.min(floor_w)),
            ..self
        }
    }

    /// The same of a machine that draws `power_w` now at `usage_pct`: work is never for nothing.
    pub(in crate::power) fn beside(self, power_w: f64, usage_pct: Option<f64>) -> Self {
        let used = shape(usage_pct.unwrap_or(0.0));
        let most = (power_w - LEAST_WORK * self.span_w * used).max(power_w * 0.1);
        let watts = self.watts.clamp(0.0, most.max(0.0));
        let (low, high) = self.band;
        Self {
            watts,
            band: (low.min(watts), high.clamp(watts, power_w.max(watts))),
            ..self
        }
    }
}

/// Of what a load should cost at least this part is its own.
const LEAST_WORK: f64 = 0.25;

/// The most that can lie between idle and full load of a machine that draws `watts` at `x`.
fn most(x: f64, watts: f64) -> f64 {
    MOST_SPAN * watts / MOST_SPAN.mul_add(x, 1.0)
}

/// What usually lies between idle and full load of a machine that draws `watts` at `x`, W, and the
/// spread of that: by its idle watts, and by what is known of its kind. Both are weighed.
fn usual(x: f64, watts: f64, reach: Option<Reach>) -> (f64, f64) {
    let ratio = USUAL_SPAN * watts / USUAL_SPAN.mul_add(x, 1.0);
    let weight = |spread: f64| spread.max(1.05).ln().powi(-2);
    let own = weight(USUAL_SPREAD);
    let reach = reach.filter(|reach| reach.span_w > 0.0);
    let (span, all) = reach.map_or((ratio, own), |reach| {
        let other = weight(reach.spread);
        let log = (ratio.ln() * own + reach.span_w.ln() * other) / (own + other);
        (log.exp(), own + other)
    });
    (span.min(most(x, watts)), all.sqrt().recip().exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: &[(f64, f64)]) -> Vec<Point> {
        of.iter()
            .map(|(usage_pct, watts)| Point {
                usage_pct: *usage_pct,
                watts: *watts,
                weight: 100.0,
                clock: None,
            })
            .collect()
    }

    const FOUR_THREADS: Reach = Reach {
        span_w: 40.0,
        spread: 2.5,
    };

    #[test]
    fn what_was_seen_tells_idle_and_what_was_not_is_judged_by_the_kind_within_a_band() {
        for (name, seen, reach, truth) in [
            ("at rest", &[(0.5, 20.0), (50.0, 45.0)][..], None, 19.6),
            (
                "steady, of a known kind",
                &[(50.0, 340.0)],
                Some(FOUR_THREADS),
                300.0,
            ),
            ("steady, unknown", &[(50.0, 68.0)], None, 31.0),
            (
                "one load, then another",
                &[(5.0, 304.0), (50.0, 340.0)],
                Some(FOUR_THREADS),
                300.0,
            ),
            (
                "moving",
                &[(45.0, 336.0), (50.0, 340.0), (55.0, 344.0)],
                Some(FOUR_THREADS),
                300.0,
            ),
            ("a large one", &[(80.0, 320.0), (90.0, 340.0)], None, 110.0),
        ] {
            let idle = Idle::of(&points(seen), reach, 0.0).unwrap();
            let (low, high) = idle.band;
            assert!((low..=high).contains(&truth), "{name}: {idle:?}");
            assert!((low..=high).contains(&idle.watts), "{name}: {idle:?}");
            assert!(idle.watts < seen[0].1, "{name}: {idle:?}");
        }
        assert_eq!(Idle::of(&[], None, 0.0), None);
    }

    #[test]
    fn it_says_from_which_use_on_it_was_seen() {
        let of = |usage_pct| Idle::of_look(usage_pct, 100.0, None).unwrap();
        assert_eq!(of(3.0).busy_pct, None);
        assert_eq!(of(30.0).busy_pct, Some(30.0));
        assert!(of(30.0).band.1 - of(30.0).band.0 > of(3.0).band.1 - of(3.0).band.0);
    }

    #[test]
    fn the_first_steps_from_rest_may_be_steep_and_rest_never_draws_more_than_work() {
        // 20 W at rest and 24 W at 2 %: it wakes.
        let seen = points(&[(2.0, 24.0), (50.0, 54.0), (100.0, 75.0)]);
        let idle = Idle::of(&seen, None, 0.0).unwrap();
        assert!((idle.band.0..=idle.band.1).contains(&20.0), "{idle:?}");
        assert!(idle.band.1 < 24.5, "{idle:?}");
        let rounded = Idle::of(&seen, None, 2.5).unwrap();
        let wider = |of: Idle| of.band.1 - of.band.0;
        assert!(wider(rounded) > wider(idle) + 3.0, "{rounded:?}");
    }

    #[test]
    fn watts_that_seem_to_fall_with_use_still_leave_something_for_the_work() {
        let idle = Idle::of(
            &points(&[(5.0, 304.0), (50.0, 302.0)]),
            Some(FOUR_THREADS),
            0.0,
        )
        .unwrap();
        assert!(idle.watts < 303.0 && idle.span_w > 5.0, "{idle:?}");
        let now = idle.beside(300.0, Some(50.0));
        assert!(now.watts < 300.0 && now.band.1 <= 300.0, "{now:?}");
        assert!(idle.beside(1000.0, None).watts < 303.0);
        assert!(idle.beside(0.0, Some(50.0)).watts <= 0.0);
        let warm = idle.with(-5.0);
        assert!((idle.watts - warm.watts - 5.0).abs() < 1e-9);
        assert!(idle.with(-1e6).watts > 0.0);
    }

    #[test]
    fn a_kind_that_draws_more_than_the_machine_does_not_make_it_draw_nothing() {
        let reach = Reach {
            span_w: 5000.0,
            spread: 1.1,
        };
        let idle = Idle::of_look(100.0, 20.0, Some(reach)).unwrap();
        assert!(idle.watts > 2.0, "{idle:?}");
        let none = Reach {
            span_w: 0.0,
            ..reach
        };
        assert_eq!(
            Idle::of_look(50.0, 20.0, Some(none)),
            Idle::of_look(50.0, 20.0, None)
        );
    }
}
