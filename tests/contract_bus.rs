//! What a subscriber sees, whichever way it listens: one suite for the memory bus and for every
//! MQTT edge, so that they never drift apart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod broker_support;
mod embedded;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_support::{Mosquitto, Running, Seen, Watcher, topics};
use bytes::Bytes;
use homewatch::bus::{Answer, Bus, Edge, Event, Heard, Incoming, Listener, State};
use homewatch::model::{
    Alert, AlertState, Area, Batch, CommandResult, Metric, Outcome, Reading, Severity, Subject,
    Timestamp, Unit,
};

static TEMPERATURE: Metric =
    Metric::gauge("temperature_c", "Temperature", Unit::Celsius).dead_band(1.0);

const BASE: &str = "homewatch/nas";

/// A subscriber to everything.
enum Subscriber {
    Memory {
        edge: Edge,
        listener: Listener,
        last: BTreeMap<String, String>,
        all: Vec<Seen>,
    },
    Mqtt(Box<Watcher>),
}

impl Subscriber {
    /// What a client that subscribes now to the memory bus is given.
    fn to_memory(bus: &Bus) -> Self {
        let edge = Edge {
            name: "memory",
            topics: topics(),
            bus: bus.clone(),
        };
        let snapshot = edge.snapshot();
        let last = snapshot.iter().map(|message| {
            let payload = String::from_utf8(message.payload.to_vec()).unwrap();
            (message.topic.clone(), payload)
        });
        Self::Memory {
            listener: bus.listen(),
            last: last.collect(),
            all: Vec::new(),
            edge,
        }
    }

