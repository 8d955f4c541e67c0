use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::chip::Chip;
use super::naming;
use super::sensor::{CRITICAL, FAN_MIN, MAX, Quantity, Sensor};
use crate::collect::{Collect, CollectError, Disk, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Root};
use crate::model::{Area, Device, Reading, Subject, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "hwmon",
    period: Duration::ZERO,
    build,
};

/// A disk without work for this long is not asked for its temperature, which would keep it from
/// falling asleep; after that its temperature is not known.
const IDLE: Duration = Duration::from_mins(5);

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let ignore = section.texts("ignore").unwrap_or_default();
    section.finish();
    Box::new(Hwmon {
        root: host.root.clone(),
        ignore,
        chips: Vec::new(),
        places: HashMap::new(),
        groups: Vec::new(),
        buffer: Vec::new(),
    })
}

/// Every temperature and fan that the kernel's drivers know.
struct Hwmon {
    root: Root,
    ignore: Vec<String>,
    /// As they were when the sensors were looked for.
    chips: Vec<Chip>,
    /// The stem of the subjects of each chip that has been seen, by driver and device.
    places: HashMap<(String, PathBuf), String>,
    groups: Vec<Group>,
    buffer: Vec<u8>,
}

/// The sensors of one chip.
struct Group {
    sensors: Vec<Sensor>,
    rest: Option<Rest>,
}

/// When a rotating disk last did something.
struct Rest {
    stat: KeptFile,
    last: Vec<u8>,
    worked: Instant,
}

impl Collect for Hwmon {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let found = Chip::all(&self.root).filter(|chips| !chips.is_empty());
        let Some(chips) = found else {
            self.chips.clear();
            self.groups.clear();
            return Err(CollectError::Absent("no sensor chips".to_owned()));
        };
        if chips != self.chips {
            self.groups = chips.iter().map(|chip| self.group(chip)).collect();
            self.chips = chips;
        }
        let mut readings = Vec::new();
        for group in &mut self.groups {
            let buffer = &mut self.buffer;
            if group.rest.as_mut().is_some_and(|rest| rest.is_idle(buffer)) {
                let quiet = |sensor: &Sensor| Reading::new(sensor.subject());
                readings.extend(group.sensors.iter().map(quiet));
            } else {
                readings.extend(
                    group
                        .sensors
                        .iter_mut()
                        .filter_map(|sensor| sensor.read(buffer)),
                );
            }
        }
        Ok(readings)
    }
}

impl Hwmon {
    fn group(&mut self, chip: &Chip) -> Group {
        let disk = chip.disk(&self.root);
        let stem = self.stem(chip, disk.as_deref());
        let dir = self.root.sys(&chip.dir());
        let names: Vec<String> = fs::read_dir(dir)
            .map(|entries| {
                let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
                entries.flatten().map(name).collect()
            })
            .unwrap_or_default();
        let mut inputs: Vec<(Quantity, u32)> =
            names.iter().filter_map(|name| input(name)).collect();
        inputs.sort_by_key(|(quantity, index)| (*quantity == Quantity::Fan, *index));
        let mut taken = Vec::new();
        let mut sensors = Vec::new();
        for (quantity, index) in inputs {
            let place = Place {
                root: &self.root,
                chip,
                names: &names,
                stem: &stem,
                disk: disk.as_deref(),
            };
            let sensor = place.sensor(quantity, index, &mut taken);
            if !self
                .ignore
                .iter()
                .any(|ignored| *ignored == sensor.subject().id)
            {
                sensors.push(sensor);
            }
        }
        let rotates = chip.name == "drivetemp";
        let rest = chip.disk_name().filter(|_| rotates).map(|name| Rest {
            stat: self.root.keep_sys(&format!("block/{name}/stat")),
            last: Vec::new(),
            worked: Instant::now(),
        });
        Group { sensors, rest }
    }

