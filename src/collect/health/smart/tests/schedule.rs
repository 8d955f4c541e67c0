use jiff::tz::TimeZone;

use super::super::selftest::{Length, Record, Schedule};
use super::*;
use crate::config::Problems;

fn schedule(table: &str) -> (Schedule, Vec<String>) {
    let source = config::File::from_str(table, config::FileFormat::Toml);
    let built = config::Config::builder()
        .add_source(source)
        .build()
        .unwrap();
    let problems = Problems::default();
    let value = config::Value::new(None, built.cache.into_table().unwrap());
    let section = Section::new("collect.smart.selftest".to_owned(), value, &problems);
    let schedule = Schedule::read(section);
    let faults = problems.into_vec();
    (schedule, faults.iter().map(ToString::to_string).collect())
}

/// So many hours after a midnight.
fn at(hours: i64) -> Timestamp {
    let midnight: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    midnight + jiff::SignedDuration::from_hours(hours)
}

#[test]
fn tests_are_due_at_night_and_by_their_age() {
    let due = |table: &str, record: &Record, hours| {
        schedule(table).0.due(record, at(hours), &TimeZone::UTC)
    };
    let new = Record::default();
    assert_eq!(due("", &new, 3), None, "nothing is scheduled by default");
    let both = "short = \"7d\"\nlong = \"30d\"";
    for (hour, want) in [
        (0, None),
        (1, Some(Length::Long)),
        (5, Some(Length::Long)),
        (6, None),
    ] {
        assert_eq!(due(both, &new, hour), want, "{hour}");
    }
    for (hour, is_night) in [(21, false), (22, true), (1, true), (5, false)] {
        let table = "short = \"7d\"\nhours = \"22-5\"";
        assert_eq!(due(table, &new, hour).is_some(), is_night, "{hour}");
    }
    // The long one counts for the short one as well.
    let mut record = Record::default();
    record.begin(Length::Long, at(3));
    for (day, want) in [
        (6, None),
        (7, Some(Length::Short)),
        (29, Some(Length::Short)),
        (30, Some(Length::Long)),
    ] {
        assert_eq!(due(both, &record, day * 24 + 3), want, "{day}");
    }
    record.begin(Length::Short, at(7 * 24 + 3));
    assert_eq!(due(both, &record, 8 * 24 + 3), None);
    // One that could not begin waits.
    let mut failed = Record::default();
    failed.fail(at(1));
    assert_eq!(due(both, &failed, 5), None);
    assert_eq!(due(both, &failed, 25), Some(Length::Long));
}

#[test]
fn a_test_ends_when_the_disk_says_so_or_after_days() {
    let minute = jiff::SignedDuration::from_mins(1);
    let begun = || {
        let mut record = Record::default();
        record.begin(Length::Short, at(3));
        record
    };
    let ended = Some(Length::Short);
    for (runs, now, want) in [
        (true, at(4), None),
        // It may not say so yet.
        (false, at(3) + minute / 2, None),
        (false, at(3) + minute, ended),
        (true, at(3 + 4 * 24), ended),
        (true, at(2), ended),
    ] {
        let mut record = begun();
        assert_eq!(record.see(runs, now), want, "{runs} {now}");
        assert_eq!(record.running.is_none(), want.is_some());
    }
    assert_eq!(Record::default().see(true, at(3)), None);
}

#[test]
fn what_is_configured_must_make_sense() {
    for (table, said) in [
        ("short = \"1h\"", "short"),
        ("hours = \"3\"", "22-5"),
        ("hours = \"3-3\"", "22-5"),
        ("hours = \"3-24\"", "22-5"),
        ("often = 1", "not a known key"),
    ] {
        let (_, faults) = schedule(table);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(said), "{faults:?}");
    }
    assert!(schedule("hours = \"0-23\"\ncommand = true").0.by_command);
}
