//! No data, flapping, clocks that jump.

use super::*;

const SILENT: &str = "[ups_silent]\nno_data = \"health/ups-*\"\nfor = \"5m\"";

#[test]
fn no_data_never_ends_an_alert() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house.batch("hwmon", Err("bus error"));
    house.pass(hours(48));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    house.read(Vec::new());
    house.pass(hours(48));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    house.cpu_for(80.0, secs(20));
    house.batch("hwmon", Err("bus error"));
    house.pass(mins(10));
    assert_eq!(
        house.state(ID),
        Some(AlertState::Firing),
        "its recovery was not seen to the end"
    );
    house.cpu_for(80.0, secs(30));
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
}

#[test]
fn no_data_never_begins_one_either() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, secs(50));
    house.batch("hwmon", Err("bus error"));
    assert!(house.alerts.is_empty());
    house.pass(hours(1));
    assert!(house.alerts.is_empty());
    // A subject that tells something, but not this, is the same.
    house.cpu_for(94.0, secs(50));
    house.read(vec![
        Reading::new(&subject("temp-cpu", "CPU")).with(&CRITICAL, 100.0),
    ]);
    house.pass(hours(1));
    assert_eq!(house.times(AlertState::Firing), 0);
    house.cpu_for(f64::NAN, hours(1));
    assert_eq!(house.times(AlertState::Firing), 0);
}

#[test]
fn silence_of_a_subject_can_be_an_alert_of_its_own() {
    let mut house = House::new(only(SILENT));
    let ups = || vec![Reading::new(&subject("ups-a", "UPS")).with(&USED, 1.0)];
    house.batch("ups", Ok(ups()));
    house.batch("ups", Ok(Vec::new()));
    house.pass(mins(5));
    let alert = house.alert("ups_silent-health-ups-a");
    assert_eq!(alert.state, AlertState::Firing);
    assert_eq!(alert.summary, "UPS has told nothing for 5 min");
    house.batch("ups", Ok(ups()));
    assert_eq!(
        house.state("ups_silent-health-ups-a"),
        Some(AlertState::Resolved)
    );
    assert_eq!(
        house.alert("ups_silent-health-ups-a").summary,
        "UPS tells something again"
    );
}

#[test]
fn a_subject_that_was_never_there_is_not_missed() {
    let mut house = House::new(only(SILENT));
    house.batch("ups", Err("no such device"));
    house.pass(hours(1));
    assert!(house.alerts.is_empty());
}

#[test]
fn a_subject_that_moves_to_another_collector_is_not_missed() {
    let mut house = House::new(only(SILENT));
    let ups = || vec![Reading::new(&subject("ups-a", "UPS")).with(&USED, 1.0)];
    house.batch("nut", Ok(ups()));
    house.batch("apcupsd", Ok(ups()));
    house.batch("nut", Ok(Vec::new()));
    house.pass(hours(1));
    assert!(house.alerts.is_empty());
}

#[test]
fn a_collector_that_fails_is_told_with_its_reason() {
    let mut house = House::new(configured(""));
    let id = "collector_silent-collector-hwmon";
    house.batch("hwmon", Err("cannot read temp1_input"));
    house.pass(secs(110));
    assert_eq!(house.state(id), Some(AlertState::Pending));
    house.batch("hwmon", Err("cannot read temp1_input"));
    house.pass(secs(10));
    assert_eq!(
        house.alert(id).summary,
        "The collector hwmon has failed for 2 min: cannot read temp1_input"
    );
    house.batch("hwmon", Ok(Vec::new()));
    assert_eq!(house.state(id), Some(AlertState::Resolved));

    house.batch("history", Err("no space left on device"));
    house.pass(mins(3));
    assert_eq!(
        house.alert("history_failing-collector-history").summary,
        "The history is not being kept for 1 min: no space left on device"
    );
    assert_eq!(house.alerts.len(), 2, "and not by two rules");
}

#[test]
fn another_node_that_goes_offline_is_an_alert() {
    let mut house = House::new(configured(""));
    house.node("pi", true);
    house.pass(hours(1));
    house.node("pi", false);
    house.pass(secs(59));
    assert_eq!(house.state("node_gone-node-pi"), Some(AlertState::Pending));
    house.pass(secs(1));
    assert_eq!(
        house.alert("node_gone-node-pi").summary,
        "The node pi has been offline for 1 min"
    );
    house.node("pi", true);
    house.pass(secs(30));
    assert_eq!(house.state("node_gone-node-pi"), Some(AlertState::Resolved));
}

#[test]
fn what_flaps_stays_one_alert_until_it_is_quiet() {
    let mut house = House::new(only(HOT));
    for _ in 0..30 {
        house.cpu_for(94.0, mins(1));
        house.cpu_for(80.0, mins(1));
    }
    assert_eq!(house.alert(ID).count, 4, "from the fourth time on it holds");
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    let summary = &house.alert(ID).summary;
    assert!(
        summary.ends_with("; it came and went 4 times within 1 h"),
        "{summary}"
    );
    // It has been away for the last minute already.
    house.cpu_for(80.0, mins(13));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    house.cpu_for(80.0, mins(1));
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
}

