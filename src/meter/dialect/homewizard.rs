use serde_json::Value as Json;

use super::{Dialect, json, number};
use crate::meter::figures::{Figures, Heard};

/// `HomeWizard` P1, kWh meter and Energy Socket, by their local API: `/api/v1/data`. It speaks no
/// MQTT and must be switched on in the maker's app.
pub(super) struct Homewizard {
    url: String,
}

impl Homewizard {
    pub(super) const fn new(url: String) -> Self {
        Self { url }
    }
}

impl Dialect for Homewizard {
    fn maker(&self) -> &'static str {
        "HomeWizard"
    }

    fn url(&self) -> Option<String> {
        Some(format!("{}/api/v1/data", self.url))
    }

    fn hear(&mut self, _: &str, payload: &str) -> Heard {
        let Some(data) = json(payload).filter(Json::is_object) else {
            return Heard::unreadable();
        };
        let get = |key: &str| data.get(key).and_then(number);
        // Older firmware tells the tariffs only.
        let sum = |way: &str| {
            let tariffs = (1..=4).filter_map(|t| get(&format!("total_power_{way}_t{t}_kwh")));
            let tariffs = tariffs.reduce(|sum, tariff| sum + tariff);
            get(&format!("total_power_{way}_kwh")).or(tariffs)
        };
        let figures = Figures {
            power_w: get("active_power_w"),
            energy_kwh: sum("import"),
            returned_kwh: sum("export"),
            voltage_v: get("active_voltage_v"),
            current_a: get("active_current_a"),
            apparent_va: get("active_apparent_power_va"),
            reactive_var: get("active_reactive_power_var"),
            factor: get("active_power_factor"),
            frequency_hz: get("active_frequency_hz"),
            relay: None,
        };
        Heard::part(0, figures)
    }
}
