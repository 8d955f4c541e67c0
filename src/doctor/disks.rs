use std::collections::BTreeMap;
use std::time::Duration;

use config::Value;
use futures_util::future::join_all;

use super::{Finding, Verdict};
use crate::collect::smart;
use crate::host::{ExecError, Host, Output};
use crate::local::Status;
use crate::model::{Timestamp, spoken};

const CHAPTER: &str = "Disks";
/// So long a disk may take; a bad one takes its time.
const LIMIT: Duration = Duration::from_secs(20);
/// Looking for disks opens each of them; one that hangs holds this up.
const SCAN: Duration = Duration::from_secs(10);
/// The same opening none.
const LIST: Duration = Duration::from_secs(5);
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
    within(SCAN, host, tables, service).await
}

/// The same with a scan that takes no longer than `scan`.
async fn within(
    scan: Duration,
    host: &Host,
    tables: &BTreeMap<String, Value>,
    service: Option<&Status>,
) -> Vec<Finding> {
    if is_off(tables) {
        let off = "not watched: collect.smart.enabled is false";
        return vec![Finding::new(CHAPTER, Verdict::Absent, off)];
    }
    let kernel = smart::kernel_disks(&host.root);
    let here: Vec<&str> = kernel
        .iter()
        .map(String::as_str)
        .filter(|name| smart::may_tell(name) && !smart::is_virtual(&host.root, name))
        .collect();
    let found = match look(host, scan).await {
        Ok(found) => found,
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
    let Looked { found, alone } = match found {
        Ok(looked) => looked,
        Err(text) => return vec![Finding::new(CHAPTER, Verdict::Hint, text).with(UPGRADE)],
    };
    let is_new = |one: &smart::Found| !found.iter().any(|other| other.is(one));
    let also: Vec<_> = smart::also(tables).into_iter().filter(is_new).collect();
    let mut findings: Vec<Finding> = found
        .iter()
        .map(|disk| one(host, disk, &told(host, disk, service)))
        .collect();
    if found.is_empty() && alone.is_empty() && !here.is_empty() {
        let text = format!("smartctl finds none of {}", here.join(", "));
        findings.push(Finding::new(CHAPTER, Verdict::Hint, text).with(PERMIT));
    }
    // Side by side: one that hangs costs its own time only.
    let asked = alone.iter().map(|disk| (disk, ""));
    let asked = asked.chain(
        also.iter()
            .map(|disk| (disk, ", named by collect.smart.also,")),
    );
    findings.extend(join_all(asked.map(|(disk, named)| ask(host, disk, named))).await);
    if findings.is_empty() {
        return vec![none()];
    }
    let has_disk = |one: &Finding| one.verdict != Verdict::Absent;
    if findings.iter().any(has_disk) && !(found.is_empty() && also.is_empty() && alone.is_empty()) {
        findings.extend(tests(tables));
    }
    findings
}

/// The disks that were found.
#[derive(Default)]
struct Looked {
    found: Vec<smart::Found>,
    /// Those of which none was opened, as one of them holds up the scan.
    alone: Vec<smart::Found>,
}

/// Looks for disks; the error inside says what is wrong with smartctl's answer.
async fn look(host: &Host, limit: Duration) -> Result<Result<Looked, String>, ExecError> {
    match host.exec.run(&smart::scan_command(host), limit).await {
        Ok(output) => Ok(smart::parse_scan(&output.stdout).map(|found| Looked {
            found,
            ..Looked::default()
        })),
        Err(ExecError::TimeOut { .. }) => {
            let listed = host.exec.run(&smart::list_command(host), LIST).await;
            Ok(Ok(Looked {
                alone: smart::unopened(host, listed),
                ..Looked::default()
            }))
        }
        Err(error) => Err(error),
    }
}

/// A disk that no scan has opened, or the configuration names: whether it can be asked.
async fn ask(host: &Host, disk: &smart::Found, named: &str) -> Finding {
    let asked = host.exec.run(&smart::ask_command(host, disk), LIMIT).await;
    heard(disk, named, asked, host.clock.now())
}

/// What came of asking a disk.
fn heard(
    disk: &smart::Found,
    named: &str,
    asked: Result<Output, ExecError>,
    now: Timestamp,
) -> Finding {
    let smart::Found { name, kind, .. } = disk;
    let trouble = match asked {
        Ok(output) => {
            let code = output.code.unwrap_or(-1);
            let opinion = smart::Judge::new().judge(code, &output.stdout, now);
            opinion
                .filter(|opinion| opinion.level == smart::UNREADABLE)
                .map(|opinion| opinion.reasons.join("; "))
        }
        Err(ExecError::TimeOut { limit, .. }) => {
            let text = format!(
                "{name} ({kind}){named} does not answer within {}",
                spoken(limit)
            );
            let remedy = "make a backup while it can be read; sudo dmesg tells what the kernel has \
                          met: see to its cable, power and enclosure";
            return Finding::new(CHAPTER, Verdict::Broken, text).with(remedy);
        }
        Err(error) => Some(error.to_string()),
    };
    let named = format!("{name} ({kind}){named}");
    match trouble {
        None => Finding::new(CHAPTER, Verdict::Fine, format!("{named} can be asked")),
        Some(trouble) if trouble.contains("Permission") => {
            let text = format!("{named} cannot be asked: {trouble}");
            Finding::new(CHAPTER, Verdict::Hint, text).with(permit(disk))
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

/// What the running service tells of a disk: it may have rights that whoever examines has not.
#[derive(Default)]
struct Told<'a> {
    verdict: Option<&'a str>,
    reason: Option<&'a str>,
}

fn told<'a>(host: &Host, disk: &smart::Found, service: Option<&'a Status>) -> Told<'a> {
    let key = smart::key(&host.root, disk);
    let mut lines = service.into_iter().flat_map(|status| &status.subjects);
    let line = lines.find(|line| Some(&line.key) == key.as_ref() && line.available);
    let mut figures = line.into_iter().flat_map(|line| &line.figures);
    Told {
        verdict: figures.next().map(|(_, verdict)| verdict.as_str()),
        reason: figures.next().map(|(_, reason)| reason.as_str()),
    }
}

/// What gives the service the rights for such a disk.
fn permit(disk: &smart::Found) -> &'static str {
    if disk.kind == "nvme" {
        PERMIT_NVME
    } else {
        PERMIT
    }
}

