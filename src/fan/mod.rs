//! Fans that homewatch drives: only those with a table in `[fans.drive]`, everything else is only
//! read. What decides ([`Regulator`], [`Measuring`]) is pure; [`run`] ties it to the chips.
//!
//! In doubt a fan is given back: at the stop, when the task crashes (by `Drop`), when no temperature
//! can be believed, when something else sets the output; and after a `kill -9` by the next run or by
//! `homewatch fans release`, which the service's unit calls.

mod measure;
mod output;
mod record;
mod regulator;
mod run;
mod temperatures;

#[cfg(test)]
mod tests;

pub use measure::{Measured, Measuring, Next};
pub use output::{outputs, writable};
pub use record::Record;
pub use regulator::{Deed, Regulator, Seen, Stand, Wish};
pub use run::{Setup, give_back, run};
