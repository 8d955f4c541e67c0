//! What the processor's own counter teaches.

use super::*;

#[test]
fn watts_by_counter_are_preferred_where_they_are_better() {
    let mut dice = Dice(5);
    let mut learned = Learned::default();
    for _ in 0..300 {
        // The same use costs this or that, by frequency; the counter knows.
        let (load, rapl) = (dice.roll(), 5.0 + 60.0 * dice.roll());
        learned.teach(
            load * 100.0,
            Some(rapl),
            22.0 + 1.2 * rapl + 0.2 * dice.noise(),
        );
    }
    for rapl in [5.0, 30.0, 65.0] {
        let estimate = learned.guess(50.0, Some(rapl)).unwrap();
        let error = estimate.watts / (22.0 + 1.2 * rapl) - 1.0;
        assert!(
            error.abs() < 0.02 && estimate.band.widest() < 0.05,
            "{error} {estimate:?}"
        );
    }
    // Without the counter, by use; a counter above the meter is not believed.
    assert!(learned.guess(50.0, None).unwrap().band.widest() > 0.1);
    let line = learned.counter;
    learned.teach(50.0, Some(500.0), 60.0);
    assert_eq!(learned.counter, line);
    // The machine has changed: the line follows.
    for _ in 0..200 {
        let rapl = 5.0 + 60.0 * dice.roll();
        learned.teach(50.0, Some(rapl), 52.0 + 1.2 * rapl);
    }
    let moved = learned.by_counter(&inputs(50.0, Some(30.0))).unwrap().watts;
    assert!((moved / 88.0 - 1.0).abs() < 0.03, "{moved}");
}

#[test]
fn a_counter_that_stands_still_tells_no_slope() {
    let mut learned = Learned::default();
    for _ in 0..40 {
        learned.teach(1.0, Some(4.0), 20.0);
    }
    let busy = learned.by_counter(&inputs(1.0, Some(24.0))).unwrap().watts;
    assert!((busy - 43.0).abs() < 1e-6, "{busy}");
    assert!(learned.by_counter(&inputs(1.0, None)).is_none());
}

#[test]
fn what_an_older_version_kept_of_the_counter_is_taken_over() {
    let text = r#"{"stretches":[],"by_usage":{"samples":0,"usual":0.25,"bias":0.0},
        "line":{"weight":3.0,"x":60.0,"y":150.0,"xx":1400.0,"xy":3300.0},
        "by_counter":{"samples":40,"usual":0.02,"bias":0.0}}"#;
    let old: Learned = serde_json::from_str(text).unwrap();
    let new = old.checked();
    let told = new.guess(0.0, Some(30.0)).unwrap();
    // 50 W at 20 W of the counter, and 1.5 W more for each of it, less what is assumed.
    assert!((told.watts - 65.0).abs() < 0.2, "{told:?}");
    assert_eq!(new.line, Line::default());
    assert_eq!(new.clone().checked(), new);
}

#[test]
fn watts_by_use_are_preferred_where_the_counter_tells_nothing() {
    let mut dice = Dice(31);
    let mut learned = Learned::default();
    for _ in 0..400 {
        let usage = 100.0 * dice.roll();
        let rapl = 5.0 * dice.roll();
        learned.teach(usage, Some(rapl), 20.0 + 0.5 * usage);
    }
    for usage in [10.0, 50.0, 90.0] {
        let told = learned.guess(usage, Some(2.0)).unwrap();
        assert!(
            (told.watts / (20.0 + 0.5 * usage) - 1.0).abs() < 0.02,
            "{told:?}"
        );
        assert!(told.band.widest() < 0.06, "{told:?}");
    }
}
