//! What is kept over restarts: records (alerts, outboxes, identities: few, small, each change
//! durable at once) and the history.

mod records;

pub use records::{Change, Collection};

use std::path::{Path, PathBuf};
use std::sync::Arc;

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
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Io(error.into().to_string())
    }
}

/// The open store. Cheap to clone. Its calls block: from async code use `spawn_blocking`.
#[derive(Debug, Clone)]
pub struct Store {
    db: Arc<redb::Database>,
}

impl Store {
    /// Opens (or makes) the store in `dir`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("homewatch.redb");
        let fault = |text: String| StoreError::Open {
            path: path.clone(),
            text,
        };
        std::fs::create_dir_all(dir).map_err(|error| fault(error.to_string()))?;
        let db = redb::Database::create(&path).map_err(|error| fault(error.to_string()))?;
        Ok(Self { db: Arc::new(db) })
    }
}
