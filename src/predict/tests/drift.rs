//! What gets hotter, or seems to, over months: dust, seasons, other work, another sensor.

use super::cooling::{lab, processor};
use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::fan::Fan;
use crate::predict::outlook::Finding;

/// The load at a time of the day: idle for most of it, then `light`, then at full load for two hours.
fn load(day: f64, light: f64) -> f64 {
    match day.fract() {
        part if part < 0.5 => 3.0,
        part if part < 0.9 => light,
        _ => 95.0,
    }
}

/// A machine in a room of so many degrees whose heat is the resistance times the watts: 15 when idle, 100 at full load.
#[derive(Clone, Copy)]
struct Machine {
    resistance: f64,
    room: f64,
    /// The light load, %.
    light: f64,
    /// Whether it ever works hard.
    works: bool,
    air: bool,
}

const MACHINE: Machine = Machine {
    resistance: 0.35,
    room: 21.0,
    light: 20.0,
    works: true,
    air: true,
};

impl Machine {
    fn tell(self, day: f64) -> Vec<Reading> {
        let load = load(day, self.light);
        let load = if self.works { load } else { load.min(30.0) };
        let die = self.room + (15.0 + 0.85 * load) * self.resistance;
        processor(load, die, self.air.then_some(self.room))
    }
}

fn is_told(finding: &Finding) -> bool {
    matches!(finding, Finding::Foreseen(_))
}

#[test]
fn what_gets_hotter_from_day_to_day_is_told_a_month_before_it_is_a_third_more() {
    for air in [true, false] {
        let mut lab = lab();
        // Though the room follows the day.
        let tell = |day: f64, more: f64| {
            let machine = Machine {
                resistance: 0.35 * (1.0 + more),
                room: 21.0 + (day * std::f64::consts::TAU).sin(),
                air,
                ..MACHINE
            };
            machine.tell(day)
        };
        lab.days(30, |day| tell(day, 0.0));
        // A third in sixty days: half-way it must be known.
        lab.days(29, |day| tell(day, 0.33 * day / 60.0));
        let case = lab.case();
        assert!(case.text.contains("from week to week"), "{case:?}");
        assert!(case.due.is_some() && !case.pressing, "{case:?}");
        assert_eq!(
            case.confidence,
            if air { 85 } else { 55 },
            "it is not sure yet"
        );
    }
}

#[test]
fn what_is_hotter_since_one_day_or_only_beside_a_room_that_cools_does_not_creep() {
    // Another fan curve: a tenth more at one blow.
    let mut lab = lab();
    lab.days(30, |day| MACHINE.tell(day));
    let slower = Machine {
        resistance: 0.385,
        ..MACHINE
    };
    for _ in 0..8 {
        lab.days(5, |day| slower.tell(day));
        assert!(!is_told(&lab.finding()), "{:?}", lab.finding());
    }
    // Autumn: the fan turns slower as the room cools, and the part stays as it was.
    let mut lab = self::lab();
    lab.days(30, |day| MACHINE.tell(day));
    {
        lab.days(34, |day| {
            let resistance = 0.35 * (1.0 + 0.004 * day);
            let room = 21.0 - 0.14 * day - 0.5 * (day * std::f64::consts::TAU).sin();
            Machine {
                resistance,
                room,
                ..MACHINE
            }
            .tell(day)
        });
        assert!(!is_told(&lab.finding()), "{:?}", lab.finding());
    }
}

#[test]
fn dust_is_told_of_a_machine_that_never_works_hard() {
    let mut lab = lab();
    let idle = Machine {
        works: false,
        light: 14.0,
        ..MACHINE
    };
    let warm = Machine {
        resistance: 0.8,
        ..idle
    };
    lab.days(20, |day| warm.tell(day));
    let dusty = Machine {
        resistance: 1.1,
        ..idle
    };
    lab.days(12, |day| dusty.tell(day));
    assert!(
        lab.case().text.contains("at a light load"),
        "{:?}",
        lab.case()
    );
}

#[test]
fn more_work_within_the_same_kind_of_load_is_no_dust() {
    // Idle and twice as much of a light load is a quarter hotter, and is to be.
    for air in [true, false] {
        let mut lab = lab();
        let warm = Machine {
            works: false,
            resistance: 0.9,
            air,
            ..MACHINE
        };
        let usual = Machine {
            light: 14.0,
            ..warm
        };
        lab.days(20, |day| usual.tell(day));
        let busier = Machine {
            light: 29.0,
            ..warm
        };
        lab.days(25, |day| busier.tell(day));
        assert!(!is_told(&lab.finding()), "{:?}", lab.finding());
    }
}

