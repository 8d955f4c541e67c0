//! How watts follow from the use of the processor, by figures that are known beforehand.

/// Watts at 0, 10 … 100 % load as shares of the way from idle to full load: the mean of 619
/// machines whose curves SPEC has published.
const SHAPE: [f64; 11] = [
    0.0, 0.162, 0.240, 0.314, 0.391, 0.471, 0.560, 0.657, 0.764, 0.885, 1.0,
];
/// What nine in ten of 120 such machines really draw, as shares of what [`SHAPE`] says: from …
const LOW: [f64; 11] = [
    0.97, 0.85, 0.82, 0.80, 0.81, 0.81, 0.81, 0.83, 0.87, 0.92, 0.97,
];
/// … to. At the ends, where only the given figures count, 3 % for how they were read off.
const HIGH: [f64; 11] = [
    1.03, 1.23, 1.22, 1.22, 1.21, 1.19, 1.17, 1.14, 1.10, 1.05, 1.03,
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
    pub(super) fn at(self, usage_pct: f64) -> (f64, f64, f64) {
        let likely = self.idle_w + (self.max_w - self.idle_w) * shape(usage_pct);
        let place = usage_pct.clamp(0.0, 100.0) / 10.0;
        (
            likely * between(&LOW, place),
            likely,
            likely * between(&HIGH, place),
        )
    }
}

/// How far from idle (0) to full load (1) the watts of most machines are at `usage_pct` (0–100).
pub(super) fn shape(usage_pct: f64) -> f64 {
    between(&SHAPE, usage_pct.clamp(0.0, 100.0) / 10.0)
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

/// A curve that rises through measured points without overshooting: monotone cubics (Fritsch and
/// Carlson) over the usual [`shape`], so that between two points it bends as machines do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Through {
    /// Shape, W, W per shape.
    knots: Vec<(f64, f64, f64)>,
}

impl Through {
    /// Points of (CPU use in %, W). One that does not lie above the one before in use is left
    /// out; one that lies below it in watts is raised to it. `None` with fewer than two.
    pub(super) fn new(points: &[(f64, f64)]) -> Option<Self> {
        let mut knots: Vec<(f64, f64, f64)> = Vec::with_capacity(points.len());
        for (usage_pct, watts) in points {
            let place = shape(*usage_pct);
            let (from, floor) = knots.last().map_or((-1.0, 0.0), |last| (last.0, last.1));
            if place > from + 0.005 && watts.is_finite() {
                knots.push((place, watts.max(floor), 0.0));
            }
        }
        if knots.len() < 2 {
            return None;
        }
        let pairs = knots.iter().zip(knots.iter().skip(1));
        let rises: Vec<(f64, f64)> = pairs
            .map(|(from, to)| (to.0 - from.0, (to.1 - from.1) / (to.0 - from.0)))
            .collect();
        let pairs = rises.iter().zip(rises.iter().skip(1));
        let inner = pairs.map(|((left, before), (right, after))| {
            if before * after <= 0.0 {
                return 0.0;
            }
            let (one, two) = (2.0 * right + left, right + 2.0 * left);
            (one + two) / (one / before + two / after)
        });
        let first = rises.first().map_or(0.0, |rise| rise.1);
        let last = rises.last().map_or(0.0, |rise| rise.1);
        let tangents: Vec<f64> = std::iter::once(first).chain(inner).chain([last]).collect();
        for (knot, tangent) in knots.iter_mut().zip(tangents) {
            knot.2 = tangent;
        }
        Some(Self { knots })
    }

    /// Watts at `usage_pct` (0–100); beyond the ends straight on, and never below half of the
    /// first point.
    pub(super) fn at(&self, usage_pct: f64) -> f64 {
        let place = shape(usage_pct);
        let after = self.knots.iter().position(|knot| knot.0 >= place);
        let number = after.unwrap_or(self.knots.len());
        let before = number.checked_sub(1);
        let before = before.and_then(|number| self.knots.get(number));
        let after = self.knots.get(number);
        if let (Some(from), Some(to)) = (before, after) {
            let width = to.0 - from.0;
            let t = (place - from.0) / width;
            let (square, cube) = (t * t, t * t * t);
            return (2.0 * cube - 3.0 * square + 1.0) * from.1
                + (cube - 2.0 * square + t) * width * from.2
                + (3.0 * square - 2.0 * cube) * to.1
                + (cube - square) * width * to.2;
        }
        before.or(after).map_or(0.0, |end| {
            (end.1 + (place - end.0) * end.2).max(end.1 * 0.5)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_through_its_points_rises_between_them_and_goes_on_beyond() {
        let points = [
            (0.0, 20.0),
            (10.0, 30.0),
            (30.0, 31.0),
            (60.0, 31.0),
            (100.0, 90.0),
        ];
        let curve = Through::new(&points).unwrap();
        for (usage, watts) in points {
            assert!((curve.at(usage) - watts).abs() < 1e-9, "{usage}");
        }
        let all: Vec<f64> = (0..=100).map(|usage| curve.at(f64::from(usage))).collect();
        for pair in all.windows(2) {
            assert!(pair[0] <= pair[1] + 1e-9, "{pair:?}");
        }
        let inner = Through::new(&[(10.0, 30.0), (50.0, 60.0)]).unwrap();
        assert!(inner.at(0.0) < 30.0 && inner.at(0.0) >= 15.0);
        assert!(inner.at(100.0) > 60.0);
    }

    #[test]
    fn points_that_make_no_curve_make_none_and_a_dip_is_levelled() {
        assert_eq!(Through::new(&[]), None);
        assert_eq!(
            Through::new(&[(5.0, 20.0), (5.0, 30.0), (50.0, f64::NAN)]),
            None
        );
        let dip = Through::new(&[(0.0, 20.0), (50.0, 18.0), (100.0, 40.0)]).unwrap();
        assert!((dip.at(50.0) - 20.0).abs() < 1e-9);
    }
}
