//! The few types everything else is made of. Nothing here does IO.
//!
//! A [`Metric`] is declared once, as a constant beside the collector that measures it; its MQTT
//! key, its Home Assistant entity, its storage precision, its Prometheus name and the rules that
//! may watch it all follow from that declaration.

mod alert;
mod command;
mod duration;
mod figure;
mod filter;
mod glob;
mod line;
mod metric;
mod moment;
mod offer;
pub(crate) mod payload;
mod reading;
mod slug;
mod subject;
mod topic;
mod unit;

pub use alert::{Alert, AlertCounts, AlertState, Severity};
pub use command::{Action, AlertTarget, Command, CommandResult, Order, Origin, ReplyTo};
pub use duration::{duration, spoken};
pub use figure::{Short, figure};
pub use filter::{matches, overlaps, valid_filter, valid_topic};
pub use glob::glob;
pub use line::line;
pub use metric::{Category, FlagMeaning, Kind, Metric};
pub use moment::to_millisecond;
pub use offer::{Form, Offer};
pub(crate) use payload::Place;
pub use reading::{Batch, Outcome, Reading, Source, Value};
pub use slug::slug;
pub use subject::{Area, Device, Subject};
pub use topic::{Topic, Topics};
pub use unit::Unit;

pub use jiff::Timestamp;
