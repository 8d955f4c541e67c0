use std::collections::BTreeMap;
use std::time::Duration;

use config::Value;

use super::{Finding, Verdict};
use crate::collect::smart;
use crate::host::{ExecError, Host};
use crate::local::Status;

const CHAPTER: &str = "Disks";
/// Looking for disks opens each of them; a bad one may take its time.
const LIMIT: Duration = Duration::from_secs(20);
/// Gives the service what smartctl needs.
const PERMIT: &str = "sudo install -m 644 -D packaging/smart.conf \
                      /etc/systemd/system/homewatch.service.d/smart.conf && sudo systemctl \
                      daemon-reload && sudo systemctl restart homewatch";
/// The same for NVMe, whose controllers belong to root alone.
const PERMIT_NVME: &str = "sudo install -m 644 packaging/60-homewatch-nvme.rules \
                           /etc/udev/rules.d/ && sudo udevadm control --reload && sudo udevadm \
                           trigger -s nvme -c add && sudo install -m 644 -D packaging/smart.conf \
                           /etc/systemd/system/homewatch.service.d/smart.conf && sudo systemctl \
                           daemon-reload && sudo systemctl restart homewatch";
/// Brings a smartctl that speaks JSON.
const UPGRADE: &str = "sudo apt update && sudo apt install --only-upgrade smartmontools";

pub(super) async fn examine(
    host: &Host,
    tables: &BTreeMap<String, Value>,
    service: Option<&Status>,
) -> Vec<Finding> {
    if is_off(tables) {
        let off = "not watched: collect.smart.enabled is false";
        return vec![Finding::new(CHAPTER, Verdict::Absent, off)];
    }
    let answer = host.exec.run(&smart::scan_command(host), LIMIT).await;
    let kernel = smart::kernel_disks(&host.root);
    let here: Vec<&str> = kernel
        .iter()
        .map(String::as_str)
        .filter(|name| smart::may_tell(name))
        .collect();
    let output = match answer {
        Ok(output) => output,
        Err(ExecError::Absent(_)) if here.is_empty() => return vec![none()],
        Err(ExecError::Absent(_)) => {
            let text = format!(
                "the health of {} is not watched: no smartctl",
                here.join(", ")
            );
            return vec![Finding::new(CHAPTER, Verdict::Hint, text).with(smart::MISSING)];
        }
        Err(error) => return vec![Finding::new(CHAPTER, Verdict::Hint, error.to_string())],
    };
    let found = match smart::parse_scan(&output.stdout) {
        Ok(found) => found,
        Err(text) => return vec![Finding::new(CHAPTER, Verdict::Hint, text).with(UPGRADE)],
    };
    let is_new = |one: &smart::Found| !found.iter().any(|other| other.is(one));
    let also: Vec<_> = smart::also(tables).into_iter().filter(is_new).collect();
    let mut findings: Vec<Finding> = found
        .iter()
        .map(|disk| one(disk, verdict(host, disk, service)))
        .collect();
    if found.is_empty() && !here.is_empty() {
        let text = format!("smartctl finds none of {}", here.join(", "));
        findings.push(Finding::new(CHAPTER, Verdict::Hint, text).with(PERMIT));
    }
    for disk in &also {
        findings.push(by_hand(host, disk).await);
    }
    if findings.is_empty() {
        return vec![none()];
    }
    if !found.is_empty() || !also.is_empty() {
        findings.extend(tests(tables));
    }
    findings
}

