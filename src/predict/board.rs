use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::host::Memory;

use super::outlook::{Outlook, Prediction};

/// The record of what is on the board, for reports.
const KEY: &str = "predict/posted";

/// What there was to say at the last judgement, as `memory` has it; when that was is not kept.
pub fn posted(memory: &Memory) -> Posted {
    memory.get(KEY).unwrap_or_default()
}

/// What there was to say at the last judgement, for whoever asks. Cheap to clone; all clones are
/// the same board.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<RwLock<Posted>>);

/// What is on the board.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Posted {
    /// When it was judged; absent before the first time.
    pub at: Option<Timestamp>,
    /// What is foreseen, the nearest first.
    pub predictions: Vec<Prediction>,
    /// The parts of which nothing is.
    pub outlooks: Vec<Outlook>,
}

/// What is kept of it.
#[derive(Serialize)]
struct Kept<'a> {
    predictions: &'a [Prediction],
    outlooks: &'a [Outlook],
}

impl Board {
    /// What is on it.
    pub fn read(&self) -> Posted {
        let posted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        posted.clone()
    }

    /// Has `memory` keep what is on it; only what has changed is written.
    pub(super) fn keep(&self, memory: &Memory) {
        let posted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let kept = Kept {
            predictions: &posted.predictions,
            outlooks: &posted.outlooks,
        };
        memory.put(KEY, &kept);
    }

    /// Puts up what is new.
    pub fn post(&self, posted: Posted) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = posted;
    }
}
