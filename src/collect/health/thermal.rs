use std::fs;
use std::path::Path;
use std::time::Duration;

use super::agree;
use super::chip::Chip;
use super::quantity::{CRITICAL, MAX, Quantity};
use super::sensor::{Sensor, number};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Root};
use crate::model::{Area, Device, Reading, Subject, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "thermal",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Thermal {
        root: host.root.clone(),
        zones: Vec::new(),
        chips: Vec::new(),
        pairs: Vec::new(),
        sensors: Vec::new(),
        buffer: Vec::new(),
    })
}

/// The kernel's thermal zones, but for those that a sensor chip shows as well: `temp-<type>`. Of
/// the others those that are read by another way are a check of the chip: `check-<type>`.
struct Thermal {
    root: Root,
    /// Folder and type of each zone as they were when the sensors were built.
    zones: Vec<(String, String)>,
    sensors: Vec<Sensor>,
    /// The chips as they were when the pairs were built.
    chips: Vec<Chip>,
    pairs: Vec<Pair>,
    buffer: Vec<u8>,
}

impl Collect for Thermal {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let chips = Chip::all(&self.root).unwrap_or_default();
        let zones = self.zones(&chips);
        if zones != self.zones {
            self.sensors = sensors(&self.root, &zones);
            self.zones = zones;
        }
        if chips != self.chips {
            self.pairs = pairs(&self.root, &chips);
            self.chips = chips;
        }
        if self.sensors.is_empty() && self.pairs.is_empty() {
            return Err(CollectError::Absent(
                "no thermal zones of their own".to_owned(),
            ));
        }
        let buffer = &mut self.buffer;
        let sensors = self.sensors.iter_mut();
        let mut readings: Vec<Reading> = sensors.filter_map(|sensor| sensor.read(buffer)).collect();
        readings.extend(self.pairs.iter_mut().map(|pair| pair.read(buffer)));
        Ok(readings)
    }
}

impl Thermal {
    /// Folder and type of each zone that is not seen elsewhere, in the kernel's order.
    fn zones(&self, chips: &[Chip]) -> Vec<(String, String)> {
        let chips: Vec<String> = chips.iter().map(|chip| slug(&chip.name)).collect();
        let Ok(entries) = fs::read_dir(self.root.sys("class/thermal")) else {
            return Vec::new();
        };
        let mut zones: Vec<(u32, String, String)> = entries
            .flatten()
            .filter_map(|entry| {
                let folder = entry.file_name().to_string_lossy().into_owned();
                let number = folder.strip_prefix("thermal_zone")?.parse().ok()?;
                let kind = Root::read_trimmed(&entry.path().join("type"))?;
                (!is_seen_elsewhere(&kind, &entry.path(), &chips)).then_some((number, folder, kind))
            })
            .collect();
        zones.sort();
        zones
            .into_iter()
            .map(|(_, folder, kind)| (folder, kind))
            .collect()
    }
}

/// A zone and the chip's sensor of the same thing.
struct Pair {
    subject: std::sync::Arc<Subject>,
    zone: KeptFile,
    chip: KeptFile,
}

impl Pair {
    fn read(&mut self, buffer: &mut Vec<u8>) -> Reading {
        let mut degrees = |file: &mut KeptFile| {
            let raw = number(file, buffer).ok()?;
            Quantity::Temperature.check(raw).ok()
        };
        let both = degrees(&mut self.zone).zip(degrees(&mut self.chip));
        agree::reading(&self.subject, both.map(|(zone, chip)| (zone - chip).abs()))
    }
}

/// The processor's package, which its driver and a zone read each by itself.
fn pairs(root: &Root, chips: &[Chip]) -> Vec<Pair> {
    let package = chips.iter().filter(|chip| chip.name == "coretemp");
    let mut package = package.filter_map(|chip| {
        let files = chip.files(root);
        let mut labels = files.iter().filter(|(name, _)| name.ends_with("_label"));
        let (name, _) = labels.find(|(_, path)| {
            Root::read_trimmed(&root.sys(path)).as_deref() == Some("Package id 0")
        })?;
        files.get(&name.replace("_label", "_input")).cloned()
    });
    let entries = fs::read_dir(root.sys("class/thermal")).into_iter();
    let zones = entries.flatten().flatten().filter(|entry| {
        let kind = Root::read_trimmed(&entry.path().join("type"));
        kind.as_deref() == Some("x86_pkg_temp")
    });
    let zones: Vec<KeptFile> = zones
        .map(|entry| KeptFile::new(entry.path().join("temp")))
        .collect();
    // With several packages the zones do not say which of them they are of.
    let (1, Some(zone), Some(chip)) = (zones.len(), zones.into_iter().next(), package.next())
    else {
        return Vec::new();
    };
    vec![Pair {
        subject: agree::subject("cpu-package", "CPU package", Device::Host),
        zone,
        chip: root.keep_sys(&chip),
    }]
}

/// Whether a sensor chip shows this zone: one of its own, one of its name, or, for the
/// processor's package, the processor's driver.
fn is_seen_elsewhere(kind: &str, zone: &Path, chips: &[String]) -> bool {
    let has = |name: &str| chips.iter().any(|chip| chip == name);
    let own = fs::read_dir(zone).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("hwmon"))
    });
    own || has(&slug(kind)) || (kind == "x86_pkg_temp" && has("coretemp"))
}

fn sensors(root: &Root, zones: &[(String, String)]) -> Vec<Sensor> {
    let mut taken: Vec<String> = Vec::new();
    let mut sensors = Vec::new();
    for (folder, kind) in zones {
        let plain = format!("temp-{}", slug(kind));
        // Several zones of one type have nothing else to be known by than their order.
        let same = taken.iter().filter(|id| **id == plain).count();
        let id = match same {
            0 => plain.clone(),
            more => format!("{plain}-{}", more + 1),
        };
        taken.push(plain);
        let subject = Subject::of_host(Area::Health, &id, kind);
        let dir = format!("class/thermal/{folder}");
        sensors.push(
            Sensor::new(
                subject,
                Quantity::Temperature,
                Some(root.keep_sys(&format!("{dir}/temp"))),
            )
            .limit(&CRITICAL, trip(root, &dir, "critical"))
            .limit(&MAX, trip(root, &dir, "hot")),
        );
    }
    sensors
}

/// The temperature of the first trip point of a type.
fn trip(root: &Root, dir: &str, kind: &str) -> Option<i64> {
    let read = |index: u32, what: &str| {
        Root::read_trimmed(&root.sys(&format!("{dir}/trip_point_{index}_{what}")))
    };
    let index = (0..32).map_while(|index| Some((index, read(index, "type")?)));
    let (index, _) = index.into_iter().find(|(_, found)| found == kind)?;
    read(index, "temp")?.parse().ok()
}
