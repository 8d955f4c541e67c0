use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::collect::rate::{Since, growth, per_second};
use crate::collect::read::{figure, need};
use crate::collect::{Collect, CollectError, Disk, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

/// The kernel counts in these, whatever the disk's own sectors are.
const SECTOR: f64 = 512.0;

static READ: Metric = throughput("read_bytes_per_s", "Read");
static WRITTEN: Metric = throughput("written_bytes_per_s", "Written");
static READS: Metric = operations("reads_per_s", "Read operations");
static WRITES: Metric = operations("writes_per_s", "Write operations");
static BUSY: Metric = Metric::gauge("busy_pct", "Busy", Unit::Percent)
    .decimals(1)
    .dead_band(5.0);

const fn throughput(key: &'static str, name: &'static str) -> Metric {
    Metric::gauge(key, name, Unit::BytePerSecond)
        .dead_band(262_144.0)
        .diagnostic()
}

const fn operations(key: &'static str, name: &'static str) -> Metric {
    Metric::gauge(key, name, Unit::PerSecond)
        .decimals(1)
        .dead_band(25.0)
        .hidden()
}

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "disk_io",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(DiskIo {
        root: host.root.clone(),
        file: host.root.keep_proc("diskstats"),
        since: Since::default(),
        disks: HashMap::new(),
        buffer: Vec::new(),
    })
}

/// How busy each whole disk is: `io-<id>`, a part of the disk's own device.
struct DiskIo {
    root: Root,
    file: KeptFile,
    since: Since,
    disks: HashMap<String, Known>,
    buffer: Vec<u8>,
}

/// A line of diskstats by its name: a whole disk, or something else that is left out.
struct Known {
    disk: Option<Arc<Subject>>,
    last: Option<Counters>,
    seen: bool,
}

impl Collect for DiskIo {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let lap = self.since.lap();
        let text = need(&mut self.file, &mut self.buffer)?;
        let mut readings = Vec::new();
        for (name, now) in text.lines().filter_map(Counters::parse) {
            if !self.disks.contains_key(name) {
                self.disks.insert(name.to_owned(), meet(&self.root, name));
            }
            let Some(known) = self.disks.get_mut(name) else {
                continue;
            };
            known.seen = true;
            if let Some(subject) = &known.disk {
                let rates = lap.zip(known.last.replace(now));
                readings.push(tell(subject, rates.map(|(lap, last)| (lap, last, now))));
            }
        }
        // A disk that is gone may come back as another one under the same name.
        self.disks
            .retain(|_, known| std::mem::take(&mut known.seen));
        Ok(readings)
    }
}

/// Whole disks have a folder in `sys/block`; those of memory, loops and drives without a medium
/// are none that wear out.
fn meet(root: &Root, name: &str) -> Known {
    let toy = ["loop", "ram", "zram", "sr", "fd", "nbd", "dm-"];
    let is_disk = !toy.iter().any(|prefix| name.starts_with(prefix))
        && root.sys(&format!("block/{name}")).exists();
    let subject = || {
        let disk = Disk::identify(root, name);
        let id = format!("io-{}", disk.id);
        Subject::of_device(Area::Health, &id, &disk.label, disk.device.clone())
    };
    Known {
        disk: is_disk.then(subject),
        last: None,
        seen: false,
    }
}

fn tell(subject: &Arc<Subject>, rates: Option<(Duration, Counters, Counters)>) -> Reading {
    let mut reading = Reading::new(subject);
    if let Some((lap, last, now)) = rates {
        let bytes = |last, now| per_second(last, now, lap).map(|sectors| sectors * SECTOR);
        let busy = growth(last.busy_ms, now.busy_ms)
            .map(|ms| (figure(ms) / lap.as_secs_f64() / 10.0).min(100.0));
        reading.push(&READ, bytes(last.sectors_read, now.sectors_read));
        reading.push(&WRITTEN, bytes(last.sectors_written, now.sectors_written));
        reading.push(&READS, per_second(last.reads, now.reads, lap));
        reading.push(&WRITES, per_second(last.writes, now.writes, lap));
        reading.push(&BUSY, busy);
    }
    reading
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    reads: u64,
    sectors_read: u64,
    writes: u64,
    sectors_written: u64,
    busy_ms: u64,
}

impl Counters {
    /// Major, minor, name, then at least eleven numbers.
    fn parse(line: &str) -> Option<(&str, Self)> {
        let mut words = line.split_ascii_whitespace().skip(2);
        let name = words.next()?;
        let mut number = |skip| words.nth(skip)?.parse().ok();
        let counters = Self {
            reads: number(0)?,
            sectors_read: number(1)?,
            writes: number(1)?,
            sectors_written: number(1)?,
            busy_ms: number(2)?,
        };
        Some((name, counters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_columns_are_read_by_their_places() {
        let line = "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17";
        let want = Counters {
            reads: 1,
            sectors_read: 3,
            writes: 5,
            sectors_written: 7,
            busy_ms: 10,
        };
        assert_eq!(Counters::parse(line), Some(("sda", want)));
        assert_eq!(Counters::parse("8 0 sda 1 2 3"), None);
        assert_eq!(Counters::parse("8 0 sda 1 2 x 4 5 6 7 8 9 10 11"), None);
    }
}
