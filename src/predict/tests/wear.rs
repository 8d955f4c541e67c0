use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::outlook::Finding;
use crate::predict::wear::Wear;

fn worn(percent: f64) -> Vec<Reading> {
    vec![reading("disk-ssd", [("wear_pct", percent.floor())])]
}

#[test]
fn the_end_of_the_rated_life_follows_from_the_pace_of_the_steps() {
    let mut lab = Lab::<Wear>::new();
    lab.days(9, |day| worn(40.0 + day / 5.0));
    assert!(lab.missing().contains("two steps"), "{}", lab.missing());
    lab.days(91, |day| worn(41.8 + day / 5.0));
    lab.restart();
    // A fifth of a percent a day: 200 days to go.
    let Finding::Clear(Some(due)) = lab.finding() else {
        panic!("{:?}", lab.finding());
    };
    let left = crate::predict::scene::days(due.likely) - lab.day;
    assert!((190.0..215.0).contains(&left), "{left}");
    lab.days(50, |day| worn(60.0 + day / 5.0));
    let case = lab.case();
    assert_eq!((case.confidence, case.pressing), (90, false));
    let (earliest, likely, latest) = lab.left();
    assert!(
        (140.0..165.0).contains(&likely) && earliest < 130.0 && latest > 180.0,
        "{likely}"
    );
    assert_eq!(case.evidence[1].figure, "6.09 % a month");
    // Whatever wrote so much writes no more: it lasts.
    lab.days(100, |_| worn(69.9));
    assert!(
        matches!(lab.finding(), Finding::Clear(Some(_))),
        "{:?}",
        lab.finding()
    );
    lab.days(60, |day| worn(69.9 + day));
    let case = lab.case();
    assert!(
        case.pressing && case.text.contains("past its rated life"),
        "{case:?}"
    );
}

#[test]
fn an_old_part_tells_by_its_age_before_it_steps() {
    let aged = |hours: f64| {
        vec![reading(
            "disk-ssd",
            [("wear_pct", 88.0), ("power_on_hours", hours)],
        )]
    };
    let mut lab = Lab::<Wear>::new();
    lab.days(10, |_| aged(17_520.0));
    lab.missing();
    lab.days(6, |_| aged(17_520.0));
    let case = lab.case();
    assert_eq!(case.confidence, 60);
    let (earliest, likely, latest) = lab.left();
    assert!(
        (90.0..115.0).contains(&likely) && earliest < 60.0 && latest > 180.0,
        "{likely}"
    );
    // A part that is not worn at all has no pace, nor has one whose age is not known.
    let mut lab = Lab::<Wear>::new();
    lab.days(20, |_| {
        vec![reading(
            "disk-a",
            [("wear_pct", 0.0), ("power_on_hours", 9e3)],
        )]
    });
    lab.missing();
    let mut lab = Lab::<Wear>::new();
    lab.days(20, |_| worn(50.0));
    lab.missing();
}

#[test]
fn a_counter_that_goes_back_is_begun_anew_and_steps_are_bounded() {
    let mut lab = Lab::<Wear>::new();
    lab.days(70, worn);
    lab.days(1, |_| worn(3.0));
    lab.missing();
    let kept = serde_json::to_string(&lab.tracker).unwrap();
    assert!(kept.len() < 100, "{kept}");
    let other = [reading("cpu", [("usage_pct", 3.0)])];
    lab.step(&other);
}
