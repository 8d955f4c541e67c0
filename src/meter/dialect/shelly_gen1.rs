use std::collections::BTreeMap;

use super::{Dialect, Recogniser, presence, switch};
use crate::config::{EnergyUnit, PowerUnit};
use crate::meter::figures::{Figures, Heard};
use crate::meter::found::Found;

/// Shelly of the first generation: one topic a figure below `shellies/<id>/`, every 30 s.
/// `relay/N/energy` is in watt-minutes and begins anew when the plug loses its supply;
/// `emeter/N/total` is in Wh.
pub(super) struct ShellyGen1 {
    /// `shellies/<id>/`.
    head: String,
    channel: Option<u8>,
    /// What is known of each relay: whether it is on, and whether its power is metered. That of a
    /// Shelly EM is none of its clamps' business.
    relays: BTreeMap<u8, Relay>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Relay {
    on: Option<bool>,
    is_metered: bool,
}

impl ShellyGen1 {
    pub(super) fn new(id: &str, channel: Option<u8>) -> Self {
        Self {
            head: format!("shellies/{id}/"),
            channel,
            relays: BTreeMap::new(),
        }
    }
}

impl Dialect for ShellyGen1 {
    fn maker(&self) -> &'static str {
        "Shelly"
    }

    fn filters(&self) -> Vec<String> {
        ["online", "+/+", "+/+/+"]
            .map(|tail| format!("{}{tail}", self.head))
            .to_vec()
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        let Some(tail) = topic.strip_prefix(&self.head) else {
            return Heard::default();
        };
        let words: Vec<&str> = tail.split('/').collect();
        if words == ["online"] {
            return Heard::online(presence(payload));
        }
        let (kind, index, rest) = match words.as_slice() {
            // Both relays of a Shelly 2 have one meter.
            [kind @ "relay", figure @ ("power" | "energy")] => (*kind, "0", vec![*figure]),
            [kind, index, rest @ ..] => (*kind, *index, rest.to_vec()),
            _ => return Heard::default(),
        };
        let Ok(index) = index.parse::<u8>() else {
            return Heard::default();
        };
        if self.channel.is_some_and(|channel| channel != index) {
            return Heard::default();
        }
        let mut figures = Figures::default();
        let value = payload.trim().parse::<f64>().ok();
        let slot = match (kind, rest.as_slice()) {
            ("relay", []) => {
                let relay = self.relays.entry(index).or_default();
                relay.on = switch(payload);
                figures.relay = relay.on.filter(|_| relay.is_metered);
                return Heard::part(index, figures);
            }
            ("relay", ["power"]) => {
                // With both relays of a Shelly 2 on one meter, neither says that nothing flows.
                if words.len() == 3 {
                    let relay = self.relays.entry(index).or_default();
                    relay.is_metered = true;
                    figures.relay = relay.on;
                }
                &mut figures.power_w
            }
            ("light" | "roller" | "color" | "white" | "emeter", ["power"]) => &mut figures.power_w,
            ("relay" | "light" | "roller" | "color" | "white", ["energy"]) => {
                figures.energy_kwh = value.map(|minutes| minutes / 60_000.0);
                &mut figures.energy_kwh
            }
            ("emeter", ["total"]) => {
                figures.energy_kwh = value.map(|wh| wh / 1000.0);
                &mut figures.energy_kwh
            }
            ("emeter", ["total_returned"]) => {
                figures.returned_kwh = value.map(|wh| wh / 1000.0);
                &mut figures.returned_kwh
            }
            ("emeter", ["voltage"]) => &mut figures.voltage_v,
            ("emeter", ["current"]) => &mut figures.current_a,
            ("emeter", ["pf"]) => &mut figures.factor,
            ("emeter", ["reactive_power"]) => &mut figures.reactive_var,
            _ => return Heard::default(),
        };
        if value.is_none() {
            return Heard::unreadable();
        }
        if slot.is_none() {
            *slot = value;
        }
        Heard::part(index, figures)
    }

    fn units(&self) -> (PowerUnit, EnergyUnit) {
        (PowerUnit::Watt, EnergyUnit::WattMinute)
    }

    fn silent_after(&self) -> std::time::Duration {
        std::time::Duration::from_mins(5)
    }
}

pub(super) const RECOGNISER: Recogniser = Recogniser {
    filters: &[
        "shellies/+/relay/+/power",
        "shellies/+/emeter/+/power",
        "shellies/+/light/+/power",
        "shellies/+/relay/power",
    ],
    find,
};

fn find(topic: &str, _: &str) -> Vec<Found> {
    let words: Vec<&str> = topic.split('/').collect();
    match words.as_slice() {
        ["shellies", id, "relay" | "emeter" | "light", _, "power"]
        | ["shellies", id, "relay", "power"] => {
            vec![Found::new("shelly_gen1", id)]
        }
        _ => Vec::new(),
    }
}
