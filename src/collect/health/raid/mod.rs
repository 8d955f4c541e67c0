mod mdstat;
mod missing;
mod stopped;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::pool::scrubbed;
use crate::collect::read::{figure, need};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Root};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit};
use mdstat::{Array, parse};
use missing::Missing;
use stopped::Stopped;

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "raid",
    period: Duration::from_secs(10),
    build,
};

static STATE: Metric = Metric::state("state", "State", STATES);
static DEGRADED: Metric = Metric::flag("degraded", "Degraded", FlagMeaning::Problem);
static LEVEL: Metric = Metric::text("level", "Level").diagnostic();
static DEVICES: Metric = Metric::gauge("devices", "Devices", Unit::None).diagnostic();
static UP: Metric = Metric::gauge("devices_up", "Devices that work", Unit::None).diagnostic();
static FAILED: Metric = Metric::gauge("devices_failed", "Failed devices", Unit::None).diagnostic();
static SPARES: Metric = Metric::gauge("spares", "Spares", Unit::None).diagnostic();
static PROGRESS: Metric = Metric::gauge("progress_pct", "Progress", Unit::Percent)
    .decimals(1)
    .dead_band(1.0);
static REMAINING: Metric = Metric::gauge("remaining_s", "Time to go", Unit::Second)
    .dead_band(300.0)
    .diagnostic();
static SPEED: Metric = Metric::gauge("sync_bytes_per_s", "Speed", Unit::BytePerSecond)
    .dead_band(10_485_760.0)
    .diagnostic();
static MISMATCHES: Metric =
    Metric::gauge("mismatched_sectors", "Mismatched sectors", Unit::None).diagnostic();

static SIZE: Metric = Metric::gauge("size_bytes", "Size", Unit::Byte).diagnostic();
static BAD_BLOCKS: Metric = Metric::gauge("bad_blocks", "Bad blocks", Unit::None).diagnostic();

/// The words of `state`. `rebuilding` has a device missing until it is done; `resyncing` and
/// `checking` have all of them. `failed` has lost more than it can; `inactive` is not started;
/// `stopped` was running and has been taken down; `missing` ran before the machine was booted and is
/// not there since.
const STATES: &[&str] = &[
    "ok",
    "checking",
    "resyncing",
    "rebuilding",
    "degraded",
    "failed",
    "inactive",
    "stopped",
    "missing",
];

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Raid {
        host: host.clone(),
        checking: BTreeSet::new(),
        stopped: None,
        missing: None,
        file: host.root.keep_proc("mdstat"),
        buffer: Vec::new(),
    })
}

/// Linux software RAID (md): `raid-<array>` each, by `/proc/mdstat` and, for what a check found,
/// sysfs. Containers of a BIOS's RAID, which are no arrays themselves, are left out.
struct Raid {
    host: Host,
    /// The arrays that were being checked at the last sample.
    checking: BTreeSet<String>,
    /// Those that run or were stopped lately; what is remembered is taken up at the first sample.
    stopped: Option<Stopped>,
    missing: Option<Missing>,
    file: KeptFile,
    buffer: Vec<u8>,
}

impl Collect for Raid {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let mut missing = (self.missing.take()).unwrap_or_else(|| Missing::remembered(&self.host));
        let text = match need(&mut self.file, &mut self.buffer) {
            // Where no array was found the kernel may not even have loaded what drives them.
            Err(CollectError::Absent(_)) if missing.any() => "",
            text => text?,
        };
        let arrays = parse(text);
        let now = self.host.clock.now();
        let tell = |array: &Array<'_>| {
            let key = format!("raid/{}", identity(&self.host.root, array.name));
            let is_checked = array.state() == "checking";
            if self.checking.remove(array.name) && !is_checked {
                self.host.memory.put(&key, &now);
            }
            if is_checked {
                self.checking.insert(array.name.to_owned());
            }
            let mut reading = tell(&self.host.root, array);
            // The kernel does not keep when a check has ended.
            let checked: Option<Timestamp> = self.host.memory.get(&key);
            scrubbed(&mut reading, checked, now);
            reading
        };
        let mut readings: Vec<_> = arrays.iter().map(tell).collect();
        let names = arrays.iter().map(|array| array.name);
        let stopped = self.stopped.take();
        let mut stopped = stopped.unwrap_or_else(|| Stopped::remembered(&self.host));
        readings.extend(stopped.see(names, &self.host).map(|name| {
            Reading::new(&subject(name))
                .with(&STATE, "stopped")
                .with(&DEGRADED, false)
        }));
        self.stopped = Some(stopped);
        let runs = arrays.iter().map(|array| {
            let id = identity(&self.host.root, array.name);
            (array.name.to_owned(), id)
        });
        let told = missing.see(runs.collect(), &self.host);
        readings.extend(told.map(|name| Reading::new(&subject(name)).with(&STATE, "missing")));
        self.missing = Some(missing);
        Ok(readings)
    }
}

/// What an array is called, whatever its number: its UUID where the kernel tells it.
fn identity(root: &Root, name: &str) -> String {
    let uuid = Root::read_trimmed(&root.sys(&format!("block/{name}/md/uuid")));
    uuid.unwrap_or_else(|| name.to_owned())
}

/// How many blocks of its devices are known to be bad; not known where the kernel keeps no list.
fn bad_blocks(root: &Root, name: &str) -> Option<u64> {
    let entries = fs::read_dir(root.sys(&format!("block/{name}/md")))
        .ok()?
        .flatten();
    let lists = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("dev-"))
        .filter_map(|entry| Root::read(&entry.path().join("bad_blocks")).ok());
    // A line is the first sector and how many.
    let count = |line: &str| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok();
    lists
        .map(|list| list.lines().filter_map(count).fold(0, u64::saturating_add))
        .reduce(u64::saturating_add)
}

fn subject(name: &str) -> Arc<Subject> {
    let label = format!("RAID {name}");
    Subject::of_host(Area::Health, &format!("raid-{name}"), &label)
}

fn tell(root: &Root, array: &Array<'_>) -> Reading {
    let name = array.name;
    let subject = subject(name);
    let mismatches = root.sys(&format!("block/{name}/md/mismatch_cnt"));
    let mismatches = Root::read_trimmed(&mismatches).and_then(|text| text.parse().ok());
    let of = |number: Option<u64>| number.map(figure);
    let work = array.work.as_ref();
    Reading::new(&subject)
        .with(&STATE, array.state())
        .with_known(&DEGRADED, array.is_degraded())
        .with_known(&LEVEL, array.level)
        .with_known(&SIZE, of(array.blocks.map(|kib| kib.saturating_mul(1024))))
        .with_known(&DEVICES, of(array.devices.map(|(all, _)| all)))
        .with_known(&UP, of(array.devices.map(|(_, up)| up)))
        .with(&FAILED, figure(array.failed))
        .with(&SPARES, figure(array.spares))
        .with_known(&PROGRESS, work.and_then(|work| work.progress))
        .with_known(
            &REMAINING,
            work.and_then(|work| work.minutes).map(|m| m * 60.0),
        )
        .with_known(
            &SPEED,
            work.and_then(|work| work.kib_per_s).map(|k| k * 1024.0),
        )
        .with_known(&MISMATCHES, of(mismatches))
        .with_known(&BAD_BLOCKS, of(bad_blocks(root, name)))
}
