//! The history at run time: takes ticks, puts them into the journal, and from time to time has
//! the database take what the journal has.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::config::HistoryConfig;
use crate::model::{Batch, Metric, Timestamp, Value};

use super::journal::{Journal, JournalError};
use super::medium::Medium;
use super::pack::Level;
use super::series::{Found, Registry};
use super::tick::{Chain, Sample};
use super::{Store, StoreError};

/// Above this much not yet in the database, it must take it.
const MUCH: usize = 1 << 20;
/// Above this much, nothing more is taken until the database works again.
const TOO_MUCH: usize = 2 << 20;
/// So many ticks pass before a failed flush is tried again.
const PATIENCE: u32 = 6;
/// So many journal entries may depend on one another.
const CHAIN: u32 = 64;

/// How the history is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryHealth {
    /// Bytes of the database's file; 0 if it is none.
    pub size_bytes: u64,
    /// Series that are known.
    pub series: usize,
    /// Samples taken since the start.
    pub samples: u64,
    /// Samples since the start that could not be kept.
    pub lost: u64,
    /// Bytes written since the start, journal and database.
    pub written_bytes: u64,
    /// Whether the journal or the database could not be written the last time it was tried.
    pub failing: bool,
}

#[derive(Debug)]
pub(super) struct History {
    pub(super) config: HistoryConfig,
    pub(super) journal: Journal,
    pub(super) registry: Registry,
    /// Ticks that the database does not have, as a chain.
    pub(super) pending: Vec<u8>,
    /// How much of `pending` the journal has.
    synced: usize,
    synced_at: i64,
    chain: Chain,
    entries: u32,
    /// The time of the first pending tick.
    first: Option<i64>,
    patience: u32,
    flush_failed: bool,
    sync_failed: bool,
    samples: u64,
    lost: u64,
    text: String,
    tick: Vec<Sample>,
}

impl History {
    pub(super) fn new(journal: Journal, config: &HistoryConfig) -> Self {
        Self {
            config: config.clone(),
            journal,
            registry: Registry::default(),
            pending: Vec::new(),
            synced: 0,
            synced_at: i64::MIN,
            chain: Chain::default(),
            entries: 0,
            first: None,
            patience: 0,
            flush_failed: false,
            sync_failed: false,
            samples: 0,
            lost: 0,
            text: String::new(),
            tick: Vec::new(),
        }
    }

    /// Opens the journal and takes what the database does not have.
    pub(super) fn open(
        medium: Medium,
        generation: u64,
        folded: u64,
        config: &HistoryConfig,
        registry: &mut Registry,
    ) -> io::Result<Self> {
        let (mut pending, mut first) = (Vec::new(), None);
        let (mut read, mut write) = (Chain::default(), Chain::default());
        let mut samples = Vec::new();
        let journal = Journal::open(medium, generation, folded, |entry| {
            let Some(mut entry) = entry else {
                // What follows builds on what is lost, up to the next whole tick.
                read = Chain::default();
                return;
            };
            while let Some(at) = read.read(&mut entry, &mut samples) {
                samples.retain(|(series, _)| registry.info(*series).is_some());
                for (series, value) in &samples {
                    registry.note(*series, at, *value);
                }
                first.get_or_insert(at);
                write.write(at, &samples, &mut pending);
            }
        })?;
        let mut history = Self::new(journal, config);
        history.synced = pending.len();
        history.pending = pending;
        history.first = first;
        Ok(history)
    }

    pub(super) fn with_registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// The samples of a batch in the order of series, and what the registry does not know yet.
    fn take(&mut self, batch: &Batch) -> Vec<(String, &'static Metric, Value)> {
        let mut unknown = Vec::new();
        self.tick.clear();
        let readings = batch
            .outcomes
            .iter()
            .filter_map(|outcome| outcome.result.as_ref().ok())
            .flatten();
        for reading in readings {
            for (metric, value) in &reading.values {
                self.text.clear();
                self.text.push_str(reading.subject.key());
                self.text.push('/');
                self.text.push_str(metric.key);
                match self.registry.find(&self.text, metric, value) {
                    Found::Known(series, value) => self.tick.push((series, value)),
                    Found::Unknown => unknown.push((self.text.clone(), *metric, value.clone())),
                    Found::Nothing => {}
                }
            }
        }
        self.tick.sort_by_key(|(series, _)| *series);
        self.tick.dedup_by_key(|(series, _)| *series);
        unknown
    }

    /// Whether the database should take what is pending before a tick at `at` comes.
    fn is_flush_due(&mut self, at: i64) -> bool {
        let Some(first) = self.first else {
            return false;
        };
        let due = Level::Block.start(first) != Level::Block.start(at)
            || self.journal.is_nearly_full()
            || self.pending.len() > MUCH;
        if due && self.patience > 0 {
            self.patience -= 1;
            return false;
        }
        due
    }

    /// Puts what is pending into the journal; it is on the disk when this returns.
    fn sync(&mut self) -> Result<(), JournalError> {
        let Some(entry) = self.pending.get(self.synced..).filter(|e| !e.is_empty()) else {
            return Ok(());
        };
        self.journal.write(entry)?;
        self.synced = self.pending.len();
        self.entries += 1;
        if self.entries >= CHAIN {
            self.entries = 0;
            self.chain.restart();
        }
        Ok(())
    }

    /// The database has everything that was pending.
    fn forget_pending(&mut self) {
        self.pending.clear();
        self.synced = 0;
        self.first = None;
        self.entries = 0;
        self.chain.restart();
        self.journal.set_folded(self.journal.last());
    }

