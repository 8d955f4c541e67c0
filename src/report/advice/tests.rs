//! Advice needs evidence, has a figure, and stays away once it is dismissed.

mod neighbours;
mod told;

use std::time::Duration;

use super::kept::{Wish, remember, wanted};
use super::*;
use crate::host::Memory;
use crate::model::{Action, Command, Origin};
use crate::power::Curve;

/// A machine about which nothing can be said.
fn thrifty() -> Evidence {
    Evidence {
        work_off: None,
        prior: Some(Prior {
            disks_w: 0.0,
            curve: Curve {
                idle_w: 20.0,
                max_w: 70.0,
            },
            spread: 2.5,
            basis: "a machine with 8 threads".to_owned(),
        }),
        idle_w: Some(25.0),
        mean_w: Some(30.0),
        usage_pct: Some(8.0),
        governor: Some(Governor {
            name: "schedutil".to_owned(),
            preference: None,
            others: vec!["performance".to_owned(), "schedutil".to_owned()],
        }),
        services: vec![Steady {
            name: "jellyfin".to_owned(),
            hours: 240,
            low_w: 0.2,
            high_w: 20.0,
            mean_w: 4.0,
        }],
        disks: vec![Turning {
            id: "wd-1".to_owned(),
            name: "sda".to_owned(),
            hours: 240,
            still: 200,
            slept: Some(true),
        }],
        cards: vec![Card {
            id: "0".to_owned(),
            hours: 240,
            least_w: 12.0,
            usage_pct: 1.0,
        }],
        supplies: vec![Supply {
            id: "office".to_owned(),
            label: "Office".to_owned(),
            hours: 240,
            out_w: 60.0,
            is_measured: true,
            in_w: Some(66.0),
            load_pct: Some(25.0),
        }],
        tariff: days(
            |hour| if hour < 6 { 0.1 } else { 0.4 },
            |hour| {
                if hour == 2 { 500.0 } else { 1.0 }
            },
        ),
        own: Some(machine("nas", 1.0)),
        neighbours: vec![machine("pc", 2.0)],
        price: Some((0.3, "EUR".to_owned())),
    }
}

/// Ten days of prices and of one service's watts, by the hour of the day.
fn days(price: impl Fn(i8) -> f64, watts: impl Fn(i8) -> f64) -> hours::Hours {
    let all = (0..10).flat_map(|day| (0..24_i8).map(move |hour| (day, hour)));
    let hours = all.clone().map(|(day, hour)| hours::Hour {
        day,
        clock: hour,
        price: Some(price(hour)),
    });
    let watts = all.map(|(_, hour)| Some(watts(hour))).collect();
    hours::Hours {
        hours: hours.collect(),
        services: vec![("restic".to_owned(), watts)],
    }
}

/// A machine of 8 cores of which so many are busy.
fn machine(name: &str, busy: f64) -> Machine {
    Machine {
        name: name.to_owned(),
        hours: 240,
        mean_w: 20.0,
        idle_w: 15.0,
        cores: 8.0,
        busy,
        busiest: busy * 1.5,
        used_bytes: 3e9,
        total_bytes: 16e9,
    }
}

fn ids(evidence: &Evidence) -> Vec<String> {
    all(evidence).into_iter().map(|advice| advice.id).collect()
}

#[test]
fn who_is_thrifty_or_unknown_gets_no_advice() {
    assert_eq!(ids(&thrifty()), [""; 0]);
    assert_eq!(ids(&Evidence::default()), [""; 0]);
}