fn one(host: &Host, disk: &smart::Found, told: &Told<'_>) -> Finding {
    let name = format!("{} ({})", disk.name, disk.kind);
    let kernel_name = disk.name.trim_start_matches("/dev/");
    if told.reason == Some(smart::NO_SMART) || smart::is_virtual(&host.root, kernel_name) {
        let text = format!("{name} has no S.M.A.R.T.");
        return Finding::new(CHAPTER, Verdict::Absent, text);
    }
    let verdict = told.verdict.filter(|one| *one != smart::UNREADABLE);
    match (&disk.error, verdict) {
        (None, _) => Finding::new(CHAPTER, Verdict::Fine, format!("{name} can be asked")),
        (Some(_), Some(verdict)) => {
            let text = format!("{name} is asked by the running homewatch, verdict {verdict}");
            Finding::new(CHAPTER, Verdict::Fine, text)
        }
        (Some(error), None) => {
            let smart::Found { name: at, kind, .. } = disk;
            let remedy = if error.contains("Permission") {
                permit(disk).to_owned()
            } else if error.contains("USB bridge") {
                format!(
                    "sudo smartctl -a -d sat {at}; if that works, set also = [\"{at} sat\"] under [collect.smart]"
                )
            } else {
                format!("sudo smartctl -a -d {kind} {at} tells more")
            };
            Finding::new(CHAPTER, Verdict::Hint, format!("{name}: {error}")).with(remedy)
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
mod tests;
