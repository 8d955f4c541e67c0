use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::alerts::{self, AlertCard};
use super::device::registry_id;
use super::subject::SubjectCard;
use super::{Component, Identity};
use crate::model::{Alert, AlertState, Area, Reading, Topic, Topics};

/// How long the order to remove an entity stays in a configuration, so that a Home Assistant
/// that is away for an hour still gets it.
const REMOVAL: Duration = Duration::from_hours(24);

/// What is to be sent and what is to be kept.
#[derive(Debug, Default)]
pub struct Announcement {
    /// Retained messages by topic, the host's first; empty ones remove.
    pub retain: Vec<(String, Bytes)>,
    /// Changes of the kept records.
    pub records: Vec<Record>,
}

/// One kept record, or its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: String,
    /// Its content; `None` removes it.
    pub value: Option<Vec<u8>>,
}

/// What can be set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// An unchanged state is published anew after this long.
    pub heartbeat: Duration,
    /// What is gone for this long loses its entities.
    pub forget_after: Duration,
    /// Every collector that is switched on, with its interval.
    pub collectors: HashMap<String, Duration>,
    /// Every collector that is switched off.
    pub switched_off: BTreeSet<String>,
}

/// Everything that is announced to Home Assistant: subjects, their devices and alerts. Pure.
#[derive(Debug)]
pub struct Directory {
    pub(super) identity: Identity,
    pub(super) topics: Topics,
    pub(super) limits: Limits,
    pub(super) subjects: BTreeMap<String, SubjectCard>,
    pub(super) alerts: BTreeMap<String, AlertCard>,
    /// The entities of commands about the host, by component id.
    pub(super) offers: BTreeMap<String, Component>,
    /// Entities that are to be removed: by device and component id, platform and since when.
    pub(super) gone: BTreeMap<(String, String), Gone>,
    /// What was announced by topic; without a payload if that was in an earlier run.
    announced: BTreeMap<String, Option<Bytes>>,
    /// Collectors that have reported in this run.
    reported: BTreeSet<&'static str>,
    pub(super) dirty: BTreeSet<String>,
    pub(super) now: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Gone {
    pub(super) platform: String,
    since: Timestamp,
}

impl Directory {
    /// A directory that knows what `records` of an earlier run tell; unreadable ones are dropped.
    pub fn restore(
        identity: Identity,
        topics: Topics,
        limits: Limits,
        records: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Self {
        let mut out = Self {
            identity,
            topics,
            limits,
            subjects: BTreeMap::new(),
            alerts: BTreeMap::new(),
            offers: BTreeMap::new(),
            gone: BTreeMap::new(),
            announced: BTreeMap::new(),
            reported: BTreeSet::new(),
            dirty: BTreeSet::new(),
            now: Timestamp::UNIX_EPOCH,
        };
        for (key, value) in records {
            if out.take_record(&key, &value).is_none() {
                out.dirty.insert(key);
            }
        }
        out
    }

    fn take_record(&mut self, key: &str, value: &[u8]) -> Option<()> {
        let (kind, name) = key.split_once('/')?;
        match kind {
            "subject" => {
                let mut card: SubjectCard = serde_json::from_slice(value).ok()?;
                card.stored_seen = Some(card.seen);
                self.subjects.insert(name.to_owned(), card);
            }
            "alert" => {
                let card = serde_json::from_slice(value).ok()?;
                self.alerts.insert(name.to_owned(), card);
            }
            "offer" => {
                let component = serde_json::from_slice(value).ok()?;
                self.offers.insert(name.to_owned(), component);
            }
            "gone" => {
                let (device, component) = name.split_once('/')?;
                let gone = serde_json::from_slice(value).ok()?;
                self.gone
                    .insert((device.to_owned(), component.to_owned()), gone);
            }
            "topic" => {
                self.announced.insert(name.to_owned(), None);
            }
            _ => return None,
        }
        Some(())
    }

    /// Takes in that `collector` has reported at `at`, with whatever result.
    pub fn reported(&mut self, at: Timestamp, collector: &'static str) {
        self.now = at;
        self.reported.insert(collector);
    }

    /// Takes a reading in; tells whether something is to be announced.
    pub fn observe(&mut self, at: Timestamp, collector: &str, reading: &Reading) -> bool {
        self.now = at;
        let key = reading.subject.key();
        if let Some(card) = self.subjects.get_mut(key)
            && card.covers(collector, reading)
        {
            card.seen = at;
            return false;
        }
        let mut card = self.subjects.remove(key).unwrap_or_else(|| {
            SubjectCard::new(&reading.subject, collector, &self.identity.version, at)
        });
        let old_device = card.device.id.clone();
        let withdrawn = card.learn(collector, reading);
        card.seen = at;
        self.remove_entities(&old_device, &withdrawn);
        if old_device != card.device.id {
            self.remove_entities(&old_device, &card.components);
        }
        for id in card.components.keys() {
            self.unremove(&card.device.id, id);
        }
        self.subjects.insert(key.to_owned(), card);
        self.dirty.insert(format!("subject/{key}"));
        true
    }

    /// Takes an alert's new state in. Tells whether something is to be announced, and gives the
    /// object of the event if it is one.
    pub fn alert(&mut self, alert: &Alert) -> (bool, Option<Json>) {
        let Some(event_type) = alerts::event_type(alert.state) else {
            return (false, None);
        };
        let label = self
            .subjects
            .get(&alert.subject)
            .map_or(alert.subject.as_str(), |card| &card.label);
        let card = AlertCard::of(alert, label);
        let old = self.alerts.get(&alert.id);
        let changed = old.is_none_or(|old| old.name != card.name);
        let happened = old.is_none_or(|old| old.state != card.state);
        if changed || happened {
            self.dirty.insert(format!("alert/{}", alert.id));
            for (component, _) in card.components(&alert.id) {
                self.unremove("", &component);
            }
            self.alerts.insert(alert.id.clone(), card);
        }
        (changed, happened.then(|| alerts::event(alert, event_type)))
    }

    /// Takes in that an alert is over and done, as [`Directory::alert`] does.
    pub fn clear_alert(&mut self, alert: &Alert) -> (bool, Option<Json>) {
        let Some(card) = self.drop_alert(&alert.id) else {
            return (false, None);
        };
        let told = card.state == AlertState::Resolved;
        (true, (!told).then(|| alerts::event(alert, "resolved")))
    }

    /// Drops every alert that is not among `open`, as after a start; tells whether any was.
    pub fn keep_alerts(&mut self, open: &BTreeSet<String>) -> bool {
        let over: Vec<String> = self
            .alerts
            .keys()
            .filter(|id| !open.contains(*id))
            .cloned()
            .collect();
        for id in &over {
            self.drop_alert(id);
        }
        !over.is_empty()
    }

    fn drop_alert(&mut self, id: &str) -> Option<AlertCard> {
        let card = self.alerts.remove(id)?;
        self.dirty.insert(format!("alert/{id}"));
        let components = BTreeMap::from(card.components(id));
        self.remove_entities("", &components);
        Some(card)
    }

    /// Forgets what comes from collectors that are switched off; gives each forgotten subject
    /// with the topics whose retained messages are to go.
    pub fn sweep(&mut self, now: Timestamp) -> Vec<(String, Vec<String>)> {
        self.now = now;
        let off: Vec<String> = self
            .subjects
            .iter()
            .filter(|(_, card)| {
                !card.is_live() && self.limits.switched_off.contains(&card.collector)
            })
            .map(|(key, _)| key.clone())
            .collect();
        off.into_iter()
            .map(|key| {
                let topics = self.forget(&key);
                (key, topics)
            })
            .collect()
    }

    /// Forgets what has been gone for too long, what an earlier version had and what nobody tells
    /// any more. To be called when everything that reports has had its time; gives what [`Directory::sweep`] does.
    pub fn tidy(&mut self, now: Timestamp) -> Vec<(String, Vec<String>)> {
        self.now = now;
        let mut forgotten = Vec::new();
        let keys: Vec<String> = self.subjects.keys().cloned().collect();
        for key in keys {
            let Some(card) = self.subjects.get_mut(&key) else {
                continue;
            };
            let absent = age(now, card.seen) >= self.limits.forget_after
                && self.reported.contains(card.collector.as_str());
            let off = !card.is_live() && !self.limits.collectors.contains_key(&card.collector);
            if absent || off {
                let topics = self.forget(&key);
                forgotten.push((key, topics));
                continue;
            }
            let old_version = card.version.clone();
            let mut dead = BTreeMap::new();
            for id in card.upgrade(&self.identity.version) {
                if let Some(component) = card.components.remove(&id) {
                    dead.insert(id, component);
                }
            }
            let device = card.device.id.clone();
            let stale = card
                .stored_seen
                .is_none_or(|stored| age(card.seen, stored) >= self.limits.forget_after / 30);
            if stale || card.version != old_version {
                self.dirty.insert(format!("subject/{key}"));
            }
            self.remove_entities(&device, &dead);
        }
        let done: Vec<(String, String)> = self
            .gone
            .iter()
            .filter(|(_, gone)| age(now, gone.since) >= REMOVAL)
            .map(|(key, _)| key.clone())
            .collect();
        for (device, component) in done {
            self.unremove(&device, &component);
        }
        forgotten
    }

    /// The topics of this node.
    pub const fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Whether records wait to be kept.
    pub fn has_unsaved(&self) -> bool {
        !self.dirty.is_empty()
    }

    fn forget(&mut self, key: &str) -> Vec<String> {
        let mut topics = Vec::new();
        if let Some(card) = self.subjects.remove(key) {
            self.dirty.insert(format!("subject/{key}"));
            self.remove_entities(&card.device.id, &card.components);
        }
        if let Some((area, id)) = key.split_once('/')
            && let Some(area) = Area::parse(area)
        {
            topics.push(self.topics.format(&Topic::State(area, id.to_owned())));
            topics.push(
                self.topics
                    .format(&Topic::Availability(area, id.to_owned())),
            );
        }
        topics
    }

    pub(super) fn remove_entities(
        &mut self,
        device: &str,
        components: &BTreeMap<String, Component>,
    ) {
        for (id, component) in components {
            let platform = component
                .get("p")
                .and_then(Json::as_str)
                .unwrap_or("sensor")
                .to_owned();
            let gone = Gone {
                platform,
                since: self.now,
            };
            self.dirty.insert(format!("gone/{device}/{id}"));
            self.gone.insert((device.to_owned(), id.clone()), gone);
        }
    }

    pub(super) fn unremove(&mut self, device: &str, component: &str) {
        let key = (device.to_owned(), component.to_owned());
        if self.gone.remove(&key).is_some() {
            self.dirty.insert(format!("gone/{device}/{component}"));
        }
    }

    /// What has changed since the last time: configurations to send and records to keep.
    pub fn announce(&mut self) -> Announcement {
        let mut retain = Vec::new();
        let configs = self.configs();
        let old: Vec<String> = self
            .announced
            .keys()
            .filter(|topic| !configs.iter().any(|(t, _)| t == *topic))
            .cloned()
            .collect();
        for topic in old {
            self.announced.remove(&topic);
            self.dirty.insert(format!("topic/{topic}"));
            retain.push((topic, Bytes::new()));
        }
        for (topic, payload) in configs {
            let before = self.announced.insert(topic.clone(), Some(payload.clone()));
            if before.is_none() {
                self.dirty.insert(format!("topic/{topic}"));
            }
            if before.flatten().as_ref() != Some(&payload) {
                retain.push((topic, payload));
            }
        }
        Announcement {
            retain,
            records: self.take_records(),
        }
    }

    /// Everything that is announced, once more.
    pub fn again(&self) -> Vec<(String, Bytes)> {
        let sent = |(topic, payload): (&String, &Option<Bytes>)| {
            payload
                .as_ref()
                .map(|payload| (topic.clone(), payload.clone()))
        };
        let mut list: Vec<_> = self.announced.iter().filter_map(sent).collect();
        let host = self.topics.discovery(&registry_id("", &self.identity));
        list.sort_by_key(|(topic, _)| *topic != host);
        list
    }

    /// Removes everything: discovery is switched off.
    pub fn withdraw(&mut self) -> Announcement {
        let mut out = Announcement::default();
        for topic in std::mem::take(&mut self.announced).into_keys() {
            self.dirty.insert(format!("topic/{topic}"));
            out.retain.push((topic, Bytes::new()));
        }
        out.records = self.take_records();
        out
    }

    fn take_records(&mut self) -> Vec<Record> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty
            .into_iter()
            .map(|key| Record {
                value: self.record(&key),
                key,
            })
            .collect()
    }

    fn record(&mut self, key: &str) -> Option<Vec<u8>> {
        let (kind, name) = key.split_once('/')?;
        // Maps with text keys always serialize; if one ever did not, it would merely be forgotten.
        match kind {
            "subject" => {
                let card = self.subjects.get_mut(name)?;
                card.stored_seen = Some(card.seen);
                serde_json::to_vec(card).ok()
            }
            "alert" => serde_json::to_vec(self.alerts.get(name)?).ok(),
            "offer" => serde_json::to_vec(self.offers.get(name)?).ok(),
            "gone" => {
                let (device, component) = name.split_once('/')?;
                let key = (device.to_owned(), component.to_owned());
                serde_json::to_vec(self.gone.get(&key)?).ok()
            }
            "topic" => self.announced.contains_key(name).then(Vec::new),
            _ => None,
        }
    }
}

/// How long before `now` that was; zero if the clock was set back.
fn age(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
