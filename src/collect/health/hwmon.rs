use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::beside::Beside;
use super::chip::Chip;
use super::naming;
use super::quantity::{ALARMS, Quantity};
use super::sensor::Sensor;
use crate::collect::{Collect, CollectError, Disk, Entry, card};
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

/// No driver's label is longer.
const LONGEST_LABEL: usize = 60;

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

/// Everything that the kernel's drivers of sensor chips measure.
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
enum Group {
    OfChip(Vec<Sensor>),
    /// The disk itself is asked, and may hang.
    OfDisk(Beside<DiskSensors, Vec<Reading>>),
}

struct DiskSensors {
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
            let before = std::mem::take(&mut self.groups);
            self.groups = chips.iter().map(|chip| self.group(chip)).collect();
            self.chips = chips;
            self.remember(before);
        }
        let mut readings = Vec::new();
        for group in &mut self.groups {
            match group {
                Group::OfChip(sensors) => readings.extend(read(sensors, &mut self.buffer)),
                Group::OfDisk(disk) => {
                    readings.extend(disk.read(DiskSensors::read).unwrap_or_default());
                }
            }
        }
        Ok(readings)
    }
}

fn read(sensors: &mut [Sensor], buffer: &mut Vec<u8>) -> Vec<Reading> {
    let told = sensors.iter_mut().map(|sensor| sensor.read(buffer));
    told.flatten().collect()
}

impl DiskSensors {
    fn read(&mut self) -> Vec<Reading> {
        let mut buffer = Vec::new();
        let rest = self.rest.as_mut();
        if rest.is_some_and(|rest| rest.is_idle(&mut buffer)) {
            let quiet = |sensor: &Sensor| Reading::new(sensor.subject());
            return self.sensors.iter().map(quiet).collect();
        }
        read(&mut self.sensors, &mut buffer)
    }
}

impl Hwmon {
    /// Has each sensor go on with what is known of it from before, whatever the number of its chip.
    fn remember(&mut self, before: Vec<Group>) {
        let of_chips = |group: Group| match group {
            Group::OfChip(sensors) => sensors,
            // It may be away with a disk that hangs.
            Group::OfDisk(_) => Vec::new(),
        };
        let known = before.into_iter().flat_map(of_chips);
        let mut known: HashMap<String, Sensor> = known
            .map(|sensor| (sensor.subject().id.clone(), sensor))
            .collect();
        for group in &mut self.groups {
            if let Group::OfChip(sensors) = group {
                for sensor in sensors {
                    if let Some(old) = known.remove(&sensor.subject().id) {
                        sensor.follow(old);
                    }
                }
            }
        }
    }

    fn group(&mut self, chip: &Chip) -> Group {
        let disk = chip.disk(&self.root);
        let stem = self.stem(chip, disk.as_deref());
        let mut place = Place {
            root: &self.root,
            chip,
            files: chip.files(&self.root),
            stem: &stem,
            disk: disk.as_deref(),
            card: card::of_chip(&self.root, chip),
            taken: Vec::new(),
        };
        let sensors = place.all().into_iter().filter(|sensor| {
            let mut ignored = self.ignore.iter();
            !ignored.any(|ignored| *ignored == sensor.subject().id)
        });
        let sensors = sensors.collect();
        if disk.is_none() {
            return Group::OfChip(sensors);
        }
        let rotates = chip.name == "drivetemp";
        let rest = chip.disk_name().filter(|_| rotates).map(|name| Rest {
            stat: self.root.keep_sys(&format!("block/{name}/stat")),
            last: Vec::new(),
            worked: Instant::now(),
        });
        Group::OfDisk(Beside::new(DiskSensors { sensors, rest }))
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
    /// Its files by name, as paths below `sys`.
    files: BTreeMap<String, String>,
    stem: &'a str,
    disk: Option<&'a Disk>,
    /// The graphics card that it sits on.
    card: Option<Device>,
    /// The ids that are given.
    taken: Vec<String>,
}

impl Place<'_> {
    /// Every sensor, by what it measures and number.
    fn all(&mut self) -> Vec<Sensor> {
        // The word and number of each (`temp3`), and the file with the figure.
        let mut found: BTreeMap<(Quantity, u32, String), Option<&'static str>> = BTreeMap::new();
        for name in self.files.keys() {
            let Some((quantity, index, property)) = Quantity::of_file(name) else {
                continue;
            };
            let file = name.split('_').next().unwrap_or(name);
            // The drive of a fan is told with the fan.
            if quantity == Quantity::Drive && self.has(&format!("fan{index}_input")) {
                continue;
            }
            let figure = found.entry((quantity, index, file.to_owned())).or_default();
            // In order of the names `input` comes after `average`, and is what others show.
            if !property.ends_with("alarm") || quantity.is_alarm() {
                *figure = Some(property);
            }
        }
        let found = found.into_iter();
        found
            .map(|((quantity, index, file), figure)| self.sensor(quantity, index, &file, figure))
            .collect()
    }

