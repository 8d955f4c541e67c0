use serde_json::Value as Json;

use super::esphome::{Field, plain};
use super::{Dialect, Recogniser, json, number};
use crate::config::{EnergyUnit, Fields, PowerUnit};
use crate::meter::figures::{Figures, Heard};
use crate::meter::found::Found;

/// emonHub: `<node topic>/<variable>` with a plain number each, or one object on the node's topic
/// (`emon/emonpi`). Counters are in Wh.
pub(super) struct Emonhub {
    topic: String,
    fields: Vec<(String, Field)>,
}

impl Emonhub {
    pub(super) fn new(topic: String, fields: &Fields) -> Self {
        let fields = Field::all(fields);
        Self { topic, fields }
    }
}

impl Dialect for Emonhub {
    fn maker(&self) -> &'static str {
        "emonHub"
    }

    fn filters(&self) -> Vec<String> {
        let topics = self
            .fields
            .iter()
            .map(|(name, _)| format!("{}/{name}", self.topic));
        topics.chain([self.topic.clone()]).collect()
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        let mut heard = Heard::default();
        if topic == self.topic {
            let Some(Json::Object(all)) = json(payload) else {
                return Heard::unreadable();
            };
            let mut figures = Figures::default();
            for (name, field) in &self.fields {
                if let Some(value) = all.get(name).and_then(number) {
                    field.put(&mut figures, value);
                }
            }
            heard = Heard::part(0, figures);
        } else if let Some(name) = topic.strip_prefix(&self.topic)
            && let Some(name) = name.strip_prefix('/')
            && let Some((_, field)) = self.fields.iter().find(|(known, _)| known == name)
        {
            heard = plain(*field, payload);
        }
        for (_, figures) in &mut heard.parts {
            figures.energy_kwh = figures.energy_kwh.map(|wh| wh / 1000.0);
        }
        heard
    }

    fn units(&self) -> (PowerUnit, EnergyUnit) {
        (PowerUnit::Watt, EnergyUnit::WattHour)
    }

    fn silent_after(&self) -> std::time::Duration {
        std::time::Duration::from_mins(5)
    }
}

pub(super) const RECOGNISER: Recogniser = Recogniser {
    filters: &["emon/+/+", "emon/+"],
    find,
};

/// `power1` as an emonPi has it, `P1` as its successor does.
fn is_power(variable: &str) -> bool {
    let digits = variable.strip_prefix('P');
    variable.to_ascii_lowercase().starts_with("power")
        || digits.is_some_and(|digits| digits.parse::<u8>().is_ok())
}

fn find(topic: &str, payload: &str) -> Vec<Found> {
    let words: Vec<&str> = topic.split('/').collect();
    let variable = match words.as_slice() {
        ["emon", _, variable] => Some((*variable).to_owned()).filter(|name| is_power(name)),
        // All variables in one object.
        _ => match json(payload) {
            Some(Json::Object(all)) => all.into_iter().map(|(name, _)| name).find(|n| is_power(n)),
            _ => None,
        },
    };
    let node = words.iter().take(2).copied().collect::<Vec<_>>().join("/");
    let found = variable.map(|variable| {
        let mut found = Found::new("emonhub", &node);
        found.more.push(("power", variable));
        found
    });
    found.into_iter().collect()
}
