//! Figures of the power model, no verdicts: `cargo bench --bench power [-- CURVES.csv] [PART …]`. The curves
//! (columns `w0`, `w10` … `w100`: watts of a machine at 0 to 100 % load, a machine a line) may be
//! given by `HOMEWATCH_SPEC_CSV` as well; without them invented machines are used.
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
    clippy::wildcard_enum_match_arm,
    clippy::format_push_string,
    clippy::redundant_pub_crate,
    unreachable_pub,
    missing_docs,
    reason = "a program that measures"
)]

mod curves;
mod dice;
mod energy;
mod home;
mod machine;
#[path = "../../tests/power_support/mod.rs"]
mod power_support;
mod rig;
mod split;
mod tick;
mod tree;

/// The parts; those that are named are printed alone.
const PARTS: [&str; 5] = ["curves", "homes", "split", "energy", "tick"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let words = || arguments.iter().filter(|word| !word.starts_with('-'));
    let file = words().find(|word| !PARTS.contains(&word.as_str()));
    let file = file
        .cloned()
        .or_else(|| std::env::var("HOMEWATCH_SPEC_CSV").ok());
    let named = words().any(|word| PARTS.contains(&word.as_str()));
    let wants = |part: &str| !named || words().any(|word| word == part);
    let machines = match &file {
        Some(file) => machine::measured(file),
        None => machine::invented(120),
    };
    let kind = if file.is_some() {
        "measured"
    } else {
        "invented"
    };
    if wants("curves") {
        curves::print(&machines, kind);
    }
    if wants("homes") {
        home::print(&machines);
    }
    if wants("split") {
        split::print();
    }
    if wants("energy") {
        energy::print();
    }
    if wants("tick") {
        tick::print();
    }
}
