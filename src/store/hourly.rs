//! A day of one series by the hour: how many samples, the least, the greatest, the mean.

use super::samples::Samples;
use super::varint;

const HOUR: i64 = 3_600_000;

/// What is kept of an hour; the figures are scaled as the samples were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hour {
    /// Its start, ms since 1970.
    pub(super) start: i64,
    pub(super) count: u64,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) mean: i64,
}

/// The hours of `samples`, which are in order.
pub(super) fn hours(samples: &Samples) -> Vec<Hour> {
    let start = |at: i64| at - at.rem_euclid(HOUR);
    samples
        .points
        .chunk_by(|a, b| start(a.0) == start(b.0))
        .filter_map(|points| {
            let values = || points.iter().map(|(_, value)| *value);
            let sum: i128 = values().map(i128::from).sum();
            let count = points.len() as u64;
            Some(Hour {
                start: start(points.first()?.0),
                count,
                min: values().min()?,
                max: values().max()?,
                mean: i64::try_from(sum / i128::from(count)).ok()?,
            })
        })
        .collect()
}

/// The hours of the day that begins at `day` as bytes.
pub(super) fn encode(decimals: u8, day: i64, hours: &[Hour]) -> Vec<u8> {
    let mut out = vec![decimals];
    let (mut min, mut count, mut start) = (0_i64, 0_u64, day);
    for hour in hours {
        let skipped = (hour.start - start).div_euclid(HOUR);
        varint::put_signed(&mut out, skipped);
        varint::put_signed(&mut out, hour.count.wrapping_sub(count).cast_signed());
        varint::put_signed(&mut out, hour.min.wrapping_sub(min));
        varint::put(&mut out, hour.max.wrapping_sub(hour.min).cast_unsigned());
        varint::put(&mut out, hour.mean.wrapping_sub(hour.min).cast_unsigned());
        (min, count, start) = (hour.min, hour.count, hour.start + HOUR);
    }
    out
}

/// Reads what [`encode`] wrote, as far as it is whole: the decimals and the hours.
pub(super) fn decode(bytes: &[u8], day: i64) -> (u8, Vec<Hour>) {
    let Some((decimals, mut rest)) = bytes.split_first() else {
        return (0, Vec::new());
    };
    let (mut min, mut count, mut start) = (0_i64, 0_u64, day);
    let mut next = || {
        start = start.checked_add(varint::take_signed(&mut rest)?.checked_mul(HOUR)?)?;
        count = count.wrapping_add(varint::take_signed(&mut rest)?.cast_unsigned());
        min = min.wrapping_add(varint::take_signed(&mut rest)?);
        let hour = Hour {
            start,
            count,
            min,
            max: min.wrapping_add(varint::take(&mut rest)?.cast_signed()),
            mean: min.wrapping_add(varint::take(&mut rest)?.cast_signed()),
        };
        start = start.checked_add(HOUR)?;
        Some(hour)
    };
    (*decimals, std::iter::from_fn(&mut next).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hours_come_back_as_they_were(
            points in btree_map(0i64..86_400_000, any::<i64>(), 0..200),
        ) {
            let samples = Samples { decimals: 3, points: points.into_iter().collect() };
            let hours = hours(&samples);
            let total: u64 = hours.iter().map(|hour| hour.count).sum();
            prop_assert_eq!(total, samples.points.len() as u64);
            prop_assert_eq!(decode(&encode(3, 0, &hours), 0), (3, hours));
        }

        #[test]
        fn garbage_never_panics(bytes in vec(any::<u8>(), 0..100)) {
            prop_assert!(decode(&bytes, 0).1.len() <= bytes.len());
        }
    }
}
