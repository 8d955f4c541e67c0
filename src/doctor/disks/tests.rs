use super::*;
use crate::host::Clock;
use crate::local::SubjectLine;

/// What is found on a machine with these disks, whose smartctl answers `scan`.
async fn found(disks: &[&str], scan: Option<&str>, service: Option<&Status>) -> Vec<Finding> {
    let dir = tempfile::tempdir().unwrap();
    for name in disks {
        std::fs::create_dir_all(dir.path().join("sys/block").join(name)).unwrap();
    }
    std::fs::create_dir_all(dir.path().join("exec")).unwrap();
    if let Some(scan) = scan {
        let file = dir.path().join("exec/smartctl --json --scan-open");
        std::fs::write(file, format!("0\n{scan}")).unwrap();
    }
    examine(
        &Host::captured(dir.path(), Clock::Real),
        &BTreeMap::new(),
        service,
    )
    .await
}

async fn only(disks: &[&str], scan: Option<&str>) -> (Verdict, String, Option<String>) {
    let mut all = found(disks, scan, None).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    let one = all.remove(0);
    (one.verdict, one.text, one.remedy)
}

#[tokio::test]
async fn what_keeps_disks_from_being_watched_has_a_remedy() {
    let (verdict, text, remedy) = only(&["sda", "nvme0n1"], None).await;
    assert_eq!(
        (verdict, remedy.as_deref()),
        (Verdict::Hint, Some(smart::MISSING))
    );
    assert!(text.contains("nvme0n1, sda"), "{text}");
    let (verdict, _, remedy) = only(&["sda"], Some("smartctl 6.6")).await;
    assert_eq!((verdict, remedy.as_deref()), (Verdict::Hint, Some(UPGRADE)));
    let (verdict, _, remedy) = only(&["sda"], Some(r#"{"smartctl": {}}"#)).await;
    assert_eq!((verdict, remedy.as_deref()), (Verdict::Hint, Some(PERMIT)));
    let scan = r#"{"smartctl": {}, "devices": [{"name": "/dev/sda", "type": "sat"},
        {"name": "/dev/sdb", "type": "sat", "open_error": "Permission denied"}]}"#;
    let findings = found(&["sda", "sdb"], Some(scan), None).await;
    let verdicts: Vec<_> = findings.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Fine, Verdict::Hint, Verdict::Hint]);
    assert!(findings[2].text.contains("self-tests"));
    assert_eq!(findings[1].remedy.as_deref(), Some(PERMIT));
    assert_eq!(findings[0].text, "/dev/sda (sat) can be asked");
}

#[tokio::test]
async fn what_the_service_may_ask_is_fine_though_this_user_may_not() {
    let scan = r#"{"smartctl": {}, "devices": [
        {"name": "/dev/sda", "type": "scsi", "open_error": "Permission denied"},
        {"name": "/dev/sdb", "type": "scsi", "open_error": "Permission denied"},
        {"name": "/dev/nvme0", "type": "nvme", "open_error": "Permission denied"},
        {"name": "/dev/sdc", "type": "scsi", "open_error": "Permission denied"},
        {"name": "/dev/sdd", "type": "scsi", "open_error": "Unknown USB bridge [0x1:0x2]"},
        {"name": "/dev/sde", "type": "scsi", "open_error": "INQUIRY failed"}]}"#;
    let line = |id: &str, verdict: &str, reason: &str| SubjectLine {
        key: format!("health/disk-{id}"),
        label: id.to_owned(),
        available: true,
        source: None,
        figures: vec![
            ("Verdict".to_owned(), verdict.to_owned()),
            ("Reason".to_owned(), reason.to_owned()),
        ],
    };
    let status = Status {
        subjects: vec![
            line("sda", "ok", ""),
            line("nvme0n1", "unreadable", "Permission denied"),
            line("sdc", "unreadable", smart::NO_SMART),
        ],
        ..Status::default()
    };
    let disks = ["sda", "sdb", "sdc", "sdd", "sde", "nvme0n1"];
    let findings = found(&disks, Some(scan), Some(&status)).await;
    let told: Vec<_> = findings
        .iter()
        .map(|one| (one.verdict, one.remedy.as_deref()))
        .collect();
    assert_eq!(told[0], (Verdict::Fine, None));
    assert_eq!(told[1], (Verdict::Hint, Some(PERMIT)));
    assert_eq!(told[2], (Verdict::Hint, Some(PERMIT_NVME)));
    assert!(findings[0].text.contains("by the running homewatch"));
    // No rights help against what it has not, or is not known.
    assert_eq!(told[3], (Verdict::Absent, None));
    for (place, words) in [
        (4, "also = [\"/dev/sdd sat\"]"),
        (5, "smartctl -a -d scsi /dev/sde"),
    ] {
        let (verdict, remedy) = told[place];
        assert_eq!(verdict, Verdict::Hint);
        assert!(remedy.unwrap().contains(words), "{remedy:?}");
    }
}

