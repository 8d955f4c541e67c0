//! Backup, restore, export, and stores of other versions.
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

use std::path::Path;

use homewatch::model::Timestamp;
use homewatch::store::{Collection, ExportFormat, Store, restore};

fn filled(dir: &Path, ticks: i64) -> Store {
    let store = Store::open(dir).unwrap();
    for tick in 0..ticks {
        store.append(&cuts::batch(tick, tick)).unwrap();
    }
    store.put(Collection::Tokens, "phone", b"hash").unwrap();
    store
}

fn count(store: &Store) -> usize {
    let all = store.query(cuts::SERIES, Timestamp::MIN, Timestamp::MAX, None);
    all.unwrap().len()
}

#[test]
fn a_backup_of_a_working_store_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let file = dir.path().join("backup");
    let store = filled(&old, 300);
    store.backup(&file).unwrap();
    // It goes on, and what comes later is not in the backup.
    store.append(&cuts::batch(300, 300)).unwrap();
    assert_eq!(restore(&file, &new).unwrap(), None);
    let restored = Store::open(&new).unwrap();
    assert_eq!(count(&restored), 300);
    let token = restored.get(Collection::Tokens, "phone").unwrap();
    assert_eq!(token.as_deref(), Some(&b"hash"[..]));
    restored.append(&cuts::batch(300, 300)).unwrap();
    assert_eq!(count(&restored), 301);
    assert_eq!(count(&store), 301);
}

#[test]
fn a_restore_keeps_the_store_that_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let (state, file) = (dir.path().join("state"), dir.path().join("backup"));
    let store = filled(&state, 10);
    store.backup(&file).unwrap();
    for tick in 10..50 {
        store.append(&cuts::batch(tick, tick)).unwrap();
    }
    let text = restore(&file, &state).unwrap_err().to_string();
    assert!(text.contains("already running"), "{text}");
    drop(store);
    let kept = restore(&file, &state).unwrap().unwrap();
    assert!(kept.exists());
    assert_eq!(count(&Store::open(&state).unwrap()), 10);
}

#[test]
fn what_is_no_backup_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (state, file) = (dir.path().join("state"), dir.path().join("backup"));
    drop(filled(&state, 10));
    for garbage in [&b""[..], b"garbage", &vec![7; 100_000]] {
        std::fs::write(&file, garbage).unwrap();
        let text = restore(&file, &state).unwrap_err().to_string();
        assert!(text.contains("is no backup"), "{text}");
        assert_eq!(std::fs::read(&file).unwrap(), garbage);
    }
    let text = restore(&dir.path().join("none"), &state).unwrap_err();
    assert!(text.to_string().contains("is no file"), "{text}");
    let store = Store::open(&state).unwrap();
    assert_eq!(count(&store), 10);
    let text = store.backup(&file).unwrap_err().to_string();
    assert!(text.contains("is there already"), "{text}");
    let text = store.backup(&dir.path().join("no/folder")).unwrap_err();
    assert!(text.to_string().contains("cannot be written"), "{text}");
}

#[test]
fn an_export_has_every_sample_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 200);
    let all = (Timestamp::MIN, Timestamp::MAX);
    let export = |format| {
        let mut out = Vec::new();
        let wanted = |series: &str| series == cuts::SERIES;
        let count = store
            .export(format, all.0, all.1, wanted, &mut out)
            .unwrap();
        assert_eq!(count, 200);
        String::from_utf8(out).unwrap()
    };
    let csv = export(ExportFormat::Csv);
    assert!(
        csv.starts_with("series,ts,value,unit\npower/plug-0/power_w,20"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 201);
    assert!(csv.lines().nth(4).unwrap().ends_with("Z,0.3,W"), "{csv}");
    for line in export(ExportFormat::JsonLines).lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["series"], cuts::SERIES);
        assert!(object["value"].is_number());
    }
}

#[test]
fn a_store_of_a_newer_version_is_left_untouched() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 10));
    let (journal, database) = (
        dir.path().join("journal"),
        dir.path().join("homewatch.redb"),
    );
    let mut bytes = std::fs::read(&journal).unwrap();
    // The header's layout, and its checksum.
    bytes[24] = 2;
    let sum = crc32fast::hash(&bytes[8..4_096]).to_le_bytes();
    bytes[4..8].copy_from_slice(&sum);
    std::fs::write(&journal, &bytes).unwrap();
    let before = std::fs::read(&database).unwrap();
    let text = Store::open(dir.path()).unwrap_err().to_string();
    assert!(text.contains("newer homewatch"), "{text}");
    assert!(text.contains("homewatch restore FILE"), "{text}");
    assert_eq!(std::fs::read(&database).unwrap(), before);
    assert_eq!(std::fs::read(&journal).unwrap(), bytes);
    // Without its journal the database itself says so.
    std::fs::remove_file(&journal).unwrap();
    drop(Store::open(dir.path()).unwrap());
    let meta = redb::TableDefinition::<&str, &[u8]>::new("history_meta");
    let raw = redb::Database::open(&database).unwrap();
    let transaction = raw.begin_write().unwrap();
    let two = 2_u64.to_le_bytes();
    transaction
        .open_table(meta)
        .unwrap()
        .insert("layout", two.as_slice())
        .unwrap();
    transaction.commit().unwrap();
    drop(raw);
    let text = Store::open(dir.path()).unwrap_err().to_string();
    assert!(text.contains("newer homewatch"), "{text}");
}

#[test]
fn a_journal_of_another_store_is_not_mixed_in() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    drop(filled(&one, 10));
    drop(filled(&two, 5));
    std::fs::copy(one.join("journal"), two.join("journal")).unwrap();
    let store = Store::open(&two).unwrap();
    assert!(two.join("journal.set-aside-1").exists());
    assert_eq!(count(&store), 0);
}
