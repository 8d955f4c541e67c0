//! The day book: what each day's energy went to, kept for good (some kilobytes a day).

mod day;

pub use day::{Day, HostDay, MOST_NAMES, Sum};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::Shares;
use crate::store::{Change, Collection, Store, StoreError};

/// Energy of a longer time is booked on its last day: it is not known when it was used.
const LONGEST: i64 = 40 * 24 * 3600;

/// The day book. Cheap to clone; clones share it: the task that attributes watts writes it, and
/// whoever reads it has what is not kept yet as well.
///
/// One record a local day lies in the store. What was added since it was last kept is in memory:
/// a power cut loses no more than that. A record that cannot be read loses its own day only.
#[derive(Debug, Clone, Default)]
pub struct DayBook(Arc<Mutex<Pages>>);

/// What is in memory.
#[derive(Debug, Default)]
struct Pages {
    /// What was added since it was last kept.
    open: BTreeMap<Date, Day>,
    now: Option<Arc<Shares>>,
}

/// A stretch of time that lies on one local day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// The day.
    pub date: Date,
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// How much of the whole it is, 0–1.
    pub share: f64,
}

/// Cuts the time from `from` to `to` at each midnight of `time_zone`. A time that is no time (a
/// clock that was set back) or too long to mean anything is one piece on the day of its end.
pub fn pieces(from: Timestamp, to: Timestamp, time_zone: &TimeZone) -> Vec<Piece> {
    let date = |at: Timestamp| at.to_zoned(time_zone.clone()).date();
    let whole = to.duration_since(from).as_secs_f64();
    let mut pieces = Vec::new();
    let mut at = from;
    if (0..=LONGEST).contains(&to.duration_since(from).as_secs()) {
        while date(at) < date(to) {
            let day = date(at);
            let next = day.checked_add(1.day()).ok();
            let midnight = next.and_then(|next| next.to_zoned(time_zone.clone()).ok());
            let end = midnight.map_or(to, |midnight| midnight.timestamp());
            pieces.push(Piece {
                date: day,
                from: at,
                to: end,
                share: end.duration_since(at).as_secs_f64() / whole,
            });
            at = end;
        }
    }
    let before: f64 = pieces.iter().map(|piece| piece.share).sum();
    pieces.push(Piece {
        date: date(to),
        from: at,
        to,
        share: 1.0 - before,
    });
    pieces
}

impl DayBook {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books what one look gave to each, `shares`; each of `pieces` has cost what stands beside it.
    /// `is_estimated` tells that the watts were not measured.
    pub fn add(
        &self,
        pieces: &[(Piece, f64)],
        shares: &Shares,
        is_estimated: bool,
        currency: Option<&str>,
    ) {
        let mut pages = self.pages();
        pages.now = Some(Arc::new(shares.clone()));
        let open = &mut pages.open;
        for (piece, cost) in pieces {
            let watched_s = shares.seconds * piece.share;
            let known = (watched_s > 0.0).then_some(shares.power_w);
            let energy_kwh = shares.energy_kwh * piece.share;
            let host = HostDay {
                energy_kwh,
                cost: *cost,
                mean_w: shares.power_w,
                min_w: known,
                peak_w: known,
                measured_w: known.filter(|_| !is_estimated).map(|watts| (watts, watts)),
                watched_s,
                estimated_kwh: if is_estimated { energy_kwh } else { 0.0 },
                made_up_kwh: 0.0,
            };
            let mut more = Day::of(host, piece.share, shares);
            more.currency = currency.map(str::to_owned);
            let day = open.entry(piece.date).or_default();
            day.merge(more);
            day.shorten();
        }
    }

    /// Books what was drawn while nobody watched, kWh, as a meter counted it: nobody knows for whom.
    /// Each of `pieces` has cost what stands beside it.
    pub fn make_up(&self, pieces: &[(Piece, f64)], energy_kwh: f64, currency: Option<&str>) {
        let mut pages = self.pages();
        let mut shares = Shares::default();
        shares.other.energy_kwh = energy_kwh;
        for (piece, cost) in pieces {
            let host = HostDay {
                energy_kwh: energy_kwh * piece.share,
                made_up_kwh: energy_kwh * piece.share,
                cost: *cost,
                ..HostDay::default()
            };
            let mut more = Day::of(host, piece.share, &shares);
            more.currency = currency.map(str::to_owned);
            pages.open.entry(piece.date).or_default().merge(more);
        }
    }

    /// Nothing is known of now.
    pub fn lose(&self) {
        self.pages().now = None;
    }

    /// What the last look gave to each; `None` if nothing is known of now.
    pub fn now(&self) -> Option<Arc<Shares>> {
        self.pages().now.clone()
    }

    /// Writes what was added since the last time, together with `changes`, in one commit. Blocks.
    ///
    /// # Errors
    /// Those of the store; then nothing is lost but time.
    pub fn keep(&self, store: &Store, mut changes: Vec<Change>) -> Result<(), StoreError> {
        // Held until it is written, so that nobody reads anything twice or not at all.
        let mut pages = self.pages();
        for (date, more) in &pages.open {
            let key = date.to_string();
            let kept = store.get(Collection::PowerDays, &key)?;
            let mut day = kept.and_then(|kept| read(&key, &kept)).unwrap_or_default();
            day.merge(more.clone());
            day.shorten();
            let record = serde_json::to_vec(&day).map_err(|e| StoreError::Io(e.to_string()))?;
            changes.push(Change::Put(Collection::PowerDays, key, record));
        }
        store.write(&changes)?;
        pages.open.clear();
        Ok(())
    }

    /// The first day of which something is known. Blocks.
    ///
    /// # Errors
    /// Those of the store.
    pub fn first(&self, store: &Store) -> Result<Option<Date>, StoreError> {
        let pages = self.pages();
        let kept = store.first_key(Collection::PowerDays)?;
        let kept = kept.and_then(|key| key.parse().ok());
        let open = pages.open.keys().next().copied();
        Ok(kept.into_iter().chain(open).min())
    }

    /// The days from `from` to `to`, both included, in their order; those of which nothing is
    /// known are not among them. Blocks.
    ///
    /// # Errors
    /// Those of the store.
    pub fn days(
        &self,
        store: &Store,
        from: Date,
        to: Date,
    ) -> Result<BTreeMap<Date, Day>, StoreError> {
        let pages = self.pages();
        let (first, last) = (from.to_string(), to.to_string());
        let kept = store.between(Collection::PowerDays, &first, &last)?;
        let mut days: BTreeMap<Date, Day> = kept
            .iter()
            .filter_map(|(key, record)| Some((key.parse().ok()?, read(key, record)?)))
            .collect();
        let open = pages.open.iter();
        for (date, more) in open.filter(|(date, _)| (from..=to).contains(date)) {
            let day = days.entry(*date).or_default();
            day.merge(more.clone());
            day.shorten();
        }
        Ok(days)
    }
}

/// A day as it was kept; `None` if it makes no sense.
fn read(key: &str, record: &[u8]) -> Option<Day> {
    let read = serde_json::from_slice(record);
    if let Err(error) = &read {
        tracing::warn!("what {key} used cannot be read and counts as not known: {error}");
    }
    read.ok()
}

#[cfg(test)]
mod tests;
