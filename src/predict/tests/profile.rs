use std::collections::BTreeMap;

use crate::predict::point::{Point, Regime, expected, of_pair, pair};
use crate::predict::profile::{Profile, WEEKS};

/// A figure at one load, a minute long.
fn take(profile: &mut Profile, day: f64, regime: Regime, figure: f64) -> bool {
    profile.take(day, 1.0, regime, Point { at: 50.0, figure })
}

fn figures(points: BTreeMap<Regime, Point>) -> BTreeMap<Regime, f64> {
    let figures = points.into_iter();
    figures
        .map(|(regime, point)| (regime, point.figure))
        .collect()
}

/// Some days with twenty minutes each at one load.
fn days(profile: &mut Profile, from: u32, count: u32, figure: impl Fn(u32) -> f64) {
    for day in from..from + count {
        for minute in 0..20 {
            let at = f64::from(day) + f64::from(minute) / 1_440.0;
            take(profile, at, 3, figure(day));
        }
    }
}

#[test]
fn the_first_days_are_the_baseline_and_the_last_ones_now() {
    let mut profile = Profile::default();
    days(&mut profile, 100, 10, |_| 20.0);
    assert_eq!(figures(profile.first()), BTreeMap::new());
    assert_eq!(profile.learnt_days(), 9, "the tenth is not over");
    let missing = profile.missing("at the usual load");
    assert_eq!(
        missing,
        "5 more days with at least 10 minutes at the usual load"
    );
    days(
        &mut profile,
        110,
        10,
        |day| if day == 112 { 90.0 } else { 20.0 },
    );
    assert_eq!(
        figures(profile.first()),
        BTreeMap::from([(3, 20.0)]),
        "one day is no matter"
    );
    days(&mut profile, 120, 10, |_| 25.0);
    assert_eq!(figures(profile.first()), BTreeMap::from([(3, 20.0)]));
    assert_eq!(figures(profile.now()), BTreeMap::from([(3, 25.0)]));
    assert_eq!(profile.scatter(3), Some(0.0));
    assert_eq!(profile.scatter(4), None);
    profile.relearn();
    assert_eq!(
        (figures(profile.first()), figures(profile.now())),
        Default::default()
    );
}

#[test]
fn days_with_too_little_do_not_count_and_old_ones_are_not_now() {
    let mut profile = Profile::default();
    for day in 0..20 {
        take(&mut profile, f64::from(day), 1, 9.0);
    }
    assert_eq!(profile.learnt_days(), 0);
    days(&mut profile, 30, 5, |_| 9.0);
    // A fortnight off: what was before may not be so now; what was learnt holds.
    days(&mut profile, 80, 2, |_| 9.0);
    assert_eq!(figures(profile.now()), BTreeMap::new());
    assert_eq!(profile.learnt_days(), 6);
    assert_eq!(profile.step(), None, "too few days");
    // A few days off are no matter.
    days(&mut profile, 90, 2, |_| 9.0);
    assert_eq!(figures(profile.now()), BTreeMap::from([(3, 9.0)]));
}

#[test]
fn pairs_of_regimes_are_held_against_each_other_day_by_day() {
    let mut profile = Profile::of_pairs();
    for day in 0..20 {
        let room = f64::from(day);
        for minute in 0..200 {
            // The middle regime is met often enough to hold others against it, the highest is not.
            let regime = if minute < 120 {
                0
            } else if minute < 180 {
                2
            } else {
                4
            };
            let point = Point {
                at: f64::from(regime) * 20.0,
                figure: room + f64::from(regime) * 10.0,
            };
            profile.take(room, 1.0, regime, point);
        }
    }
    let want = [(pair(0, 2), 20.0), (pair(0, 4), 40.0), (pair(2, 4), 20.0)];
    assert_eq!(figures(profile.first()), BTreeMap::from(want));
    assert_eq!(of_pair(pair(2, 4)), (2, 4));
    assert!(profile.is_of_pairs() && profile.is_learnt());
}

#[test]
fn a_clock_that_was_ahead_stops_nothing() {
    let mut profile = Profile::default();
    days(&mut profile, 1_000, 10, |_| 9.0);
    profile.rewind(20.5);
    days(&mut profile, 21, 10, |_| 9.0);
    assert_eq!(figures(profile.first()), BTreeMap::from([(3, 9.0)]));
}

#[test]
fn nothing_met_nothing_learnt() {
    let profile = Profile::default();
    assert!(!profile.is_learnt());
    assert_eq!(profile.learnt_days(), 0);
}

#[test]
fn a_regime_that_is_seldom_met_is_known_from_fewer_days() {
    let mut profile = Profile::default();
    let other = |profile: &mut Profile, from: u32, count: u32| {
        for day in from..from + count {
            for _ in 0..20 {
                take(profile, f64::from(day), 9, 1.0);
            }
        }
    };
    for week in 0..7 {
        days(&mut profile, 100 + week * 7, 1, |_| 20.0);
        other(&mut profile, 101 + week * 7, 6);
    }
    take(&mut profile, 149.0, 9, 1.0);
    assert_eq!(
        figures(profile.first()),
        BTreeMap::from([(3, 20.0), (9, 1.0)])
    );
    assert_eq!(figures(profile.now()), BTreeMap::from([(9, 1.0)]));
    assert_eq!(
        figures(profile.lately()),
        BTreeMap::from([(3, 20.0), (9, 1.0)])
    );
    other(&mut profile, 150, 40);
    let lately = figures(profile.lately());
    assert_eq!(lately, BTreeMap::from([(9, 1.0)]), "long ago");
}

#[test]
fn the_ratio_is_noted_week_by_week_and_bounded() {
    let mut profile = Profile::default();
    for day in 0_u32..600 {
        days(&mut profile, day, 1, |_| 1.0);
        profile.note(1.0);
        profile.note(5.0);
    }
    assert_eq!(profile.weeks().count(), WEEKS);
    assert!(profile.weeks().all(|(_, ratio)| ratio < 2.0));
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
}

#[test]
fn what_is_expected_lies_between_what_is_known_beside_it() {
    let point = |at: f64, figure: f64| Point { at, figure };
    let known = BTreeMap::from([
        (1, point(20.0, 10.0)),
        (2, point(50.0, 40.0)),
        (4, point(90.0, 60.0)),
    ]);
    for (regime, at, want) in [
        (2, 50.0, 40.0),
        (2, 70.0, 50.0),
        (2, 35.0, 25.0),
        // Beyond the last it goes on as before,
        (4, 100.0, 65.0),
        (1, 10.0, 0.0),
        // unless nothing as far off is known.
        (1, 90.0, 60.0),
        (1, 95.0, 10.0),
    ] {
        assert_eq!(expected(&known, regime, at), Some(want), "{regime} {at}");
    }
    assert_eq!(expected(&known, 3, 60.0), None);
}
