mod failure;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Alert, AlertState, Severity};
use crate::store::Change;

pub use failure::Failure;

use super::message::Message;
use super::notice::{Episode, Notice, NoticeKind, Record, read};

/// How many notices wait at most; what is least bad goes first.
const CAPACITY: usize = 500;
/// An episode that nobody has ended for this long is forgotten.
const STALE: Duration = Duration::from_hours(90 * 24);

/// What the configuration says about what is told and when.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The node's name, for the titles.
    pub node: String,
    /// What is less bad is not told.
    pub min_severity: Severity,
    /// Notices within this time share one message.
    pub group: Duration,
    /// Notices that waited this long come as a digest.
    pub digest_after: Duration,
    /// How often an alert is told again; zero is never.
    pub reminder: Duration,
    /// Whether the end of an alert is told.
    pub resolved: bool,
}

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Wall-clock time, which may jump; for what is kept over restarts.
    pub wall: Timestamp,
    /// Time since the program started, which never jumps; for waiting.
    pub up: Duration,
}

/// What happens to the outbox.
#[derive(Debug, Clone)]
pub enum Input {
    /// An alert is new or has changed.
    Alert(Arc<Alert>),
    /// An alert is over and done.
    Cleared(Arc<Alert>),
    /// Every alert there is now: at the start, and when some events were missed.
    All(Vec<Arc<Alert>>),
    /// Time has passed.
    Tick,
    /// The message in flight was taken.
    Sent,
    /// The message in flight was not taken.
    Failed(Failure),
}

/// What the outbox wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make these changes durable before going on.
    Persist(Vec<Change>),
    /// Send this and come back with [`Input::Sent`] or [`Input::Failed`].
    Send(Message),
    /// Pushing does not work, in one line why; or works again.
    Health(Option<String>),
}

/// Decides what is told, when, and how much of it in one message. Does no IO.
#[derive(Debug)]
pub struct Outbox {
    policy: Policy,
    queue: BTreeMap<i64, Notice>,
    episodes: BTreeMap<String, Episode>,
    firing: BTreeMap<String, Arc<Alert>>,
    flight: Vec<i64>,
    /// Alerts that somebody took note of while a message about them was in flight.
    muted: BTreeSet<String>,
    hold_until: Duration,
    retry_at: Duration,
    parked: bool,
    failures: u32,
    failing_since: Option<Timestamp>,
    fault: Option<String>,
    dropped: u32,
    random: u64,
}

impl Outbox {
    /// An outbox with what the store kept. `seed` spreads the retries of many nodes.
    pub fn restore(policy: Policy, records: &[(String, Vec<u8>)], now: Moment, seed: u64) -> Self {
        let mut queue = BTreeMap::new();
        let mut episodes = BTreeMap::new();
        for (key, value) in records {
            match read(key, value) {
                Record::Notice(notice) => {
                    queue.insert(notice.seq, notice);
                }
                Record::Episode(alert, episode) if age(now.wall, episode.told_at) < STALE => {
                    episodes.insert(alert, episode);
                }
                Record::Episode(..) | Record::Other => {}
            }
        }
        Self {
            hold_until: now.up + policy.group,
            policy,
            queue,
            episodes,
            firing: BTreeMap::new(),
            flight: Vec::new(),
            muted: BTreeSet::new(),
            retry_at: Duration::ZERO,
            parked: false,
            failures: 0,
            failing_since: None,
            fault: None,
            dropped: 0,
            random: seed | 1,
        }
    }

