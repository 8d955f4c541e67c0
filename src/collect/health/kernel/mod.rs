//! What the kernel says of hardware that fails: errors of disks and their links, of filesystems,
//! USB, network links and memory, and processes that it killed for want of memory.

mod known;
mod log;
mod message;
mod tell;

pub use tell::tell;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use self::known::Known;
use self::log::Log;
use self::message::Kind;
use super::within::Within;
use crate::collect::read::figure;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

static DISK_DAY: Metric =
    Metric::gauge("disk_errors_24h", "Disk errors within a day", Unit::None).diagnostic();
static FILESYSTEM_DAY: Metric = Metric::gauge(
    "filesystem_errors_24h",
    "Filesystem errors within a day",
    Unit::None,
)
.diagnostic();
static HARDWARE_DAY: Metric = Metric::gauge(
    "hardware_errors_24h",
    "Hardware errors within a day",
    Unit::None,
)
.diagnostic();
static KILLED_DAY: Metric = Metric::gauge(
    "oom_kills_24h",
    "Processes killed for memory within a day",
    Unit::None,
)
.diagnostic();
static KILLED: Metric =
    Metric::total("oom_kills", "Processes killed for memory", Unit::None).diagnostic();
static DISK: Metric = Metric::total("disk_errors", "Disk errors", Unit::None).diagnostic();
static FILESYSTEM: Metric =
    Metric::total("filesystem_errors", "Filesystem errors", Unit::None).diagnostic();
static USB: Metric = Metric::total("usb_errors", "USB errors", Unit::None).diagnostic();
static LINK: Metric = Metric::total("link_downs", "Network links down", Unit::None).diagnostic();
static HARDWARE: Metric =
    Metric::total("hardware_errors", "Hardware errors", Unit::None).diagnostic();
static PCIE: Metric = Metric::total("pcie_errors", "PCIe errors", Unit::None).diagnostic();
static HANGS: Metric = Metric::total("hangs", "Hangs", Unit::None).diagnostic();
static SKIPPED: Metric = Metric::total("skipped_messages", "Skipped messages", Unit::None)
    .diagnostic()
    .hidden();
static VICTIM: Metric = Metric::text("oom_victim", "Last killed for memory").diagnostic();
static LAST: Metric = Metric::text("last_error", "Last error").diagnostic();

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "kernel",
    period: Duration::ZERO,
    build,
};

/// Under this key is remembered how many processes were killed within a day.
const KILLS: &str = "kernel/oom_kills";
/// What lets homewatch read the kernel's log.
const REMEDY: &str = "packaging/kernel-log.conf lets the service read /dev/kmsg; in a container: \
                      --cap-add SYSLOG --device /dev/kmsg";

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Kernel {
        subject: Subject::of_host(Area::Health, "kernel", "Kernel"),
        killed: host.memory.get(KILLS).unwrap_or_default(),
        host: host.clone(),
        log: Log::new(host.root.path("/dev/kmsg".as_ref())),
        known: Known::default(),
        denied: None,
    })
}

/// The kernel's log since boot, as far as the kernel still has it, and its count of processes
/// killed for want of memory, which needs no permission.
struct Kernel {
    subject: Arc<Subject>,
    host: Host,
    log: Log,
    known: Known,
    killed: Within,
    /// Why the log cannot be read.
    denied: Option<String>,
}

impl Collect for Kernel {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let now = Instant::now();
        let known = &mut self.known;
        let read = self.log.read(|record, new| {
            if let Some((kind, device)) = record.judge() {
                known.take(record, kind, device, new, now);
            }
        });
        let denied = read.err().map(|error| {
            let path = self.log.path().display().to_string();
            format!("{path}: {error}")
        });
        let killed = self.killed();
        if killed.is_none()
            && let Some(text) = &denied
        {
            return Err(CollectError::Absent(text.clone()));
        }
        if denied.is_some() && self.denied != denied {
            tracing::info!("the kernel's log is not read: {REMEDY}");
        }
        self.denied = denied;
        Ok(vec![self.reading(killed)])
    }
}

