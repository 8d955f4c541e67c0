use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Timestamp, glob};

use super::engine::Effect;
use super::record::{SilenceRecord, Timed, encode};
use super::{Deadline, Ledger, Moment};

/// Who is to be left in peace, and until when. The keys are those of the store: `alert/<id>`,
/// `rule/<id>`, `maintenance/<subjects>`.
#[derive(Debug, Default)]
pub(super) struct Silences(BTreeMap<String, Silence>);

#[derive(Debug)]
struct Silence {
    until: Deadline,
    /// Of a maintenance window; empty means all.
    subjects: Vec<String>,
}

pub(super) fn of_alert(id: &str) -> String {
    format!("alert/{id}")
}

pub(super) fn of_rule(id: &str) -> String {
    format!("rule/{id}")
}

pub(super) fn of_maintenance(subjects: &[String]) -> String {
    format!("{MAINTENANCE}{}", subjects.join(","))
}

const MAINTENANCE: &str = "maintenance/";

impl Silences {
    /// Takes a kept record in; those that cannot be read or are over are to be forgotten.
    pub(super) fn restore(&mut self, key: String, record: &[u8], now: Moment) -> Option<Effect> {
        let Ok(SilenceRecord { time, subjects }) = serde_json::from_slice(record) else {
            return Some(Effect::Unreadable(Ledger::Silences, key));
        };
        let until = time.restore(now);
        if until.is_over(now) {
            return Some(Effect::Forget(Ledger::Silences, key));
        }
        self.0.insert(key, Silence { until, subjects });
        None
    }

    pub(super) fn set(&mut self, key: String, until: Deadline, subjects: Vec<String>) -> Effect {
        let record = SilenceRecord {
            time: Timed::from(until),
            subjects: subjects.clone(),
        };
        self.0.insert(key.clone(), Silence { until, subjects });
        Effect::Keep(Ledger::Silences, key, encode(&record))
    }

    /// Ends one before its time; `None` if there is none.
    pub(super) fn end(&mut self, key: &str) -> Option<Effect> {
        let (key, _) = self.0.remove_entry(key)?;
        Some(Effect::Forget(Ledger::Silences, key))
    }

    /// Ends every maintenance window.
    pub(super) fn end_maintenance(&mut self) -> Vec<Effect> {
        let ended = self.0.extract_if(.., |key, _| key.starts_with(MAINTENANCE));
        ended
            .map(|(key, _)| Effect::Forget(Ledger::Silences, key))
            .collect()
    }

    /// Ends those whose time is up.
    pub(super) fn expire(&mut self, now: Moment, out: &mut Vec<Effect>) {
        let over = self
            .0
            .extract_if(.., |_, silence| silence.until.is_over(now));
        out.extend(over.map(|(key, _)| Effect::Forget(Ledger::Silences, key)));
    }

    /// Until when an alert tells nobody, on the wall clock.
    pub(super) fn silenced(&self, alert: &str, rule: &str, subject: &str) -> Option<Timestamp> {
        if self.0.is_empty() {
            return None;
        }
        let by_name = [of_alert(alert), of_rule(rule)];
        let named = by_name.iter().filter_map(|key| self.0.get(key));
        let windows = self.windows(subject);
        named.chain(windows).map(|silence| silence.until.wall).max()
    }

    /// Until when no alert of a subject begins.
    pub(super) fn in_maintenance(&self, subject: &str) -> Option<Duration> {
        self.windows(subject).map(|silence| silence.until.up).max()
    }

    fn windows<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Silence> {
        let caught = move |silence: &Silence| {
            silence.subjects.is_empty() || silence.subjects.iter().any(|s| glob(s, subject))
        };
        self.0
            .iter()
            .filter(move |(key, silence)| key.starts_with(MAINTENANCE) && caught(silence))
            .map(|(_, silence)| silence)
    }

    /// When the next one is over.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.values().map(|silence| silence.until.up).min()
    }
}
