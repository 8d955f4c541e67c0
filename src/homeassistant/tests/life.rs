//! What comes, goes, moves and comes back.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::*;

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
        .sweep(at(60))
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(gone, ["power/plug"], "only the meter is switched off");
    let mut first = filled();
    assert!(
        first.sweep(at(60)).is_empty(),
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