impl Kernel {
    /// Processes that the kernel has killed since boot.
    fn killed(&self) -> Option<u64> {
        let text = Root::read(&self.host.root.proc("vmstat")).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?;
        line.trim().parse().ok()
    }

    fn reading(&mut self, killed: Option<u64>) -> Reading {
        let mut reading = Reading::new(&self.subject);
        let day = killed.map(|count| {
            let boot = self.host.root.boot();
            let day = self.killed.take(count, &boot, self.host.clock.now());
            self.host.memory.put(KILLS, &self.killed);
            day
        });
        reading.push(&KILLED_DAY, day.map(figure));
        reading.push(&KILLED, killed.map(figure));
        let mut detail = Map::new();
        if let Some(denied) = &self.denied {
            detail.insert("log".to_owned(), denied.as_str().into());
            detail.insert("remedy".to_owned(), REMEDY.into());
        } else {
            let up = self.uptime();
            for (metric, kind) in [
                (&DISK_DAY, Kind::Disk),
                (&FILESYSTEM_DAY, Kind::Filesystem),
                (&HARDWARE_DAY, Kind::Hardware),
            ] {
                let count = up.map(|up| self.known.within_day(kind, up));
                reading.push(metric, count.map(figure));
            }
            for (metric, kind) in [
                (&DISK, Kind::Disk),
                (&FILESYSTEM, Kind::Filesystem),
                (&USB, Kind::Usb),
                (&LINK, Kind::Link),
                (&HARDWARE, Kind::Hardware),
                (&PCIE, Kind::Pcie),
                (&HANGS, Kind::Hang),
            ] {
                let count = self.known.counts.get(&kind).copied();
                reading.push(metric, Some(figure(count.unwrap_or(0))));
            }
            reading.push(&SKIPPED, Some(figure(self.log.lost())));
            reading.push(&VICTIM, self.known.victim.as_deref());
            reading.push(&LAST, self.known.last.as_deref());
            detail.insert("devices".to_owned(), self.known.by_device());
            let recent: Vec<Json> = self.known.recent.iter().cloned().collect();
            detail.insert("recent".to_owned(), recent.into());
        }
        reading.detail = Some(detail);
        reading
    }

