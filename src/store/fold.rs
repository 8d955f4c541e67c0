//! How the database takes the journal's ticks as blocks, folds blocks into days, and lets the
//! oldest go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::HistoryConfig;

use super::database::Db;
use super::history::History;
use super::hourly;
use super::open::META;
use super::pack::{self, CHUNKS, Level, Packer};
use super::samples::Samples;
use super::{StoreError, tick};

/// So many series are gone through at a time, to bound the memory that takes.
const GROUP: u32 = 64;

/// Writes everything that is pending as blocks, in one commit.
pub(super) fn flush(db: &Db, history: &History) -> Result<(), StoreError> {
    let mut axes: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    let mut end = 0;
    history.each_pending(|at, samples| {
        axes.entry(Level::Block.start(at)).or_default().insert(at);
        end = end.max(samples.last().map_or(0, |(series, _)| *series + 1));
    });
    let transaction = db.begin_write()?;
    {
        let mut table = transaction.open_table(CHUNKS)?;
        for (start, axis) in axes {
            flush_block(&mut table, history, start, axis, end)?;
        }
        let mut meta = transaction.open_table(META)?;
        let folded = history.journal.last().to_le_bytes();
        meta.insert("folded", folded.as_slice())?;
        meta.insert("last", history.registry.last_seen().as_slice())?;
    }
    transaction.commit()?;
    Ok(())
}

type Chunks<'t> = redb::Table<'t, pack::Key, &'static [u8]>;

fn flush_block(
    table: &mut Chunks<'_>,
    history: &History,
    start: i64,
    mut axis: BTreeSet<i64>,
    mut end: u32,
) -> Result<(), StoreError> {
    // There is a block already if the clock was set back or the journal was full early.
    let old_axis = pack::axis(table, Level::Block, start)?;
    let old = pack::packs(table, Level::Block, start)?;
    let mut known = BTreeSet::new();
    pack::add_series(table, Level::Block, start, &mut known)?;
    end = end.max(known.last().map_or(0, |series| *series + 1));
    pack::remove(table, Level::Block, start)?;
    axis.extend(old_axis.iter().copied());
    let axis: Vec<i64> = axis.into_iter().collect();
    let mut packer = Packer::new(Level::Block, start);
    packer.axis(table, &axis)?;
    for first in (0..end).step_by(GROUP as usize) {
        let group = first..(first + GROUP).min(tick::MAX_SERIES);
        let mut newer: BTreeMap<u32, Vec<(i64, i64)>> = BTreeMap::new();
        history.each_pending(|at, samples| {
            if Level::Block.start(at) == start {
                let from = samples.partition_point(|(series, _)| *series < group.start);
                let samples = samples.iter().skip(from);
                for (series, value) in samples.take_while(|(series, _)| *series < group.end) {
                    newer.entry(*series).or_default().push((at, *value));
                }
            }
        });
        for series in group {
            let of_pack =
                |pack: &Vec<u8>| Samples::decode(pack::chunk_of(pack, series)?, &old_axis);
            let mut samples = old.iter().find_map(of_pack).unwrap_or_default();
            if let (Some(points), Some(info)) =
                (newer.remove(&series), history.registry.info(series))
            {
                let decimals = info.decimals;
                let mut points = Samples { decimals, points };
                points.sort();
                samples.merge(points);
            }
            if !samples.points.is_empty() {
                packer.add(table, series, &samples.encode(&axis))?;
            }
        }
    }
    packer.finish(table)
}

/// Folds every day but `today`, and lets the oldest go. `size` is the file's, in bytes.
pub(super) fn maintain(
    db: &Db,
    config: &HistoryConfig,
    today: i64,
    size: u64,
) -> Result<(), StoreError> {
    let mut folded = 0;
    for day in unfolded(db, today)? {
        let transaction = db.begin_write()?;
        {
            let mut table = transaction.open_table(CHUNKS)?;
            folded += fold(&mut table, day)?;
        }
        transaction.commit()?;
    }
    if folded == 0 {
        return Ok(());
    }
    expire(db, config, today, size, folded)
}

