use serde::{Deserialize, Serialize};

use super::slopes::{Means, Slope, counted, product};
use crate::power::curve::shape;
use crate::power::work::{CLOCK, EXTRAS, Inputs};

/// Width of a stretch, %.
const WIDTH: f64 = 5.0;
pub(super) const STRETCHES: usize = 21;
/// From so many samples on a mean is held against what differs from it.
const FIRM: f64 = 8.0;
/// What else goes on is something else from so many grains on.
const FAR: f64 = 3.0;
/// A share of the way from idle to full load that tells how steep the rest is.
const TELLING: f64 = 0.3;
/// The usual way from idle to full load, in idle watts: the median machine draws 3.7 times as
/// much.
pub(super) const USUAL_SPAN: f64 = 2.7;

/// The mean of the samples of one stretch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub(super) struct Mean {
    pub(super) weight: f64,
    pub(super) usage_pct: f64,
    pub(super) watts: f64,
    /// What else went on meanwhile.
    #[serde(default)]
    pub(super) extras: Means,
    /// When it was last seen, s that the meter was learnt from.
    #[serde(default)]
    pub(super) seen: f64,
    /// The share of the last day in which it was.
    #[serde(default)]
    pub(super) busy: f64,
}

impl Mean {
    pub(super) fn is_sane(&self) -> bool {
        let figures = [
            self.weight,
            self.usage_pct,
            self.watts,
            self.seen,
            self.busy,
        ];
        let sane = |figure: &f64| figure.is_finite() && *figure >= 0.0;
        figures.iter().all(sane) && self.extras.is_sane()
    }

    /// Whether so much was seen that what is quite different is odd.
    pub(super) fn is_firm(&self) -> bool {
        self.weight > FIRM
    }

    /// Whether disks, network and graphics do no more or less than what this was seen with: if they
    /// do, they may well be the reason for other watts.
    pub(super) fn is_near(&self, inputs: &Inputs, slopes: &[Slope; EXTRAS]) -> bool {
        let off = self.extras.off(&inputs.extras);
        let all = off.iter().zip(slopes).enumerate();
        let mut others = all.filter(|(place, _)| *place != CLOCK);
        others.all(|(_, (off, slope))| off.abs() <= FAR * slope.grain)
    }

    /// Takes a sample in: its use, how far its watts are off the mean, what else went on; about
    /// so many are remembered.
    pub(super) fn add(
        &mut self,
        usage_pct: f64,
        off_w: f64,
        extras: &[Option<f64>; EXTRAS],
        memory: f64,
    ) {
        self.weight = counted(self.weight, memory);
        let share = 1.0 / self.weight;
        self.watts += off_w * share;
        self.usage_pct += (usage_pct - self.usage_pct) * share;
        self.extras.add(extras, self.weight);
    }
}

/// A point of the curve of watts by use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) usage_pct: f64,
    pub(super) watts: f64,
    pub(super) weight: f64,
    /// The clock's figure that went with it.
    pub(super) clock: Option<f64>,
}

/// The stretches that were seen, with what else went on as in `usual` but for the clock, none
/// below the one before (pool adjacent violators).
pub(super) fn monotone(stretches: &[Mean], usual: &Means, slopes: &[f64; EXTRAS]) -> Vec<Point> {
    let mut slopes = *slopes;
    if let Some(clock) = slopes.get_mut(CLOCK) {
        *clock = 0.0;
    }
    let seen = stretches.iter().filter(|mean| mean.weight > 0.0);
    let seen: Vec<Point> = seen
        .map(|mean| {
            let extras = mean.extras.known();
            Point {
                usage_pct: mean.usage_pct,
                watts: mean.watts - product(&slopes, &usual.off(&extras)),
                weight: mean.weight,
                clock: extras.get(CLOCK).copied().flatten(),
            }
        })
        .collect();
    let mut pools: Vec<(usize, f64, f64)> = Vec::with_capacity(seen.len());
    for point in &seen {
        let mut pool = (1, point.watts, point.weight);
        while let Some((count, watts, weight)) = pools.pop_if(|(_, watts, _)| *watts > pool.1) {
            let both = weight + pool.2;
            let mean = (watts * weight + pool.1 * pool.2) / both;
            pool = (count + pool.0, mean, both);
        }
        pools.push(pool);
    }
    let levels = pools
        .iter()
        .flat_map(|(count, watts, _)| std::iter::repeat_n(*watts, *count));
    let pairs = seen.iter().zip(levels);
    pairs
        .map(|(point, watts)| Point { watts, ..*point })
        .collect()
}

/// The number of the stretch whose middle is nearest.
pub(super) fn stretch(usage_pct: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 100, checked by the caller"
    )]
    let number = (usage_pct / WIDTH).round() as usize;
    number.min(STRETCHES - 1)
}

/// The middles of all stretches, %.
pub(super) fn middles() -> impl Iterator<Item = f64> {
    (0u8..)
        .take(STRETCHES)
        .map(|number| f64::from(number) * WIDTH)
}

/// What `of` tells of the points at `usage_pct`, between two of them by the usual shape.
pub(super) fn between(
    points: &[Point],
    usage_pct: f64,
    of: fn(&Point) -> Option<f64>,
) -> Option<f64> {
    let mut before: Option<(&Point, f64)> = None;
    for point in points {
        let Some(here) = of(point) else { continue };
        if point.usage_pct >= usage_pct {
            let Some((from, there)) = before else {
                return Some(here);
            };
            // `from` lies below `usage_pct` and `point` does not: they are never one place.
            let width = shape(point.usage_pct) - shape(from.usage_pct);
            let share = (shape(usage_pct) - shape(from.usage_pct)) / width;
            return Some(there + (here - there) * share);
        }
        before = Some((point, here));
    }
    before.map(|(_, last)| last)
}

/// Between two places that were seen watts may be off the usual shape by such a share of their
/// rise, where the two are idle and full load; the nearer they are the straighter is what lies
/// between.
const BULGE: f64 = 0.2;

/// By how many watts [`between`] may be off at `usage_pct`, since nothing was seen there.
pub(super) fn unseen_w(points: &[Point], usage_pct: f64) -> f64 {
    let after = points.iter().position(|point| point.usage_pct >= usage_pct);
    let pair =
        after.and_then(|after| Some((points.get(after.checked_sub(1)?)?, points.get(after)?)));
    let Some((from, to)) = pair else {
        return 0.0;
    };
    let (low, high) = (shape(from.usage_pct), shape(to.usage_pct));
    let share = (shape(usage_pct) - low) / (high - low);
    BULGE * (to.watts - from.watts) * (high - low) * 4.0 * share * (1.0 - share)
}

/// How many watts lie between idle and full load: from what was seen, as far as that tells it.
pub(super) fn span(first: &Point, last: &Point) -> f64 {
    let seen = shape(last.usage_pct) - shape(first.usage_pct);
    let usual = USUAL_SPAN * first.watts / (1.0 + USUAL_SPAN * shape(first.usage_pct));
    if seen <= 0.0 {
        return usual;
    }
    let told = (last.watts - first.watts) / seen;
    let trust = (seen / TELLING).min(1.0);
    told * trust + usual * (1.0 - trust)
}
