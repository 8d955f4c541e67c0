//! After a power cut at any moment everything acknowledged is there and the store opens.
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

use homewatch::config::HistoryConfig;
use homewatch::model::Timestamp;
use homewatch::store::{Medium, Store};

#[test]
fn nothing_acknowledged_is_lost_in_thousands_of_power_cuts() {
    let outcome = cuts::run(3_000, 0x9e37_79b9_7f4a_7c15);
    assert!(outcome.ticks > 10_000, "{outcome:?}");
    assert!(outcome.torn > 10, "{outcome:?}");
}

#[test]
fn a_full_disk_loses_nothing_acknowledged_and_the_store_recovers_by_itself() {
    let power = powercut::Power::new(u64::MAX);
    let database = powercut::Disk::new(Vec::new(), &power);
    let journal = powercut::Disk::new(Vec::new(), &power);
    let config = HistoryConfig::default();
    let (medium, ring) = (Medium::new(database.clone()), Medium::new(journal));
    let store = Store::open_on(&medium, &ring, 64, &config).unwrap();
    let mut acknowledged = Vec::new();
    let (mut failed, mut failing) = (0, false);
    for tick in 0..400 {
        match tick {
            50 => database.limit(Some(0)),
            250 => database.limit(None),
            _ => {}
        }
        match store.append(&cuts::batch(tick, tick)) {
            Ok(()) => acknowledged.push(tick),
            Err(_) => failed += 1,
        }
        failing |= store.health().failing;
    }
    assert!(failed > 0 && failing);
    assert!(!store.health().failing);
    assert_eq!(acknowledged.last(), Some(&399));
    let points = store
        .query(cuts::SERIES, Timestamp::MIN, Timestamp::MAX, None)
        .unwrap();
    let got: Vec<i64> = points
        .iter()
        .filter(|point| point.value.is_some())
        .map(|point| cuts::tick_of(point.at))
        .collect();
    assert!(acknowledged.iter().all(|tick| got.contains(tick)));
}

#[test]
fn garbage_in_the_journal_never_panics_and_never_stops_the_start() {
    let config = HistoryConfig::default();
    let mut random = powercut::Random(7);
    for round in 0..200 {
        let power = powercut::Power::new(u64::MAX);
        let database = powercut::Disk::new(Vec::new(), &power);
        let journal = powercut::Disk::new(Vec::new(), &power);
        let (medium, ring) = (Medium::new(database.clone()), Medium::new(journal.clone()));
        let store = Store::open_on(&medium, &ring, 16, &config).unwrap();
        for tick in 0..10 {
            store.append(&cuts::batch(tick, tick)).unwrap();
        }
        drop(store);
        let (db, mut bytes) = (database.cut(&mut random), journal.cut(&mut random));
        for _ in 0..=round {
            let place = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[place] = random.below(256).to_le_bytes()[0];
        }
        let medium = Medium::new(powercut::Disk::new(db, &power));
        let ring = Medium::new(powercut::Disk::new(bytes, &power));
        let store = Store::open_on(&medium, &ring, 16, &config).unwrap();
        store.append(&cuts::batch(20, 20)).unwrap();
        assert_eq!(
            store.latest(cuts::SERIES).unwrap().unwrap().value,
            Some(2.0)
        );
    }
}