    /// How many notices wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Takes `input` in and says what is to be done.
    pub fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        let mut changes = Vec::new();
        let mut effects = Vec::new();
        match input {
            Input::Alert(alert) => self.take(now, &alert, &mut changes),
            Input::Cleared(alert) => {
                self.firing.remove(&alert.id);
                self.finish(now, &alert, &mut changes);
            }
            Input::All(alerts) => {
                let gone = |id: &String| !alerts.iter().any(|alert| alert.id == *id);
                let over: Vec<_> = self.firing.extract_if(.., |id, _| gone(id)).collect();
                for (_, alert) in over {
                    self.finish(now, &alert, &mut changes);
                }
                for alert in &alerts {
                    self.take(now, alert, &mut changes);
                }
            }
            Input::Tick => {}
            Input::Sent => self.sent(&mut changes, &mut effects),
            Input::Failed(failure) => self.failed(now, failure, &mut changes, &mut effects),
        }
        for alert in self.firing.values().cloned().collect::<Vec<_>>() {
            self.consider(now, &alert, &mut changes);
        }
        if !changes.is_empty() {
            effects.insert(0, Effect::Persist(changes));
        }
        effects.extend(self.pump(now));
        effects
    }

    /// When [`Input::Tick`] is due, on the clock that never jumps.
    pub fn wake(&self, now: Moment) -> Option<Duration> {
        let send = (!self.queue.is_empty() && self.flight.is_empty() && !self.parked)
            .then(|| self.hold_until.max(self.retry_at));
        let of_alert = |alert: &Arc<Alert>| {
            let wait = match alert.silenced_until.filter(|until| *until > now.wall) {
                Some(until) => age(until, now.wall),
                None if self.policy.reminder.is_zero() => return None,
                None => {
                    let told = self.episodes.get(&alert.id)?.told_at;
                    self.policy
                        .reminder
                        .saturating_sub(age(now.wall, told))
                        .max(Duration::from_secs(1))
                }
            };
            Some(now.up + wait.min(failure::LONGEST_WAIT))
        };
        self.firing.values().filter_map(of_alert).chain(send).min()
    }

    fn take(&mut self, now: Moment, alert: &Arc<Alert>, changes: &mut Vec<Change>) {
        match alert.state {
            AlertState::Pending => {
                self.firing.remove(&alert.id);
            }
            AlertState::Firing => {
                self.muted.remove(&alert.id);
                self.firing.insert(alert.id.clone(), Arc::clone(alert));
            }
            AlertState::Acknowledged => {
                self.firing.remove(&alert.id);
                self.withdraw(&alert.id, changes);
            }
            AlertState::Resolved => {
                self.firing.remove(&alert.id);
                self.finish(now, alert, changes);
            }
        }
    }

    /// Tells of a firing alert if there is something to tell.
    fn consider(&mut self, now: Moment, alert: &Arc<Alert>, changes: &mut Vec<Change>) {
        if alert.silenced_until.is_some_and(|until| until > now.wall) {
            self.withdraw(&alert.id, changes);
            return;
        }
        if alert.severity < self.policy.min_severity {
            return;
        }
        let kind = match self.episodes.get(&alert.id) {
            None => NoticeKind::Fired,
            Some(told)
                if alert.severity > told.severity
                    || alert.count > told.count
                    || alert.since > told.since =>
            {
                NoticeKind::Fired
            }
            // Somebody had put it off; now it counts again.
            Some(told) if told.hushed && told.delivered => NoticeKind::Reminder,
            Some(told)
                if told.delivered
                    && !self.policy.reminder.is_zero()
                    && age(now.wall, told.told_at) >= self.policy.reminder =>
            {
                NoticeKind::Reminder
            }
            Some(_) => return,
        };
        let delivered = self
            .episodes
            .get(&alert.id)
            .is_some_and(|told| told.delivered);
        let episode = Episode {
            severity: alert.severity,
            since: alert.since,
            count: alert.count,
            told_at: now.wall,
            delivered,
            hushed: false,
        };
        changes.push(episode.put(&alert.id));
        self.episodes.insert(alert.id.clone(), episode);
        self.enqueue(now, alert, kind, changes);
    }

    /// Tells of the end of an alert, if its beginning was told or waits to be told.
    fn finish(&mut self, now: Moment, alert: &Arc<Alert>, changes: &mut Vec<Change>) {
        let Some(told) = self.episodes.get(&alert.id) else {
            return;
        };
        let silenced = alert.silenced_until.is_some_and(|until| until > now.wall);
        let waits = self.waits(&alert.id);
        let known = told.delivered || self.is_in_flight(&alert.id);
        if silenced {
            self.withdraw(&alert.id, changes);
        } else if waits || (known && self.policy.resolved) {
            self.enqueue(now, alert, NoticeKind::Resolved, changes);
        }
        self.episodes.remove(&alert.id);
        changes.push(Episode::remove(&alert.id));
    }

    /// Takes back what waits to be told of an alert: somebody knows already.
    fn withdraw(&mut self, alert: &str, changes: &mut Vec<Change>) {
        let flight = &self.flight;
        self.queue.retain(|seq, notice| {
            let keep = notice.alert != alert
                || notice.kind == NoticeKind::Resolved
                || flight.contains(seq);
            if !keep {
                changes.push(Notice::remove(*seq));
            }
            keep
        });
        if self.is_in_flight(alert) {
            self.muted.insert(alert.to_owned());
        } else if self.episodes.get(alert).is_some_and(|e| !e.delivered) {
            self.episodes.remove(alert);
            changes.push(Episode::remove(alert));
        }
        if let Some(episode) = self.episodes.get_mut(alert)
            && !episode.hushed
        {
            episode.hushed = true;
            changes.push(episode.put(alert));
        }
    }

    fn is_in_flight(&self, alert: &str) -> bool {
        self.flight
            .iter()
            .filter_map(|seq| self.queue.get(seq))
            .any(|notice| notice.alert == alert)
    }

    fn waits(&self, alert: &str) -> bool {
        self.queue
            .values()
            .any(|notice| notice.alert == alert && !self.flight.contains(&notice.seq))
    }

    fn enqueue(
        &mut self,
        now: Moment,
        alert: &Arc<Alert>,
        kind: NoticeKind,
        changes: &mut Vec<Change>,
    ) {
        let after_last = self.queue.last_key_value().map_or(0, |(seq, _)| seq + 1);
        let seq = now.wall.as_millisecond().max(after_last);
        let notice = Notice::of(alert, kind, seq, now.wall);
        changes.push(notice.put());
        if now.up >= self.hold_until {
            self.hold_until = now.up + self.policy.group;
        }
        self.parked = false;
        self.queue.insert(seq, notice);
        while self.queue.len() > CAPACITY {
            let least = self
                .queue
                .values()
                .filter(|notice| !self.flight.contains(&notice.seq))
                .min_by_key(|n| (n.kind != NoticeKind::Resolved, n.severity, n.seq))
                .map(|notice| notice.seq);
            let Some(seq) = least else { break };
            self.queue.remove(&seq);
            changes.push(Notice::remove(seq));
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Sends all that waits as one message, if it is time.
    fn pump(&mut self, now: Moment) -> Option<Effect> {
        if !self.flight.is_empty()
            || self.parked
            || now.up < self.hold_until
            || now.up < self.retry_at
        {
            return None;
        }
        let oldest = self.queue.first_key_value()?.1.at;
        let away = age(now.wall, oldest);
        let digest = (away >= self.policy.digest_after && self.failures > 0)
            || away >= self.policy.digest_after.max(self.policy.group * 2);
        self.flight = self.queue.keys().copied().collect();
        let notices: Vec<&Notice> = self.queue.values().collect();
        Some(Effect::Send(Message::of(
            &self.policy.node,
            &notices,
            now.wall,
            digest.then_some(away),
            self.dropped,
        )))
    }

    fn sent(&mut self, changes: &mut Vec<Change>, effects: &mut Vec<Effect>) {
        for seq in std::mem::take(&mut self.flight) {
            changes.push(Notice::remove(seq));
            let Some(notice) = self.queue.remove(&seq) else {
                continue;
            };
            if let Some(episode) = self.episodes.get_mut(&notice.alert)
                && !episode.delivered
            {
                episode.delivered = true;
                changes.push(episode.put(&notice.alert));
            }
        }
        self.muted.clear();
        self.dropped = 0;
        self.works(effects);
    }
}

/// How long `then` is before `now`; zero if it is not, as after a jump of the clock.
pub(super) fn age(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
