//! The whole way: from the history and what is published to advice that is told and dismissed.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Request, State};
use crate::host::{Clock, Root};
use crate::model::{
    Area, Batch, Command, Metric, Origin, Outcome, Reading, Source, Subject, Topics, Unit,
};
use crate::power::{Day, HostDay, Kind, PowerSample, Scope};
use crate::report::{AdviceSetup, Basis, Reports, advise};
use crate::store::{Collection, Store};

static POWER: Metric = Metric::gauge("power_w", "Power", Unit::Watt).decimals(1);
static IDLE: Metric = Metric::gauge("idle_w", "Idle", Unit::Watt).decimals(1);
static USAGE: Metric = Metric::gauge("usage_pct", "Usage", Unit::Percent);
static CORES: Metric = Metric::gauge("cores", "Cores", Unit::None);
static LOAD: Metric = Metric::gauge("load_pct", "Load", Unit::Percent);
static USED: Metric = Metric::gauge("used_bytes", "Used", Unit::Byte);
static TOTAL: Metric = Metric::gauge("total_bytes", "Total", Unit::Byte);
static PRICE: Metric = Metric::gauge("price_eur", "Price", Unit::MoneyPerKilowattHour).decimals(4);
static BUSY: Metric = Metric::gauge("busy_pct", "Busy", Unit::Percent).decimals(1);
static ASLEEP: Metric = Metric::flag("asleep", "Asleep", crate::model::FlagMeaning::Plain);

/// Ten days of a machine that wastes in every way.
fn wasteful(store: &Store) {
    let subject = |area, id: &str| Subject::of_host(area, id, id);
    let start: crate::model::Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    for half_hour in 0..480_i64 {
        let at = start + jiff::SignedDuration::from_mins(30 * half_hour);
        let readings = vec![
            Reading::new(&subject(Area::Power, "host"))
                .with(&POWER, 90.0)
                .with(&IDLE, 80.0)
                .with(&PRICE, if half_hour % 48 < 12 { 0.1 } else { 0.4 }),
            Reading::new(&subject(Area::Power, "service-miner")).with(&POWER, 5.0),
            Reading::new(&subject(Area::Power, "service-restic"))
                .with(&POWER, if half_hour % 48 == 40 { 500.0 } else { 0.0 }),
            Reading::new(&subject(Area::Power, "meter-plug")).with(&POWER, 90.0),
            Reading::new(&subject(Area::Health, "ups-office"))
                .with(&POWER, 70.0)
                .with(&LOAD, 10.0),
            Reading::new(&subject(Area::Health, "memory"))
                .with(&USED, 2e9)
                .with(&TOTAL, 16e9),
            Reading::new(&subject(Area::Power, "gpu-0"))
                .with(&POWER, 40.0)
                .with(&USAGE, 0.0),
            Reading::new(&subject(Area::Health, "cpu"))
                .with(&USAGE, 6.0)
                .with(&CORES, 8.0),
            Reading::new(&subject(Area::Health, "io-wd-1")).with(&BUSY, 0.0),
            Reading::new(&subject(Area::Health, "disk-wd-1")).with(&ASLEEP, false),
        ];
        let outcomes = vec![Outcome {
            collector: "test",
            result: Ok(readings),
        }];
        store.append(&Batch { at, outcomes }).unwrap();
    }
    store.sync().unwrap();
    let day = Day {
        currency: Some("EUR".to_owned()),
        host: HostDay {
            energy_kwh: 2.0,
            cost: 0.6,
            ..HostDay::default()
        },
        ..Day::default()
    };
    let record = serde_json::to_vec(&day).unwrap();
    store
        .put(Collection::PowerDays, "2026-05-09", &record)
        .unwrap();
}

