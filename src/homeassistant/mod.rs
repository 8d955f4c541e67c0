//! Home Assistant: tells it by MQTT discovery which devices and entities there are.
//!
//! Everything follows from the [`Metric`](crate::model::Metric) that a reading carries: there is
//! no second list of entities. What decides is pure ([`Directory`]); [`run()`] connects it to the
//! bus and the store.
//!
//! Unique ids are made of a random installation id, so they survive a rename of the node and two
//! machines never take each other's entities. What has been announced is kept in the store: a
//! disk that is not there yet after a restart keeps its entities and is merely unavailable.

mod alerts;
mod device;
mod directory;
mod entity;
mod identity;
mod offer;
mod payload;
mod run;
mod subject;
#[cfg(test)]
mod tests;

pub use directory::{Announcement, Directory, Limits, Record};
pub use entity::{Component, component};
pub use identity::{Identity, installation_id};
pub use run::{Settings, run};
