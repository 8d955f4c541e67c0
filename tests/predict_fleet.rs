//! Parts that age are announced in time, and what is well is left in peace: a small part of the
//! fleet of `benches/health`, which prints the figures of a large one.
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "test code"
)]

#[path = "../benches/health/fleet/mod.rs"]
mod fleet;

use fleet::{Fault, Machine};

#[test]
fn what_was_planted_is_announced_at_least_its_lead_before() {
    for fault in [Fault::BadSectors, Fault::FillingDisk, Fault::FailingMemory] {
        let story = Machine::new(1_004, Some(fault)).live(400.0, 30.0);
        let (failed, told) = (story.failed.unwrap(), story.announced.unwrap());
        let lead = f64::from(fault.kind().lead_days());
        assert!(failed - told >= lead, "{fault:?}: {story:?}");
        assert!(story.false_alarms.is_empty(), "{story:?}");
    }
}

#[test]
fn a_healthy_machine_has_nothing_foreseen() {
    let story = Machine::new(3, None).live(200.0, 30.0);
    assert!(story.false_alarms.is_empty(), "{story:?}");
}
