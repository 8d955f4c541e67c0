//! The rule engine: readings in, alerts out. It is pure: it does no IO, reads no clock and cannot
//! fail, so that a month passes in a test in a moment.
//!
//! What is here and what is not:
//! - a track is the life of one rule on one subject, and the only place where an alert changes its
//!   state; hence there is at most one alert for both, and its id is the same for ever;
//! - no data never ends an alert and never begins one, but for the rules that are about no data;
//! - an acknowledgment holds until recovery, also when it gets worse, unless its time is up;
//! - durations are measured on [`Moment::up`], which never jumps; the wall clock is for people.

mod commands;
mod engine;
mod growth;
mod judge;
mod record;
mod silence;
mod takeover;
mod text;
mod thing;
mod track;

#[cfg(test)]
mod tests;

pub use engine::{Effect, Engine, Input};
pub use record::{Ledger, alert_of};

use std::time::Duration;

use crate::model::{Timestamp, to_millisecond};

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What people read; may jump.
    pub wall: Timestamp,
    /// Since the engine was made; never jumps.
    pub up: Duration,
}

impl Moment {
    /// What the wall clock showed at `up`, if it has not been set since.
    fn wall_at(self, up: Duration) -> Timestamp {
        let moved = if up < self.up {
            self.wall.checked_sub(self.up.saturating_sub(up))
        } else {
            self.wall.checked_add(up.saturating_sub(self.up))
        };
        to_millisecond(moved.unwrap_or(self.wall))
    }
}

/// A moment to come: for measuring, and for people and the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Deadline {
    up: Duration,
    wall: Timestamp,
    length: Duration,
}

impl Deadline {
    fn after(length: Duration, now: Moment) -> Self {
        let up = now.up.saturating_add(length);
        Self {
            up,
            wall: now.wall_at(up),
            length,
        }
    }

    /// One that was kept over a restart. However the wall clock was set meanwhile, it is never
    /// further away than it was at first.
    fn restored(wall: Timestamp, length: Duration, now: Moment) -> Self {
        let left = wall.duration_since(now.wall);
        let left = Duration::try_from(left).unwrap_or_default().min(length);
        Self {
            length,
            ..Self::after(left, now)
        }
    }

    fn is_over(self, now: Moment) -> bool {
        self.up <= now.up
    }
}
