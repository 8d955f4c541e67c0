//! Meters over real brokers, the one inside and Mosquitto: the same dialogues as in memory, with
//! what a broker keeps and what a fresh subscriber gets of it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod broker_support;
mod embedded;
mod power_support;

use std::time::Duration;

use broker_support::{Mosquitto, PATIENCE, Running, Watcher};
use homewatch::bus::Bus;
use homewatch::config::Protocol;
use homewatch::host::Clock;
use homewatch::store::Store;
use power_support::{Dialogue, Line, Rig, holds, wants_of};

/// Fast, so that nothing is waited for in vain.
const TICK: Duration = Duration::from_millis(100);

/// Those that need no long silences, in which minutes go by.
const DIALOGUES: [&str; 8] = [
    "tasmota",
    "shelly",
    "shelly_gen1",
    "zigbee2mqtt",
    "esphome",
    "homeassistant",
    "emonhub",
    "generic",
];

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(TICK / 5).await;
    }
}

/// Plays a dialogue up to its first long silence through the broker at `port`, to whose edge
/// `bus` belongs.
async fn play(name: &str, bus: &Bus, port: u16) {
    let dialogue = Dialogue::read(name);
    let mut plug = Watcher::start(port, None).await;
    let kept = dialogue.lines.iter().filter_map(|(_, line)| match line {
        Line::Say {
            topic,
            payload,
            retained: true,
        } => Some((topic, payload)),
        _ => None,
    });
    let mut filters = Vec::new();
    for (topic, payload) in kept {
        plug.publish(topic, payload, true).await;
        plug.until(topic, payload).await;
        filters.push(topic.clone());
    }
    // Whoever asks gets what the broker has kept, and it is marked as old.
    let mut inbox = bus.want(filters.clone());
    for _ in &filters {
        let message = tokio::time::timeout(PATIENCE, inbox.next()).await.unwrap();
        assert!(message.retained, "{message:?}");
    }
    drop(inbox);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
    let rig = Rig::with_tick(&dialogue.config, bus.clone(), store, clock, TICK).await;
    // Subscribed is what hears a will that is none of the meter's.
    let mut live = bus.want(vec!["ready".to_owned()]);
    let ready = async {
        loop {
            plug.publish("ready", "1", false).await;
            if tokio::time::timeout(TICK, live.next()).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    for (number, line) in &dialogue.lines {
        match line {
            Line::Wait(time) if *time > Duration::from_mins(5) => break,
            Line::Wait(_) => tokio::time::sleep(2 * TICK).await,
            Line::Say { retained: true, .. } => {}
            Line::Say { topic, payload, .. } => plug.publish(topic, payload, false).await,
            Line::Expect(wants) => {
                // Minutes do not go by here, in which figures are gathered one by one.
                let whole = ["tasmota", "shelly", "zigbee2mqtt", "generic"].contains(&name);
                let wants = wants_of(wants).into_iter();
                for want in wants.filter(|want| whole || !want.starts_with("energy_kwh")) {
                    let fits = || holds(rig.subject().as_ref(), &want).is_ok();
                    let what = format!("{name}, line {number}: {want}");
                    let shown = || format!("{what}: {:?}", holds(rig.subject().as_ref(), &want));
                    let wait = tokio::time::timeout(PATIENCE, until(fits));
                    assert!(wait.await.is_ok(), "{}", shown());
                }
            }
        }
    }
    let (_store, _) = rig.stop().await;
}

#[tokio::test]
async fn the_broker_inside_carries_every_dialogue() {
    for name in DIALOGUES {
        let dir = tempfile::tempdir().unwrap();
        let broker = embedded::Broker::start(embedded::config(), dir.path()).await;
        play(name, &broker.bus, broker.addr.port()).await;
        broker.stop().await;
    }
}

/// The simulated home's own plug, found and read as a real one is.
#[tokio::test]
async fn the_plugs_of_the_simulated_home_speak_like_real_ones() {
    let dir = tempfile::tempdir().unwrap();
    let broker = embedded::Broker::start(embedded::config(), dir.path()).await;
    let scenario = homewatch::simulate::read(None).unwrap();
    let simulation = homewatch::simulate::Simulation::new(dir.path(), scenario).unwrap();
    let mut home = tokio::task::JoinSet::new();
    home.spawn(simulation.run(Some(broker.addr)));
    let store = tempfile::tempdir().unwrap();
    let store = Store::open(store.path()).unwrap();
    let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
    let config = "[power.meters.it]\ntasmota = \"server\"\nfeeds = \"host\"\n";
    let rig = Rig::with_tick(config, broker.bus.clone(), store, clock, TICK).await;
    let speaks = || {
        let state = rig.subject();
        let all = ["relay=true", "fault=false", "covers=host", "voltage_v=231"];
        let offers = rig.meters.offers();
        all.iter().all(|want| holds(state.as_ref(), want).is_ok())
            && offers.iter().any(|line| line.contains("{ shelly = "))
    };
    tokio::time::timeout(PATIENCE, until(speaks)).await.unwrap();
    home.shutdown().await;
    let (_store, _) = rig.stop().await;
    broker.stop().await;
}

async fn mosquitto(protocol: Protocol, names: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    for name in names {
        let mut config = broker.config();
        config.protocol = protocol;
        let running = Running::start(config);
        running.until_says("\"connected\":true").await;
        play(name, &running.bus, broker.port).await;
        drop(running.stop().await);
    }
}

#[tokio::test]
async fn mosquitto_carries_every_dialogue() {
    mosquitto(Protocol::V5, &DIALOGUES).await;
}

#[tokio::test]
async fn mosquitto_carries_them_in_the_old_protocol() {
    mosquitto(Protocol::V311, &["tasmota", "zigbee2mqtt"]).await;
}

/// What somebody else retains may be huge, and may be on topics that somebody here wants.
async fn huge_messages_are_thrown_away(protocol: Protocol) {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path(), "max_packet_size 1000000") else {
        return;
    };
    let mut other = Watcher::start(broker.port, None).await;
    let mut config = broker.config();
    config.protocol = protocol;
    let running = Running::start(config);
    running.until_says("\"connected\":true").await;
    let huge = "x".repeat(300_000);
    broker_support::publish_large(broker.port, "zigbee2mqtt/bridge/devices", &huge, true).await;
    other.publish("zigbee2mqtt/small", "1", true).await;
    other.until("zigbee2mqtt/small", "1").await;
    let mut inbox = running.bus.want(vec!["zigbee2mqtt/#".to_owned()]);
    let next = async |inbox: &mut homewatch::bus::Inbox| {
        tokio::time::timeout(PATIENCE, inbox.next()).await.unwrap()
    };
    let message = next(&mut inbox).await;
    assert_eq!(
        (message.topic.as_str(), message.retained),
        ("zigbee2mqtt/small", true)
    );
    broker_support::publish_large(broker.port, "zigbee2mqtt/again", &huge, false).await;
    other.publish("zigbee2mqtt/small", "2", false).await;
    let message = next(&mut inbox).await;
    assert_eq!((&message.payload[..], message.retained), (&b"2"[..], false));
    assert!(running.says("\"connected\":true") && running.says("\"reconnects_count\":0"));
    // What is wanted can change at any time.
    inbox.want(vec!["other/+".to_owned()]);
    let asked = async {
        loop {
            other.publish("other/topic", "3", false).await;
            if let Ok(message) = tokio::time::timeout(TICK, inbox.next()).await {
                return message;
            }
        }
    };
    let message = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(message.topic, "other/topic");
    drop(inbox);
    let unsubscribed = until(|| broker.log().contains("UNSUBSCRIBE"));
    tokio::time::timeout(PATIENCE, unsubscribed).await.unwrap();
    drop(running.stop().await);
}

#[tokio::test]
async fn huge_messages_do_not_end_the_connection() {
    huge_messages_are_thrown_away(Protocol::V5).await;
}

#[tokio::test]
async fn huge_messages_do_not_end_the_connection_in_the_old_protocol() {
    huge_messages_are_thrown_away(Protocol::V311).await;
}

#[tokio::test]
async fn a_question_to_a_device_leaves_by_the_edge_and_is_not_retained() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    let mut plug = Watcher::start(broker.port, None).await;
    let running = Running::start(broker.config());
    running.until_says("\"connected\":true").await;
    let ask = homewatch::bus::Event::Ask("cmnd/plug1/STATUS".into(), "8".into());
    running.bus.emit(ask);
    let seen = plug.until("cmnd/plug1/STATUS", "8").await;
    assert!(!seen.retain);
    drop(running.stop().await);
}
