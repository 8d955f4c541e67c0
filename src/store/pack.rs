//! Packs: neighbouring series' chunks of one stretch of time in one value of the database, so
//! that its pages are well filled.
//!
//! Key: (level, start of the stretch in ms, first series of the pack). Value: for each chunk the
//! series' number, its length and its bytes. Number 0 is the stretch's time axis.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use redb::{ReadableTable, Table, TableDefinition};

use super::{StoreError, samples, varint};

pub(super) type Key = (u8, i64, u32);
pub(super) const CHUNKS: TableDefinition<'static, Key, &'static [u8]> =
    TableDefinition::new("history_chunks");

/// A pack fills a page of 16 KiB but for what the database needs of it.
const TARGET: usize = 16_200;
/// The number of the time axis.
const AXIS: u32 = 0;

/// What a stretch of time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Three hours, every sample.
    Block,
    /// A day, every sample.
    Day,
    /// A day, by the hour.
    Hourly,
}

impl Level {
    const fn number(self) -> u8 {
        match self {
            Self::Block => 0,
            Self::Day => 1,
            Self::Hourly => 2,
        }
    }

    /// Milliseconds.
    pub(super) const fn span(self) -> i64 {
        match self {
            Self::Block => 10_800_000,
            Self::Day | Self::Hourly => 86_400_000,
        }
    }

    /// The start of the stretch that `at` is in.
    pub(super) const fn start(self, at: i64) -> i64 {
        at - at.rem_euclid(self.span())
    }

    fn keys(self, start: i64) -> RangeInclusive<Key> {
        (self.number(), start, 0)..=(self.number(), start, u32::MAX)
    }
}

/// The start of the first stretch of `level` in `range`.
pub(super) fn first_start(
    table: &impl ReadableTable<Key, &'static [u8]>,
    level: Level,
    range: RangeInclusive<i64>,
) -> Result<Option<i64>, StoreError> {
    let keys = (level.number(), *range.start(), 0)..=(level.number(), *range.end(), u32::MAX);
    match table.range(keys)?.next() {
        Some(entry) => Ok(Some(entry?.0.value().1)),
        None => Ok(None),
    }
}

/// One series' chunk.
pub(super) fn chunk(
    table: &impl ReadableTable<Key, &'static [u8]>,
    level: Level,
    start: i64,
    series: u32,
) -> Result<Option<Vec<u8>>, StoreError> {
    let keys = (level.number(), start, 0)..=(level.number(), start, series);
    let Some(entry) = table.range(keys)?.next_back() else {
        return Ok(None);
    };
    let (_, value) = entry?;
    Ok(chunk_of(value.value(), series).map(<[u8]>::to_vec))
}

/// The time axis of a stretch; empty if there is none.
pub(super) fn axis(
    table: &impl ReadableTable<Key, &'static [u8]>,
    level: Level,
    start: i64,
) -> Result<Vec<i64>, StoreError> {
    let bytes = chunk(table, level, start, AXIS)?.unwrap_or_default();
    Ok(samples::decode_numbers(&mut bytes.as_slice()).unwrap_or_default())
}

/// The packs of a stretch.
pub(super) fn packs(
    table: &impl ReadableTable<Key, &'static [u8]>,
    level: Level,
    start: i64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    table
        .range(level.keys(start))?
        .map(|entry| Ok(entry?.1.value().to_vec()))
        .collect()
}

/// Takes a stretch out and returns how many bytes that were.
pub(super) fn remove(
    table: &mut Table<'_, Key, &'static [u8]>,
    level: Level,
    start: i64,
) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for entry in table.extract_from_if(level.keys(start), |_, _| true)? {
        bytes += entry?.1.value().len() as u64;
    }
    Ok(bytes)
}

/// Bytes of all packs of a level.
pub(super) fn bytes(
    table: &impl ReadableTable<Key, &'static [u8]>,
    level: Level,
) -> Result<u64, StoreError> {
    let keys = (level.number(), i64::MIN, 0)..=(level.number(), i64::MAX, u32::MAX);
    let mut bytes = 0;
    for entry in table.range(keys)? {
        bytes += entry?.1.value().len() as u64;
    }
    Ok(bytes)
}

/// Every chunk of a pack, in order.
fn chunks(mut pack: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let series = u32::try_from(varint::take(&mut pack)?).ok()?;
        let len = varint::take_usize(&mut pack)?;
        Some((series, varint::take_bytes(&mut pack, len)?))
    })
}

/// One series' chunk of a pack.
pub(super) fn chunk_of(pack: &[u8], series: u32) -> Option<&[u8]> {
    chunks(pack)
        .take_while(|(number, _)| *number <= series)
        .find(|(number, _)| *number == series)
        .map(|(_, bytes)| bytes)
}

/// The series that have chunks in the packs of a stretch.
pub(super) fn add_series(
    table: &impl ReadableTable<Key, &'static [u8]>,
    level: Level,
    start: i64,
    to: &mut BTreeSet<u32>,
) -> Result<(), StoreError> {
    for entry in table.range(level.keys(start))? {
        let numbers = entry?;
        to.extend(chunks(numbers.1.value()).map(|(series, _)| series));
    }
    to.remove(&AXIS);
    Ok(())
}

/// Writes the packs of a stretch.
#[derive(Debug)]
pub(super) struct Packer {
    level: Level,
    start: i64,
    first: u32,
    pack: Vec<u8>,
    /// Bytes written so far.
    pub(super) written: u64,
}

impl Packer {
    pub(super) fn new(level: Level, start: i64) -> Self {
        Self {
            level,
            start,
            first: 0,
            pack: Vec::new(),
            written: 0,
        }
    }

    /// Sets the time axis; before any chunk.
    pub(super) fn axis(
        &mut self,
        table: &mut Table<'_, Key, &'static [u8]>,
        axis: &[i64],
    ) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        samples::encode_numbers(axis, &mut bytes);
        self.add(table, AXIS, &bytes)
    }

    /// Adds a chunk; in the order of series.
    pub(super) fn add(
        &mut self,
        table: &mut Table<'_, Key, &'static [u8]>,
        series: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if !self.pack.is_empty() && self.pack.len() + bytes.len() + 8 > TARGET {
            self.finish(table)?;
        }
        if self.pack.is_empty() {
            self.first = series;
        }
        varint::put(&mut self.pack, u64::from(series));
        varint::put(&mut self.pack, bytes.len() as u64);
        self.pack.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn finish(
        &mut self,
        table: &mut Table<'_, Key, &'static [u8]>,
    ) -> Result<(), StoreError> {
        if !self.pack.is_empty() {
            let key = (self.level.number(), self.start, self.first);
            table.insert(key, self.pack.as_slice())?;
            self.written += self.pack.len() as u64;
            self.pack.clear();
        }
        Ok(())
    }
}