/// The days that still have blocks, but for `today`.
fn unfolded(db: &Db, today: i64) -> Result<Vec<i64>, StoreError> {
    let transaction = db.begin_read()?;
    let table = match transaction.open_table(CHUNKS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let (mut days, mut from) = (Vec::new(), i64::MIN);
    while let Some(start) = pack::first_start(&table, Level::Block, from..=i64::MAX)? {
        let day = Level::Day.start(start);
        if day != today {
            days.push(day);
        }
        from = day + Level::Day.span();
    }
    Ok(days)
}

/// Folds a day's blocks into the day and returns its bytes.
fn fold(table: &mut Chunks<'_>, day: i64) -> Result<u64, StoreError> {
    let mut blocks: Vec<(i64, Vec<i64>)> = Vec::new();
    let mut series = BTreeSet::new();
    for start in (day..day + Level::Day.span()).step_by(10_800_000) {
        let times = pack::axis(table, Level::Block, start)?;
        if !times.is_empty() {
            pack::add_series(table, Level::Block, start, &mut series)?;
            blocks.push((start, times));
        }
    }
    // There is such a day already if the clock was set back.
    let old_axis = pack::axis(table, Level::Day, day)?;
    let old = pack::packs(table, Level::Day, day)?;
    pack::add_series(table, Level::Day, day, &mut series)?;
    pack::remove(table, Level::Day, day)?;
    pack::remove(table, Level::Hourly, day)?;
    let all: BTreeSet<i64> = blocks
        .iter()
        .flat_map(|(_, times)| times)
        .chain(&old_axis)
        .copied()
        .collect();
    let axis: Vec<i64> = all.into_iter().collect();
    let mut days = Packer::new(Level::Day, day);
    let mut hours = Packer::new(Level::Hourly, day);
    days.axis(table, &axis)?;
    for series in series {
        let of_pack = |pack: &Vec<u8>| Samples::decode(pack::chunk_of(pack, series)?, &old_axis);
        let mut samples = old.iter().find_map(of_pack).unwrap_or_default();
        for (start, times) in &blocks {
            let chunk = pack::chunk(table, Level::Block, *start, series)?;
            if let Some(block) = chunk.and_then(|chunk| Samples::decode(&chunk, times)) {
                samples.merge(block);
            }
        }
        days.add(table, series, &samples.encode(&axis))?;
        let by_hour = hourly::hours(&samples);
        hours.add(
            table,
            series,
            &hourly::encode(samples.decimals, day, &by_hour),
        )?;
    }
    days.finish(table)?;
    hours.finish(table)?;
    for (start, _) in blocks {
        pack::remove(table, Level::Block, start)?;
    }
    Ok(days.written + hours.written)
}

/// Lets go what is older than it is kept, and the oldest days while the file is too large. A day
/// goes for its age only if there are more days than are kept, so that a wrong clock costs nothing.
fn expire(
    db: &Db,
    config: &HistoryConfig,
    today: i64,
    size: u64,
    folded: u64,
) -> Result<(), StoreError> {
    let transaction = db.begin_write()?;
    {
        let mut table = transaction.open_table(CHUNKS)?;
        for (level, keep) in [
            (Level::Day, config.retention),
            (Level::Hourly, config.hourly_retention),
        ] {
            for day in outdated(&table, level, today, keep)? {
                pack::remove(&mut table, level, day)?;
            }
        }
        // What is removed makes room inside the file for the next two days.
        let mut freed = 0;
        while size > config.max_size && freed < 2 * folded {
            let Some(day) = pack::first_start(&table, Level::Day, i64::MIN..=today)? else {
                break;
            };
            freed += pack::remove(&mut table, Level::Day, day)?;
            let day = crate::model::Timestamp::from_millisecond(day).unwrap_or_default();
            tracing::warn!(
                day = %day.strftime("%F"), size, max_size = config.max_size,
                "the history is larger than history.max_size: the oldest day's single samples \
                 are removed, its hourly figures stay"
            );
        }
    }
    transaction.commit()?;
    Ok(())
}

fn outdated(
    table: &Chunks<'_>,
    level: Level,
    today: i64,
    keep: Duration,
) -> Result<Vec<i64>, StoreError> {
    let (mut days, mut from) = (Vec::new(), i64::MIN);
    while let Some(day) = pack::first_start(table, level, from..=i64::MAX)? {
        days.push(day);
        from = day + 1;
    }
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let keep_days = usize::try_from(keep_ms / Level::Day.span()).unwrap_or(usize::MAX);
    let spare = days.len().saturating_sub(keep_days);
    days.truncate(spare);
    days.retain(|day| *day < today.saturating_sub(keep_ms));
    Ok(days)
}
