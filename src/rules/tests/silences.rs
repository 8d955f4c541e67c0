use super::*;

fn hot_house() -> House {
    let mut house = House::new(only(HOT));
    house.cpu_for(94.0, mins(1));
    house
}

#[test]
fn a_silenced_alert_says_until_when() {
    let mut house = hot_house();
    house.command(&format!("alert/{ID}/silence"), "2h").unwrap();
    let until = house.now.wall.checked_add(hours(2)).unwrap();
    assert_eq!(house.alert(ID).silenced_until, Some(until));
    assert_eq!(house.state(ID), Some(AlertState::Firing));
    house.cpu_for(94.0, hours(2));
    assert_eq!(house.alert(ID).silenced_until, None);
    assert!(house.silences.is_empty());
}

#[test]
fn a_silence_holds_for_the_next_time_too() {
    let mut house = hot_house();
    house
        .command(&format!("alert/{ID}/silence"), r#"{"for":"2h"}"#)
        .unwrap();
    house.cpu_for(80.0, mins(1));
    house.command("alert/all/ack", "").unwrap();
    assert!(house.alerts.is_empty());
    house.cpu_for(94.0, mins(1));
    assert!(house.alert(ID).silenced_until.is_some());
}

#[test]
fn a_rule_is_silenced_as_a_whole() {
    let mut house = hot_house();
    house.command("rule/hot/silence", "2h").unwrap();
    house.read(vec![
        temperature("temp-cpu", 94.0),
        temperature("temp-board", 94.0),
    ]);
    house.pass(mins(1));
    assert_eq!(house.alerts.len(), 2);
    assert!(
        house
            .alerts
            .values()
            .all(|alert| alert.silenced_until.is_some())
    );
    let error = house.command("rule/hat/silence", "2h").unwrap_err();
    assert!(
        error.contains("there is no rule \"hat\"; did you mean \"hot\"?"),
        "{error}"
    );
}

#[test]
fn a_silence_can_be_ended() {
    let mut house = hot_house();
    let silence = format!("alert/{ID}/silence");
    assert_eq!(
        house.command(&silence, "0s").unwrap_err(),
        "it is not silenced"
    );
    house.command(&silence, "2h").unwrap();
    house.command(&silence, "0s").unwrap();
    assert_eq!(house.alert(ID).silenced_until, None);
    assert!(house.silences.is_empty());
    assert!(
        house
            .command("alert/x/silence", "2h")
            .unwrap_err()
            .contains("no alert")
    );
}

#[test]
fn no_alert_begins_in_maintenance() {
    let mut house = House::new(only(HOT));
    house.cpu(80.0);
    house
        .command(
            "maintenance",
            r#"{"for":"1h","subjects":["health/temp-*"]}"#,
        )
        .unwrap();
    house.cpu_for(94.0, mins(59));
    assert!(house.alerts.is_empty());
    house.cpu_for(94.0, mins(1));
    assert_eq!(
        house.state(ID),
        Some(AlertState::Firing),
        "what holds on then is an alert"
    );
    assert_eq!(house.alert(ID).silenced_until, None);
}

#[test]
fn maintenance_silences_what_has_begun_and_hides_what_is_pending() {
    let mut house = hot_house();
    house.read(vec![
        temperature("temp-cpu", 94.0),
        temperature("temp-board", 94.0),
    ]);
    assert_eq!(
        house.state("hot-health-temp-board"),
        Some(AlertState::Pending)
    );
    house.command("maintenance", "1h").unwrap();
    assert_eq!(house.state("hot-health-temp-board"), None);
    assert!(house.alert(ID).silenced_until.is_some());
    house.cpu_for(80.0, mins(1));
    assert_eq!(
        house.state(ID),
        Some(AlertState::Resolved),
        "ends are no alerts"
    );
    house.cpu_for(94.0, mins(10));
    assert_eq!(house.state(ID), Some(AlertState::Resolved));
}

#[test]
fn maintenance_is_ended_by_a_length_of_zero() {
    let mut house = hot_house();
    let part = r#"{"for":"1h","subjects":["health/temp-cpu","health/temp-*"]}"#;
    let same = r#"{"for":"0s","subjects":["health/temp-*","health/temp-cpu"]}"#;
    house.command("maintenance", part).unwrap();
    house.command("maintenance", same).unwrap();
    assert_eq!(house.alert(ID).silenced_until, None);
    assert!(
        house
            .command("maintenance", same)
            .unwrap_err()
            .contains("no such maintenance")
    );
    house.command("maintenance", part).unwrap();
    house.command("maintenance", "2h").unwrap();
    house.command("maintenance", "0s").unwrap();
    assert!(house.silences.is_empty(), "without subjects every one ends");
    assert!(house.command("maintenance", "0s").is_err());
}

#[test]
fn maintenance_of_others_and_of_nothing_does_nothing() {
    let mut house = hot_house();
    let error = house
        .command(
            "maintenance",
            r#"{"for":"1h","subjects":["health/temp-cpi"]}"#,
        )
        .unwrap_err();
    assert!(
        error.contains("did you mean \"health/temp-cpu\"?"),
        "{error}"
    );
    house.read(vec![
        temperature("temp-cpu", 94.0),
        temperature("temp-board", 20.0),
    ]);
    house
        .command(
            "maintenance",
            r#"{"for":"1h","subjects":["health/temp-board"]}"#,
        )
        .unwrap();
    assert_eq!(house.alert(ID).silenced_until, None);
}
