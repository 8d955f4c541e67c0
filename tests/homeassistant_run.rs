//! What Home Assistant is told over the bus, and when.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    missing_docs,
    reason = "test code"
)]

use std::sync::Arc;
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, Listener, State};
use homewatch::config::HomeAssistantConfig;
use homewatch::homeassistant::{Identity, Settings, run};
use homewatch::model::{
    Alert, AlertState, Area, Batch, Device, Metric, Offer, Outcome, Reading, Severity, Subject,
    Timestamp, Topics, Unit,
};
use homewatch::store::Store;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

static USAGE: Metric = Metric::gauge("usage_pct", "Usage", Unit::Percent);
static LOAD: Metric = Metric::gauge("load", "Load", Unit::None);

const HOST: &str = "homeassistant/device/homewatch_abc/config";
const DISK: &str = "homeassistant/device/homewatch_abc_disk/config";

struct House {
    bus: Bus,
    store: Store,
    dir: tempfile::TempDir,
}

fn bus() -> Bus {
    let (bus, requests) = Bus::new(State::new(Duration::from_mins(5)));
    drop(requests);
    bus
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    House {
        bus: bus(),
        store: Store::open(dir.path()).unwrap(),
        dir,
    }
}

impl House {
    /// A new bus over the same store: a restart.
    fn restart(self) -> Self {
        Self { bus: bus(), ..self }
    }

    /// Runs `script` beside the real thing.
    async fn run<T>(&self, enabled: bool, script: impl AsyncFnOnce(&Bus) -> T) -> T {
        self.offering(&[], enabled, script).await
    }

    /// The same where commands about the host are allowed.
    async fn offering<T>(
        &self,
        offers: &[Offer],
        enabled: bool,
        script: impl AsyncFnOnce(&Bus) -> T,
    ) -> T {
        assert!(self.dir.path().exists());
        let cancel = CancellationToken::new();
        let config = HomeAssistantConfig {
            enabled,
            forget_after: Duration::from_hours(2),
        };
        let collectors = [("cpu".to_owned(), Duration::from_secs(10))];
        let settings = Settings::new(
            &config,
            Duration::from_mins(5),
            collectors,
            ["disks".to_owned()],
            offers.to_vec(),
        );
        let identity = Identity {
            installation: "abc".to_owned(),
            node: "nas".to_owned(),
            version: "1".to_owned(),
        };
        let running = run(
            self.bus.clone(),
            self.store.clone(),
            Topics::new("homewatch", "nas", "homeassistant"),
            identity,
            settings,
            cancel.clone(),
        );
        let scripted = async {
            // The runner reads the store first.
            sleep(Duration::from_secs(1)).await;
            let out = script(&self.bus).await;
            cancel.cancel();
            out
        };
        let (result, out) = tokio::join!(running, scripted);
        result.unwrap();
        out
    }
}

fn cpu() -> Reading {
    Reading::new(&Subject::of_host(Area::Health, "cpu", "CPU")).with(&USAGE, 5.0)
}

fn disk() -> Reading {
    let device = Device::Part {
        id: "disk".to_owned(),
        name: "Disk".to_owned(),
        manufacturer: None,
        model: None,
        serial: None,
    };
    Reading::new(&Subject::of_device(Area::Health, "disk-1", "Disk", device)).with(&USAGE, 7.0)
}

fn tick(bus: &Bus, seconds: i64, readings: Vec<Reading>) {
    bus.publish(Batch {
        at: Timestamp::from_second(1_700_000_000 + seconds).unwrap(),
        outcomes: vec![Outcome {
            collector: "cpu",
            result: Ok(readings),
        }],
    });
}

fn alert(state: AlertState) -> Alert {
    Alert {
        id: "hot-cpu".to_owned(),
        rule: "hot".to_owned(),
        severity: Severity::Critical,
        state,
        subject: "health/cpu".to_owned(),
        summary: "hot".to_owned(),
        value: None,
        threshold: None,
        since: Timestamp::UNIX_EPOCH,
        acknowledged_by: None,
        acknowledged_at: None,
        note: None,
        silenced_until: None,
        count: 1,
    }
}

