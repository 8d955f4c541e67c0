use super::*;
use crate::model::Severity;

#[test]
fn a_limit_must_be_passed_for_long_enough() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, secs(50));
    let pending = house.alert(ID);
    assert_eq!((pending.state, pending.count), (AlertState::Pending, 0));
    house.pass(secs(10));
    let alert = house.alert(ID);
    assert_eq!(alert.state, AlertState::Firing);
    assert_eq!(
        alert.summary,
        "CPU package is at 94.0 °C, above 90 °C for 1 min"
    );
    assert_eq!(alert.subject, "health/temp-cpu");
    assert_eq!(
        (alert.rule.as_str(), alert.severity),
        ("hot", Severity::Warning)
    );
    assert_eq!(
        (alert.value, alert.threshold, alert.count),
        (Some(94.0), Some(90.0), 1)
    );
    assert_eq!(
        alert.since,
        wall("2026-01-01T00:00:00Z"),
        "since it began, not since it was told"
    );
}

#[test]
fn what_is_over_in_time_was_nothing() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, secs(50));
    house.cpu(90.0);
    assert!(house.alerts.is_empty(), "on the limit is not above it");
    house.cpu_for(94.0, secs(50));
    assert_eq!(house.times(AlertState::Firing), 0, "the time starts anew");
    assert!(
        house.records.is_empty(),
        "what is only pending costs no write"
    );
}

#[test]
fn without_a_time_it_fires_at_once() {
    let rule = "[hot]\nseries = \"health/temp-*/temperature_c\"\nabove = 90";
    let mut house = House::new(only(rule));
    house.cpu(91.0);
    assert_eq!(
        house.alert(ID).summary,
        "CPU package: Temperature is at 91.0 °C, above 90 °C"
    );
    house.cpu(90.0);
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
    assert_eq!(
        house.alert(ID).summary,
        "CPU package: Temperature is back at 90.0 °C"
    );
    assert_eq!(house.times(AlertState::Pending), 0);
}

#[test]
fn it_ends_only_below_its_clear_level_for_its_clear_time() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house.cpu_for(87.0, mins(10));
    assert_eq!(
        house.state(ID),
        Some(AlertState::Firing),
        "between the two nothing changes"
    );
    house.cpu_for(80.0, secs(20));
    house.cpu(86.0);
    house.cpu_for(85.0, secs(20));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    house.pass(secs(10));
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
}

#[test]
fn what_nobody_took_note_of_stays_visible_for_a_day() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house.cpu_for(80.0, mins(1));
    house.pass(hours(23));
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
    house.pass(hours(1));
    assert!(house.alerts.is_empty() && house.records.is_empty());
    assert_eq!(house.cleared, 1);
}

#[test]
fn taking_note_of_what_is_over_ends_it() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house.cpu_for(80.0, mins(1));
    house
        .command(&format!("alert/{ID}/ack"), r#"{"by":"Ann"}"#)
        .unwrap();
    assert!(house.alerts.is_empty() && house.records.is_empty());
}

#[test]
fn an_acknowledgment_holds_until_recovery() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house
        .command("alert/all/ack", r#"{"by":"Ann","note":"fan ordered"}"#)
        .unwrap();
    let alert = house.alert(ID).clone();
    assert_eq!(alert.state, AlertState::Acknowledged);
    assert_eq!(alert.acknowledged_by.as_deref(), Some("Ann"));
    assert_eq!(alert.note.as_deref(), Some("fan ordered"));
    assert_eq!(alert.acknowledged_at, Some(house.now.wall));
    house.told.clear();
    house.cpu_for(120.0, hours(1));
    assert_eq!(house.alert(ID).severity, Severity::Critical);
    assert_eq!(
        house.times(AlertState::Firing),
        0,
        "also when it gets worse"
    );
    house.cpu_for(80.0, secs(30));
    assert_eq!(house.times(AlertState::Resolved), 1, "its end is told");
    assert!(house.alerts.is_empty(), "and then it is gone");
    house.cpu_for(94.0, mins(1));
    assert_eq!(
        house.state(ID),
        Some(AlertState::Firing),
        "the next time is another"
    );
    assert_eq!(house.alert(ID).count, 1);
    assert_eq!(house.alert(ID).acknowledged_by, None);
}

#[test]
fn an_acknowledgment_for_a_time_ends_with_it() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house
        .command(&format!("alert/{ID}/ack"), r#"{"for":"2h"}"#)
        .unwrap();
    house.cpu_for(94.0, mins(119) + secs(50));
    assert_eq!(house.state(ID), Some(AlertState::Acknowledged));
    house.pass(secs(10));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    assert_eq!(house.alert(ID).acknowledged_at, None);
}

