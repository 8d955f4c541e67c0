//! Where the energy of a day is going: a trend and a forecast, each with an interval, and neither
//! from too little.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

/// So many whole days at least are needed for a forecast …
pub(super) const FORECAST_DAYS: usize = 7;
/// … and so many weeks for a trend.
pub(super) const TREND_WEEKS: usize = 6;
/// The level of energy a day is that of so many days.
pub(super) const LEVEL_DAYS: usize = 28;

/// How much a figure may be, with what it lies in between at 90 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    /// The likeliest.
    pub(super) value: f64,
    /// It lies above this …
    pub(super) low: f64,
    /// … and below this.
    pub(super) high: f64,
}

impl Estimate {
    /// The same in another unit, or with what is sure already.
    pub(super) fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            value: change(self.value),
            low: change(self.low),
            high: change(self.high),
        }
    }
}

/// What `ahead` more days will use, kWh, after `days` (kWh each, whole ones, in order): the mean
/// of the last [`LEVEL_DAYS`] goes on. Days that follow each other are alike, which makes both the
/// mean and the sum less sure than if they were not. `None` from less than [`FORECAST_DAYS`].
pub(super) fn forecast(days: &[f64], ahead: f64) -> Option<Estimate> {
    let recent = days.get(days.len().saturating_sub(LEVEL_DAYS)..)?;
    if recent.len() < FORECAST_DAYS {
        return None;
    }
    let count = float(recent.len());
    let mean = recent.iter().sum::<f64>() / count;
    let away: Vec<f64> = recent.iter().map(|day| day - mean).collect();
    let square: f64 = away.iter().map(|away| away * away).sum();
    let variance = square / (count - 1.0);
    let next = away.iter().zip(away.iter().skip(1));
    let product: f64 = next.map(|(one, other)| one * other).sum();
    // The estimate from few days is too small by about (1 + 3ρ) / n.
    let raw = if square > 0.0 { product / square } else { 0.0 };
    let alike = (raw + (1.0 + 3.0 * raw) / count).clamp(0.0, 0.9);
    let stretch = (1.0 + alike) / (1.0 - alike);
    let spread = variance * stretch * (ahead + ahead * ahead / count);
    let freedom = (count / stretch - 1.0).max(2.0);
    let factor = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.95);
    let reach = factor * spread.max(0.0).sqrt();
    let value = mean * ahead;
    Some(Estimate {
        value,
        low: (value - reach).max(0.0),
        high: value + reach,
    })
}

/// How much more a day uses from week to week, kWh a day and week, by the means of `weeks` (in
/// order; weeks of which too little is known are `None`): the median of all slopes between two
/// weeks (Theil and Sen), which single odd weeks do not move, with Kendall's interval. `None` from
/// less than [`TREND_WEEKS`].
pub(super) fn trend(weeks: &[Option<f64>]) -> Option<Estimate> {
    let known: Vec<(f64, f64)> = weeks
        .iter()
        .enumerate()
        .filter_map(|(week, mean)| Some((float(week), (*mean)?)))
        .collect();
    let count = float(known.len());
    if known.len() < TREND_WEEKS {
        return None;
    }
    let mut slopes: Vec<f64> = known
        .iter()
        .enumerate()
        .flat_map(|(place, one)| known.iter().skip(place + 1).map(move |other| (one, other)))
        .map(|(one, other)| (other.1 - one.1) / (other.0 - one.0))
        .collect();
    slopes.sort_by(f64::total_cmp);
    let pairs = float(slopes.len());
    let deviation = (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt();
    let reach = Normal::standard().inverse_cdf(0.95) * deviation;
    Some(Estimate {
        value: at(&slopes, (pairs - 1.0) / 2.0),
        low: at(&slopes, (pairs - reach) / 2.0 - 1.0),
        high: at(&slopes, f64::midpoint(pairs, reach)),
    })
}

/// The value at a place of a sorted list, between two of them in proportion.
fn at(sorted: &[f64], place: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = place.clamp(0.0, float(last));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the list"
    )]
    let lower = place.floor() as usize;
    let one = sorted.get(lower).copied().unwrap_or(0.0);
    let other = sorted.get(lower + 1).copied().unwrap_or(one);
    one + (other - one) * place.fract()
}

#[expect(clippy::cast_precision_loss, reason = "a count of days or weeks")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, −1 to 1, the same at every run.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(2) | 1;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            #[expect(clippy::cast_precision_loss, reason = "noise")]
            let unit = (state >> 33) as f64 / f64::from(1_u32 << 31);
            unit * 2.0 - 1.0
        }
    }

    #[test]
    fn from_too_little_nothing_is_foretold() {
        assert_eq!(forecast(&[1.0; FORECAST_DAYS - 1], 10.0), None);
        assert_eq!(trend(&[Some(1.0); TREND_WEEKS - 1]), None);
        let mut weeks = vec![None; 40];
        weeks.extend([Some(1.0); TREND_WEEKS - 1]);
        assert_eq!(trend(&weeks), None, "weeks that are not known are none");
    }

    #[test]
    fn days_that_are_all_alike_go_on_so() {
        let told = forecast(&[1.5; 30], 10.0).unwrap();
        assert!(
            (told.value - 15.0).abs() < 1e-9 && told.high - told.low < 1e-9,
            "{told:?}"
        );
        let level: Vec<f64> = std::iter::repeat_n(9.0, 60).chain([1.0; 28]).collect();
        assert!(
            (forecast(&level, 1.0).unwrap().value - 1.0).abs() < 1e-9,
            "what was long ago is over"
        );
    }

    #[test]
    fn nine_of_ten_months_end_where_was_foretold_also_where_days_are_alike() {
        for alike in [0.0, 0.5, 0.7] {
            let (mut hits, mut tries) = (0_u32, 0_u32);
            for seed in 0..400 {
                let mut noise = noise(seed);
                let mut state = 0.0;
                let mut days = Vec::new();
                for _ in 0..80 {
                    state = alike * state + 0.2 * noise();
                    days.push(2.0 + state);
                }
                let (known, future) = days[40..].split_at(28);
                let told = forecast(known, 12.0).unwrap();
                let truth: f64 = future.iter().sum();
                tries += 1;
                hits += u32::from((told.low..=told.high).contains(&truth));
            }
            let share = f64::from(hits) / f64::from(tries);
            assert!(share > 0.84, "{alike}: {share}");
        }
    }

    #[test]
    fn a_trend_is_found_in_noise_and_odd_weeks_do_not_make_one() {
        let mut noise = noise(7);
        let rising: Vec<_> = (0..20)
            .map(|week| Some(2.0 + 0.05 * float(week) + 0.05 * noise()))
            .collect();
        let told = trend(&rising).unwrap();
        assert!((told.value - 0.05).abs() < 0.01, "{told:?}");
        assert!(
            told.low > 0.0 && told.low < told.value && told.value < told.high,
            "{told:?}"
        );
        let mut flat: Vec<_> = (0..20).map(|_| Some(2.0 + 0.05 * noise())).collect();
        (flat[18], flat[5]) = (Some(9.0), None);
        let told = trend(&flat).unwrap();
        assert!(
            told.value.abs() < 0.01 && told.low < 0.0 && told.high > 0.0,
            "{told:?}"
        );
        let kwh = told.map(|value| value * 2.0);
        assert!((kwh.high - told.high * 2.0).abs() < 1e-12);
    }
}