    fn sensor(
        &mut self,
        quantity: Quantity,
        index: u32,
        file: &str,
        figure: Option<&str>,
    ) -> Sensor {
        let told = (self.files.get(&format!("{file}_label")))
            .and_then(|path| Root::read_trimmed(&self.root.sys(path)))
            .map(|label| label.chars().take(LONGEST_LABEL).collect::<String>());
        let (kind, stem) = (quantity.word(), self.stem);
        // Voltages are counted from zero, and there are many.
        let first = index == 1 && quantity != Quantity::Voltage
            || index == 0 && quantity == Quantity::Intrusion;
        let mut id = match &told {
            Some(label) => format!("{kind}-{stem}-{}", slug(label)),
            None if first => format!("{kind}-{stem}"),
            None => format!("{kind}-{stem}-{file}"),
        };
        if self.taken.contains(&id) {
            id = format!("{id}-{file}");
        }
        self.taken.push(id.clone());
        let name = told.as_deref();
        let label = match self.disk {
            Some(disk) => naming::in_disk(&disk.label, name, file, first),
            None => naming::label(&self.chip.name, name, file, first),
        };
        let device = self.disk.map(|disk| disk.device.clone());
        let device = device.or_else(|| self.card.clone()).unwrap_or(Device::Host);
        let subject: Arc<Subject> = Subject::of_device(Area::Health, &id, &label, device);
        let input = figure.and_then(|figure| match figure {
            "" => self.keep(file),
            figure => self.keep(&format!("{file}_{figure}")),
        });
        let words = if quantity.is_alarm() { &[] } else { ALARMS };
        let alarms = words.iter().map(|word| format!("{file}_{word}"));
        let alarms = alarms.filter_map(|name| self.keep(&name)).collect();
        let mut sensor = Sensor::new(subject, quantity, input)
            .judged(alarms, self.keep(&format!("{file}_fault")));
        for (end, metric) in quantity.limits() {
            sensor = sensor.limit(metric, self.number(&format!("{file}_{end}")));
        }
        if let Some((end, metric)) = quantity.besides().filter(|(end, _)| figure != Some(end)) {
            sensor = sensor.besides(metric, quantity, self.keep(&format!("{file}_{end}")));
        }
        if quantity == Quantity::Fan {
            let drive = self.keep(&format!("pwm{index}"));
            sensor = sensor.besides(Quantity::Drive.metric(), Quantity::Drive, drive);
        }
        sensor
    }

    fn has(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    fn keep(&self, file: &str) -> Option<KeptFile> {
        self.files.get(file).map(|path| self.root.keep_sys(path))
    }

    fn number(&self, file: &str) -> Option<i64> {
        Root::read_trimmed(&self.root.sys(self.files.get(file)?))?
            .parse()
            .ok()
    }
}
