use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::outlook::Finding;
use crate::predict::space::Space;

const GIB: f64 = 1_073_741_824.0;
const SIZE: f64 = 1_000.0 * GIB;

fn used(gib: f64) -> Vec<Reading> {
    let used = gib * GIB;
    vec![reading(
        "fs-srv",
        [("used_bytes", used), ("free_bytes", SIZE - used)],
    )]
}

#[test]
fn a_filesystem_that_fills_has_a_date() {
    let mut lab = Lab::<Space>::new();
    // Logs come and go each day on top.
    let fills = |day: f64| used(600.0 + day * 5.0 + 20.0 * day.fract());
    lab.days(10, fills);
    assert_eq!(lab.missing(), "5 more days");
    lab.days(30, |day| fills(day + 10.0));
    lab.restart();
    let case = lab.case();
    assert!(case.text.contains("5.0 GiB a day more"), "{}", case.text);
    assert_eq!((case.confidence, case.pressing), (90, false));
    let (earliest, likely, latest) = lab.left();
    assert!(
        (36.0..44.0).contains(&likely) && earliest <= likely && likely <= latest,
        "{likely}"
    );
    lab.days(30, |day| fills(day + 40.0));
    assert!(lab.case().pressing);
    // Somebody has made room.
    lab.days(8, |_| used(500.0));
    lab.is_clear();
}

#[test]
fn the_date_is_the_same_at_every_time_of_the_day() {
    let mut lab = Lab::<Space>::new();
    let start = lab.day;
    let full = start + 80.0;
    lab.days(40, |day| used(600.0 + day * 5.0));
    for _ in 0..40 {
        let now = used(600.0 + (lab.day - start) * 5.0);
        lab.step(&now);
        let (_, likely, _) = lab.left();
        assert!(
            (lab.day + likely - full).abs() < 0.05,
            "{likely} on {}",
            lab.day
        );
    }
}

#[test]
fn what_is_full_is_not_called_over_until_there_is_room() {
    let mut lab = Lab::<Space>::new();
    lab.days(60, |day| used((600.0 + day * 10.0).min(1_000.0)));
    let case = lab.case();
    assert_eq!((case.text.as_str(), case.pressing), ("it is full", true));
    assert!(lab.left().1 < 0.1);
    lab.days(5, |_| used(700.0));
    lab.is_clear();
    // Full since ever: made so.
    let mut lab = Lab::<Space>::new();
    lab.days(30, |_| used(1_000.0));
    lab.is_clear();
}

#[test]
fn what_is_not_clear_has_no_date() {
    // A saw: cleaned every so often.
    for period in [3.0, 7.0, 30.0, 45.0] {
        let mut lab = Lab::<Space>::new();
        for days in 0_u32..5 {
            lab.days(40, |day| {
                used(700.0 + ((day + f64::from(days) * 40.0) % period) * 150.0 / period)
            });
        }
        assert!(
            !matches!(lab.finding(), Finding::Foreseen(_)),
            "{period}: {:?}",
            lab.finding()
        );
    }
    // Still, and noise.
    let mut lab = Lab::<Space>::new();
    lab.days(60, |day| used(700.0 + 10.0 * (day * 2.3).sin()));
    lab.is_clear();
    // A burst that has ended.
    let mut lab = Lab::<Space>::new();
    lab.days(40, |_| used(300.0));
    lab.days(5, |day| used(300.0 + 60.0 * day));
    lab.days(10, |_| used(600.0));
    lab.is_clear();
}

#[test]
fn what_grows_slowly_has_a_date_far_off_and_is_no_matter() {
    let mut lab = Lab::<Space>::new();
    lab.days(100, |day| used(300.0 + day / 2.0));
    let Finding::Clear(Some(due)) = lab.finding() else {
        panic!("{:?}", lab.finding());
    };
    assert!(crate::predict::scene::days(due.likely) - lab.day > 1_000.0);
}

#[test]
fn what_came_down_by_itself_from_there_may_do_so_again() {
    let mut lab = Lab::<Space>::new();
    lab.days(20, |_| used(880.0));
    lab.days(30, |day| used(500.0 + day * 12.0));
    lab.is_clear();
    lab.days(8, |day| used(860.0 + day * 12.0));
    assert!(
        matches!(lab.finding(), Finding::Foreseen(_)),
        "higher than ever: {:?}",
        lab.finding()
    );
}

#[test]
fn a_wavering_growth_is_told_with_less_confidence() {
    let mut lab = Lab::<Space>::new();
    lab.days(40, |day| {
        used(690.0 + day.floor() * 4.0 + 15.0 * (day.floor() * 1.9).sin())
    });
    assert_eq!(lab.case().confidence, 70);
}

#[test]
fn what_is_read_only_or_tells_half_is_left_alone_and_days_are_bounded() {
    let image = reading(
        "fs-image",
        [("used_bytes", 9.0), ("free_bytes", 0.0), ("read_only", 1.0)],
    );
    let half = reading("fs-half", [("used_bytes", 9.0)]);
    let mut lab = Lab::<Space>::new();
    lab.days(20, |_| vec![image.clone(), half.clone()]);
    lab.missing();
    lab.days(300, |_| used(1.0));
    let kept = serde_json::to_string(&lab.tracker).unwrap();
    assert!(kept.len() < 4_000, "{}", kept.len());
}
