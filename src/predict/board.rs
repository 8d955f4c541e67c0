use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Outlook, Prediction};

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

impl Board {
    /// What is on it.
    pub fn read(&self) -> Posted {
        let posted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        posted.clone()
    }

    /// Puts up what is new.
    pub fn post(&self, posted: Posted) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = posted;
    }
}
