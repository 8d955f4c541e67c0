use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::*;
use crate::model::{
    Alert, AlertState, Area, Device, FlagMeaning, Kind, Metric, Reading, Severity, Source, Subject,
    Topics, Unit, Value,
};

mod life;
mod offers;

static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent).decimals(1);
static UPTIME: Metric = Metric::moment("boot_time", "Boot time").diagnostic();
static USED: Metric = Metric::gauge("used_bytes", "Used", Unit::Byte);
static READ_ONLY: Metric = Metric::flag("read_only", "Read-only", FlagMeaning::Problem);
static TEMPERATURE: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius);
static WEAR: Metric = Metric::gauge("wear_pct", "Wear", Unit::Percent).hidden();
static VERDICT: Metric = Metric::state("verdict", "Verdict", &["good", "bad"]);
static ENERGY: Metric = Metric::total("energy_kwh", "Energy", Unit::KilowattHour).decimals(3);
static COST: Metric = Metric::total("cost_eur", "Cost", Unit::Money).decimals(2);
static TOP: Metric = Metric::text("top", "Busiest process").diagnostic();

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn identity() -> Identity {
    Identity {
        installation: "0123456789ab".to_owned(),
        node: "nas".to_owned(),
        version: "1.0.0".to_owned(),
    }
}

fn limits() -> Limits {
    let tick = Duration::from_secs(10);
    Limits {
        heartbeat: Duration::from_mins(5),
        forget_after: Duration::from_hours(24),
        collectors: HashMap::from([("cpu", tick), ("disk", Duration::from_mins(30))])
            .into_iter()
            .map(|(name, interval)| (name.to_owned(), interval))
            .collect(),
        switched_off: ["meter".to_owned()].into(),
    }
}

fn topics() -> Topics {
    Topics::new("homewatch", "nas", "homeassistant")
}

fn empty() -> Directory {
    restored(&[])
}

fn restored(records: &[Record]) -> Directory {
    let kept = records
        .iter()
        .filter_map(|record| Some((record.key.clone(), record.value.clone()?)));
    Directory::restore(identity(), topics(), limits(), kept)
}

fn disk() -> Arc<Subject> {
    let device = Device::Part {
        id: "WD-WCC4N0".to_owned(),
        name: "WD Red 4 TB".to_owned(),
        manufacturer: Some("Western Digital".to_owned()),
        model: Some("WD40EFRX".to_owned()),
        serial: Some("WCC4N0".to_owned()),
    };
    Subject::of_device(Area::Health, "disk-wd-wcc4n0", "WD Red 4 TB", device)
}

fn cpu() -> Reading {
    Reading::new(&Subject::of_host(Area::Health, "cpu", "CPU")).with(&USAGE, 12.5)
}

fn sample() -> Vec<(&'static str, Reading)> {
    let host = Subject::of_host(Area::Health, "host", "nas");
    let media = Subject::of_host(Area::Health, "fs-mnt-media", "/mnt/media");
    let processes = Subject::of_host(Area::Health, "processes", "Processes");
    let plug = Device::Part {
        id: "plug".to_owned(),
        name: "Server plug".to_owned(),
        manufacturer: None,
        model: None,
        serial: None,
    };
    let mut top = Reading::new(&processes).with(&TOP, "ffmpeg");
    let list = json!({"processes": [{"name": "ffmpeg", "usage_pct": 80}]});
    top.detail = list.as_object().cloned();
    let mut meter = Reading::new(&Subject::of_device(
        Area::Power,
        "plug",
        "Server plug",
        plug,
    ))
    .with(&ENERGY, 12.345)
    .with(&COST, 4.2);
    meter.source = Some(Source::Meter);
    vec![
        ("cpu", cpu()),
        ("cpu", Reading::new(&host).with(&UPTIME, at(0))),
        (
            "cpu",
            Reading::new(&media)
                .with(&USED, 5e9)
                .with(&READ_ONLY, false),
        ),
        ("cpu", top),
        (
            "disk",
            Reading::new(&disk())
                .with(&TEMPERATURE, 41.0)
                .with(&WEAR, 3.0)
                .with(&VERDICT, "good"),
        ),
        ("meter", meter),
    ]
}

