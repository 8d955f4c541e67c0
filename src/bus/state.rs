use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Number, Value as Json};
use tokio::time::Instant;

use crate::model::{Alert, Batch, Metric, Offer, Reading, Source, Subject, Value};

/// What is known of one subject.
#[derive(Debug, Clone)]
pub struct SubjectState {
    /// The subject.
    pub subject: Arc<Subject>,
    /// The collector it comes from.
    pub collector: &'static str,
    /// Its figures at the last tick, finite and rounded to what each metric publishes.
    pub values: Vec<(&'static Metric, Value)>,
    /// Where they came from.
    pub source: Option<Source>,
    /// Keys that are no series.
    pub detail: Option<Map<String, Json>>,
    /// The commands about it that are allowed.
    pub offers: Arc<[Offer]>,
    /// When they were read.
    pub at: Timestamp,
    /// Whether they still hold.
    pub available: bool,
    /// The JSON object as it was last published.
    pub published: Bytes,
    /// Counts every published change in the whole store; a cursor for deltas.
    pub revision: u64,
    published_values: Vec<(&'static Metric, Value)>,
    published_at: Timestamp,
}

/// What a batch changed of the published state of one subject.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The subject.
    pub subject: Arc<Subject>,
    /// Its new JSON object, if that is worth a message.
    pub payload: Option<Bytes>,
    /// Its availability, if that has changed.
    pub available: Option<bool>,
}

/// So many other nodes are known at most: whoever may publish makes them up as they please.
const NODES: usize = 1_000;

/// The latest of everything: what REST serves and what an MQTT edge sends when it connects.
#[derive(Debug)]
pub struct State {
    inner: RwLock<Inner>,
    heartbeat: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    subjects: BTreeMap<String, SubjectState>,
    collectors: HashMap<&'static str, Option<String>>,
    /// Each with the revision of its last change.
    alerts: BTreeMap<String, (u64, Arc<Alert>)>,
    /// The revision at which something was last taken out.
    removal: u64,
    retained: BTreeMap<Arc<str>, Bytes>,
    /// Other nodes, and whether each is online.
    nodes: BTreeMap<Arc<str>, bool>,
    revision: u64,
    heard: Option<Instant>,
}

impl State {
    /// An empty store in which an unchanged subject is published anew after `heartbeat`.
    pub fn new(heartbeat: Duration) -> Arc<Self> {
        Arc::new(Self {
            inner: RwLock::default(),
            heartbeat,
        })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch in and returns what is to be published.
    pub fn apply(&self, batch: &Batch) -> Vec<Changed> {
        let mut changed = Vec::new();
        let inner = &mut *self.write();
        inner.heard = Some(Instant::now());
        for outcome in &batch.outcomes {
            let readings = match &outcome.result {
                Ok(readings) => {
                    inner.collectors.insert(outcome.collector, None);
                    readings.as_slice()
                }
                Err(error) => {
                    inner
                        .collectors
                        .insert(outcome.collector, Some(error.clone()));
                    &[]
                }
            };
            for reading in readings {
                self.take(inner, outcome.collector, reading, batch.at, &mut changed);
            }
            for (key, state) in &mut inner.subjects {
                let listed = || readings.iter().any(|reading| reading.subject.key() == key);
                if state.collector == outcome.collector && state.available && !listed() {
                    state.available = false;
                    inner.revision += 1;
                    state.revision = inner.revision;
                    changed.push(Changed {
                        subject: Arc::clone(&state.subject),
                        payload: None,
                        available: Some(false),
                    });
                }
            }
        }
        changed
    }

    fn take(
        &self,
        inner: &mut Inner,
        collector: &'static str,
        reading: &Reading,
        at: Timestamp,
        changed: &mut Vec<Changed>,
    ) {
        let values = clean(&reading.values);
        let old = inner.subjects.get_mut(reading.subject.key());
        let was_available = old.as_ref().is_some_and(|old| old.available);
        if let Some(old) = old {
            // A clock that was set back has no age to go by: publish, with the new time.
            let age = std::time::Duration::try_from(at.duration_since(old.published_at));
            if age.is_ok_and(|age| age < self.heartbeat)
                && old.available
                && old.source == reading.source
                && old.detail == reading.detail
                && within_dead_band(&old.published_values, &values)
            {
                old.values = values;
                old.at = at;
                old.offers.clone_from(&reading.offers);
                old.collector = collector;
                return;
            }
        }
        let payload = render(&values, reading, at);
        inner.revision += 1;
        changed.push(Changed {
            subject: Arc::clone(&reading.subject),
            payload: Some(payload.clone()),
            available: (!was_available).then_some(true),
        });
        let state = SubjectState {
            subject: Arc::clone(&reading.subject),
            collector,
            values: values.clone(),
            source: reading.source,
            detail: reading.detail.clone(),
            offers: Arc::clone(&reading.offers),
            at,
            available: true,
            published: payload,
            revision: inner.revision,
            published_values: values,
            published_at: at,
        };
        inner
            .subjects
            .insert(reading.subject.key().to_owned(), state);
    }

    /// Every subject, by key.
    pub fn subjects(&self) -> Vec<SubjectState> {
        self.read().subjects.values().cloned().collect()
    }

    /// One subject, by its key.
    pub fn subject(&self, key: &str) -> Option<SubjectState> {
        self.read().subjects.get(key).cloned()
    }

    /// Forgets a subject that is gone for good.
    pub fn forget(&self, key: &str) {
        let inner = &mut *self.write();
        if inner.subjects.remove(key).is_some() {
            inner.revision += 1;
            inner.removal = inner.revision;
        }
    }

    /// Each collector that has run, with its error if it fails now.
    pub fn collectors(&self) -> Vec<(&'static str, Option<String>)> {
        let mut list: Vec<_> = self
            .read()
            .collectors
            .iter()
            .map(|(name, error)| (*name, error.clone()))
            .collect();
        list.sort_unstable();
        list
    }

    /// Counts published changes; grows with every one.
    pub fn revision(&self) -> u64 {
        self.read().revision
    }

    /// When the last batch came in.
    pub fn heard(&self) -> Option<Instant> {
        self.read().heard
    }

    /// Every alert, by id.
    pub fn alerts(&self) -> Vec<Arc<Alert>> {
        let inner = self.read();
        inner
            .alerts
            .values()
            .map(|(_, alert)| Arc::clone(alert))
            .collect()
    }

    /// One alert.
    pub fn one_alert(&self, id: &str) -> Option<Arc<Alert>> {
        self.read()
            .alerts
            .get(id)
            .map(|(_, alert)| Arc::clone(alert))
    }

    /// Alerts that are new or have changed after `revision`, by id.
    pub fn alerts_since(&self, revision: u64) -> Vec<Arc<Alert>> {
        let inner = self.read();
        let changed = inner.alerts.values().filter(|(at, _)| *at > revision);
        changed.map(|(_, alert)| Arc::clone(alert)).collect()
    }

    /// The revision at which a subject or an alert was last taken out: a delta from before it
    /// would not tell that.
    pub fn removal(&self) -> u64 {
        self.read().removal
    }

    /// Every other retained message of ours (Home Assistant's discovery), by its whole topic.
    pub fn retained(&self) -> Vec<(Arc<str>, Bytes)> {
        self.read()
            .retained
            .iter()
            .map(|(k, v)| (Arc::clone(k), v.clone()))
            .collect()
    }

    /// Every other node that was heard of, and whether it is online.
    pub fn nodes(&self) -> Vec<(Arc<str>, bool)> {
        let inner = self.read();
        let nodes = inner.nodes.iter();
        nodes
            .map(|(name, online)| (Arc::clone(name), *online))
            .collect()
    }

    /// `false` if there is no room for another node.
    pub(super) fn put_node(&self, name: &Arc<str>, online: bool) -> bool {
        let inner = &mut *self.write();
        let room = inner.nodes.len() < NODES || inner.nodes.contains_key(name);
        if room {
            inner.nodes.insert(Arc::clone(name), online);
        }
        room
    }

    pub(super) fn put_retained(&self, topic: &Arc<str>, payload: &Bytes) {
        let inner = &mut *self.write();
        if payload.is_empty() {
            inner.retained.remove(topic);
        } else {
            inner.retained.insert(Arc::clone(topic), payload.clone());
        }
    }

    pub(super) fn put_alert(&self, alert: &Arc<Alert>) {
        let inner = &mut *self.write();
        inner.revision += 1;
        let entry = (inner.revision, Arc::clone(alert));
        inner.alerts.insert(alert.id.clone(), entry);
    }

    pub(super) fn remove_alert(&self, id: &str) {
        let inner = &mut *self.write();
        inner.revision += 1;
        inner.removal = inner.revision;
        inner.alerts.remove(id);
    }
}

/// Drops what is no number and rounds what is.
fn clean(values: &[(&'static Metric, Value)]) -> Vec<(&'static Metric, Value)> {
    let keep = |(metric, value): &(&'static Metric, Value)| match value {
        Value::Number(number) if !number.is_finite() => None,
        Value::Number(number) => Some((*metric, Value::Number(metric.round(*number)))),
        Value::Flag(_) | Value::Text(_) | Value::Moment(_) => Some((*metric, value.clone())),
    };
    values.iter().filter_map(keep).collect()
}

fn within_dead_band(old: &[(&'static Metric, Value)], new: &[(&'static Metric, Value)]) -> bool {
    old.len() == new.len()
        && old
            .iter()
            .zip(new)
            .all(|((old_metric, old), (metric, new))| {
                old_metric.key == metric.key
                    && match (old, new) {
                        (Value::Number(old), Value::Number(new)) => metric.is_same(*old, *new),
                        _ => old == new,
                    }
            })
}

fn render(values: &[(&'static Metric, Value)], reading: &Reading, at: Timestamp) -> Bytes {
    // First, so that it cannot take the place of a figure.
    let mut object = reading.detail.clone().unwrap_or_default();
    object.insert("ts".to_owned(), Json::String(format!("{at:.3}")));
    for (metric, value) in values {
        object.insert(metric.key.to_owned(), json(metric, value));
    }
    if let Some(source) = reading.source {
        object.insert(
            "source".to_owned(),
            Json::String(source.as_str().to_owned()),
        );
    }
    Bytes::from(Json::Object(object).to_string())
}

/// A value as it is published: whole numbers without a decimal point.
pub(crate) fn json(metric: &Metric, value: &Value) -> Json {
    match value {
        Value::Number(number) if metric.published == 0 && number.abs() < 9e15 => {
            #[expect(clippy::cast_possible_truncation, reason = "rounded and within 2^53")]
            let whole = number.round() as i64;
            Json::Number(whole.into())
        }
        Value::Number(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Flag(flag) => Json::Bool(*flag),
        Value::Text(text) => Json::String(text.to_string()),
        Value::Moment(moment) => Json::String(format!("{moment:.3}")),
    }
}

#[cfg(test)]
mod tests;