#[test]
fn a_wall_clock_that_jumps_changes_no_duration() {
    for jump in ["2020-01-01T00:00:00Z", "2031-01-01T00:00:00Z"] {
        let mut house = House::new(only(HOT));
        house.cpu_for(94.0, secs(30));
        house.now.wall = wall(jump);
        house.cpu_for(94.0, secs(20));
        assert_eq!(house.state(ID), Some(AlertState::Pending), "{jump}");
        house.pass(secs(10));
        assert_eq!(house.state(ID), Some(AlertState::Firing), "{jump}");
        house
            .command(&format!("alert/{ID}/ack"), r#"{"for":"1h"}"#)
            .unwrap();
        house.now.wall = wall("2026-06-01T00:00:00Z");
        house.cpu_for(94.0, mins(59));
        assert_eq!(house.state(ID), Some(AlertState::Acknowledged), "{jump}");
        house.pass(mins(1));
        assert_eq!(house.state(ID), Some(AlertState::Firing), "{jump}");
    }
}

#[test]
fn what_is_acknowledged_and_never_heard_of_again_is_given_up_after_a_week() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house.command("alert/all/ack", "unplugged").unwrap();
    house.read(Vec::new());
    house.pass(hours(7 * 24 - 1));
    assert_eq!(house.state(ID), Some(AlertState::Acknowledged));
    house.pass(hours(1));
    assert!(house.alerts.is_empty() && house.records.is_empty());
}

#[test]
fn what_nobody_has_seen_and_is_gone_stays_for_a_month_and_ends_saying_so() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house.read(Vec::new());
    house.pass(hours(30 * 24 - 1));
    assert_eq!(
        house.state(ID),
        Some(AlertState::Firing),
        "no data is no recovery"
    );
    house.restart(hours(1));
    house.read(Vec::new());
    house.pass(hours(30 * 24 - 1));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    house.pass(hours(1));
    let alert = house.alert(ID);
    assert_eq!(alert.state, AlertState::Resolved);
    assert_eq!(
        alert.summary,
        "CPU package is gone: it has told nothing for 30 d, so nobody knows more"
    );
    house.pass(hours(24));
    assert!(house.alerts.is_empty() && house.records.is_empty());
    // One that comes back as it was is news.
    house.cpu_for(94.0, mins(1));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
}

#[test]
fn whoever_acknowledges_what_is_gone_is_rid_of_it_but_never_of_what_is_only_silent() {
    let mut house = House::new(only(HOT));
    let ack = |house: &mut House| house.command("alert/all/ack", "taken out").unwrap();
    house.cpu_for(94.0, mins(1));
    house.read(Vec::new());
    house.pass(mins(9));
    ack(&mut house);
    assert_eq!(
        house.state(ID),
        Some(AlertState::Acknowledged),
        "it may be busy"
    );
    house.pass(mins(1));
    ack(&mut house);
    assert!(house.alerts.is_empty() && house.records.is_empty());
    // While what tells of it fails, nobody knows whether it is gone.
    house.cpu_for(94.0, mins(1));
    house.batch("hwmon", Err("no answer"));
    house.pass(hours(40 * 24));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    ack(&mut house);
    assert_eq!(house.state(ID), Some(AlertState::Acknowledged));
    house.read(Vec::new());
    assert!(house.alerts.is_empty(), "it works, and the thing is gone");
}

#[test]
fn an_alert_about_silence_is_not_over_for_being_acknowledged() {
    let quiet = "[quiet]\nno_data = \"health/temp-*\"\nfor = \"1m\"\nsummary = \"{subject}\"";
    let mut house = House::new(only(quiet));
    house.cpu_for(50.0, mins(1));
    house.read(Vec::new());
    house.pass(hours(40 * 24));
    let id = "quiet-health-temp-cpu";
    assert_eq!(house.state(id), Some(AlertState::Firing));
    house.command("alert/all/ack", "").unwrap();
    // It was acknowledged long after the thing went, so there is nothing to wait for.
    assert!(house.alerts.is_empty());
}

#[test]
fn a_month_of_a_quiet_house_tells_nothing() {
    let mut house = House::new(configured(""));
    for minute in 0..30 * 24 * 60_u32 {
        let wave = f64::from(minute % 1440) / 1440.0;
        house.read(vec![
            temperature("temp-cpu", 40.0 + wave * 40.0),
            Reading::new(&subject("fs-root", "/")).with(&USED, 50.0 + wave * 39.0),
        ]);
        house.pass(mins(1));
    }
    assert!(house.told.is_empty(), "{:?}", house.told);
    assert_eq!(house.engine.next_deadline(), None, "nothing to wake up for");
}
