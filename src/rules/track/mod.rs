mod ending;
mod telling;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Condition, Rule, RulesConfig};
use crate::model::{Alert, AlertState, Reading, Severity, Timestamp};

use super::engine::Effect;
use super::judge::{Finding, Memory, Verdict, Zone, judge};
use super::record::AlertRecord;
use super::{Deadline, Moment};
use ending::take_back;

/// One rule on one subject: what it has seen, and the alert that came of it.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) rule: Arc<Rule>,
    memory: Memory,
    bad_at: Option<Duration>,
    critical_at: Option<Duration>,
    clear_at: Option<Duration>,
    finding: Finding,
    open: Option<Open>,
    /// When it has begun lately, oldest first: many beginnings are flapping.
    starts: VecDeque<Duration>,
    /// Nothing was heard since a reload: till then that is no news, and nothing begins or ends.
    pub(super) blind_until: Option<Duration>,
}

#[derive(Debug)]
struct Open {
    alert: Alert,
    /// What a person calls its thing.
    label: Option<String>,
    ack_until: Option<Deadline>,
    /// When somebody said that they know; not known after a restart.
    acked_at: Option<Duration>,
    expires: Option<Deadline>,
    /// Since when the condition holds; not known after a restart.
    began: Option<Duration>,
    told_at: Duration,
}

/// What a track does not know by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) now: Moment,
    pub(super) policy: &'a RulesConfig,
    pub(super) subject: &'a str,
    pub(super) label: &'a str,
    pub(super) error: Option<&'a str>,
    pub(super) silenced: Option<Timestamp>,
    pub(super) maintenance: Option<Duration>,
}

impl Track {
    pub(super) fn new(rule: Arc<Rule>) -> Self {
        Self {
            rule,
            memory: Memory::default(),
            bad_at: None,
            critical_at: None,
            clear_at: None,
            finding: Finding::default(),
            open: None,
            starts: VecDeque::new(),
            blind_until: None,
        }
    }

    /// Takes up the alert of before a restart as it was.
    pub(super) fn restore(&mut self, record: AlertRecord, now: Moment) {
        // Whatever it changed to, it did so before the restart.
        self.memory.seen_other = true;
        self.open = Some(Open {
            alert: record.alert,
            label: record.label,
            ack_until: record.ack_until.map(|time| time.restore(now)),
            acked_at: None,
            expires: record.expires.map(|time| time.restore(now)),
            began: None,
            told_at: now.up,
        });
    }

    pub(super) fn alert(&self) -> Option<&Alert> {
        self.open.as_ref().map(|open| &open.alert)
    }

    fn state(&self) -> Option<AlertState> {
        self.alert().map(|alert| alert.state)
    }

    /// Whether anything can become of it without another reading.
    pub(super) const fn is_active(&self) -> bool {
        self.open.is_some() || self.bad_at.is_some()
    }

    pub(super) fn read(&mut self, reading: &Reading, up: Duration) {
        if self.rule.condition == Condition::NoData {
            self.news(true, up);
        } else if let Some(verdict) = judge(&self.rule.condition, reading, &mut self.memory, up) {
            self.observe(verdict, up);
        } else if self.blind_until.is_none() {
            self.unknown();
        }
    }

    /// The subject has said something, or can say nothing.
    pub(super) fn news(&mut self, good: bool, up: Duration) {
        if self.rule.condition != Condition::NoData {
            if self.blind_until.is_none() {
                self.unknown();
            }
            return;
        }
        let zone = if good {
            Zone::Clear
        } else {
            Zone::Bad { critical: false }
        };
        let finding = Finding::default();
        self.observe(Verdict { zone, finding }, up);
    }

    /// What it asks about is not known now: nothing begins and nothing ends.
    const fn unknown(&mut self) {
        (self.bad_at, self.critical_at, self.clear_at) = (None, None, None);
    }

    fn observe(&mut self, verdict: Verdict, up: Duration) {
        self.finding = verdict.finding;
        self.blind_until = None;
        match verdict.zone {
            Zone::Bad { critical } => {
                self.count_return(up);
                self.bad_at.get_or_insert(up);
                self.critical_at = critical.then(|| self.critical_at.unwrap_or(up));
                self.clear_at = None;
            }
            Zone::Between => self.unknown(),
            Zone::Clear => {
                (self.bad_at, self.critical_at) = (None, None);
                self.clear_at.get_or_insert(up);
            }
        }
    }

    /// An alert that is held open because it flaps goes on flapping each time it would have come
    /// anew.
    fn count_return(&mut self, up: Duration) {
        let was_away = |at: Duration| at.saturating_add(self.rule.clear_for) <= up;
        let holds = self
            .state()
            .is_some_and(|state| matches!(state, AlertState::Firing | AlertState::Acknowledged));
        if holds && self.clear_at.is_some_and(was_away) && !self.starts.is_empty() {
            self.starts.pop_front();
            self.starts.push_back(up);
        }
    }