fn setup(dir: &Path) -> AdviceSetup {
    let policy = dir.join("sys/devices/system/cpu/cpufreq/policy0");
    std::fs::create_dir_all(&policy).unwrap();
    for (file, text) in [
        ("scaling_governor", "performance"),
        ("scaling_available_governors", "performance powersave"),
        ("energy_performance_preference", "performance"),
    ] {
        std::fs::write(policy.join(file), text).unwrap();
    }
    AdviceSetup {
        root: Root::new(dir.join("proc"), dir.join("sys"), dir.to_owned()),
        kind: Kind::default(),
        interval: Duration::from_secs(10),
        turning: vec![("wd-1".to_owned(), "sda".to_owned())],
        topics: Topics::new("homewatch", "nas", "homeassistant"),
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_told_with_money_and_dismissed_by_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    wasteful(&store);
    let clock = Clock::set_to("2026-05-11T00:00:00Z".parse().unwrap());
    let reports = Reports::new(Basis::plain(&store, clock.clone()));
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    wired(&bus, clock.now());
    let cancel = CancellationToken::new();
    let mut task = tokio::task::JoinSet::new();
    let run = advise(setup(dir.path()), reports, bus.clone(), cancel.clone());
    task.spawn(run);
    let order = async |name: &str, payload: &str| {
        let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
        let (respond, answer) = oneshot::channel();
        assert!(
            bus.order(Request { command, respond }, clock.now())
                .is_none()
        );
        answer.await.unwrap()
    };
    tokio::task::yield_now().await;
    let early = order("power/advice/idle-floor", "").await;
    assert!(!early.ok, "nothing is known yet");
    let told = async |count: usize| loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let list = bus
            .state()
            .subject("power/advice")
            .and_then(|state| state.detail);
        let list = list.and_then(|detail| detail["list"].as_array().cloned());
        if let Some(list) = list.filter(|list| list.len() == count) {
            break list;
        }
    };
    let list = told(7).await;
    let by_id = |id: &str| list.iter().find(|one| one["id"] == id).unwrap().clone();
    for id in ["governor", "steady-miner", "spin-down-wd-1", "graphics-0"] {
        by_id(id);
    }
    let ups = by_id("ups-loss-office");
    assert!(
        ups["evidence"]
            .as_str()
            .unwrap()
            .contains("20 W (22 %) are lost"),
        "{ups}"
    );
    let moved = by_id("cheap-hours-restic");
    assert!(moved["saving_high_eur"].as_f64() > Some(20.0), "{moved}");
    let idle = by_id("idle-floor");
    assert!(idle["saving_high_eur"].as_f64() > Some(100.0), "{idle}");
    assert!(!order("power/advice/idle-floor", "perhaps").await.ok);
    assert!(!order("power/advice/other", "").await.ok);
    let done = order("power/advice/idle-floor", "90d").await;
    assert_eq!(
        done.detail,
        Some(json!({ "advice": "idle-floor", "told": false }))
    );
    assert!(told(6).await.iter().all(|one| one["id"] != "idle-floor"));
    assert!(order("power/advice/idle-floor", "restore").await.ok);
    told(7).await;
    cancel.cancel();
    task.join_next().await;
}

/// The plug and the UPS of the wasteful machine, as they are published.
fn wired(bus: &Bus, at: crate::model::Timestamp) {
    let one = |area, id: &str, watts: f64, source| {
        let mut reading = Reading::new(&Subject::of_host(area, id, "Office")).with(&POWER, watts);
        reading.source = Some(source);
        reading.detail = Some(PowerSample::detail(&Scope::Host, None));
        reading
    };
    let readings = vec![
        one(Area::Power, "meter-plug", 90.0, Source::Meter),
        one(Area::Health, "ups-office", 70.0, Source::Ups),
    ];
    let apart = one(Area::Power, "meter-lamp", 5.0, Source::Meter);
    let apart = Reading {
        detail: Some(PowerSample::detail(&Scope::Apart, None)),
        ..apart
    };
    let other = Reading::new(&Subject::of_host(Area::Health, "cpu", "CPU")).with(&USAGE, 6.0);
    let outcomes = vec![Outcome {
        collector: "test",
        result: Ok(readings.into_iter().chain([apart, other]).collect()),
    }];
    bus.publish(Batch { at, outcomes });
}
