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

pub(super) static USAGE: Metric =
    Metric::gauge("usage_pct", "CPU usage", Unit::Percent).decimals(1);
static UPTIME: Metric = Metric::moment("boot_time", "Boot time").diagnostic();
static USED: Metric = Metric::gauge("used_bytes", "Used", Unit::Byte);
static READ_ONLY: Metric = Metric::flag("read_only", "Read-only", FlagMeaning::Problem);
static TEMPERATURE: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius);
static WEAR: Metric = Metric::gauge("wear_pct", "Wear", Unit::Percent).hidden();
static VERDICT: Metric = Metric::state("verdict", "Verdict", &["good", "bad"]);
static ENERGY: Metric = Metric::total("energy_kwh", "Energy", Unit::KilowattHour).decimals(3);
static COST: Metric = Metric::total("cost_eur", "Cost", Unit::Money).decimals(2);
static TOP: Metric = Metric::text("top", "Busiest process").diagnostic();

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

pub(super) fn identity() -> Identity {
    Identity {
        installation: "0123456789ab".to_owned(),
        node: "nas".to_owned(),
        version: "1.0.0".to_owned(),
    }
}

pub(super) fn limits() -> Limits {
    let tick = Duration::from_secs(10);
    Limits {
        heartbeat: Duration::from_mins(5),
        forget_after: Duration::from_hours(24),
        collectors: HashMap::from([("cpu", tick), ("disk", Duration::from_mins(30))])
            .into_iter()
            .map(|(name, interval)| (name.to_owned(), interval))
            .collect(),
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

pub(super) fn cpu() -> Reading {
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

pub(super) fn alert(state: AlertState) -> Alert {
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
            let suffix = if unit == Unit::Money {
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
    ("data_size", &["GiB"], &["measurement", "total_increasing"]),
    ("voltage", &["V"], &["measurement"]),
    ("current", &["A"], &["measurement"]),
    ("frequency", &["MHz"], &["measurement"]),
    ("battery", &["%"], &["measurement"]),
    ("enum", &["-"], &["-"]),
    ("timestamp", &["-"], &["-"]),
    ("problem", &["-"], &["-"]),
    ("running", &["-"], &["-"]),
    ("connectivity", &["-"], &["-"]),
    (
        "-",
        &["rpm", "%", "/s", "kWh", "-"],
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
fn what_is_not_there_yet_after_a_restart_stays_announced() {
    let mut first = filled();
    let before = first.announce();
    let mut second = restored(&before.records);
    second.reported(at(10), "cpu");
    second.observe(at(10), "cpu", &cpu());
    let after = second.announce();
    assert_eq!(
        after.retain, before.retain,
        "the disk has not reported yet and is still there"
    );
}

#[test]
fn what_is_gone_for_long_enough_is_removed_once_its_collector_has_reported() {
    let mut first = filled();
    let announced = first.announce();
    let mut directory = restored(&announced.records);
    directory.announce();
    let later = 2 * 86_400;
    assert!(
        directory
            .tidy(at(later))
            .iter()
            .all(|(key, _)| !key.contains("disk")),
        "its collector has not reported since the start"
    );
    directory.reported(at(later), "disk");
    let gone = directory.tidy(at(later));
    let (key, topics) = &gone[0];
    assert_eq!(key, "health/disk-wd-wcc4n0");
    assert_eq!(topics[0], "homewatch/nas/health/disk-wd-wcc4n0");
    assert_eq!(
        topics[1],
        "homewatch/nas/health/disk-wd-wcc4n0/availability"
    );
    let removal = directory.announce();
    let (_, payload) = removal
        .retain
        .iter()
        .find(|(topic, _)| topic == DISK)
        .unwrap();
    assert!(payload.is_empty());
    let record = |key: &str| removal.records.iter().find(|r| r.key == key).unwrap();
    assert_eq!(record("subject/health/disk-wd-wcc4n0").value, None);
    assert_eq!(record(&format!("topic/{DISK}")).value, None);
}

#[test]
fn what_a_switched_off_collector_announced_is_removed() {
    let mut first = filled();
    let announced = first.announce();
    let mut directory = restored(&announced.records);
    let gone: Vec<String> = directory
        .tidy(at(60))
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(
        gone,
        ["power/plug"],
        "only the meter is not among the collectors"
    );
    let mut first = filled();
    assert!(
        first.tidy(at(60)).is_empty(),
        "what reports is not switched off"
    );
}

#[test]
fn a_removed_entity_is_ordered_away_for_a_day_and_may_come_back() {
    let mut directory = filled();
    directory.alert(&alert(AlertState::Firing));
    directory.announce();
    assert!(directory.clear_alert(&alert(AlertState::Resolved)).0);
    let removal = parse(&directory.announce());
    let components = &removal[0].1["cmps"];
    assert_eq!(
        components["alert_cpu-hot-health-cpu"],
        json!({"p": "binary_sensor"})
    );
    assert_eq!(
        components["alert_cpu-hot-health-cpu_ack"],
        json!({"p": "button"})
    );

    directory.alert(&alert(AlertState::Firing));
    let back = parse(&directory.announce());
    assert_eq!(
        back[0].1["cmps"]["alert_cpu-hot-health-cpu"]["dev_cla"],
        "problem"
    );

    directory.clear_alert(&alert(AlertState::Resolved));
    let removal = directory.announce();
    let mut kept = filled().announce().records;
    kept.extend(removal.records);
    let mut restarted = restored(&kept);
    let config = parse(&restarted.announce());
    assert_eq!(
        config[0].1["cmps"]["alert_cpu-hot-health-cpu"],
        json!({"p": "binary_sensor"})
    );
    for (collector, reading) in sample() {
        restarted.observe(at(90_000), collector, &reading);
    }
    restarted.tidy(at(90_000));
    let config = parse(&restarted.announce());
    assert_eq!(config[0].1["cmps"]["alert_cpu-hot-health-cpu"], Json::Null);
}

#[test]
fn each_turn_of_an_alert_is_told_once_and_not_again_after_a_restart() {
    let mut directory = empty();
    let word = |told: Option<Json>| told.map(|event| event["event_type"].clone());
    assert_eq!(directory.alert(&alert(AlertState::Pending)), (false, None));
    let (changed, told) = directory.alert(&alert(AlertState::Firing));
    assert!(changed);
    let told = told.unwrap();
    assert_eq!(told["event_type"], "firing");
    assert_eq!(told["summary"], "CPU at 95 °C");
    assert_eq!(directory.alert(&alert(AlertState::Firing)), (false, None));
    let (changed, told) = directory.alert(&alert(AlertState::Acknowledged));
    assert!(!changed, "the entities stay as they are");
    assert_eq!(word(told), Some(json!("acknowledged")));

    let mut restarted = restored(&directory.announce().records);
    assert_eq!(
        restarted.alert(&alert(AlertState::Acknowledged)),
        (false, None)
    );
    let (_, told) = restarted.alert(&alert(AlertState::Resolved));
    assert_eq!(word(told), Some(json!("resolved")));
    assert_eq!(
        restarted.clear_alert(&alert(AlertState::Resolved)),
        (true, None)
    );
    assert_eq!(
        restarted.clear_alert(&alert(AlertState::Resolved)),
        (false, None)
    );

    restarted.alert(&alert(AlertState::Firing));
    let (_, told) = restarted.clear_alert(&alert(AlertState::Firing));
    assert_eq!(
        word(told),
        Some(json!("resolved")),
        "cleared without ever being resolved"
    );

    restarted.alert(&alert(AlertState::Firing));
    assert!(!restarted.keep_alerts(&BTreeSet::from([alert(AlertState::Firing).id])));
    assert!(restarted.keep_alerts(&BTreeSet::new()));
}

#[test]
fn figures_that_are_unknown_now_keep_their_entities_and_new_ones_get_theirs() {
    let mut directory = filled();
    directory.announce();
    let reading = Reading::new(&disk()).with(&WEAR, 3.0);
    assert!(!directory.observe(at(10), "disk", &reading));
    assert!(directory.announce().retain.is_empty());
    let mut more = Reading::new(&disk()).with(&WEAR, 3.0).with(&ENERGY, 1.0);
    more.source = Some(Source::Model);
    assert!(directory.observe(at(20), "disk", &more));
    let told = parse(&directory.announce());
    assert_eq!(told.len(), 1, "only the disk");
    let components = told[0].1["cmps"].as_object().unwrap();
    assert_eq!(components.len(), 4);
    assert!(!directory.observe(at(30), "disk", &more));
}

#[test]
fn a_subject_that_moves_to_another_device_leaves_the_old_one() {
    let mut directory = filled();
    directory.announce();
    let moved = Subject::of_host(Area::Health, "disk-wd-wcc4n0", "Disk");
    assert!(directory.observe(
        at(1),
        "disk",
        &Reading::new(&moved).with(&TEMPERATURE, 40.0)
    ));
    let told = parse(&directory.announce());
    let (_, old) = told.iter().find(|(topic, _)| topic == DISK).unwrap();
    assert_eq!(*old, Json::Null, "nothing is left of the device");
    let (_, host) = told.iter().find(|(topic, _)| topic == HOST).unwrap();
    let entity = &host["cmps"]["health_disk-wd-wcc4n0_temperature_c"];
    assert_eq!(entity["name"], "Disk temperature");
}

#[test]
fn an_upgrade_removes_entities_that_are_no_more() {
    let mut old = filled();
    let records = old.announce().records;
    let newer = Identity {
        version: "2.0.0".to_owned(),
        ..identity()
    };
    let kept = records.into_iter().map(|r| (r.key, r.value.unwrap()));
    let mut directory = Directory::restore(newer, topics(), limits(), kept);
    directory.observe(
        at(1),
        "disk",
        &Reading::new(&disk()).with(&TEMPERATURE, 40.0),
    );
    directory.tidy(at(2));
    let told = parse(&directory.announce());
    let (_, config) = told.iter().find(|(topic, _)| topic == DISK).unwrap();
    assert_eq!(
        config["cmps"]["health_disk-wd-wcc4n0_wear_pct"],
        json!({"p": "sensor"})
    );
    assert_eq!(
        config["cmps"]["health_disk-wd-wcc4n0_temperature_c"]["dev_cla"],
        "temperature"
    );
    assert_eq!(config["o"]["sw"], "2.0.0");
}

#[test]
fn a_new_discovery_prefix_or_the_switch_clears_the_old_topics() {
    let mut first = filled();
    let records = first.announce().records;
    let kept = || {
        records
            .iter()
            .map(|r| (r.key.clone(), r.value.clone().unwrap()))
    };
    let elsewhere = Topics::new("homewatch", "nas", "ha2");
    let mut moved = Directory::restore(identity(), elsewhere, limits(), kept());
    let told = moved.announce();
    let cleared: Vec<_> = told.retain.iter().filter(|(_, p)| p.is_empty()).collect();
    assert_eq!(cleared.len(), 3);
    assert!(
        cleared
            .iter()
            .all(|(topic, _)| topic.starts_with("homeassistant/"))
    );

    let mut off = Directory::restore(identity(), topics(), limits(), kept());
    let told = off.withdraw();
    assert_eq!(told.retain.len(), 3);
    assert!(told.retain.iter().all(|(_, payload)| payload.is_empty()));
    assert!(off.withdraw().retain.is_empty());
    assert!(off.again().is_empty());
}

#[test]
fn rubbish_in_the_store_is_dropped() {
    let rubbish = [
        ("subject/health/cpu", "{"),
        ("alert/x", "[]"),
        ("gone/x", "{}"),
        ("gone/a/b", "1"),
        ("planet/x", "{}"),
        ("nothing", ""),
    ];
    let records = rubbish.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    let mut directory = Directory::restore(identity(), topics(), limits(), records);
    let told = directory.announce();
    for (key, _) in rubbish {
        let record = told.records.iter().find(|r| r.key == key).unwrap();
        assert_eq!(record.value, None, "{key}");
    }
}

#[test]
fn the_times_of_the_last_sight_are_kept_now_and_then() {
    let mut directory = filled();
    directory.announce();
    directory.observe(at(600), "cpu", &cpu());
    directory.tidy(at(600));
    assert!(
        !directory.has_unsaved(),
        "ten minutes are not worth a write"
    );
    directory.observe(at(3_000), "cpu", &cpu());
    directory.tidy(at(3_000));
    assert!(directory.has_unsaved());
    let records = directory.announce().records;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].key, "subject/health/cpu");
    // The clock was set back: nothing is forgotten.
    assert!(directory.tidy(at(-9_000_000)).is_empty());
}