    fn last(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Memory { last, .. } => last,
            Self::Mqtt(watcher) => &watcher.last,
        }
    }

    fn all(&self) -> &[Seen] {
        match self {
            Self::Memory { all, .. } => all,
            Self::Mqtt(watcher) => &watcher.all,
        }
    }

    async fn next(&mut self) {
        match self {
            Self::Memory {
                edge,
                listener,
                last,
                all,
            } => {
                let Heard::Event(event) = listener.next().await else {
                    panic!("the bus is gone")
                };
                for message in edge.messages(&event) {
                    let payload = String::from_utf8(message.payload.to_vec()).unwrap();
                    last.insert(message.topic.clone(), payload.clone());
                    all.push(Seen {
                        topic: message.topic,
                        payload,
                        retain: false,
                    });
                }
            }
            Self::Mqtt(watcher) => drop(watcher.next().await),
        }
    }

    async fn until(&mut self, topic: &str, part: &str) {
        let topic = format!("{BASE}/{topic}");
        let found = |last: &BTreeMap<String, String>| {
            last.get(&topic).is_some_and(|payload| {
                if part.is_empty() {
                    payload.is_empty()
                } else {
                    payload.contains(part)
                }
            })
        };
        while !found(self.last()) {
            let next = tokio::time::timeout(broker_support::PATIENCE, self.next());
            assert!(
                next.await.is_ok(),
                "no {part} on {topic}: {:#?}",
                self.last()
            );
        }
    }

    fn seen(&self, topic: &str) -> usize {
        let topic = format!("{BASE}/{topic}");
        self.all().iter().filter(|seen| seen.topic == topic).count()
    }

    /// Publishes as a client would.
    async fn publish(&self, topic: &str, payload: &str, retain: bool) {
        let topic = format!("{BASE}/{topic}");
        match self {
            Self::Memory { edge, .. } => {
                let incoming = Incoming {
                    topic,
                    payload: Bytes::copy_from_slice(payload.as_bytes()),
                    retain,
                    reply: None,
                };
                assert_eq!(edge.receive(incoming), None);
            }
            Self::Mqtt(watcher) => watcher.publish(&topic, payload, retain).await,
        }
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn batch(second: i64, degrees: Result<f64, &str>) -> Batch {
    let cpu = Subject::of_host(Area::Health, "cpu", "CPU");
    let result = degrees
        .map(|degrees| vec![Reading::new(&cpu).with(&TEMPERATURE, degrees)])
        .map_err(str::to_owned);
    Batch {
        at: at(second),
        outcomes: vec![Outcome {
            collector: "cpu",
            result,
        }],
    }
}

fn alert(state: AlertState) -> Alert {
    Alert {
        id: "hot-cpu".into(),
        rule: "hot".into(),
        severity: Severity::Critical,
        state,
        subject: "health/cpu".into(),
        summary: "CPU is hot".into(),
        value: Some(99.0),
        threshold: Some(90.0),
        since: at(0),
        acknowledged_by: None,
        acknowledged_at: None,
        note: None,
        silenced_until: None,
        count: 1,
    }
}

/// What every way of listening must show. `mark` is an event that ends a silence: what was not
/// seen before it was not sent.
async fn live(bus: &Bus, subscriber: &mut Subscriber) {
    let mark = |n: u32| {
        let what = serde_json::json!({ "n": n });
        bus.emit(Event::Happened("mark", Arc::new(what)));
    };

    bus.publish(batch(0, Ok(40.0)));
    subscriber.until("health/cpu/availability", "online").await;
    subscriber.until("health/cpu", "\"temperature_c\":40").await;
    assert_eq!(
        subscriber.last()[&format!("{BASE}/health/cpu")],
        "{\"temperature_c\":40,\"ts\":\"2027-01-15T08:00:00.000Z\"}"
    );

    let before = subscriber.seen("health/cpu");
    bus.publish(batch(10, Ok(40.4)));
    mark(1);
    subscriber.until("event/mark", "1").await;
    assert_eq!(
        subscriber.seen("health/cpu"),
        before,
        "within the dead band"
    );

    bus.publish(batch(20, Err("the sensor is gone")));
    subscriber.until("health/cpu/availability", "offline").await;
    bus.publish(batch(30, Ok(40.4)));
    subscriber.until("health/cpu/availability", "online").await;
    subscriber.until("health/cpu", "08:00:30").await;

    bus.alert(alert(AlertState::Firing));
    subscriber
        .until("alert/hot-cpu", "\"state\":\"firing\"")
        .await;
    subscriber.until("alerts", "\"critical\":1").await;
    subscriber.until("alerts", "\"worst\":\"critical\"").await;
    bus.alert(alert(AlertState::Acknowledged));
    subscriber.until("alert/hot-cpu", "acknowledged").await;
    subscriber.until("alerts", "\"acknowledged\":1").await;
    bus.clear_alert(alert(AlertState::Resolved));
    subscriber.until("alert/hot-cpu", "").await;
    subscriber.until("alerts", "\"critical\":0").await;

    for (words, payload, retain, part) in [
        ("no/such/thing", "", false, "\"ok\":false"),
        ("alert/all/ack", "{\"id\":\"r1\"}", true, "retained"),
        ("alert/x/ack", &*"x".repeat(5000), false, "longer than"),
    ] {
        subscriber
            .publish(&format!("cmd/{words}"), payload, retain)
            .await;
        subscriber.until("result", part).await;
        if payload.contains("r1") {
            subscriber.until("result", "\"id\":\"r1\"").await;
        }
        subscriber
            .until("result", &format!("\"command\":\"{words}\""))
            .await;
    }
    // The end of the retained command does nothing and is no command.
    subscriber.publish("cmd/alert/all/ack", "", true).await;

    let result = CommandResult {
        id: Some("7".into()),
        command: "alert/all/ack".into(),
        ok: true,
        error: None,
        detail: None,
    };
    let answer = Answer {
        result,
        reply: None,
    };
    bus.emit(Event::Answered(Arc::new(answer)));
    subscriber.until("result", "\"ok\":true").await;
}

/// What somebody who comes later is given.
fn after(late: &Subscriber) {
    let last = late.last();
    let has = |topic: &str| last.get(&format!("{BASE}/{topic}")).map(String::as_str);
    assert_eq!(has("status"), Some("online"));
    assert_eq!(has("health/cpu/availability"), Some("online"));
    assert!(has("health/cpu").unwrap().contains("\"temperature_c\":40"));
    assert!(has("alerts").unwrap().contains("\"critical\":0"));
    assert_eq!(has("alert/hot-cpu"), None, "cleared");
    assert_eq!(has("event/mark"), None, "events are not retained");
    assert_eq!(has("result"), None, "results are not retained");
    assert_eq!(last["homeassistant/device/nas/config"], "{}");
}

fn announce(bus: &Bus) {
    let topic: Arc<str> = "homeassistant/device/nas/config".into();
    bus.retain(topic, Bytes::from_static(b"{}"));
}

async fn late(port: u16) -> Subscriber {
    let mut watcher = Watcher::start(port, None).await;
    watcher
        .until_all(|last| {
            ["status", "alerts", "health/cpu", "health/cpu/availability"]
                .iter()
                .all(|topic| last.contains_key(&format!("{BASE}/{topic}")))
                && last.contains_key("homeassistant/device/nas/config")
        })
        .await;
    Subscriber::Mqtt(Box::new(watcher))
}

#[tokio::test]
async fn memory() {
    let (bus, _commands) = Bus::new(State::new(Duration::from_mins(5)));
    let mut subscriber = Subscriber::to_memory(&bus);
    announce(&bus);
    live(&bus, &mut subscriber).await;
    after(&Subscriber::to_memory(&bus));
}

#[tokio::test]
async fn outside_broker() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    let running = Running::start(broker.config());
    running.until_says("\"connected\":true").await;
    let mut subscriber = Subscriber::Mqtt(Box::new(Watcher::start(broker.port, None).await));
    announce(&running.bus);
    live(&running.bus, &mut subscriber).await;
    after(&late(broker.port).await);
    // A broker that has forgotten everything is given everything.
    broker.kill();
    running.until_says("\"connected\":false").await;
    broker.resume();
    running.until_says("\"connected\":true").await;
    after(&late(broker.port).await);
    drop(running.stop().await);
}

#[tokio::test]
async fn embedded_broker() {
    let dir = tempfile::tempdir().unwrap();
    let broker = embedded::Broker::start(embedded::config(), dir.path()).await;
    let port = broker.addr.port();
    let mut subscriber = Subscriber::Mqtt(Box::new(Watcher::start(port, None).await));
    announce(&broker.bus);
    live(&broker.bus, &mut subscriber).await;
    after(&late(port).await);
    broker.stop().await;
}
