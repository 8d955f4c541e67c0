//! Five hundred alerts at once, which is more than the bus holds for a slow listener: nobody ends
//! up with an alert too few, and none outlives its end.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "test code"
)]

mod broker_support;
mod control_support;
mod embedded;

use std::time::Duration;

use broker_support::{Mosquitto, Running, Watcher};
use control_support::{House, temperature};
use homewatch::bus::{Bus, Event};
use homewatch::config::Protocol;
use homewatch::model::{Alert, AlertState, Severity};
use homewatch::store::Store;

const MANY: usize = 500;
const ALERTS: &str = "homewatch/nas/alert/";

fn alert(number: usize) -> Alert {
    serde_json::from_value(serde_json::json!({
        "id": format!("hot-{number}"), "rule": "hot", "severity": Severity::Warning,
        "state": AlertState::Firing, "subject": "health/cpu", "summary": "CPU is hot",
        "since": "2026-01-01T00:00:00Z", "count": 1
    }))
    .unwrap()
}

/// All at once: nobody has a turn in between.
fn begin(bus: &Bus) {
    for number in 0..MANY {
        bus.alert(alert(number));
    }
}

fn end(bus: &Bus) {
    for number in 0..MANY {
        bus.clear_alert(alert(number));
    }
}

/// Waits until so many alerts are there for somebody who has been listening all the time.
async fn until(watcher: &mut Watcher, count: usize) {
    let alive =
        |(topic, payload): (&String, &String)| topic.starts_with(ALERTS) && !payload.is_empty();
    watcher
        .until_all(|last| last.iter().filter(|entry| alive(*entry)).count() == count)
        .await;
}

/// What the broker has kept, for somebody who comes now.
async fn kept(port: u16) -> usize {
    let mut late = Watcher::start(port, None).await;
    // Retained messages come in no particular order; an echo of our own is after all of them.
    late.publish("test/echo", "here", false).await;
    late.until("test/echo", "here").await;
    let alerts = late
        .last
        .iter()
        .filter(|(topic, _)| topic.starts_with(ALERTS));
    alerts.filter(|(_, payload)| !payload.is_empty()).count()
}

#[tokio::test]
async fn at_an_outside_broker() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    for protocol in [Protocol::V5, Protocol::V311] {
        let mut config = broker.config();
        config.protocol = protocol;
        let running = Running::start(config.clone());
        running.until_says("\"connected\":true").await;
        let mut watcher = Watcher::start(broker.port, None).await;
        begin(&running.bus);
        until(&mut watcher, MANY).await;
        end(&running.bus);
        until(&mut watcher, 0).await;
        assert_eq!(kept(broker.port).await, 0);

        // Killed with alerts open, and they are over when we come again.
        begin(&running.bus);
        until(&mut watcher, MANY).await;
        let (store, _dir) = running.crash().await;
        assert_eq!(kept(broker.port).await, MANY);
        let running = Running::with_store(config, store);
        running.bus.alert(alert(7));
        running.until_says("\"connected\":true").await;
        until(&mut watcher, 1).await;
        assert_eq!(kept(broker.port).await, 1);
        running.bus.clear_alert(alert(7));
        until(&mut watcher, 0).await;
        drop(running.stop().await);
    }
}

#[tokio::test]
async fn at_the_broker_inside() {
    let dir = tempfile::tempdir().unwrap();
    let broker = embedded::Broker::start(embedded::config(), dir.path()).await;
    let mut watcher = Watcher::start(broker.addr.port(), None).await;
    begin(&broker.bus);
    until(&mut watcher, MANY).await;
    end(&broker.bus);
    until(&mut watcher, 0).await;
    assert_eq!(kept(broker.addr.port()).await, 0);
    broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_listens_to_the_rules_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut house = House::new(Store::open(dir.path()).unwrap()).await;
    let all = |celsius| (0..MANY).map(move |n| temperature(&format!("temp-{n}"), celsius));
    house.tell("hwmon", Ok(all(94.0).collect()));
    // A listener that misses an event fails the test.
    let mut told = 0;
    while told < MANY {
        if let Event::Alert(alert) = house.event().await {
            told += usize::from(alert.state == AlertState::Firing);
        }
    }
    let bus = house.bus.clone();
    let asked = bus.command(control_support::command("alert/all/ack", ""));
    let heard = async {
        loop {
            if let Event::Answered(_) = house.event().await {
                break;
            }
        }
    };
    let (result, ()) = tokio::join!(asked, heard);
    let detail = result.detail.unwrap();
    assert_eq!(
        detail["alerts"].as_array().unwrap().len(),
        100,
        "an answer is bounded"
    );
    assert_eq!(detail["more"], 400);
    house.tell("hwmon", Ok(all(50.0).collect()));
    tokio::time::timeout(Duration::from_hours(1), async {
        let mut cleared = 0;
        while cleared < MANY {
            cleared += usize::from(matches!(house.event().await, Event::AlertCleared(_)));
        }
    })
    .await
    .unwrap();
    assert!(house.bus.state().alerts().is_empty());
}