    /// Lets time pass: whatever is due happens.
    pub(super) fn advance(&mut self, scene: &Scene<'_>, out: &mut Vec<Effect>) {
        if self.blind_until.is_some_and(|until| until <= scene.now.up) {
            self.blind_until = None;
            self.unknown();
        }
        if self.blind_until.is_some() {
            self.refresh(scene, out);
            return;
        }
        match self.state() {
            None if self.is_due(scene) => self.fire(scene, out),
            None if self.bad_at.is_some() && scene.maintenance.is_none() => {
                self.pend(scene, out);
            }
            Some(AlertState::Pending | AlertState::Resolved) if self.is_due(scene) => {
                self.fire(scene, out);
            }
            Some(AlertState::Pending) if self.bad_at.is_none() || scene.maintenance.is_some() => {
                self.close(out);
            }
            Some(AlertState::Firing | AlertState::Acknowledged) => self.burn(scene, out),
            None | Some(AlertState::Pending | AlertState::Resolved) => {}
        }
        let over = |open: &Open| {
            open.expires
                .is_some_and(|expires| expires.is_over(scene.now))
        };
        if self.state() == Some(AlertState::Resolved) && self.open.as_ref().is_some_and(over) {
            self.close(out);
        }
        self.refresh(scene, out);
    }

    /// When something happens by itself the next time.
    pub(super) fn next(&self, scene: &Scene<'_>) -> Option<Duration> {
        if self.blind_until.is_some() {
            return self.blind_until;
        }
        let begins = self.bad_at.map(|at| {
            let due = at.saturating_add(self.rule.for_);
            due.max(scene.maintenance.unwrap_or_default())
        });
        let Some(open) = &self.open else {
            return begins;
        };
        match open.alert.state {
            AlertState::Pending => begins,
            AlertState::Resolved => {
                let expires = open.expires.map(|expires| expires.up);
                begins.into_iter().chain(expires).min()
            }
            AlertState::Firing | AlertState::Acknowledged => {
                let ends = self.clear_at.map(|at| at.saturating_add(self.quiet(scene)));
                let worse = self
                    .critical_at
                    .filter(|_| open.alert.severity < Severity::Critical)
                    .map(|at| at.saturating_add(self.rule.for_));
                let heard = open.ack_until.map(|until| until.up);
                ends.into_iter().chain(worse).chain(heard).min()
            }
        }
    }

    fn is_due(&self, scene: &Scene<'_>) -> bool {
        scene.maintenance.is_none() && self.has_held(self.bad_at, scene)
    }

    fn has_held(&self, since: Option<Duration>, scene: &Scene<'_>) -> bool {
        since.is_some_and(|at| at.saturating_add(self.rule.for_) <= scene.now.up)
    }

    fn severity(&self, scene: &Scene<'_>) -> Severity {
        if self.has_held(self.critical_at, scene) {
            Severity::Critical
        } else {
            self.rule.severity
        }
    }

    fn is_flapping(&self, scene: &Scene<'_>) -> bool {
        let from = scene.now.up.saturating_sub(scene.policy.flap_window);
        let lately = self.starts.iter().filter(|at| **at >= from).count();
        lately >= scene.policy.flap_count
    }

    /// For how long the condition must be away before the alert ends.
    fn quiet(&self, scene: &Scene<'_>) -> Duration {
        if self.is_flapping(scene) {
            self.rule.clear_for.max(scene.policy.flap_quiet)
        } else {
            self.rule.clear_for
        }
    }

    fn pend(&mut self, scene: &Scene<'_>, out: &mut Vec<Effect>) {
        let alert = self.draft(AlertState::Pending, 0, scene);
        self.put(alert, scene, out);
    }

    fn fire(&mut self, scene: &Scene<'_>, out: &mut Vec<Effect>) {
        while self.starts.len() >= scene.policy.flap_count {
            self.starts.pop_front();
        }
        self.starts.push_back(scene.now.up);
        let count = self.alert().map_or(0, |alert| alert.count);
        let alert = self.draft(AlertState::Firing, count.saturating_add(1), scene);
        self.put(alert, scene, out);
        self.keep(out);
    }

    /// An alert that holds: it may get worse, be forgotten to have been seen, or end.
    fn burn(&mut self, scene: &Scene<'_>, out: &mut Vec<Effect>) {
        let severity = self.severity(scene);
        let quiet = self.quiet(scene);
        let held = self.held(scene);
        let worse = self
            .alert()
            .is_some_and(|alert| severity > alert.severity)
            .then(|| self.summary(scene, held));
        let ends = self
            .clear_at
            .is_some_and(|at| at.saturating_add(quiet) <= scene.now.up);
        let recovered = ends.then(|| self.recovered(scene, held));
        let value = self.finding.value;
        let Some(open) = &mut self.open else {
            return;
        };
        let mut changed = ends;
        if let Some(summary) = worse {
            open.alert.severity = severity;
            open.alert.summary = summary;
            (open.alert.value, open.alert.threshold) = (self.finding.value, self.finding.limit);
            changed = true;
        }
        if open.ack_until.is_some_and(|until| until.is_over(scene.now)) {
            take_back(open);
            changed = true;
        }
        let was_seen = open.alert.state == AlertState::Acknowledged;
        if let Some(summary) = recovered {
            open.alert.value = value;
            self.resolve(summary, scene);
        }
        if changed {
            self.tell(scene, out);
        }
        if ends && was_seen {
            self.close(out);
        }
    }
}
