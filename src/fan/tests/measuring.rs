//! The guided run.

use super::*;

/// Runs a whole measuring on a fan that turns above `min` and begins at `start`.
fn measure(min: f64, start: f64) -> Next {
    let mut run = Measuring::new(80.0);
    let (mut drive, mut turns, mut now) = (50.0, true, Duration::ZERO);
    let mut before = 0.0;
    for _ in 0..500 {
        turns = if turns { drive >= min } else { drive >= start };
        let seen = Seen {
            hottest_c: Some(50.0),
            rpm: Some(if turns { 300.0 + 10.0 * drive } else { 0.0 }),
            drive_pct: Some(drive),
        };
        match run.step(now, seen) {
            Next::Drive(next) => drive = next,
            end @ (Next::Done(_) | Next::Failed(_)) => return end,
        }
        assert!(run.progress_pct() >= before, "it does not go back");
        before = run.progress_pct();
        now += FansConfig::STEP;
    }
    panic!("it does not end")
}

#[test]
fn a_guided_run_finds_the_least_and_the_starting_drive() {
    let Next::Done(found) = measure(22.0, 33.0) else {
        panic!("not measured")
    };
    assert_eq!((found.min_pct, found.start_pct), (25.0, 35.0));
    assert_eq!((found.speeds.len(), found.speeds[0]), (16, (100.0, 1300.0)));
    let Next::Done(pump) = measure(-1.0, 0.0) else {
        panic!("not measured")
    };
    assert_eq!((pump.min_pct, pump.start_pct), (0.0, 0.0));
    let Next::Failed(text) = measure(30.0, 200.0) else {
        panic!("measured")
    };
    assert!(text.contains("does not begin to turn again"));
    let Next::Failed(text) = measure(200.0, 200.0) else {
        panic!("measured")
    };
    assert!(text.contains("does not turn at full drive"));
}

#[test]
fn a_guided_run_ends_in_every_doubt() {
    let good = Seen {
        hottest_c: Some(50.0),
        rpm: Some(900.0),
        drive_pct: Some(50.0),
    };
    for (seen, words) in [
        (
            Seen {
                hottest_c: None,
                ..good
            },
            "no temperature",
        ),
        (
            Seen {
                hottest_c: Some(76.0),
                ..good
            },
            "76 °C is too hot",
        ),
        (Seen { rpm: None, ..good }, "not counted"),
    ] {
        let mut run = Measuring::new(80.0);
        assert_eq!(run.step(Duration::ZERO, good), Next::Drive(100.0));
        let Next::Failed(text) = run.step(FansConfig::STEP, seen) else {
            panic!("{words}")
        };
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn what_was_measured_holds_where_the_configuration_says_nothing() {
    let plain = FanConfig {
        min_pct: None,
        start_pct: None,
        ..config()
    };
    let mut cautious = Regulator::new(&plain, Wish::Fixed(1.0), None);
    let seen = Seen {
        hottest_c: Some(30.0),
        rpm: Some(500.0),
        drive_pct: None,
    };
    close(cautious.step(Duration::ZERO, seen).0, 30.0);
    let mut known = Regulator::new(&plain, Wish::Fixed(1.0), Some((12.0, 18.0)));
    close(known.step(Duration::ZERO, seen).0, 12.0);
}
