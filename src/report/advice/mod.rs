//! Advice: what would save energy on this machine, only with evidence, each with a figure a year.
//!
//! [`Evidence`] is what is known; an adviser is a pure function from it to advice. A further one is
//! one file with `pub(super) fn advise(evidence: &Evidence) -> Vec<Advice>`, and one line in
//! [`ADVISERS`].

mod disks;
mod gather;
mod governor;
mod graphics;
mod idle;
mod kept;
mod run;
mod services;

#[cfg(test)]
mod tests;

pub use run::{AdviceSetup, run};

use serde::Serialize;

use crate::power::Prior;

type Adviser = fn(&Evidence) -> Vec<Advice>;

/// Everybody who has advice.
const ADVISERS: &[Adviser] = &[
    idle::advise,
    governor::advise,
    services::advise,
    disks::advise,
    graphics::advise,
];

/// What saves less a year is not worth a person's time, kWh.
const WORTH_KWH: f64 = 5.0;
/// Hours of a year.
const YEAR_H: f64 = 8766.0;

/// What is known of the machine over the last [`gather::DAYS`] days.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Evidence {
    /// What machines of its kind draw.
    prior: Option<Prior>,
    /// What it draws with nothing to do, W, if that was measured rather than assumed.
    idle_w: Option<f64>,
    /// The mean of its watts, W.
    mean_w: Option<f64>,
    /// The mean use of its processor, %.
    usage_pct: Option<f64>,
    /// How the processor's clock is governed.
    governor: Option<Governor>,
    /// Services, each with what it draws at night and by day.
    services: Vec<Steady>,
    /// Disks that turn.
    disks: Vec<Turning>,
    /// Graphics cards.
    cards: Vec<Card>,
    /// What a kWh cost of late, and the currency.
    price: Option<(f64, String)>,
}

/// How the processor's clock is governed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Governor {
    /// `performance`, `powersave`, `schedutil`, …
    name: String,
    /// The preference between speed and energy, if the driver has one.
    preference: Option<String>,
    /// Whether a thriftier one can be chosen.
    others: Vec<String>,
}

/// The watts of a service by the hour.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Steady {
    name: String,
    /// Hours that are known.
    hours: usize,
    /// One hour in ten drew less, W.
    low_w: f64,
    /// One hour in ten drew more, W.
    high_w: f64,
    /// The mean, W.
    mean_w: f64,
}

/// A disk with platters.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Turning {
    id: String,
    /// The kernel's name now (`sda`).
    name: String,
    /// Hours that are known.
    hours: usize,
    /// Hours in which it had nothing to do.
    still: usize,
    /// Whether it was ever seen asleep; `None` if nobody looks.
    slept: Option<bool>,
}

/// A graphics card.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Card {
    id: String,
    /// Hours that are known.
    hours: usize,
    /// The least watts, W.
    least_w: f64,
    /// The mean use, %.
    usage_pct: f64,
}

/// One piece of advice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Advice {
    /// Stable, a slug; names it in commands.
    id: String,
    /// In a few words.
    title: String,
    /// What it rests on, in numbers.
    evidence: String,
    /// What to do, exactly.
    todo: String,
    /// What it may save in a year at least, kWh.
    saving_low_kwh: f64,
    /// And at most.
    saving_high_kwh: f64,
}

impl Advice {
    /// The middle of what it may save, kWh a year.
    fn saving_kwh(&self) -> f64 {
        f64::midpoint(self.saving_low_kwh, self.saving_high_kwh)
    }

    /// Its figures rounded to what they are worth.
    fn rounded(mut self) -> Self {
        self.saving_low_kwh = self.saving_low_kwh.max(0.0).round();
        self.saving_high_kwh = self.saving_high_kwh.round();
        self
    }
}

/// What a watt more or less comes to in a year, kWh.
fn yearly(watts: f64) -> f64 {
    watts * YEAR_H / 1000.0
}

/// All advice that is worth a person's time, the greatest saving first.
pub(super) fn all(evidence: &Evidence) -> Vec<Advice> {
    let all = ADVISERS.iter().flat_map(|advise| advise(evidence));
    let mut all: Vec<Advice> = all
        .filter(|advice| advice.saving_kwh() >= WORTH_KWH)
        .map(Advice::rounded)
        .collect();
    all.sort_by(|a, b| b.saving_kwh().total_cmp(&a.saving_kwh()));
    all
}
