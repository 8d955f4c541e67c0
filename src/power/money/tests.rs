use jiff::ToSpan as _;

use super::*;
use crate::config::{Rates, Window};
use crate::power::testing::{at, berlin, close};

fn terms(since: Option<&str>, price: Option<f64>, windows: Vec<Window>) -> Terms {
    Terms {
        since: since.map(|date| date.parse().unwrap()),
        rates: Rates { price, windows },
        ..Terms::default()
    }
}

fn night() -> Window {
    Window {
        name: "night".to_owned(),
        price: 0.1,
        from: 1320,
        to: 360,
        days: [true; 7],
    }
}

fn money(terms: Vec<Terms>) -> Money {
    let tariff = TariffConfig::new("EUR".to_owned(), berlin(), terms);
    Money::new(Some(tariff), TimeZone::UTC, Booked::default())
}

fn price(money: &Money, at: Timestamp) -> Option<f64> {
    Some(money.quote(at, Told::NOTHING)?.price)
}

#[test]
fn energy_costs_what_it_cost_when_it_was_used() {
    let mut money = money(vec![
        terms(None, Some(0.3), vec![night()]),
        terms(Some("2027-01-01"), Some(0.5), Vec::new()),
    ]);
    assert_eq!(money.currency(), Some("EUR"));
    assert_eq!(price(&money, at("2026-12-31T12:00")), Some(0.3));
    assert_eq!(price(&money, at("2026-12-31T23:59:59.9")), Some(0.1));
    assert_eq!(price(&money, at("2027-01-01T00:00")), Some(0.5));
    // An hour by day and an hour by night, in one piece.
    close(
        money.book(
            at("2026-12-31T21:00"),
            at("2026-12-31T23:00"),
            2.0,
            Told::NOTHING,
        ),
        0.4,
    );
    // Over midnight, the month and the year, and to other terms.
    close(
        money.book(
            at("2026-12-31T23:30"),
            at("2027-01-01T00:30"),
            1.0,
            Told::NOTHING,
        ),
        0.3,
    );
    let booked = money.booked();
    close(booked.today.energy_kwh, 0.5);
    close(booked.today.cost, 0.25);
    close(booked.month.cost, 0.25);
    close(booked.whole.cost, 0.7);
    close(booked.whole.energy_kwh, 3.0);
    // Ten seconds around the full hour are split to the second.
    let mut other = super::tests::money(vec![terms(None, Some(0.3), vec![night()])]);
    close(
        other.book(
            at("2026-05-01T21:59:56"),
            at("2026-05-01T22:00:06"),
            1.0,
            Told::NOTHING,
        ),
        0.4 * 0.3 + 0.6 * 0.1,
    );
}

#[test]
fn a_year_with_two_changes_of_the_clock_costs_what_its_hours_cost() {
    let mut money = money(vec![terms(None, Some(0.3), vec![night()])]);
    let (mut now, end) = (at("2026-01-01T00:00"), at("2027-01-01T00:00"));
    let mut days = 0;
    let mut before = money.booked().day;
    while now < end {
        let next = now.checked_add(30.minutes()).unwrap();
        money.book(now, next, 0.05, Told::NOTHING);
        now = next;
        if money.booked().day != before {
            before = money.booked().day;
            days += 1;
        }
    }
    // 365 nights of 8 h: the night of the lost hour lasts 7, that of the one gained 9.
    let (nights, hours) = (365.0 * 8.0, 365.0 * 24.0);
    close(money.booked().whole.energy_kwh, hours * 0.1);
    let want = nights * 0.1 * 0.1 + (hours - nights) * 0.1 * 0.3;
    assert!((money.booked().whole.cost - want).abs() < 1e-6);
    assert_eq!(days, 366, "the first one and the last midnight included");
    // The day of 23 hours has 7 hours of night instead of 8, of which one begins the day.
    let mut spring = super::tests::money(vec![terms(None, Some(0.3), vec![night()])]);
    let cost = spring.book(
        at("2026-03-29T00:00"),
        at("2026-03-30T00:00"),
        23.0,
        Told::NOTHING,
    );
    close(cost, 16.0 * 0.3 + 7.0 * 0.1);
    let cost = spring.book(
        at("2026-10-25T00:00"),
        at("2026-10-26T00:00"),
        25.0,
        Told::NOTHING,
    );
    close(cost, 16.0 * 0.3 + 9.0 * 0.1);
}

#[test]
fn odd_clocks_and_odd_energy_book_nothing_twice() {
    let mut money = money(vec![terms(None, Some(0.3), Vec::new())]);
    let noon = at("2026-05-02T12:00");
    for odd in [f64::NAN, -1.0, 0.0, f64::INFINITY] {
        close(money.book(noon, noon, odd, Told::NOTHING), 0.0);
    }
    // No time between, a clock set back, a span of years: priced as of the end.
    close(money.book(noon, noon, 1.0, Told::NOTHING), 0.3);
    close(
        money.book(noon, at("2026-05-02T11:00"), 1.0, Told::NOTHING),
        0.3,
    );
    close(
        money.book(at("1999-05-02T12:00"), noon, 1.0, Told::NOTHING),
        0.3,
    );
    close(money.booked().today.energy_kwh, 3.0);
    // Set back over midnight: the day goes on.
    money.book(
        at("2026-05-01T23:00"),
        at("2026-05-01T23:30"),
        1.0,
        Told::NOTHING,
    );
    close(money.booked().today.energy_kwh, 4.0);
    assert_eq!(money.booked().day, Some("2026-05-02".parse().unwrap()));
    // It was a year ahead and comes back.
    money.book(
        at("2027-05-02T12:00"),
        at("2027-05-02T12:01"),
        1.0,
        Told::NOTHING,
    );
    money.book(noon, noon, 1.0, Told::NOTHING);
    assert_eq!(money.booked().day, Some("2026-05-02".parse().unwrap()));
    close(money.booked().today.energy_kwh, 1.0);
}

