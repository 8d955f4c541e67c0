//! The task of the rules and its memory: what it cannot keep, what it cannot read, what it missed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test code"
)]

mod powercut;

use std::sync::Arc;
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, Listener, State};
use homewatch::config::{HistoryConfig, RulesConfig};
use homewatch::control::{Control, Handover};
use homewatch::host::Clock;
use homewatch::model::{Command, CommandResult, Origin, Timestamp};
use homewatch::store::{Change, Collection, Medium, Store};
use tokio_util::sync::CancellationToken;

fn maintenance(length: &str) -> Command {
    let origin = Origin::Rest {
        token: "phone".to_owned(),
    };
    let payload = format!("{{\"for\":\"{length}\"}}");
    Command::parse("maintenance", payload.as_bytes(), origin).unwrap()
}

/// Waits until the task tells how keeping fares.
async fn told(listener: &mut Listener) -> Result<(), String> {
    loop {
        let Heard::Event(Event::Batch(batch, _)) = listener.next().await else {
            continue;
        };
        if let Some(outcome) = batch.outcomes.iter().find(|o| o.collector == "alerts") {
            return outcome.result.as_ref().map(|_| ()).map_err(String::clone);
        }
    }
}

async fn answer(listener: &mut Listener) -> CommandResult {
    loop {
        if let Heard::Event(Event::Answered(answer)) = listener.next().await {
            return answer.result.clone();
        }
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_told_holds_all_the_same_and_is_kept_later() {
    let power = powercut::Power::new(u64::MAX);
    let database = powercut::Disk::new(Vec::new(), &power);
    let journal = powercut::Disk::new(Vec::new(), &power);
    let (medium, ring) = (Medium::new(database.clone()), Medium::new(journal));
    let store = Store::open_on(&medium, &ring, 64, &HistoryConfig::default()).unwrap();
    // Something that no version of ours has written.
    let nonsense = Change::Put(Collection::Alerts, "x".to_owned(), b"{".to_vec());
    store.write(&[nonsense]).unwrap();

    let (bus, mut requests) = Bus::new(State::new(Duration::from_mins(5)));
    let now: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let clock = Clock::set_to(now);
    let control = Control::open(
        bus.clone(),
        store.clone(),
        clock,
        RulesConfig::default(),
        Handover::default(),
    );
    let control = control.await.unwrap();
    assert!(store.all(Collection::Alerts).unwrap().is_empty(), "removed");

    let cancel = CancellationToken::new();
    let (mut health, mut answers) = (bus.listen(), bus.listen());
    // More than a listener may lag behind: it takes up the state as it is.
    for _ in 0..20_000 {
        bus.emit(Event::Node {
            name: Arc::from("pi"),
            online: true,
        });
    }
    let script = async {
        database.limit(Some(0));
        bus.submit(maintenance("1h"));
        let result = answer(&mut answers).await;
        assert!(!result.ok, "{result:?}");
        let error = result.error.unwrap();
        assert!(error.contains("could not be saved"), "{error}");
        assert!(told(&mut health).await.is_err());
        database.limit(None);
        bus.submit(maintenance("2h"));
        assert!(answer(&mut answers).await.ok);
        assert_eq!(told(&mut health).await, Ok(()));
        cancel.cancel();
    };
    tokio::join!(control.run(&mut requests, cancel.clone()), script);
    assert!(!store.all(Collection::Silences).unwrap().is_empty(), "kept");
}

#[tokio::test]
async fn it_ends_when_nobody_can_ask_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(dir.path(), &HistoryConfig::default()).unwrap();
    let (bus, _) = Bus::new(State::new(Duration::from_mins(5)));
    let clock = Clock::set_to(Timestamp::UNIX_EPOCH);
    let control = Control::open(
        bus.clone(),
        store,
        clock,
        RulesConfig::default(),
        Handover::default(),
    );
    let (asking, mut requests) = tokio::sync::mpsc::channel(1);
    drop(asking);
    let control = control.await.unwrap();
    control.run(&mut requests, CancellationToken::new()).await;
}
