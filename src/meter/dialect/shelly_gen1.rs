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
}

impl ShellyGen1 {
    pub(super) fn new(id: &str, channel: Option<u8>) -> Self {
        Self {
            head: format!("shellies/{id}/"),
            channel,
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
        let [kind, index, rest @ ..] = words.as_slice() else {
            return Heard::default();
        };
        let Ok(index) = index.parse::<u8>() else {
            return Heard::default();
        };
        if self.channel.is_some_and(|channel| channel != index) {
            return Heard::default();
        }
        let mut figures = Figures::default();
        let value = payload.trim().parse::<f64>().ok();
        let slot = match (*kind, rest) {
            ("relay", []) => {
                figures.relay = switch(payload);
                return Heard::part(index, figures);
            }
            ("relay" | "light" | "roller" | "emeter", ["power"]) => &mut figures.power_w,
            ("relay" | "light" | "roller", ["energy"]) => {
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
    ],
    find,
};

fn find(topic: &str, _: &str) -> Vec<Found> {
    let words: Vec<&str> = topic.split('/').collect();
    match words.as_slice() {
        ["shellies", id, "relay" | "emeter" | "light", _, "power"] => {
            vec![Found::new("shelly_gen1", id)]
        }
        _ => Vec::new(),
    }
}
