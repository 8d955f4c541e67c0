//! Fewer points without losing a peak: the least and the greatest sample of each of many equal
//! stretches of time, at their own times, and the first and last of all. Averages, and
//! triangle-area methods too, may lose the one sample somebody is looking for; this cannot.

use crate::model::Timestamp;

/// A point of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// The figure in the series' unit; `None` says that nothing is known from the point before
    /// to the point after.
    pub value: Option<f64>,
}

type Sample = (i64, f64);

/// Takes samples in the order of time and keeps what is worth showing.
#[derive(Debug)]
pub(super) struct Thin {
    from: i64,
    /// Milliseconds of a stretch; 0 keeps every sample.
    width: i64,
    points: Vec<Point>,
    stretch: Option<Stretch>,
    last: Option<Sample>,
    typical: i64,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    number: i64,
    min: Sample,
    max: Sample,
}

impl Thin {
    /// Keeps every sample.
    pub(super) fn all() -> Self {
        Self::with_width(0, 0)
    }

    /// Keeps at most `points` samples (from 8) of those from `from` to `to`.
    pub(super) fn new(from: i64, to: i64, points: usize) -> Self {
        Self::with_width(from, width(from, to, points))
    }

    fn with_width(from: i64, width: i64) -> Self {
        Self {
            from,
            width,
            points: Vec::new(),
            stretch: None,
            last: None,
            typical: 0,
        }
    }

    /// Whether there is a pause before a sample at `at`: more than three times the usual step.
    fn is_gap(&mut self, at: i64) -> bool {
        let Some((last, _)) = self.last else {
            return false;
        };
        let step = (at - last).max(0);
        let gap = self.typical > 0 && step > self.typical.saturating_mul(7) / 2;
        self.typical = match self.typical {
            0 => step,
            // A slower rhythm becomes the usual one after a few steps, a single pause does not.
            typical if gap => typical.saturating_add(typical / 2),
            _ => step,
        };
        gap
    }

    pub(super) fn push(&mut self, at: i64, value: f64) {
        let gap = self.is_gap(at);
        let (first, previous) = (self.last.is_none(), self.last);
        self.last = Some((at, value));
        if self.width == 0 || first {
            if gap {
                self.gap_after(previous);
            }
            self.keep((at, value));
            return;
        }
        let number = (at - self.from).div_euclid(self.width);
        match &mut self.stretch {
            Some(stretch) if stretch.number == number => {
                if value < stretch.min.1 {
                    stretch.min = (at, value);
                }
                if value > stretch.max.1 {
                    stretch.max = (at, value);
                }
            }
            _ => {
                self.close();
                if gap {
                    self.gap_after(previous);
                }
                self.stretch = Some(Stretch {
                    number,
                    min: (at, value),
                    max: (at, value),
                });
            }
        }
    }

    fn gap_after(&mut self, previous: Option<Sample>) {
        if let Some((at, _)) = previous
            && let Ok(at) = Timestamp::from_millisecond(at + 1)
        {
            self.points.push(Point { at, value: None });
        }
    }

    fn keep(&mut self, (at, value): Sample) {
        let Ok(at) = Timestamp::from_millisecond(at) else {
            return;
        };
        if self.points.last().is_none_or(|point| point.at < at) {
            let value = Some(value);
            self.points.push(Point { at, value });
        }
    }

    fn close(&mut self) {
        if let Some(Stretch { min, max, .. }) = self.stretch.take() {
            let (one, two) = if min.0 <= max.0 {
                (min, max)
            } else {
                (max, min)
            };
            self.keep(one);
            if two.0 != one.0 {
                self.keep(two);
            }
        }
    }

    /// How many points there are so far.
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// The points in order.
    pub(super) fn finish(mut self) -> Vec<Point> {
        self.close();
        if let Some(last) = self.last {
            self.keep(last);
        }
        self.points
    }
}

/// How wide the stretches are for at most `points` points, ms.
pub(super) fn width(from: i64, to: i64, points: usize) -> i64 {
    let stretches = i64::try_from(points.max(8) / 2 - 2).unwrap_or(i64::MAX);
    ((to - from) / stretches + 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_peak_is_lost_and_the_count_holds(
            values in proptest::collection::vec(-1e6..1e6, 1..2_000),
            points in 8usize..200,
        ) {
            let times = |i: usize| i64::try_from(i).unwrap() * 10_000;
            let mut thin = Thin::new(0, times(values.len() - 1), points);
            for (i, value) in values.iter().enumerate() {
                thin.push(times(i), *value);
            }
            let kept = thin.finish();
            prop_assert!(kept.len() <= points, "{} of {points}", kept.len());
            let kept: Vec<f64> = kept.iter().map(|point| point.value.unwrap()).collect();
            let extreme = |values: &[f64]| {
                values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)))
            };
            prop_assert_eq!(extreme(&kept), extreme(&values));
            prop_assert_eq!(kept.last(), values.last());
        }
    }

    #[test]
    fn a_pause_is_shown_as_one_and_never_drawn_over() {
        for width in [0, 25_000] {
            let mut thin = Thin::with_width(0, width);
            for at in [0, 10, 20, 30, 300, 310, 320] {
                thin.push(at * 1_000, 1.0);
            }
            let points = thin.finish();
            let gaps: Vec<i64> = points
                .iter()
                .filter(|point| point.value.is_none())
                .map(|point| point.at.as_millisecond())
                .collect();
            assert_eq!(gaps, [30_001], "width {width}");
            assert!(points.is_sorted_by(|a, b| a.at < b.at), "{points:?}");
        }
    }
}
