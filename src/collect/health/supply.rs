use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::collect::read::{figure, known};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Device, FlagMeaning, Metric, Reading, Subject, Unit, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "supply",
    period: Duration::from_secs(30),
    build,
};

static ONLINE: Metric = Metric::flag("online", "Plugged in", FlagMeaning::Plain);
static HEALTH: Metric = Metric::gauge("health_pct", "Battery health", Unit::Percent)
    .decimals(1)
    .dead_band(1.0);
static CYCLES: Metric = Metric::gauge("cycles", "Charge cycles", Unit::None).diagnostic();
static CONDITION: Metric = Metric::text("condition", "Condition").diagnostic();
static TEMPERATURE: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius)
    .decimals(1)
    .published(3)
    .dead_band(1.0);
static CHARGE: Metric = Metric::gauge("charge_pct", "Charge", Unit::Percent)
    .dead_band(2.0)
    .hidden();
static CURRENT: Metric = Metric::gauge("current_a", "Current", Unit::Ampere)
    .decimals(3)
    .published(6)
    .dead_band(0.5)
    .hidden();
static VOLTAGE: Metric = Metric::gauge("voltage_v", "Voltage", Unit::Volt)
    .decimals(3)
    .published(6)
    .dead_band(0.1)
    .hidden();
static STORED: Metric = Metric::gauge("stored_kwh", "Stored energy", Unit::KilowattHour)
    .decimals(5)
    .dead_band(0.001)
    .hidden();
static FULL: Metric = Metric::gauge("full_kwh", "Energy when full", Unit::KilowattHour)
    .decimals(5)
    .hidden();
static DESIGN: Metric = Metric::gauge("design_kwh", "Energy when it was new", Unit::KilowattHour)
    .decimals(5)
    .hidden();

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Supplies {
        root: host.root.clone(),
    })
}

/// What the kernel calls power supplies, as hardware: batteries (`battery-<name>`) with their age,
/// those of mice and the like too, and what feeds the machine (`mains-<name>`). What the machine
/// draws from its batteries is another collector's.
struct Supplies {
    root: Root,
}

impl Collect for Supplies {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let entries = fs::read_dir(self.root.sys("class/power_supply"));
        let names = entries.into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let supplies = names.filter_map(|name| {
            let reading = Supply::new(&self.root, &name).tell()?;
            Some((name, reading))
        });
        let supplies: BTreeMap<String, Reading> = supplies.collect();
        if supplies.is_empty() {
            return Err(CollectError::Absent("no battery and no mains".to_owned()));
        }
        Ok(supplies.into_values().collect())
    }
}

/// The folder of one.
struct Supply<'a> {
    root: &'a Root,
    name: &'a str,
}

impl<'a> Supply<'a> {
    const fn new(root: &'a Root, name: &'a str) -> Self {
        Self { root, name }
    }

    fn text(&self, file: &str) -> Option<String> {
        let path = format!("class/power_supply/{}/{file}", self.name);
        Root::read_trimmed(&self.root.sys(&path))
    }

    fn number(&self, file: &str) -> Option<f64> {
        let number: i64 = self.text(file)?.parse().ok()?;
        let size = known(number.unsigned_abs())?;
        // Firmware's all ones in thousandths, as the kernel passes it on; the ends of the range of its
        // own numbers.
        let unknown = [u64::from(u32::MAX) * 1000, 0x7fff_ffff, 0x8000_0000];
        let size = (!unknown.contains(&size)).then(|| figure(size))?;
        Some(if number < 0 { -size } else { size })
    }

    /// What the kernel tells in millionths.
    fn micro(&self, file: &str) -> Option<f64> {
        self.number(file).map(|number| number / 1e6)
    }

    fn tell(&self) -> Option<Reading> {
        if self.text("type")? == "Battery" {
            // A place for a second battery may be empty.
            let is_there = self.text("present").as_deref() != Some("0");
            return is_there.then(|| self.battery());
        }
        let online = self.number("online")?;
        let id = format!("mains-{}", slug(self.name));
        let label = format!("Power supply {}", self.name);
        let subject = Subject::of_host(Area::Health, &id, &label);
        // Some USB chargers say 2: more than one voltage is on offer.
        let reading = Reading::new(&subject).with(&ONLINE, online > 0.5);
        let reading = reading.with_known(&VOLTAGE, self.micro("voltage_now"));
        Some(reading.with_known(&CURRENT, self.micro("current_now")))
    }