fn filled() -> Directory {
    let mut directory = empty();
    for (collector, reading) in sample() {
        assert!(directory.observe(at(0), collector, &reading));
    }
    directory
}

fn alert(state: AlertState) -> Alert {
    Alert {
        id: "cpu-hot-health-cpu".to_owned(),
        rule: "cpu-hot".to_owned(),
        severity: Severity::Warning,
        state,
        subject: "health/cpu".to_owned(),
        summary: "CPU at 95 °C".to_owned(),
        value: Some(95.0),
        threshold: Some(90.0),
        since: at(0),
        acknowledged_by: None,
        acknowledged_at: None,
        note: None,
        silenced_until: None,
        count: 1,
    }
}

fn parse(announcement: &Announcement) -> Vec<(String, Json)> {
    announcement
        .retain
        .iter()
        .map(|(topic, payload)| {
            let value = serde_json::from_slice(payload).unwrap_or(Json::Null);
            (topic.clone(), value)
        })
        .collect()
}

const HOST: &str = "homeassistant/device/homewatch_0123456789ab/config";
const DISK: &str = "homeassistant/device/homewatch_0123456789ab_wd-wcc4n0/config";

#[test]
fn a_host_with_parts_and_an_alert_is_announced_like_this() {
    let mut directory = filled();
    assert!(directory.alert(&alert(AlertState::Firing)).0);
    let announced = directory.announce();
    insta::assert_json_snapshot!("sample_host", parse(&announced));
    assert!(directory.announce().retain.is_empty(), "told once");
    assert_eq!(directory.again(), announced.retain, "told again on demand");
}

/// Every unit with every kind, and all else a metric can be.
fn matrix() -> Vec<&'static Metric> {
    let mut list = Vec::new();
    let mut add = |metric: Metric| list.push(&*Box::leak(Box::new(metric)));
    for (n, unit) in Unit::ALL.into_iter().enumerate() {
        for (kind, word) in [
            (Kind::Gauge, "gauge"),
            (Kind::Total, "total"),
            (Kind::Flag(FlagMeaning::Plain), "flag"),
            (Kind::State(&["a", "b"]), "state"),
            (Kind::Moment, "moment"),
            (Kind::Text, "text"),
        ] {
            let suffix = if matches!(unit, Unit::Money | Unit::MoneyPerKilowattHour) {
                "_eur"
            } else {
                unit.suffix()
            };
            let key: &str = format!("m{n}_{word}{suffix}").leak();
            add(Metric {
                unit,
                kind,
                ..Metric::gauge(key, key, unit)
            });
        }
    }
    add(Metric::gauge("battery_pct", "Charge", Unit::Percent));
    add(Metric::gauge("own_bytes", "Own memory", Unit::Byte).dead_band(1_048_576.0));
    add(Metric::gauge("price", "Price", Unit::Money));
    add(Metric::total("spent_total", "Spent", Unit::Money));
    for meaning in [
        FlagMeaning::Problem,
        FlagMeaning::Running,
        FlagMeaning::Connected,
    ] {
        let key: &str = format!("flag_{meaning:?}").to_lowercase().leak();
        add(Metric::flag(key, key, meaning));
    }
    list
}

