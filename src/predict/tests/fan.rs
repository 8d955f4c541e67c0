use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::fan::Fan;
use crate::predict::outlook::Finding;

/// A fan that is driven by 30 % by night and by 60 % by day.
fn driven(health: f64) -> impl Fn(f64) -> Vec<Reading> {
    move |day| {
        let drive = if day.fract() < 0.5 { 30.0 } else { 60.0 };
        let rpm = drive * 20.0 * health;
        vec![reading("fan-a", [("fan_rpm", rpm), ("pwm_pct", drive)])]
    }
}

/// A fan whose drive nobody tells, on a processor of `cool` by night and 70 °C by day.
fn undriven(health: f64, cool: f64) -> impl Fn(f64) -> Vec<Reading> {
    move |day| {
        let degrees = if day.fract() < 0.5 { cool } else { 70.0 };
        vec![
            reading("temp-k10temp-tctl", [("temperature_c", degrees)]),
            reading("fan-a", [("fan_rpm", degrees * 20.0 * health)]),
        ]
    }
}

#[test]
fn a_fan_that_gets_slower_ages_and_has_a_date() {
    for (driver, by, sure) in [
        (true, "at the same drive", 90),
        (false, "of the processor", 75),
    ] {
        let mut lab = Lab::<Fan>::new();
        let tell = |health: f64| -> Box<dyn Fn(f64) -> Vec<Reading>> {
            if driver {
                Box::new(driven(health))
            } else {
                Box::new(undriven(health, 40.0))
            }
        };
        lab.days(8, tell(1.0));
        assert!(
            lab.missing().contains("more days with"),
            "{}",
            lab.missing()
        );
        lab.days(12, tell(1.0));
        lab.is_clear();
        for week in 0..10 {
            lab.days(7, tell(1.0 - f64::from(week) * 0.02));
        }
        lab.restart();
        let case = lab.case();
        assert!(
            case.text.contains("% slower") && case.text.contains(by),
            "{}",
            case.text
        );
        assert_eq!((case.confidence, case.pressing), (sure, false));
        assert_eq!(case.evidence.len(), 2);
        // A fifth of its speed at a fiftieth a week.
        let (earliest, likely, latest) = lab.left();
        assert!((45.0..110.0).contains(&likely), "{likely}");
        assert!(earliest <= likely && likely <= latest);
    }
}

#[test]
fn a_fan_that_stands_though_it_is_driven_is_told_within_minutes() {
    let mut lab = Lab::<Fan>::new();
    lab.days(20, driven(1.0));
    let stands = [reading("fan-a", [("fan_rpm", 0.0), ("pwm_pct", 60.0)])];
    for _ in 0..9 {
        lab.step(&stands);
        lab.is_clear();
    }
    lab.step(&stands);
    let case = lab.case();
    assert!(
        case.pressing && case.text.contains("though it is driven"),
        "{case:?}"
    );
    assert_eq!(case.evidence[1].figure, "600 rpm");
    assert!(lab.left().1 < 0.05, "now");
    lab.days(1, driven(1.0));
    lab.is_clear();
}

#[test]
fn a_fan_whose_drive_is_not_known_is_stalled_where_it_has_always_turned() {
    let mut lab = Lab::<Fan>::new();
    lab.days(3, undriven(1.0, 40.0));
    lab.days(1, undriven(0.0, 40.0));
    let case = lab.case();
    assert!(case.text.contains("always turned"), "{case:?}");
    assert_eq!(
        (case.confidence, case.evidence.len()),
        (80, 1),
        "its speed is not learnt yet"
    );
}

