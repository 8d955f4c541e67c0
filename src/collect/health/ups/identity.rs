use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Told;
use crate::model::{Area, Device, Subject};

/// What a UPS is, as far as it was ever told: kept over restarts, so that one that is lost at the
/// first look is the same device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The server that tells of it.
    pub(super) server: String,
    /// Its name there.
    pub(super) unit: String,
    label: Option<String>,
    manufacturer: Option<String>,
    model: Option<String>,
    pub(super) serial: Option<String>,
}

impl Identity {
    /// Takes up what is told; what is left out this time stays known.
    pub(super) fn learn(&mut self, told: &Told) {
        let first = |names: [&str; 2]| {
            let texts = names.iter().filter_map(|name| told.variables.get(*name));
            let mut texts = texts.map(|text| text.trim()).filter(|text| says(text));
            texts.next().map(str::to_owned)
        };
        let take = |known: &mut Option<String>, told: Option<String>| {
            if told.is_some() {
                *known = told;
            }
        };
        take(&mut self.label, told.label.clone());
        take(&mut self.manufacturer, first(["device.mfr", "ups.mfr"]));
        take(&mut self.model, first(["device.model", "ups.model"]));
        take(&mut self.serial, first(["device.serial", "ups.serial"]));
    }

    /// The subject `id` of it. The id, also of the device, comes of the name that the owner gave
    /// it and not of the bus, so that it stays the same behind another cable or adapter.
    pub(super) fn subject(&self, id: &str) -> Arc<Subject> {
        let label = self.label.clone();
        let label = label.unwrap_or_else(|| format!("UPS {}", self.unit));
        let device = Device::Part {
            id: id.to_owned(),
            name: label.clone(),
            manufacturer: self.manufacturer.clone(),
            model: self.model.clone(),
            serial: self.serial.clone(),
        };
        Subject::of_device(Area::Health, id, &label, device)
    }
}

/// Whether a text of the maker says anything; some number all their devices 000000000000.
fn says(text: &str) -> bool {
    let empty = matches!(text, "" | "N/A" | "Blank" | "unknown");
    !empty && text.chars().any(|letter| !matches!(letter, '0' | ' '))
}
