//! Advice needs evidence, has a figure, and stays away once it is dismissed.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::kept::{Wish, remember, wanted};
use super::*;
use crate::bus::{Bus, Request, State};
use crate::host::{Clock, Memory, Root};
use crate::model::{Action, Area, Batch, Command, Metric, Origin, Outcome, Reading, Subject, Unit};
use crate::power::{Curve, Day, HostDay, Kind};
use crate::report::{Basis, Reports};
use crate::store::{Collection, Store};

/// A machine about which nothing can be said.
fn thrifty() -> Evidence {
    Evidence {
        prior: Some(Prior {
            curve: Curve {
                idle_w: 20.0,
                max_w: 70.0,
            },
            spread: 2.5,
            basis: "a machine with 8 threads".to_owned(),
        }),
        idle_w: Some(25.0),
        mean_w: Some(30.0),
        usage_pct: Some(8.0),
        governor: Some(Governor {
            name: "schedutil".to_owned(),
            preference: None,
            others: vec!["performance".to_owned(), "schedutil".to_owned()],
        }),
        services: vec![Steady {
            name: "jellyfin".to_owned(),
            hours: 240,
            low_w: 0.2,
            high_w: 20.0,
            mean_w: 4.0,
        }],
        disks: vec![Turning {
            id: "wd-1".to_owned(),
            name: "sda".to_owned(),
            hours: 240,
            still: 200,
            slept: Some(true),
        }],
        cards: vec![Card {
            id: "0".to_owned(),
            hours: 240,
            least_w: 12.0,
            usage_pct: 1.0,
        }],
        price: None,
    }
}

fn ids(evidence: &Evidence) -> Vec<String> {
    all(evidence).into_iter().map(|advice| advice.id).collect()
}

#[test]
fn who_is_thrifty_or_unknown_gets_no_advice() {
    assert_eq!(ids(&thrifty()), [""; 0]);
    assert_eq!(ids(&Evidence::default()), [""; 0]);
}

#[test]
fn each_waste_is_told_with_what_it_saves() {
    type Change = fn(&mut Evidence);
    let table: [(Change, &str, f64, f64); 7] = [
        (|one| one.idle_w = Some(60.0), "idle-floor", 88.0, 351.0),
        (|one| set(one, "performance", None), "governor", 3.0, 26.0),
        (
            |one| set(one, "powersave", Some("performance")),
            "governor",
            3.0,
            26.0,
        ),
        (
            |one| one.services[0].low_w = 16.0,
            "steady-jellyfin",
            12.0,
            35.0,
        ),
        (
            |one| one.disks[0].slept = Some(false),
            "spin-down-wd-1",
            5.0,
            33.0,
        ),
        (|one| one.cards[0].least_w = 32.0, "graphics-0", 75.0, 281.0),
        (
            |one| {
                one.idle_w = Some(40.0);
            },
            "idle-floor",
            18.0,
            175.0,
        ),
    ];
    for (change, id, low, high) in table {
        let mut evidence = thrifty();
        change(&mut evidence);
        let told = all(&evidence);
        assert_eq!(told.len(), 1, "{id}: {told:?}");
        assert_eq!(told[0].id, id);
        assert!(
            (told[0].saving_low_kwh - low).abs() < 1.1,
            "{id}: {:?}",
            told[0]
        );
        assert!(
            (told[0].saving_high_kwh - high).abs() < 1.1,
            "{id}: {:?}",
            told[0]
        );
        assert!(!told[0].evidence.is_empty() && !told[0].todo.is_empty());
    }
}

fn set(evidence: &mut Evidence, name: &str, preference: Option<&str>) {
    let governor = evidence.governor.as_mut().unwrap();
    governor.name = name.to_owned();
    governor.preference = preference.map(str::to_owned);
}

#[test]
fn without_enough_evidence_nothing_is_told() {
    type Change = fn(&mut Evidence);
    let table: [(Change, &str); 7] = [
        (|one| one.prior = None, "no kind to compare with"),
        (
            |one| {
                set(one, "performance", None);
                one.usage_pct = Some(60.0);
            },
            "it is busy",
        ),
        (
            |one| {
                set(one, "performance", None);
                one.governor.as_mut().unwrap().others.clear();
            },
            "no other governor",
        ),
        (
            |one| {
                set(one, "performance", None);
                one.mean_w = Some(3.0);
            },
            "it saves next to nothing",
        ),
        (
            |one| {
                one.services[0].low_w = 16.0;
                one.services[0].hours = 50;
            },
            "a service that is new",
        ),
        (
            |one| one.disks[0].slept = None,
            "nobody looks whether it sleeps",
        ),
        (
            |one| {
                one.disks[0].slept = Some(false);
                one.disks[0].still = 100;
            },
            "a disk that works",
        ),
    ];
    for (change, why) in table {
        let mut evidence = thrifty();
        change(&mut evidence);
        assert_eq!(ids(&evidence), [""; 0], "{why}");
    }
}

