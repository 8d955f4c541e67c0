use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::memory::Memory;

fn errors(count: f64) -> Vec<Reading> {
    vec![reading(
        "memory-errors",
        [("corrected_errors", count.floor())],
    )]
}

#[test]
fn errors_again_and_again_are_a_module_that_fails() {
    let mut lab = Lab::<Memory>::new();
    lab.days(2, |_| errors(7.0));
    assert_eq!(lab.missing(), "3 days of watching it");
    lab.days(2, |_| errors(7.0));
    lab.is_clear();
    lab.days(5, |day| errors(7.0 + day * 3.0));
    lab.restart();
    let case = lab.case();
    assert!(
        case.text
            .contains("14 errors right on 5 of the last 30 days"),
        "{}",
        case.text
    );
    assert_eq!((case.confidence, case.pressing), (65, true));
    lab.days(6, |day| errors(22.0 + day * 3.0));
    assert_eq!(lab.case().confidence, 80);
    lab.days(40, |_| errors(39.0));
    lab.is_clear();
}

#[test]
fn one_in_a_while_is_nature_and_a_new_kernel_counts_anew() {
    let mut lab = Lab::<Memory>::new();
    for month in 0..6_u32 {
        lab.days(30, |_| errors(f64::from(month)));
        lab.is_clear();
    }
    lab.days(5, |_| errors(0.0));
    lab.is_clear();
    for day in 0..4_u32 {
        lab.days(1, |_| errors(0.0));
        lab.days(1, |_| errors(f64::from(day) + 2.0));
    }
    // 2 + 3 + 4 + 5 after as many restarts.
    assert!(
        lab.case().text.contains("put 14 errors right"),
        "{}",
        lab.case().text
    );
    lab.days(200, |day| errors(day * 2.0));
    let kept = serde_json::to_string(&lab.tracker).unwrap();
    assert!(kept.len() < 2_000, "{}", kept.len());
}
