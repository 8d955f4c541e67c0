//! ZFS: `pool-zfs-<pool>` each, by the kernel's own word on its state, which needs no program, and
//! by `zpool` for the rest. `zpool` is never waited for: over a pool that hangs it hangs as well.

mod status;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::pool::{
    DATA_ERRORS, DEGRADED, DEVICES, ERRORS, FAILED, HAS_ERRORS, PROGRESS, REMAINING, lack, list,
    scrubbed,
};
use super::program::{Answer, Program};
use super::zone::zone;
use crate::collect::read::{figure, percent};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};
use status::{Row, Status, Work};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "zfs",
    period: Duration::from_secs(10),
    build,
};

/// How often `zpool` is asked; at once if the kernel's word on a pool has changed.
const EVERY: Duration = Duration::from_mins(2);
/// A `zpool` that has not ended after this long is killed.
const LIMIT: Duration = Duration::from_secs(30);

const REMEDY: &str = "as a service: sudo install -m 644 -D packaging/zfs.conf \
                      /etc/systemd/system/homewatch.service.d/zfs.conf && sudo systemctl daemon-reload \
                      && sudo systemctl restart homewatch";

static STATE: Metric = Metric::state("state", "State", STATES);
static WORK: Metric = Metric::state("work", "Work", WORKS).diagnostic();
static USED_PCT: Metric = Metric::gauge("used_pct", "Used", Unit::Percent)
    .decimals(1)
    .dead_band(0.5);
static FREE: Metric = Metric::gauge("free_bytes", "Free", Unit::Byte)
    .dead_band(104_857_600.0)
    .diagnostic();
static FRAGMENTED: Metric =
    Metric::gauge("fragmentation_pct", "Fragmentation", Unit::Percent).diagnostic();

/// The words of `state`, which are ZFS's own.
const STATES: &[&str] = &[
    "online",
    "degraded",
    "faulted",
    "offline",
    "removed",
    "unavailable",
    "suspended",
];
/// The words of `work`.
const WORKS: &[&str] = &["none", "scrub", "resilver"];

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    let program = |arguments: &[&str]| Program::new(host, "zpool", arguments, EVERY, LIMIT);
    Box::new(Zfs {
        host: host.clone(),
        zone: zone(&host.root),
        status: program(&["status", "-p"]),
        list: program(&[
            "list",
            "-Hp",
            "-o",
            "name,size,allocated,free,fragmentation",
        ]),
        states: BTreeMap::new(),
        known: BTreeMap::new(),
        refused: None,
        space: BTreeMap::new(),
    })
}

struct Zfs {
    host: Host,
    zone: TimeZone,
    status: Program,
    list: Program,
    /// What the kernel says of each pool.
    states: BTreeMap<String, String>,
    known: BTreeMap<String, Status>,
    /// Why `zpool` can tell nothing.
    refused: Option<String>,
    space: BTreeMap<String, Space>,
}

/// Bytes of one pool.
#[derive(Debug, Clone, PartialEq)]
struct Space {
    size: u64,
    used: u64,
    free: u64,
    fragmentation: Option<f64>,
}

impl Collect for Zfs {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let folder = self.host.root.proc("spl/kstat/zfs");
        if !folder.exists() {
            return Err(CollectError::Absent("no ZFS".to_owned()));
        }
        let states = states(&folder);
        if states != self.states {
            self.status.hurry();
            self.list.hurry();
            self.states = states;
        }
        match self.status.poll().map(text) {
            Some(Ok(text)) => {
                let pools = status::parse(&text, &self.zone).into_iter();
                self.known = pools.map(|pool| (pool.name.clone(), pool)).collect();
                self.refused = None;
            }
            Some(Err(why)) => self.refused = Some(why),
            None => {}
        }
        if let Some(Ok(text)) = self.list.poll().map(text) {
            self.space = text.lines().filter_map(space).collect();
        }
        let mut names: Vec<&String> = self.states.keys().chain(self.known.keys()).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(CollectError::Absent("no ZFS pool".to_owned()));
        }
        Ok(names.into_iter().map(|name| self.tell(name)).collect())
    }
}

