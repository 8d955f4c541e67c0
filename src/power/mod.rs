//! Watts and kilowatt-hours of the node: what decides ([`NodePower`]) is pure, [`run`] ties it to
//! the bus and keeps its counter.
//!
//! What measures (plugs, meters, the machine's own counters) publishes plain readings on the bus;
//! [`PowerSample`] is what this part reads out of them.
//!
//! # What odd input gets
//!
//! Beside what `crate::meter` does about meters and their counters:
//!
//! | input | result |
//! |---|---|
//! | a reading that is doubtful (`suspect`) | told with its doubt and a wide band; it teaches nothing, calibrates nothing and contradicts nobody |
//! | a source of this machine that says 0 W while it runs | withheld, with its remedy after 1 min; the next source stands in; true only on a battery (a UPS's, its own) |
//! | frozen watts | told as they are with the doubt; the next source takes over once the meter is silent |
//! | two that measure the same and differ beyond what they may | the one nearest to the wall is told; after 10 min the contradiction with it; nothing is averaged |
//! | another source takes over, or none is left | the counter goes on without a step |
//! | a meter's counter that stands still, jumps or begins anew | only what it has grown since the last look counts |
//! | a load on the plug that nobody knows of and that comes and goes | the band of what was learnt widens to where it is |
//! | a machine that has changed | noticed after half a day; what was learnt moves there and counts little from then on |
//! | RAPL wraps | what lies between two looks is reckoned with the range, nothing is lost |
//! | RAPL may not be read | the collector says so with its remedy; the other sources go on |
//! | a process ends while it is read | left out; its service has counted its time, told as `short-lived` |
//! | a process' number is used again | number and start tell it apart: the new one begins at 0 |
//! | a control group appears | what it has used since is its own |
//! | a control group is gone | what it used since the last look is `other`; if it comes back it goes on where it was, or from 0 if its counter is lower |
//! | services or processes claim more time than there was | each is cut alike: the parts are never more than the whole |
//! | more time between two looks than 5 min | the energy is booked as `other` |
//! | a tariff's windows with a gap or an overlap | a fault of the configuration that names the time |
//! | a time that the clock leaves out, or one that comes twice | costs nothing, or twice |
//! | a price that is none, stale or retained | the listed price holds and that is told |
//! | a clock that is set back or far ahead | days are not booked twice; standing charges of up to 400 days are made up for |
//! | what is kept cannot be read | begun anew, and nothing else is lost |

mod activity;
mod bill;
mod book;
mod budget;
mod calibrate;
mod correlation;
mod curve;
mod dispute;
mod feed;
mod gap;
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
#[cfg(test)]
mod testing;
mod till;
mod unfed;
mod work;

pub use activity::{Activity, Counted, Counters, DiskUse, SHORT_LIVED, Spent, Tally, Use};
pub use bill::{Bill, Stretch, carbon_kg, standing};
pub use book::{Day, DayBook, HostDay, MOST_NAMES, Piece, Sum, pieces};
pub use budget::Course;
pub use calibrate::{Calibration, LOADS, News, Outcome, Wish};
pub use correlation::{Correlation, Doings, Tie, Ties};
pub use curve::Curve;
pub use feed::{Feed, KeptFeed};
pub use gap::Gap;
pub use habits::{Habit, Habits};
pub use learn::{BETWEEN_POINTS, Learned};
pub use ledger::{Account, Accounts, Ledger, Part, Parts, Terms};
pub use money::{Booked, Charges, Money, Sums, Told};
pub use node::{Draw, Mark, NodePower};
pub use outage::{Ended, Outage, OutageLook, Outages, outages};
pub use outlook::Outlook;
pub use price::{Basis, Known, Priced, Pricing, Quote, Used};
pub use prior::{Kind, Prior};
pub use run::{Setup, run};
pub use shares::{Given, Owner, Shares};
pub use source::{PowerSample, Scope, SourceKind};
pub use work::Work;
