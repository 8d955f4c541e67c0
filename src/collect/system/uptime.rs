use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::collect::read::{need, nonsense};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Clock, Host, KeptFile, Memory, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

static BOOT: Metric = Metric::moment("boot", "Last boot");
static UPTIME: Metric = Metric::gauge("uptime_s", "Uptime", Unit::Second)
    .dead_band(3600.0)
    .diagnostic();
static KERNEL: Metric = Metric::text("kernel", "Kernel").diagnostic();
static SYSTEM: Metric = Metric::text("os", "Operating system").diagnostic();

/// A boot moment that moves by less has not moved: clocks are steered, reads take time.
const STEADY: Duration = Duration::from_mins(1);
/// Within so long after a boot the clock is set for the first time, as on a machine that keeps no time
/// while it is off.
const SETTLES: Duration = Duration::from_mins(15);
/// A later correction is no larger than this. A virtual machine that was paused is corrected by hours, and
/// was not booted; a clock that goes wrong by a day had never been set.
const CORRECTION: Duration = Duration::from_hours(24);
/// Where the boot is remembered.
const KEY: &str = "uptime/boot";

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "uptime",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Uptime {
        subject: Subject::of_host(Area::Health, "uptime", "Uptime"),
        file: host.root.keep_proc("uptime"),
        kernel: Root::read_trimmed(&host.root.proc("sys/kernel/osrelease")),
        system: system(&host.root),
        id: Some(host.root.boot()).filter(|id| !id.is_empty()),
        clock: host.clock.clone(),
        memory: host.memory.clone(),
        boot: host.memory.get(KEY),
        buffer: Vec::new(),
    })
}

struct Uptime {
    subject: Arc<Subject>,
    file: KeptFile,
    kernel: Option<String>,
    system: Option<String>,
    /// The kernel's own name for this boot.
    id: Option<String>,
    clock: Clock,
    memory: Memory,
    boot: Option<Boot>,
    buffer: Vec<u8>,
}

/// A boot, and when it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    id: Option<String>,
    at: Timestamp,
}

impl Collect for Uptime {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let text = need(&mut self.file, &mut self.buffer)?;
        let first = text.split_ascii_whitespace().next();
        let seconds: Option<f64> = first.and_then(|word| word.parse().ok());
        let Some(uptime) = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        else {
            return Err(nonsense(self.file.path(), "no seconds"));
        };
        let boot = self.boot(uptime);
        Ok(vec![
            Reading::new(&self.subject)
                .with_known(&BOOT, boot)
                .with(&UPTIME, uptime.as_secs_f64())
                .with_known(&KERNEL, self.kernel.as_deref())
                .with_known(&SYSTEM, self.system.as_deref()),
        ])
    }
}

impl Uptime {
    /// The moment of the boot, to the second and without jitter. The clock may be set, which moves
    /// what is worked out by it; the boot was when it was.
    fn boot(&mut self, uptime: Duration) -> Option<Timestamp> {
        let now = self.clock.now();
        let since = SignedDuration::try_from(uptime).ok()?;
        let at = now.checked_sub(since).ok()?;
        let at = Timestamp::from_second(at.as_second()).ok()?;
        let stays = |told: &Boot| {
            let moved = told.at.duration_since(at).unsigned_abs();
            let same = self.id.is_some() && self.id == told.id;
            let held = same && uptime >= SETTLES && moved < CORRECTION && told.at <= now;
            // Without a name a boot is told by its time alone.
            held || (moved < STEADY && (same || self.id.is_none() || told.id.is_none()))
        };
        let id = self.id.clone();
        let boot = self.boot.take().filter(stays);
        let boot = boot.map_or_else(
            || Boot {
                id: self.id.clone(),
                at,
            },
            |told| Boot { id, ..told },
        );
        self.memory.put(KEY, &boot);
        let at = boot.at;
        self.boot = Some(boot);
        Some(at)
    }
}