    fn battery(&self) -> Reading {
        let id = format!("battery-{}", slug(self.name));
        let label = format!("Battery {}", self.name);
        let device = Device::Part {
            id: id.clone(),
            name: label.clone(),
            manufacturer: self.text("manufacturer"),
            model: self.text("model_name"),
            serial: None,
        };
        let subject = Subject::of_device(Area::Health, &id, &label, device);
        // Some chips count what flows, and know no energy.
        let of = |what: &str| self.micro(&format!("energy_{what}"));
        let flows = |what: &str| self.micro(&format!("charge_{what}"));
        let (full, design) = (of("full"), of("full_design"));
        let both = full
            .zip(design)
            .or_else(|| flows("full").zip(flows("full_design")));
        let health = both.filter(|(full, design)| *full > 0.0 && *design > 0.0);
        let health = health.map(|(full, design)| full / design * 100.0);
        // Charge and voltage of the machine's own are told with what it draws.
        let is_foreign = self.text("scope").as_deref() == Some("Device");
        let charge = self.number("capacity").filter(|_| is_foreign);
        let voltage = self.micro("voltage_now").filter(|_| is_foreign);
        let kwh = |wh: Option<f64>| wh.filter(|wh| *wh >= 0.0).map(|wh| wh / 1000.0);
        let mut reading = Reading::new(&subject)
            .with_known(&HEALTH, health)
            // None is what is told where nobody counts.
            .with_known(&CYCLES, self.number("cycle_count").filter(|n| *n > 0.0))
            .with_known(&CONDITION, self.text("health").as_deref())
            .with_known(
                &TEMPERATURE,
                self.number("temp")
                    .map(|tenths| tenths / 10.0)
                    .filter(|degrees| (-40.0..=125.0).contains(degrees)),
            )
            .with_known(&CHARGE, charge)
            .with_known(&VOLTAGE, voltage)
            .with_known(&CURRENT, self.micro("current_now"))
            .with_known(&STORED, kwh(of("now")))
            .with_known(&FULL, kwh(full))
            .with_known(&DESIGN, kwh(design));
        let told = [
            ("stored_ah", flows("now")),
            ("full_ah", flows("full")),
            ("design_ah", flows("full_design")),
            ("least_v", self.micro("voltage_min_design")),
        ];
        let told = told.into_iter();
        let told: Map<String, Json> = told
            .filter_map(|(key, figure)| Some((key.to_owned(), figure?.into())))
            .collect();
        reading.detail = Some(told).filter(|told| !told.is_empty());
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::model::Value;
    use std::path::Path;

    fn lay(dir: &Path, name: &str, files: &[(&str, &str)]) {
        let folder = dir.join("sys/class/power_supply").join(name);
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), format!("{text}\n")).unwrap();
        }
    }

    fn number(reading: &Reading, key: &str) -> Option<f64> {
        reading.value(key).and_then(Value::as_number)
    }

    const LAPTOP: [(&str, &str); 8] = [
        ("type", "Battery"),
        ("capacity", "80"),
        ("energy_now", "40000000"),
        ("energy_full", "45000000"),
        ("energy_full_design", "50000000"),
        ("cycle_count", "312"),
        ("model_name", "5B10W51867"),
        ("health", "Good"),
    ];
    /// It counts what flows.
    const MOUSE: [(&str, &str); 10] = [
        ("type", "Battery"),
        ("scope", "Device"),
        ("capacity", "55"),
        ("voltage_now", "3850000"),
        ("charge_full", "2500000"),
        ("charge_full_design", "5000000"),
        ("voltage_min_design", "11100000"),
        ("cycle_count", "0"),
        ("temp", "315"),
        ("current_now", "-1500000"),
    ];

    #[test]
    fn batteries_tell_their_age_and_mains_whether_they_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let host = Host::captured(dir, Clock::Real);
        let mut supplies = plain(ENTRY, &host);
        assert!(matches!(supplies.sample(), Err(CollectError::Absent(_))));
        lay(dir, "AC", &[("type", "Mains"), ("online", "1")]);
        lay(dir, "BAT9", &[("type", "Battery"), ("present", "0")]);
        lay(dir, "odd", &[("type", "Mains")]);
        lay(dir, "none", &[("online", "1")]);
        lay(dir, "BAT0", &LAPTOP);
        lay(dir, "mouse", &MOUSE);
        lay(dir, "new", &[("type", "Battery"), ("energy_full", "x")]);
        lay(
            dir,
            "ucsi",
            &[
                ("type", "USB"),
                ("online", "0"),
                ("voltage_now", "5000000"),
                ("current_now", "450000"),
            ],
        );
        let readings = supplies.sample().unwrap();
        let ids: Vec<_> = readings.iter().map(|one| one.subject.id.as_str()).collect();
        let want = [
            "mains-ac",
            "battery-bat0",
            "battery-mouse",
            "battery-new",
            "mains-ucsi",
        ];
        assert_eq!(ids, want);
        assert_eq!(readings[0].value("online"), Some(&Value::Flag(true)));
        for (key, want) in [
            ("health_pct", Some(90.0)),
            ("cycles", Some(312.0)),
            ("stored_kwh", Some(0.04)),
            ("full_kwh", Some(0.045)),
            ("design_kwh", Some(0.05)),
            ("charge_pct", None),
        ] {
            assert_eq!(number(&readings[1], key), want, "{key}");
        }
        assert_eq!(readings[1].value("condition"), Some(&Value::from("Good")));
        assert!(readings[1].detail.is_none());
        for (key, want) in [
            ("health_pct", Some(50.0)),
            ("cycles", None),
            ("temperature_c", Some(31.5)),
            ("charge_pct", Some(55.0)),
            ("voltage_v", Some(3.85)),
            ("current_a", Some(-1.5)),
        ] {
            assert_eq!(number(&readings[2], key), want, "{key}");
        }
        assert_eq!(readings[2].detail.as_ref().unwrap()["least_v"], 11.1);
        assert!(readings[3].values.is_empty());
        assert_eq!(number(&readings[4], "voltage_v"), Some(5.0));
        assert_eq!(readings[4].value("online"), Some(&Value::Flag(false)));
    }

    #[test]
    fn what_firmware_says_of_what_it_does_not_know_is_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let host = Host::captured(dir, Clock::Real);
        let mut supplies = plain(ENTRY, &host);
        lay(
            dir,
            "BAT0",
            &[
                ("type", "Battery"),
                ("cycle_count", "4294967295"),
                ("energy_full", "4294967295000"),
                ("current_now", "-2147483648"),
                ("temp", "-2731"),
            ],
        );
        let reading = &supplies.sample().unwrap()[0];
        for key in [
            "cycles",
            "full_kwh",
            "health_pct",
            "current_a",
            "temperature_c",
        ] {
            assert_eq!(number(reading, key), None, "{key}");
        }
    }
}