/// What Home Assistant accepts without a warning: class, units, state classes.
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("power", &["W"], &["measurement"]),
    ("apparent_power", &["VA"], &["measurement"]),
    ("energy", &["kWh"], &["total", "total_increasing"]),
    ("monetary", &["EUR"], &["total", "-"]),
    ("temperature", &["°C"], &["measurement"]),
    (
        "duration",
        &["s", "ms"],
        &["measurement", "total_increasing"],
    ),
    ("data_rate", &["kB/s", "Mbit/s"], &["measurement"]),
    (
        "data_size",
        &["GiB", "MiB"],
        &["measurement", "total_increasing"],
    ),
    ("voltage", &["V"], &["measurement"]),
    ("current", &["A"], &["measurement"]),
    ("frequency", &["Hz", "MHz"], &["measurement"]),
    ("reactive_power", &["var"], &["measurement"]),
    ("battery", &["%"], &["measurement"]),
    ("enum", &["-"], &["-"]),
    ("timestamp", &["-"], &["-"]),
    ("problem", &["-"], &["-"]),
    ("running", &["-"], &["-"]),
    ("connectivity", &["-"], &["-"]),
    (
        "-",
        &["rpm", "%", "/s", "kWh", "kg", "g/kWh", "EUR/kWh", "-"],
        &["measurement", "total_increasing", "total", "-"],
    ),
];

#[test]
fn every_unit_with_every_kind_is_something_home_assistant_accepts() {
    for metric in matrix() {
        let entity = component(metric, "~/health/x", metric.name);
        let get = |key: &str| {
            entity
                .get(key)
                .and_then(Json::as_str)
                .unwrap_or("-")
                .to_owned()
        };
        let (class, unit, state) = (get("dev_cla"), get("unit_of_meas"), get("stat_cla"));
        let allowed = ALLOWED.iter().find(|(name, ..)| *name == class);
        let (_, units, states) = allowed.unwrap_or_else(|| panic!("{metric:?}: class {class}"));
        assert!(
            units.contains(&unit.as_str()),
            "{metric:?}: {class} in {unit}"
        );
        assert!(
            states.contains(&state.as_str()),
            "{metric:?}: {class} as {state}"
        );
        assert_eq!(class == "enum", entity.contains_key("ops"), "{metric:?}");
        let is_flag = matches!(metric.kind, Kind::Flag(_));
        assert_eq!(get("p"), if is_flag { "binary_sensor" } else { "sensor" });
        let is_number = matches!(metric.kind, Kind::Gauge | Kind::Total);
        assert_eq!(entity.contains_key("sug_dsp_prc"), is_number, "{metric:?}");
        if !is_number {
            assert_eq!((unit.as_str(), state.as_str()), ("-", "-"), "{metric:?}");
        }
    }
}

#[test]
fn ids_are_fit_for_home_assistant_and_nobody_shares_one() {
    let mut directory = filled();
    let device = Device::Part {
        id: "Ünfit / id".to_owned(),
        name: "Odd".to_owned(),
        manufacturer: None,
        model: None,
        serial: None,
    };
    let odd = Subject::of_device(Area::Power, "Öl + #", "Odd", device);
    let mut reading = Reading::new(&odd);
    reading.values = matrix()
        .into_iter()
        .map(|metric| (metric, Value::Number(1.0)))
        .collect();
    directory.observe(at(0), "cpu", &reading);
    // The same subject and key in two areas.
    for area in Area::ALL {
        let twin = Subject::of_host(area, "twin", "Twin");
        directory.observe(at(0), "cpu", &Reading::new(&twin).with(&USAGE, 1.0));
    }
    directory.alert(&alert(AlertState::Firing));
    let mut unique = BTreeSet::new();
    let mut entities = BTreeSet::new();
    for (topic, config) in parse(&directory.announce()) {
        let id = topic.strip_prefix("homeassistant/device/").unwrap();
        let id = id.strip_suffix("/config").unwrap();
        let fine = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        assert!(fine(id), "{topic}");
        for (key, entity) in config["cmps"].as_object().unwrap() {
            assert!(fine(key), "{key}");
            let uniq = entity["uniq_id"].as_str().unwrap();
            assert!(uniq.starts_with("0123456789ab_"), "{uniq}");
            assert!(unique.insert(uniq.to_owned()), "{uniq} twice");
            let entity_id = entity["def_ent_id"].as_str().unwrap().to_owned();
            let platform = entity["p"].as_str().unwrap();
            let object = entity_id
                .strip_prefix(platform)
                .unwrap()
                .strip_prefix(".nas_")
                .unwrap();
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            assert!(object.bytes().all(plain), "{entity_id}");
            assert!(entities.insert(entity_id.clone()), "{entity_id} twice");
        }
    }
}

