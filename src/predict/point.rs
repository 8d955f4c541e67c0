//! What is measured at something: a day's means of a figure and of the load or drive it was measured at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::trend::{median, tidy};

/// A regime; what it stands for is its owner's.
pub(super) type Regime = u8;

/// A day counts in a regime with so many minutes in it,
pub(super) const MINUTES: f64 = 10.0;
/// and as many looks: one alone may be a wild one.
const LOOKS: u32 = 3;
/// Regimes are held against one in which at least one in so many of a day's minutes are.
const OFTEN: f64 = 8.0;
/// How far apart the numbers of two regimes are in that of a pair.
const PAIR: Regime = 16;

/// A figure, and the load or drive at which it was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    /// The load, the drive, or the temperature that drives.
    pub(super) at: f64,
    /// What was measured there.
    pub(super) figure: f64,
}

/// The sums of a day in a regime, weighed by minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sum {
    point: Point,
    minutes: f64,
    looks: u32,
}

impl Sum {
    /// Takes what was so for some minutes in.
    pub(super) fn take(&mut self, minutes: f64, point: Point) {
        self.point.at += point.at * minutes;
        self.point.figure += point.figure * minutes;
        self.minutes += minutes;
        self.looks = self.looks.saturating_add(1);
    }

    /// Whether it was so for long enough.
    pub(super) fn counts(&self) -> bool {
        self.minutes >= MINUTES && self.looks >= LOOKS
    }

    pub(super) fn mean(&self) -> Point {
        Point {
            at: tidy(self.point.at / self.minutes),
            figure: tidy(self.point.figure / self.minutes),
        }
    }
}

/// What is to be expected at `at` in a regime, where the points that are known are these: between two of
/// them what lies between. None that is nearer than `at` is off helps, so that no error becomes larger.
pub(super) fn expected(known: &BTreeMap<Regime, Point>, regime: Regime, at: f64) -> Option<f64> {
    let own = known.get(&regime)?;
    let off = at - own.at;
    let far = |other: &&Point| (other.at - own.at).abs() >= off.abs().max(f64::EPSILON);
    let above = known
        .range(regime.saturating_add(1)..)
        .map(|(_, point)| point);
    let below = known.range(..regime).rev().map(|(_, point)| point);
    let (above, below) = (above.clone().find(far), below.clone().find(far));
    let other = if off > 0.0 {
        above.or(below)
    } else {
        below.or(above)
    };
    let slope = other.map_or(0.0, |other| {
        (other.figure - own.figure) / (other.at - own.at)
    });
    Some(own.figure + slope * off)
}

/// The number of the pair of these regimes.
pub(super) const fn pair(lower: Regime, upper: Regime) -> Regime {
    lower * PAIR + upper
}

/// The lower and the upper regime of a pair.
pub(super) const fn of_pair(pair: Regime) -> (Regime, Regime) {
    (pair / PAIR, pair % PAIR)
}

/// How far the means of a day in each regime lie above those in each lower one that is met often, and by how
/// much load.
pub(super) fn pairs(sums: &BTreeMap<Regime, Sum>) -> BTreeMap<Regime, Point> {
    let all: f64 = sums.values().map(|sum| sum.minutes).sum();
    let often = sums.iter().filter(|(_, sum)| sum.minutes * OFTEN >= all);
    let pairs = often.flat_map(|(lower, base)| {
        let base = base.mean();
        sums.range(lower + 1..).map(move |(upper, sum)| {
            let mean = sum.mean();
            let point = Point {
                at: tidy(mean.at - base.at),
                figure: tidy(mean.figure - base.figure),
            };
            (pair(*lower, *upper), point)
        })
    });
    pairs.collect()
}

/// The middle of some points.
pub(super) fn middle<'a>(points: impl Iterator<Item = &'a Point> + Clone) -> Option<Point> {
    Some(Point {
        at: median(points.clone().map(|point| point.at))?,
        figure: median(points.map(|point| point.figure))?,
    })
}
