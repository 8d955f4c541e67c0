use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use crate::collect::read::{cannot_read, figure, need};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Process, Processes as Table, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

static COUNT: Metric = Metric::gauge("count", "Processes", Unit::None).dead_band(10.0);
static RUNNING: Metric = Metric::gauge("running", "Running threads", Unit::None)
    .dead_band(3.0)
    .diagnostic();
static BLOCKED: Metric = Metric::gauge("blocked", "Threads blocked by disks", Unit::None)
    .dead_band(2.0)
    .diagnostic();
static THREADS: Metric = Metric::gauge("threads", "Threads", Unit::None)
    .dead_band(50.0)
    .diagnostic();

/// The kernel tells processes' times in these, on every architecture that Rust has.
const TICKS_PER_SECOND: f64 = 100.0;
const MIB: u64 = 1 << 20;

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "processes",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let top = section.integer("top", 0..=50).unwrap_or(5);
    let every = section.duration("every", Duration::from_secs(10)..=Duration::from_hours(1));
    section.finish();
    Box::new(Processes {
        subject: Subject::of_host(Area::Health, "processes", "Processes"),
        root: host.root.clone(),
        table: host.processes.clone(),
        stat: host.root.keep_proc("stat"),
        load: host.root.keep_proc("loadavg"),
        top: usize::try_from(top).unwrap_or(0),
        every: every.unwrap_or(Duration::from_mins(1)),
        scan: None,
        buffer: Vec::new(),
    })
}

/// Shares over less than this tell little.
const FIRST_LAP: Duration = Duration::from_secs(5);

/// How many there are at every tick, and who uses most over a minute: the figures of a minute
/// change less than those of a tick.
struct Processes {
    subject: Arc<Subject>,
    root: Root,
    table: Table,
    stat: KeptFile,
    load: KeptFile,
    top: usize,
    every: Duration,
    scan: Option<Scan>,
    buffer: Vec<u8>,
}

/// All processes at one moment.
struct Scan {
    at: Instant,
    /// CPU time by process and start time: a number that is used again is another process.
    spent: HashMap<(u32, u64), u64>,
    detail: Map<String, Json>,
    has_rates: bool,
}

impl Collect for Processes {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let text = need(&mut self.stat, &mut self.buffer)?;
        let line = |key| text.lines().rev().find_map(|line| line.strip_prefix(key));
        let number = |key| line(key)?.trim().parse().ok().map(figure);
        let mut reading = Reading::new(&self.subject)
            .with_known(&RUNNING, number("procs_running "))
            .with_known(&BLOCKED, number("procs_blocked "));
        let threads = self
            .load
            .read(&mut self.buffer)
            .ok()
            .and_then(total_threads);
        reading.push(&THREADS, threads.map(figure));
        let now = Instant::now();
        let due = self.scan.as_ref().is_none_or(|scan| {
            // Shares of CPU need two scans; at the start the second does not wait for long.
            let lap = if scan.has_rates {
                self.every
            } else {
                FIRST_LAP
            };
            now + Duration::from_secs(1) >= scan.at + lap
        });
        if due {
            self.scan = Some(self.scan(now)?);
        }
        if let Some(scan) = &self.scan {
            reading.push(&COUNT, Some(figure(scan.spent.len() as u64)));
            reading.detail = (self.top > 0).then(|| scan.detail.clone());
        }
        Ok(vec![reading])
    }
}

impl Processes {
    fn scan(&mut self, now: Instant) -> Result<Scan, CollectError> {
        let looked = self.table.look(&self.root);
        let all = looked.map_err(|error| cannot_read(&self.root.proc(""), &error))?;
        let lap = (self.scan.as_ref()).map(|last| now.duration_since(last.at).as_secs_f64());
        let lap = lap.filter(|lap| *lap > 0.0);
        let page = rustix::param::page_size() as u64;
        let mut spent = HashMap::with_capacity(all.len());
        let mut used = Vec::with_capacity(all.len());
        for process in all.iter() {
            let key = (process.pid, process.start);
            let last = self.scan.as_ref().and_then(|scan| scan.spent.get(&key));
            // Born since the last scan: all its time lies between.
            let grown = process.ticks.saturating_sub(last.copied().unwrap_or(0));
            let cpu = lap.map(|lap| figure(grown) / TICKS_PER_SECOND / lap * 100.0);
            spent.insert(key, process.ticks);
            used.push(Used {
                process,
                cpu,
                memory: process.pages.saturating_mul(page),
            });
        }
        Ok(Scan {
            at: now,
            spent,
            detail: detail(used, self.top),
            has_rates: lap.is_some(),
        })
    }
}

struct Used<'a> {
    process: &'a Process,
    cpu: Option<f64>,
    memory: u64,
}

/// Both lists. Coarse figures (whole percents of one core, whole MiB) keep them quiet.
fn detail(mut used: Vec<Used<'_>>, top: usize) -> Map<String, Json> {
    let mut detail = Map::new();
    if used.iter().any(|one| one.cpu.is_some()) {
        used.sort_by(|a, b| b.cpu.unwrap_or(0.0).total_cmp(&a.cpu.unwrap_or(0.0)));
        let list = used.iter().take(top).filter_map(|one| {
            let share = one.cpu.map(f64::round).filter(|share| *share >= 1.0)?;
            Some(json!({"pid": one.process.pid, "name": &*one.process.name, "cpu_pct": share}))
        });
        detail.insert("top_cpu".to_owned(), list.collect());
    }
    used.sort_by_key(|one| std::cmp::Reverse(one.memory));
    let list = used
        .iter()
        .take(top)
        .filter(|one| one.memory > 0)
        .map(|one| {
            let whole = (one.memory + MIB / 2) / MIB * MIB;
            json!({"pid": one.process.pid, "name": &*one.process.name, "memory_bytes": whole})
        });
    detail.insert("top_memory".to_owned(), list.collect());
    detail
}

/// `0.22 0.20 0.13 1/121 4207`: 121 threads.
fn total_threads(text: &str) -> Option<u64> {
    let word = text.split_ascii_whitespace().nth(3)?;
    word.split_once('/')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_read_off_the_load() {
        assert_eq!(total_threads("0 0 0 1/121 9"), Some(121));
        assert_eq!(total_threads("0 0 0 1"), None);
    }
}
