use serde_json::Value as Json;

use super::{Dialect, Recogniser, json, number};
use crate::config::{EnergyUnit, PowerUnit};
use crate::meter::figures::{Figures, Heard};
use crate::meter::found::Found;

/// DSMR-reader, on a Dutch, Belgian or Luxembourg smart meter: one topic a figure below
/// `<base>/reading/`, or all of them in one object on `<base>/json`. Power in kW, counters in kWh,
/// by tariff and direction.
pub(super) struct DsmrReader {
    base: String,
}

/// The parts of the meter: power in and out, the two tariffs.
const IN: u8 = 0;
const OUT: u8 = 1;
const TARIFF_1: u8 = 2;
const TARIFF_2: u8 = 3;

impl DsmrReader {
    pub(super) const fn new(base: String) -> Self {
        Self { base }
    }
}

/// One figure by its name.
fn figure(name: &str, value: f64) -> Option<(u8, Figures)> {
    let mut figures = Figures::default();
    let part = match name {
        "electricity_currently_delivered" => {
            figures.power_w = Some(value * 1000.0);
            IN
        }
        "electricity_currently_returned" => {
            figures.power_w = Some(-value * 1000.0);
            OUT
        }
        "electricity_delivered_1" => {
            figures.energy_kwh = Some(value);
            TARIFF_1
        }
        "electricity_delivered_2" => {
            figures.energy_kwh = Some(value);
            TARIFF_2
        }
        "electricity_returned_1" => {
            figures.returned_kwh = Some(value);
            TARIFF_1
        }
        "electricity_returned_2" => {
            figures.returned_kwh = Some(value);
            TARIFF_2
        }
        _ => return None,
    };
    Some((part, figures))
}

impl Dialect for DsmrReader {
    fn maker(&self) -> &'static str {
        "DSMR-reader"
    }

    fn filters(&self) -> Vec<String> {
        vec![
            format!("{}/reading/+", self.base),
            format!("{}/json", self.base),
        ]
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        let tail = topic.strip_prefix(&self.base).unwrap_or_default();
        if tail == "/json" {
            let Some(Json::Object(all)) = json(payload) else {
                return Heard::unreadable();
            };
            let parts = all
                .iter()
                .filter_map(|(name, value)| figure(name, number(value)?));
            return Heard {
                parts: parts.collect(),
                ..Heard::default()
            };
        }
        let Some(name) = tail.strip_prefix("/reading/") else {
            return Heard::default();
        };
        // Of the rest of the telegram, much is no number.
        if figure(name, 0.0).is_none() {
            return Heard::default();
        }
        match payload
            .trim()
            .parse()
            .ok()
            .and_then(|value| figure(name, value))
        {
            Some((part, figures)) => Heard::part(part, figures),
            None => Heard::unreadable(),
        }
    }

    fn units(&self) -> (PowerUnit, EnergyUnit) {
        (PowerUnit::Kilowatt, EnergyUnit::KilowattHour)
    }
}

pub(super) const RECOGNISER: Recogniser = Recogniser {
    filters: &["+/reading/electricity_currently_delivered", "+/json"],
    find,
};

fn find(topic: &str, payload: &str) -> Vec<Found> {
    let base = topic
        .strip_suffix("/reading/electricity_currently_delivered")
        .or_else(|| {
            let base = topic.strip_suffix("/json")?;
            let known = json(payload)?
                .get("electricity_currently_delivered")
                .is_some();
            known.then_some(base)
        });
    let found = base.map(|base| Found::new("dsmr_reader", base).feeding("house"));
    found.into_iter().collect()
}