#[test]
fn fans_that_are_meant_to_stand_are_no_fault() {
    // Nothing is connected.
    let mut lab = Lab::<Fan>::new();
    lab.days(20, driven(0.0));
    lab.is_clear();
    // It stands while it is not driven.
    let quiet = |day: f64| {
        let drive = if day.fract() < 0.7 { 0.0 } else { 50.0 };
        vec![reading(
            "fan-a",
            [("fan_rpm", drive * 20.0), ("pwm_pct", drive)],
        )]
    };
    let mut lab = Lab::<Fan>::new();
    lab.days(30, quiet);
    lab.is_clear();
    // Its firmware lets it stand until the processor is hot, with a hysteresis.
    let firmware = |day: f64| {
        let degrees = 35.0 + 30.0 * (day.fract() * std::f64::consts::TAU).sin();
        let rises = !(0.25..0.75).contains(&day.fract());
        let turns = degrees > if rises { 55.0 } else { 45.0 };
        let rpm = if turns { 900.0 } else { 0.0 };
        vec![
            reading("temp-coretemp", [("temperature_c", degrees)]),
            reading("fan-a", [("fan_rpm", rpm)]),
        ]
    };
    let mut lab = Lab::<Fan>::new();
    lab.days(40, firmware);
    assert!(
        !matches!(lab.finding(), Finding::Foreseen(_)),
        "{:?}",
        lab.finding()
    );
    // Neither drive nor temperature, or no speed: nothing can be said.
    let mut lab = Lab::<Fan>::new();
    lab.days(5, |_| {
        vec![reading("fan-a", [("fan_rpm", 0.0)]), reading("fan-b", [])]
    });
    lab.is_clear();
}

#[test]
fn another_fan_another_curve_and_a_vague_one_are_learnt_or_left_alone() {
    let mut lab = Lab::<Fan>::new();
    lab.days(20, driven(1.0));
    lab.days(8, driven(1.4));
    lab.missing();
    // Its drive is known from now on.
    let mut lab = Lab::<Fan>::new();
    lab.days(20, undriven(1.0, 40.0));
    lab.is_clear();
    lab.days(1, driven(1.0));
    lab.missing();
    // The firmware's curve was made quieter.
    let mut lab = Lab::<Fan>::new();
    lab.days(60, undriven(1.0, 40.0));
    lab.days(5, undriven(0.75, 40.0));
    lab.missing();
    // It follows something else altogether.
    let vague = |day: f64| {
        let rpm = 800.0 + 700.0 * (day * 1.7).sin();
        vec![reading("fan-a", [("fan_rpm", rpm), ("pwm_pct", 50.0)])]
    };
    let mut lab = Lab::<Fan>::new();
    lab.days(30, vague);
    lab.is_clear();
}

#[test]
fn it_starts_in_the_least_regime_in_which_it_turned_for_long() {
    let mut lab = Lab::<Fan>::new();
    // Pushed by hand for a moment in a low regime, long in a higher one.
    lab.step(&[reading("fan-a", [("fan_rpm", 300.0), ("pwm_pct", 62.0)])]);
    for _ in 0..40 {
        lab.step(&[reading("fan-a", [("fan_rpm", 300.0), ("pwm_pct", 42.0)])]);
    }
    // A little lower is the same start; much lower is a start of its own.
    lab.step(&[reading("fan-a", [("fan_rpm", 300.0), ("pwm_pct", 36.0)])]);
    for _ in 0..20 {
        lab.step(&[reading("fan-a", [("fan_rpm", 0.0), ("pwm_pct", 42.0)])]);
    }
    assert!(!matches!(lab.finding(), Finding::Foreseen(_)));
}

#[test]
fn a_fan_that_ages_fast_is_no_new_curve_though_its_drive_is_not_known() {
    let mut lab = Lab::<Fan>::new();
    lab.days(20, undriven(1.0, 40.0));
    for day in 0..20 {
        lab.days(1, undriven(1.0 - f64::from(day) * 0.01, 40.0));
    }
    let case = lab.case();
    assert!(case.text.contains("% slower"), "{}", case.text);
}

#[test]
fn how_fast_an_aged_fan_turns_where_it_was_never_driven_before_is_no_measure() {
    let mut lab = Lab::<Fan>::new();
    lab.days(20, driven(1.0));
    lab.days(10, driven(0.9));
    lab.is_clear();
    // What it cools has become hotter: it is driven as never before, and ages on.
    let harder = |health: f64| {
        move |day: f64| {
            let drive = if day.fract() < 0.5 { 75.0 } else { 90.0 };
            let rpm = drive * 20.0 * health;
            vec![reading("fan-a", [("fan_rpm", rpm), ("pwm_pct", drive)])]
        }
    };
    lab.days(16, harder(0.9));
    lab.is_clear();
    lab.days(8, harder(0.85));
    assert!(lab.case().text.contains("15 % slower"), "{:?}", lab.case());
}