#[test]
fn a_summer_in_which_the_fan_turns_faster_is_no_new_cooler() {
    let mut lab = lab();
    lab.days(30, |day| MACHINE.tell(day));
    // From winter to summer and back: the same cooler, whatever the fan makes of it.
    let season = |from: f64| {
        move |day: f64| {
            let turn = ((from + day) / 180.0 * std::f64::consts::PI).sin();
            Machine {
                resistance: 0.35 * (1.0 - 0.25 * turn),
                ..MACHINE
            }
            .tell(day)
        }
    };
    for month in 0..6_u32 {
        lab.days(30, season(f64::from(month) * 30.0));
        lab.is_clear();
    }
    lab.days(20, |day| MACHINE.tell(day));
    lab.is_clear();
    // Nor does it hide dust that comes then.
    let dusty = Machine {
        resistance: 0.42,
        ..MACHINE
    };
    lab.days(10, |day| dusty.tell(day));
    assert!(is_told(&lab.finding()));
}

#[test]
fn what_is_cleaned_is_told_no_more_though_it_seldom_works_hard() {
    let mut lab = lab();
    let seldom = |resistance: f64| {
        move |day: f64| {
            let works = day.rem_euclid(7.0) < 1.0;
            Machine {
                resistance,
                works,
                light: 14.0,
                ..MACHINE
            }
            .tell(day)
        }
    };
    lab.days(49, seldom(0.8));
    lab.days(49, seldom(1.1));
    assert!(is_told(&lab.finding()));
    // From Tuesday on: at full load it was last seen with the dust.
    let cleaned = Machine {
        resistance: 0.8,
        works: false,
        light: 14.0,
        ..MACHINE
    };
    lab.days(4, |day| cleaned.tell(day));
    lab.is_clear();
}

#[test]
fn what_wavers_from_day_to_day_has_to_get_much_hotter() {
    let wavers = |share: f64| {
        move |day: f64| {
            let off = if (day.floor() / 2.0).fract() < 0.25 {
                0.85
            } else {
                1.15
            };
            Machine {
                resistance: 0.35 * off * share,
                ..MACHINE
            }
            .tell(day)
        }
    };
    let mut lab = lab();
    lab.days(30, wavers(1.0));
    lab.days(15, wavers(1.2));
    lab.is_clear();
    lab.days(15, wavers(1.7));
    assert!(is_told(&lab.finding()));
}

/// A fan that is driven by the processor's temperature from 45 °C on, by night at one of two temperatures.
fn curved(base: f64, health: f64) -> impl Fn(f64) -> Vec<Reading> {
    move |day| {
        let warm = if (day.floor() / 2.0).fract() < 0.25 {
            46.4
        } else {
            46.8
        };
        let degrees: f64 = match day.fract() {
            part if part < 0.4 => 35.0,
            part if part < 0.6 => warm,
            _ => 58.0,
        };
        // The knee is as steep as a stair.
        let steep = if (46.6..50.0).contains(&degrees) {
            60.0
        } else {
            0.0
        };
        let drive = base + steep + (degrees - 45.0).max(0.0);
        vec![
            reading("temp-k10temp-tctl", [("temperature_c", degrees)]),
            reading("fan-a", [("fan_rpm", drive * 18.0 * health)]),
        ]
    }
}

#[test]
fn a_fan_that_wavers_at_one_temperature_is_followed_at_the_others() {
    let mut lab = Lab::<Fan>::new();
    lab.days(20, curved(30.0, 1.0));
    for week in 1..=9_u32 {
        lab.days(7, curved(30.0, 1.0 - f64::from(week) * 0.02));
    }
    assert!(lab.case().text.contains("% slower"), "{:?}", lab.case());
}

#[test]
fn a_curve_that_was_changed_while_the_machine_was_off_is_no_age() {
    let mut lab = Lab::<Fan>::new();
    lab.days(30, curved(40.0, 1.0));
    lab.day += 30.0;
    for _ in 0..12 {
        lab.days(1, curved(30.0, 1.0));
        assert!(!is_told(&lab.finding()), "{:?}", lab.finding());
    }
}
