//! Commands and alerts in the running program: asked, kept, told, and there again after a crash.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "test code"
)]

mod control_support;
mod powercut;

use std::time::Duration;

use control_support::{HOT, House, command, is_refused, temperature};
use homewatch::bus::{Edge, Event, Incoming};
use homewatch::config::{HistoryConfig, RulesConfig};
use homewatch::model::{AlertState, Topics};
use homewatch::store::{Collection, Medium, Store};

async fn house() -> (House, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (House::new(store).await, dir)
}

/// A rule that is not built in; the configuration's own way to it is tested there.
fn without(rule: &str) -> RulesConfig {
    let mut config = RulesConfig::default();
    config.rules.retain(|other| other.id != rule);
    config
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_is_kept_then_told_then_answered() {
    let (mut house, _dir) = house().await;
    house.heat().await;
    let ack = format!("alert/{HOT}/ack");
    let store = house.store.clone();
    let asked = house.bus.clone();
    let told = async {
        let alert = house.becomes(HOT, Some(AlertState::Acknowledged)).await;
        // Whoever hears of it may pull the plug: it is kept already.
        let kept = store.get(Collection::Alerts, HOT).unwrap().unwrap();
        assert!(
            String::from_utf8(kept)
                .unwrap()
                .contains("\"acknowledged\"")
        );
        alert.unwrap()
    };
    let payload = r#"{"id":"7","by":"Ann","note":"on it"}"#;
    let (result, alert) = tokio::join!(asked.command(command(&ack, payload)), told);
    assert!(result.ok, "{result:?}");
    assert_eq!((result.id.as_deref(), &*result.command), (Some("7"), &*ack));
    assert_eq!(result.detail.unwrap()["alerts"][0], HOT);
    assert_eq!(alert.acknowledged_by.as_deref(), Some("Ann"));
    assert_eq!(alert.acknowledged_at, Some(house.clock.now()));
    assert_eq!(alert.note.as_deref(), Some("on it"));
    // Everybody hears the answer, and that there was a command.
    let Event::Answered(answer) = house.event().await else {
        panic!("no answer")
    };
    assert!(answer.result.ok && answer.reply.is_none());
    let Event::Happened("command", what) = house.event().await else {
        panic!("no event")
    };
    assert_eq!(
        (&what["command"], &what["by"]),
        (&ack.into(), &"Ann".into())
    );
    assert_eq!(what["ok"], true);
}

#[tokio::test(start_paused = true)]
async fn acknowledged_stays_acknowledged_through_stops_and_kills() {
    let (mut house, _dir) = house().await;
    house.heat().await;
    assert!(house.ask("alert/all/ack", r#"{"by":"Ann"}"#).await.ok);
    let before = house.alert(HOT).unwrap();
    for crash in [true, false, true] {
        if !crash {
            house.stop().await;
            house.start(RulesConfig::default()).await;
        }
        house = house.reboot().await;
        assert_eq!(
            house.alert(HOT).unwrap(),
            before,
            "there before anybody starts"
        );
        house.cpu(94.0);
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(house.alert(HOT).unwrap().state, AlertState::Acknowledged);
    }
    house.cpu(50.0);
    assert_eq!(house.becomes(HOT, None).await, None);
    assert_eq!(house.store.all(Collection::Alerts).unwrap(), vec![]);
}

#[tokio::test(start_paused = true)]
async fn who_asked_by_mqtt_5_hears_the_answer_at_the_topic_of_their_choice_too() {
    let (house, _dir) = house().await;
    let edge = Edge {
        name: "broker",
        topics: Topics::new("homewatch", "nas", "homeassistant"),
        bus: house.bus.clone(),
    };
    let mut listener = house.bus.listen();
    let reply = homewatch::model::ReplyTo {
        topic: "answers/me".to_owned(),
        correlation: None,
    };
    edge.receive(Incoming {
        topic: "homewatch/nas/cmd/alert/none/ack".to_owned(),
        payload: "{}".into(),
        retain: false,
        reply: Some(reply.clone()),
    });
    let homewatch::bus::Heard::Event(Event::Answered(answer)) = listener.next().await else {
        panic!("no answer");
    };
    is_refused(&answer.result, "there is no alert \"none\"");
    assert_eq!(answer.reply, Some(("broker", reply)));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_changes_nothing_and_says_why() {
    let (mut house, _dir) = house().await;
    house.heat().await;
    let before = (
        house.alert(HOT),
        house.store.all(Collection::Alerts).unwrap(),
    );
    for (name, payload, why) in [
        (
            "alert/temperature_high-health-temp-cpx/ack",
            "",
            "did you mean",
        ),
        ("alert/é/ack", "", "there is no alert \"é\""),
        ("alert/+/unack", "", "there is no alert \"+\""),
        ("alert/#/silence", "1h", "there is no alert \"#\""),
        ("rule/none/silence", "1h", "there is no rule"),
        (
            "maintenance",
            r#"{"for":"1h","subjects":["health/x"]}"#,
            "there is no subject",
        ),
        ("maintenance", "0s", "no such maintenance window"),
        ("host/reboot", "", "not allowed by the configuration"),
        ("alert/all/unack", "", "no alert that this could be done to"),
    ] {
        is_refused(&house.ask(name, payload).await, why);
    }
    // Refused before they get here, by both edges alike.
    let topics = Topics::new("homewatch", "nas", "homeassistant");
    let edge = Edge {
        name: "broker",
        topics,
        bus: house.bus.clone(),
    };
    let mut listener = house.bus.listen();
    let long = "x".repeat(5000);
    for (name, payload, retain, why) in [
        (
            "alert/all/ack",
            "{}",
            true,
            "retained commands are not carried out",
        ),
        ("alert/all/akc", "", false, "did you mean"),
        ("alert/all/ack", "{", false, "starts like JSON but is not"),
        ("alert/all/ack", &long, false, "longer than 4096 bytes"),
        ("rule/memory_low/silence", "3650d", false, "at most 366d"),
    ] {
        let answered = edge.receive(Incoming {
            topic: format!("homewatch/nas/cmd/{name}"),
            payload: payload.to_owned().into(),
            retain,
            reply: None,
        });
        assert_eq!(answered, None);
        let homewatch::bus::Heard::Event(Event::Answered(answer)) = listener.next().await else {
            panic!("no answer to {name}");
        };
        is_refused(&answer.result, why);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = (
        house.alert(HOT),
        house.store.all(Collection::Alerts).unwrap(),
    );
    assert_eq!(after, before);
    assert_eq!(house.store.all(Collection::Silences).unwrap(), vec![]);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_no_alert_and_what_was_meant_is_kept_when_there_is_room() {
    let power = powercut::Power::new(u64::MAX);
    let [database, journal] = [(); 2].map(|()| powercut::Disk::new(Vec::new(), &power));
    let open = || {
        let (medium, ring) = (Medium::new(database.clone()), Medium::new(journal.clone()));
        Store::open_on(&medium, &ring, 64, &HistoryConfig::default()).unwrap()
    };
    let mut house = House::new(open()).await;
    database.limit(Some(0));
    house.cpu(94.0);
    assert!(house.fares().await.is_err());
    house.becomes(HOT, Some(AlertState::Firing)).await;
    let result = house.ask("alert/all/ack", "").await;
    is_refused(&result, "it holds now, but it could not be saved");
    assert_eq!(house.alert(HOT).unwrap().state, AlertState::Acknowledged);
    // That alerts cannot be kept is an alert, too.
    let own = "collector_silent-collector-alerts";
    house.becomes(own, Some(AlertState::Firing)).await;
    database.limit(None);
    assert_eq!(house.fares().await, Ok(()), "tried again by itself");
    let kept = house.store.get(Collection::Alerts, HOT).unwrap().unwrap();
    assert!(
        String::from_utf8(kept)
            .unwrap()
            .contains("\"acknowledged\"")
    );
    house.becomes(own, Some(AlertState::Resolved)).await;
    assert!(house.ask("alert/all/unack", "").await.ok);
}

#[tokio::test(start_paused = true)]
async fn whoever_missed_events_reads_the_state_anew() {
    let (mut house, _dir) = house().await;
    house.cpu(50.0);
    // Far more than the bus holds for a slow listener, with the news somewhere in the middle.
    for number in 0..1_000 {
        if number == 100 {
            house.cpu(94.0);
            house.bus.node("pi", false);
        }
        house.tell("uptime", Ok(Vec::new()));
    }
    house.listener = house.bus.listen();
    let ids = [HOT, "node_gone-node-pi"];
    for _ in ids {
        loop {
            if let Event::Alert(alert) = house.event().await
                && alert.state == AlertState::Firing
            {
                assert!(ids.contains(&&*alert.id), "{alert:?}");
                break;
            }
        }
    }
    assert_eq!(house.bus.state().alerts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_and_a_collector_that_fails_are_alerts() {
    let (mut house, _dir) = house().await;
    house.bus.node("pi", true);
    house.bus.node("pi", false);
    let node = "node_gone-node-pi";
    let alert = house.becomes(node, Some(AlertState::Firing)).await.unwrap();
    assert_eq!(alert.summary, "The node pi has been offline for 1 min");
    house.bus.node("pi", true);
    house.becomes(node, Some(AlertState::Resolved)).await;

    house.tell("hwmon", Err("bus error"));
    let collector = "collector_silent-collector-hwmon";
    let alert = house
        .becomes(collector, Some(AlertState::Firing))
        .await
        .unwrap();
    assert_eq!(
        alert.summary,
        "The collector hwmon has failed for 2 min: bus error"
    );
    house.cpu(50.0);
    house.becomes(collector, Some(AlertState::Resolved)).await;
    // What is over and was seen leaves nothing behind.
    assert!(house.ask("alert/all/ack", "").await.ok);
    assert_eq!(house.bus.state().alerts(), vec![]);
    assert_eq!(house.store.all(Collection::Alerts).unwrap(), vec![]);
}

#[tokio::test(start_paused = true)]
async fn times_that_were_given_run_out_by_themselves() {
    let (mut house, _dir) = house().await;
    house.heat().await;
    assert!(house.ask("alert/all/ack", r#"{"for":"2h"}"#).await.ok);
    house.becomes(HOT, Some(AlertState::Acknowledged)).await;
    let asked = tokio::time::Instant::now();
    house.becomes(HOT, Some(AlertState::Firing)).await;
    assert_eq!(asked.elapsed().as_secs(), 2 * 3600);

    for (name, payload) in [
        (format!("alert/{HOT}/silence"), r#"{"for":"1h"}"#),
        ("rule/temperature_high/silence".to_owned(), "2h"),
        (
            "maintenance".to_owned(),
            r#"{"for":"3h","subjects":["health/temp-*"]}"#,
        ),
    ] {
        let result = house.ask(&name, payload).await;
        assert!(result.ok, "{result:?}");
        let until = result.detail.unwrap()["until"].clone();
        let alert = house.becomes(HOT, Some(AlertState::Firing)).await.unwrap();
        let told = serde_json::to_value(&alert).unwrap()["silenced_until"].clone();
        assert_eq!(told, until);
    }
    assert_eq!(house.store.all(Collection::Silences).unwrap().len(), 3);
    house = house.reboot().await;
    assert!(house.alert(HOT).unwrap().silenced_until.is_some());
    tokio::time::sleep(Duration::from_mins(2 * 60 + 59)).await;
    assert!(house.alert(HOT).unwrap().silenced_until.is_some());
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(house.alert(HOT).unwrap().silenced_until, None);
    assert_eq!(house.store.all(Collection::Silences).unwrap(), vec![]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_takes_away_what_nobody_watches_any_more() {
    let (mut house, _dir) = house().await;
    house.heat().await;
    house.tell(
        "hwmon",
        Ok(vec![
            temperature("temp-cpu", 94.0),
            temperature("temp-b", 94.0),
        ]),
    );
    let pending = "temperature_high-health-temp-b";
    house.becomes(pending, Some(AlertState::Pending)).await;
    house.bus.node("pi", false);
    house
        .becomes("node_gone-node-pi", Some(AlertState::Pending))
        .await;

    house.kill().await;
    house.start(without("temperature_high")).await;
    assert_eq!(house.alert(HOT), None);
    assert_eq!(house.alert(pending), None);
    assert_eq!(house.store.all(Collection::Alerts).unwrap(), vec![]);
    // What is still watched goes on, though nobody says it again.
    house
        .becomes("node_gone-node-pi", Some(AlertState::Firing))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_goes_on_with_what_pends() {
    let (mut house, _dir) = house().await;
    let begun = tokio::time::Instant::now();
    house.bus.node("pi", false);
    let id = "node_gone-node-pi";
    let pending = house.becomes(id, Some(AlertState::Pending)).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    house.stop().await;
    house.start(without("temperature_high")).await;
    assert_eq!(house.alert(id), pending);
    house.becomes(id, Some(AlertState::Firing)).await;
    // After its minute, half of which was over.
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_restart_hears_what_is_known_before_anything_new_comes() {
    let (mut house, _dir) = house().await;
    house.cpu(94.0);
    house.tell("ups", Err("no answer"));
    house.kill().await;
    house.listener = house.bus.listen();
    house.start(RulesConfig::default()).await;
    house.becomes(HOT, Some(AlertState::Firing)).await;
    house
        .becomes("collector_silent-collector-ups", Some(AlertState::Firing))
        .await;
}

#[tokio::test(start_paused = true)]
async fn records_that_make_no_sense_are_removed_and_the_rest_goes_on() {
    let (mut house, _dir) = house().await;
    house.heat().await;
    house.kill().await;
    house.store.put(Collection::Alerts, "broken", b"{").unwrap();
    house
        .store
        .put(Collection::Silences, "rule/x", &[0xff])
        .unwrap();
    house.start(RulesConfig::default()).await;
    assert_eq!(house.alert(HOT).unwrap().state, AlertState::Firing);
    assert_eq!(house.store.get(Collection::Alerts, "broken").unwrap(), None);
    assert_eq!(house.store.all(Collection::Silences).unwrap(), vec![]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_it_and_later_commands_are_told_so() {
    let (mut house, _dir) = house().await;
    house.stop().await;
    let bus = house.bus.clone();
    drop(house);
    is_refused(
        &bus.command(command("alert/all/ack", "")).await,
        "homewatch is stopping",
    );
}
