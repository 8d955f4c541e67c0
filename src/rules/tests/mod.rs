//! A house with a clock that is turned by hand.

mod adversarial;
mod lifecycle;
mod noisy;
mod property;
mod restart;
mod silences;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::{File, FileFormat, Source as _, Value as ConfigValue};

use super::*;
use crate::config::{Problems, RulesConfig, Section};
use crate::model::{
    Alert, AlertState, Area, Batch, Command, CommandResult, FlagMeaning, Metric, Origin, Outcome,
    Reading, Subject, Timestamp, Unit,
};

pub(super) static TEMPERATURE: Metric =
    Metric::gauge("temperature_c", "Temperature", Unit::Celsius)
        .decimals(1)
        .dead_band(1.0);
pub(super) static CRITICAL: Metric =
    Metric::gauge("critical_c", "Critical temperature", Unit::Celsius).decimals(1);
pub(super) static USED: Metric = Metric::gauge("used_pct", "Used", Unit::Percent)
    .decimals(1)
    .dead_band(0.5);
pub(super) static READ_ONLY: Metric = Metric::flag("read_only", "Read-only", FlagMeaning::Problem);
pub(super) static ERRORS: Metric = Metric::total("rx_errors", "Receive errors", Unit::None);
pub(super) static STATE: Metric = Metric::state("state", "State", &["ok", "degraded"]);

/// Nothing but the rules of the text.
pub(super) fn only(rules: &str) -> RulesConfig {
    let all = RulesConfig::default().rules;
    let off = all
        .iter()
        .map(|rule| format!("[{}]\nenabled = false\n", rule.id));
    let text: String = off.collect();
    configured(&format!("{rules}\n{text}"))
}

/// The rules that come along, changed by the text.
pub(super) fn configured(text: &str) -> RulesConfig {
    let problems = Problems::default();
    let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
    let rules = RulesConfig::for_test(Section::root(ConfigValue::from(table), &problems));
    assert_eq!(problems.into_vec(), Vec::new());
    rules
}

/// A rule about one temperature: above 90 °C for a minute, over below 85 °C for half of one.
pub(super) const HOT: &str = "[hot]\nseries = \"health/temp-*/temperature_c\"\nabove = 90\n\
                              clear = 85\ncritical = 100\nfor = \"1m\"\nclear_for = \"30s\"\n\
                              summary = \"{subject} is at {value}, above {limit} for {for}\"";
pub(super) const ID: &str = "hot-health-temp-cpu";

/// The engine, the records it keeps, and what the world sees.
pub(super) struct House {
    pub(super) engine: Engine,
    pub(super) config: RulesConfig,
    pub(super) now: Moment,
    pub(super) records: BTreeMap<String, Vec<u8>>,
    pub(super) silences: BTreeMap<String, Vec<u8>>,
    pub(super) alerts: BTreeMap<String, Alert>,
    /// Every alert as it was told, and `cleared <id>`.
    pub(super) told: Vec<(String, AlertState)>,
    pub(super) cleared: usize,
    pub(super) unreadable: usize,
    answer: Option<CommandResult>,
}

impl House {
    pub(super) fn new(config: RulesConfig) -> Self {
        let now = Moment {
            wall: "2026-01-01T00:00:00Z".parse().unwrap(),
            up: Duration::ZERO,
        };
        let (engine, _) = Engine::new(config.clone(), Vec::new(), Vec::new(), now);
        Self {
            engine,
            config,
            now,
            records: BTreeMap::new(),
            silences: BTreeMap::new(),
            alerts: BTreeMap::new(),
            told: Vec::new(),
            cleared: 0,
            unreadable: 0,
            answer: None,
        }
    }

    /// `kill -9` and a start `away` later.
    pub(super) fn restart(&mut self, away: Duration) {
        self.now.wall = self.now.wall.checked_add(away).unwrap();
        self.now.up = Duration::ZERO;
        self.alerts.clear();
        let (engine, effects) = Engine::new(
            self.config.clone(),
            self.records.clone().into_iter().collect(),
            self.silences.clone().into_iter().collect(),
            self.now,
        );
        self.engine = engine;
        self.take(effects);
    }

