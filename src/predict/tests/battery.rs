use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::battery::Battery;
use crate::predict::outlook::Finding;

/// A UPS that gives 30 minutes at half load with a new battery; its load changes by day and night.
fn ups(strength: f64) -> impl Fn(f64) -> Vec<Reading> {
    move |day| {
        let load: f64 = if day.fract() < 0.5 { 20.0 } else { 40.0 };
        let runtime = 1_800.0 * strength * (50.0 / load).powf(1.15);
        let figures = [
            ("charge_pct", 100.0),
            ("load_pct", load),
            ("runtime_s", runtime),
        ];
        vec![reading("ups-rack", figures)]
    }
}

fn health(percent: f64) -> Vec<Reading> {
    vec![reading("ups-rack", [("battery_health_pct", percent)])]
}

#[test]
fn a_battery_that_loses_its_strength_has_a_date() {
    let mut lab = Lab::<Battery>::new();
    lab.days(35, ups(1.0));
    assert_eq!(lab.missing(), "5 more weeks on the mains");
    for week in 0..35_u32 {
        lab.days(7, ups(1.0 - f64::from(week) * 0.01));
    }
    lab.restart();
    let case = lab.case();
    assert!(
        case.text.contains("of its first strength left"),
        "{}",
        case.text
    );
    assert_eq!((case.confidence, case.pressing), (65, false));
    assert_eq!(case.evidence[0].figure, "30 min");
    let (earliest, likely, latest) = lab.left();
    assert!(
        (20.0..90.0).contains(&likely) && earliest <= likely && likely <= latest,
        "{likely}"
    );
    for week in 35..42_u32 {
        lab.days(7, ups(1.0 - f64::from(week) * 0.01));
    }
    assert!(lab.case().pressing);
    // A new one is in.
    lab.days(14, ups(1.0));
    lab.missing();
}

#[test]
fn the_health_that_is_told_goes_before_the_time() {
    let mut lab = Lab::<Battery>::new();
    lab.days(30, ups(1.0));
    for week in 0..30_u32 {
        lab.days(7, |_| health(95.0 - f64::from(week)));
    }
    let case = lab.case();
    assert_eq!(
        (case.confidence, case.evidence[0].figure.as_str()),
        (85, "100 %")
    );
    assert_eq!(case.evidence[0].what, "health, at first");
}

#[test]
fn a_battery_that_ages_as_it_should_is_no_matter() {
    let mut lab = Lab::<Battery>::new();
    for week in 0..150_u32 {
        lab.days(7, ups(1.0 - f64::from(week) * 0.001));
        assert!(
            !matches!(lab.finding(), Finding::Foreseen(_)),
            "{:?}",
            lab.finding()
        );
    }
    assert!(
        matches!(lab.finding(), Finding::Clear(Some(_))),
        "{:?}",
        lab.finding()
    );
    let kept = serde_json::to_string(&lab.tracker).unwrap();
    assert!(kept.len() < 6_000, "{}", kept.len());
    let mut lab = Lab::<Battery>::new();
    lab.days(100, ups(1.0));
    lab.is_clear();
}

#[test]
fn what_is_told_on_the_battery_or_while_it_charges_does_not_count() {
    let odd = |figures: [(&str, f64); 4]| vec![reading("ups-rack", figures)];
    let mut lab = Lab::<Battery>::new();
    for figures in [
        [
            ("charge_pct", 60.0),
            ("load_pct", 20.0),
            ("runtime_s", 900.0),
            ("on_battery", 0.0),
        ],
        [
            ("charge_pct", 100.0),
            ("load_pct", 20.0),
            ("runtime_s", 900.0),
            ("on_battery", 1.0),
        ],
        [
            ("charge_pct", 100.0),
            ("load_pct", 1.0),
            ("runtime_s", 900.0),
            ("on_battery", 0.0),
        ],
    ] {
        lab.days(80, |_| odd(figures));
    }
    assert_eq!(lab.missing(), "10 more weeks on the mains");
    let strange = vec![reading("ups-rack", [("battery_health_pct", 900.0)])];
    lab.days(80, |_| strange.clone());
    lab.missing();
    let mute = [reading("ups-rack", [("runtime_s", 900.0)])];
    lab.step(&mute);
    let silent = [reading(
        "ups-rack",
        [("charge_pct", 100.0), ("load_pct", 9.0)],
    )];
    lab.step(&silent);
    lab.missing();
}