#[test]
fn an_acknowledgment_can_be_taken_back() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    let unack = format!("alert/{ID}/unack");
    assert!(
        house
            .command(&unack, "")
            .unwrap_err()
            .contains("is not acknowledged")
    );
    house
        .command(&format!("alert/{ID}/ack"), "looking")
        .unwrap();
    assert_eq!(house.alert(ID).note.as_deref(), Some("looking"));
    house.command(&unack, "").unwrap();
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    assert_eq!(house.alert(ID).note, None);
}

#[test]
fn what_is_aimed_at_nothing_is_refused_and_changes_nothing() {
    let mut house = House::new(only(HOT));
    let ack = |house: &mut House, id: &str| house.command(&format!("alert/{id}/ack"), "");
    assert!(ack(&mut house, "all").unwrap_err().contains("no alert"));
    assert_eq!(ack(&mut house, "x").unwrap_err(), "there is no alert \"x\"");
    house.cpu(94.0);
    assert!(ack(&mut house, ID).unwrap_err().contains("only pending"));
    assert!(ack(&mut house, "all").is_err());
    house.cpu_for(94.0, mins(1));
    let error = ack(&mut house, "hot-health-temp-cpux").unwrap_err();
    assert!(
        error.contains("did you mean \"hot-health-temp-cpu\"?"),
        "{error}"
    );
    assert_eq!(house.state(ID), Some(AlertState::Firing));
}

#[test]
fn one_alert_gets_worse_instead_of_a_second_one() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house.cpu_for(104.0, secs(50));
    assert_eq!(
        house.alert(ID).severity,
        Severity::Warning,
        "a spike does not count"
    );
    house.pass(secs(10));
    let alert = house.alert(ID);
    assert_eq!(
        (alert.severity, alert.threshold),
        (Severity::Critical, Some(100.0))
    );
    assert_eq!(
        alert.summary,
        "CPU package is at 104.0 °C, above 100 °C for 2 min"
    );
    house.cpu_for(92.0, mins(5));
    assert_eq!(
        house.alert(ID).severity,
        Severity::Critical,
        "it does not get mild again"
    );
    assert_eq!(house.alerts.len(), 1);
    assert_eq!(house.alert(ID).count, 1);
}

#[test]
fn figures_are_retold_sparingly() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house.told.clear();
    house.cpu_for(94.5, hours(1));
    assert_eq!(house.told.len(), 0, "a small change is no news");
    for step in 0..60 {
        house.cpu(91.0 + f64::from(step % 2) * 8.0);
        house.pass(secs(10));
    }
    assert!((5..=10).contains(&house.told.len()), "{}", house.told.len());
    assert!(
        house.alert(ID).summary.ends_with("min"),
        "{}",
        house.alert(ID).summary
    );
    assert_eq!(house.alert(ID).count, 1);
}

#[test]
fn what_comes_back_while_it_is_remembered_counts() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    let first = house.alert(ID).since;
    house.cpu_for(80.0, hours(2));
    house.cpu_for(94.0, secs(50));
    assert_eq!(
        house.state(ID),
        Some(AlertState::Resolved),
        "not before its time"
    );
    house.pass(secs(10));
    let alert = house.alert(ID);
    assert_eq!((alert.state, alert.count), (AlertState::Firing, 2));
    assert!(alert.since > first);
    house.pass(hours(48));
    assert_eq!(
        house.state(ID),
        Some(AlertState::Firing),
        "it no longer expires"
    );
}

#[test]
fn limits_can_follow_what_the_sensor_says_of_itself() {
    let config = configured("");
    let id = "temperature_high-health-temp-cpu";
    for (critical, celsius, want) in [
        (Some(100.0), 89.0, None),
        (Some(100.0), 91.0, Some(Severity::Warning)),
        (Some(100.0), 101.0, Some(Severity::Critical)),
        (Some(80.0), 73.0, Some(Severity::Warning)),
        (None, 84.0, None),
        (None, 86.0, Some(Severity::Warning)),
        (None, 101.0, Some(Severity::Critical)),
    ] {
        let mut house = House::new(config.clone());
        let reading = temperature("temp-cpu", celsius).with_known(&CRITICAL, critical);
        house.read(vec![reading]);
        house.pass(mins(1));
        let severity = house.alerts.get(id).map(|alert| alert.severity);
        assert_eq!(severity, want, "{celsius} of {critical:?}");
    }
}

