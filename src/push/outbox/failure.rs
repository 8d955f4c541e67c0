//! What becomes of the outbox when a message is not taken, and when one is again.

use std::time::Duration;

use super::{Effect, Moment, Outbox, age};
use crate::push::notice::Notice;
use crate::store::Change;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_mins(2);
/// No server may make us wait longer.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Why the server did not take a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It is away or busy: worth another try.
    Away {
        /// What was seen.
        text: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
    /// It refuses us until somebody changes the configuration here or there. What waits is kept
    /// and tried again together with the next notice.
    Refused(String),
    /// It refuses this very message, which is dropped.
    Unfit(String),
}

impl Outbox {
    pub(super) fn works(&mut self, effects: &mut Vec<Effect>) {
        self.failures = 0;
        self.failing_since = None;
        self.retry_at = Duration::ZERO;
        if self.fault.take().is_some() {
            effects.push(Effect::Health(None));
        }
    }

    pub(super) fn failed(
        &mut self,
        now: Moment,
        failure: Failure,
        changes: &mut Vec<Change>,
        effects: &mut Vec<Effect>,
    ) {
        let flight = std::mem::take(&mut self.flight);
        self.failures = self.failures.saturating_add(1);
        let since = *self.failing_since.get_or_insert(now.wall);
        let fault = match failure {
            Failure::Away { text, after } => {
                let wait = self.back_off().max(after.unwrap_or_default());
                self.retry_at = now.up + wait.min(LONGEST_WAIT);
                (age(now.wall, since) >= self.policy.digest_after).then_some(text)
            }
            Failure::Refused(text) => {
                // What came while the message was in flight deserves its own attempt.
                self.parked = flight.len() == self.queue.len();
                self.retry_at = now.up + self.back_off();
                Some(text)
            }
            Failure::Unfit(text) => {
                for seq in flight {
                    self.queue.remove(&seq);
                    changes.push(Notice::remove(seq));
                }
                Some(text)
            }
        };
        for alert in std::mem::take(&mut self.muted) {
            self.withdraw(&alert, changes);
        }
        if let Some(text) = fault
            && self.fault.as_ref() != Some(&text)
        {
            self.fault = Some(text.clone());
            effects.push(Effect::Health(Some(text)));
        }
    }

    /// Doubles with every failure up to two minutes, give or take a quarter.
    fn back_off(&mut self) -> Duration {
        let doubled = FIRST_RETRY * 2u32.saturating_pow(self.failures.saturating_sub(1).min(10));
        // xorshift64: spreads retries, no more is asked of it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let percent = 75 + u32::try_from(self.random % 51).unwrap_or(25);
        doubled.min(LAST_RETRY) * percent / 100
    }
}
