use super::*;

fn hot_house() -> House {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house
}

#[test]
fn a_firing_alert_stays_as_it_was_until_its_subject_tells_something() {
    let mut house = hot_house();
    let before = house.alert(ID).clone();
    house.restart(mins(5));
    assert_eq!(
        house.alert(ID),
        &before,
        "the same to the last key: nobody is told anew"
    );
    house.pass(hours(24));
    assert_eq!(house.alert(ID), &before);
    house.cpu_for(94.0, hours(1));
    assert_eq!(
        (house.alert(ID).since, house.alert(ID).count),
        (before.since, 1)
    );
    house.cpu_for(80.0, secs(30));
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
}

#[test]
fn what_is_acknowledged_stays_so() {
    let mut house = hot_house();
    house
        .command("alert/all/ack", r#"{"by":"Ann","note":"later"}"#)
        .unwrap();
    let before = house.alert(ID).clone();
    for _ in 0..3 {
        house.restart(mins(5));
        assert_eq!(house.alert(ID), &before);
        house.cpu_for(94.0, mins(5));
    }
    assert_eq!(house.state(ID), Some(AlertState::Acknowledged));
    house.cpu_for(80.0, secs(30));
    assert!(house.alerts.is_empty() && house.records.is_empty());
}

#[test]
fn times_go_on_where_they_were() {
    let mut house = hot_house();
    house.command("alert/all/ack", r#"{"for":"2h"}"#).unwrap();
    house.restart(hours(1));
    house.cpu_for(94.0, mins(59));
    assert_eq!(house.state(ID), Some(AlertState::Acknowledged));
    house.pass(mins(1));
    assert_eq!(house.state(ID), Some(AlertState::Firing));

    house.cpu_for(80.0, secs(30));
    house.restart(hours(23));
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
    house.pass(hours(1));
    assert!(house.alerts.is_empty());
}

#[test]
fn what_ran_out_while_we_were_away_is_over() {
    let mut house = hot_house();
    house.command("alert/all/ack", r#"{"for":"2h"}"#).unwrap();
    house.command("rule/hot/silence", "1h").unwrap();
    house.restart(hours(3));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    assert_eq!(house.alert(ID).silenced_until, None);
    assert!(house.silences.is_empty());
}

#[test]
fn a_clock_set_back_while_we_were_away_makes_nothing_longer() {
    let mut house = hot_house();
    house.command("alert/all/ack", r#"{"for":"2h"}"#).unwrap();
    house.command("rule/hot/silence", "1h").unwrap();
    house.now.wall = wall("2020-01-01T00:00:00Z");
    house.restart(secs(1));
    house.cpu_for(94.0, hours(1));
    assert_eq!(house.alert(ID).silenced_until, None);
    house.cpu_for(94.0, hours(1));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
}

#[test]
fn silences_and_maintenance_hold_on() {
    let mut house = hot_house();
    house.command("rule/hot/silence", "2h").unwrap();
    house
        .command(
            "maintenance",
            r#"{"for":"3h","subjects":["health/temp-cpu"]}"#,
        )
        .unwrap();
    let until = house.alert(ID).silenced_until;
    house.restart(hours(1));
    assert_eq!(house.alert(ID).silenced_until, until);
    house.pass(hours(2));
    assert_eq!(house.alert(ID).silenced_until, None);
}

#[test]
fn what_only_pended_starts_anew() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, secs(50));
    house.restart(secs(1));
    assert!(house.alerts.is_empty());
    house.cpu_for(94.0, secs(50));
    assert_eq!(house.times(AlertState::Firing), 0);
}

#[test]
fn a_change_stays_a_change() {
    let mut house = House::new(configured(""));
    let id = "filesystem_read_only-health-fs-root";
    for read_only in [false, true] {
        let fs = subject("fs-root", "/");
        house.read(vec![Reading::new(&fs).with(&READ_ONLY, read_only)]);
        house.pass(mins(1));
    }
    house.restart(secs(1));
    house.read(vec![
        Reading::new(&subject("fs-root", "/")).with(&READ_ONLY, true),
    ]);
    house.pass(mins(10));
    assert_eq!(house.state(id), Some(AlertState::Firing));
}

#[test]
fn alerts_of_rules_that_are_gone_go() {
    let mut house = hot_house();
    house.config = only("");
    house.restart(secs(1));
    assert!(house.alerts.is_empty() && house.records.is_empty());

    let mut house = hot_house();
    house.config = only(&format!("{HOT}\nexcept = [\"health/temp-cpu\"]"));
    house.restart(secs(1));
    assert!(house.alerts.is_empty() && house.records.is_empty());
}

#[test]
fn records_that_make_no_sense_are_let_go() {
    let mut house = hot_house();
    let record = house.records[ID].clone();
    house.records.insert("other".to_owned(), record);
    house
        .records
        .insert("broken".to_owned(), b"{\"alert\":".to_vec());
    house
        .silences
        .insert("rule/hot".to_owned(), b"never".to_vec());
    house.restart(secs(1));
    assert_eq!(house.unreadable, 2);
    assert!(!house.records.contains_key("other"));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
}

#[test]
fn a_reload_does_not_begin_the_time_of_a_pending_alert_anew() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, secs(50));
    let pending = house.alert(ID).clone();
    assert_eq!(pending.state, AlertState::Pending);
    house.reload(only(&format!(
        "{HOT}\n[cold]\nseries = \"health/temp-*/temperature_c\"\nbelow = 1\nsummary = \"cold\""
    )));
    assert_eq!(house.alert(ID), &pending, "the same to the last key");
    // A figure that takes two looks is missing at first: nothing begins and nothing is forgotten.
    house.read(vec![Reading::new(&subject("temp-cpu", "CPU package"))]);
    house.pass(secs(20));
    assert_eq!(house.state(ID), Some(AlertState::Pending));
    house.cpu(94.0);
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    assert_eq!(house.alert(ID).since, pending.since);

    // One that fires goes on, and so does the time till it is over.
    house.cpu_for(80.0, secs(20));
    house.reload(only(HOT));
    house.cpu_for(80.0, secs(10));
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
    assert_eq!(house.cleared, 0);
}

#[test]
fn what_a_reload_changes_or_nobody_tells_of_afterwards_begins_anew() {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, secs(50));
    house.reload(only(&HOT.replace("90", "91")));
    assert_eq!(house.state(ID), None, "the rule is another one");
    house.cpu_for(94.0, secs(50));
    house.reload(only(HOT));
    house.reload(only(""));
    assert_eq!(house.state(ID), None);

    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, secs(50));
    house.reload(only(HOT));
    house.batch("hwmon", Ok(Vec::new()));
    house.pass(mins(10));
    assert_eq!(house.state(ID), None, "no data begins no alert");
    house.cpu_for(94.0, secs(50));
    assert_eq!(house.state(ID), Some(AlertState::Pending));
}

#[test]
fn what_could_not_be_kept_is_not_lost_at_a_reload() {
    let mut house = hot_house();
    house.records.clear();
    house.reload(only(HOT));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    // And what only the store knows stays as well.
    let records = hot_house().records;
    let mut house = House::new(only(HOT));
    house.cpu(20.0);
    house.records = records;
    house.reload(only(HOT));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
}