/// What a program printed, or why it printed nothing of use.
fn text(answer: Answer) -> Result<String, String> {
    match answer {
        Ok(output) if output.code == Some(0) => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(said.lines().next().unwrap_or("no answer").to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The pools of the kernel, each a folder with its state. Those with `$` before their name are ZFS's
/// own, such as `$import` while one is imported.
fn states(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let pool = |entry: fs::DirEntry| {
        let state = Root::read_trimmed(&entry.path().join("state"))?;
        Some((entry.file_name().into_string().ok()?, state))
    };
    let pools = entries.filter_map(pool);
    pools.filter(|(name, _)| !name.starts_with('$')).collect()
}

/// Name, size, allocated, free and fragmentation with tabs between, `-` for what is not known.
fn space(line: &str) -> Option<(String, Space)> {
    let mut words = line.split('\t');
    let name = words.next()?.to_owned();
    let mut number = || words.next()?.parse::<u64>().ok();
    let (size, used, free) = (number()?, number()?, number()?);
    let fragmentation = number().map(figure);
    let space = Space {
        size,
        used,
        free,
        fragmentation,
    };
    Some((name, space))
}

impl Zfs {
    fn tell(&self, name: &str) -> Reading {
        let id = format!("pool-zfs-{name}");
        let subject = Subject::of_host(Area::Health, &id, &format!("ZFS pool {name}"));
        let known = self.known.get(name);
        let state = self.states.get(name).or(known.map(|known| &known.state));
        let state = state.and_then(|state| word(state));
        let mut reading = Reading::new(&subject)
            .with_known(&STATE, state)
            .with_known(&DEGRADED, state.map(|state| state != "online"));
        if let Some(known) = known {
            self.tell_status(&mut reading, known);
        }
        if let Some(why) = &self.refused {
            let what = format!("disks, errors and scrubs are not known: zpool cannot tell ({why})");
            lack(&mut reading, &what, REMEDY);
        }
        if let Some(space) = self.space.get(name) {
            reading.push(&USED_PCT, percent(space.used, space.size));
            reading.push(&FREE, Some(figure(space.free)));
            reading.push(&FRAGMENTED, space.fragmentation);
        }
        reading
    }

    fn tell_status(&self, reading: &mut Reading, known: &Status) {
        let leaves: Vec<&Row> = known.rows.iter().filter(|row| row.is_leaf).collect();
        let sum = |row: &Row| {
            row.errors
                .iter()
                .fold(0u64, |sum, one| sum.saturating_add(*one))
        };
        let fails = |row: &&&Row| row.state != "ONLINE";
        let errors = leaves
            .iter()
            .fold(0u64, |all, row| all.saturating_add(sum(row)));
        let has_errors = known.rows.iter().any(|row| sum(row) > 0) || known.lost > Some(0);
        reading.push(&HAS_ERRORS, Some(has_errors));
        reading.push(&ERRORS, Some(figure(errors)));
        reading.push(&DATA_ERRORS, known.lost.map(figure));
        reading.push(&DEVICES, u32::try_from(leaves.len()).ok().map(f64::from));
        let failed = leaves.iter().filter(fails).count();
        reading.push(&FAILED, u32::try_from(failed).ok().map(f64::from));
        let work = match known.scan.work {
            None => "none",
            Some(Work::Scrub) => "scrub",
            Some(Work::Resilver) => "resilver",
        };
        reading.push(&WORK, Some(work));
        reading.push(&PROGRESS, known.scan.progress);
        reading.push(
            &REMAINING,
            known.scan.remaining.map(|time| time.as_secs_f64()),
        );
        scrubbed(reading, self.last_scrub(known), self.host.clock.now());
        let bad = leaves.iter().filter(|row| fails(row) || sum(row) > 0);
        let lines = bad.map(|row| {
            let [read, write, checksum] = row.errors;
            let state = row.state.to_lowercase();
            format!(
                "{}: {state}, errors of reading {read}, writing {write}, checksums {checksum}",
                row.name
            )
        });
        list(reading, "bad_devices", lines.collect());
        if !known.says.is_empty() {
            let said: String = known.says.chars().take(400).collect();
            list(reading, "says", vec![said]);
        }
    }

    /// The last scrub, also if a resilver has taken its line since.
    fn last_scrub(&self, known: &Status) -> Option<Timestamp> {
        let key = format!("zfs/{}", known.name);
        let Some(at) = known.scan.scrubbed else {
            return self.host.memory.get(&key);
        };
        self.host.memory.put(&key, &at);
        Some(at)
    }
}

/// The word of [`STATES`] for ZFS's.
fn word(state: &str) -> Option<&'static str> {
    let lower = state.to_lowercase();
    let lower = if lower == "unavail" {
        "unavailable"
    } else {
        &lower
    };
    STATES.iter().find(|word| **word == lower).copied()
}