    /// Hands every pending tick to `visit`.
    pub(super) fn each_pending(&self, mut visit: impl FnMut(i64, &[Sample])) {
        let (mut chain, mut rest, mut samples) =
            (Chain::default(), self.pending.as_slice(), Vec::new());
        while let Some(at) = chain.read(&mut rest, &mut samples) {
            visit(at, &samples);
        }
    }
}

impl Store {
    /// Takes a tick's readings into the history. With `history.sync_interval` at 0 they are on
    /// the disk when this returns. After an error the readings are kept in memory, as far as
    /// there is room, and written with a later tick: go on calling.
    pub fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        self.append_all([batch])
    }

    /// [`Store::append`] for several batches, which reach the disk with one write.
    pub fn append_all<'a>(
        &self,
        batches: impl IntoIterator<Item = &'a Batch>,
    ) -> Result<(), StoreError> {
        let history = &mut *self.history();
        let (mut result, mut last) = (Ok(()), None);
        for batch in batches {
            result = result.and(self.enter(history, batch));
            last = Some(batch.at.as_millisecond());
        }
        let Some(at) = last else { return result };
        let since = Duration::from_millis(at.abs_diff(history.synced_at));
        if since < history.config.sync_interval {
            return result;
        }
        history.synced_at = at;
        result.and(self.sync_or_flush(history))
    }

    /// Notes a batch among what is pending; the first fault met, if any.
    fn enter(&self, history: &mut History, batch: &Batch) -> Result<(), StoreError> {
        let at = batch.at.as_millisecond();
        let mut fault = None;
        let mut unknown = history.take(batch);
        if !unknown.is_empty() {
            // Older samples are scaled by the decimals that the registry has now.
            let rescaled = unknown
                .iter()
                .any(|(id, _, _)| history.registry.number(id).is_some());
            let learned = if rescaled {
                self.flush(history)
            } else {
                Ok(())
            }
            .and_then(|()| history.registry.learn(self.db(), &unknown, batch.at));
            unknown = history.take(batch);
            fault = learned.err();
        }
        if history.is_flush_due(at) {
            let flushed = self.flush(history);
            let day = Level::Day.start(at);
            fault = flushed
                .and_then(|()| self.maintain(history, day))
                .err()
                .or(fault);
        }
        let refused = history.tick.len() + unknown.len();
        if history.pending.len() > TOO_MUCH {
            history.lost += refused as u64;
            return Err(fault.unwrap_or_else(|| {
                StoreError::Io("the journal is full and cannot be emptied".to_owned())
            }));
        }
        history.lost += unknown.len() as u64;
        let tick = std::mem::take(&mut history.tick);
        if !tick.is_empty() {
            history.chain.write(at, &tick, &mut history.pending);
            history.first.get_or_insert(at);
            history.samples += tick.len() as u64;
            for (series, value) in &tick {
                history.registry.note(*series, at, *value);
            }
        }
        history.tick = tick;
        fault.map_or(Ok(()), Err)
    }

    /// Puts everything on the disk that `history.sync_interval` may have held back.
    pub fn sync(&self) -> Result<(), StoreError> {
        let history = &mut *self.history();
        self.sync_or_flush(history)
    }

    fn sync_or_flush(&self, history: &mut History) -> Result<(), StoreError> {
        let synced = history.sync();
        history.sync_failed = synced.is_err();
        match synced {
            Ok(()) => Ok(()),
            Err(JournalError::Full) if history.patience == 0 => self.flush(history),
            Err(JournalError::Full) => Err(StoreError::Io("the journal is full".to_owned())),
            Err(JournalError::Io(error)) => Err(StoreError::Io(format!("journal: {error}"))),
        }
    }

    /// Has the database take everything that is pending.
    pub(super) fn flush(&self, history: &mut History) -> Result<(), StoreError> {
        if history.pending.is_empty() {
            return Ok(());
        }
        match super::fold::flush(self.db(), history) {
            Ok(()) => {
                history.patience = 0;
                history.flush_failed = false;
                history.sync_failed = false;
                history.forget_pending();
                Ok(())
            }
            Err(error) => {
                history.patience = PATIENCE;
                history.flush_failed = true;
                Err(error)
            }
        }
    }

    fn maintain(&self, history: &History, day: i64) -> Result<(), StoreError> {
        let size = self.size();
        super::fold::maintain(self.db(), &history.config, day, size)
    }

    fn size(&self) -> u64 {
        let database = self.inner.files.database.as_deref();
        database
            .and_then(|path| std::fs::metadata(path).ok())
            .map_or(0, |file| file.len())
    }

    /// How the history is doing.
    pub fn health(&self) -> HistoryHealth {
        let history = self.history();
        HistoryHealth {
            size_bytes: self.size(),
            series: history.registry.all().len(),
            samples: history.samples,
            lost: history.lost,
            written_bytes: self.inner.files.written.load(Ordering::Relaxed),
            failing: history.flush_failed || history.sync_failed,
        }
    }

    /// The newest sample of a series, if it has one within its last day.
    pub fn latest(&self, series: &str) -> Result<Option<super::Point>, StoreError> {
        let (known, last) = {
            let history = self.history();
            let number = history.registry.number(series);
            let info = number.and_then(|number| Some((number, history.registry.info(number)?)));
            let Some((number, info)) = info else {
                return Err(StoreError::NoSeries(series.to_owned()));
            };
            let known = history.registry.latest(number).and_then(|(at, value)| {
                let at = Timestamp::from_millisecond(at).ok()?;
                let value = Some(super::series::unscale(value, info.decimals));
                Some(super::Point { at, value })
            });
            (known, info.last)
        };
        match known {
            Some(point) => Ok(Some(point)),
            None => Ok(self.query(series, last, last, None)?.pop()),
        }
    }
}
