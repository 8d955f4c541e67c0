use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Alert, Timestamp};

use super::{Deadline, Moment};

/// Where a record is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ledger {
    /// Alerts by id.
    Alerts,
    /// Silences and maintenance windows.
    Silences,
}

/// An alert as it is kept over restarts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AlertRecord {
    pub(super) alert: Alert,
    /// What a person calls its thing, which may be gone after a restart.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) ack_until: Option<Timed>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) expires: Option<Timed>,
}

/// The alert of a record; of one that makes no sense none, which the engine tells when it starts.
pub fn alert_of(record: &[u8]) -> Option<Alert> {
    let record = serde_json::from_slice::<AlertRecord>(record).ok()?;
    Some(record.alert)
}

/// A silence or a maintenance window as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SilenceRecord {
    #[serde(flatten)]
    pub(super) time: Timed,
    /// Of a maintenance window; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) subjects: Vec<String>,
}

/// A deadline as it is kept: its length bounds it when the wall clock is set back meanwhile.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Timed {
    until: Timestamp,
    length_s: u64,
}

impl Timed {
    pub(super) fn restore(self, now: Moment) -> Deadline {
        Deadline::restored(self.until, Duration::from_secs(self.length_s), now)
    }
}

impl From<Deadline> for Timed {
    fn from(deadline: Deadline) -> Self {
        Self {
            until: deadline.wall,
            length_s: deadline.length.as_secs().max(1),
        }
    }
}

/// The bytes of a record.
pub(super) fn encode(record: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and times in a struct: there is nothing in it that JSON cannot hold.
    serde_json::to_vec(record).unwrap_or_default()
}
