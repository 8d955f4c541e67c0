use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::directory::{Announcement, Directory, Limits};
use super::{Identity, Record};
use crate::bus::{Bus, Event, Heard};
use crate::config::HomeAssistantConfig;
use crate::model::{Offer, Reading, Topic, Topics};
use crate::store::{Change, Collection, Store, StoreError};

/// How discovery is set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether devices are announced; if not, what was announced is removed.
    pub enabled: bool,
    /// Times and the collectors.
    pub limits: Limits,
    /// The commands about the host that the configuration allows.
    pub offers: Vec<Offer>,
}

impl Settings {
    /// From the configuration: `heartbeat` is after how long an unchanged state is published anew,
    /// `collectors` every collector that is switched on with its interval, `off` all others, `offers`
    /// the commands about the host that are allowed.
    pub fn new(
        config: &HomeAssistantConfig,
        heartbeat: Duration,
        collectors: impl IntoIterator<Item = (String, Duration)>,
        off: impl IntoIterator<Item = String>,
        offers: Vec<Offer>,
    ) -> Self {
        Self {
            enabled: config.enabled,
            limits: Limits {
                heartbeat,
                forget_after: config.forget_after,
                collectors: collectors.into_iter().collect(),
                switched_off: off.into_iter().collect(),
            },
            offers,
        }
    }
}

/// Home Assistant loses entities when two configurations of a new device come back to back, so
/// this long is waited for more changes before any is sent.
const DEBOUNCE: Duration = Duration::from_secs(5);
/// The host goes before its parts, which refer to it.
const HOST_FIRST: Duration = Duration::from_secs(1);
/// Several nodes hear the same birth: each answers within this time.
const JITTER: Duration = Duration::from_secs(3);
/// After the configurations the states are sent, which Home Assistant would not yet hear at once;
/// and it forgets the state of an entity whose configuration has changed (as long as that has an
/// `expire_after`), but does not subscribe anew.
const STATES_AFTER: Duration = Duration::from_secs(2);
/// So many subjects or alerts are told at once.
const BURST: usize = 16;
/// Collectors get this long after the start before anything is taken as gone.
const GRACE: Duration = Duration::from_mins(15);
/// How often it is looked for what is gone.
const TIDY: Duration = Duration::from_hours(1);

/// Announces what the bus carries until `cancel` is cancelled or the bus is gone, and tells every
/// turn of an alert as an `alert` event (that also when discovery is switched off).
///
/// # Errors
/// The store cannot be read at the start. Later faults of the store are logged: what could not be
/// kept is announced all the same.
pub async fn run(
    bus: Bus,
    store: Store,
    topics: Topics,
    identity: Identity,
    settings: Settings,
    cancel: CancellationToken,
) -> Result<(), StoreError> {
    let mut listener = bus.listen();
    let records = store
        .blocking(|store| store.all(Collection::Discovery))
        .await?;
    let jitter = jitter(&identity.installation);
    let directory = Directory::restore(identity, topics, settings.limits, records);
    let mut runner = Runner {
        bus,
        store,
        directory,
        enabled: settings.enabled,
        offers: settings.offers,
        jitter,
        announce_at: None,
        again_at: None,
        states_at: None,
        swept: false,
        tidy_at: Instant::now() + GRACE,
        last_sent: None,
    };
    runner.want(!settings.enabled);
    runner.read_state();
    loop {
        let due = runner.due();
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            heard = listener.next() => match heard {
                Heard::Event(event) => runner.hear(event),
                Heard::Missed(_) => {
                    runner.read_state();
                    let over = runner.keep_alerts();
                    runner.want(over);
                }
                Heard::Closed => return Ok(()),
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                runner.act().await;
            }
        }
    }
}

struct Runner {
    bus: Bus,
    store: Store,
    directory: Directory,
    enabled: bool,
    offers: Vec<Offer>,
    jitter: Duration,
    announce_at: Option<Instant>,
    again_at: Option<Instant>,
    states_at: Option<Instant>,
    /// Whether what is no longer there by the configuration has been removed.
    swept: bool,
    tidy_at: Instant,
    last_sent: Option<Instant>,
}

impl Runner {
    fn due(&self) -> Option<Instant> {
        [self.announce_at, self.again_at, self.states_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Batch(batch, _) => {
                let mut changed = false;
                for outcome in &batch.outcomes {
                    self.directory.reported(batch.at, outcome.collector);
                    for reading in outcome.result.iter().flatten() {
                        changed |= self.directory.observe(batch.at, outcome.collector, reading);
                    }
                }
                if !self.swept {
                    self.swept = true;
                    changed |= self.directory.offer(batch.at, &self.offers);
                    let off = self.directory.sweep(batch.at);
                    changed |= !off.is_empty();
                    self.forget(
                        off,
                        "its collector is switched off: its entities are removed",
                    );
                }
                changed |= Instant::now() >= self.tidy_at && self.tidy(batch.at);
                self.want(changed);
            }
            Event::Alert(alert) => {
                let (changed, happened) = self.directory.alert(&alert);
                self.tell(changed, happened);
            }
            Event::AlertCleared(alert) => {
                let (changed, happened) = self.directory.clear_alert(&alert);
                self.tell(changed, happened);
            }
            Event::HomeAssistantBirth { .. } => {
                self.again_at.get_or_insert(Instant::now() + self.jitter);
            }
            Event::Happened(..)
            | Event::Answered(_)
            | Event::Retain(..)
            | Event::Ask(..)
            | Event::Node { .. } => {}
        }
    }

