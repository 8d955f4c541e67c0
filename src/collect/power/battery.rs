use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::micro;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Device, Reading, Subject, slug};
use crate::power::metrics::{BATTERY, CHARGE, POWER, SENSED, VOLTAGE};
use crate::power::{PowerSample, Scope, SourceKind};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "battery",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Batteries {
        root: host.root.clone(),
    })
}

/// The batteries of a laptop: `battery-<name>` each, and `battery`, what the machine draws from
/// all of them while it runs on them. Those of mice and the like are not the machine's.
struct Batteries {
    root: Root,
}

/// What one battery says.
struct Battery {
    state: &'static str,
    /// W, in or out.
    power: Option<f64>,
    reading: Reading,
}

impl Collect for Batteries {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let names = fs::read_dir(self.root.sys("class/power_supply"));
        let names = names.map(|entries| entries.flatten().map(|entry| entry.file_name()));
        let mut batteries = BTreeMap::new();
        for name in names.into_iter().flatten() {
            let name = name.to_string_lossy().into_owned();
            if let Some(battery) = self.read(&name) {
                batteries.insert(name, battery);
            }
        }
        if batteries.is_empty() {
            return Err(CollectError::Absent("no battery".to_owned()));
        }
        let drained: Vec<_> = batteries
            .values()
            .filter(|one| one.state == "discharging")
            .collect();
        let power: Option<Vec<f64>> = drained.iter().map(|one| one.power).collect();
        let subject = Subject::of_host(Area::Power, "battery", "Battery");
        let mut whole = Reading::new(&subject);
        // On the mains nothing is known by this way, which is not 0 W.
        let power = power.filter(|power| !power.is_empty());
        whole.push(&POWER, power.map(|power| power.iter().sum::<f64>()));
        whole.source = Some(SourceKind::Battery.source());
        whole.detail = Some(PowerSample::detail(&Scope::Board, None));
        let mut readings: Vec<_> = batteries.into_values().map(|one| one.reading).collect();
        readings.push(whole);
        Ok(readings)
    }
}

impl Batteries {
    fn read(&self, name: &str) -> Option<Battery> {
        let read = |file: &str| {
            Root::read_trimmed(&self.root.sys(&format!("class/power_supply/{name}/{file}")))
        };
        let is = |file: &str, text: &str| read(file).is_some_and(|found| found == text);
        if !is("type", "Battery") || is("scope", "Device") || is("present", "0") {
            return None;
        }
        let figure = |file: &str| read(file)?.parse().ok().map(micro);
        let voltage = figure("voltage_now");
        // Some drivers count what flows out below zero.
        let by_current = || Some(figure("current_now")? * voltage?);
        let power = figure("power_now").or_else(by_current).map(f64::abs);
        let state = match read("status").as_deref() {
            Some("Charging") => "charging",
            Some("Discharging") => "discharging",
            Some("Full") => "full",
            Some("Not charging") => "idle",
            _ => "unknown",
        };
        let text = |file: &str| read(file).filter(|text| !text.is_empty());
        let label = format!("Battery {name}");
        let device = Device::Part {
            id: format!("battery-{}", slug(name)),
            name: label.clone(),
            manufacturer: text("manufacturer"),
            model: text("model_name"),
            serial: None,
        };
        let id = format!("battery-{}", slug(name));
        let subject = Subject::of_device(Area::Power, &id, &label, device);
        let charge = read("capacity").and_then(|text| text.parse::<f64>().ok());
        let charge = charge.filter(|charge| (0.0..=100.0).contains(charge));
        let drain = power.filter(|_| state == "discharging");
        let reading = Reading::new(&subject)
            .with(&BATTERY, state)
            .with_known(&CHARGE, charge)
            .with_known(&SENSED, drain)
            .with_known(&VOLTAGE, voltage);
        Some(Battery {
            state,
            power,
            reading,
        })
    }
}
