//! Figures of the watch over the machine's health: `cargo bench --bench health [-- MACHINES]`
//! (machines without a fault, each for two years; default 100).
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
    clippy::large_futures,
    missing_docs,
    unreachable_pub,
    reason = "a program that measures"
)]

mod fleet;

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
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let machines: u64 = numbers.next_back().unwrap_or(100);
    planted(machines.div_ceil(5));
    healthy(machines);
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