    /// `SIGHUP` with these rules; the clock goes on.
    pub(super) fn reload(&mut self, config: RulesConfig) {
        self.alerts.clear();
        let (mut engine, effects) = Engine::new(
            config.clone(),
            self.records.clone().into_iter().collect(),
            self.silences.clone().into_iter().collect(),
            self.now,
        );
        self.take(effects);
        std::mem::swap(&mut engine, &mut self.engine);
        let effects = self.engine.take_over(engine, self.now);
        self.take(effects);
        self.config = config;
    }

    pub(super) fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Alert(alert) => {
                    self.told.push((alert.id.clone(), alert.state));
                    self.alerts.insert(alert.id.clone(), alert);
                }
                Effect::Cleared(alert) => {
                    self.cleared += 1;
                    self.alerts.remove(&alert.id);
                }
                Effect::Keep(Ledger::Alerts, key, record) => {
                    self.records.insert(key, record);
                }
                Effect::Keep(Ledger::Silences, key, record) => {
                    self.silences.insert(key, record);
                }
                Effect::Forget(Ledger::Alerts, key) => {
                    self.records.remove(&key);
                }
                Effect::Forget(Ledger::Silences, key) => {
                    self.silences.remove(&key);
                }
                Effect::Unreadable(..) => self.unreadable += 1,
                Effect::Answer(result) => self.answer = Some(result),
            }
        }
    }

    /// Lets time pass as the runner does: at every deadline on the way.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.up + time;
        loop {
            let due = self.engine.next_deadline().filter(|due| *due <= end);
            self.turn_to(due.unwrap_or(end));
            let effects = self.engine.step(self.now, Input::Time);
            self.take(effects);
            if due.is_none() {
                return;
            }
            let next = self.engine.next_deadline();
            assert!(
                next.is_none_or(|next| next > self.now.up),
                "time would stand still"
            );
        }
    }

    fn turn_to(&mut self, up: Duration) {
        let passed = up.saturating_sub(self.now.up);
        self.now.wall = self.now.wall.checked_add(passed).unwrap();
        self.now.up = self.now.up.max(up);
    }

    pub(super) fn batch(&mut self, collector: &'static str, result: Result<Vec<Reading>, &str>) {
        let batch = Batch {
            at: self.now.wall,
            outcomes: vec![Outcome {
                collector,
                result: result.map_err(str::to_owned),
            }],
        };
        let effects = self.engine.step(self.now, Input::Batch(&batch));
        self.take(effects);
    }

    pub(super) fn read(&mut self, readings: Vec<Reading>) {
        self.batch("hwmon", Ok(readings));
    }

    /// The CPU's temperature now.
    pub(super) fn cpu(&mut self, celsius: f64) {
        self.read(vec![temperature("temp-cpu", celsius)]);
    }

    /// The same for a while, read every ten seconds.
    pub(super) fn cpu_for(&mut self, celsius: f64, time: Duration) {
        let end = self.now.up + time;
        self.cpu(celsius);
        while self.now.up < end {
            self.pass(Duration::from_secs(10));
            self.cpu(celsius);
        }
    }

    pub(super) fn command(&mut self, name: &str, payload: &str) -> Result<(), String> {
        let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
        let effects = self.engine.step(self.now, Input::Command(&command));
        self.take(effects);
        let result = self.answer.take().unwrap();
        assert_eq!(result.command, name);
        assert_eq!(result.ok, result.error.is_none());
        result.error.map_or(Ok(()), Err)
    }

    pub(super) fn node(&mut self, name: &str, online: bool) {
        let effects = self.engine.step(self.now, Input::Node { name, online });
        self.take(effects);
    }

    pub(super) fn state(&self, id: &str) -> Option<AlertState> {
        self.alerts.get(id).map(|alert| alert.state)
    }

    pub(super) fn alert(&self, id: &str) -> &Alert {
        &self.alerts[id]
    }

    /// How often an alert was told in a state.
    pub(super) fn times(&self, state: AlertState) -> usize {
        self.told.iter().filter(|(_, told)| *told == state).count()
    }
}

pub(super) fn subject(id: &str, label: &str) -> Arc<Subject> {
    Subject::of_host(Area::Health, id, label)
}

pub(super) fn temperature(id: &str, celsius: f64) -> Reading {
    Reading::new(&subject(id, "CPU package")).with(&TEMPERATURE, celsius)
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn mins(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

pub(super) const fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

pub(super) fn wall(text: &str) -> Timestamp {
    text.parse().unwrap()
}
