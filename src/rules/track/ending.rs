use std::time::Duration;

use super::{Open, Scene, Track};
use crate::config::{Condition, RulesConfig};
use crate::model::{AlertState, spoken};
use crate::rules::engine::Effect;
use crate::rules::{Deadline, Ledger, Moment};

/// What tells nothing for so long is gone, not busy.
const GONE: Duration = Duration::from_mins(10);

/// What people answer to an alert, and how it ends for good.
impl Track {
    /// Takes note of it. One that is over is done with then.
    pub(in crate::rules) fn acknowledge(
        &mut self,
        by: &str,
        note: Option<&str>,
        until: Option<Deadline>,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(open) = &mut self.open else {
            return;
        };
        open.alert.acknowledged_by = Some(by.to_owned());
        open.alert.acknowledged_at = Some(now.wall);
        open.alert.note = note.map(str::to_owned);
        if open.alert.state == AlertState::Resolved {
            out.push(Effect::Alert(open.alert.clone()));
            self.close(out);
            return;
        }
        open.alert.state = AlertState::Acknowledged;
        open.ack_until = until;
        open.acked_at = Some(now.up);
        out.push(Effect::Alert(open.alert.clone()));
        self.keep(out);
    }

    /// Takes the acknowledgment back.
    pub(in crate::rules) fn unacknowledge(&mut self, out: &mut Vec<Effect>) {
        if let Some(open) = &mut self.open {
            take_back(open);
            out.push(Effect::Alert(open.alert.clone()));
            self.keep(out);
        }
    }

    /// Ends it for good: nothing is left of it.
    pub(in crate::rules) fn close(&mut self, out: &mut Vec<Effect>) {
        let Some(open) = self.open.take() else {
            return;
        };
        if open.alert.state != AlertState::Pending {
            out.push(Effect::Forget(Ledger::Alerts, open.alert.id.clone()));
        }
        out.push(Effect::Cleared(open.alert));
    }

    /// When its alert ends because its thing has told nothing since `lost_at`, though whatever tells
    /// of such things works: with the word of somebody who knows that it is gone, else after long.
    pub(in crate::rules) fn given_up_at(
        &self,
        lost_at: Duration,
        policy: &RulesConfig,
    ) -> Option<Duration> {
        let open = self.open.as_ref()?;
        let is_gone = lost_at.saturating_add(GONE);
        // That nothing is told is what such an alert says.
        let is_silence = self.rule.condition == Condition::NoData;
        match open.alert.state {
            AlertState::Acknowledged => {
                let knows = |at: &Duration| *at >= is_gone && !is_silence;
                let told_at = open.acked_at.filter(knows);
                Some(told_at.unwrap_or_else(|| lost_at.saturating_add(policy.forget_after)))
            }
            AlertState::Firing if !is_silence => Some(lost_at.saturating_add(policy.give_up_after)),
            AlertState::Firing | AlertState::Pending | AlertState::Resolved => None,
        }
    }

    /// Ends it, for its thing is gone. What nobody has seen is told as over first.
    pub(in crate::rules) fn give_up(&mut self, scene: &Scene<'_>, out: &mut Vec<Effect>) {
        if self.state() == Some(AlertState::Acknowledged) {
            self.forget(out);
            return;
        }
        self.unknown();
        let gone = spoken(scene.policy.give_up_after);
        let label = scene.label;
        let summary =
            format!("{label} is gone: it has told nothing for {gone}, so nobody knows more");
        self.resolve(summary, scene);
        self.tell(scene, out);
    }

    /// It is over, as `summary` says; it stays to be seen for a while.
    pub(super) fn resolve(&mut self, summary: String, scene: &Scene<'_>) {
        if let Some(open) = &mut self.open {
            open.alert.summary = summary;
            open.alert.state = AlertState::Resolved;
            open.ack_until = None;
            open.expires = Some(Deadline::after(scene.policy.keep_resolved, scene.now));
        }
    }

    /// Ends it for good and forgets what was seen, so that nothing begins before the next news.
    pub(in crate::rules) fn forget(&mut self, out: &mut Vec<Effect>) {
        self.blind_until = None;
        self.unknown();
        self.close(out);
    }
}

pub(super) fn take_back(open: &mut Open) {
    (open.ack_until, open.acked_at) = (None, None);
    open.alert.state = AlertState::Firing;
    open.alert.acknowledged_by = None;
    open.alert.acknowledged_at = None;
    open.alert.note = None;
}
