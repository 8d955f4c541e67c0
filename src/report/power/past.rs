//! What the history tells of a span: how far a counter went, and watts.

use std::time::Duration;

use crate::model::Timestamp;
use crate::report::Span;
use crate::store::{Store, StoreError};

/// A span of more hours is read by the hour where the history has that.
const LONG: f64 = 60.0 * 24.0;
/// Points that a long span is read as: each stretch of them keeps its least and greatest, so that
/// a counter loses nothing.
const POINTS: usize = 4000;

/// Hands each sample of `series` in `span` to `visit`, in order. A series that never was has none.
fn each(
    store: &Store,
    series: &str,
    span: Span,
    mut visit: impl FnMut(Timestamp, f64),
) -> Result<(), StoreError> {
    let read = if span.hours() > LONG {
        store
            .query(series, span.from, span.to, Some(POINTS))
            .map(|points| {
                let known = points
                    .into_iter()
                    .filter_map(|one| Some((one.at, one.value?)));
                known.for_each(|(at, value)| visit(at, value));
            })
    } else {
        store.each_sample(series, span.from, span.to, |at, value| {
            visit(at, value);
            true
        })
    };
    match read {
        Err(StoreError::NoSeries(_)) => Ok(()),
        read => read,
    }
}

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
    // What was before the first bin is where counting starts.
    let from = first.from.checked_sub(jiff::SignedDuration::from_mins(30));
    let span = Span {
        from: from.unwrap_or(first.from),
        to: last.to,
    };
    let mut before = None;
    let mut places = bins.iter().zip(&mut counted).peekable();
    each(store, series, span, |at, value| {
        let went = before.replace(value).map(|before| value - before);
        while places.next_if(|(bin, _)| bin.to < at).is_some() {}
        if let (Some((bin, sum)), Some(went)) = (places.peek_mut(), went)
            && at > bin.from
        {
            **sum = Some(sum.unwrap_or(0.0) + went.max(0.0));
        }
    })?;
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

/// The watts of `series` in `span`; what lies further apart than three times `interval` is a gap,
/// but for the hours of a past whose single samples are gone.
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
    let limit = interval.as_secs_f64() * 3.0;
    each(store, series, span, |at, value| {
        found.min_w = Some(found.min_w.map_or(value, |least: f64| least.min(value)));
        found.peak_w = Some(found.peak_w.map_or(value, |most: f64| most.max(value)));
        if let Some(before) = before.replace(at) {
            let passed = at.duration_since(before).as_secs_f64();
            let by_hour = (passed - 1800.0).abs() < 1.0 || (passed - 3600.0).abs() < 1.0;
            if passed <= limit || by_hour {
                found.watched_s += passed;
                energy += passed * value;
            }
        }
    })?;
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
    let span = Span {
        from: first.from,
        to: last.to,
    };
    let mut places = bins.iter().zip(&mut sums).peekable();
    each(store, series, span, |at, value| {
        while places.next_if(|(bin, _)| bin.to <= at).is_some() {}
        if let Some((_, (sum, count))) = places.peek_mut() {
            *sum += value;
            *count += 1.0;
        }
    })?;
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

/// Every value of `series` in `span`.
///
/// # Errors
/// Those of the store.
pub(in crate::report) fn values(
    store: &Store,
    series: &str,
    span: Span,
) -> Result<Vec<f64>, StoreError> {
    let mut values = Vec::new();
    each(store, series, span, |_, value| values.push(value))?;
    Ok(values)
}
