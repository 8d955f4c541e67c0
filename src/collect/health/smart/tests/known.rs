use super::super::known::{Known, read};
use super::*;
use crate::config::Problems;

/// What is known of the disk `x` by this table, and the faults of it.
fn known(table: &str) -> (Known, Vec<String>) {
    let text = format!("[disks.x]\n{table}");
    let source = config::File::from_str(&text, config::FileFormat::Toml);
    let built = config::Config::builder()
        .add_source(source)
        .build()
        .unwrap();
    let problems = Problems::default();
    let value = config::Value::new(None, built.cache.into_table().unwrap());
    let mut section = Section::new("collect.smart".to_owned(), value, &problems);
    let known = read(&mut section).remove("x").unwrap_or_default();
    section.finish();
    let faults = problems.into_vec();
    (known, faults.iter().map(ToString::to_string).collect())
}

fn judged(json: &Json, code: i32, table: &str) -> Verdict {
    let (known, faults) = known(table);
    assert!(faults.is_empty(), "{faults:?}");
    let growth = Growth {
        crc_errors: 3,
        ..Growth::default()
    };
    Verdict::of(&parse(code, json), growth, &known)
}

#[test]
fn what_is_accepted_is_told_again_only_if_it_gets_worse() {
    let accepting = "accept_reallocated = 60\naccept_pending = 3\nignore = [\"crc_errors\"]";
    for (counts, want, said) in [
        ([60, 3, 0], Level::Ok, ""),
        ([1, 0, 0], Level::Ok, ""),
        (
            [61, 3, 0],
            Level::Watch,
            "replaced sectors: 1 beyond the 60 that are accepted",
        ),
        (
            [160, 3, 0],
            Level::Warning,
            "replaced sectors: 100 beyond the 60 that are accepted",
        ),
        (
            [60, 23, 0],
            Level::Warning,
            "sectors that cannot be read at present: 20 beyond the 3 that are accepted",
        ),
    ] {
        let verdict = judged(&ata(7200, counts), 0, accepting);
        assert_eq!(verdict.level, want, "{counts:?}");
        let first = verdict.reasons.first().map_or("", String::as_str);
        assert_eq!(first, said);
    }
    let lost = nvme(&json!({"media_errors": 9}));
    for (accepted, want) in [(9, Level::Ok), (8, Level::Warning), (2, Level::Failing)] {
        let table = format!("accept_uncorrectable = {accepted}\nignore = [\"crc_errors\"]");
        assert_eq!(judged(&lost, 0, &table).level, want, "{accepted}");
    }
}

#[test]
fn what_is_ignored_is_not_told_but_the_disk_s_own_word_always_is() {
    let mut worn = ata(0, [0; 3]);
    worn["endurance_used"] = json!({"current_percent": 101});
    worn["ata_smart_self_test_log"] =
        json!({"standard": {"table": [{"status": {"value": 117, "passed": false}}]}});
    let verdict = judged(&worn, 128, "");
    assert_eq!((verdict.level, verdict.reasons.len()), (Level::Warning, 3));
    let ignoring = "ignore = [\"wear\", \"selftest\", \"crc_errors\"]";
    assert_eq!(judged(&worn, 128, ignoring).level, Level::Ok);
    let table = json!([
        row(3, "Spin_Up_Time", 1, 1, "1", "now"),
        row(190, "Airflow_Temperature_Cel", 1, 60, "60", "now")
    ]);
    let mut below = answer(&json!({"ata_smart_attributes": {"table": table},
        "smart_status": {"passed": true}}));
    let ignoring = "ignore = [\"3\", \"190\", \"crc_errors\"]";
    assert_eq!(judged(&below, 16, "").level, Level::Failing);
    assert_eq!(judged(&below, 16, ignoring).level, Level::Ok);
    below["smart_status"]["passed"] = json!(false);
    assert_eq!(judged(&below, 24, ignoring).level, Level::Failing);
}

#[test]
fn what_is_written_wrongly_is_told() {
    for (table, said) in [
        ("ignore = [\"pending\", \"tempo\"]", "tempo"),
        ("ignore = [\"256\"]", "256"),
        ("accept_reallocated = -1", "from 0"),
        ("accepts = 1", "not a known key"),
    ] {
        let (_, faults) = known(table);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(said), "{faults:?}");
    }
}
