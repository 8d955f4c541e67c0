//! What will fail, and when: from what is published, minute by minute over weeks, with the
//! evidence, how sure it is and what to do.
//!
//! What decides ([`Foresight`]) is pure: a file a predictor, a line in `foresight.rs` each. [`run`]
//! ties it to the bus, once a minute; it is judged every ten minutes. Baselines are learnt by itself and
//! remembered over restarts; one that is too young to speak says what is missing.

mod battery;
mod board;
mod clock;
mod cooling;
mod disk;
mod fan;
mod foresight;
mod known;
mod memory;
mod outlook;
mod point;
mod profile;
mod raid;
mod run;
mod scene;
mod space;
mod standing;
mod tell;
mod tracker;
mod trend;
mod wear;

#[cfg(test)]
mod tests;

pub use board::{Board, Posted, posted};
pub use foresight::{Foresight, Told};
pub use known::{Known, known};
pub use outlook::{Due, Evidence, Kind, Nearness, Outlook, Prediction};
pub use run::run;
pub use scene::Seen;
