//! Watts and kilowatt-hours of the node: what decides ([`NodePower`]) is pure, [`run`] ties it to
//! the bus and keeps its counter.
//!
//! What measures (plugs, meters, the machine's own counters) publishes plain readings on the bus;
//! [`PowerSample`] is what this part reads out of them.

mod curve;
mod dispute;
mod learn;
pub(crate) mod metrics;
mod node;
mod run;
mod source;

pub use curve::{Curve, Kind, Prior};
pub use learn::Learned;
pub use node::{Draw, NodePower};
pub use run::{Setup, run};
pub use source::{PowerSample, Scope, SourceKind};