#[test]
fn each_waste_is_told_with_what_it_saves() {
    type Change = fn(&mut Evidence);
    let table: [(Change, &str, f64, f64); 10] = [
        (|one| one.idle_w = Some(60.0), "idle-floor", 88.0, 351.0),
        (|one| set(one, "performance", None), "governor", 3.0, 26.0),
        (
            |one| set(one, "powersave", Some("performance")),
            "governor",
            3.0,
            26.0,
        ),
        (
            |one| one.services[0].low_w = 16.0,
            "steady-jellyfin",
            12.0,
            35.0,
        ),
        (
            |one| one.disks[0].slept = Some(false),
            "spin-down-wd-1",
            5.0,
            33.0,
        ),
        (|one| one.cards[0].least_w = 32.0, "graphics-0", 75.0, 281.0),
        (
            |one| {
                one.idle_w = Some(40.0);
            },
            "idle-floor",
            18.0,
            175.0,
        ),
        (
            |one| one.supplies[0].in_w = Some(80.0),
            "ups-loss-office",
            105.0,
            149.0,
        ),
        (
            |one| (one.supplies[0].in_w, one.supplies[0].load_pct) = (None, Some(6.0)),
            "ups-size-office",
            72.0,
            215.0,
        ),
        (
            |one| one.neighbours[0].busy = 0.5,
            "together-pc",
            79.0,
            131.0,
        ),
    ];
    for (change, id, low, high) in table {
        let mut evidence = thrifty();
        change(&mut evidence);
        let told = all(&evidence);
        assert_eq!(told.len(), 1, "{id}: {told:?}");
        assert_eq!(told[0].id, id);
        let Saving::Energy {
            low: least,
            high: most,
        } = told[0].saving
        else {
            panic!("{id}: {:?}", told[0]);
        };
        assert!(
            (least - low).abs() < 1.1 && (most - high).abs() < 1.1,
            "{id}: {:?}",
            told[0]
        );
        assert!(!told[0].evidence.is_empty() && !told[0].todo.is_empty());
    }
}

fn set(evidence: &mut Evidence, name: &str, preference: Option<&str>) {
    let governor = evidence.governor.as_mut().unwrap();
    governor.name = name.to_owned();
    governor.preference = preference.map(str::to_owned);
}

#[test]
fn without_enough_evidence_nothing_is_told() {
    type Change = fn(&mut Evidence);
    let table: [(Change, &str); 7] = [
        (|one| one.prior = None, "no kind to compare with"),
        (
            |one| {
                set(one, "performance", None);
                one.usage_pct = Some(60.0);
            },
            "it is busy",
        ),
        (
            |one| {
                set(one, "performance", None);
                one.governor.as_mut().unwrap().others.clear();
            },
            "no other governor",
        ),
        (
            |one| {
                set(one, "performance", None);
                one.mean_w = Some(3.0);
            },
            "it saves next to nothing",
        ),
        (
            |one| {
                one.services[0].low_w = 16.0;
                one.services[0].hours = 50;
            },
            "a service that is new",
        ),
        (
            |one| one.disks[0].slept = None,
            "nobody looks whether it sleeps",
        ),
        (
            |one| {
                one.disks[0].slept = Some(false);
                one.disks[0].still = 100;
            },
            "a disk that works",
        ),
    ];
    quiet(table);
}