#[tokio::test]
async fn rights_are_not_offered_for_disks_that_are_made_by_a_virtual_machine() {
    for (vendor, model, is_made) in [
        ("QEMU", "QEMU HARDDISK", true),
        ("Acme", "Virtual disk", true),
        ("ATA", "VIRTUAL OF QEMU", false),
        ("SEAGATE", "ST4000", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("sys/block/sda/device");
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("vendor"), vendor).unwrap();
        std::fs::write(device.join("model"), model).unwrap();
        std::fs::create_dir_all(dir.path().join("exec")).unwrap();
        let scan = r#"{"smartctl": {}, "devices": [
            {"name": "/dev/sda", "type": "scsi", "open_error": "Permission denied"}]}"#;
        for scan in [scan, r#"{"smartctl": {}}"#] {
            let file = dir.path().join("exec/smartctl --json --scan-open");
            std::fs::write(file, format!("0\n{scan}")).unwrap();
            let host = Host::captured(dir.path(), Clock::Real);
            let findings = examine(&host, &BTreeMap::new(), None).await;
            let want = if is_made {
                (Verdict::Absent, None)
            } else {
                (Verdict::Hint, Some(PERMIT))
            };
            let first = &findings[0];
            assert_eq!((first.verdict, first.remedy.as_deref()), want, "{vendor}");
            assert_eq!(findings.len() > 1, !is_made && scan.contains("sda"));
        }
    }
}

#[tokio::test]
async fn where_a_disk_holds_up_the_scan_each_is_asked_by_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    for name in ["sda", "nvme0n1"] {
        let device = dir.path().join(format!("sys/block/{name}/device"));
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("vendor"), "ATA").unwrap();
    }
    let script = "#!/bin/sh\ncase \"$*\" in *--scan-open) exec sleep 1000;; *) echo \
        '{\"smartctl\": {}, \"smart_status\": {\"passed\": true}}';; esac\n";
    let path = dir.path().join("smartctl");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut host = Host::captured(dir.path(), Clock::Real);
    host.exec = crate::host::Exec::Real;
    let argv = vec![path.display().to_string()];
    host.commands = std::sync::Arc::new([("smartctl".to_owned(), argv)].into());
    let tables = BTreeMap::new();
    let short = Duration::from_millis(200);
    let none = within(short, &host, &tables, None).await;
    assert_eq!(none.len(), 1, "what lists them knows of none: {none:#?}");
    // A list that makes no sense is none: those of the kernel are asked.
    let script = script.replace("*)", "*--scan) echo;; *)");
    std::fs::write(&path, script).unwrap();
    let findings = within(short, &host, &tables, None).await;
    let told: Vec<_> = findings
        .iter()
        .map(|one| (one.verdict, &*one.text))
        .collect();
    assert_eq!(told[0], (Verdict::Fine, "/dev/nvme0 (nvme) can be asked"));
    assert_eq!(told[1], (Verdict::Fine, "/dev/sda (sat) can be asked"));
}