    /// Reads what is known: at the start and when events were lost.
    fn read_state(&mut self) {
        let mut changed = false;
        for state in self.bus.state().subjects() {
            if !state.available {
                continue;
            }
            let reading = Reading {
                subject: state.subject,
                values: state.values,
                source: state.source,
                detail: state.detail,
                offers: state.offers,
            };
            self.directory.reported(state.at, state.collector);
            changed |= self.directory.observe(state.at, state.collector, &reading);
        }
        self.want(changed);
        for alert in self.bus.state().alerts() {
            let (changed, happened) = self.directory.alert(&alert);
            self.tell(changed, happened);
        }
    }

    /// Drops the alerts that are over.
    fn keep_alerts(&mut self) -> bool {
        let open = self.bus.state().alerts().into_iter();
        let open: BTreeSet<String> = open.map(|alert| alert.id.clone()).collect();
        self.directory.keep_alerts(&open)
    }

    fn tidy(&mut self, now: Timestamp) -> bool {
        self.tidy_at = Instant::now() + TIDY;
        self.keep_alerts();
        let gone = self.directory.tidy(now);
        self.forget(gone, "gone for good: its entities are removed");
        // Even when nothing is to be sent, the times of the last sight are to be kept.
        true
    }

    /// Forgets subjects and clears their topics.
    fn forget(&self, subjects: Vec<(String, Vec<String>)>, why: &str) {
        for (key, topics) in subjects {
            tracing::info!(subject = key, "{why}");
            self.bus.state().forget(&key);
            for topic in topics {
                self.bus.retain(topic.into(), Bytes::new());
            }
        }
    }

    fn want(&mut self, changed: bool) {
        if changed {
            self.announce_at.get_or_insert(Instant::now() + DEBOUNCE);
        }
    }

    fn tell(&mut self, changed: bool, happened: Option<serde_json::Value>) {
        if let Some(happened) = happened {
            self.bus
                .emit(Event::Happened("alert", std::sync::Arc::new(happened)));
        }
        self.want(changed || self.directory.has_unsaved());
    }

    async fn act(&mut self) {
        let now = Instant::now();
        if self.announce_at.is_some_and(|at| at <= now) {
            self.announce_at = None;
            let announcement = if self.enabled {
                self.directory.announce()
            } else {
                self.directory.withdraw()
            };
            self.send(announcement).await;
        }
        if self.again_at.is_some_and(|at| at <= now) {
            // What was only just sent is not sent again at once: see DEBOUNCE.
            let fresh = self
                .last_sent
                .is_some_and(|sent| now.duration_since(sent) < DEBOUNCE);
            if fresh {
                self.again_at = Some(now + DEBOUNCE);
                return;
            }
            self.again_at = None;
            let again = Announcement {
                retain: self.directory.again(),
                records: Vec::new(),
            };
            self.send(again).await;
            self.states_at = Some(Instant::now() + STATES_AFTER);
        }
        if self.states_at.is_some_and(|at| at <= now) {
            self.states_at = None;
            self.states_again().await;
        }
    }

    /// Every state once more. They are retained, but not every broker hands retained messages to
    /// a Home Assistant that was subscribed all along.
    async fn states_again(&self) {
        let topics = self.directory.topics();
        let state = self.bus.state();
        // Not `retain`: the state store has these as what they are.
        let emit = |topic: &Topic, payload: Bytes| {
            let topic = topics.format(topic);
            self.bus.emit(Event::Retain(topic.as_str().into(), payload));
        };
        let subjects = state.subjects().into_iter().map(|one| one.subject);
        let subjects: Vec<_> = subjects.collect();
        for part in subjects.chunks(BURST) {
            for subject in part {
                // As it is now: what was told between two parts must not be told older once more.
                let Some(one) = state.subject(subject.key()) else {
                    continue;
                };
                let (area, id) = (subject.area, subject.id.clone());
                emit(&Topic::State(area, id.clone()), one.published);
                let word: &[u8] = if one.available { b"online" } else { b"offline" };
                emit(&Topic::Availability(area, id), Bytes::from_static(word));
            }
            // The bus holds a bounded number of events for those that listen.
            tokio::task::yield_now().await;
        }
        let ids: Vec<String> = state.alerts().iter().map(|one| one.id.clone()).collect();
        for part in ids.chunks(BURST) {
            for id in part {
                let Some(alert) = state.one_alert(id) else {
                    continue;
                };
                match serde_json::to_vec(&*alert) {
                    Ok(json) => emit(&Topic::Alert(id.clone()), json.into()),
                    Err(error) => {
                        tracing::error!(alert = id, %error, "cannot be written as JSON");
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn send(&mut self, announcement: Announcement) {
        let mut messages = announcement.retain.into_iter();
        if let Some((topic, payload)) = messages.next() {
            self.bus.retain(topic.into(), payload);
            if messages.len() > 0 {
                tokio::time::sleep(HOST_FIRST).await;
            }
            for (topic, payload) in messages {
                self.bus.retain(topic.into(), payload);
            }
            self.last_sent = Some(Instant::now());
            if self.enabled {
                self.states_at = Some(Instant::now() + STATES_AFTER);
            }
        }
        self.keep(announcement.records).await;
    }

    async fn keep(&self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let changes: Vec<Change> = records
            .into_iter()
            .map(|Record { key, value }| match value {
                Some(value) => Change::Put(Collection::Discovery, key, value),
                None => Change::Remove(Collection::Discovery, key),
            })
            .collect();
        let kept = self.store.blocking(move |store| store.write(&changes));
        if let Err(error) = kept.await {
            tracing::warn!(%error, "what Home Assistant was told could not be kept");
        }
    }
}

/// Spreads nodes that answer the same birth, each always by the same amount.
fn jitter(installation: &str) -> Duration {
    let sum = installation.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    JITTER.mul_f64(f64::from(sum % 1_000) / 1_000.0)
}
