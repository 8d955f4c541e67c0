//! What happens to disks, filesystems, batteries and memory and is no failure, or no longer is one.

use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::battery::Battery;
use crate::predict::disk::Disk;
use crate::predict::memory::Memory;
use crate::predict::outlook::Finding;
use crate::predict::scene::days;
use crate::predict::space::Space;
use crate::predict::wear::Wear;

#[test]
fn a_disk_or_an_ssd_in_the_place_of_another_is_a_new_one() {
    let bad = |count: f64, hours: f64| {
        vec![reading(
            "disk-a",
            [
                ("reallocated", count),
                ("pending", 2.0),
                ("power_on_hours", hours),
            ],
        )]
    };
    for (count, hours) in [(0.0, 30_300.0), (30.0, 5.0)] {
        let mut lab = Lab::<Disk>::new();
        lab.days(12, |day| bad((day * 2.0).floor(), 30_000.0 + day * 24.0));
        lab.case();
        lab.days(1, |day| bad(count, hours + day * 24.0));
        assert_eq!(lab.missing(), "3 days of watching it");
        lab.days(6, |_| bad(count, hours + 24.0));
        lab.is_clear();
    }
    let worn = |percent: f64, hours: f64| {
        vec![reading(
            "disk-s",
            [("wear_pct", percent.floor()), ("power_on_hours", hours)],
        )]
    };
    let mut lab = Lab::<Wear>::new();
    lab.days(20, |_| worn(92.0, 30_000.0));
    lab.case();
    lab.days(3, |_| worn(1.0, 500.0));
    lab.missing();
    // The age that counts is its own: a percent in fifty days is five years.
    lab.days(30, |_| worn(1.0, 500.0));
    let Finding::Clear(Some(due)) = lab.finding() else {
        panic!("{:?}", lab.finding());
    };
    let years = (days(due.likely) - lab.day) / 365.0;
    assert!((10.0..20.0).contains(&years), "{years}");
}

#[test]
fn half_an_answer_of_a_disk_is_no_growth() {
    let mut lab = Lab::<Disk>::new();
    let tell = |day: f64| {
        if (day * 4.0).floor() % 2.0 == 0.0 {
            vec![reading("disk-a", [("reallocated", 40.0), ("pending", 9.0)])]
        } else {
            vec![reading("disk-a", [("reallocated", 40.0)])]
        }
    };
    lab.days(30, tell);
    lab.is_clear();
}

#[test]
fn a_leap_of_wear_after_months_is_no_pace() {
    let worn = |percent: f64| {
        vec![reading(
            "disk-s",
            [("wear_pct", percent), ("power_on_hours", 20_000.0)],
        )]
    };
    let mut lab = Lab::<Wear>::new();
    lab.days(200, |_| worn(20.0));
    lab.days(1, |_| worn(26.0));
    lab.days(9, |_| worn(33.0));
    for _ in 0..20 {
        lab.days(5, |_| worn(33.0));
        assert!(
            !matches!(lab.finding(), Finding::Foreseen(_)),
            "{:?}",
            lab.finding()
        );
    }
}

#[test]
fn wear_that_becomes_fast_after_a_year_is_told_in_time() {
    let worn = |percent: f64| vec![reading("disk-s", [("wear_pct", percent.floor())])];
    let mut lab = Lab::<Wear>::new();
    lab.days(300, |day| worn(10.0 + day / 60.0));
    // From 15 % on a percent a day: 85 days.
    lab.days(50, |day| worn(15.0 + day));
    let (_, likely, _) = lab.left();
    assert!((25.0..45.0).contains(&likely), "{likely}");
}

pub(super) fn used(tib: f64, size: f64) -> Vec<Reading> {
    let (used, size) = (tib * 1e12, size * 1e12);
    vec![reading(
        "fs-srv",
        [("used_bytes", used), ("free_bytes", size - used)],
    )]
}

#[test]
fn backups_that_are_cleared_weekly_have_no_date_at_any_time_of_the_week() {
    let mut lab = Lab::<Space>::new();
    for week in 0..20 {
        for _ in 0..7 {
            lab.days(1, |day| {
                used(3.0 + ((lab_day(week, day)) % 7.0) * 0.13, 4.0)
            });
            assert!(
                !matches!(lab.finding(), Finding::Foreseen(_)),
                "{:?}",
                lab.finding()
            );
        }
    }
}

