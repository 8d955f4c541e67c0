use std::time::Duration;

use super::{Open, Scene, Track};
use crate::model::{Alert, AlertState, spoken};
use crate::rules::Ledger;
use crate::rules::engine::Effect;
use crate::rules::record::{AlertRecord, Timed, encode};
use crate::rules::text::{Facts, fill};

/// A figure that has changed is told at most this often.
const RETELL: Duration = Duration::from_mins(1);

/// What is told and kept of an alert.
impl Track {
    pub(super) fn draft(&self, state: AlertState, count: u32, scene: &Scene<'_>) -> Alert {
        let began = self.bad_at.unwrap_or(scene.now.up);
        let summary = self.summary(scene, scene.now.up.saturating_sub(began));
        Alert {
            id: self.rule.alert_id(scene.subject),
            rule: self.rule.id.clone(),
            severity: self.severity(scene),
            state,
            subject: scene.subject.to_owned(),
            summary,
            value: self.finding.value,
            threshold: self.finding.limit,
            since: scene.now.wall_at(began),
            acknowledged_by: None,
            acknowledged_at: None,
            note: None,
            silenced_until: scene.silenced,
            count,
        }
    }

    pub(super) fn summary(&self, scene: &Scene<'_>, held: Duration) -> String {
        let facts = Facts {
            subject: scene.label,
            finding: &self.finding,
            held,
            error: scene.error,
        };
        let summary = fill(&self.rule.summary, &facts);
        if !self.is_flapping(scene) {
            return summary;
        }
        let (starts, window) = (self.starts.len(), spoken(scene.policy.flap_window));
        format!("{summary}; it came and went {starts} times within {window}")
    }

    /// What is said when it is over.
    pub(super) fn recovered(&self, scene: &Scene<'_>, held: Duration) -> String {
        let facts = Facts {
            subject: scene.label,
            finding: &self.finding,
            held,
            error: None,
        };
        fill(&self.rule.recovered, &facts)
    }

    /// Tells and keeps it as it is now.
    pub(super) fn tell(&mut self, scene: &Scene<'_>, out: &mut Vec<Effect>) {
        if let Some(open) = &mut self.open {
            open.told_at = scene.now.up;
            out.push(Effect::Alert(open.alert.clone()));
            self.keep(out);
        }
    }

    pub(super) fn put(&mut self, alert: Alert, scene: &Scene<'_>, out: &mut Vec<Effect>) {
        out.push(Effect::Alert(alert.clone()));
        self.open = Some(Open {
            alert,
            label: Some(scene.label.to_owned()),
            ack_until: None,
            acked_at: None,
            expires: None,
            began: self.bad_at,
            told_at: scene.now.up,
        });
    }

    /// For how long its condition has held; of one that flaps, since it came the last time.
    pub(super) fn held(&self, scene: &Scene<'_>) -> Duration {
        let Some(open) = &self.open else {
            return Duration::ZERO;
        };
        if let (true, Some(at)) = (self.is_flapping(scene), self.bad_at) {
            return scene.now.up.saturating_sub(at);
        }
        let told = || {
            let length = scene.now.wall.duration_since(open.alert.since);
            Duration::try_from(length).unwrap_or_default()
        };
        open.began
            .map_or_else(told, |began| scene.now.up.saturating_sub(began))
    }

    /// Tells what has changed but is no turn in its life: silences at once, figures sparingly.
    pub(super) fn refresh(&mut self, scene: &Scene<'_>, out: &mut Vec<Effect>) {
        let held = self.held(scene);
        let Some(open) = &self.open else {
            return;
        };
        let silence = open.alert.silenced_until != scene.silenced;
        let burns = matches!(
            open.alert.state,
            AlertState::Firing | AlertState::Acknowledged
        );
        let figure = burns
            && open.told_at.saturating_add(RETELL) <= scene.now.up
            && self.finding.metric.is_some()
            && self.finding.differs(open.alert.value);
        if !silence && !figure {
            return;
        }
        let summary = (figure && self.bad_at.is_some()).then(|| self.summary(scene, held));
        let Some(open) = &mut self.open else {
            return;
        };
        open.alert.silenced_until = scene.silenced;
        if figure {
            open.alert.value = self.finding.value;
            if let Some(summary) = summary {
                open.alert.summary = summary;
                open.alert.threshold = self.finding.limit;
            }
            open.told_at = scene.now.up;
        }
        out.push(Effect::Alert(open.alert.clone()));
    }

    pub(super) fn keep(&self, out: &mut Vec<Effect>) {
        let Some(open) = &self.open else {
            return;
        };
        let record = AlertRecord {
            alert: open.alert.clone(),
            label: open.label.clone(),
            ack_until: open.ack_until.map(Timed::from),
            expires: open.expires.map(Timed::from),
        };
        out.push(Effect::Keep(
            Ledger::Alerts,
            open.alert.id.clone(),
            encode(&record),
        ));
    }
}
