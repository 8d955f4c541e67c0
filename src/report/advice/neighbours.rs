//! What other machines tell of themselves on the same broker, by the hour.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Machine;
use super::gather::DAYS;
use crate::host::Memory;
use crate::model::{Area, Timestamp, Topics};

/// So many machines are listened to.
const MOST: usize = 8;
/// A figure holds for so long, s: what does not change is told again before.
const HOLDS_S: f64 = 600.0;
/// An hour counts of which so much is known, s.
const KNOWN_S: f64 = 1200.0;

/// The other machines; kept over restarts by the hour.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    known: BTreeMap<String, Neighbour>,
}

/// What is known of one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Neighbour {
    cores: f64,
    total_bytes: f64,
    hours: VecDeque<Hour>,
    #[serde(skip)]
    power: Option<(Timestamp, f64)>,
    #[serde(skip)]
    usage: Option<(Timestamp, f64)>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Hour {
    /// Hours since 1970.
    number: i64,
    power_w: Mean,
    usage_pct: Mean,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_w: Option<f64>,
    used_bytes: f64,
}

/// A mean over time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Mean {
    value: f64,
    seconds: f64,
}

impl Mean {
    fn add(&mut self, value: f64, seconds: f64) {
        let all = self.seconds + seconds;
        if all > 0.0 {
            self.value = (self.value * self.seconds + value * seconds) / all;
            self.seconds = all;
        }
    }
}

fn key(node: &str) -> String {
    format!("neighbour/{node}")
}

impl Neighbours {
    /// Those that are remembered.
    pub(super) fn remembered(memory: &Memory) -> Self {
        let keys = memory.keys(&key(""));
        let known = keys.into_iter().filter_map(|at| {
            let node = at.strip_prefix(&key(""))?.to_owned();
            Some((node, memory.get(&at)?))
        });
        Self {
            known: known.collect(),
        }
    }

    /// Takes in what a machine told at `now`; whole hours are remembered.
    pub(super) fn hear(
        &mut self,
        topics: &Topics,
        (topic, payload): (&str, &[u8]),
        memory: &Memory,
        now: Timestamp,
    ) {
        let Some((node, area, subject)) = topics.of_neighbour(topic) else {
            return;
        };
        let is_new = !self.known.contains_key(node);
        let Ok(told) = serde_json::from_slice::<Json>(payload) else {
            return;
        };
        if is_new && self.known.len() >= MOST {
            return;
        }
        let one = self.known.entry(node.to_owned()).or_default();
        if one.hear(area, subject, &told, now) {
            memory.put(&key(node), one);
        }
    }

    /// What is known of each at `now`; of those that have gone silent nothing.
    pub(super) fn machines(&self, now: Timestamp) -> Vec<Machine> {
        let since = hour_of(now) - DAYS * 24;
        let machine = |(name, one): (&String, &Neighbour)| one.machine(name, since);
        self.known.iter().filter_map(machine).collect()
    }
}

impl Neighbour {
    /// Whether an hour is over.
    fn hear(&mut self, area: Area, subject: &str, told: &Json, now: Timestamp) -> bool {
        let number = hour_of(now);
        let is_over = self.hours.back().is_some_and(|hour| hour.number < number);
        if is_over || self.hours.is_empty() {
            self.hours.push_back(Hour {
                number,
                ..Hour::default()
            });
            self.hours
                .retain(|hour| (number - DAYS * 24..=number).contains(&hour.number));
        }
        let figure = |key: &str, fits: RangeInclusive<f64>| {
            let figure = told.get(key).and_then(Json::as_f64);
            figure.filter(|figure| fits.contains(figure))
        };
        let Some(hour) = self.hours.back_mut() else {
            return is_over;
        };
        match (area, subject) {
            (Area::Power, "host") => {
                hold(
                    &mut self.power,
                    &mut hour.power_w,
                    figure("power_w", 0.0..=1e5),
                    now,
                );
                hour.idle_w = figure("idle_w", 0.0..=1e5).or(hour.idle_w);
            }
            (Area::Health, "cpu") => {
                let usage = figure("usage_pct", 0.0..=100.0);
                hold(&mut self.usage, &mut hour.usage_pct, usage, now);
                self.cores = figure("cores", 1.0..=1024.0).unwrap_or(self.cores);
            }
            (Area::Health, "memory") => {
                let used = figure("used_bytes", 0.0..=1e14).unwrap_or(0.0);
                hour.used_bytes = hour.used_bytes.max(used);
                self.total_bytes = figure("total_bytes", 0.0..=1e14).unwrap_or(self.total_bytes);
            }
            _ => {}
        }
        is_over
    }

    fn machine(&self, name: &str, since: i64) -> Option<Machine> {
        let known = |hour: &&Hour| {
            hour.number >= since
                && hour.power_w.seconds >= KNOWN_S
                && hour.usage_pct.seconds >= KNOWN_S
        };
        let hours: Vec<&Hour> = self.hours.iter().filter(known).collect();
        let mean = |of: fn(&Hour) -> f64| {
            let mut mean = Mean::default();
            for hour in &hours {
                mean.add(of(hour), 1.0);
            }
            mean.value
        };
        let most = |of: fn(&Hour) -> f64| hours.iter().map(|hour| of(hour)).reduce(f64::max);
        let least_w = hours
            .iter()
            .map(|hour| hour.power_w.value)
            .reduce(f64::min)?;
        let idle_w = hours.iter().rev().find_map(|hour| hour.idle_w);
        let used_bytes = most(|hour| hour.used_bytes).filter(|used| *used > 0.0)?;
        let busy = |pct: f64| pct / 100.0 * self.cores;
        (self.cores > 0.0).then(|| Machine {
            name: name.to_owned(),
            hours: hours.len(),
            mean_w: mean(|hour| hour.power_w.value),
            idle_w: idle_w.unwrap_or(least_w),
            cores: self.cores,
            busy: busy(mean(|hour| hour.usage_pct.value)),
            busiest: busy(most(|hour| hour.usage_pct.value).unwrap_or(100.0)),
            used_bytes,
            total_bytes: self.total_bytes,
        })
    }
}

/// Adds what `held` has held until `now` to `mean`; from now on it holds `value`.
fn hold(held: &mut Option<(Timestamp, f64)>, mean: &mut Mean, value: Option<f64>, now: Timestamp) {
    if let Some((since, value)) = *held {
        let passed = now.duration_since(since).as_secs_f64();
        mean.add(value, passed.clamp(0.0, HOLDS_S));
    }
    *held = value.map(|value| (now, value));
}

fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}
