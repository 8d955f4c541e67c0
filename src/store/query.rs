//! Reading the history: days from the database, the newest from the journal's ticks in memory.

use redb::ReadableTable;

use crate::model::Timestamp;

use super::hourly;
use super::pack::{self, CHUNKS, Key, Level};
use super::samples::Samples;
use super::series::{SeriesInfo, unscale};
use super::thin::{self, Point, Thin};
use super::{Store, StoreError};

/// No answer has more points.
const MOST: usize = 100_000;
/// From stretches this wide on (ms), the hourly figures serve: their least and greatest are
/// exact, their times are within half an hour.
const COARSE: i64 = 4 * 3_600_000;

/// What is to be read.
#[derive(Debug, Clone)]
struct Scan {
    number: u32,
    from: i64,
    to: i64,
    hourly: bool,
    /// Samples that the database may not have yet.
    pending: Samples,
}

impl Store {
    /// Every series that has ever had a sample.
    pub fn series(&self) -> Vec<SeriesInfo> {
        self.history().registry.all().to_vec()
    }

    /// One series.
    pub fn series_info(&self, series: &str) -> Option<SeriesInfo> {
        let history = self.history();
        history
            .registry
            .info(history.registry.number(series)?)
            .cloned()
    }

    /// The samples of a series from `from` to `to`, both included, in the order of time. With
    /// `points` (from 8) at most so many, among them the least and the greatest of each equal
    /// stretch, so that no peak is lost; without it all, unless they are more than 100,000: then
    /// as if that had been asked for. Points without a value mark pauses and come on top.
    pub fn query(
        &self,
        series: &str,
        from: Timestamp,
        to: Timestamp,
        points: Option<usize>,
    ) -> Result<Vec<Point>, StoreError> {
        let (mut scan, first, last) = self.scan(series, from, to)?;
        // Stretches are cut from what there is, not from what was asked for.
        let (from, to) = (scan.from.max(first), scan.to.min(last));
        if from > to {
            return Ok(Vec::new());
        }
        if points.is_none() {
            let mut all = Thin::all();
            self.read(&scan, |at, value| {
                all.push(at, value);
                all.len() <= MOST
            })?;
            if all.len() <= MOST {
                return Ok(all.finish());
            }
        }
        let points = points.unwrap_or(MOST).clamp(8, MOST);
        scan.hourly = thin::width(from, to, points) >= COARSE;
        self.thinned(&scan, from, to, points)
    }

    /// The same from every single sample, however long that takes: for comparison.
    pub fn query_samples(
        &self,
        series: &str,
        from: Timestamp,
        to: Timestamp,
        points: usize,
    ) -> Result<Vec<Point>, StoreError> {
        let (scan, first, last) = self.scan(series, from, to)?;
        let (from, to) = (scan.from.max(first), scan.to.min(last));
        if from > to {
            return Ok(Vec::new());
        }
        self.thinned(&scan, from, to, points.clamp(8, MOST))
    }

    fn thinned(
        &self,
        scan: &Scan,
        from: i64,
        to: i64,
        points: usize,
    ) -> Result<Vec<Point>, StoreError> {
        let mut thin = Thin::new(from, to, points);
        self.read(scan, |at, value| {
            thin.push(at, value);
            true
        })?;
        Ok(thin.finish())
    }

    /// Hands every sample of a series from `from` to `to` to `visit`, in order, until it says
    /// `false`.
    pub fn each_sample(
        &self,
        series: &str,
        from: Timestamp,
        to: Timestamp,
        mut visit: impl FnMut(Timestamp, f64) -> bool,
    ) -> Result<(), StoreError> {
        let (scan, _, _) = self.scan(series, from, to)?;
        self.read(&scan, |at, value| {
            Timestamp::from_millisecond(at).is_ok_and(|at| visit(at, value))
        })
    }

