use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::super::*;
use super::machine::{Machine, SCAN, configured, ids, made, told};
use super::{answer, ata, nvme};
use crate::host::{Clock, Exec, Root};
use crate::model::Category;

#[tokio::test(start_paused = true)]
async fn each_disk_is_a_subject_of_its_own_device() {
    let disks = [
        ("sda", "sat", ata(7200, [160, 0, 0])),
        ("nvme0n1", "nvme", nvme(&json!({}))),
    ];
    let mut machine = Machine::new().with(&disks);
    // smartctl speaks to the controller.
    machine.scans(
        &json!([{"name": "/dev/sda", "type": "sat"}, {"name": "/dev/nvme0", "type": "nvme"},
        {"name": "/dev/sda", "type": "scsi"}, {"type": "nameless"}]),
    );
    machine.says("nvme0", "nvme", 0, &disks[1].2.to_string());
    machine.says("sda", "scsi", 0, &disks[0].2.to_string());
    let readings = machine.now().await;
    assert_eq!(
        ids(&readings),
        ["disk-s-sda", "disk-s-nvme0n1"],
        "one disk by two ways is one"
    );
    let figures = [
        "verdict",
        "reallocated",
        "temperature_c",
        "power_on_hours",
        "asleep",
    ];
    let figures = figures.map(|key| told(&readings[0], key));
    assert_eq!(figures, ["warning", "160", "34", "31000", "0"]);
    assert_eq!(told(&readings[0], "reason"), "replaced sectors: 160");
    let detail = readings[0].detail.as_ref().unwrap();
    assert_eq!(detail["reasons"], json!(["replaced sectors: 160"]));
    assert!(detail["advice"].as_str().unwrap().contains("backup"));
    assert_eq!(told(&readings[1], "verdict"), "ok");
    assert_eq!(
        (told(&readings[1], "reason"), readings[1].detail.is_none()),
        (String::new(), true)
    );
    for reading in &readings {
        for (metric, _) in &reading.values {
            assert!(metric.key.ends_with(metric.unit.suffix()), "{}", metric.key);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_is_asked_at_most_every_half_hour_and_not_all_at_once() {
    let well = ata(7200, [0; 3]);
    let disks = [("sda", "sat", well.clone()), ("sdb", "sat", well)];
    let mut machine = Machine::new().with(&disks);
    assert_eq!(machine.now().await.len(), 2);
    let bad = ata(7200, [199, 0, 0]).to_string();
    machine.says("sda", "sat", 0, &bad);
    machine.says("sdb", "sat", 0, &bad);
    let second = Duration::from_secs(1);
    for (later, want) in [
        (EVERY.saturating_sub(second), ["ok", "ok"]),
        (second, ["failing", "ok"]),
        (APART.saturating_sub(second), ["failing", "ok"]),
        (second, ["failing", "failing"]),
    ] {
        let readings = machine.sample(later).await.unwrap();
        let verdicts: Vec<_> = readings.iter().map(|one| told(one, "verdict")).collect();
        assert_eq!(verdicts, want);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_disk_keeps_its_verdict_and_has_no_temperature() {
    let mut machine = Machine::new().with(&[("sda", "sat", ata(7200, [0; 3]))]);
    machine.now().await;
    machine.says("sda", "sat", 3, &answer(&json!({})).to_string());
    let readings = machine.sample(EVERY).await.unwrap();
    let figures = ["verdict", "asleep", "temperature_c", "power_on_hours"];
    assert_eq!(
        figures.map(|key| told(&readings[0], key)),
        ["ok", "1", "", "31000"]
    );
    // One that has always slept is neither good nor bad.
    let mut machine = Machine::new().with(&[("sda", "sat", json!({}))]);
    machine.says("sda", "sat", 3, &answer(&json!({})).to_string());
    let readings = machine.now().await;
    assert_eq!(
        figures.map(|key| told(&readings[0], key)),
        ["", "1", "", ""]
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_bad_and_cannot_be_read_has_not_become_better() {
    let mut machine = Machine::new().with(&[("sda", "sat", ata(7200, [160, 0, 0]))]);
    machine.now().await;
    for _ in 0..2 {
        machine.says("sda", "sat", 0, "{\"half");
        let readings = machine.sample(EVERY).await.unwrap();
        assert_eq!(told(&readings[0], "verdict"), "warning");
        let reasons = readings[0].detail.as_ref().unwrap()["reasons"]
            .as_array()
            .unwrap()
            .clone();
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[1].as_str().unwrap().starts_with("not read since: "));
    }
    machine.says("sda", "sat", 0, &ata(7200, [0; 3]).to_string());
    let readings = machine.sample(EVERY).await.unwrap();
    assert_eq!(told(&readings[0], "verdict"), "ok");
}

#[tokio::test(start_paused = true)]
async fn disks_behind_a_controller_are_known_by_their_serial_number() {
    let mut machine = Machine::new();
    machine.kernel("sda");
    machine.scans(&json!([{"name": "/dev/bus/0", "type": "megaraid,4"},
        {"name": "/dev/bus/0", "type": "megaraid,5"}]));
    machine.says("bus_0", "megaraid,4", 0, &ata(7200, [0; 3]).to_string());
    machine.says("bus_0", "megaraid,5", 2, &answer(&json!({})).to_string());
    let readings = machine.now().await;
    assert_eq!(
        ids(&readings),
        ["disk-wd-wcc4n0", "disk-dev-bus-0-megaraid-5"]
    );
    assert_eq!(
        readings[0].subject.label,
        "WDC WD40EFRX-68N (/dev/bus/0 megaraid,4)"
    );
    assert_eq!(told(&readings[1], "verdict"), "unreadable");
    // Its name holds when it no longer tells it.
    machine.says("bus_0", "megaraid,4", 2, &answer(&json!({})).to_string());
    let readings = machine.sample(EVERY).await.unwrap();
    assert_eq!(ids(&readings)[0], "disk-wd-wcc4n0");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_comes_or_goes_is_noticed() {
    let well = ata(7200, [0; 3]);
    let disks = [("sda", "sat", ata(7200, [160, 0, 0])), ("sdb", "sat", well)];
    let mut machine = Machine::new().with(&disks);
    machine.kernel("loop0");
    assert_eq!(machine.now().await.len(), 2);
    machine.remove("sys/block/sdb");
    machine.scans(&json!([{"name": "/dev/sda", "type": "sat"}]));
    machine.says("sda", "sat", 2, &answer(&json!({})).to_string());
    let readings = machine.now().await;
    assert_eq!(ids(&readings), ["disk-s-sda"]);
    assert_eq!(
        told(&readings[0], "verdict"),
        "warning",
        "what stays is not asked again"
    );
    // Another disk under the same name is another disk.
    std::fs::write(
        machine.dir.path().join("sys/block/sda/device/serial"),
        "NEW",
    )
    .unwrap();
    machine.kernel("sdb");
    let readings = machine.now().await;
    assert_eq!(ids(&readings), ["disk-new"]);
    assert_eq!(told(&readings[0], "verdict"), "unreadable");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_may_not_be_opened_is_unreadable_and_never_well() {
    let mut machine = Machine::new().with(&[("sda", "sat", ata(7200, [0; 3]))]);
    let device = json!({"name": "/dev/sda", "type": "sat", "open_error": "Permission denied"});
    machine.scans(&json!([device]));
    let readings = machine.now().await;
    assert_eq!(told(&readings[0], "verdict"), "unreadable");
    assert_eq!(told(&readings[0], "reason"), "Permission denied");
    // It is tried again: soon, for while a machine starts rights come a moment later, then rarely.
    let refused = answer(&json!({"smartctl": {"messages": [
        {"string": "Smartctl open device: /dev/sda failed: Permission denied", "severity": "error"}]}}));
    machine.says("sda", "sat", 2, &refused.to_string());
    let readings = machine.sample(APART).await.unwrap();
    assert_eq!(told(&readings[0], "verdict"), "unreadable");
    machine.says("sda", "sat", 0, &ata(7200, [0; 3]).to_string());
    for (later, want) in [(EVERY.saturating_sub(APART), "unreadable"), (APART, "ok")] {
        let readings = machine.sample(later).await.unwrap();
        assert_eq!(told(&readings[0], "verdict"), want);
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_missing_or_another_one_is_told() {
    let mut machine = Machine::new();
    machine.kernel("sda");
    let error = machine.sample(Duration::ZERO).await.unwrap_err();
    assert!(
        matches!(&error, CollectError::Absent(text) if text.contains(MISSING)),
        "{error}"
    );
    for text in ["0\nUsage: smartctl", "0\n{}"] {
        machine.answers(SCAN, text);
        let error = machine.sample(Duration::ZERO).await.unwrap_err();
        assert!(matches!(&error, CollectError::Broken(_)), "{error}");
    }
    machine.scans(&json!([]));
    assert_eq!(machine.now().await.len(), 0);
    // Gone between two calls.
    machine.scans(&json!([{"name": "/dev/sda", "type": "sat"}]));
    machine.kernel("sdb");
    let error = machine.sample(Duration::ZERO).await.unwrap_err();
    assert!(matches!(&error, CollectError::Absent(_)), "{error}");
}

/// A smartctl of our own, which is `script`.
fn program(dir: &Path, script: &str) -> Host {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join("smartctl");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut host = Host::captured(dir, Clock::Real);
    host.exec = Exec::Real;
    let argv = vec![path.display().to_string()];
    host.commands = Arc::new([("smartctl".to_owned(), argv)].into());
    host
}

#[tokio::test]
async fn a_slow_smartctl_holds_nobody_up_and_is_taken_in_later() {
    let dir = tempfile::tempdir().unwrap();
    let well = ata(7200, [0; 3]).to_string();
    let found = answer(&json!({"devices": [{"name": "/dev/sdx", "type": "sat"}]})).to_string();
    let go = dir.path().join("go");
    let script = format!(
        "case \"$*\" in *scan-open) echo '{found}';; *) until test -e {}; do sleep 0.01; done; \
         echo '{well}';; esac",
        go.display()
    );
    let mut smart = made(&program(dir.path(), &script));
    let first = tokio::task::spawn_blocking(move || (smart.sample(), smart));
    let (readings, mut smart) = first.await.unwrap();
    assert_eq!(
        readings.unwrap().len(),
        0,
        "nothing is told of a disk before it answers"
    );
    std::fs::write(go, "").unwrap();
    let done = tokio::task::spawn_blocking(move || {
        loop {
            let readings = smart.sample().unwrap();
            if !readings.is_empty() {
                return readings;
            }
        }
    });
    let readings = done.await.unwrap();
    assert_eq!(told(&readings[0], "verdict"), "ok");
    assert_eq!(ids(&readings), ["disk-wd-wcc4n0"]);
}

#[tokio::test]
async fn a_smartctl_that_cannot_be_run_fails_the_scan_only_for_now() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = program(dir.path(), "");
    let argv = vec![dir.path().display().to_string()];
    host.commands = Arc::new([("smartctl".to_owned(), argv)].into());
    let mut smart = made(&host);
    let sampled = tokio::task::spawn_blocking(move || smart.sample())
        .await
        .unwrap();
    assert!(
        matches!(&sampled, Err(CollectError::Transient(_))),
        "{sampled:?}"
    );
}

#[tokio::test]
async fn a_scan_that_failed_is_told_until_one_succeeds_however_long_that_takes() {
    let dir = tempfile::tempdir().unwrap();
    let found = answer(&json!({"devices": []})).to_string();
    let (failed, go) = (dir.path().join("failed"), dir.path().join("go"));
    // It fails once, then hangs until it is let go.
    let script = format!(
        "test -e {0} || {{ touch {0}; echo no JSON; exit; }}\n\
         until test -e {1}; do sleep 0.01; done; echo '{found}'",
        failed.display(),
        go.display()
    );
    let mut smart = made(&program(dir.path(), &script));
    let done = tokio::task::spawn_blocking(move || {
        let first = loop {
            if let Err(error) = smart.sample() {
                break error;
            }
        };
        let while_it_hangs = [smart.sample(), smart.sample()];
        std::fs::write(go, "").unwrap();
        while smart.sample().is_err() {}
        (first, while_it_hangs)
    });
    let (first, while_it_hangs) = done.await.unwrap();
    assert!(matches!(first, CollectError::Broken(_)), "{first}");
    for told in while_it_hangs {
        assert_eq!(told.unwrap_err(), first);
    }
}

#[test]
fn without_a_runtime_nothing_can_be_run() {
    let root = Root::default();
    assert!(root.is_own());
    let mut smart = made(&Host::real());
    assert!(matches!(smart.sample(), Err(CollectError::Transient(_))));
}

#[test]
fn what_is_configured_must_spare_the_disks_and_make_sense() {
    let faults = |table| configured(&Host::real(), table).1;
    for (table, said) in [
        ("every = \"1m\"", "every"),
        ("also = [\"sda\"]", "megaraid,4"),
        ("also = [\"/dev/sda -x\"]", "megaraid,4"),
        ("also = [\"/dev/sda sat -x\"]", "megaraid,4"),
        ("also = [\"/etc/passwd sat\"]", "megaraid,4"),
    ] {
        let faults = faults(table);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(said), "{faults:?}");
    }
    assert!(faults("also = [\"/dev/sda megaraid,4\"]").is_empty());
}

#[tokio::test(start_paused = true)]
async fn growth_survives_a_restart() {
    let mut machine = Machine::new().with(&[("sda", "sat", ata(7200, [3, 0, 0]))]);
    let readings = machine.now().await;
    assert_eq!(told(&readings[0], "verdict"), "watch");
    machine.says("sda", "sat", 0, &ata(7200, [8, 0, 0]).to_string());
    machine.restart(48);
    let readings = machine.now().await;
    assert_eq!(
        told(&readings[0], "reason"),
        "replaced sectors: 8, 5 more within a week"
    );
    assert_eq!(told(&readings[0], "verdict"), "warning");
    machine.restart(24 * 9);
    let readings = machine.now().await;
    assert_eq!(told(&readings[0], "reason"), "replaced sectors: 8");
}

#[tokio::test(start_paused = true)]
async fn what_is_configured_of_a_disk_holds_for_it_and_disks_are_named_by_hand() {
    let mut machine = Machine::new().with(&[("sda", "sat", ata(7200, [160, 0, 0]))]);
    let mut other = ata(7200, [160, 0, 0]);
    other["serial_number"] = json!("OTHER");
    machine.says("sda", "megaraid,4", 0, &other.to_string());
    let table = "also = [\"/dev/sda megaraid,4\", \"/dev/sda sat\"]\n\
                 [disks.s-sda]\naccept_reallocated = 160";
    let (smart, faults) = configured(&machine.host, table);
    assert_eq!(faults, [""; 0]);
    machine.smart = smart;
    let readings = machine.now().await;
    assert_eq!(ids(&readings), ["disk-s-sda", "disk-other"]);
    assert_eq!(told(&readings[0], "verdict"), "ok");
    assert_eq!(told(&readings[1], "verdict"), "warning");
}

#[tokio::test(start_paused = true)]
async fn a_temperature_that_the_kernel_tells_as_well_is_shown_once() {
    let mut machine = Machine::new().with(&[
        ("sda", "sat", ata(7200, [0; 3])),
        ("sdb", "sat", ata(7200, [0; 3])),
    ]);
    let device = machine.dir.path().join("sys/devices/ata1");
    std::fs::create_dir_all(device.join("block/sda")).unwrap();
    let chip = machine.dir.path().join("sys/class/hwmon/hwmon0");
    std::fs::create_dir_all(&chip).unwrap();
    std::fs::write(chip.join("name"), "drivetemp\n").unwrap();
    std::os::unix::fs::symlink(&device, chip.join("device")).unwrap();
    let readings = machine.now().await;
    let names = readings.iter().map(|reading| {
        let mut values = reading.values.iter();
        let found = values.find(|(metric, _)| metric.key == "temperature_c");
        let (metric, value) = found.unwrap();
        assert_eq!(value.as_number(), Some(34.0));
        (metric.name, metric.category)
    });
    let want = [
        ("Temperature by S.M.A.R.T.", Category::Hidden),
        ("Temperature", Category::Primary),
    ];
    assert_eq!(names.collect::<Vec<_>>(), want);
}

#[tokio::test(start_paused = true)]
async fn a_disk_s_self_tests_are_told() {
    let mut disk = ata(7200, [0; 3]);
    disk["ata_smart_self_test_log"] = json!({"standard": {"table": [
        {"status": {"value": 0, "passed": true}, "lifetime_hours": 30_900}]}});
    disk["ata_smart_data"] = json!({"self_test": {"status":
        {"value": 0xf9, "remaining_percent": 90}}});
    let mut untested = nvme(&json!({}));
    untested["nvme_self_test_log"] = json!({"current_self_test_operation": {"value": 1}});
    let disks = [("sda", "sat", disk), ("nvme0n1", "nvme", untested)];
    let mut machine = Machine::new().with(&disks);
    let readings = machine.now().await;
    let keys = [
        "selftest_running",
        "selftest_left_pct",
        "selftest",
        "selftest_hours_ago",
    ];
    assert_eq!(
        keys.map(|key| told(&readings[0], key)),
        ["1", "90", "passed", "100"]
    );
    assert_eq!(keys.map(|key| told(&readings[1], key)), ["1", "", "", ""]);
}
