//! What the next hours cost, as far as it is known. Pure.

use jiff::Timestamp;

/// A quarter of an hour, s: no price changes within one, and where one does (markets of five
/// minutes) the price at its begin stands for it.
const QUARTER: i64 = 900;
const HOUR: i64 = 3600;
/// Nobody plans further, s.
const FURTHEST: i64 = 48 * HOUR;

/// What the next hours cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outlook {
    /// The mean price of a kWh in the next full hour.
    pub next_hour: Option<f64>,
    /// When the cheapest stretch begins, and the mean price in it.
    pub cheapest: Option<(Timestamp, f64)>,
}

impl Outlook {
    /// Looks ahead from `now`: `price` tells what a kWh costs at a time, where that is known. The
    /// stretch is `hours` long and begins with a quarter of an hour; of two that are alike the
    /// earlier one is taken.
    pub fn of(now: Timestamp, hours: u8, price: &dyn Fn(Timestamp) -> Option<f64>) -> Self {
        let first = (now.as_second() + QUARTER - 1).div_euclid(QUARTER) * QUARTER;
        let starts = (0..FURTHEST / QUARTER).map(|quarter| first + quarter * QUARTER);
        let prices: Vec<(i64, Option<f64>)> = starts
            .map(|start| (start, Timestamp::from_second(start).ok().and_then(price)))
            .collect();
        let mean = |prices: &[(i64, Option<f64>)]| {
            let known: Option<Vec<f64>> = prices.iter().map(|(_, price)| *price).collect();
            let known = known.filter(|known| !known.is_empty())?;
            let count = u32::try_from(known.len()).ok()?;
            Some(known.iter().sum::<f64>() / f64::from(count))
        };
        let next = (now.as_second() / HOUR + 1) * HOUR;
        let hour: Vec<_> = prices
            .iter()
            .filter(|(start, _)| (next..next + HOUR).contains(start))
            .copied()
            .collect();
        let mut cheapest: Option<(i64, f64)> = None;
        for stretch in prices.windows(usize::from(hours) * 4) {
            let start = stretch.first().map(|(start, _)| *start);
            if let (Some(start), Some(mean)) = (start, mean(stretch))
                && cheapest.is_none_or(|(_, best)| mean < best - 1e-9)
            {
                cheapest = Some((start, mean));
            }
        }
        Self {
            next_hour: mean(&hour),
            cheapest: cheapest
                .and_then(|(start, mean)| Some((Timestamp::from_second(start).ok()?, mean))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_cheapest_stretch_is_found_as_far_as_prices_are_known() {
        let now = at("2026-05-01T10:20:00Z");
        let (end, noon) = (at("2026-05-01T16:00:00Z"), at("2026-05-01T12:30:00Z"));
        let price = |at: Timestamp| {
            let cheap = at >= noon && at < noon + std::time::Duration::from_hours(2);
            (at < end).then_some(if cheap { -0.1 } else { 0.3 })
        };
        let found = Outlook::of(now, 2, &price);
        assert_eq!(found.next_hour, Some(0.3));
        let (start, mean) = found.cheapest.unwrap();
        assert_eq!(start, noon);
        assert!((mean + 0.1).abs() < 1e-9);
        // Longer than is known.
        let found = Outlook::of(now, 6, &price);
        assert_eq!(found.cheapest, None);
        // Alike: the earliest.
        let flat = Outlook::of(now, 1, &|_| Some(0.2));
        assert_eq!(flat.cheapest.unwrap().0, at("2026-05-01T10:30:00Z"));
        assert_eq!(Outlook::of(now, 1, &|_| None), Outlook::default());
    }
}
