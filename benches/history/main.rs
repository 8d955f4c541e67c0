//! Figures of the history: `cargo bench --bench history [-- DAYS]` (default 30; 365 is real, takes
//! some minutes and 1.2 GB).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a program that measures"
)]

#[path = "../../tests/powercut/cuts.rs"]
mod cuts;
mod mix;
#[path = "../../tests/powercut/mod.rs"]
mod powercut;

use std::path::Path;
use std::time::{Duration, Instant};

use homewatch::config::HistoryConfig;
use homewatch::model::Timestamp;
use homewatch::store::Store;
use mix::{Mix, SERIES, START, STEP};

const DAY: i64 = 86_400;
const TICKS: i64 = DAY / STEP;
const SAMPLES: f64 = 300.0 * TICKS as f64;

fn config(sync: u64) -> HistoryConfig {
    HistoryConfig {
        sync_interval: Duration::from_secs(sync),
        ..HistoryConfig::default()
    }
}

fn memory(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1_024.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(dir) = std::env::var_os("HISTORY_BENCH_KILL") {
        // Killed in the middle of its work, as by kill -9.
        let store = Store::open(Path::new(&dir)).unwrap();
        let mut mix = Mix::new(3);
        for _ in 0..100 {
            store.append(&mix.next()).unwrap();
        }
        std::process::abort();
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let days = arguments
        .iter()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(30);
    for (name, sync) in [("sync_interval 0s", 0), ("sync_interval 10m", 600)] {
        written(name, sync);
    }
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), days);
    queries(dir.path(), days);
    opening(dir.path());
    let began = Instant::now();
    let outcome = cuts::run(10_000, 0x2545_f491_4f6c_dd1d);
    println!(
        "power cuts: 10000, ticks acknowledged {}, lost of them 0, ticks in hand lost {}, {:.1} s",
        outcome.ticks,
        outcome.torn,
        began.elapsed().as_secs_f64()
    );
}

/// What two days write, the second of which counts.
fn written(name: &str, sync: u64) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(dir.path(), &config(sync)).unwrap();
    let mut mix = Mix::new(1);
    let mut before = 0;
    let began = Instant::now();
    for tick in 0..=2 * TICKS {
        if tick == TICKS + 1 {
            before = store.health().written_bytes;
        }
        store.append(&mix.next()).unwrap();
    }
    let bytes = store.health().written_bytes - before;
    println!(
        "written a day, {name}: {:.1} MB ({:.2} ms a tick, disk included)",
        bytes as f64 / 1e6,
        began.elapsed().as_secs_f64() * 1e3 / (2 * TICKS) as f64
    );
}

fn fill(dir: &Path, days: i64) {
    let store = Store::open_with(dir, &config(3_600)).unwrap();
    let mut mix = Mix::new(2);
    let began = Instant::now();
    for _ in 0..=days * TICKS {
        store.append(&mix.next()).unwrap();
    }
    let samples = SAMPLES * days as f64;
    let file = std::fs::metadata(dir.join("homewatch.redb")).unwrap().len() as f64;
    let payload = store.payload_bytes().unwrap();
    let (full, hourly) = (payload.samples as f64, payload.hourly as f64);
    println!(
        "{days} days x 300 series x 10 s: {:.3} B/sample, hourly figures {:.3}; file {:.0} MB = {:.3} B/sample; \
         a year: {:.0} MB payload, {:.0} MB file; RSS {:.1} MB, peak {:.1} MB; {:.1} M samples/s",
        full / samples,
        hourly / samples,
        file / 1e6,
        file / samples,
        (full + hourly) / days as f64 * 365.0 / 1e6,
        file / days as f64 * 365.0 / 1e6,
        memory("VmRSS"),
        memory("VmHWM"),
        samples / began.elapsed().as_secs_f64() / 1e6,
    );
}

fn queries(dir: &Path, days: i64) {
    let store = Store::open(dir).unwrap();
    let from = Timestamp::from_second(START).unwrap();
    let to = Timestamp::from_second(START + days * DAY).unwrap();
    let median = |name: &str, query: &dyn Fn() -> usize| {
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let began = Instant::now();
                assert!(query() > 0);
                began.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name}: {:.2} ms", times[4]);
    };
    let count = |points: Vec<_>| points.len();
    median(&format!("{days} days, 400 points, as asked"), &|| {
        count(store.query(SERIES, from, to, Some(400)).unwrap())
    });
    median(
        &format!("{days} days, 400 points, from every sample"),
        &|| count(store.query_samples(SERIES, from, to, 400).unwrap()),
    );
    let day = Timestamp::from_second(START + (days - 1) * DAY).unwrap();
    median("the last day, 400 points", &|| {
        count(store.query(SERIES, day, to, Some(400)).unwrap())
    });
    println!("RSS after the queries {:.1} MB", memory("VmRSS"));
}

fn opening(dir: &Path) {
    let me = std::env::current_exe().unwrap();
    let status = std::process::Command::new(me)
        .env("HISTORY_BENCH_KILL", dir)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    let began = Instant::now();
    let store = Store::open(dir).unwrap();
    println!(
        "opening after a kill: {:.1} ms",
        began.elapsed().as_secs_f64() * 1e3
    );
    drop(store);
    let began = Instant::now();
    drop(Store::open(dir).unwrap());
    println!(
        "opening after an orderly end: {:.1} ms",
        began.elapsed().as_secs_f64() * 1e3
    );
}
