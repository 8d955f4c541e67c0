use std::time::Duration;

use serde_json::Value as Json;

use super::{Dialect, Recogniser, json, number, presence, switch};
use crate::meter::figures::{Figures, Heard, WHOLE};
use crate::meter::found::Found;

/// Zigbee2MQTT: all of a device in one object on `<base>/<friendly name>`, or with its `output:
/// attribute` each figure on a topic below; outlets and phases have suffixes. Its power may keep its last value when the outlet is switched off. Plugs report when
/// something changes, and without change about once an hour.
pub(super) struct Zigbee2mqtt {
    topic: String,
    base: String,
    channel: Option<u8>,
    /// Figures on topics of their own are news no more: they came in an object.
    has_object: bool,
    /// The device as a whole has told of itself, on topics of their own.
    has_whole: bool,
}

/// The suffixes of outlets, endpoints and phases, each with its number; a device has those of one
/// line.
const SUFFIXES: [(u8, &str); 21] = [
    (0, "_l1"),
    (1, "_l2"),
    (2, "_l3"),
    (3, "_l4"),
    (4, "_l5"),
    (5, "_l6"),
    (6, "_l7"),
    (7, "_l8"),
    (0, "_left"),
    (1, "_right"),
    (2, "_center"),
    (0, "_phase_a"),
    (1, "_phase_b"),
    (2, "_phase_c"),
    (0, "_a"),
    (1, "_b"),
    (2, "_c"),
    (0, "_1"),
    (1, "_2"),
    (2, "_3"),
    (3, "_4"),
];

impl Zigbee2mqtt {
    pub(super) fn new(name: &str, base: String, channel: Option<u8>) -> Self {
        Self {
            topic: format!("{base}/{name}"),
            base,
            channel,
            has_object: false,
            has_whole: false,
        }
    }

    /// One figure on a topic of its own.
    fn attribute(&mut self, key: &str, payload: &str) -> Heard {
        let state = Json::from_iter([(key, payload)]);
        let whole = figures(&state, "");
        if self.has_object {
            return Heard::default();
        }
        if whole != Figures::default() {
            self.has_whole |= whole.power_w.is_some() || whole.energy_kwh.is_some();
            return match self.channel {
                None => Heard::part(WHOLE, whole),
                Some(_) => Heard::default(),
            };
        }
        let wanted = |part: u8| match self.channel {
            None => !self.has_whole,
            Some(channel) => channel == part,
        };
        let mut parts = SUFFIXES.iter().filter(|(part, _)| wanted(*part));
        let part = parts.find_map(|(part, suffix)| {
            let figures = figures(&state, suffix);
            (figures != Figures::default()).then_some((*part, figures))
        });
        part.map_or_else(Heard::default, |(part, figures)| Heard::part(part, figures))
    }
}

fn figures(state: &Json, suffix: &str) -> Figures {
    let get = |key: &str| state.get(format!("{key}{suffix}")).and_then(number);
    let relay = state.get(format!("state{suffix}")).and_then(Json::as_str);
    Figures {
        power_w: get("power"),
        energy_kwh: get("energy"),
        returned_kwh: get("produced_energy"),
        voltage_v: get("voltage"),
        current_a: get("current"),
        apparent_va: get("power_apparent"),
        reactive_var: get("power_reactive"),
        factor: get("power_factor"),
        frequency_hz: get("ac_frequency"),
        relay: relay.and_then(switch),
    }
}

impl Dialect for Zigbee2mqtt {
    fn maker(&self) -> &'static str {
        "Zigbee2MQTT"
    }

    fn filters(&self) -> Vec<String> {
        vec![
            self.topic.clone(),
            format!("{}/+", self.topic),
            format!("{}/bridge/state", self.base),
        ]
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        let tail = topic.strip_prefix(&self.topic);
        let bridge = topic.strip_prefix(&self.base) == Some("/bridge/state");
        if bridge || tail == Some("/availability") {
            let state = json(payload).and_then(|value| presence(value.get("state")?.as_str()?));
            let online = state.or_else(|| presence(payload));
            // That the bridge is there says nothing of the device.
            return Heard::online(online.filter(|online| !(bridge && *online)));
        }
        match tail {
            Some("") => {}
            Some(tail) => return self.attribute(tail.trim_start_matches('/'), payload),
            None => return Heard::default(),
        }
        let Some(state) = json(payload).filter(Json::is_object) else {
            return Heard::unreadable();
        };
        self.has_object = true;
        let mut heard = Heard::default();
        let whole = figures(&state, "");
        if self.channel.is_none() && (whole.power_w.is_some() || whole.energy_kwh.is_some()) {
            let mut whole = whole;
            // With a phase A beside it the plain figure is the sum; without, it is phase A.
            if figures(&state, "_phase_a").power_w.is_none() {
                let more = ["_phase_b", "_phase_c"].map(|suffix| figures(&state, suffix).power_w);
                let more: f64 = more.into_iter().flatten().sum();
                whole.power_w = whole.power_w.map(|watts| watts + more);
            }
            return Heard::part(WHOLE, whole);
        }
        for (part, suffix) in SUFFIXES {
            let figures = figures(&state, suffix);
            let wanted = self.channel.is_none_or(|channel| channel == part)
                && heard.parts.iter().all(|(known, _)| *known != part);
            if wanted && (figures.power_w.is_some() || figures.energy_kwh.is_some()) {
                heard.parts.push((part, figures));
            }
        }
        heard
    }

    fn silent_after(&self) -> Duration {
        Duration::from_mins(70)
    }
}

pub(super) const RECOGNISER: Recogniser = Recogniser {
    filters: &["zigbee2mqtt/+", "zigbee2mqtt/+/+", "zigbee2mqtt/+/+/+"],
    find,
};

fn find(topic: &str, payload: &str) -> Vec<Found> {
    let Some(name) = topic.strip_prefix("zigbee2mqtt/") else {
        return Vec::new();
    };
    let ours = name.starts_with("bridge/") || name.ends_with("/availability");
    if let Some(device) = name.strip_suffix("/power").filter(|_| !ours) {
        let watts = payload.trim().parse::<f64>().ok();
        return watts.map_or_else(Vec::new, |_| vec![Found::new("zigbee2mqtt", device)]);
    }
    let Some(state) = json(payload).filter(|_| !ours) else {
        return Vec::new();
    };
    let suffixes = SUFFIXES.iter().map(|(_, suffix)| *suffix);
    let is_metered = suffixes.chain([""]).any(|suffix| {
        let figures = figures(&state, suffix);
        figures.power_w.is_some() || (figures.energy_kwh.is_some() && figures.voltage_v.is_some())
    });
    if !is_metered {
        return Vec::new();
    }
    vec![Found::new("zigbee2mqtt", name)]
}
