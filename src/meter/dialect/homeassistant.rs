use std::time::Duration;

use super::esphome::{Field, plain};
use super::{Dialect, Recogniser};
use crate::config::Fields;
use crate::meter::figures::Heard;
use crate::meter::found::Found;

/// Home Assistant's statestream: `<base>/<domain>/<entity>/state`, published when it changes.
pub(super) struct HomeAssistant {
    topics: Vec<(String, Field)>,
}

impl HomeAssistant {
    pub(super) fn new(base: &str, fields: &Fields) -> Self {
        let fields = Field::all(fields).into_iter();
        let topic = |id: &str| format!("{base}/{}/state", id.replacen('.', "/", 1));
        Self {
            topics: fields.map(|(id, field)| (topic(&id), field)).collect(),
        }
    }
}

impl Dialect for HomeAssistant {
    fn maker(&self) -> &'static str {
        "Home Assistant"
    }

    fn filters(&self) -> Vec<String> {
        self.topics.iter().map(|(topic, _)| topic.clone()).collect()
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        let Some((_, field)) = self.topics.iter().find(|(name, _)| name == topic) else {
            return Heard::default();
        };
        match payload.trim().trim_matches('"') {
            "unavailable" => Heard::online(Some(false)),
            "unknown" => Heard::default(),
            text => plain(*field, text),
        }
    }

    fn silent_after(&self) -> Duration {
        Duration::from_mins(70)
    }
}

pub(super) const RECOGNISER: Recogniser = Recogniser {
    filters: &[
        "+/sensor/+/unit_of_measurement",
        "+/+/sensor/+/unit_of_measurement",
    ],
    find,
};

fn find(topic: &str, payload: &str) -> Vec<Found> {
    let sensor = topic.strip_suffix("/unit_of_measurement");
    let Some((base, entity)) = sensor.and_then(|sensor| sensor.rsplit_once("/sensor/")) else {
        return Vec::new();
    };
    let unit = payload.trim().trim_matches('"');
    if !["W", "kW"].contains(&unit) {
        return Vec::new();
    }
    let mut found = Found::new("homeassistant", base);
    found.more.push(("power", format!("sensor.{entity}")));
    if unit == "kW" {
        found.more.push(("power_unit", unit.to_owned()));
    }
    entity.clone_into(&mut found.name);
    vec![found]
}
