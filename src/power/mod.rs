//! Watts, kilowatt-hours and what they cost: the pure part, which decides and never waits.
//!
//! What measures (plugs, meters, the machine's own counters) publishes plain readings on the bus;
//! [`PowerSample`] is what this part reads out of them.

pub(crate) mod metrics;
mod source;

pub use source::{PowerSample, Scope, SourceKind};
