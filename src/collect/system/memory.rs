use std::sync::Arc;
use std::time::Duration;

use crate::collect::read::{figure, need, nonsense, percent};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile};
use crate::model::{Area, Metric, Reading, Subject, Unit};

/// 16 MiB: less is not worth a message.
const QUIET: f64 = 16_777_216.0;

static USED_PCT: Metric = Metric::gauge("used_pct", "Memory used", Unit::Percent)
    .decimals(1)
    .dead_band(1.0);
static USED: Metric = Metric::gauge("used_bytes", "Memory in use", Unit::Byte).dead_band(QUIET);
static AVAILABLE: Metric =
    Metric::gauge("available_bytes", "Memory available", Unit::Byte).dead_band(QUIET);
static TOTAL: Metric = Metric::gauge("total_bytes", "Memory installed", Unit::Byte).diagnostic();
static CACHED: Metric = Metric::gauge("cached_bytes", "Memory for the page cache", Unit::Byte)
    .dead_band(4.0 * QUIET)
    .diagnostic();
static SWAP_PCT: Metric = Metric::gauge("swap_used_pct", "Swap used", Unit::Percent)
    .decimals(1)
    .dead_band(1.0);
static SWAP_USED: Metric = Metric::gauge("swap_used_bytes", "Swap in use", Unit::Byte)
    .dead_band(QUIET)
    .diagnostic();
static SWAP_TOTAL: Metric =
    Metric::gauge("swap_total_bytes", "Swap configured", Unit::Byte).diagnostic();

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "memory",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Memory {
        subject: Subject::of_host(Area::Health, "memory", "Memory"),
        file: host.root.keep_proc("meminfo"),
        buffer: Vec::new(),
    })
}

struct Memory {
    subject: Arc<Subject>,
    file: KeptFile,
    buffer: Vec<u8>,
}

impl Collect for Memory {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let info = Info::parse(need(&mut self.file, &mut self.buffer)?);
        let Some(total) = info.total else {
            return Err(nonsense(self.file.path(), "no MemTotal"));
        };
        // Kernels before 3.14 do not tell what is available; then it is not known.
        let used = info
            .available
            .map(|available| total.saturating_sub(available));
        let swap_total = info.swap_total.filter(|total| *total > 0);
        let swap_used =
            (swap_total.zip(info.swap_free)).map(|(total, free)| total.saturating_sub(free));
        Ok(vec![
            Reading::new(&self.subject)
                .with_known(&USED_PCT, used.and_then(|used| percent(used, total)))
                .with_known(&USED, used.map(figure))
                .with_known(&AVAILABLE, info.available.map(figure))
                .with(&TOTAL, figure(total))
                .with_known(&CACHED, info.cached.map(figure))
                .with_known(
                    &SWAP_PCT,
                    swap_used
                        .zip(swap_total)
                        .and_then(|(used, total)| percent(used, total)),
                )
                .with_known(&SWAP_USED, swap_used.map(figure))
                .with_known(&SWAP_TOTAL, swap_total.map(figure)),
        ])
    }
}

/// Of `/proc/meminfo` what is wanted, in bytes.
#[derive(Default)]
struct Info {
    total: Option<u64>,
    available: Option<u64>,
    cached: Option<u64>,
    swap_total: Option<u64>,
    swap_free: Option<u64>,
}

impl Info {
    fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.lines() {
            let Some((key, rest)) = line.split_once(':') else {
                continue;
            };
            let field = match key {
                "MemTotal" => &mut info.total,
                "MemAvailable" => &mut info.available,
                "Cached" => &mut info.cached,
                "SwapTotal" => &mut info.swap_total,
                // Nothing below the swap lines is wanted.
                "SwapFree" => &mut info.swap_free,
                _ => continue,
            };
            let kib: Option<u64> = rest.trim().trim_end_matches("kB").trim_end().parse().ok();
            *field = kib.and_then(|kib| kib.checked_mul(1024));
            if key == "SwapFree" {
                break;
            }
        }
        info
    }
}