/// The day of a lab whose weeks begin anew.
fn lab_day(week: u32, day: f64) -> f64 {
    f64::from(week) * 7.0 + day
}

#[test]
fn a_slow_growth_is_told_in_its_last_months_until_there_is_more_room() {
    let mut lab = Lab::<Space>::new();
    let grows = |from: f64, size: f64| move |day: f64| used(3.0 + (from + day) * 0.004, size);
    lab.days(120, grows(0.0, 4.0));
    lab.is_clear();
    lab.days(60, grows(120.0, 4.0));
    let (_, likely, _) = lab.left();
    assert!((60.0..80.0).contains(&likely), "{likely}");
    lab.days(1, grows(180.0, 8.0));
    lab.is_clear();
}

#[test]
fn what_was_full_and_was_cleared_by_hand_is_told_when_it_fills_again() {
    let mut lab = Lab::<Space>::new();
    lab.days(45, |day| used((2.2 + day * 0.04).min(3.99), 4.0));
    lab.case();
    lab.days(1, |_| used(2.2, 4.0));
    lab.days(2, |_| used(2.2, 4.0));
    lab.is_clear();
    lab.days(40, |day| used(2.2 + day * 0.04, 4.0));
    lab.case();
    // Again and again is a habit.
    lab.days(3, |_| used(2.2, 4.0));
    lab.days(40, |day| used(2.2 + day * 0.04, 4.0));
    lab.is_clear();
}

#[test]
fn a_battery_of_two_discharges_has_no_trend_but_an_end() {
    let health = |percent: f64| vec![reading("ups-a", [("battery_health_pct", percent)])];
    let mut lab = Lab::<Battery>::new();
    lab.days(70, |_| health(95.0));
    lab.days(70, |_| health(82.0));
    lab.is_clear();
    lab.days(21, |_| health(55.0));
    let case = lab.case();
    assert!(case.pressing && case.due.is_none(), "{case:?}");
    // A new one is in.
    lab.days(8, |_| health(100.0));
    lab.missing();
    // It needs no ten weeks to see that one is worn.
    let mut lab = Lab::<Battery>::new();
    lab.days(22, |_| health(40.0));
    assert_eq!(lab.case().evidence[0].figure, "40 %");
}

#[test]
fn what_a_ups_carries_more_is_no_age_of_its_battery() {
    for bend in [1.0_f64, 1.3] {
        let ups = |more: f64| {
            move |day: f64| {
                let load = 20.0 + more + 10.0 * (day * 6.0).sin();
                let runtime = 1_800.0 * (50.0 / load).powf(bend);
                vec![reading(
                    "ups-a",
                    [
                        ("charge_pct", 100.0),
                        ("load_pct", load),
                        ("runtime_s", runtime),
                    ],
                )]
            }
        };
        let mut lab = Lab::<Battery>::new();
        lab.days(100, ups(0.0));
        for step in 1..=12_u32 {
            lab.days(14, ups(f64::from(step) * 4.0));
            assert!(
                !matches!(lab.finding(), Finding::Foreseen(_)),
                "{:?}",
                lab.finding()
            );
        }
    }
}

#[test]
fn memory_errors_in_one_burst_are_none_and_a_module_that_is_replaced_is_told_no_more() {
    let errors = |count: f64| {
        vec![reading(
            "memory-errors",
            [("corrected_errors", count.floor())],
        )]
    };
    let mut lab = Lab::<Memory>::new();
    lab.days(10, |_| errors(0.0));
    lab.days(1, |day| errors(day * 900.0));
    lab.days(10, |_| errors(900.0));
    lab.is_clear();
    lab.days(9, |day| errors(900.0 + day * 2.0));
    lab.case();
    lab.days(6, |_| errors(0.0));
    lab.is_clear();
    // A single one much later is not the former trouble.
    lab.days(3, |_| errors(1.0));
    lab.is_clear();
}