    /// The name of a chip in its subjects: the disk, or the driver. A second chip of one driver
    /// has the place of its device besides, and keeps it for as long as this runs.
    fn stem(&mut self, chip: &Chip, disk: Option<&Disk>) -> String {
        if let Some(disk) = disk {
            return format!("disk-{}", disk.id);
        }
        let key = (chip.name.clone(), chip.device.clone());
        if let Some(stem) = self.places.get(&key) {
            return stem.clone();
        }
        let plain = slug(&chip.name);
        let stem = if self.places.values().any(|taken| *taken == plain) {
            format!("{plain}-{}", chip.place())
        } else {
            plain
        };
        self.places.insert(key, stem.clone());
        stem
    }
}

impl Rest {
    /// Whether the disk has done nothing for long. The file counts the disk's own work only, not
    /// the question for its temperature.
    fn is_idle(&mut self, buffer: &mut Vec<u8>) -> bool {
        let now = Instant::now();
        match self.stat.read(buffer) {
            Ok(text) if text.as_bytes() == self.last.as_slice() => {}
            Ok(text) => {
                self.last = text.as_bytes().to_vec();
                self.worked = now;
            }
            Err(_) => return false, // Not known: the sensor itself says what is wrong.
        }
        now.duration_since(self.worked) >= IDLE
    }
}

/// What is needed to describe the sensors of one chip.
struct Place<'a> {
    root: &'a Root,
    chip: &'a Chip,
    names: &'a [String],
    stem: &'a str,
    disk: Option<&'a Disk>,
}

impl Place<'_> {
    fn sensor(&self, quantity: Quantity, index: u32, taken: &mut Vec<String>) -> Sensor {
        let (kind, file) = match quantity {
            Quantity::Temperature => ("temp", format!("temp{index}")),
            Quantity::Fan => ("fan", format!("fan{index}")),
        };
        let told = Root::read_trimmed(&self.root.sys(&self.path(&format!("{file}_label"))));
        let mut id = match &told {
            Some(label) => format!("{kind}-{}-{}", self.stem, slug(label)),
            None if index == 1 => format!("{kind}-{}", self.stem),
            None => format!("{kind}-{}-{file}", self.stem),
        };
        if taken.contains(&id) {
            id = format!("{id}-{file}");
        }
        taken.push(id.clone());
        let (name, first) = (told.as_deref(), index == 1);
        let label = match self.disk {
            Some(disk) => naming::in_disk(&disk.label, name, &file, first),
            None => naming::label(&self.chip.name, name, &file, first),
        };
        let device = self.disk.map_or(Device::Host, |disk| disk.device.clone());
        let subject: Arc<Subject> = Subject::of_device(Area::Health, &id, &label, device);
        let alarms = ["alarm", "crit_alarm", "max_alarm", "min_alarm"];
        let alarms = alarms
            .iter()
            .filter_map(|word| self.keep(&format!("{file}_{word}")));
        let sensor = Sensor::new(
            subject,
            quantity,
            self.root.keep_sys(&self.path(&format!("{file}_input"))),
        )
        .judged(alarms.collect(), self.keep(&format!("{file}_fault")));
        match quantity {
            Quantity::Temperature => sensor
                .limit(&CRITICAL, self.number(&format!("{file}_crit")))
                .limit(&MAX, self.number(&format!("{file}_max"))),
            Quantity::Fan => sensor
                .limit(&FAN_MIN, self.number(&format!("{file}_min")))
                .drive(self.keep(&format!("pwm{index}"))),
        }
    }

    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.chip.dir())
    }

    fn keep(&self, file: &str) -> Option<KeptFile> {
        let exists = self.names.iter().any(|name| name == file);
        exists.then(|| self.root.keep_sys(&self.path(file)))
    }

    fn number(&self, file: &str) -> Option<i64> {
        Root::read_trimmed(&self.root.sys(&self.path(file)))?
            .parse()
            .ok()
    }
}

/// `temp3_input` → the third temperature.
fn input(name: &str) -> Option<(Quantity, u32)> {
    let stem = name.strip_suffix("_input")?;
    let (quantity, index) = match (stem.strip_prefix("temp"), stem.strip_prefix("fan")) {
        (Some(index), _) => (Quantity::Temperature, index),
        (None, Some(index)) => (Quantity::Fan, index),
        (None, None) => return None,
    };
    Some((quantity, index.parse().ok()?))
}
