//! What the history promises: nothing that was acknowledged is lost, whatever happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test code"
)]

use std::sync::Arc;

use homewatch::config::HistoryConfig;
use homewatch::model::{Area, Batch, Metric, Outcome, Reading, Subject, Timestamp, Unit};
use homewatch::store::{Point, Store, StoreError};

static TEMPERATURE: Metric =
    Metric::gauge("temperature_c", "Temperature", Unit::Celsius).decimals(1);
static FINE: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius).decimals(3);
static STATE: Metric = Metric::state("state", "State", &["ok", "bad"]);
const SERIES: &str = "health/cpu/temperature_c";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn subject() -> Arc<Subject> {
    Subject::of_host(Area::Health, "cpu", "CPU")
}

fn batch_of(second: i64, reading: Reading) -> Batch {
    Batch {
        at: at(second),
        outcomes: vec![Outcome {
            collector: "test",
            result: Ok(vec![reading]),
        }],
    }
}

fn batch(second: i64, value: f64) -> Batch {
    batch_of(second, Reading::new(&subject()).with(&TEMPERATURE, value))
}

fn all(store: &Store, series: &str) -> Vec<(i64, f64)> {
    let points = store.query(series, Timestamp::MIN, Timestamp::MAX, None);
    points
        .unwrap()
        .into_iter()
        .filter_map(|Point { at, value }| Some((at.as_second() - 1_790_000_000, value?)))
        .collect()
}

fn text(result: Result<Store, StoreError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn samples_outlive_the_process_and_every_stage_of_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut want = Vec::new();
    for run in 0..6 {
        // Without any orderly end: what append has acknowledged is there.
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(all_or_none(&store), want);
        for tick in 0..400 {
            let second = run * 40_000 + tick * 100;
            let value = f64::from(i32::try_from(tick % 37).unwrap()) / 10.0;
            store.append(&batch(second, value)).unwrap();
            want.push((second, value));
        }
        assert_eq!(all(&store, SERIES), want);
    }
}

fn all_or_none(store: &Store) -> Vec<(i64, f64)> {
    if store.series().is_empty() {
        Vec::new()
    } else {
        all(store, SERIES)
    }
}

#[test]
fn a_clock_that_jumps_leaves_the_history_in_order_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let year = 365 * 86_400;
    let times: Vec<i64> = (0..50)
        .map(|i| i * 10)
        .chain((0..50).map(|i| 5 + i * 10))
        .chain((0..50).map(|i| 70 * year + i * 10))
        .chain((0..50).map(|i| 86_400 * 3 + i * 10))
        .chain((0..50).map(|i| 1_000 + i * 10))
        .collect();
    for (i, second) in times.iter().enumerate() {
        let value = f64::from(u32::try_from(i).unwrap());
        store.append(&batch(*second, value)).unwrap();
    }
    let got = all(&store, SERIES);
    assert!(got.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(got.len(), times.len());
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(all(&store, SERIES), got);
}

#[test]
fn a_finer_metric_keeps_the_old_samples_and_a_coarser_one_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.append(&batch(0, 20.5)).unwrap();
    let fine = batch_of(10, Reading::new(&subject()).with(&FINE, 20.125));
    store.append(&fine).unwrap();
    store.append(&batch(20, 20.7)).unwrap();
    assert_eq!(all(&store, SERIES), [(0, 20.5), (10, 20.125), (20, 20.7)]);
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(all(&store, SERIES), [(0, 20.5), (10, 20.125), (20, 20.7)]);
}

#[test]
fn words_are_kept_as_numbers_with_their_list_and_new_words_are_learned() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for (second, word) in [(0, "ok"), (10, "bad"), (20, "strange"), (30, "ok")] {
        let reading = Reading::new(&subject()).with(&STATE, word);
        store.append(&batch_of(second, reading)).unwrap();
    }
    let values: Vec<f64> = all(&store, "health/cpu/state")
        .iter()
        .map(|p| p.1)
        .collect();
    assert_eq!(values, [0.0, 1.0, 2.0, 0.0]);
    let info = store.series_info("health/cpu/state").unwrap();
    assert_eq!(info.options, ["ok", "bad", "strange"]);
}

#[test]
fn nothing_is_made_up_for_what_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for second in (0..100).chain(200..300) {
        store.append(&batch(second * 10, 1.0)).unwrap();
    }
    store.append(&batch(3_000, f64::NAN)).unwrap();
    let points = store.query(SERIES, at(0), at(3_000), Some(20)).unwrap();
    let gaps: Vec<&Point> = points
        .iter()
        .filter(|point| point.value.is_none())
        .collect();
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].at > at(990) && gaps[0].at < at(2_000));
    assert!(matches!(
        store.query("health/none/x", at(0), at(1), None),
        Err(StoreError::NoSeries(_))
    ));
    assert_eq!(store.latest(SERIES).unwrap().unwrap().at, at(2_990));
}

#[test]
fn a_second_instance_is_told_who_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(dir.path()).unwrap();
    let text = text(Store::open(dir.path()));
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    assert!(text.contains("already running"), "{text}");
}

#[test]
fn a_damaged_database_is_left_untouched_and_the_remedy_is_named() {
    for garbage in [b"no database at all".repeat(1_000), vec![7; 100_000]] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("homewatch.redb");
        std::fs::write(&path, &garbage).unwrap();
        let text = text(Store::open(dir.path()));
        assert!(text.contains("homewatch restore FILE"), "{text}");
        assert!(text.contains("homewatch.redb"), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), garbage);
    }
}