#[test]
fn a_disk_that_does_not_answer_is_told_with_what_to_do() {
    let disk = smart::Found {
        name: "/dev/sdb".to_owned(),
        kind: "nvme".to_owned(),
        error: None,
    };
    let program = "smartctl".to_owned();
    let limit = LIMIT;
    let told = heard(
        &disk,
        "",
        Err(ExecError::TimeOut {
            program,
            limit,
            left: None,
        }),
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(told.verdict, Verdict::Broken);
    assert_eq!(told.text, "/dev/sdb (nvme) does not answer within 20 s");
    assert!(told.remedy.unwrap().contains("cable"));
}

#[tokio::test]
async fn disks_that_are_named_by_hand_are_asked_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("exec")).unwrap();
    let answers = |call: &str, code: i32, text: &str| {
        let file = dir.path().join("exec").join(call.replace('/', "_"));
        std::fs::write(file, format!("{code}\n{text}")).unwrap();
    };
    answers(
        "smartctl --json --scan-open",
        0,
        r#"{"smartctl": {}, "devices": [{"name": "/dev/sda", "type": "sat"}]}"#,
    );
    let ask = |kind: &str, code, text: &str| {
        let call = format!("smartctl --json -n standby,3 -d {kind} -a /dev/sda");
        answers(&call, code, text);
    };
    let well = r#"{"smartctl": {}, "smart_status": {"passed": true}}"#;
    ask("megaraid,1", 0, well);
    ask("megaraid,2", 3, r#"{"smartctl": {}}"#);
    let refused = |why: &str| {
        format!(r#"{{"smartctl": {{"messages": [{{"string": "{why}", "severity": "error"}}]}}}}"#)
    };
    ask("megaraid,3", 2, &refused("Permission denied"));
    ask("megaraid,4", 2, &refused("INQUIRY failed"));
    let names = [
        "sat",
        "megaraid,1",
        "megaraid,2",
        "megaraid,3",
        "megaraid,4",
        "megaraid,5",
    ];
    let names = names.map(|kind| Value::new(None, format!("/dev/sda {kind}")));
    let table = config::Map::from_iter([("also".to_owned(), Value::new(None, names.to_vec()))]);
    let tables = BTreeMap::from([("smart".to_owned(), Value::new(None, table))]);
    let host = Host::captured(dir.path(), Clock::Real);
    let findings = examine(&host, &tables, None).await;
    let verdicts: Vec<_> = findings.iter().map(|one| one.verdict).collect();
    let want = [
        Verdict::Fine,
        Verdict::Fine,
        // It sleeps, and is not woken.
        Verdict::Fine,
        Verdict::Hint,
        Verdict::Broken,
        // smartctl itself is gone.
        Verdict::Broken,
        Verdict::Hint,
    ];
    assert_eq!(verdicts, want, "{findings:#?}");
    assert_eq!(findings[3].remedy.as_deref(), Some(PERMIT));
    assert!(findings[4].text.contains("INQUIRY failed"));
    assert!(
        findings[4]
            .remedy
            .as_ref()
            .unwrap()
            .contains("-d megaraid,4")
    );
}

#[tokio::test]
async fn a_machine_without_such_disks_lacks_nothing() {
    for scan in [None, Some(r#"{"smartctl": {}}"#)] {
        let (verdict, _, remedy) = only(&["vda", "mmcblk0", "loop0"], scan).await;
        assert_eq!((verdict, remedy), (Verdict::Absent, None));
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_told_and_one_that_is_off_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::captured(dir.path(), Clock::Real);
    host.exec = crate::host::Exec::Real;
    let argv = vec![dir.path().display().to_string()];
    host.commands = std::sync::Arc::new([("smartctl".to_owned(), argv)].into());
    let mut tables = BTreeMap::new();
    let findings = examine(&host, &tables, None).await;
    assert_eq!(findings[0].verdict, Verdict::Hint);
    let table = config::Map::from_iter([("enabled".to_owned(), Value::new(None, false))]);
    tables.insert("smart".to_owned(), Value::new(None, table));
    let findings = examine(&host, &tables, None).await;
    assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Absent));
}