    /// µs since boot, the clock of the records.
    fn uptime(&self) -> Option<u64> {
        let text = Root::read_trimmed(&self.host.root.proc("uptime"))?;
        let (whole, _) = text.split_once('.')?;
        let seconds: u64 = whole.parse().ok()?;
        seconds.checked_mul(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::known::{DEVICES, PAUSE, RECENT};
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::model::Value;
    use std::fs::{self, File};
    use std::io::Write as _;
    use std::path::Path;

    fn collector(dir: &Path) -> Box<dyn Collect> {
        plain(ENTRY, &Host::captured(dir, Clock::Real))
    }

    fn append(dir: &Path, text: &str) {
        let path = dir.join("root/dev/kmsg");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn number(reading: &Reading, key: &str) -> Option<f64> {
        reading.value(key).and_then(Value::as_number)
    }

    fn recent(reading: &Reading) -> Vec<(u64, u64)> {
        let list = reading.detail.as_ref().unwrap()["recent"]
            .as_array()
            .unwrap();
        let one = |json: &Json| {
            (
                json["number"].as_u64().unwrap(),
                json["count"].as_u64().unwrap(),
            )
        };
        list.iter().map(one).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn errors_are_counted_since_boot_and_new_ones_told_at_a_measured_pace() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir_all(dir.join("proc")).unwrap();
        let mut kernel = collector(dir);
        assert!(matches!(kernel.sample(), Err(CollectError::Absent(_))));
        fs::write(dir.join("proc/vmstat"), "nr_free_pages 1\noom_kill 2\n").unwrap();
        let blind = kernel.sample().unwrap().remove(0);
        assert_eq!(number(&blind, "oom_kills"), Some(2.0));
        assert_eq!(number(&blind, "disk_errors"), None, "not known is not none");
        let detail = blind.detail.unwrap();
        assert!(
            detail["remedy"]
                .as_str()
                .unwrap()
                .contains("kernel-log.conf")
        );
        fs::write(dir.join("proc/uptime"), "100000.25 1.0\n").unwrap();
        let error = |number: u64, second: u64| {
            format!(
                "3,{number},{},-;I/O error, dev sda, sector {number}\n",
                second * 1_000_000
            )
        };
        append(dir, &error(1, 100));
        append(dir, &error(2, 99_000));
        let first = kernel.sample().unwrap().remove(0);
        assert_eq!(number(&first, "disk_errors"), Some(2.0));
        assert_eq!(number(&first, "disk_errors_24h"), Some(1.0));
        assert_eq!(recent(&first), [], "from before this began");
        append(dir, &error(3, 100_000));
        append(dir, &error(4, 100_000));
        append(
            dir,
            "3,5,1,-;Out of memory: Killed process 1 (java) total-vm:1kB\n",
        );
        let second = kernel.sample().unwrap().remove(0);
        assert_eq!(recent(&second), [(1, 1), (2, 1)]);
        assert_eq!(second.value("oom_victim"), Some(&Value::from("java")));
        tokio::time::advance(PAUSE).await;
        append(dir, &error(6, 100_000));
        let third = kernel.sample().unwrap().remove(0);
        assert_eq!(
            recent(&third),
            [(1, 1), (2, 1), (3, 2)],
            "with the one meanwhile"
        );
        let devices = &third.detail.as_ref().unwrap()["devices"];
        assert_eq!(
            devices[0],
            json!({"kind": "disk", "device": "sda", "count": 5})
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_lines_of_one_machine_check_are_one_error() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir_all(dir.join("proc")).unwrap();
        fs::write(dir.join("proc/uptime"), "90000.00 1.0\n").unwrap();
        append(dir, "");
        let mut kernel = collector(dir);
        let lines = |at: u64| {
            [
                "mce: [Hardware Error]: Machine check events logged",
                "mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 8: 8c00004000010090",
                "mce: [Hardware Error]: TSC 0 ADDR 12345000",
                "mce: [Hardware Error]: PROCESSOR 0:306e4 TIME 1700000000 SOCKET 0",
                "EDAC MC0: 1 CE memory read error on CPU_A1",
            ]
            .iter()
            .zip(0_u64..)
            .map(|(text, line)| format!("3,{line},{},-;{text}\n", at * 1_000_000 + line * 900))
            .collect::<Vec<_>>()
            .concat()
        };
        for (at, want) in [(80_000, 1.0), (80_002, 2.0), (80_400, 3.0)] {
            append(dir, &lines(at));
            let reading = kernel.sample().unwrap().remove(0);
            assert_eq!(number(&reading, "hardware_errors"), Some(want));
            assert_eq!(number(&reading, "hardware_errors_24h"), Some(want));
            let devices = &reading.detail.as_ref().unwrap()["devices"];
            assert_eq!(devices[0]["device"], "cpu");
            assert_eq!(devices[1]["device"], "mc0");
            assert_eq!(devices[1]["count"].as_f64(), Some(want));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_errors_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir_all(dir.join("proc")).unwrap();
        fs::write(dir.join("proc/uptime"), "garbage").unwrap();
        append(dir, "");
        let mut kernel = collector(dir);
        kernel.sample().unwrap();
        for round in 0..8 {
            let lines = (0..1_500).map(|line| {
                let number = round * 1_500 + line;
                format!("3,{number},1,-;I/O error, dev sd{number}, sector 1\n")
            });
            append(dir, &lines.collect::<String>());
            kernel.sample().unwrap();
        }
        let reading = kernel.sample().unwrap().remove(0);
        assert_eq!(number(&reading, "disk_errors"), Some(12_000.0));
        assert_eq!(number(&reading, "disk_errors_24h"), None);
        assert_eq!(recent(&reading).len(), RECENT);
        let devices = &reading.detail.as_ref().unwrap()["devices"];
        assert_eq!(devices.as_array().unwrap().len(), DEVICES);
    }
}