#[test]
fn a_damaged_page_is_told_or_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for second in 0..50 {
        store.append(&batch(second, 20.0)).unwrap();
    }
    drop(store);
    let path = dir.path().join("homewatch.redb");
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for page in 0..whole.len() / 4096 {
        let mut torn = whole.clone();
        for (index, byte) in torn[page * 4096..][..4096].iter_mut().enumerate() {
            *byte = u8::try_from((index * 31 + page * 7) % 251).unwrap();
        }
        std::fs::write(&path, &torn).unwrap();
        match Store::open(dir.path()) {
            Ok(store) => drop(store),
            Err(error) => {
                refused += 1;
                assert!(
                    error.to_string().contains("homewatch restore FILE"),
                    "{error}"
                );
                assert!(
                    std::fs::read(&path).unwrap() == torn,
                    "page {page} was touched"
                );
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_database_whose_making_was_cut_off_is_kept_aside_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("homewatch.redb"), vec![0; 100_000]).unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.append(&batch(1, 20.0)).unwrap();
    let aside = dir.path().join("homewatch.redb.unfinished");
    assert_eq!(std::fs::metadata(aside).unwrap().len(), 100_000);
    drop(store);
    // One that was finished once is damaged: that is another matter.
    let path = dir.path().join("homewatch.redb");
    std::fs::write(&path, vec![0; 100_000]).unwrap();
    let text = text(Store::open(dir.path()));
    assert!(text.contains("homewatch restore FILE"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), vec![0; 100_000]);
}

#[test]
fn a_damaged_journal_is_kept_aside_and_the_store_opens() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.append(&batch(0, 1.0)).unwrap();
    drop(store);
    std::fs::write(dir.path().join("journal"), [7; 9_000]).unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.append(&batch(10, 2.0)).unwrap();
    assert_eq!(all(&store, SERIES), [(10, 2.0)]);
    assert!(dir.path().join("journal.set-aside-1").exists());
}

#[test]
fn the_journal_of_a_database_that_is_gone_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.append(&batch(0, 1.0)).unwrap();
    drop(store);
    let journal = std::fs::read(dir.path().join("journal")).unwrap();
    std::fs::remove_file(dir.path().join("homewatch.redb")).unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.append(&batch(10, 2.0)).unwrap();
    assert_eq!(all(&store, SERIES), [(10, 2.0)]);
    let aside = std::fs::read(dir.path().join("journal.set-aside-1")).unwrap();
    assert!(aside == journal);
}

#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("state");
    let _store = Store::open(&dir).unwrap();
    let mode = |name: &str| {
        let path = dir.join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    for name in ["homewatch.redb", "journal", "homewatch.lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_told_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let text = text(Store::open(&file.join("below")));
    assert!(text.contains("below"), "{text}");
}

#[test]
fn what_is_older_than_its_retention_goes_but_never_because_of_a_wrong_clock() {
    let dir = tempfile::tempdir().unwrap();
    let config = HistoryConfig {
        retention: std::time::Duration::from_hours(72),
        ..HistoryConfig::default()
    };
    let store = Store::open_with(dir.path(), &config).unwrap();
    for day in 0..8 {
        for tick in 0..48 {
            store
                .append(&batch(day * 86_400 + tick * 1_800, 1.0))
                .unwrap();
        }
        // One hour a day has six samples, one of which is high.
        for (place, value) in [1.0, 1.0, 1.0, 7.0].into_iter().enumerate() {
            let second = day * 86_400 + 7_300 + i64::try_from(place).unwrap();
            store.append(&batch(second, value)).unwrap();
        }
    }
    let days = |store: &Store| {
        let mut days = Vec::new();
        let visit = |at: Timestamp, _| {
            days.push(at.as_second() / 86_400);
            true
        };
        store
            .each_sample(SERIES, at(4 * 86_400), at(99_999 * 86_400), visit)
            .unwrap();
        days.dedup();
        days
    };
    let before = days(&store);
    assert!(before.len() >= 3, "{before:?}");
    // Ten years ahead for a tick: the last three days are still there.
    store.append(&batch(3_650 * 86_400, 1.0)).unwrap();
    store.append(&batch(8 * 86_400, 1.0)).unwrap();
    assert!(days(&store).len() >= 3);
    let first = all(&store, SERIES)[0].0;
    // Old days are there by the hour: at a quarter past.
    assert_eq!((1_790_000_000 + first) % 3_600, 900);
    // With the mean that they had, and how many samples it is of.
    let mut hours = Vec::new();
    store
        .each_known(SERIES, (at(0), at(86_399)), false, |one| hours.push(one))
        .unwrap();
    assert!(hours.iter().all(|one| one.is_hour), "{hours:?}");
    assert_eq!(hours.iter().map(|one| one.samples).sum::<u32>(), 52);
    let high = hours.iter().find(|one| one.greatest > 1.0).unwrap();
    assert_eq!((high.least, high.mean, high.greatest), (1.0, 2.0, 7.0));
    // Of the last days every sample is known.
    let mut samples = Vec::new();
    store
        .each_known(SERIES, (at(7 * 86_400), at(8 * 86_400 - 1)), false, |one| {
            samples.push(one);
        })
        .unwrap();
    assert_eq!((samples.len(), samples[0].is_hour), (52, false));
    assert_eq!((samples[0].least, samples[0].mean), (1.0, 1.0));
    assert!(
        store
            .each_known("health/none", (at(0), at(1)), false, |_| {})
            .is_err()
    );
}