/// The retained messages and the events of the next while.
async fn heard(listener: &mut Listener, how_long: Duration) -> Vec<(String, Json)> {
    let mut out = Vec::new();
    let end = Instant::now() + how_long;
    while let Ok(heard) = timeout(end - Instant::now(), listener.next()).await {
        match heard {
            Heard::Event(Event::Retain(topic, payload)) => {
                let json = serde_json::from_slice(&payload).unwrap_or(Json::Null);
                out.push((topic.to_string(), json));
            }
            Heard::Event(Event::Happened(kind, what)) => {
                out.push((kind.to_owned(), Json::clone(&what)));
            }
            Heard::Event(_) => {}
            Heard::Missed(_) | Heard::Closed => panic!("too slow"),
        }
    }
    out
}

fn topics(heard: &[(String, Json)]) -> Vec<&str> {
    heard.iter().map(|(topic, _)| topic.as_str()).collect()
}

fn configurations(heard: &[(String, Json)]) -> Vec<&str> {
    let all = topics(heard).into_iter();
    all.filter(|topic| topic.ends_with("/config")).collect()
}

const A_WHILE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn the_first_batch_is_announced_once_with_what_comes_close_after_it() {
    house()
        .run(true, async |bus| {
            let mut listener = bus.listen();
            tick(bus, 0, vec![cpu(), disk()]);
            sleep(Duration::from_secs(2)).await;
            tick(bus, 2, vec![cpu().with(&LOAD, 1.0), disk()]);
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(topics(&told)[..2], [HOST, DISK]);
            assert!(told[0].1["cmps"].get("health_cpu_load").is_some());

            // Ticks without news say nothing; a new figure says its device only.
            tick(bus, 12, vec![cpu(), disk()]);
            assert!(heard(&mut listener, A_WHILE).await.is_empty());
            tick(bus, 80, vec![cpu(), disk().with(&LOAD, 1.0)]);
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(configurations(&told), [DISK]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_by_a_restart_until_it_has_been_gone_for_long() {
    let house = house();
    house
        .run(true, async |bus| {
            tick(bus, 0, vec![cpu(), disk()]);
            sleep(A_WHILE).await;
        })
        .await;
    let house = house.restart();
    house
        .run(true, async |bus| {
            let mut listener = bus.listen();
            tick(bus, 60, vec![cpu()]);
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(
                configurations(&told),
                [HOST, DISK],
                "the disk may still come"
            );
            assert_ne!(told[1].1, Json::Null);

            sleep(Duration::from_hours(1)).await;
            tick(bus, 3_600, vec![cpu()]);
            assert!(heard(&mut listener, A_WHILE).await.is_empty());

            sleep(Duration::from_hours(2)).await;
            tick(bus, 3 * 3_600, vec![cpu()]);
            let told = heard(&mut listener, A_WHILE).await;
            let state = "homewatch/nas/health/disk-1";
            let availability = "homewatch/nas/health/disk-1/availability";
            assert_eq!(topics(&told)[..3], [state, availability, DISK]);
            assert!(told[..3].iter().all(|(_, payload)| *payload == Json::Null));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn when_home_assistant_starts_it_gets_everything_again_configurations_first() {
    house()
        .run(true, async |bus| {
            tick(bus, 0, vec![cpu(), disk()]);
            bus.alert(alert(AlertState::Firing));
            sleep(A_WHILE).await;
            let mut listener = bus.listen();
            bus.emit(Event::HomeAssistantBirth { edge: "broker" });
            bus.emit(Event::HomeAssistantBirth { edge: "embedded" });
            let told = heard(&mut listener, 2 * A_WHILE).await;
            let want = [
                HOST,
                DISK,
                "homewatch/nas/health/cpu",
                "homewatch/nas/health/cpu/availability",
                "homewatch/nas/health/disk-1",
                "homewatch/nas/health/disk-1/availability",
                "homewatch/nas/alert/hot-cpu",
            ];
            assert_eq!(topics(&told), want, "once for both edges");
        })
        .await;
}

/// Home Assistant 2026.2 and 2026.11 forget the state of an entity with an `expire_after` when its
/// configuration changes, and do not subscribe anew.
#[tokio::test(start_paused = true)]
async fn after_a_configuration_the_states_come_again() {
    house()
        .run(true, async |bus| {
            tick(bus, 0, vec![cpu()]);
            sleep(A_WHILE).await;
            let mut listener = bus.listen();
            tick(bus, 12, vec![cpu().with(&LOAD, 1.0)]);
            let told = heard(&mut listener, A_WHILE).await;
            let want = [
                HOST,
                "homewatch/nas/health/cpu",
                "homewatch/nas/health/cpu/availability",
            ];
            assert_eq!(topics(&told), want);
        })
        .await;
}

/// On a busy machine the next tick comes while they are told.
#[tokio::test(start_paused = true)]
async fn what_changes_while_the_states_come_again_is_not_overtaken_by_what_was() {
    let all = |value: f64| -> Vec<Reading> {
        let subject = |number: i32| {
            let (id, name) = (format!("part-{number}"), format!("Part {number}"));
            Subject::of_host(Area::Health, &id, &name)
        };
        let readings = (0..100).map(|number| Reading::new(&subject(number)).with(&USAGE, value));
        readings.collect()
    };
    house()
        .run(true, async |bus| {
            tick(bus, 0, all(1.0));
            let mut listener = bus.listen();
            let first = "homewatch/nas/health/part-0";
            let changing = async {
                loop {
                    if let Heard::Event(Event::Retain(topic, _)) = listener.next().await
                        && &*topic == first
                    {
                        tick(bus, 12, all(2.0));
                        bus.alert(alert(AlertState::Resolved));
                        return heard(&mut listener, A_WHILE).await;
                    }
                }
            };
            bus.alert(alert(AlertState::Firing));
            let told = changing.await;
            let last = told.iter().rfind(|(topic, _)| topic.ends_with("/part-99"));
            assert_eq!(last.unwrap().1["usage_pct"], 2.0);
            let last = told.iter().rfind(|(topic, _)| topic.ends_with("/hot-cpu"));
            assert_eq!(last.unwrap().1["state"], "resolved");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_collector_told_goes_as_soon_as_it_is_switched_off() {
    let house = house();
    house
        .run(true, async |bus| {
            let (at, cpu, disk) = (Timestamp::UNIX_EPOCH, cpu(), disk());
            let outcome = |collector, reading| Outcome {
                collector,
                result: Ok(vec![reading]),
            };
            let outcomes = vec![outcome("cpu", cpu), outcome("disks", disk)];
            bus.publish(Batch { at, outcomes });
            sleep(A_WHILE).await;
        })
        .await;
    let house = house.restart();
    house
        .run(true, async |bus| {
            let mut listener = bus.listen();
            tick(bus, 60, vec![cpu()]);
            let told = heard(&mut listener, A_WHILE).await;
            let state = "homewatch/nas/health/disk-1";
            let availability = "homewatch/nas/health/disk-1/availability";
            assert_eq!(topics(&told)[..3], [state, availability, DISK]);
            assert!(told[..3].iter().all(|(_, payload)| *payload == Json::Null));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_command_is_offered_until_it_is_no_longer_allowed() {
    let house = house();
    let reboot = Offer::press("reboot", "Reboot", "host/reboot".to_owned());
    let button = async |bus: &Bus| {
        let mut listener = bus.listen();
        tick(bus, 0, vec![cpu()]);
        let told = heard(&mut listener, A_WHILE).await;
        let host = told.into_iter().find(|(topic, _)| topic == HOST);
        host.unwrap().1["cmps"]["do_reboot"].clone()
    };
    let offered = house.offering(&[reboot], true, button).await;
    assert_eq!(offered["cmd_t"], "~/cmd/host/reboot");
    let house = house.restart();
    let gone = house.run(true, button).await;
    assert_eq!(gone, serde_json::json!({"p": "button"}));
}

#[tokio::test(start_paused = true)]
async fn what_was_just_announced_is_not_sent_again_at_once() {
    house()
        .run(true, async |bus| {
            let mut listener = bus.listen();
            tick(bus, 0, vec![cpu()]);
            sleep(Duration::from_secs(3)).await;
            bus.emit(Event::HomeAssistantBirth { edge: "broker" });
            let mut sent = Vec::new();
            while sent.len() < 2 {
                if let Heard::Event(Event::Retain(topic, _)) = listener.next().await
                    && &*topic == HOST
                {
                    sent.push(Instant::now());
                }
            }
            assert!(sent[1] - sent[0] >= Duration::from_secs(4));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_an_event_and_two_entities_that_go_when_it_is_over() {
    let house = house();
    house
        .run(true, async |bus| {
            tick(bus, 0, vec![cpu()]);
            sleep(A_WHILE).await;
            let mut listener = bus.listen();
            bus.alert(alert(AlertState::Pending));
            assert!(heard(&mut listener, A_WHILE).await.is_empty());
            bus.alert(alert(AlertState::Firing));
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(topics(&told)[..2], ["alert", HOST]);
            assert_eq!(told[0].1["event_type"], "firing");
            assert_eq!(told[1].1["cmps"]["alert_hot-cpu"]["dev_cla"], "problem");
            bus.alert(alert(AlertState::Acknowledged));
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(topics(&told), ["alert"], "the entities are as they were");
        })
        .await;
    let house = house.restart();
    house
        .run(true, async |bus| {
            let mut listener = bus.listen();
            bus.alert(alert(AlertState::Acknowledged));
            tick(bus, 60, vec![cpu()]);
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(
                topics(&told)[0],
                HOST,
                "no event for what was told before the restart"
            );
            bus.clear_alert(alert(AlertState::Resolved));
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(topics(&told)[..2], ["alert", HOST]);
            assert_eq!(told[0].1["event_type"], "resolved");
            let left = told[1].1["cmps"]["alert_hot-cpu"].as_object().unwrap();
            assert_eq!(left.len(), 1, "only the platform: the order to remove it");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_went_while_we_were_away_loses_its_entities_in_time() {
    let house = house();
    house
        .run(true, async |bus| {
            tick(bus, 0, vec![cpu()]);
            bus.alert(alert(AlertState::Firing));
            sleep(A_WHILE).await;
        })
        .await;
    let house = house.restart();
    house
        .run(true, async |bus| {
            tick(bus, 60, vec![cpu()]);
            sleep(Duration::from_mins(20)).await;
            let mut listener = bus.listen();
            tick(bus, 1_200, vec![cpu()]);
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(configurations(&told), [HOST]);
            let left = told[0].1["cmps"]["alert_hot-cpu"].as_object().unwrap();
            assert_eq!(left.len(), 1, "only the platform: the order to remove it");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn switched_off_it_takes_back_what_it_announced_and_still_tells_events() {
    let house = house();
    house
        .run(true, async |bus| {
            tick(bus, 0, vec![cpu(), disk()]);
            sleep(A_WHILE).await;
        })
        .await;
    let house = house.restart();
    house
        .run(false, async |bus| {
            let mut listener = bus.listen();
            tick(bus, 60, vec![cpu(), disk()]);
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(topics(&told), [HOST, DISK]);
            assert!(told.iter().all(|(_, payload)| *payload == Json::Null));
            bus.alert(alert(AlertState::Firing));
            bus.emit(Event::HomeAssistantBirth { edge: "broker" });
            let told = heard(&mut listener, 2 * A_WHILE).await;
            assert_eq!(told[0].0, "alert");
            assert!(
                told.iter()
                    .all(|(topic, _)| !topic.starts_with("homeassistant/"))
            );
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fell_behind_reads_the_state_anew() {
    house()
        .run(true, async |bus| {
            tick(bus, 0, vec![cpu(), disk()]);
            bus.alert(alert(AlertState::Firing));
            for _ in 0..1_000 {
                bus.emit(Event::Node {
                    name: "pi".into(),
                    online: true,
                });
            }
            let mut listener = bus.listen();
            let told = heard(&mut listener, A_WHILE).await;
            assert_eq!(topics(&told)[..3], ["alert", HOST, DISK]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn it_ends_and_leaves_nothing_behind() {
    let house = house();
    let state = Arc::downgrade(house.bus.state());
    house.run(true, async |_| {}).await;
    drop(house);
    assert!(state.upgrade().is_none());
}