#[test]
fn a_rename_of_the_node_changes_topics_but_no_identity() {
    let mut directory = filled();
    let before = directory.announce();
    let renamed = Identity {
        node: "tower".to_owned(),
        ..identity()
    };
    let kept = before
        .records
        .iter()
        .map(|r| (r.key.clone(), r.value.clone().unwrap()));
    let topics = Topics::new("homewatch", "tower", "homeassistant");
    let mut after = Directory::restore(renamed, topics, limits(), kept);
    let after = after.announce();
    for ((old_topic, old), (topic, new)) in parse(&before).iter().zip(&parse(&after)) {
        assert_eq!(old_topic, topic);
        for (key, entity) in old["cmps"].as_object().unwrap() {
            assert_eq!(entity["uniq_id"], new["cmps"][key]["uniq_id"]);
            assert_eq!(new["cmps"][key]["~"], "homewatch/tower");
        }
    }
    assert_eq!(parse(&after)[0].1["dev"]["name"], "tower");
}

#[test]
fn a_figure_is_called_by_its_subject_unless_the_device_says_it_already() {
    let part = |name: &str| Device::Part {
        id: "x".to_owned(),
        name: name.to_owned(),
        manufacturer: None,
        model: None,
        serial: None,
    };
    for (id, label, device, metric, want) in [
        ("cpu", "CPU", Device::Host, "CPU usage", "CPU usage"),
        ("cpu", "CPU", Device::Host, "Usage", "CPU usage"),
        ("io", "sda", Device::Host, "IO rate", "sda IO rate"),
        ("fs", "/größe", Device::Host, "Used", "/größe used"),
        ("fs", "ß", Device::Host, "x", "ß x"),
        ("host", "nas", Device::Host, "Boot time", "Boot time"),
        ("x", "", Device::Host, "Boot time", "Boot time"),
        ("io", "sda", part("Disk sda"), "Busy", "Busy"),
        ("ups", "Ups", part("UPS"), "Load", "Load"),
        ("io", "WD Red (sda)", part("WD Red"), "Busy", "sda busy"),
        (
            "agree",
            "WD Red (sda) by two sources",
            part("WD Red"),
            "Difference",
            "sda by two sources difference",
        ),
        ("io", "wd red", part("WD Red"), "Busy", "Busy"),
        (
            "x",
            "Meters",
            Device::Host,
            "Silent meters",
            "Silent meters",
        ),
        ("cpu", "CPU", Device::Host, "CPUs", "CPU CPUs"),
        (
            "nvme",
            "Composite",
            part("Disk sda"),
            "Temperature",
            "Composite temperature",
        ),
    ] {
        let subject = Subject::of_device(Area::Health, id, label, device);
        assert_eq!(device::entity_name(&subject, metric), want);
    }
}

#[test]
fn the_disks_of_an_array_are_told_apart_by_the_ends_of_their_serial_numbers() {
    let name_of = |name: &str, serial: Option<&str>| {
        let device = Device::Part {
            id: "disk-x".to_owned(),
            name: name.to_owned(),
            manufacturer: None,
            model: Some("WD40EFRX".to_owned()),
            serial: serial.map(str::to_owned),
        };
        let card = device::DeviceCard::of(&device).json(&identity());
        card["name"].as_str().unwrap().to_owned()
    };
    for (name, serial, want) in [
        ("WD40EFRX", Some("WD-WCC4N0"), "WD40EFRX (C4N0)"),
        ("WD40EFRX", Some("WD-WCC4N1"), "WD40EFRX (C4N1)"),
        ("WD40EFRX", Some("é1"), "WD40EFRX (é1)"),
        ("WD40EFRX", None, "WD40EFRX"),
        ("Rack", Some("AS2133"), "Rack"),
    ] {
        assert_eq!(name_of(name, serial), want);
    }
}
