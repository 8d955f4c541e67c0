//! The history's task: it keeps what the bus says, and tells when it cannot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test code"
)]

#[path = "powercut/cuts.rs"]
mod cuts;
mod powercut;

use std::time::Duration;

use futures_util::FutureExt as _;
use homewatch::bus::{Bus, Event, Heard, Listener, State};
use homewatch::config::HistoryConfig;
use homewatch::model::{Area, Batch, Metric, Outcome, Reading, Subject, Timestamp, Unit};
use homewatch::store::{Medium, Store, run};
use tokio_util::sync::CancellationToken;

static LEVEL: Metric = Metric::gauge("level_pct", "Level", Unit::Percent);

fn count(store: &Store) -> usize {
    let all = store.query(cuts::SERIES, Timestamp::MIN, Timestamp::MAX, None);
    all.unwrap().len()
}

/// Waits until the history tells how it is doing.
async fn told(listener: &mut Listener) -> Result<(), String> {
    loop {
        let Heard::Event(Event::Batch(batch, _)) = listener.next().await else {
            continue;
        };
        if let Some(outcome) = batch.outcomes.iter().find(|o| o.collector == "history") {
            return outcome.result.as_ref().map(|_| ()).map_err(String::clone);
        }
    }
}

#[tokio::test]
async fn what_the_bus_said_is_kept_and_the_end_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Ten minutes may be held back, but not over an orderly end.
    let config = HistoryConfig {
        sync_interval: Duration::from_hours(1),
        ..HistoryConfig::default()
    };
    let store = Store::open_with(dir.path(), &config).unwrap();
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let publish = async {
        tokio::task::yield_now().await;
        for tick in 0..100 {
            bus.publish(cuts::batch(tick, tick));
        }
        cancel.cancel();
    };
    tokio::join!(run(store, bus.clone(), cancel.clone()), publish);
    let store = Store::open_with(dir.path(), &config).unwrap();
    assert_eq!(count(&store), 100);
    let health = bus.state().subject("health/history").unwrap();
    assert!(health.available);
}

#[tokio::test]
async fn what_follows_from_a_tick_is_written_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(dir.path(), &HistoryConfig::default()).unwrap();
    store.append(&cuts::batch(0, 0)).unwrap();
    let before = store.health().written_bytes;
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let script = async {
        tokio::task::yield_now().await;
        bus.publish(cuts::batch(1, 1));
        // As the power of services follows from the figures of the collectors.
        tokio::time::sleep(Duration::from_millis(20)).await;
        bus.publish(cuts::batch(2, 2));
        while store.health().written_bytes == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The first block that was written has both.
        assert_eq!(store.health().written_bytes - before, 4096);
        assert_eq!(count(&store), 3);
        cancel.cancel();
    };
    tokio::join!(run(store.clone(), bus.clone(), cancel.clone()), script);
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_so_is_its_end() {
    let power = powercut::Power::new(u64::MAX);
    let database = powercut::Disk::new(Vec::new(), &power);
    let journal = powercut::Disk::new(Vec::new(), &power);
    let (medium, ring) = (Medium::new(database.clone()), Medium::new(journal.clone()));
    let store = Store::open_on(&medium, &ring, 64, &HistoryConfig::default()).unwrap();
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let mut listener = bus.listen();
    let script = async {
        tokio::task::yield_now().await;
        bus.publish(cuts::batch(0, 0));
        assert_eq!(told(&mut listener).await, Ok(()));
        journal.limit(Some(0));
        bus.publish(cuts::batch(1, 1));
        bus.publish(cuts::batch(2, 2));
        assert!(told(&mut listener).await.is_err());
        journal.limit(None);
        bus.publish(cuts::batch(3, 3));
        assert_eq!(told(&mut listener).await, Ok(()));
        cancel.cancel();
    };
    tokio::join!(run(store.clone(), bus.clone(), cancel.clone()), script);
    // What could not be written at the time was kept and is there, too.
    assert_eq!(count(&store), 4);
}

#[tokio::test]
async fn a_batch_without_figures_does_not_end_a_fault() {
    let power = powercut::Power::new(u64::MAX);
    let database = powercut::Disk::new(Vec::new(), &power);
    let journal = powercut::Disk::new(Vec::new(), &power);
    let (medium, ring) = (Medium::new(database.clone()), Medium::new(journal.clone()));
    let store = Store::open_on(&medium, &ring, 64, &HistoryConfig::default()).unwrap();
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let mut listener = bus.listen();
    let batch = |tick, collector, result| Batch {
        at: cuts::batch(tick, tick).at,
        outcomes: vec![Outcome { collector, result }],
    };
    let tank = Subject::of_host(Area::Health, "tank", "Tank");
    let reading = || Ok(vec![Reading::new(&tank).with(&LEVEL, 50.0)]);
    let script = async {
        tokio::task::yield_now().await;
        bus.publish(cuts::batch(0, 0));
        assert_eq!(told(&mut listener).await, Ok(()));
        // A series that is new has to be written down, for which there is no room.
        database.limit(Some(0));
        bus.publish(batch(1, "tank", reading()));
        assert!(told(&mut listener).await.is_err());
        let lost = store.health().lost;
        bus.publish(batch(2, "alerts", Err("no room".to_owned())));
        bus.publish(batch(3, "tank", reading()));
        while store.health().lost == lost {
            tokio::task::yield_now().await;
        }
        database.limit(None);
        bus.publish(batch(4, "tank", reading()));
        assert_eq!(told(&mut listener).await, Ok(()));
        cancel.cancel();
    };
    tokio::join!(run(store.clone(), bus.clone(), cancel.clone()), script);
    let mut more = 0;
    while let Some(Heard::Event(event)) = listener.next().now_or_never() {
        more += usize::from(matches!(event, Event::Batch(batch, _)
            if batch.outcomes.iter().any(|o| o.collector == "history")));
    }
    assert_eq!(more, 0, "it is told once");
}
