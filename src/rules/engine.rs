use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::RulesConfig;
use crate::model::{Alert, AlertState, Batch, Command, CommandResult, Outcome, Reading, slug};

use super::record::AlertRecord;
use super::silence::Silences;
use super::thing::Thing;
use super::track::{Scene, Track};
use super::{Ledger, Moment};

/// What the engine hears.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A tick's readings.
    Batch(&'a Batch),
    /// Another node's status.
    Node {
        /// Its name.
        name: &'a str,
        /// Whether it says that it is online.
        online: bool,
    },
    /// A command about alerts.
    Command(&'a Command),
    /// Nothing but the time: [`Engine::next_deadline`] has come.
    Time,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An alert is new or has changed.
    Alert(Alert),
    /// An alert is over and done with.
    Cleared(Alert),
    /// Keep a record over restarts, before anybody is told of it.
    Keep(Ledger, String, Vec<u8>),
    /// Remove a record.
    Forget(Ledger, String),
    /// A record makes no sense: remove it and say so in the log.
    Unreadable(Ledger, String),
    /// The answer to the command.
    Answer(CommandResult),
}

/// Watches every reading and decides what is an alert.
#[derive(Debug)]
pub struct Engine {
    pub(super) config: RulesConfig,
    pub(super) things: BTreeMap<String, Thing>,
    pub(super) silences: Silences,
    /// Counts outcomes, to tell what the last one of a collector listed.
    outcomes: u64,
    next: Option<Duration>,
}

impl Engine {
    /// An engine that goes on where `alerts` and `silences`, the kept records by key, ended. The
    /// effects tell what became of them.
    pub fn new(
        config: RulesConfig,
        alerts: Vec<(String, Vec<u8>)>,
        silences: Vec<(String, Vec<u8>)>,
        now: Moment,
    ) -> (Self, Vec<Effect>) {
        let mut engine = Self {
            config,
            things: BTreeMap::new(),
            silences: Silences::default(),
            outcomes: 0,
            next: None,
        };
        let mut effects = Vec::new();
        for (key, record) in silences {
            effects.extend(engine.silences.restore(key, &record, now));
        }
        for (key, record) in alerts {
            effects.extend(engine.restore(key, &record, now));
        }
        engine.settle(now, &mut effects);
        (engine, effects)
    }

    /// What follows from `input` at `now`.
    pub fn step(&mut self, now: Moment, input: Input<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut answer = None;
        match input {
            Input::Batch(batch) => {
                for outcome in &batch.outcomes {
                    self.outcome(outcome, now.up);
                }
            }
            Input::Node { name, online } => {
                let key = format!("node/{}", slug(name));
                self.news(&key, name, if online { Ok(()) } else { Err("") }, now.up);
            }
            Input::Command(command) => answer = Some(self.command(command, now, &mut effects)),
            Input::Time => {}
        }
        self.settle(now, &mut effects);
        effects.extend(answer.map(Effect::Answer));
        effects
    }

    /// When, on [`Moment::up`], something happens without any news: time for [`Input::Time`].
    pub const fn next_deadline(&self) -> Option<Duration> {
        self.next
    }

    fn restore(&mut self, key: String, record: &[u8], now: Moment) -> Option<Effect> {
        let Ok(record) = serde_json::from_slice::<AlertRecord>(record) else {
            return Some(Effect::Unreadable(Ledger::Alerts, key));
        };
        let alert = record.alert.clone();
        let thing = self.thing(&alert.subject, now.up)?;
        let same = thing.tracks.iter_mut().find(|track| {
            track.rule.id == alert.rule && track.rule.alert_id(&alert.subject) == key
        });
        match same {
            Some(track) if alert.id == key && alert.state != AlertState::Pending => {
                thing.label.clone_from(&record.label);
                track.restore(record, now);
                Some(Effect::Alert(alert))
            }
            // Nobody judges it any more: its rule is gone, switched off or looks elsewhere.
            _ => {
                let gone = self.things.get(&alert.subject);
                if gone.is_some_and(|thing| thing.tracks.is_empty()) {
                    self.things.remove(&alert.subject);
                }
                Some(Effect::Forget(Ledger::Alerts, key))
            }
        }
    }

    /// The thing of this key, made if it is new.
    pub(super) fn thing(&mut self, key: &str, up: Duration) -> Option<&mut Thing> {
        if !self.things.contains_key(key) {
            let thing = Thing::new(key, &self.config.rules, up);
            self.things.insert(key.to_owned(), thing);
        }
        self.things.get_mut(key)
    }

    fn outcome(&mut self, outcome: &Outcome, up: Duration) {
        self.outcomes += 1;
        let readings = match &outcome.result {
            Ok(readings) => readings.as_slice(),
            Err(_) => &[],
        };
        for reading in readings {
            self.reading(outcome.collector, reading, up);
        }
        let mark = self.outcomes;
        for thing in self.things.values_mut() {
            let of_it = thing.collector == Some(outcome.collector);
            if of_it && thing.lost_at.is_none() && thing.listed != mark {
                thing.lose(up);
            }
        }
        let key = format!("collector/{}", slug(outcome.collector));
        let news = outcome.result.as_ref().map(drop).map_err(String::as_str);
        self.news(&key, outcome.collector, news, up);
    }

    fn reading(&mut self, collector: &'static str, reading: &Reading, up: Duration) {
        let mark = self.outcomes;
        let Some(thing) = self.thing(reading.subject.key(), up) else {
            return;
        };
        if thing.label.as_ref() != Some(&reading.subject.label) {
            thing.label = Some(reading.subject.label.clone());
        }
        thing.collector = Some(collector);
        thing.listed = mark;
        thing.lost_at = None;
        for track in &mut thing.tracks {
            track.read(reading, up);
        }
    }

    /// Something is known of a collector or a node: that it works, or that it does not.
    fn news(&mut self, key: &str, label: &str, news: Result<(), &str>, up: Duration) {
        let Some(thing) = self.thing(key, up) else {
            return;
        };
        if thing.label.is_none() {
            thing.label = Some(label.to_owned());
        }
        // Bad news are news: a thing that is known to be away is not forgotten.
        thing.lost_at = None;
        match news {
            Ok(()) => thing.error = None,
            Err(error) => {
                if thing.error.as_deref() != Some(error) {
                    thing.error = Some(error.to_owned());
                }
            }
        }
        for track in &mut thing.tracks {
            track.news(news.is_ok(), up);
        }
    }

    /// Lets everything happen that is due, and finds out what is next.
    pub(super) fn settle(&mut self, now: Moment, out: &mut Vec<Effect>) {
        let Self {
            config,
            things,
            silences,
            ..
        } = self;
        silences.expire(now, out);
        things.retain(|_, thing| !thing.is_forgotten(now.up));
        let fails = |(key, thing): (&String, &Thing)| {
            (thing.error.is_some() && key.starts_with("collector/")).then(|| key.clone())
        };
        let failing: Vec<String> = things.iter().filter_map(fails).collect();
        let mut next = silences.next();
        let mut sooner = |at: Option<Duration>| {
            next = next.into_iter().chain(at).min();
        };
        for (key, thing) in things {
            if !thing.tracks.iter().any(Track::is_active) {
                continue;
            }
            let gone = thing.lost_at.filter(|_| !thing.waits_for(&failing));
            let label = thing.label.as_deref().unwrap_or(key);
            let error = thing.error.as_deref().filter(|error| !error.is_empty());
            for track in thing.tracks.iter_mut().filter(|track| track.is_active()) {
                let id = track.rule.alert_id(key);
                let scene = Scene {
                    now,
                    policy: config,
                    subject: key,
                    label,
                    error,
                    silenced: silences.silenced(&id, &track.rule.id, key),
                    maintenance: silences.in_maintenance(key),
                };
                track.advance(&scene, out);
                let given_up = gone.and_then(|at| track.given_up_at(at, config));
                if given_up.is_some_and(|at| at <= now.up) {
                    track.give_up(&scene, out);
                } else {
                    sooner(given_up);
                }
                sooner(track.next(&scene));
            }
        }
        self.next = next;
    }
}
