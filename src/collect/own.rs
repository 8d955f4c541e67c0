use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::rate::Since;
use super::read::figure;
use crate::host::Root;
use crate::model::{Area, Metric, Outcome, Reading, Subject, Unit};

static TICK: Metric = Metric::gauge("tick_ms", "Tick duration", Unit::Millisecond)
    .decimals(1)
    .dead_band(50.0)
    .diagnostic();
static CPU: Metric = Metric::gauge("cpu_pct", "Own CPU use", Unit::Percent)
    .decimals(3)
    .dead_band(0.5)
    .diagnostic();
static RSS: Metric = Metric::gauge("rss_bytes", "Own memory", Unit::Byte)
    .dead_band(1_048_576.0)
    .diagnostic();
static WRITTEN: Metric = Metric::total("written_bytes", "Own writes to disks", Unit::Byte)
    .dead_band(10_485_760.0)
    .diagnostic();
static FAILING: Metric =
    Metric::gauge("failing_collectors", "Failing collectors", Unit::None).diagnostic();
static UPTIME: Metric = Metric::gauge("uptime_s", "Own uptime", Unit::Second)
    .dead_band(3600.0)
    .diagnostic();

/// What homewatch itself uses, told as the subject `health/homewatch`. It is about this very
/// process, whatever machine is watched, so it reads the real `/proc`.
pub(super) struct Own {
    subject: Arc<Subject>,
    root: Root,
    begun: Instant,
    since: Since,
    /// Two looks that are closer make no rate.
    apart: Duration,
    spent: Option<Duration>,
    /// Over the last time that was long enough, %.
    cpu: Option<f64>,
}

impl Own {
    pub(super) fn new(apart: Duration) -> Self {
        Self {
            subject: Subject::of_host(Area::Health, "homewatch", "homewatch"),
            root: Root::default(),
            begun: Instant::now(),
            since: Since::default(),
            apart,
            spent: None,
            cpu: None,
        }
    }

    /// The reading of one tick that took `tick` and left `failing` collectors in error.
    pub(super) fn outcome(&mut self, tick: Duration, failing: usize) -> Outcome {
        let status = Root::read(&self.root.proc("self/status")).unwrap_or_default();
        let io = Root::read(&self.root.proc("self/io")).unwrap_or_default();
        if !self.since.is_within(self.apart) {
            let spent = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok();
            let last = std::mem::replace(&mut self.spent, spent);
            let both = self.since.lap().zip(spent.zip(last));
            self.cpu = both.map(|(lap, (now, last))| {
                now.saturating_sub(last).as_secs_f64() / lap.as_secs_f64() * 100.0
            });
        }
        let rss = field(&status, "VmRSS:").map(|kib| figure(kib * 1024));
        let reading = Reading::new(&self.subject)
            .with(&TICK, tick.as_secs_f64() * 1000.0)
            .with_known(&CPU, self.cpu)
            .with_known(&RSS, rss)
            .with_known(&WRITTEN, field(&io, "write_bytes:").map(figure))
            .with(&FAILING, figure(failing as u64))
            .with(&UPTIME, self.begun.elapsed().as_secs_f64());
        Outcome {
            collector: "homewatch",
            result: Ok(vec![reading]),
        }
    }
}

/// The first number after `key` at the begin of a line.
fn field(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}
