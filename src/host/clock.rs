use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Wall-clock time. Durations come from [`tokio::time::Instant`], never from here: this clock
/// jumps when somebody sets it.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    Real,
    /// Set by a test or the simulation; milliseconds since 1970.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at` until somebody sets it.
    pub fn set_to(at: Timestamp) -> Self {
        Self::Set(Arc::new(AtomicI64::new(at.as_millisecond())))
    }

    /// Moves a settable clock to `at`; the machine's own is left alone.
    pub fn set(&self, at: Timestamp) {
        match self {
            Self::Real => {}
            Self::Set(millis) => millis.store(at.as_millisecond(), Ordering::Relaxed),
        }
    }

    /// The time now, to the millisecond.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn now(&self) -> Timestamp {
        let millis = match self {
            Self::Real => Timestamp::now().as_millisecond(),
            Self::Set(millis) => millis.load(Ordering::Relaxed),
        };
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
