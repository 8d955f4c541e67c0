use serde_json::{Map, Value as Json};

use super::{Dialect, Recogniser, at, json, number, presence, switch};
use crate::meter::figures::{Figures, Heard, WHOLE};
use crate::meter::found::Found;

/// Tasmota: `tele/<topic>/SENSOR` every `TelePeriod` (300 s) with the object `ENERGY`, the same in
/// `stat/<topic>/STATUS8` and `STATUS10` when asked, `LWT` retained. Devices with several outlets
/// have lists instead of numbers. `Time` is local, without zone, and is not read.
pub(super) struct Tasmota {
    /// `tele/plug1/`.
    tele: String,
    /// `stat/plug1/`.
    stat: String,
    /// `cmnd/plug1/`.
    command: String,
    channel: Option<u8>,
}

impl Tasmota {
    pub(super) fn new(topic: &str, full_topic: &str, channel: Option<u8>) -> Self {
        let expand = |prefix| {
            let whole = full_topic.replace("%prefix%", prefix);
            format!("{}/", whole.replace("%topic%", topic))
        };
        Self {
            tele: expand("tele"),
            stat: expand("stat"),
            command: expand("cmnd"),
            channel,
        }
    }

    fn sensor(&self, payload: &str, holder: Option<&str>) -> Heard {
        let Some(value) = json(payload) else {
            return Heard::unreadable();
        };
        let held = holder.map_or(&value, |holder| at(&value, holder));
        match held.get("ENERGY").and_then(Json::as_object) {
            Some(energy) => self.energy(energy),
            // A sensor of something else is on the same topic.
            None => Heard::default(),
        }
    }

    fn energy(&self, energy: &Map<String, Json>) -> Heard {
        let get = |key: &str| energy.get(key);
        let outlets = get("Power").and_then(Json::as_array).map_or(0, Vec::len);
        let whole = |figures: &mut Figures| {
            figures.energy_kwh = get("Total").and_then(number);
            figures.returned_kwh = get("ExportActive").and_then(number);
        };
        if outlets == 0 {
            let mut figures = Figures {
                power_w: get("Power").and_then(number),
                voltage_v: get("Voltage").and_then(number),
                current_a: get("Current").and_then(number),
                apparent_va: get("ApparentPower").and_then(number),
                reactive_var: get("ReactivePower").and_then(number),
                factor: get("Factor").and_then(number),
                frequency_hz: get("Frequency").and_then(number),
                ..Figures::default()
            };
            whole(&mut figures);
            return Heard::part(WHOLE, figures);
        }
        // A voltage that is no list is that of every outlet.
        let shared = |key: &str, index: usize| {
            let value = get(key)?;
            value.get(index).map_or_else(|| number(value), number)
        };
        let each = |key: &str, index: usize| get(key)?.get(index).and_then(number);
        let mut heard = Heard::default();
        for (index, part) in (0..outlets).zip(0u8..) {
            if self.channel.is_some_and(|channel| channel != part) {
                continue;
            }
            let figures = Figures {
                power_w: each("Power", index),
                energy_kwh: each("Total", index),
                returned_kwh: each("ExportActive", index),
                voltage_v: shared("Voltage", index),
                current_a: each("Current", index),
                apparent_va: each("ApparentPower", index),
                reactive_var: each("ReactivePower", index),
                factor: each("Factor", index),
                frequency_hz: shared("Frequency", index),
                relay: None,
            };
            heard.parts.push((part, figures));
        }
        // As delivered the counter is one for all outlets; it is the device's, not an outlet's.
        if self.channel.is_none()
            && let Some((_, first)) = heard.parts.first_mut()
            && get("Total").is_some_and(|total| !total.is_array())
        {
            whole(first);
        }
        heard
    }

    /// `POWER` of a device with one outlet, `POWER1` and up of one with several.
    fn relay(&self, key: &str, state: &str) -> Heard {
        let outlet = match key.strip_prefix("POWER") {
            Some("") => Some(WHOLE),
            Some(number) => number
                .parse::<u8>()
                .ok()
                .and_then(|number| number.checked_sub(1)),
            None => None,
        };
        let (Some(outlet), Some(relay)) = (outlet, switch(state)) else {
            return Heard::default();
        };
        // Of a device with several outlets, only the figures of a named one go with its relay.
        if outlet != WHOLE && self.channel != Some(outlet) {
            return Heard::default();
        }
        let figures = Figures {
            relay: Some(relay),
            ..Figures::default()
        };
        Heard::part(outlet, figures)
    }

    fn state(&self, payload: &str) -> Heard {
        let Some(Json::Object(state)) = json(payload) else {
            return Heard::default();
        };
        let mut heard = Heard::default();
        for (key, value) in &state {
            if let Some(text) = value.as_str() {
                heard.parts.append(&mut self.relay(key, text).parts);
            }
        }
        heard
    }
}

impl Dialect for Tasmota {
    fn maker(&self) -> &'static str {
        "Tasmota"
    }

    fn filters(&self) -> Vec<String> {
        vec![format!("{}+", self.tele), format!("{}+", self.stat)]
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        if let Some(word) = topic.strip_prefix(&self.tele) {
            return match word {
                "SENSOR" => self.sensor(payload, None),
                "STATE" => self.state(payload),
                "LWT" => Heard::online(presence(payload)),
                _ => Heard::default(),
            };
        }
        match topic.strip_prefix(&self.stat) {
            Some("STATUS0" | "STATUS8" | "STATUS10") => self.sensor(payload, Some("StatusSNS")),
            Some("RESULT") => self.state(payload),
            Some(word) => self.relay(word, payload),
            None => Heard::default(),
        }
    }

    fn ask(&self) -> Option<(String, String)> {
        Some((format!("{}STATUS", self.command), "8".to_owned()))
    }
}

pub(super) const RECOGNISER: Recogniser = Recogniser {
    filters: &[
        "tele/+/SENSOR",
        "+/tele/SENSOR",
        "+/tele/+/SENSOR",
        "+/+/tele/SENSOR",
        "tele/+/+/SENSOR",
    ],
    find,
};

fn find(topic: &str, payload: &str) -> Vec<Found> {
    let Some(head) = topic.strip_suffix("/SENSOR") else {
        return Vec::new();
    };
    let has_energy =
        json(payload).is_some_and(|value| !at(at(&value, "ENERGY"), "Power").is_null());
    let words: Vec<&str> = head.split('/').collect();
    let (name, full_topic) = match words.as_slice() {
        ["tele", name] => (*name, None),
        ["tele", group, name] => (*name, Some(format!("%prefix%/{group}/%topic%"))),
        [name, "tele"] => (*name, Some("%topic%/%prefix%".to_owned())),
        [group, "tele", name] => (*name, Some(format!("{group}/%prefix%/%topic%"))),
        [group, name, "tele"] => (*name, Some(format!("{group}/%topic%/%prefix%"))),
        _ => return Vec::new(),
    };
    if !has_energy {
        return Vec::new();
    }
    let mut found = Found::new("tasmota", name);
    // Every group may have one of that name.
    let levels = words.iter().filter(|word| **word != "tele");
    found.name = levels.copied().collect::<Vec<_>>().join("-");
    found
        .more
        .extend(full_topic.map(|text| ("full_topic", text)));
    vec![found]
}
