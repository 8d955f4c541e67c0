use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::disk::Disk;
use crate::predict::tracker::Tracker as _;

fn bad(replaced: f64, pending: f64) -> Vec<Reading> {
    vec![reading(
        "disk-a",
        [("reallocated", replaced), ("pending", pending)],
    )]
}

#[test]
fn growth_again_and_again_is_an_end_that_comes() {
    let mut lab = Lab::<Disk>::new();
    lab.days(2, |_| bad(3.0, 0.0));
    assert_eq!(lab.missing(), "3 days of watching it");
    lab.days(10, |_| bad(3.0, 0.0));
    lab.is_clear();
    lab.days(12, |day| bad(3.0, (day / 3.0).floor()));
    lab.is_clear();
    lab.days(6, |day| bad(3.0, 3.0 + day.floor()));
    lab.restart();
    let case = lab.case();
    assert!(
        case.text.contains("its bad sectors become more: on 8 of"),
        "{}",
        case.text
    );
    assert_eq!((case.confidence, case.pressing), (85, false));
    // 39 to go, at one a day of late.
    let (earliest, likely, latest) = lab.left();
    assert!(
        (35.0..45.0).contains(&likely) && earliest < 20.0 && latest > 100.0,
        "{likely}"
    );
    let figures: Vec<_> = case
        .evidence
        .iter()
        .map(|one| one.figure.as_str())
        .collect();
    assert_eq!(figures, ["1.0 a day", "50", "11"]);
}

#[test]
fn one_bad_spot_is_none() {
    let mut lab = Lab::<Disk>::new();
    lab.days(10, |_| bad(0.0, 0.0));
    lab.days(5, |_| bad(0.0, 8.0));
    // They are replaced: the same sectors.
    lab.days(5, |_| bad(8.0, 0.0));
    lab.is_clear();
    // Many at once, and soon again, are more than a spot.
    lab.days(2, |_| bad(20.0, 0.0));
    let case = lab.case();
    assert!(case.pressing, "{case:?}");
    assert_eq!(case.confidence, 60);
    // Much later it has calmed down.
    lab.days(50, |_| bad(20.0, 0.0));
    lab.is_clear();
}

#[test]
fn errors_of_disks_without_sectors_count_as_well() {
    let errors = |count: f64| vec![reading("disk-nvme", [("uncorrectable", count)])];
    let mut lab = Lab::<Disk>::new();
    lab.days(5, |_| errors(0.0));
    lab.days(8, |day| errors((day / 2.0).floor() * 2.0));
    let case = lab.case();
    assert!(
        case.evidence.iter().any(|one| one.what == "errors"),
        "{case:?}"
    );
    assert_eq!(case.confidence, 70);
    let others = [reading("disk-b", []), reading("fs-a", [("pending", 1.0)])];
    let wanted = super::seen(&others).iter().any(Disk::wants);
    assert!(!wanted, "neither is looked at");
}

#[test]
fn what_is_remembered_of_a_disk_is_bounded_and_a_clock_that_was_ahead_does_no_harm() {
    let mut lab = Lab::<Disk>::new();
    lab.days(200, |day| bad(day.floor(), 0.0));
    let kept = serde_json::to_string(&lab.tracker).unwrap();
    assert!(kept.len() < 2_000, "{}", kept.len());
    lab.day -= 150.0;
    lab.days(4, |_| bad(1.0, 0.0));
    lab.finding();
}
