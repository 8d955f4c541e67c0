use std::sync::Arc;
use std::time::Duration;

use crate::collect::read::need;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile};
use crate::model::{Area, Metric, Reading, Subject, Unit};

static CPU_SOME: Metric = stall("cpu_some_pct", "Some wait for the CPU");
static CPU_FULL: Metric = stall("cpu_full_pct", "All wait for the CPU").hidden();
static MEMORY_SOME: Metric = stall("memory_some_pct", "Some wait for memory");
static MEMORY_FULL: Metric = stall("memory_full_pct", "All wait for memory");
static IO_SOME: Metric = stall("io_some_pct", "Some wait for disks");
static IO_FULL: Metric = stall("io_full_pct", "All wait for disks");

const fn stall(key: &'static str, name: &'static str) -> Metric {
    Metric::gauge(key, name, Unit::Percent)
        .decimals(2)
        .dead_band(2.0)
        .diagnostic()
}

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "pressure",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    let kept = |name| host.root.keep_proc(name);
    Box::new(Pressure {
        subject: Subject::of_host(Area::Health, "pressure", "Pressure"),
        files: [
            (kept("pressure/cpu"), &CPU_SOME, &CPU_FULL),
            (kept("pressure/memory"), &MEMORY_SOME, &MEMORY_FULL),
            (kept("pressure/io"), &IO_SOME, &IO_FULL),
        ],
        buffer: Vec::new(),
    })
}

/// The kernel's pressure stall information, as shares of the last ten seconds.
struct Pressure {
    subject: Arc<Subject>,
    files: [(KeptFile, &'static Metric, &'static Metric); 3],
    buffer: Vec<u8>,
}

impl Collect for Pressure {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let mut reading = Reading::new(&self.subject);
        let mut failure = None;
        for (file, some, full) in &mut self.files {
            // One of the three may be missing (cpu has no "full" before 5.13); all is absence.
            match need(file, &mut self.buffer) {
                Ok(text) => {
                    reading.push(some, average(text, "some "));
                    reading.push(full, average(text, "full "));
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if reading.values.is_empty() => Err(error),
            _ => Ok(vec![reading]),
        }
    }
}

/// The share over ten seconds of the line that begins with `kind`.
fn average(text: &str, kind: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
    let word = line
        .split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?;
    word.parse()
        .ok()
        .filter(|share| (0.0..=100.0).contains(share))
}
