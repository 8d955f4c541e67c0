use serde_json::Value as Json;

use super::{Dialect, Recogniser, json, presence};
use crate::config::Fields;
use crate::meter::figures::{Figures, Heard};
use crate::meter::found::Found;

/// `ESPHome`: one sensor a topic, `<prefix>/sensor/<object id>/state`, a plain number; `nan` while
/// it has none. What the sensors are called is the owner's choice.
pub(super) struct Esphome {
    prefix: String,
    sensors: Vec<(String, Field)>,
}

/// Which figure a topic holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Power,
    Energy,
    Voltage,
    Current,
}

impl Field {
    /// The fields that are given, with what is said of each.
    pub(super) fn all(fields: &Fields) -> Vec<(String, Self)> {
        [
            (&fields.power, Self::Power),
            (&fields.energy, Self::Energy),
            (&fields.voltage, Self::Voltage),
            (&fields.current, Self::Current),
        ]
        .into_iter()
        .filter_map(|(text, field)| Some((text.clone()?, field)))
        .collect()
    }

    /// Puts the figure where it belongs.
    pub(super) const fn put(self, figures: &mut Figures, value: f64) {
        match self {
            Self::Power => figures.power_w = Some(value),
            Self::Energy => figures.energy_kwh = Some(value),
            Self::Voltage => figures.voltage_v = Some(value),
            Self::Current => figures.current_a = Some(value),
        }
    }
}

/// One plain number of which it is known what it is.
pub(super) fn plain(field: Field, payload: &str) -> Heard {
    let Ok(value) = payload.trim().trim_matches('"').parse() else {
        return Heard::unreadable();
    };
    let mut figures = Figures::default();
    field.put(&mut figures, value);
    Heard::part(0, figures)
}

impl Esphome {
    pub(super) fn new(prefix: String, fields: &Fields) -> Self {
        let topic = |id: &str| format!("{prefix}/sensor/{id}/state");
        let sensors = Field::all(fields);
        let sensors = sensors.into_iter().map(|(id, field)| (topic(&id), field));
        Self {
            sensors: sensors.collect(),
            prefix,
        }
    }
}

impl Dialect for Esphome {
    fn maker(&self) -> &'static str {
        "ESPHome"
    }

    fn filters(&self) -> Vec<String> {
        let topics = self.sensors.iter().map(|(topic, _)| topic.clone());
        topics.chain([format!("{}/status", self.prefix)]).collect()
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        if topic.strip_prefix(&self.prefix) == Some("/status") {
            return Heard::online(presence(payload));
        }
        let sensor = self.sensors.iter().find(|(name, _)| name == topic);
        sensor.map_or_else(Heard::default, |(_, field)| plain(*field, payload))
    }
}

pub(super) const RECOGNISER: Recogniser = Recogniser {
    // Its numbers alone tell nothing; what Home Assistant is told of them does.
    filters: &["homeassistant/sensor/+/+/config"],
    find,
};

fn find(_: &str, payload: &str) -> Vec<Found> {
    let Some(config) = json(payload) else {
        return Vec::new();
    };
    let text = |long: &str, short: &str| {
        let value = config.get(long).or_else(|| config.get(short));
        value.and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    let topic = text("state_topic", "stat_t");
    let class = text("device_class", "dev_cla");
    let sensor = topic.strip_suffix("/state");
    let Some((prefix, id)) = sensor.and_then(|sensor| sensor.rsplit_once("/sensor/")) else {
        return Vec::new();
    };
    let key = match class.as_str() {
        "power" => "power",
        "energy" => "energy",
        _ => return Vec::new(),
    };
    let mut found = Found::new("esphome", prefix);
    found.more.push((key, id.to_owned()));
    let unit = text("unit_of_measurement", "unit_of_meas");
    match (key, unit.as_str()) {
        ("power", "kW") => found.more.push(("power_unit", unit)),
        ("energy", "Wh" | "MWh") => found.more.push(("energy_unit", unit)),
        _ => {}
    }
    vec![found]
}
