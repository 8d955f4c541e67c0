use std::collections::BTreeMap;
use std::time::Duration;

use super::sensor::Sensor;
use crate::collect::card::{self, DRIVERS, card};
use crate::collect::health::chip::Chip;
use crate::collect::rate::Since;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Device, Reading, Subject, slug};
use crate::power::metrics::POWER;
use crate::power::{PowerSample, Scope, SourceKind};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "power_sensors",
    period: Duration::ZERO,
    build,
};

/// Words in the label of a board's sensor that say that all of the board flows through it.
const WHOLE: [&str; 6] = ["vdd-in", "total", "input", "system", "pom-5v-in", "main"];
/// Beginnings of the names of drivers of power supplies.
const SUPPLIES: [&str; 10] = [
    "corsairpsu",
    "corsair-psu",
    "psu",
    "pmbus",
    "dps",
    "fsp",
    "pfe",
    "cffps",
    "ibm-cffps",
    "acbel",
];

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let whole = section.texts("whole").unwrap_or_default();
    let ignore = section.texts("ignore").unwrap_or_default();
    section.finish();
    Box::new(PowerSensors {
        root: host.root.clone(),
        whole,
        ignore,
        chips: Vec::new(),
        sensors: Vec::new(),
        since: Since::default(),
        buffer: Vec::new(),
    })
}

/// Every sensor of watts that the kernel's drivers know: graphics cards (`gpu-<place>`), power
/// supplies (`psu-…`, together `psu`), boards (`board-<driver>-<label>`).
///
/// Which board sensor measures the whole machine its label has to say, or the owner by `whole`;
/// the others are of one rail and are told as that.
struct PowerSensors {
    root: Root,
    /// Subjects that measure the whole machine.
    whole: Vec<String>,
    ignore: Vec<String>,
    chips: Vec<Chip>,
    sensors: Vec<Sensor>,
    since: Since,
    buffer: Vec<u8>,
}

impl Collect for PowerSensors {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let chips = Chip::all(&self.root).unwrap_or_default();
        if chips != self.chips {
            let mut old: BTreeMap<String, f64> = BTreeMap::new();
            old.extend(
                self.sensors
                    .drain(..)
                    .map(|one| (one.subject.id.clone(), one.total)),
            );
            for chip in &chips {
                let found = self.of_chip(chip);
                self.sensors.extend(found);
            }
            for sensor in &mut self.sensors {
                sensor.total = old.get(&sensor.subject.id).copied().unwrap_or(0.0);
            }
            self.chips = chips;
        }
        if self.sensors.is_empty() {
            return Err(CollectError::Absent("no power sensors".to_owned()));
        }
        let lap = self.since.lap();
        let buffer = &mut self.buffer;
        let sensors = self.sensors.iter_mut();
        let mut readings: Vec<Reading> = sensors
            .filter_map(|sensor| sensor.read(lap, buffer))
            .collect();
        readings.extend(supplies(&readings));
        Ok(readings)
    }
}

/// All supplies of a machine with several, together: none of them alone covers it.
fn supplies(readings: &[Reading]) -> Option<Reading> {
    let parts = readings
        .iter()
        .filter(|one| one.subject.id.starts_with("psu-"));
    let watts: Vec<Option<f64>> = parts
        .map(|one| {
            one.value(POWER.key)
                .and_then(crate::model::Value::as_number)
        })
        .collect();
    let known: Option<Vec<f64>> = watts.into_iter().collect();
    let known = known.filter(|known| known.len() > 1)?;
    let subject = Subject::of_host(Area::Power, "psu", "Power supplies");
    let mut reading = Reading::new(&subject).with(&POWER, known.iter().sum::<f64>());
    reading.source = Some(SourceKind::Psu.source());
    reading.detail = Some(PowerSample::detail(&Scope::Host, None));
    Some(reading)
}

impl PowerSensors {
    fn of_chip(&self, chip: &Chip) -> Vec<Sensor> {
        let files = chip.files(&self.root);
        let names: Vec<String> = files.keys().cloned().collect();
        // Of a channel that has both, the average says more.
        let mut channels: BTreeMap<u32, [Option<String>; 2]> = BTreeMap::new();
        for name in &names {
            if let Some((kind, index, what)) = channel(name) {
                let [power, energy] = channels.entry(index).or_default();
                match (kind, what) {
                    ("power", "average") => *power = Some(name.clone()),
                    ("power", _) => *power = power.take().or_else(|| Some(name.clone())),
                    _ => *energy = Some(name.clone()),
                }
            }
        }
        let label = |index: u32, kind: &str| {
            let path = files.get(&format!("{kind}{index}_label"))?;
            Root::read_trimmed(&self.root.sys(path))
        };
        let mut found = Vec::new();
        for (index, [power, energy]) in channels {
            let kind = if power.is_some() { "power" } else { "energy" };
            let place = Place {
                chip,
                names: &names,
                index,
                label: label(index, kind),
                only_energy: power.is_none(),
                root: &self.root,
                graphics: has_memory_rail(&self.root, &files),
            };
            let Some((id, text, kind, scope, device)) = place.judge() else {
                continue;
            };
            let scope = if self.whole.contains(&id) {
                Scope::Board
            } else {
                scope
            };
            let keep = |file: &String| files.get(file).map(|path| self.root.keep_sys(path));
            let status = format!("{}/device/power/runtime_status", chip.dir());
            if self.ignore.contains(&id) || found.iter().any(|one: &Sensor| one.subject.id == id) {
                continue;
            }
            found.push(Sensor {
                subject: Subject::of_device(Area::Power, &id, &text, device),
                kind,
                scope,
                power: power.as_ref().and_then(keep),
                energy: energy.as_ref().and_then(keep),
                status: Some(self.root.keep_sys(&status)),
                last: None,
                total: 0.0,
            });
        }
        found
    }
}

