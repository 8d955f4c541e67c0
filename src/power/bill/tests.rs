use jiff::ToSpan as _;

use super::*;
use crate::config::{Period, Rates, Standing, Step, StepPrice, Tiers, Window};
use crate::power::testing::{at, berlin};

/// Every hour of a range with 1 kWh each.
fn hours(from: &str, to: &str) -> Vec<Stretch> {
    let (mut now, end) = (at(from), at(to));
    let mut hours = Vec::new();
    while now < end {
        let next = now.checked_add(1.hour()).unwrap();
        hours.push(Stretch {
            from: now,
            to: next,
            energy_kwh: 1.0,
        });
        now = next;
    }
    hours
}

fn night() -> TariffConfig {
    let window = Window {
        name: "night".to_owned(),
        price: 0.1,
        from: 1320,
        to: 360,
        days: [true; 7],
    };
    let terms = Terms {
        rates: Rates {
            price: Some(0.3),
            windows: vec![window],
        },
        standing: Some(Standing {
            charge: 9.0,
            per: Period::Month,
        }),
        ..Terms::default()
    };
    TariffConfig::new("EUR".to_owned(), berlin(), vec![terms])
}

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-6, "{left} is not {right}");
}

#[test]
fn a_year_costs_what_its_hours_cost_to_the_cent() {
    let year = at("2026-01-01T00:00")..at("2027-01-01T00:00");
    let hours = hours("2026-01-01T00:00", "2027-01-01T00:00");
    let bill = Bill::of(&night(), &hours, year.clone(), &|_| None);
    close(bill.energy_kwh, 8760.0);
    // One night of 7 hours, one of 9.
    close(bill.cost, 365.0 * (8.0 * 0.1 + 16.0 * 0.3));
    close(bill.standing, 108.0);
    close(bill.total(), bill.cost + 108.0);
    close(bill.fallback_kwh, 0.0);
    // Its months add up to it.
    let mut day = at("2026-01-01T00:00").to_zoned(berlin());
    let (mut cost, mut standing) = (0.0, 0.0);
    while day.timestamp() < year.end {
        let next = day.checked_add(1.month()).unwrap();
        let one = Bill::of(&night(), &hours, day.timestamp()..next.timestamp(), &|_| {
            None
        });
        cost += one.cost;
        standing += one.standing;
        day = next;
    }
    close(cost, bill.cost);
    close(standing, bill.standing);
}

#[test]
fn hours_are_cut_by_the_range_and_odd_ones_are_nothing() {
    let range = at("2026-05-01T12:30")..at("2026-05-01T13:15");
    let mut some = hours("2026-05-01T11:00", "2026-05-01T15:00");
    let mut odd = some[1];
    odd.energy_kwh = f64::NAN;
    some.push(odd);
    std::mem::swap(&mut odd.from, &mut odd.to);
    odd.energy_kwh = 5.0;
    some.push(odd);
    let bill = Bill::of(&night(), &some, range.clone(), &|_| None);
    close(bill.energy_kwh, 0.75);
    close(bill.standing, 0.0);
    let told = Bill::of(&night(), &some, range.clone(), &|_| Some(-0.2));
    close(told.cost, -0.15);
    close(carbon_kg(&some, range.clone(), 400.0, &|_| None), 0.3);
    let half = at("2026-05-01T13:00");
    let series = |at: Timestamp| (at < half).then_some(1000.0);
    close(carbon_kg(&some, range, 400.0, &series), 0.5 + 0.25 * 0.4);
}

#[test]
fn hours_before_the_range_count_for_steps_only() {
    let step = Step {
        above_kwh: 12.0,
        price: StepPrice::Is(1.0),
    };
    let terms = Terms {
        tiers: Some(Tiers {
            per: Period::Month,
            steps: vec![step],
        }),
        ..Terms::flat(0.5)
    };
    let tariff = TariffConfig::new("EUR".to_owned(), berlin(), vec![terms]);
    let hours = hours("2026-05-01T00:00", "2026-05-02T00:00");
    let range = at("2026-05-01T10:00")..at("2026-05-01T20:00");
    let bill = Bill::of(&tariff, &hours, range, &|_| None);
    close(bill.energy_kwh, 10.0);
    close(bill.cost, 2.0 * 0.5 + 8.0);
}

#[test]
fn what_falls_back_is_told_apart() {
    let mut tariff = night();
    let config = crate::config::FeedConfig {
        topics: Vec::new(),
        statestream: None,
        stale_after: std::time::Duration::from_hours(1),
    };
    tariff.terms[0].dynamic = Some(crate::config::DynamicConfig {
        feed: config,
        scale: 1.0,
        factor: 1.0,
        add: 0.0,
    });
    let hours = hours("2026-05-01T11:00", "2026-05-01T13:00");
    let range = at("2026-05-01T00:00")..at("2026-05-02T00:00");
    let noon = at("2026-05-01T12:00");
    let series = |at: Timestamp| (at < noon).then_some(0.25);
    let bill = Bill::of(&tariff, &hours, range, &series);
    close(bill.cost, 0.25 + 0.3);
    close(bill.fallback_kwh, 1.0);
    close(bill.standing, 9.0 / 31.0);
}
