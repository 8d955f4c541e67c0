//! What nobody in their right mind sends, and more than any house has.

use proptest::prelude::*;

use super::*;
use crate::rules::Effect;

fn hot_house() -> House {
    let mut house = House::new(configured(HOT));
    house.cpu_for(94.0, mins(1));
    house
}

/// Text that is nearly right.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        Just("2h".to_owned()),
        Just("0s".to_owned()),
        Just("-1s".to_owned()),
        Just("1e400d".to_owned()),
        Just("9".repeat(400) + "w"),
        Just("0.0000000001s".to_owned()),
        Just("3650d".to_owned()),
        "[0-9.]{0,30}(ms|s|m|h|d|w|y)?",
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..6_000),
        length.clone().prop_map(String::into_bytes),
        (length, "[+#/a-zé*\\\\\"]{0,12}").prop_map(|(length, word)| {
            serde_json::json!({"for": length, "by": word, "note": word, "subjects": ["health/*"]})
                .to_string()
                .into_bytes()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_command_breaks_anything_and_what_is_refused_changes_nothing(
        name in "(alert/(all|hot-health-temp-cpu|\\PC{0,9})|rule/(hot|\\PC{0,9})|maintenance|\\PC{0,30})(/(ack|unack|silence))?",
        payload in payload(),
    ) {
        let mut house = hot_house();
        let (alerts, silences) = (house.alerts.clone(), house.silences.clone());
        let done = match Command::parse(&name, &payload, Origin::Push) {
            Ok(command) => {
                let effects = house.engine.step(house.now, Input::Command(&command));
                let done = effects.iter().any(|e| matches!(e, Effect::Answer(r) if r.ok));
                let answers = effects.iter().filter(|e| matches!(e, Effect::Answer(_)));
                prop_assert_eq!(answers.count(), 1);
                house.take(effects);
                done
            }
            Err(result) => {
                let error = result.error.unwrap_or_default();
                prop_assert!(!result.ok && !error.is_empty() && error.len() < 2_000);
                false
            }
        };
        if !done {
            prop_assert_eq!(&house.alerts, &alerts);
            prop_assert_eq!(&house.silences, &silences);
        }
        // Whatever was asked for, it ends within a year.
        house.cpu_for(94.0, mins(2));
        house.pass(hours(24 * 367));
        prop_assert!(house.silences.is_empty());
        prop_assert!(house.alerts.values().all(|alert| alert.silenced_until.is_none()));
    }
}

#[test]
fn absurd_lengths_are_refused() {
    for length in [
        "3650d",
        "1e400d",
        "-1s",
        "inf",
        "NaN",
        "1",
        &("9".repeat(4_000) + "d"),
    ] {
        for name in ["rule/hot/silence", "maintenance", "alert/x/silence"] {
            let result = Command::parse(name, length.as_bytes(), Origin::Push).unwrap_err();
            let error = result.error.unwrap();
            assert!(
                error.contains("at most 366d") && error.len() < 300,
                "{error}"
            );
        }
    }
}

#[test]
fn ten_thousand_things_that_come_and_go_leave_nothing_behind() {
    let mut house = House::new(configured(HOT));
    for number in 0..10_000 {
        let id = format!("temp-veth{number}");
        house.read(vec![temperature(&id, 94.0)]);
        house.pass(secs(59));
    }
    let known = house.engine.things.len();
    assert!(known < 1_500, "{known}");
    house.read(Vec::new());
    house.pass(hours(25));
    house.read(Vec::new());
    assert!(house.alerts.is_empty());
    assert_eq!(house.engine.things.len(), 1, "the collector itself");
}

#[test]
fn five_hundred_alerts_at_once_are_five_hundred_alerts() {
    let mut house = House::new(only(HOT));
    let all = |celsius| (0..500).map(move |n| temperature(&format!("temp-{n}"), celsius));
    house.read(all(94.0).collect());
    house.pass(mins(1));
    assert_eq!(house.times(AlertState::Firing), 500);
    house.command("alert/all/ack", "").unwrap();
    assert_eq!(house.times(AlertState::Acknowledged), 500);
    house.read(all(50.0).collect());
    house.pass(mins(1));
    assert_eq!(
        (house.cleared, house.alerts.len(), house.records.len()),
        (500, 0, 0)
    );
}

#[test]
fn a_wall_clock_at_the_ends_of_time_breaks_nothing() {
    for end in [
        "-009998-01-02T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "9998-12-01T00:00:00Z",
    ] {
        let mut house = House::new(only(HOT));
        house.now.wall = wall(end);
        let step = |house: &mut House, celsius| {
            house.now.up += mins(1);
            house.cpu(celsius);
        };
        step(&mut house, 94.0);
        step(&mut house, 94.0);
        assert_eq!(house.state(ID), Some(AlertState::Firing));
        house.command("alert/all/ack", r#"{"for":"2h"}"#).unwrap();
        house.command("rule/hot/silence", "366d").unwrap();
        house.restart(Duration::ZERO);
        assert_eq!(house.state(ID), Some(AlertState::Acknowledged));
        step(&mut house, 50.0);
        step(&mut house, 50.0);
        assert!(house.alerts.is_empty());
    }
}