/// `power1_average` → power, 1, average; nothing for limits and the like.
fn channel(name: &str) -> Option<(&'static str, u32, &str)> {
    let (stem, what) = name.split_once('_')?;
    let (kind, index) = match (stem.strip_prefix("power"), stem.strip_prefix("energy")) {
        (Some(index), _) => ("power", index),
        (None, Some(index)) => ("energy", index),
        (None, None) => return None,
    };
    let fits = what == "input" || (what == "average" && kind == "power");
    fits.then_some((kind, index.parse().ok()?, what))
}

/// Whether amdgpu's chip is a processor's own graphics: only those have a rail `vddnb`, and their
/// power is that of the whole package.
fn has_memory_rail(root: &Root, files: &BTreeMap<String, String>) -> bool {
    let labels = files
        .iter()
        .filter(|(name, _)| name.starts_with("in") && name.ends_with("_label"));
    let mut texts = labels.filter_map(|(_, path)| Root::read_trimmed(&root.sys(path)));
    texts.any(|text| text == "vddnb")
}

/// A channel of a chip, before it is known what it covers.
struct Place<'a> {
    chip: &'a Chip,
    names: &'a [String],
    index: u32,
    label: Option<String>,
    only_energy: bool,
    root: &'a Root,
    /// It is a processor's own graphics.
    graphics: bool,
}

impl Place<'_> {
    /// Subject, label, kind, scope and device; `None` for what is not worth telling.
    fn judge(&self) -> Option<(String, String, SourceKind, Scope, Device)> {
        let driver = slug(&self.chip.name);
        let place = self.chip.place();
        let label = self.label.as_deref().map(slug);
        let host = Device::Host;
        if let Some((_, maker)) = DRIVERS.iter().find(|(name, _)| *name == driver) {
            if self.graphics {
                let id = format!("board-{driver}");
                let text = "Processor with graphics".to_owned();
                return Some((id, text, SourceKind::Hwmon, Scope::Package(0), host));
            }
            // `card` of an Intel card is all of it; `pkg` a part.
            if label.as_deref() == Some("pkg")
                && self.names.iter().any(|name| name == "energy2_label")
            {
                return None;
            }
            let name = card::name(self.root, &format!("{}/device", self.chip.dir()), maker);
            let scope = Scope::Gpu(place.clone());
            let device = card(&place, &name, Some(maker));
            return Some((format!("gpu-{place}"), name, SourceKind::Gpu, scope, device));
        }
        if driver == "power-meter" || driver == "power_meter" {
            let text = "Power meter of the board".to_owned();
            return Some((
                "psu-acpi".to_owned(),
                text,
                SourceKind::Psu,
                Scope::Host,
                host,
            ));
        }
        if SUPPLIES.iter().any(|start| driver.starts_with(start)) {
            // What flows in, or the total; rails are parts of it.
            let scope = match label.as_deref() {
                Some("pin" | "pin1") => Scope::Host,
                None if self.index == 1 => Scope::Board,
                Some("power-total") => Scope::Board,
                _ => return None,
            };
            let id = format!("psu-{driver}-{place}");
            return Some((id, "Power supply".to_owned(), SourceKind::Psu, scope, host));
        }
        if let Some(socket) = label
            .as_deref()
            .and_then(|label| label.strip_prefix("esocket"))
        {
            let number = socket.parse().ok()?;
            let (id, text) = (
                format!("board-{driver}-{number}"),
                format!("Package {number}"),
            );
            return Some((id, text, SourceKind::Hwmon, Scope::Package(number), host));
        }
        if self.only_energy {
            return None; // The cores of a processor, each by itself.
        }
        if driver == "fam15h-power" {
            let id = format!("board-{driver}");
            let text = "Package 0".to_owned();
            return Some((id, text, SourceKind::Hwmon, Scope::Package(0), host));
        }
        let id = match &label {
            Some(label) => format!("board-{driver}-{label}"),
            None => format!("board-{driver}-{place}-{}", self.index),
        };
        let whole = label
            .as_deref()
            .is_some_and(|label| WHOLE.iter().any(|word| label.contains(word)));
        let scope = if whole { Scope::Board } else { Scope::Apart };
        let text = self
            .label
            .clone()
            .unwrap_or_else(|| format!("{} {}", self.chip.name, self.index));
        Some((id, text, SourceKind::Hwmon, scope, host))
    }
}
