use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::Records;
use crate::rules::Engine;

/// What one control leaves to the next when it ends for a reload. Cheap to clone; all clones are the
/// same place.
#[derive(Debug, Clone, Default)]
pub struct Handover(Arc<Mutex<Option<Left>>>);

/// What was left.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) engine: Engine,
    /// When its clock began.
    pub(super) start: Instant,
    /// What could not be kept yet.
    pub(super) unsaved: Records,
}

impl Handover {
    pub(super) fn leave(&self, left: Left) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
    }

    pub(super) fn take(&self) -> Option<Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
