use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::{Dialect, Recogniser, at, json, number, presence};
use crate::meter::figures::{Figures, Heard};
use crate::meter::found::Found;

/// Shelly of the second generation and later: whole components on `<prefix>/status/<component>`
/// (off as delivered), changes of them on `<prefix>/events/rpc`, whose objects hold changed keys
/// only, `<prefix>/online` retained. Energy is in Wh.
pub(super) struct Shelly {
    prefix: String,
    channel: Option<u8>,
    /// The switches that have told watts: that of a Pro EM is none of its clamps' business.
    metered: BTreeSet<u8>,
}

impl Shelly {
    pub(super) const fn new(prefix: String, channel: Option<u8>) -> Self {
        Self {
            prefix,
            channel,
            metered: BTreeSet::new(),
        }
    }

    /// The figures of one component such as `switch:0`.
    fn component(&mut self, name: &str, status: &Json, heard: &mut Heard) {
        let Some((kind, index)) = name.split_once(':') else {
            return;
        };
        let (Ok(index), Some(status)) = (index.parse::<u8>(), status.as_object()) else {
            return;
        };
        if self.channel.is_some_and(|channel| channel != index) && kind != "em" && kind != "emdata"
        {
            return;
        }
        let get = |key: &str| status.get(key).and_then(number);
        if kind == "switch" && (get("apower").is_some() || status.contains_key("aenergy")) {
            self.metered.insert(index);
        }
        let figures = match kind {
            "switch" | "pm1" | "cover" | "light" | "cct" | "rgb" | "rgbw" | "rgbcct" => Figures {
                power_w: get("apower"),
                energy_kwh: total(status, "aenergy"),
                returned_kwh: total(status, "ret_aenergy"),
                voltage_v: get("voltage"),
                current_a: get("current"),
                apparent_va: get("aprtpower"),
                factor: get("pf"),
                frequency_hz: get("freq"),
                // A cover has no such key, and a light that is dimmed to nothing draws little.
                relay: (kind == "switch" && self.metered.contains(&index))
                    .then(|| status.get("output")?.as_bool())
                    .flatten(),
                ..Figures::default()
            },
            "em1" => Figures {
                power_w: get("act_power"),
                voltage_v: get("voltage"),
                current_a: get("current"),
                apparent_va: get("aprt_power"),
                factor: get("pf"),
                frequency_hz: get("freq"),
                ..Figures::default()
            },
            "em1data" => Figures {
                energy_kwh: get("total_act_energy").map(|wh| wh / 1000.0),
                returned_kwh: get("total_act_ret_energy").map(|wh| wh / 1000.0),
                ..Figures::default()
            },
            "em" => return self.phases(status, heard),
            "emdata" => {
                let (bought, sold) = match self.channel.and_then(phase) {
                    None => ("total_act".to_owned(), "total_act_ret".to_owned()),
                    Some(letter) => (
                        format!("{letter}_total_act_energy"),
                        format!("{letter}_total_act_ret_energy"),
                    ),
                };
                Figures {
                    energy_kwh: get(&bought).map(|wh| wh / 1000.0),
                    returned_kwh: get(&sold).map(|wh| wh / 1000.0),
                    ..Figures::default()
                }
            }
            _ => return,
        };
        if figures != Figures::default() {
            heard.parts.push((index, figures));
        }
    }

    /// A three-phase meter: all together, or the phase that `channel` names.
    fn phases(&self, status: &Map<String, Json>, heard: &mut Heard) {
        let get = |key: &str| status.get(key).and_then(number);
        let figures = match self.channel.and_then(phase) {
            None => Figures {
                power_w: get("total_act_power"),
                apparent_va: get("total_aprt_power"),
                ..Figures::default()
            },
            Some(letter) => {
                let get = |key: &str| get(&format!("{letter}_{key}"));
                Figures {
                    power_w: get("act_power"),
                    voltage_v: get("voltage"),
                    current_a: get("current"),
                    apparent_va: get("aprt_power"),
                    factor: get("pf"),
                    frequency_hz: get("freq"),
                    ..Figures::default()
                }
            }
        };
        if figures != Figures::default() {
            heard.parts.push((0, figures));
        }
    }

    fn components(&mut self, components: &Json) -> Heard {
        let mut heard = Heard::default();
        for (name, status) in components.as_object().into_iter().flatten() {
            self.component(name, status, &mut heard);
        }
        heard
    }

    /// The name under which we ask; the answer comes on `<name>/rpc`.
    fn asker(&self) -> String {
        format!("{}/homewatch", self.prefix)
    }
}

/// The letter of a phase; there are three.
fn phase(channel: u8) -> Option<char> {
    "abc".chars().nth(channel.into())
}

/// The counter of a component, Wh, as kWh.
fn total(status: &Map<String, Json>, key: &str) -> Option<f64> {
    let total = status.get(key)?.get("total")?;
    number(total).map(|wh| wh / 1000.0)
}

impl Dialect for Shelly {
    fn maker(&self) -> &'static str {
        "Shelly"
    }

    fn filters(&self) -> Vec<String> {
        ["status/+", "events/rpc", "online", "homewatch/rpc"]
            .map(|tail| format!("{}/{tail}", self.prefix))
            .to_vec()
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        let tail = topic.strip_prefix(&self.prefix);
        let Some(tail) = tail.and_then(|tail| tail.strip_prefix('/')) else {
            return Heard::default();
        };
        if tail == "online" {
            return Heard::online(presence(payload));
        }
        let Some(value) = json(payload) else {
            return Heard::unreadable();
        };
        match tail {
            "events/rpc" => {
                let method = at(&value, "method").as_str().unwrap_or_default();
                match method {
                    "NotifyStatus" | "NotifyFullStatus" => self.components(at(&value, "params")),
                    _ => Heard::default(),
                }
            }
            "homewatch/rpc" => self.components(at(&value, "result")),
            _ => {
                let mut heard = Heard::default();
                if let Some(name) = tail.strip_prefix("status/") {
                    self.component(name, &value, &mut heard);
                }
                heard
            }
        }
    }

    fn ask(&self) -> Option<(String, String)> {
        let request = serde_json::json!({
            "id": 1, "src": self.asker(), "method": "Shelly.GetStatus",
        });
        Some((format!("{}/rpc", self.prefix), request.to_string()))
    }
}

pub(super) const RECOGNISER: Recogniser = Recogniser {
    // The prefix may be anything: `home/kitchen/plug` as well.
    filters: &[
        "+/events/rpc",
        "+/status/+",
        "+/+/events/rpc",
        "+/+/status/+",
        "+/+/+/events/rpc",
    ],
    find,
};

fn find(topic: &str, payload: &str) -> Vec<Found> {
    let Some(value) = json(payload) else {
        return Vec::new();
    };
    let (prefix, has_power) = if let Some(prefix) = topic.strip_suffix("/events/rpc") {
        let parts = at(&value, "params").as_object();
        let has = parts
            .into_iter()
            .flatten()
            .any(|(_, part)| is_metered(part));
        (prefix, has)
    } else if let Some((prefix, _)) = topic.rsplit_once("/status/") {
        (prefix, is_metered(&value))
    } else {
        return Vec::new();
    };
    if !has_power {
        return Vec::new();
    }
    vec![Found::new("shelly", prefix)]
}

fn is_metered(component: &Json) -> bool {
    ["apower", "act_power", "total_act_power", "aenergy"]
        .iter()
        .any(|key| component.get(key).is_some())
}