/// The distribution's own name for itself.
fn system(root: &Root) -> Option<String> {
    let read = |path: &str| Root::read_trimmed(&root.path(path.as_ref()));
    let text = read("/etc/os-release").or_else(|| read("/usr/lib/os-release"))?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches(['"', '\'']).to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::build_named;
    use crate::model::Value;

    const START: &str = "2026-01-02T03:00:00Z";

    /// A machine that was up for 100 s at the start.
    struct Machine {
        dir: tempfile::TempDir,
        host: Host,
        collector: Box<dyn Collect>,
        up: i64,
    }

    impl Machine {
        fn new(id: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let random = dir.path().join("proc/sys/kernel/random");
            std::fs::create_dir_all(&random).unwrap();
            if !id.is_empty() {
                std::fs::write(random.join("boot_id"), format!("{id}\n")).unwrap();
            }
            let host = Host::captured(dir.path(), Clock::set_to(START.parse().unwrap()));
            let collector = made(&host);
            Self {
                dir,
                host,
                collector,
                up: 100,
            }
        }

        /// The boot that is told after the machine ran for `seconds` more and its clock was set by
        /// `step` seconds, in seconds from the true one.
        fn told(&mut self, seconds: i64, step: i64) -> i64 {
            self.up += seconds;
            let now = self.host.clock.now() + SignedDuration::from_secs(seconds + step);
            self.host.clock.set(now);
            let text = format!("{}.00 9.9\n", self.up);
            std::fs::write(self.dir.path().join("proc/uptime"), text).unwrap();
            let readings = self.collector.sample().unwrap();
            let Some(Value::Moment(boot)) = readings[0].value("boot").cloned() else {
                panic!("no boot: {readings:?}");
            };
            let start: Timestamp = START.parse().unwrap();
            boot.duration_since(start).as_secs() + 100
        }

        fn boots(&mut self, id: &str) {
            let file = self.dir.path().join("proc/sys/kernel/random/boot_id");
            std::fs::write(file, id).unwrap();
            self.up = 0;
            self.collector = made(&self.host);
        }
    }

    fn made(host: &Host) -> Box<dyn Collect> {
        build_named(&["uptime"], host, &std::collections::BTreeMap::new()).remove(0)
    }

    #[test]
    fn a_clock_that_is_set_moves_no_boot() {
        let mut machine = Machine::new("a");
        assert_eq!(machine.told(0, 0), 0);
        assert_eq!(machine.told(10, 30), 0, "clocks are steered");
        assert_eq!(
            machine.told(10, 7200),
            7230,
            "the first setting of the clock is the truth"
        );
        let hour = 3600;
        assert_eq!(
            machine.told(hour, 5 * hour),
            7230,
            "a virtual machine was paused"
        );
        assert_eq!(machine.told(hour, -5 * hour), 7230);
        machine.collector = made(&machine.host);
        assert_eq!(
            machine.told(hour, 90),
            7230,
            "homewatch itself was started anew"
        );
        let day = 24 * hour;
        assert_eq!(
            machine.told(hour, 30 * day),
            7320 + 30 * day,
            "it had never been set"
        );
        assert_eq!(
            machine.told(0, -20 * hour),
            7320 + 30 * day - 20 * hour,
            "none is to come"
        );
    }

    #[test]
    fn another_boot_is_told_however_soon_it_comes() {
        let mut machine = Machine::new("a");
        machine.told(0, 0);
        machine.boots("b");
        assert_eq!(machine.told(20, 0), 100);
        machine.boots("c");
        assert_eq!(machine.told(5, 0), 120);
    }

    #[test]
    fn without_a_name_a_boot_is_told_by_its_time() {
        let mut machine = Machine::new("");
        assert_eq!(machine.told(0, 0), 0);
        assert_eq!(machine.told(7200, 30), 0);
        assert_eq!(machine.told(10, 40), 70);
    }
}
