use super::*;
use crate::config::{Rates, Season, Step, StepPrice, Tiers, Window};
use crate::power::testing::{at, berlin, close};

fn tariff(terms: Terms) -> TariffConfig {
    TariffConfig::new("EUR".to_owned(), berlin(), vec![terms])
}

fn cost(tariff: &TariffConfig, span: (&str, &str), energy_kwh: f64, used: &mut Used) -> f64 {
    let zone = berlin();
    let pricing = Pricing {
        tariff: Some(tariff),
        time_zone: &zone,
    };
    let (mut sum, mut energy) = (0.0, 0.0);
    let span = (at(span.0), at(span.1));
    pricing.pieces(span, energy_kwh, used, &|_, _| None, |piece| {
        sum += piece.cost();
        energy += piece.energy_kwh;
    });
    close(energy, energy_kwh);
    sum
}

fn steps(per: Period) -> Terms {
    let step = |above_kwh, price| Step { above_kwh, price };
    Terms {
        tiers: Some(Tiers {
            per,
            steps: vec![
                step(10.0, StepPrice::Is(0.5)),
                step(20.0, StepPrice::Adds(0.01)),
            ],
        }),
        tax_pct: 10.0,
        ..Terms::flat(0.3)
    }
}

#[test]
fn steps_cut_energy_exactly_where_they_begin() {
    let monthly = tariff(steps(Period::Month));
    let mut used = Used::default();
    let sum = cost(
        &monthly,
        ("2026-05-01T00:00", "2026-05-01T10:00"),
        30.0,
        &mut used,
    );
    close(sum, (10.0 * 0.3 + 10.0 * 0.5 + 10.0 * 0.31) * 1.1);
    close(used.month_kwh, 30.0);
    // The next month begins at the bottom, half way through this.
    let sum = cost(
        &monthly,
        ("2026-05-31T23:00", "2026-06-01T01:00"),
        8.0,
        &mut used,
    );
    close(sum, (4.0 * 0.31 + 4.0 * 0.3) * 1.1);
    close(used.month_kwh, 4.0);
    let daily = tariff(steps(Period::Day));
    let mut used = Used::default();
    let sum = cost(
        &daily,
        ("2026-05-01T00:00", "2026-05-03T00:00"),
        24.0,
        &mut used,
    );
    close(sum, 2.0 * (10.0 * 0.3 + 2.0 * 0.5) * 1.1);
    // A clock set back by an hour goes on where it was.
    let sum = cost(
        &daily,
        ("2026-05-02T22:00", "2026-05-02T23:00"),
        1.0,
        &mut used,
    );
    close(sum, 0.5 * 1.1);
}

#[test]
fn a_time_that_a_change_of_the_clock_leaves_out_costs_nothing_and_one_that_is_twice_costs_twice() {
    let window = Window {
        name: "deep".to_owned(),
        price: 1.0,
        from: 120,
        to: 180,
        days: [true; 7],
    };
    let rates = Rates {
        price: Some(0.0),
        windows: vec![window],
    };
    let night = tariff(Terms {
        rates,
        ..Terms::default()
    });
    let day = |day: &str, next: &str, hours: f64| {
        let span = (format!("{day}T00:00"), format!("{next}T00:00"));
        cost(&night, (&span.0, &span.1), hours, &mut Used::default())
    };
    close(day("2026-03-28", "2026-03-29", 24.0), 1.0);
    close(day("2026-03-29", "2026-03-30", 23.0), 0.0);
    close(day("2026-10-25", "2026-10-26", 25.0), 2.0);
}

#[test]
fn prices_change_to_the_minute_where_windows_do() {
    let rates = |to: u16| Rates {
        price: Some(0.0),
        windows: vec![Window {
            name: "odd".to_owned(),
            price: 1.0,
            from: 0,
            to,
            days: [true; 7],
        }],
    };
    for (to, hours) in [(7, 7.0 / 60.0), (10, 10.0 / 60.0), (15, 0.25), (60, 1.0)] {
        let season = Season {
            name: "all".to_owned(),
            from: (1, 1),
            to: (12, 31),
            rates: rates(to),
        };
        for terms in [
            Terms {
                rates: rates(to),
                ..Terms::default()
            },
            Terms {
                seasons: vec![season],
                ..Terms::flat(5.0)
            },
        ] {
            let tariff = tariff(terms);
            let span = ("2026-05-01T00:00", "2026-05-01T02:00");
            close(cost(&tariff, span, 2.0, &mut Used::default()), hours);
        }
    }
}

#[test]
fn what_is_told_goes_before_what_is_listed_and_what_it_cost_before_all() {
    let terms = Terms {
        dynamic: Some(crate::power::testing::dynamic(&[])),
        tax_pct: 100.0,
        ..Terms::flat(0.3)
    };
    let tariff = tariff(terms);
    let zone = berlin();
    let pricing = Pricing {
        tariff: Some(&tariff),
        time_zone: &zone,
    };
    let noon = at("2026-05-01T12:00");
    let quote = |known| pricing.quote(noon, &Used::default(), &move |_, _| known);
    let told = |price, basis| Some(Quote { price, basis });
    assert_eq!(quote(None), told(0.6, Basis::Fallback));
    assert_eq!(quote(Some(Known::Net(-0.1))), told(-0.2, Basis::Dynamic));
    assert_eq!(quote(Some(Known::Whole(0.7))), told(0.7, Basis::Dynamic));
    let words = [Basis::Listed, Basis::Dynamic, Basis::Fallback].map(Basis::word);
    assert_eq!(words, *Basis::WORDS);
    // The quarter of an hour for which it is known.
    let known = |_: &Terms, at: Timestamp| (at < noon).then_some(Known::Net(-0.1));
    let mut sum = 0.0;
    let span = (at("2026-05-01T11:45"), at("2026-05-01T12:15"));
    pricing.pieces(span, 1.0, &mut Used::default(), &known, |piece| {
        sum += piece.cost();
    });
    close(sum, 0.5 * -0.2 + 0.5 * 0.6);
}
