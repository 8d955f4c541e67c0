//! Figures of the watch over the machine's health:
//! `cargo bench --bench health [-- [cost] [drives] [fleet] [MACHINES] [--captures FOLDER]]`
//!
//! `cost` is what the collectors cost, `drives` how the verdict on disks fares, `fleet` how what is
//! foretold does on machines that age, each for two years (100 without a fault); all of them unless
//! some are named. `--captures` takes a folder of smartctl's answers (`smartctl --json -a`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::format_push_string,
    clippy::large_futures,
    missing_docs,
    unreachable_pub,
    reason = "a program that measures"
)]

mod cost;
mod drives;
mod fleet;

use std::path::Path;
use std::time::Instant;

use fleet::{Fault, Machine};

/// Minutes between two looks; the service looks every minute.
const STEP: f64 = 10.0;
const YEARS: f64 = 2.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let words = ["cost", "drives", "fleet"];
    let named = arguments.iter().any(|one| words.contains(&one.as_str()));
    let wants = |word: &str| !named || arguments.iter().any(|argument| argument == word);
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let machines: u64 = numbers.next_back().unwrap_or(100);
    if wants("cost") {
        cost::print();
    }
    if wants("drives") {
        drives::fleet();
    }
    let folder = arguments.iter().position(|one| one == "--captures");
    if let Some(folder) = folder.and_then(|place| arguments.get(place + 1)) {
        drives::captures(Path::new(folder));
    }
    if wants("fleet") {
        planted(machines.div_ceil(5));
        healthy(machines);
    }
}

fn planted(each: u64) {
    println!("planted failures, {each} machines each:");
    for fault in Fault::ALL {
        let (mut failed, mut announced, mut in_time) = (0, 0, 0);
        let (mut leads, mut others) = (Vec::new(), 0);
        let need = f64::from(fault.kind().lead_days());
        for seed in 0..each {
            let story = Machine::new(seed + 1_000, Some(fault)).live(900.0, STEP);
            others += story.false_alarms.len();
            let Some(at) = story.failed else { continue };
            failed += 1;
            if let Some(told) = story.announced {
                announced += 1;
                leads.push(at - told);
                if at - told >= need {
                    in_time += 1;
                }
            }
            if std::env::var_os("HEALTH_BENCH_SHOW").is_some() {
                println!("   {seed}: {story:?}");
            }
        }
        leads.sort_by(f64::total_cmp);
        let (least, middle) = (leads.first(), leads.get(leads.len() / 2));
        println!(
            "  {fault:?}: failed {failed}, announced {announced}, at least {need:.0} days before \
             {in_time}; days before: least {:.1}, middle {:.1}; false alarms {others}",
            least.unwrap_or(&f64::NAN),
            middle.unwrap_or(&f64::NAN),
        );
    }
}

fn healthy(machines: u64) {
    let (mut alarms, mut years) = (Vec::new(), 0.0);
    let begun = Instant::now();
    for seed in 0..machines {
        let story = Machine::new(seed + 1, None).live(YEARS * 365.0, STEP);
        years += story.days / 365.0;
        alarms.extend(story.false_alarms.into_iter().map(|alarm| (seed, alarm)));
    }
    println!(
        "healthy: {machines} machines, {years:.0} years: {} false alarms, {:.3} a year a machine \
         ({:.2} s a machine and year)",
        alarms.len(),
        alarms.len() as f64 / years,
        begun.elapsed().as_secs_f64() / years,
    );
    for kind in Fault::ALL.map(Fault::kind) {
        let of = alarms.iter().filter(|(_, (one, ..))| *one == kind);
        println!("  {}: {}", kind.as_str(), of.count());
    }
    if std::env::var_os("HEALTH_BENCH_SHOW").is_some() {
        for alarm in alarms {
            println!("   {alarm:?}");
        }
    }
}