fn quiet(table: impl IntoIterator<Item = (fn(&mut Evidence), &'static str)>) {
    for (change, why) in table {
        let mut evidence = thrifty();
        change(&mut evidence);
        assert_eq!(ids(&evidence), [""; 0], "{why}");
    }
}

#[test]
fn a_ups_and_cheap_hours_and_other_machines_need_evidence_too() {
    type Change = fn(&mut Evidence);
    let table: [(Change, &str); 12] = [
        (
            |one| {
                one.supplies[0].in_w = Some(80.0);
                one.supplies[0].is_measured = false;
            },
            "what the UPS gives is only reckoned",
        ),
        (
            |one| {
                one.supplies[0].in_w = Some(80.0);
                one.supplies[0].hours = 20;
            },
            "a UPS that is new",
        ),
        (
            |one| (one.supplies[0].in_w, one.supplies[0].load_pct) = (None, Some(20.0)),
            "a UPS that fits",
        ),
        (
            |one| {
                one.supplies[0].in_w = Some(66.0);
                one.supplies[0].load_pct = Some(6.0);
            },
            "a large UPS that is known to lose little",
        ),
        (
            |one| {
                one.supplies[0].in_w = None;
                one.supplies[0].load_pct = Some(10.0);
                one.supplies[0].out_w = 30.0;
            },
            "a small UPS",
        ),
        (|one| one.tariff = days(|_| 0.3, at(18, 500.0)), "one price"),
        (|one| one.tariff = days(dear_by_day, |_| 500.0), "no job"),
        (
            |one| {
                one.tariff = days(dear_by_day, at(18, 500.0));
                one.price = None;
            },
            "no tariff",
        ),
        (
            |one| one.tariff = days(dear_by_day, at(18, 6.0)),
            "it is hardly any energy",
        ),
        (
            |one| {
                one.neighbours[0].busy = 0.5;
                one.own = None;
            },
            "nothing is known of this machine",
        ),
        (
            |one| {
                one.neighbours[0].busy = 0.5;
                one.neighbours[0].busiest = 5.0;
            },
            "both are busy at times",
        ),
        (
            |one| {
                one.neighbours[0].busy = 0.5;
                one.neighbours[0].used_bytes = 11e9;
            },
            "too little memory",
        ),
    ];
    quiet(table);
}

/// Cheap at night.
fn dear_by_day(hour: i8) -> f64 {
    if hour < 6 { 0.1 } else { 0.4 }
}

/// So many watts in that hour of the day.
fn at(when: i8, watts: f64) -> impl Fn(i8) -> f64 {
    move |hour| if hour == when { watts } else { 0.0 }
}

#[test]
fn work_that_has_its_time_could_have_a_cheaper_one() {
    let mut evidence = thrifty();
    evidence.tariff = days(dear_by_day, at(18, 500.0));
    let told = all(&evidence);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].id, "cheap-hours-restic");
    // Half a kWh a day that costs 0.40 and could cost 0.10.
    let Saving::Money {
        moved_kwh,
        low,
        high,
        price,
    } = told[0].saving
    else {
        panic!("{told:?}");
    };
    assert!((moved_kwh - 183.0).abs() < 1.0 && (price - 0.325).abs() < 1e-9);
    assert!((high - 0.15 * 365.25).abs() < 0.1 && (low - high * 0.4).abs() < 0.1);
    assert!(told[0].evidence.contains("most of it at 18 h"), "{told:?}");
    let told = serde_json::to_value(&told[0]).unwrap();
    assert_eq!(told["moved_kwh"], 183.0);
    assert!(told.get("saving_low_kwh").is_none() && told.get("price").is_none());
    // A day of which half the prices are missing proves nothing.
    for hour in evidence
        .tariff
        .hours
        .iter_mut()
        .filter(|hour| hour.clock < 12)
    {
        hour.price = None;
    }
    assert_eq!(ids(&evidence), [""; 0]);
}

#[test]
fn the_greatest_saving_comes_first() {
    let mut evidence = thrifty();
    evidence.cards[0].least_w = 32.0;
    evidence.idle_w = Some(60.0);
    evidence.disks[0].slept = Some(false);
    assert_eq!(
        ids(&evidence),
        ["idle-floor", "graphics-0", "spin-down-wd-1"]
    );
}

#[test]
fn what_is_dismissed_returns_after_its_time_or_when_it_is_much_worse() {
    let memory = Memory::default();
    let mut evidence = thrifty();
    evidence.idle_w = Some(60.0);
    let advice = all(&evidence).remove(0);
    let now: crate::model::Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let later = "2026-05-31T00:00:01Z".parse().unwrap();
    let saving = advice.saving.worth_kwh();
    assert!(wanted(&memory, &advice, now));
    let month = Wish::Dismiss(Some(Duration::from_hours(30 * 24)));
    remember(&memory, &advice.id, saving, month, now);
    assert!(!wanted(&memory, &advice, now) && wanted(&memory, &advice, later));
    remember(&memory, &advice.id, saving, Wish::Dismiss(None), now);
    assert!(!wanted(&memory, &advice, later));
    let worse = Advice {
        saving: Saving::energy(saving, saving * 2.2),
        ..advice.clone()
    };
    assert!(
        wanted(&memory, &worse, now),
        "much worse than when it was dismissed"
    );
    remember(&memory, &advice.id, saving, Wish::Restore, now);
    assert!(wanted(&memory, &advice, now));
}

#[test]
fn what_is_wished_is_read_or_refused_with_what_can_be_said() {
    let wish = |payload: &str| {
        let command = Command::parse("power/advice/x", payload.as_bytes(), Origin::Push).unwrap();
        let Action::Order(order) = command.action else {
            panic!("an order");
        };
        Wish::of(&order)
    };
    let days = Wish::Dismiss(Some(Duration::from_hours(240)));
    for (payload, want) in [
        ("", Wish::Dismiss(None)),
        ("dismiss", Wish::Dismiss(None)),
        ("10d", days),
        (r#"{"for":"10d"}"#, days),
        ("restore", Wish::Restore),
    ] {
        assert_eq!(wish(payload), Ok(want), "{payload}");
    }
    for payload in ["never", r#"{"for":3}"#] {
        assert!(wish(payload).is_err(), "{payload}");
    }
}
