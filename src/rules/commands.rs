//! What commands do to alerts.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::nearest;
use crate::model::{Action, AlertState, AlertTarget, Command, CommandResult, Timestamp, glob};

use super::engine::{Effect, Engine};
use super::track::Track;
use super::{Deadline, Moment, silence};

/// So many ids an answer names at most; of others it tells the number.
const LISTED: usize = 100;

impl Engine {
    /// Carries a command out, or changes nothing and says why.
    pub(super) fn command(
        &mut self,
        command: &Command,
        now: Moment,
        out: &mut Vec<Effect>,
    ) -> CommandResult {
        let result = match &command.action {
            Action::Ack { target, note, for_ } => {
                let until = for_.map(|length| Deadline::after(length, now));
                let acknowledge = |track: &mut Track, out: &mut Vec<Effect>| {
                    track.acknowledge(command.sender(), note.as_deref(), until, now, out);
                };
                self.on_alerts(target, may_ack, acknowledge, out)
            }
            Action::Unack { target } => {
                self.on_alerts(target, may_unack, Track::unacknowledge, out)
            }
            Action::SilenceAlert { alert, for_ } => self
                .alert_exists(alert)
                .and_then(|()| self.silence(silence::of_alert(alert), *for_, now, out)),
            Action::SilenceRule { rule, for_ } => self
                .rule_exists(rule)
                .and_then(|()| self.silence(silence::of_rule(rule), *for_, now, out)),
            Action::Maintenance { for_, subjects } => self.maintenance(*for_, subjects, now, out),
            // It came here because no part has taken it upon itself.
            Action::Order(_) => Err(format!(
                "\"{}\" is not allowed by the configuration",
                command.name
            )),
        };
        match result {
            Ok(detail) => command.done(detail),
            Err(error) => command.refused(error),
        }
    }

    /// Does `act` to the alerts of `target` that `may` allows; all that it does not allow are no
    /// error as long as there is one that it does.
    fn on_alerts(
        &mut self,
        target: &AlertTarget,
        may: fn(AlertState) -> Result<(), &'static str>,
        act: impl Fn(&mut Track, &mut Vec<Effect>),
        out: &mut Vec<Effect>,
    ) -> Result<Json, String> {
        if let AlertTarget::One(id) = target {
            self.alert_exists(id)?;
        }
        let mut done = Vec::new();
        let mut refusal = None;
        for track in self.things.values_mut().flat_map(|thing| &mut thing.tracks) {
            let Some(alert) = track.alert() else {
                continue;
            };
            let meant = match target {
                AlertTarget::All => true,
                AlertTarget::One(id) => alert.id == *id,
            };
            if !meant {
                continue;
            }
            let id = alert.id.clone();
            match may(alert.state) {
                Ok(()) => {
                    act(track, out);
                    done.push(id);
                }
                Err(why) => refusal = Some(format!("\"{id}\" {why}")),
            }
        }
        match (done.is_empty(), target, refusal) {
            (false, _, _) => Ok(listed(&done)),
            (true, AlertTarget::One(_), Some(refusal)) => Err(refusal),
            (true, _, _) => Err("there is no alert that this could be done to".to_owned()),
        }
    }

    /// Sets or, with a length of zero, ends a silence.
    fn silence(
        &mut self,
        key: String,
        length: Duration,
        now: Moment,
        out: &mut Vec<Effect>,
    ) -> Result<Json, String> {
        if length.is_zero() {
            let ended = self.silences.end(&key).ok_or("it is not silenced")?;
            out.push(ended);
            return Ok(json!({}));
        }
        let until = Deadline::after(length, now);
        out.push(self.silences.set(key, until, Vec::new()));
        Ok(json!({ "until": shown(until.wall) }))
    }

    fn maintenance(
        &mut self,
        length: Duration,
        subjects: &[String],
        now: Moment,
        out: &mut Vec<Effect>,
    ) -> Result<Json, String> {
        let mut subjects = subjects.to_vec();
        subjects.sort_unstable();
        subjects.dedup();
        let key = silence::of_maintenance(&subjects);
        if length.is_zero() {
            let ended: Vec<Effect> = if subjects.is_empty() {
                self.silences.end_maintenance()
            } else {
                self.silences.end(&key).into_iter().collect()
            };
            if ended.is_empty() {
                return Err("there is no such maintenance window".to_owned());
            }
            out.extend(ended);
            return Ok(json!({}));
        }
        for subject in &subjects {
            self.subject_exists(subject)?;
        }
        let until = Deadline::after(length, now);
        let detail = json!({ "until": shown(until.wall), "subjects": subjects });
        out.push(self.silences.set(key, until, subjects));
        Ok(detail)
    }

    fn alert_exists(&self, id: &str) -> Result<(), String> {
        let tracks = self.things.values().flat_map(|thing| &thing.tracks);
        let alerts = tracks.filter_map(Track::alert);
        exists("alert", id, alerts.map(|alert| alert.id.as_str()))
    }

    fn rule_exists(&self, id: &str) -> Result<(), String> {
        let rules = self.config.rules.iter().map(|rule| rule.id.as_str());
        exists("rule", id, rules)
    }

    fn subject_exists(&self, pattern: &str) -> Result<(), String> {
        if self.things.keys().any(|key| glob(pattern, key)) {
            return Ok(());
        }
        exists("subject", pattern, self.things.keys().map(String::as_str))
    }
}

/// The answer's list, bounded.
fn listed(ids: &[String]) -> Json {
    let (shown, more) = ids.split_at(ids.len().min(LISTED));
    if more.is_empty() {
        json!({ "alerts": shown })
    } else {
        json!({ "alerts": shown, "more": more.len() })
    }
}

fn exists<'a>(kind: &str, name: &str, all: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let all: Vec<&str> = all.collect();
    if all.contains(&name) {
        return Ok(());
    }
    let shown: String = name.chars().take(100).collect();
    // The distance to a very long name costs much and tells nothing.
    let near = (name.len() <= 200).then(|| nearest(name, &all)).flatten();
    let hint = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    Err(format!("there is no {kind} \"{shown}\"{hint}"))
}

const fn may_ack(state: AlertState) -> Result<(), &'static str> {
    match state {
        AlertState::Firing | AlertState::Acknowledged | AlertState::Resolved => Ok(()),
        AlertState::Pending => Err("is only pending; it can be acknowledged once it fires"),
    }
}

const fn may_unack(state: AlertState) -> Result<(), &'static str> {
    match state {
        AlertState::Acknowledged => Ok(()),
        AlertState::Pending | AlertState::Firing | AlertState::Resolved => {
            Err("is not acknowledged")
        }
    }
}

fn shown(at: Timestamp) -> String {
    format!("{at:.3}")
}
