//! What the history tells of a span: how far a counter went, and watts.

use std::time::Duration;

use jiff::SignedDuration;

use crate::model::Timestamp;
use crate::report::Span;
use crate::store::{Store, StoreError};

/// A longer span is read by the hour: each has its mean, its least and its greatest.
const LONG: SignedDuration = SignedDuration::from_hours(60 * 24);
/// When the last sample of an hour is at the latest.
const LAST: SignedDuration = SignedDuration::from_secs(3599);

fn is_long(from: Timestamp, to: Timestamp) -> bool {
    to.duration_since(from) > LONG
}

/// Seconds of an hour.
const HOUR_S: f64 = 3600.0;

/// A series that never was tells nothing.
fn known(read: Result<(), StoreError>) -> Result<(), StoreError> {
    match read {
        Err(StoreError::NoSeries(_)) => Ok(()),
        read => read,
    }
}

/// What a counter went in one step up to this long is spread evenly over it; after a longer time it
/// is not known when it went.
const STEP: SignedDuration = SignedDuration::from_hours(2);

/// How far the counter `series` went in each of `bins` (in order), in its unit; `None` where it
/// told nothing. A counter that goes back began anew: what it lost is not counted.
///
/// # Errors
/// Those of the store.
pub(in crate::report) fn counted(
    store: &Store,
    series: &str,
    bins: &[Span],
) -> Result<Vec<Option<f64>>, StoreError> {
    let mut counted = vec![None; bins.len()];
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else {
        return Ok(counted);
    };
    // The steps over both ends count for their part.
    let from = first.from.checked_sub(STEP).unwrap_or(first.from);
    let to = last.to.checked_add(STEP).unwrap_or(last.to);
    let mut before: Option<(Timestamp, f64)> = None;
    let mut place = 0;
    let mut step = |at: Timestamp, value: f64| {
        let Some((then, was)) = before.replace((at, value)) else {
            return;
        };
        if then >= last.to {
            return;
        }
        let lap = at.duration_since(then);
        let began = if lap > STEP { at } else { then };
        let went = (value - was).max(0.0);
        while bins
            .get(place)
            .is_some_and(|bin| bin.to <= began && bin.to < at)
        {
            place += 1;
        }
        let all = bins.iter().zip(&mut counted).skip(place);
        for (bin, sum) in all.take_while(|(bin, _)| bin.from < at) {
            let within = bin.to.min(at).duration_since(bin.from.max(began));
            let share = match lap > STEP {
                true if at <= bin.to => 1.0,
                true => 0.0,
                false => within.as_secs_f64() / lap.as_secs_f64(),
            };
            if share > 0.0 {
                *sum = Some(sum.unwrap_or(0.0) + went * share);
            }
        }
    };
    known(
        store.each_known(series, (from, to), is_long(first.from, last.to), |one| {
            if one.is_hour {
                // A counter begins an hour with its least and ends it with its greatest.
                step(one.at, one.least);
                step(one.at.checked_add(LAST).unwrap_or(one.at), one.greatest);
            } else {
                step(one.at, one.mean);
            }
        }),
    )?;
    Ok(counted)
}

/// The watts of a span.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::report) struct Watts {
    /// For how long they are known, s.
    pub(in crate::report) watched_s: f64,
    /// The mean while they are known, W.
    pub(in crate::report) mean_w: f64,
    /// The least, W.
    pub(in crate::report) min_w: Option<f64>,
    /// The most, W.
    pub(in crate::report) peak_w: Option<f64>,
}

/// The watts of `series` in `span`; what lies further apart than three times `interval`,
/// or than what came before, is a gap.
/// An hour of a past whose single samples are gone counts as a whole.
///
/// # Errors
/// Those of the store.
pub(in crate::report) fn watts(
    store: &Store,
    series: &str,
    span: Span,
    interval: Duration,
) -> Result<Watts, StoreError> {
    let (mut found, mut energy) = (Watts::default(), 0.0);
    let mut before: Option<Timestamp> = None;
    // The interval may have been another one then: the step before tells.
    let (usual, mut step) = (interval.as_secs_f64(), 0.0_f64);
    known(store.each_known(
        series,
        (span.from, span.to),
        is_long(span.from, span.to),
        |one| {
            let least = found.min_w.map_or(one.least, |least| least.min(one.least));
            let most = found
                .peak_w
                .map_or(one.greatest, |most| most.max(one.greatest));
            (found.min_w, found.peak_w) = (Some(least), Some(most));
            let before = before.replace(one.at);
            let passed = before.map_or(0.0, |before| one.at.duration_since(before).as_secs_f64());
            let limit = (usual.max(step) * 3.0).min(HOUR_S);
            step = passed;
            let passed = match one.is_hour {
                true => HOUR_S,
                false if passed <= limit => passed,
                false => 0.0,
            };
            found.watched_s += passed;
            energy += passed * one.mean;
        },
    ))?;
    if found.watched_s > 0.0 {
        found.mean_w = energy / found.watched_s;
    }
    Ok(found)
}

/// The mean of `series` in each of `bins` (in order).
///
/// # Errors
/// Those of the store.
pub(in crate::report) fn means(
    store: &Store,
    series: &str,
    bins: &[Span],
) -> Result<Vec<Option<f64>>, StoreError> {
    let mut sums = vec![(0.0, 0.0); bins.len()];
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else {
        return Ok(Vec::new());
    };
    let mut places = bins.iter().zip(&mut sums).peekable();
    known(store.each_known(
        series,
        (first.from, last.to),
        is_long(first.from, last.to),
        |one| {
            while places.next_if(|(bin, _)| bin.to <= one.at).is_some() {}
            if let Some((_, (sum, count))) = places.peek_mut() {
                let samples = f64::from(one.samples);
                *sum += one.mean * samples;
                *count += samples;
            }
        },
    ))?;
    let mean = |(sum, count): (f64, f64)| (count > 0.0).then(|| sum / count);
    Ok(sums.into_iter().map(mean).collect())
}

/// What `read` tells of all `series` together in each of `bins`; `None` where one of them is not
/// known.
///
/// # Errors
/// Those of `read`.
pub(in crate::report) fn all_of(
    series: &[String],
    bins: &[Span],
    read: impl Fn(&str) -> Result<Vec<Option<f64>>, StoreError>,
) -> Result<Vec<Option<f64>>, StoreError> {
    let mut sums = vec![(!series.is_empty()).then_some(0.0); bins.len()];
    for one in series {
        for (sum, value) in sums.iter_mut().zip(read(one)?) {
            *sum = sum.zip(value).map(|(sum, value)| sum + value);
        }
    }
    Ok(sums)
}

/// Every value of `series` in `span`; of hours whose single samples are gone the mean.
///
/// # Errors
/// Those of the store.
pub(in crate::report) fn values(
    store: &Store,
    series: &str,
    span: Span,
) -> Result<Vec<f64>, StoreError> {
    let mut values = Vec::new();
    known(store.each_known(
        series,
        (span.from, span.to),
        is_long(span.from, span.to),
        |one| values.push(one.mean),
    ))?;
    Ok(values)
}