    /// Hands what is known of a series from `from` to `to` to `visit`, in order: every sample, and
    /// of days whose samples are gone each hour as a whole. With `by_hour` that goes for all days
    /// that are summed up by the hour: for spans of which every sample is too much to read.
    pub fn each_known(
        &self,
        series: &str,
        (from, to): (Timestamp, Timestamp),
        by_hour: bool,
        mut visit: impl FnMut(Known),
    ) -> Result<(), StoreError> {
        let (mut scan, _, _) = self.scan(series, from, to)?;
        scan.hourly = by_hour;
        let transaction = self.db().begin_read()?;
        let table = chunks(&transaction)?;
        let mut from = Level::Day.start(scan.from);
        while let Some(day) = next_day(table.as_ref(), &scan, from)? {
            let known = match coarse_hours(table.as_ref(), &scan, day)? {
                Some(hours) => hours,
                None => day_samples(table.as_ref(), &scan, day)?
                    .into_iter()
                    .filter_map(|(at, value)| Known::sample(at, value))
                    .collect(),
            };
            let wanted = |one: &Known| (scan.from..=scan.to).contains(&one.at.as_millisecond());
            known.into_iter().filter(wanted).for_each(&mut visit);
            from = day + Level::Day.span();
        }
        Ok(())
    }

    fn scan(
        &self,
        series: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(Scan, i64, i64), StoreError> {
        let history = self.history();
        let number = history.registry.number(series);
        let info = number.and_then(|number| Some((number, history.registry.info(number)?)));
        let Some((number, info)) = info else {
            return Err(StoreError::NoSeries(series.to_owned()));
        };
        let mut pending = Samples {
            decimals: info.decimals,
            points: Vec::new(),
        };
        let (from, to) = (from.as_millisecond(), to.as_millisecond());
        history.each_pending(|at, samples| {
            if let Ok(place) = samples.binary_search_by_key(&number, |(series, _)| *series)
                && let Some((_, value)) = samples.get(place)
            {
                pending.points.push((at, *value));
            }
        });
        pending.sort();
        let scan = Scan {
            number,
            from,
            to,
            hourly: false,
            pending,
        };
        Ok((
            scan,
            info.first.as_millisecond(),
            info.last.as_millisecond(),
        ))
    }

    fn read(&self, scan: &Scan, mut visit: impl FnMut(i64, f64) -> bool) -> Result<(), StoreError> {
        let transaction = self.db().begin_read()?;
        let table = chunks(&transaction)?;
        let mut from = Level::Day.start(scan.from);
        while let Some(day) = next_day(table.as_ref(), scan, from)? {
            for (at, value) in day_samples(table.as_ref(), scan, day)? {
                if (scan.from..=scan.to).contains(&at) && !visit(at, value) {
                    return Ok(());
                }
            }
            from = day + Level::Day.span();
        }
        Ok(())
    }
}

/// What is known of a series for a while: a sample, or an hour whose samples are gone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// The time of the sample, or the begin of the hour.
    pub at: Timestamp,
    /// Whether it is an hour.
    pub is_hour: bool,
    /// Of how many samples.
    pub samples: u32,
    /// The least, in the series' unit.
    pub least: f64,
    /// The mean.
    pub mean: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Known {
    fn sample(at: i64, value: f64) -> Option<Self> {
        Some(Self {
            at: Timestamp::from_millisecond(at).ok()?,
            is_hour: false,
            samples: 1,
            least: value,
            mean: value,
            greatest: value,
        })
    }

    fn hour(hour: &hourly::Hour, decimals: u8) -> Option<Self> {
        Some(Self {
            at: Timestamp::from_millisecond(hour.start).ok()?,
            is_hour: true,
            samples: u32::try_from(hour.count).unwrap_or(u32::MAX),
            least: unscale(hour.min, decimals),
            mean: unscale(hour.mean, decimals),
            greatest: unscale(hour.max, decimals),
        })
    }
}

/// Bytes that the history takes in the database, without the database's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Payload {
    /// Single samples, of whole days and of blocks not yet folded.
    pub samples: u64,
    /// Hourly figures.
    pub hourly: u64,
}

impl Store {
    /// What the history takes in the database; reads all of it.
    pub fn payload_bytes(&self) -> Result<Payload, StoreError> {
        let transaction = self.db().begin_read()?;
        let Some(table) = chunks(&transaction)? else {
            return Ok(Payload::default());
        };
        Ok(Payload {
            samples: pack::bytes(&table, Level::Day)? + pack::bytes(&table, Level::Block)?,
            hourly: pack::bytes(&table, Level::Hourly)?,
        })
    }
}

