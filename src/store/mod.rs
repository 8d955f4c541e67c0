//! What is kept over restarts: records (alerts, outboxes, identities: few, small, each change
//! durable at once) and the history of every series.
//!
//! # Layout (version 1)
//!
//! | file in `data_dir` | what |
//! |---|---|
//! | `homewatch.redb` | the database: records, series, chunks of the history |
//! | `journal` | the newest history, a ring of 4 KiB slots (see the `journal` module) |
//! | `homewatch.lock` | locked while the store is open; holds the process id |
//!
//! A tick goes to the journal, in one slot as a rule, and is on the disk when
//! [`Store::append`] returns. Every three hours the database takes what the journal has, as
//! blocks: for each series the values as whole numbers, compressed, over a time axis that all
//! series share. Each day the blocks are folded into a day, and a summary by the hour is made.
//! So the database has some nine commits a day, each of which leaves a file that opens at once
//! after a crash.
//!
//! | table | key → value |
//! |---|---|
//! | `history_meta` | `layout`, `generation` (ties the journal to the database), `folded` (the journal's last slot that is in the database), `last` (each series' last time) |
//! | `history_series` | number → JSON of [`SeriesInfo`] |
//! | `history_chunks` | (level, start, first series) → pack (see the `pack` module) |
//! | one for each [`Collection`] | key → bytes |
//!
//! # Time
//!
//! A sample is kept under the time its clock told. When somebody sets the clock back, the samples
//! from then on are sorted in among those that are there (at the very same millisecond the newer
//! one stays), so that the history is always in order and nothing is lost. When the clock jumps
//! ahead, nothing is thrown away for being old: retention counts the days that there are, too.
//!
//! Where a series has no sample, nothing is known: that is never 0 and never drawn over.

mod backup;
mod database;
mod export;
mod fold;
mod history;
mod hourly;
mod journal;
mod medium;
mod open;
mod pack;
mod query;
mod records;
mod run;
mod samples;
mod series;
mod thin;
mod tick;
mod varint;

pub use backup::restore;
pub use export::ExportFormat;
pub use history::HistoryHealth;
pub use medium::Medium;
pub use query::{Known, Payload};
pub use records::{Change, Collection};
pub use run::run;
pub use series::{SeriesInfo, SeriesKind};
pub use thin::Point;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use database::Db;
use history::History;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened; the text says why and how to recover.
    #[error("{path}: {text}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        text: String,
    },
    /// Reading or writing failed.
    #[error("store: {0}")]
    Io(String),
    /// There is no such series.
    #[error("no series {0:?}")]
    NoSeries(String),
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Io(error.into().to_string())
    }
}

/// The open store. Cheap to clone. Its calls block: from async code use
/// [`Store::blocking`].
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    // Dropped in this order: the lock goes last.
    db: Db,
    history: Mutex<History>,
    files: open::Files,
}

impl Store {
    /// Does `work` on a thread where it may block, for async code.
    ///
    /// # Errors
    /// Those of `work`; [`StoreError::Io`] if it crashed.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Io(format!(
                "a fault of homewatch itself: {error}"
            ))),
        }
    }

    fn db(&self) -> &Db {
        &self.inner.db
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.inner
            .history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
