//! Statistics that one wild figure does not move.

/// No fit is made of more points; the newest count.
const POINTS: usize = 120;
/// So many of the newest tell the pace of now.
const NEWEST: usize = 8;

/// The middle of some figures; of an even count the mean of the two in the middle.
pub(super) fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let lower = middle.checked_sub(1).and_then(|place| sorted.get(place));
    Some(match lower {
        Some(lower) if sorted.len().is_multiple_of(2) => f64::midpoint(*lower, upper),
        _ => upper,
    })
}

/// A straight line through points, by the median of all slopes between two of them (Theil and
/// Sen).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    /// Growth a day.
    pub(super) slope: f64,
    /// The least growth a day that fits, with some 95 % certainty (Sen's interval).
    pub(super) least: f64,
    /// The most.
    pub(super) most: f64,
    /// Where the line is at the last point.
    pub(super) level: f64,
    /// How far points lie from it, in the middle.
    pub(super) scatter: f64,
    /// The days from the first point to the last.
    pub(super) span: f64,
}

/// Fits a line to points of (day, figure) in the order of time; `None` from fewer than five.
pub(super) fn line(points: impl DoubleEndedIterator<Item = (f64, f64)>) -> Option<Line> {
    let mut points: Vec<_> = points.rev().take(POINTS).collect();
    points.reverse();
    let count = points.len();
    let (first, last) = (points.first()?.0, points.last()?.0);
    if count < 5 || last <= first {
        return None;
    }
    let mut slopes = Vec::with_capacity(count * count / 2);
    for (place, (day, figure)) in points.iter().enumerate() {
        let later = points.iter().skip(place + 1);
        slopes.extend(
            later
                .filter(|(other, _)| other > day)
                .map(|(other, then)| (then - figure) / (other - day)),
        );
    }
    slopes.sort_by(f64::total_cmp);
    let slope = median(slopes.iter().copied())?;
    let n = real(count);
    let width = 1.96 * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let all = real(slopes.len());
    let at = |place: f64| slopes.get(whole(place)).copied();
    let half = width / 2.0;
    let low = at(all / 2.0 - half).or_else(|| slopes.first().copied())?;
    let high = at(all / 2.0 + half).or_else(|| slopes.last().copied())?;
    let offsets = points.iter().map(|(day, v)| v - slope * (day - last));
    let level = median(offsets.clone())?;
    let scatter = median(offsets.map(|offset| (offset - level).abs()))?;
    Some(Line {
        slope,
        least: low,
        most: high,
        level,
        scatter,
        span: last - first,
    })
}

/// The pace of now: that of the newest points where they surely go the same way faster than all of
/// them, since what ages begins to at some time; else that of all.
pub(super) fn pace(points: impl DoubleEndedIterator<Item = (f64, f64)> + Clone) -> Option<Line> {
    let all = line(points.clone())?;
    let mut newest: Vec<_> = points.rev().take(NEWEST).collect();
    newest.reverse();
    let newest = line(newest.into_iter())?;
    let rises = newest.rises() && newest.slope > all.slope;
    let falls = newest.falls() && newest.slope < all.slope;
    Some(if rises || falls { newest } else { all })
}

impl Line {
    /// Whether it surely rises, and by more than what its points scatter.
    pub(super) fn rises(&self) -> bool {
        self.least > 0.0 && self.slope * self.span > 3.0 * self.scatter
    }

    /// Whether it surely falls, and by more than what its points scatter.
    pub(super) fn falls(&self) -> bool {
        self.most < 0.0 && -self.slope * self.span > 3.0 * self.scatter
    }
}

/// A count as a figure.
pub(super) fn real(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// A place in a list; below the first is the first.
fn whole(place: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what a list can have"
    )]
    let place = place.clamp(0.0, 1e9).round() as usize;
    place
}

/// A figure with so many decimals as are worth being kept.
pub(super) fn tidy(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_figures() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn a_line_is_found_in_spite_of_wild_points() {
        let points = (0..30).map(|day| {
            let wild = if day % 7 == 3 { 500.0 } else { 0.0 };
            let day = f64::from(day);
            (day, 10.0 + 2.0 * day + wild)
        });
        let line = line(points).unwrap();
        assert!((line.slope - 2.0).abs() < 0.1, "{line:?}");
        assert!((line.level - 68.0).abs() < 2.0, "{line:?}");
        assert!(line.least <= line.slope && line.slope <= line.most);
        assert!(line.rises() && !line.falls());
        assert_eq!(line.span.to_string(), "29");
    }

    #[test]
    fn noise_is_no_trend() {
        let noise = [0.3, -0.2, 0.1, 0.4, -0.3, 0.0, 0.2, -0.1, 0.1, -0.2];
        let points = noise.iter().enumerate().map(|(day, v)| (real(day), *v));
        let line = line(points).unwrap();
        assert!(!line.rises() && !line.falls(), "{line:?}");
        let falling = (0..9).map(|day| (f64::from(day), -f64::from(day)));
        assert!(super::line(falling).unwrap().falls());
    }

    #[test]
    fn what_begins_late_has_the_pace_of_now() {
        let late = |sign: f64| {
            let figure = move |day: u8| sign * 0.02 * f64::from(day.saturating_sub(20));
            (0..30_u8).map(move |day| (f64::from(day), figure(day) + 0.001 * f64::from(day % 2)))
        };
        for sign in [1.0, -1.0] {
            let now = pace(late(sign)).unwrap();
            assert!((now.slope - sign * 0.02).abs() < 0.001, "{now:?}");
            assert!(line(late(sign)).unwrap().slope.abs() < 0.018);
        }
        // What has slowed down, or wavers, is judged by all of it.
        let slowed = (0..30).map(|day| (f64::from(day), f64::from(day.min(20))));
        assert_eq!(pace(slowed.clone()), line(slowed));
        assert_eq!(pace([(1.0, 1.0); 4].into_iter()), None);
    }

    #[test]
    fn too_little_is_no_line() {
        let few = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)];
        assert_eq!(line(few.into_iter()), None);
        assert_eq!(line([].into_iter()), None);
        assert_eq!(
            line([(1.0, 1.0); 9].into_iter()),
            None,
            "no time has passed"
        );
        let five = (0..5).map(|day| (f64::from(day), f64::from(day)));
        assert!(line(five).is_some_and(|line| line.rises()));
        assert_eq!(tidy(1.234_56).to_string(), "1.235");
        assert_eq!(real(7).to_string(), "7");
    }
}
