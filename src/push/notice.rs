use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Alert, Severity};
use crate::store::{Change, Collection};

/// What there is to tell of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// It has begun, has begun again or has become worse.
    Fired,
    /// It still holds and nobody has acknowledged it.
    Reminder,
    /// It is over.
    Resolved,
}

/// One thing to tell, as it waits in the store. What is sent is made of all that wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its place in the queue: milliseconds since 1970, made unique.
    pub seq: i64,
    /// What there is to tell.
    pub kind: NoticeKind,
    /// The alert's id.
    pub alert: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: String,
    /// One sentence for a person.
    pub summary: String,
    /// Since when the condition has held.
    pub since: Timestamp,
    /// How often it has fired.
    pub count: u32,
    /// When this came into the queue.
    pub at: Timestamp,
}

/// What was told of an alert that is not over yet: kept over restarts, so that nothing is told
/// twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The worst severity that was told.
    pub severity: Severity,
    /// Since when the condition has held.
    pub since: Timestamp,
    /// How often it had fired when it was last told.
    pub count: u32,
    /// When it was last told.
    pub told_at: Timestamp,
    /// Whether the server has taken a message about it.
    pub delivered: bool,
    /// Whether it was acknowledged or silenced since it was last told.
    pub hushed: bool,
}

const NOTICE: &str = "notice/";
const EPISODE: &str = "episode/";

impl Notice {
    pub(super) fn of(alert: &Arc<Alert>, kind: NoticeKind, seq: i64, at: Timestamp) -> Self {
        Self {
            seq,
            kind,
            alert: alert.id.clone(),
            severity: alert.severity,
            subject: alert.subject.clone(),
            summary: alert.summary.clone(),
            since: alert.since,
            count: alert.count,
            at,
        }
    }

    pub(super) fn put(&self) -> Change {
        Change::Put(
            Collection::Push,
            format!("{NOTICE}{:020}", self.seq),
            json(self),
        )
    }

    pub(super) fn remove(seq: i64) -> Change {
        Change::Remove(Collection::Push, format!("{NOTICE}{seq:020}"))
    }
}

impl Episode {
    pub(super) fn put(&self, alert: &str) -> Change {
        Change::Put(Collection::Push, format!("{EPISODE}{alert}"), json(self))
    }

    pub(super) fn remove(alert: &str) -> Change {
        Change::Remove(Collection::Push, format!("{EPISODE}{alert}"))
    }
}

/// What a record of the store turned out to be.
#[derive(Debug)]
pub(super) enum Record {
    Notice(Notice),
    Episode(String, Episode),
    /// One of another part, or unreadable.
    Other,
}

/// Reads a record back.
pub(super) fn read(key: &str, value: &[u8]) -> Record {
    if key.starts_with(NOTICE) {
        serde_json::from_slice(value).map_or(Record::Other, Record::Notice)
    } else if let Some(alert) = key.strip_prefix(EPISODE) {
        serde_json::from_slice(value).map_or(Record::Other, |episode| {
            Record::Episode(alert.to_owned(), episode)
        })
    } else {
        Record::Other
    }
}

fn json<T: Serialize>(record: &T) -> Vec<u8> {
    // Plain structs with text keys cannot fail; an empty record would be skipped when read.
    serde_json::to_vec(record).unwrap_or_default()
}
