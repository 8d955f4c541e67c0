//! Advice: what would save energy on this machine, only with evidence, each with a figure a year.
//!
//! [`Evidence`] is what is known; an adviser is a pure function from it to advice. A further one is
//! one file with `pub(super) fn advise(evidence: &Evidence) -> Vec<Advice>`, and one line in
//! [`ADVISERS`].

mod disks;
mod gather;
mod governor;
mod graphics;
mod hours;
mod idle;
mod kept;
mod neighbours;
mod run;
mod services;
mod supplies;
mod together;

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
    supplies::advise,
    hours::advise,
    together::advise,
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
    /// What services draw may be so many times what is told at least and at most, as far as idle
    /// watts are only estimated; `None` if nothing is told of that.
    work_off: Option<(f64, f64)>,
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
    /// UPSes.
    supplies: Vec<Supply>,
    /// The price of each hour, and what services drew in it.
    tariff: hours::Hours,
    /// This machine as one that could do another's work.
    own: Option<Machine>,
    /// Other machines that tell their figures on the same broker.
    neighbours: Vec<Machine>,
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

/// A UPS.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Supply {
    id: String,
    /// What people call it.
    label: String,
    /// Hours that are known.
    hours: usize,
    /// The mean of what it gives, W.
    out_w: f64,
    /// Whether that is measured, rather than reckoned from its load.
    is_measured: bool,
    /// The mean of what a meter before it counts, W, in the same hours.
    in_w: Option<f64>,
    /// The mean of its load, %.
    load_pct: Option<f64>,
}

/// A machine as a place for work.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Machine {
    name: String,
    /// Hours that are known.
    hours: usize,
    /// The mean of its watts, W.
    mean_w: f64,
    /// What it draws with nothing to do, or in its quietest hour, W.
    idle_w: f64,
    /// Logical processors.
    cores: f64,
    /// How many of them are busy on average …
    busy: f64,
    /// … and in the busiest hour.
    busiest: f64,
    /// Memory that programs use, in the hour that used most, bytes.
    used_bytes: f64,
    /// Memory installed, bytes.
    total_bytes: f64,
}

/// What advice may save in a year.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Saving {
    /// Energy.
    Energy {
        /// At least, kWh.
        #[serde(rename = "saving_low_kwh")]
        low: f64,
        /// At most, kWh.
        #[serde(rename = "saving_high_kwh")]
        high: f64,
    },
    /// Money alone: the same energy at another time.
    Money {
        /// How much is moved, kWh.
        moved_kwh: f64,
        /// At least, in the tariff's currency.
        #[serde(skip)]
        low: f64,
        /// At most, in the tariff's currency.
        #[serde(skip)]
        high: f64,
        /// What a kWh costs on average.
        #[serde(skip)]
        price: f64,
    },
}

impl Saving {
    /// So many kWh at least and at most.
    const fn energy(low: f64, high: f64) -> Self {
        Self::Energy { low, high }
    }

    /// The middle of the energy that it may save, kWh.
    fn energy_kwh(&self) -> f64 {
        match self {
            Self::Energy { low, high } => f64::midpoint(*low, *high),
            Self::Money { .. } => 0.0,
        }
    }

    /// What it is worth: the middle of what it saves, in kWh that would cost as much.
    fn worth_kwh(&self) -> f64 {
        match self {
            Self::Energy { .. } => self.energy_kwh(),
            Self::Money {
                low, high, price, ..
            } => f64::midpoint(*low, *high) / price,
        }
    }

    /// In money at least and at most, where a kWh costs `price`.
    fn money(&self, price: f64) -> (f64, f64) {
        match self {
            Self::Energy { low, high } => (low * price, high * price),
            Self::Money { low, high, .. } => (*low, *high),
        }
    }

    /// Its energy rounded to what it is worth.
    fn rounded(self) -> Self {
        match self {
            Self::Energy { low, high } => Self::energy(low.max(0.0).round(), high.round()),
            Self::Money {
                moved_kwh,
                low,
                high,
                price,
            } => Self::Money {
                moved_kwh: moved_kwh.round(),
                low,
                high,
                price,
            },
        }
    }
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
    /// What it may save.
    #[serde(flatten)]
    saving: Saving,
}

/// What a watt more or less comes to in a year, kWh.
fn yearly(watts: f64) -> f64 {
    watts * YEAR_H / 1000.0
}

/// All advice that is worth a person's time, the greatest saving first.
pub(super) fn all(evidence: &Evidence) -> Vec<Advice> {
    let all = ADVISERS.iter().flat_map(|advise| advise(evidence));
    let mut all: Vec<Advice> = all
        .filter(|advice| advice.saving.worth_kwh() >= WORTH_KWH)
        .map(|advice| Advice {
            saving: advice.saving.rounded(),
            ..advice
        })
        .collect();
    all.sort_by(|a, b| b.saving.worth_kwh().total_cmp(&a.saving.worth_kwh()));
    all
}