#[test]
fn without_a_tariff_energy_alone_is_summed_up_and_sums_survive() {
    let mut plain = Money::new(None, berlin(), Booked::default());
    assert_eq!(
        (plain.currency(), price(&plain, at("2026-05-02T12:00"))),
        (None, None)
    );
    close(
        plain.book(
            at("2026-05-02T11:00"),
            at("2026-05-02T12:00"),
            1.5,
            Told::NOTHING,
        ),
        0.0,
    );
    let kept = serde_json::to_string(&plain.booked()).unwrap();
    let again = Money::new(None, berlin(), serde_json::from_str(&kept).unwrap());
    close(again.booked().today.energy_kwh, 1.5);
    // A tick after midnight without any energy begins the day.
    let mut again = again;
    again.book(
        at("2026-05-03T00:00"),
        at("2026-05-03T00:00:10"),
        0.0,
        Told::NOTHING,
    );
    close(again.booked().today.energy_kwh, 0.0);
    close(again.booked().month.energy_kwh, 1.5);
}

#[test]
fn standing_charges_are_booked_once_a_day_also_for_days_off() {
    let standing = |charge: f64| crate::config::Standing {
        charge,
        per: crate::config::Period::Day,
    };
    let with = |charge: f64, booked: Booked| {
        let terms = Terms {
            standing: Some(standing(charge)),
            ..Terms::flat(0.3)
        };
        let tariff = TariffConfig::new("EUR".to_owned(), berlin(), vec![terms]);
        Money::new(Some(tariff), TimeZone::UTC, booked)
    };
    let look = |money: &mut Money, local: &str| {
        money.book(at(local), at(local), 0.0, Told::NOTHING);
        let sums = money.booked().standing.sums;
        (sums.today, sums.month, sums.whole)
    };
    let mut money = with(1.0, Booked::default());
    assert_eq!(look(&mut money, "2026-05-30T10:00"), (1.0, 1.0, 1.0));
    assert_eq!(look(&mut money, "2026-05-30T23:00"), (1.0, 1.0, 1.0));
    // Off over the month's end; a price that changed meanwhile leaves what is booked alone.
    let mut money = with(2.0, money.booked());
    assert_eq!(look(&mut money, "2026-05-30T23:30"), (1.0, 1.0, 1.0));
    assert_eq!(look(&mut money, "2026-06-02T01:00"), (2.0, 4.0, 7.0));
    // A clock that is set back, and one that was years away.
    assert_eq!(look(&mut money, "2026-06-01T01:00"), (2.0, 4.0, 7.0));
    assert_eq!(look(&mut money, "2029-06-01T01:00"), (2.0, 2.0, 9.0));
    assert_eq!(look(&mut money, "2026-06-03T01:00"), (2.0, 2.0, 11.0));
    assert_eq!(look(&mut money, "2026-06-04T01:00"), (2.0, 4.0, 13.0));
}

#[test]
fn carbon_and_what_fell_back_are_summed_up_beside_the_money() {
    let terms = Terms {
        dynamic: Some(crate::power::testing::dynamic(&[])),
        ..Terms::flat(0.3)
    };
    let tariff = TariffConfig::new("EUR".to_owned(), berlin(), vec![terms]);
    let mut money = Money::new(Some(tariff), TimeZone::UTC, Booked::default());
    assert!(money.tariff().is_some());
    let noon = at("2026-05-01T12:00");
    let told = Told {
        price: &|_, at| (at < noon).then_some(-0.5),
        g_per_kwh: &|at| (at < noon).then_some(250.0),
    };
    close(
        money.book(at("2026-05-01T11:00"), at("2026-05-01T13:00"), 4.0, told),
        -0.4,
    );
    let booked = money.booked();
    assert_eq!(booked.begun, Some(at("2026-05-01T11:00")));
    close(booked.fallback_kwh.today, 2.0);
    close(booked.co2_kg.month, 0.5);
    // A day later both begin anew, and the month's and all go on.
    money.book(at("2026-05-02T11:00"), at("2026-05-02T12:00"), 1.0, told);
    let booked = money.booked();
    assert_eq!(booked.begun, Some(at("2026-05-01T11:00")));
    close(booked.fallback_kwh.today, 1.0);
    close(booked.fallback_kwh.whole, 3.0);
    close(booked.co2_kg.today, 0.0);
    close(booked.co2_kg.whole, 0.5);
    let basis = money.quote(noon, told).unwrap().basis;
    assert_eq!(basis, Basis::Fallback);
}

#[test]
fn what_an_older_version_has_kept_is_read_and_nothing_of_it_is_lost() {
    let old = r#"{"day":"2026-05-02","today":{"energy_kwh":1.5,"cost":0.45},
        "month":{"energy_kwh":3.0,"cost":0.9},"whole":{"energy_kwh":9.0,"cost":2.7}}"#;
    let booked: Booked = serde_json::from_str(old).unwrap();
    let mut money = Money::new(None, berlin(), booked);
    money.book(
        at("2026-05-02T11:00"),
        at("2026-05-02T12:00"),
        1.0,
        Told::NOTHING,
    );
    let booked = money.booked();
    close(booked.whole.energy_kwh, 10.0);
    close(booked.month.cost, 0.9);
    assert_eq!(booked.begun, None);
}
