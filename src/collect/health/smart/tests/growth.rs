//! What grows from day to day, and what is made of that.

use super::*;

#[test]
fn sectors_are_judged_by_level_and_by_growth() {
    let growing = |reallocated, pending| Growth {
        reallocated,
        pending,
        ..Growth::default()
    };
    let again = |reallocated, pending| Growth {
        again: true,
        ..growing(reallocated, pending)
    };
    for (rotation, counts, growth, want) in [
        (7200, [0, 0, 0], growing(0, 0), Level::Ok),
        (7200, [1, 0, 0], growing(0, 0), Level::Watch),
        (7200, [99, 19, 0], growing(4, 4), Level::Watch),
        (7200, [100, 0, 0], growing(0, 0), Level::Warning),
        (7200, [0, 20, 0], growing(0, 0), Level::Warning),
        (7200, [0, 0, 20], growing(0, 0), Level::Warning),
        (7200, [8, 0, 0], growing(5, 0), Level::Warning),
        (7200, [100, 0, 0], growing(5, 0), Level::Failing),
        (7200, [0, 22, 0], growing(0, 22), Level::Failing),
        // A few that come again and again are not one bad spot; a count that stands is.
        (7200, [3, 0, 0], again(2, 0), Level::Warning),
        (7200, [3, 0, 0], again(0, 2), Level::Watch),
        (7200, [100, 0, 0], again(1, 0), Level::Failing),
        // What replaces blocks by design is judged more mildly.
        (0, [110, 0, 0], growing(0, 0), Level::Watch),
        (0, [9, 0, 0], growing(9, 0), Level::Watch),
        (0, [110, 0, 0], growing(9, 0), Level::Warning),
        (0, [0, 20, 0], growing(0, 0), Level::Warning),
    ] {
        let report = parse(0, &ata(rotation, counts));
        let verdict = Verdict::of(&report, growth, &Known::default());
        assert_eq!(verdict.level, want, "{rotation} {counts:?} {growth:?}");
        assert_eq!(verdict.reasons.is_empty(), want == Level::Ok);
        assert_eq!(want.advice().is_none(), want == Level::Ok);
    }
    let report = parse(0, &ata(7200, [60, 0, 0]));
    let said = Verdict::of(&report, growing(7, 0), &Known::default()).reasons;
    assert_eq!(said, ["replaced sectors: 60, 7 more within a week"]);
    assert_eq!(level(0, &scsi(0, 0)), Level::Ok);
    assert_eq!(level(0, &scsi(3, 0)), Level::Watch);
    assert_eq!(level(0, &scsi(0, 22)), Level::Warning);
}

#[test]
fn a_cable_s_errors_are_told_when_they_grow() {
    let report = parse(0, &ata(7200, [0; 3]));
    let growth = Growth {
        crc_errors: 2,
        ..Growth::default()
    };
    let verdict = Verdict::of(&report, growth, &Known::default());
    assert_eq!(verdict.level, Level::Watch);
    assert!(verdict.reasons[0].contains("cable"), "{verdict:?}");
}

#[test]
fn what_grows_on_two_days_of_a_week_grows_again() {
    let mut trend = Trend::default();
    let mut again = |[reallocated, pending]: [u64; 2], hours: i64| {
        let counts = Counts {
            reallocated: Some(reallocated),
            pending: Some(pending),
            ..Counts::default()
        };
        let now = Timestamp::from_second(1_790_000_000 + hours * 3600).unwrap();
        trend.growth(counts, now).again
    };
    assert!(!again([0, 0], 0));
    assert!(!again([0, 2], 1));
    assert!(!again([0, 3], 2), "still the same bad spot");
    assert!(!again([0, 3], 24));
    assert!(!again([3, 0], 48), "what was pending is replaced");
    assert!(again([4, 0], 72));
    assert!(again([4, 0], 24 * 8));
    assert!(!again([4, 0], 24 * 10), "it has come to rest");
}

#[test]
fn growth_is_that_of_the_last_week() {
    let mut trend = Trend::default();
    let mut grown = |sectors, hours: i64| {
        let counts = Counts {
            reallocated: Some(sectors),
            ..Counts::default()
        };
        let now = Timestamp::from_second(1_790_000_000 + hours * 3600).unwrap();
        trend.growth(counts, now).reallocated
    };
    assert_eq!(grown(3, 0), 0);
    assert_eq!(grown(4, 1), 1);
    assert_eq!(grown(9, 24), 6);
    assert_eq!(grown(9, 24 * 7), 6);
    assert_eq!(grown(9, 24 * 8), 0);
    assert_eq!(grown(1, 24 * 9), 0, "a count that falls has not grown");
    // A clock that was wrong does not keep a point for ever.
    assert_eq!(grown(1, 24 * 3650), 0);
    assert_eq!(grown(2, 24 * 10), 1);
    assert_eq!(grown(2, 24 * 18), 0);
    assert_eq!(LEVELS[4], Level::Unreadable.as_str());
}
