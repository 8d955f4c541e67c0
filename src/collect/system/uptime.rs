use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::collect::read::{need, nonsense};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Clock, Host, KeptFile, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

static BOOT: Metric = Metric::moment("boot", "Last boot");
static UPTIME: Metric = Metric::gauge("uptime_s", "Uptime", Unit::Second)
    .dead_band(3600.0)
    .diagnostic();
static KERNEL: Metric = Metric::text("kernel", "Kernel").diagnostic();
static SYSTEM: Metric = Metric::text("os", "Operating system").diagnostic();

/// A boot moment that moves by less has not moved: clocks are steered, reads take time.
const STEADY: Duration = Duration::from_mins(1);

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
        clock: host.clock.clone(),
        boot: None,
        buffer: Vec::new(),
    })
}

struct Uptime {
    subject: Arc<Subject>,
    file: KeptFile,
    kernel: Option<String>,
    system: Option<String>,
    clock: Clock,
    boot: Option<Timestamp>,
    buffer: Vec<u8>,
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
    /// The moment of the boot, to the second and without jitter.
    fn boot(&mut self, uptime: Duration) -> Option<Timestamp> {
        let uptime = SignedDuration::try_from(uptime).ok()?;
        let now = self.clock.now().checked_sub(uptime).ok()?;
        let now = Timestamp::from_second(now.as_second()).ok()?;
        let moved = |old: Timestamp| old.duration_since(now).unsigned_abs() >= STEADY;
        if self.boot.is_none_or(moved) {
            self.boot = Some(now);
        }
        self.boot
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
