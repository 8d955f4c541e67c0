//! Watts and kilowatt-hours of the node: what decides ([`NodePower`]) is pure, [`run`] ties it to
//! the bus and keeps its counter.
//!
//! What measures (plugs, meters, the machine's own counters) publishes plain readings on the bus;
//! [`PowerSample`] is what this part reads out of them.

mod activity;
mod bill;
mod book;
mod budget;
mod calibrate;
mod correlation;
mod curve;
mod dispute;
mod feed;
mod habits;
mod learn;
mod ledger;
pub(crate) mod metrics;
mod money;
mod node;
pub(crate) mod outage;
mod outlook;
mod price;
mod prior;
mod roll;
mod run;
mod shares;
mod source;
mod tell;
mod till;
mod work;

pub use activity::{Activity, Counters, DiskUse, SHORT_LIVED, Spent, Tally, Use};
pub use bill::{Bill, Stretch, carbon_kg, standing};
pub use book::{Day, DayBook, HostDay, MOST_NAMES, Piece, Sum, pieces};
pub use budget::Course;
pub use calibrate::{Calibration, LOADS, News, Outcome, Wish};
pub use correlation::{Correlation, Doings, Tie, Ties};
pub use curve::Curve;
pub use feed::{Feed, KeptFeed};
pub use habits::{Habit, Habits};
pub use learn::{BETWEEN_POINTS, Learned};
pub use ledger::{Account, Accounts, Ledger, Part, Parts, Terms};
pub use money::{Booked, Charges, Money, Sums, Told};
pub use node::{Draw, NodePower};
pub use outage::{Ended, Outage, OutageLook, Outages, outages};
pub use outlook::Outlook;
pub use price::{Basis, Known, Priced, Pricing, Quote, Used};
pub use prior::{Kind, Prior};
pub use run::{Setup, run};
pub use shares::{Given, Owner, Shares};
pub use source::{PowerSample, Scope, SourceKind};
pub use work::Work;