#[test]
fn the_greatest_saving_comes_first() {
    let mut evidence = thrifty();
    evidence.cards[0].least_w = 32.0;
    evidence.idle_w = Some(60.0);
    evidence.disks[0].slept = Some(false);
    assert_eq!(
        ids(&evidence),
        ["idle-floor", "graphics-0", "spin-down-wd-1"]
    );
}

#[test]
fn what_is_dismissed_returns_after_its_time_or_when_it_is_much_worse() {
    let memory = Memory::default();
    let mut evidence = thrifty();
    evidence.idle_w = Some(60.0);
    let advice = all(&evidence).remove(0);
    let now: crate::model::Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let later = "2026-05-31T00:00:01Z".parse().unwrap();
    let saving = advice.saving_kwh();
    assert!(wanted(&memory, &advice, now));
    let month = Wish::Dismiss(Some(Duration::from_hours(30 * 24)));
    remember(&memory, &advice.id, saving, month, now);
    assert!(!wanted(&memory, &advice, now) && wanted(&memory, &advice, later));
    remember(&memory, &advice.id, saving, Wish::Dismiss(None), now);
    assert!(!wanted(&memory, &advice, later));
    let worse = Advice {
        saving_low_kwh: saving,
        saving_high_kwh: saving * 2.2,
        ..advice.clone()
    };
    assert!(
        wanted(&memory, &worse, now),
        "much worse than when it was dismissed"
    );
    remember(&memory, &advice.id, saving, Wish::Restore, now);
    assert!(wanted(&memory, &advice, now));
}

#[test]
fn what_is_wished_is_read_or_refused_with_what_can_be_said() {
    let wish = |payload: &str| {
        let command = Command::parse("power/advice/x", payload.as_bytes(), Origin::Push).unwrap();
        let Action::Order(order) = command.action else {
            panic!("an order");
        };
        Wish::of(&order)
    };
    let days = Wish::Dismiss(Some(Duration::from_hours(240)));
    for (payload, want) in [
        ("", Wish::Dismiss(None)),
        ("dismiss", Wish::Dismiss(None)),
        ("10d", days),
        (r#"{"for":"10d"}"#, days),
        ("restore", Wish::Restore),
    ] {
        assert_eq!(wish(payload), Ok(want), "{payload}");
    }
    for payload in ["never", r#"{"for":3}"#] {
        assert!(wish(payload).is_err(), "{payload}");
    }
}

static POWER: Metric = Metric::gauge("power_w", "Power", Unit::Watt).decimals(1);
static IDLE: Metric = Metric::gauge("idle_w", "Idle", Unit::Watt).decimals(1);
static USAGE: Metric = Metric::gauge("usage_pct", "Usage", Unit::Percent);
static CORES: Metric = Metric::gauge("cores", "Cores", Unit::None);
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
                .with(&IDLE, 80.0),
            Reading::new(&subject(Area::Power, "service-miner")).with(&POWER, 5.0),
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
    let cancel = CancellationToken::new();
    let mut task = tokio::task::JoinSet::new();
    let run = super::run(setup(dir.path()), reports, bus.clone(), cancel.clone());
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
    let list = told(5).await;
    let by_id = |id: &str| list.iter().find(|one| one["id"] == id).unwrap().clone();
    for id in ["governor", "steady-miner", "spin-down-wd-1", "graphics-0"] {
        by_id(id);
    }
    let idle = by_id("idle-floor");
    assert!(idle["saving_high_eur"].as_f64() > Some(100.0), "{idle}");
    assert!(!order("power/advice/idle-floor", "perhaps").await.ok);
    assert!(!order("power/advice/other", "").await.ok);
    let done = order("power/advice/idle-floor", "90d").await;
    assert_eq!(
        done.detail,
        Some(json!({ "advice": "idle-floor", "told": false }))
    );
    assert!(told(4).await.iter().all(|one| one["id"] != "idle-floor"));
    assert!(order("power/advice/idle-floor", "restore").await.ok);
    told(5).await;
    cancel.cancel();
    task.join_next().await;
}