/// A disk that the configuration names: whether it can be asked is not told by a scan.
async fn by_hand(host: &Host, disk: &smart::Found) -> Finding {
    let smart::Found { name, kind, .. } = disk;
    let asked = host.exec.run(&smart::ask_command(host, disk), LIMIT).await;
    let trouble = match asked {
        Ok(output) => {
            let code = output.code.unwrap_or(-1);
            let opinion = smart::Judge::new().judge(code, &output.stdout, host.clock.now());
            opinion
                .filter(|opinion| opinion.level == smart::UNREADABLE)
                .map(|opinion| opinion.reasons.join("; "))
        }
        Err(error) => Some(error.to_string()),
    };
    let named = format!("{name} ({kind}), named by collect.smart.also,");
    match trouble {
        None => Finding::new(CHAPTER, Verdict::Fine, format!("{named} can be asked")),
        Some(trouble) if trouble.contains("Permission") => {
            let text = format!("{named} cannot be asked: {trouble}");
            Finding::new(CHAPTER, Verdict::Hint, text).with(PERMIT)
        }
        Some(trouble) => {
            let text = format!("{named} cannot be asked: {trouble}");
            let remedy = format!("sudo smartctl -a -d {kind} {name} tells more; else take it out");
            Finding::new(CHAPTER, Verdict::Broken, text).with(remedy)
        }
    }
}

fn none() -> Finding {
    let text = "none that tells its health (those of virtual machines and memory cards do not)";
    Finding::new(CHAPTER, Verdict::Absent, text)
}

/// The running service's verdict on a disk: it may have rights that whoever examines has not.
fn verdict<'a>(host: &Host, disk: &smart::Found, service: Option<&'a Status>) -> Option<&'a str> {
    let key = smart::key(&host.root, disk)?;
    let mut lines = service?.subjects.iter();
    let line = lines.find(|line| line.key == key && line.available)?;
    let (_, verdict) = line.figures.first()?;
    (verdict != smart::UNREADABLE).then_some(verdict)
}

fn one(disk: &smart::Found, told: Option<&str>) -> Finding {
    let name = format!("{} ({})", disk.name, disk.kind);
    let permit = if disk.kind == "nvme" {
        PERMIT_NVME
    } else {
        PERMIT
    };
    match (&disk.error, told) {
        (None, _) => Finding::new(CHAPTER, Verdict::Fine, format!("{name} can be asked")),
        (Some(_), Some(verdict)) => {
            let text = format!("{name} is asked by the running homewatch, verdict {verdict}");
            Finding::new(CHAPTER, Verdict::Fine, text)
        }
        (Some(error), None) => {
            Finding::new(CHAPTER, Verdict::Hint, format!("{name}: {error}")).with(permit)
        }
    }
}

/// What would make disks look at themselves, if nothing does.
fn tests(tables: &BTreeMap<String, Value>) -> Option<Finding> {
    if smart::tests_are_scheduled(tables) {
        return None;
    }
    let text = "no self-tests are scheduled: errors that nobody reads are found late";
    let remedy = "under [collect.smart.selftest] set short = \"7d\" and long = \"30d\"";
    Some(Finding::new(CHAPTER, Verdict::Hint, text).with(remedy))
}

fn is_off(tables: &BTreeMap<String, Value>) -> bool {
    let table = tables.get("smart").cloned();
    let table = table.and_then(|value| value.into_table().ok());
    let enabled = table.and_then(|table| table.get("enabled")?.clone().into_bool().ok());
    enabled == Some(false)
}

#[cfg(test)]
mod tests {
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
            {"name": "/dev/nvme0", "type": "nvme", "open_error": "Permission denied"}]}"#;
        let line = |id: &str, verdict: &str| SubjectLine {
            key: format!("health/disk-{id}"),
            label: id.to_owned(),
            available: true,
            source: None,
            figures: vec![("Verdict".to_owned(), verdict.to_owned())],
        };
        let status = Status {
            subjects: vec![line("sda", "ok"), line("nvme0n1", "unreadable")],
            ..Status::default()
        };
        let findings = found(&["sda", "sdb", "nvme0n1"], Some(scan), Some(&status)).await;
        let told: Vec<_> = findings
            .iter()
            .map(|one| (one.verdict, one.remedy.as_deref()))
            .collect();
        assert_eq!(told[0], (Verdict::Fine, None));
        assert_eq!(told[1], (Verdict::Hint, Some(PERMIT)));
        assert_eq!(told[2], (Verdict::Hint, Some(PERMIT_NVME)));
        assert!(findings[0].text.contains("by the running homewatch"));
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
            format!(
                r#"{{"smartctl": {{"messages": [{{"string": "{why}", "severity": "error"}}]}}}}"#
            )
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
}