#[test]
fn words_and_flags_are_judged_as_such() {
    let mut house = House::new(only(
        "[raid]\nseries = \"health/raid-*/state\"\nis = [\"degraded\"]\nseverity = \"critical\"\n\
         [writable]\nseries = \"health/fs-*/read_only\"\nis = false\nseverity = \"info\"",
    ));
    let raid = subject("raid-md0", "md0");
    house.read(vec![Reading::new(&raid).with(&STATE, "degraded")]);
    let alert = house.alert("raid-health-raid-md0");
    assert_eq!(alert.summary, "md0: State is degraded");
    assert_eq!((alert.severity, alert.value), (Severity::Critical, None));
    let fs = subject("fs-root", "/");
    house.read(vec![
        Reading::new(&raid).with(&STATE, "ok"),
        Reading::new(&fs).with(&READ_ONLY, false),
    ]);
    assert_eq!(
        house.state("raid-health-raid-md0"),
        Some(AlertState::Resolved)
    );
    assert_eq!(
        house.alert("writable-health-fs-root").summary,
        "/: Read-only is off"
    );
    // A number where a word is asked for says nothing.
    house.read(vec![Reading::new(&raid).with(&STATE, 3.0)]);
    assert_eq!(
        house.state("raid-health-raid-md0"),
        Some(AlertState::Resolved)
    );
}

#[test]
fn a_change_counts_only_if_something_else_was_seen() {
    let mut house = House::new(configured(""));
    let read = |house: &mut House, read_only: bool| {
        let fs = subject("fs-mnt-media", "/mnt/media");
        house.read(vec![Reading::new(&fs).with(&READ_ONLY, read_only)]);
        house.pass(mins(1));
    };
    read(&mut house, true);
    assert!(house.alerts.is_empty(), "mounted like that");
    read(&mut house, false);
    read(&mut house, true);
    let alert = house.alert("filesystem_read_only-health-fs-mnt-media");
    assert_eq!(alert.summary, "/mnt/media has become read-only");
}

#[test]
fn growth_is_judged_over_its_time() {
    let mut house = House::new(only(
        "[errors]\nseries = \"health/net-*/rx_errors\"\nabove = 100\ngrowth_over = \"1h\"",
    ));
    let id = "errors-health-net-eth0";
    let read = |house: &mut House, errors: f64| {
        let net = subject("net-eth0", "eth0");
        house.read(vec![Reading::new(&net).with(&ERRORS, errors)]);
    };
    read(&mut house, 1e6);
    assert!(house.alerts.is_empty(), "what was before does not count");
    house.pass(mins(10));
    read(&mut house, 1e6 + 101.0);
    assert_eq!(house.alert(id).value, Some(101.0));
    house.pass(hours(2));
    read(&mut house, 1e6 + 101.0);
    assert_eq!(house.state(id), Some(AlertState::Resolved));
}

#[test]
fn ids_are_fit_for_topics_and_the_same_for_ever() {
    let mut house = House::new(configured(""));
    house.node("my-pi", false);
    house.batch("disk_io", Err("broken"));
    house.pass(mins(10));
    let ids: Vec<&String> = house.alerts.keys().collect();
    assert_eq!(
        ids,
        ["collector_silent-collector-disk-io", "node_gone-node-my-pi"]
    );
}

#[test]
fn too_little_is_judged_like_too_much() {
    let rule = "[low]\nseries = \"health/temp-*/temperature_c\"\nbelow = 5\nclear = 8\n\
                critical = 0\nsummary = \"{subject} is at {value}, below {limit}\"";
    let id = "low-health-temp-cpu";
    let mut house = House::new(only(rule));
    house.cpu(5.0);
    assert!(house.alerts.is_empty(), "on the limit is not below it");
    house.cpu(4.0);
    assert_eq!(
        house.alert(id).summary,
        "CPU package is at 4.0 °C, below 5 °C"
    );
    house.cpu(-0.5);
    assert_eq!(house.alert(id).severity, Severity::Critical);
    house.cpu(7.0);
    assert_eq!(house.state(id), Some(AlertState::Firing));
    house.cpu(8.0);
    assert_eq!(house.state(id), Some(AlertState::Resolved));
}

#[test]
fn a_state_that_goes_on_is_told_once() {
    let rule = "[raid]\nseries = \"health/raid-*/state\"\nis = \"degraded\"\n\
                summary = \"{subject} is {value}\"";
    let mut house = House::new(only(rule));
    for _ in 0..10 {
        let md0 = Reading::new(&subject("raid-md0", "md0")).with(&STATE, "degraded");
        house.read(vec![md0]);
        house.pass(mins(1));
    }
    assert_eq!(
        house.alert("raid-health-raid-md0").summary,
        "md0 is degraded"
    );
    assert_eq!(house.told.len(), 1);
}
