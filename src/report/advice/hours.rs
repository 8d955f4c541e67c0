use std::collections::BTreeMap;

use super::{Advice, Evidence, Saving};
use crate::model::slug;

/// A job has most of its energy in so many hours of the day at most …
const HOURS: usize = 4;
/// … most of it being so much.
const MOST: f64 = 0.7;
/// On so many days it must have been seen at work.
const DAYS: usize = 5;
/// A day counts of which the prices of so many hours are known.
const PRICED: usize = 20;
/// Moving it must make it so much cheaper.
const CHEAPER: f64 = 0.1;
/// What is moved hardly ever finds the cheapest hours alone.
const LIKELY: f64 = 0.4;
/// Less in a day is no work, kWh.
const WORK_KWH: f64 = 0.01;

/// What each hour cost, and what was drawn in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Hours {
    /// The hours, in order.
    pub(super) hours: Vec<Hour>,
    /// What each service drew in each of them, W; `None` where it is not known.
    pub(super) services: Vec<(String, Vec<Option<f64>>)>,
}

/// One hour.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Hour {
    /// The local day, counted from the first.
    pub(super) day: usize,
    /// The local hour of the day.
    pub(super) clock: i8,
    /// What a kWh cost.
    pub(super) price: Option<f64>,
}

/// What a service's work cost and what it would have cost elsewhere in the same days.
#[derive(Debug, Default)]
struct Work {
    days: usize,
    energy_kwh: f64,
    paid: f64,
    cheapest: f64,
    prices: f64,
    priced: f64,
    /// Energy by the hour of the day, kWh.
    profile: BTreeMap<i8, f64>,
}

/// Work that has its time and could have a cheaper one.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let tariff = &evidence.tariff;
    let Some((_, currency)) = &evidence.price else {
        return Vec::new();
    };
    let services = tariff.services.iter();
    services
        .filter_map(|(name, watts)| {
            let work = Work::of(&tariff.hours, watts);
            movable(name, &work, currency)
        })
        .collect()
}

fn movable(name: &str, work: &Work, currency: &str) -> Option<Advice> {
    let times = work.times()?;
    let saved = work.paid - work.cheapest;
    if work.days < DAYS || times.len() > HOURS || saved < work.paid.abs() * CHEAPER {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few days")]
    let years = work.days as f64 / 365.25;
    let clock: Vec<String> = times.iter().map(|hour| format!("{hour} h")).collect();
    let (paid, best) = (work.paid / work.energy_kwh, work.cheapest / work.energy_kwh);
    Some(Advice {
        id: format!("cheap-hours-{}", slug(name)),
        title: format!("{name} could run in cheaper hours"),
        evidence: format!(
            "{:.1} kWh on {} days, most of it at {}, for {paid:.3} {currency} a kWh; the cheapest \
             hours of the same days cost {best:.3}",
            work.energy_kwh,
            work.days,
            clock.join(", ")
        ),
        todo: format!(
            "If {name} need not run just then, move its timer to the cheap hours of the tariff; \
             where prices change daily, start it at `cheapest_at` of power/price (a trigger of \
             Home Assistant, or a script that waits for it)."
        ),
        saving: Saving::Money {
            moved_kwh: work.energy_kwh / years,
            low: saved / years * LIKELY,
            high: saved / years,
            price: work.prices / work.priced,
        },
    })
}

impl Work {
    /// What was drawn above the least in ten, in days whose prices are known.
    fn of(hours: &[Hour], watts: &[Option<f64>]) -> Self {
        let mut known: Vec<f64> = watts.iter().flatten().copied().collect();
        known.sort_by(f64::total_cmp);
        let base = known.get(known.len() / 10).copied().unwrap_or(0.0);
        let mut days: BTreeMap<usize, Vec<(i8, f64, f64)>> = BTreeMap::new();
        for (hour, watts) in hours.iter().zip(watts) {
            if let Some(price) = hour.price {
                let kwh = watts.map_or(0.0, |watts| (watts - base).max(0.0) / 1000.0);
                let day = days.entry(hour.day).or_default();
                day.push((hour.clock, price, kwh));
            }
        }
        let mut work = Self::default();
        for day in days.into_values().filter(|day| day.len() >= PRICED) {
            work.add(&day);
        }
        work
    }

    /// Takes in a day: hour, price and energy of each of its hours.
    fn add(&mut self, day: &[(i8, f64, f64)]) {
        let energy: f64 = day.iter().map(|(_, _, kwh)| kwh).sum();
        if energy < WORK_KWH {
            return;
        }
        let mut prices: Vec<f64> = day.iter().map(|(_, price, _)| *price).collect();
        let mut used: Vec<f64> = day.iter().map(|(_, _, kwh)| *kwh).collect();
        prices.sort_by(f64::total_cmp);
        used.sort_by(|a, b| b.total_cmp(a));
        self.days += 1;
        self.energy_kwh += energy;
        self.paid += day.iter().map(|(_, price, kwh)| price * kwh).sum::<f64>();
        self.cheapest += prices.iter().zip(used).map(|(p, kwh)| p * kwh).sum::<f64>();
        self.prices += prices.iter().sum::<f64>();
        self.priced += prices.iter().map(|_| 1.0).sum::<f64>();
        for (hour, _, kwh) in day {
            *self.profile.entry(*hour).or_default() += kwh;
        }
    }

    /// The hours of the day that have most of its energy; `None` if it did nothing.
    fn times(&self) -> Option<Vec<i8>> {
        let mut profile: Vec<(i8, f64)> = self.profile.iter().map(|(h, k)| (*h, *k)).collect();
        profile.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let (mut sum, mut times) = (0.0, Vec::new());
        for (hour, kwh) in profile {
            if sum >= self.energy_kwh * MOST {
                break;
            }
            sum += kwh;
            times.push(hour);
        }
        times.sort_unstable();
        (!times.is_empty()).then_some(times)
    }
}