/// The folded history; `None` while there is none.
fn chunks(
    transaction: &redb::ReadTransaction,
) -> Result<Option<redb::ReadOnlyTable<Key, &'static [u8]>>, StoreError> {
    match transaction.open_table(CHUNKS) {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The hours of a day of which there is nothing else.
fn coarse_hours(
    table: Option<&impl ReadableTable<Key, &'static [u8]>>,
    scan: &Scan,
    day: i64,
) -> Result<Option<Vec<Known>>, StoreError> {
    let Some(table) = table else { return Ok(None) };
    let end = day + Level::Day.span();
    let mut newest = scan.pending.points.iter();
    let mut is_fine = newest.any(|(at, _)| (day..end).contains(at))
        || !scan.hourly && pack::chunk(table, Level::Day, day, scan.number)?.is_some();
    for start in (day..end).step_by(10_800_000) {
        is_fine = is_fine || pack::chunk(table, Level::Block, start, scan.number)?.is_some();
    }
    if is_fine {
        return Ok(None);
    }
    let chunk = pack::chunk(table, Level::Hourly, day, scan.number)?;
    Ok(chunk.map(|chunk| {
        let (decimals, hours) = hourly::decode(&chunk, day);
        let hours = hours.iter();
        hours
            .filter_map(|hour| Known::hour(hour, decimals))
            .collect()
    }))
}

/// The first day from `from` on that has anything of any series.
fn next_day(
    table: Option<&impl ReadableTable<Key, &'static [u8]>>,
    scan: &Scan,
    from: i64,
) -> Result<Option<i64>, StoreError> {
    if from > scan.to {
        return Ok(None);
    }
    let mut days: Vec<i64> = Vec::new();
    if let Some(table) = table {
        for level in [Level::Day, Level::Hourly, Level::Block] {
            days.extend(pack::first_start(table, level, from..=scan.to)?);
        }
    }
    let later = scan.pending.points.partition_point(|(at, _)| *at < from);
    days.extend(scan.pending.points.get(later).map(|(at, _)| *at));
    let first = days.into_iter().min().map(|at| Level::Day.start(at));
    Ok(first.filter(|day| *day <= scan.to))
}

/// What there is of one day, in order.
fn day_samples(
    table: Option<&impl ReadableTable<Key, &'static [u8]>>,
    scan: &Scan,
    day: i64,
) -> Result<Vec<(i64, f64)>, StoreError> {
    let end = day + Level::Day.span();
    let mut samples = Samples::default();
    if let Some(table) = table {
        let mut blocks = false;
        for start in (day..end).step_by(10_800_000) {
            if let Some(chunk) = pack::chunk(table, Level::Block, start, scan.number)? {
                blocks = true;
                let axis = pack::axis(table, Level::Block, start)?;
                samples.merge(Samples::decode(&chunk, &axis).ok_or_else(|| damaged(start))?);
            }
        }
        let whole = if scan.hourly && !blocks {
            None
        } else {
            pack::chunk(table, Level::Day, day, scan.number)?
        };
        if let Some(chunk) = whole {
            let axis = pack::axis(table, Level::Day, day)?;
            let mut whole = Samples::decode(&chunk, &axis).ok_or_else(|| damaged(day))?;
            whole.merge(samples);
            samples = whole;
        } else if !blocks && let Some(chunk) = pack::chunk(table, Level::Hourly, day, scan.number)?
        {
            let (decimals, hours) = hourly::decode(&chunk, day);
            let points = hours.iter().flat_map(hour_points).collect();
            samples.merge(Samples { decimals, points });
        }
    }
    let start = scan.pending.points.partition_point(|(at, _)| *at < day);
    let stop = scan.pending.points.partition_point(|(at, _)| *at < end);
    if let Some(points) = scan.pending.points.get(start..stop) {
        samples.merge(Samples {
            decimals: scan.pending.decimals,
            points: points.to_vec(),
        });
    }
    let decimals = samples.decimals;
    let points = samples.points.into_iter();
    Ok(points
        .map(|(at, value)| (at, unscale(value, decimals)))
        .collect())
}

/// An hour as two samples, or one if it had but one value.
fn hour_points(hour: &hourly::Hour) -> impl Iterator<Item = (i64, i64)> + use<> {
    const QUARTER: i64 = 900_000;
    let greatest = (hour.min != hour.max).then_some((hour.start + 3 * QUARTER, hour.max));
    std::iter::once((hour.start + QUARTER, hour.min)).chain(greatest)
}

fn damaged(start: i64) -> StoreError {
    let day = Timestamp::from_millisecond(start).unwrap_or_default();
    StoreError::Io(format!("the history of {day} is damaged"))
}
