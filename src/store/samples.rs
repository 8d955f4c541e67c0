//! Samples of one series, and how a stretch of them is kept: the values as whole numbers,
//! compressed; the times as places on the stretch's time axis, which all series share.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

use super::varint;

/// More than any stretch holds (a day of ten ticks a second); bounds what garbage can allocate.
const MAX_SAMPLES: usize = 1 << 20;

const CONSTANT: u8 = 0;
const PACKED: u8 = 1;
const PLAIN: u8 = 2;

/// Below this many numbers, a compressor's header costs more than it saves.
const FEW: usize = 24;

/// Samples of one series in the order of time, each time once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Samples {
    /// Values are whole numbers of 10^-decimals.
    pub(super) decimals: u8,
    /// Milliseconds since 1970, and the value.
    pub(super) points: Vec<(i64, i64)>,
}

impl Samples {
    /// Adds what `newer` has; where both have a time, `newer` wins.
    pub(super) fn merge(&mut self, mut newer: Self) {
        if newer.points.is_empty() {
            return;
        }
        let decimals = self.decimals.max(newer.decimals);
        self.rescale(decimals);
        newer.rescale(decimals);
        self.points.append(&mut newer.points);
        self.sort();
    }

    /// Puts the points in order; of several at one time the last added stays.
    pub(super) fn sort(&mut self) {
        if self.points.is_sorted_by(|a, b| a.0 < b.0) {
            return;
        }
        self.points.sort_by_key(|(at, _)| *at);
        self.points.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = later.1;
            }
            same
        });
    }

    fn rescale(&mut self, decimals: u8) {
        let factor = 10_i64.saturating_pow(u32::from(decimals.saturating_sub(self.decimals)));
        if factor != 1 {
            for (_, value) in &mut self.points {
                *value = value.saturating_mul(factor);
            }
        }
        self.decimals = self.decimals.max(decimals);
    }

    /// The samples as bytes. Every time must be on `axis`, which is in order; others are lost.
    pub(super) fn encode(&self, axis: &[i64]) -> Vec<u8> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut values = Vec::with_capacity(self.points.len());
        let mut points = self.points.iter().peekable();
        for (place, at) in axis.iter().enumerate() {
            while points.next_if(|(time, _)| time < at).is_some() {}
            let Some((_, value)) = points.next_if(|(time, _)| time == at) else {
                continue;
            };
            values.push(*value);
            match runs.last_mut() {
                Some((first, len)) if *first + *len == place => *len += 1,
                _ => runs.push((place, 1)),
            }
        }
        let mut out = vec![self.decimals];
        varint::put(&mut out, runs.len() as u64);
        let mut end = 0;
        for (first, len) in runs {
            varint::put(&mut out, (first - end) as u64);
            varint::put(&mut out, len as u64);
            end = first + len;
        }
        encode_numbers(&values, &mut out);
        out
    }

    /// Reads what [`Samples::encode`] wrote; `None` if it is damaged.
    pub(super) fn decode(mut bytes: &[u8], axis: &[i64]) -> Option<Self> {
        let bytes = &mut bytes;
        let [decimals] = *varint::take_bytes(bytes, 1)? else {
            return None;
        };
        let mut points = Vec::new();
        let mut end = 0_usize;
        for _ in 0..varint::take(bytes)? {
            let first = end.checked_add(varint::take_usize(bytes)?)?;
            end = first.checked_add(varint::take_usize(bytes)?)?;
            points.extend(axis.get(first..end)?.iter().map(|at| (*at, 0)));
        }
        let values = decode_numbers(bytes)?;
        if values.len() != points.len() {
            return None;
        }
        for (point, value) in points.iter_mut().zip(values) {
            point.1 = value;
        }
        Some(Self { decimals, points })
    }
}

/// Whole numbers as bytes that reach to the end.
pub(super) fn encode_numbers(numbers: &[i64], out: &mut Vec<u8>) {
    let first = numbers.first().copied().unwrap_or_default();
    if numbers.iter().all(|number| *number == first) {
        out.push(CONSTANT);
        varint::put(out, numbers.len() as u64);
        varint::put_signed(out, first);
        return;
    }
    let config = ChunkConfig::default().with_compression_level(8);
    let packed = if numbers.len() < FEW {
        None
    } else {
        simple_compress(numbers, &config).ok()
    };
    if let Some(packed) = packed {
        out.push(PACKED);
        out.extend_from_slice(&packed);
    } else {
        out.push(PLAIN);
        varint::put(out, numbers.len() as u64);
        let mut last = 0_i64;
        for number in numbers {
            varint::put_signed(out, number.wrapping_sub(last));
            last = *number;
        }
    }
}

/// Reads what [`encode_numbers`] wrote; `None` if it is damaged.
pub(super) fn decode_numbers(bytes: &mut &[u8]) -> Option<Vec<i64>> {
    let [kind] = *varint::take_bytes(bytes, 1)? else {
        return None;
    };
    if kind == PACKED {
        return simple_decompress(bytes).ok();
    }
    let count = varint::take_usize(bytes).filter(|count| *count <= MAX_SAMPLES)?;
    match kind {
        CONSTANT => Some(vec![varint::take_signed(bytes)?; count]),
        PLAIN => {
            let mut last = 0_i64;
            let mut numbers = Vec::new();
            for _ in 0..count {
                last = last.wrapping_add(varint::take_signed(bytes)?);
                numbers.push(last);
            }
            Some(numbers)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn samples_come_back_as_they_were(
            points in btree_map(0i64..5_000, any::<i64>(), 0..300),
            others in btree_set(0i64..5_000, 0..300),
            decimals in 0u8..7,
        ) {
            let axis: std::collections::BTreeSet<i64> =
                points.keys().copied().chain(others).collect();
            let axis: Vec<i64> = axis.into_iter().collect();
            let samples = Samples { decimals, points: points.into_iter().collect() };
            let bytes = samples.encode(&axis);
            prop_assert_eq!(Samples::decode(&bytes, &axis), Some(samples));
        }

        #[test]
        fn garbage_never_panics(bytes in vec(any::<u8>(), 0..300)) {
            let axis: Vec<i64> = (0..100).collect();
            if let Some(samples) = Samples::decode(&bytes, &axis) {
                prop_assert!(samples.points.len() <= MAX_SAMPLES);
            }
        }
    }

    #[test]
    fn a_merge_is_in_order_and_the_newer_value_wins() {
        let mut old = Samples {
            decimals: 1,
            points: vec![(10, 5), (20, 6), (30, 7)],
        };
        old.merge(Samples {
            decimals: 2,
            points: vec![(15, 1), (20, 2)],
        });
        assert_eq!(old.decimals, 2);
        assert_eq!(old.points, [(10, 50), (15, 1), (20, 2), (30, 70)]);
    }

    #[test]
    fn a_constant_costs_next_to_nothing() {
        let axis: Vec<i64> = (0..8_640).map(|tick| tick * 10_000).collect();
        let points = axis.iter().map(|at| (*at, 42)).collect();
        let bytes = Samples {
            decimals: 0,
            points,
        }
        .encode(&axis);
        assert!(bytes.len() < 16, "{} bytes", bytes.len());
    }
}
