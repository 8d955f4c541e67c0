//! What energy of the past costs, for reports: pure, over whatever range.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;

use super::price::{Basis, Known, Pricing, Used, seconds};
use crate::config::{TariffConfig, Terms};

/// Energy that was used evenly over a time, such as an hour of the history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// How much, kWh.
    pub energy_kwh: f64,
}

/// What a range of time has cost, in the tariff's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bill {
    /// What was used, kWh.
    pub energy_kwh: f64,
    /// What that cost, with tax.
    pub cost: f64,
    /// Of `energy_kwh`, what was priced with a fallback because the dynamic price is not known.
    pub fallback_kwh: f64,
    /// The standing charge of the days that begin in the range, with tax.
    pub standing: f64,
}

impl Bill {
    /// What `hours` cost within `range`, by `tariff`. `known` is the price of a kWh that was told
    /// at a time (the series `price_…` of `power/host`), all in all; it goes before the tariff of
    /// today, which may be another one.
    ///
    /// With a tariff of steps, give the hours from the first of the month on: those before
    /// `range` count for the steps only.
    pub fn of(
        tariff: &TariffConfig,
        hours: &[Stretch],
        range: Range<Timestamp>,
        known: &dyn Fn(Timestamp) -> Option<f64>,
    ) -> Self {
        let pricing = Pricing {
            tariff: Some(tariff),
            time_zone: &tariff.time_zone,
        };
        let known = |_: &Terms, at: Timestamp| known(at).map(Known::Whole);
        let mut bill = Self {
            standing: standing(tariff, range.clone()),
            ..Self::default()
        };
        let mut used = Used::default();
        let steps = tariff.terms.iter().any(|terms| terms.tiers.is_some());
        for hour in hours.iter().flat_map(|hour| cut(hour, &range)) {
            let inside = range.contains(&hour.from);
            let before = steps && hour.from < range.start;
            if !(inside || before) {
                continue;
            }
            let span = (hour.from, hour.to);
            pricing.pieces(span, hour.energy_kwh, &mut used, &known, |piece| {
                if inside {
                    bill.energy_kwh += piece.energy_kwh;
                    bill.cost += piece.cost();
                    let guessed = piece.quote.is_some_and(|one| one.basis == Basis::Fallback);
                    bill.fallback_kwh += if guessed { piece.energy_kwh } else { 0.0 };
                }
            });
        }
        bill
    }

    /// Energy and standing charge.
    pub fn total(&self) -> f64 {
        self.cost + self.standing
    }
}

/// The standing charge of every day that begins within `range`, with tax: ranges that follow each
/// other add up.
pub fn standing(tariff: &TariffConfig, range: Range<Timestamp>) -> f64 {
    days(tariff, range)
        .map(|(terms, day)| terms.standing_on(day))
        .sum()
}

/// The days that begin within `range`, with the terms of each.
fn days(tariff: &TariffConfig, range: Range<Timestamp>) -> impl Iterator<Item = (&Terms, Date)> {
    let zone = tariff.time_zone.clone();
    let first = range.start.to_zoned(zone.clone()).date();
    let begins = move |day: &Date| {
        let start = day.to_zoned(zone.clone()).map(|start| start.timestamp());
        start.is_ok_and(|start| start < range.end)
    };
    let start = range.start;
    let zone = tariff.time_zone.clone();
    let late = first
        .to_zoned(zone)
        .is_ok_and(|begin| begin.timestamp() < start);
    let first = if late {
        first.tomorrow().ok()
    } else {
        Some(first)
    };
    let all = std::iter::successors(first, |day| day.tomorrow().ok());
    all.take_while(begins)
        .filter_map(|day| Some((tariff.terms_on(day)?, day)))
}

/// Kilograms of CO₂ of what `hours` used within `range`. `known` is what a kWh emitted at a time,
/// g (the series `co2_g_per_kwh` of `power/host`), and goes before `g_per_kwh`.
pub fn carbon_kg(
    hours: &[Stretch],
    range: Range<Timestamp>,
    g_per_kwh: f64,
    known: &dyn Fn(Timestamp) -> Option<f64>,
) -> f64 {
    let utc = jiff::tz::TimeZone::UTC;
    let pricing = Pricing {
        tariff: None,
        time_zone: &utc,
    };
    let mut grams = 0.0;
    for hour in hours.iter().flat_map(|hour| cut(hour, &range)) {
        if range.contains(&hour.from) {
            let span = (hour.from, hour.to);
            pricing.pieces(
                span,
                hour.energy_kwh,
                &mut Used::default(),
                &|_, _| None,
                |piece| {
                    grams += piece.energy_kwh * known(piece.at).unwrap_or(g_per_kwh);
                },
            );
        }
    }
    grams / 1000.0
}

/// The parts of `hour` before, within and after `range`; none of what is no energy.
fn cut(hour: &Stretch, range: &Range<Timestamp>) -> impl Iterator<Item = Stretch> {
    let borders = [
        hour.from,
        range.start.clamp(hour.from, hour.to.max(hour.from)),
        range.end.clamp(hour.from, hour.to.max(hour.from)),
        hour.to,
    ];
    let whole = seconds(hour.from, hour.to);
    let sound = whole > 0.0 && hour.energy_kwh.is_finite() && hour.energy_kwh > 0.0;
    let energy_kwh = if sound { hour.energy_kwh } else { 0.0 };
    let pairs = borders.into_iter().zip(borders.into_iter().skip(1));
    let parts = pairs.map(move |(from, to)| Stretch {
        from,
        to,
        energy_kwh: energy_kwh * seconds(from, to) / whole,
    });
    parts.filter(|part| part.energy_kwh > 0.0)
}

#[cfg(test)]
mod tests;
