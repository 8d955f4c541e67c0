use super::*;

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn placed(period: &str, now: &str) -> Frame {
    let period: Period = period.parse().unwrap();
    period.place(at(now), &berlin()).unwrap()
}

/// Local time.
fn at(text: &str) -> Timestamp {
    let local: DateTime = text.parse().unwrap();
    local.to_zoned(berlin()).unwrap().timestamp()
}

fn told(span: Span) -> String {
    let form = |at: Timestamp| at.to_zoned(berlin()).strftime("%F %H:%M").to_string();
    format!("{} – {}", form(span.from), form(span.to))
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn a_period_is_placed_and_held_against_as_much_of_the_one_before_and_of_last_year() {
    let now = "2026-05-31T14:00";
    let want = [
        (
            "day",
            "Sun 31 May 2026 so far",
            "2026-05-31 00:00 – 2026-05-31 14:00",
            "2026-05-30 00:00 – 2026-05-30 14:00",
            Some("2025-05-31 00:00 – 2025-05-31 14:00"),
        ),
        (
            "yesterday",
            "Sat 30 May 2026",
            "2026-05-30 00:00 – 2026-05-31 00:00",
            "2026-05-29 00:00 – 2026-05-30 00:00",
            Some("2025-05-30 00:00 – 2025-05-31 00:00"),
        ),
        (
            "week",
            "week of Mon 25 May 2026 so far",
            "2026-05-25 00:00 – 2026-05-31 14:00",
            "2026-05-18 00:00 – 2026-05-24 14:00",
            Some("2025-05-26 00:00 – 2025-06-01 14:00"),
        ),
        // April has no 31st: its last day serves.
        (
            "month",
            "May 2026 so far",
            "2026-05-01 00:00 – 2026-05-31 14:00",
            "2026-04-01 00:00 – 2026-04-30 14:00",
            Some("2025-05-01 00:00 – 2025-05-31 14:00"),
        ),
        // All of a month is held against all of the one before.
        (
            "last-month",
            "April 2026",
            "2026-04-01 00:00 – 2026-05-01 00:00",
            "2026-03-01 00:00 – 2026-04-01 00:00",
            Some("2025-04-01 00:00 – 2025-05-01 00:00"),
        ),
        (
            "2026-03",
            "March 2026",
            "2026-03-01 00:00 – 2026-04-01 00:00",
            "2026-02-01 00:00 – 2026-03-01 00:00",
            Some("2025-03-01 00:00 – 2025-04-01 00:00"),
        ),
        (
            "year",
            "2026 so far",
            "2026-01-01 00:00 – 2026-05-31 14:00",
            "2025-01-01 00:00 – 2025-05-31 14:00",
            None,
        ),
        // The last date is part of a range.
        (
            "2026-05-01..2026-05-10",
            "1 May 2026 to 10 May 2026",
            "2026-05-01 00:00 – 2026-05-11 00:00",
            "2026-04-21 00:00 – 2026-05-01 00:00",
            Some("2025-05-01 00:00 – 2025-05-11 00:00"),
        ),
        (
            "2025-11..2026-01",
            "1 Nov 2025 to 31 Jan 2026",
            "2025-11-01 00:00 – 2026-02-01 00:00",
            "2025-08-01 00:00 – 2025-11-01 00:00",
            Some("2024-11-01 00:00 – 2025-02-01 00:00"),
        ),
        (
            "2026-05-01T10:00:00Z..2026-05-01T16:00:00Z",
            "1 May 2026 12:00 to 1 May 2026 18:00",
            "2026-05-01 12:00 – 2026-05-01 18:00",
            "2026-05-01 06:00 – 2026-05-01 12:00",
            Some("2025-05-01 12:00 – 2025-05-01 18:00"),
        ),
    ];
    for (period, name, span, before, last_year) in want {
        let frame = placed(period, now);
        assert_eq!(frame.name, name);
        assert_eq!(told(frame.span), span, "{period}");
        assert_eq!(told(frame.before), before, "{period} before");
        let told = frame.last_year.map(told);
        assert_eq!(told.as_deref(), last_year, "{period} last year");
    }
}

#[test]
fn days_of_23_and_25_hours_are_what_they_are() {
    for (day, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-05-01", 24)] {
        let frame = placed(day, "2026-12-01T00:00");
        assert!(
            (frame.span.hours() - f64::from(hours)).abs() < 1e-9,
            "{day}"
        );
        let bins = frame.bins(frame.span, frame.grain());
        assert_eq!(bins.len(), usize::try_from(hours).unwrap(), "{day}");
        assert!(bins.iter().all(|bin| (bin.hours() - 1.0).abs() < 1e-9));
    }
    let march = placed("2026-03", "2026-12-01T00:00");
    let days = march.bins(march.span, march.grain());
    assert_eq!(days.len(), 31);
    assert!((days[28].hours() - 23.0).abs() < 1e-9);
    let year = placed("2026", "2026-12-02T12:00");
    let months = year.bins(year.span, year.grain());
    assert_eq!(months.len(), 12);
    assert!(
        (months[11].hours() - 36.0).abs() < 1e-9,
        "it has only begun"
    );
    assert!(months[0].has(year.span.from) && !months[0].has(months[0].to));
}

#[test]
fn what_is_no_period_is_told_with_what_would_be_one() {
    for text in [
        "",
        "fortnight",
        "2026-13",
        "2026-05-01..",
        "..",
        "20260501",
        "ünï-",
    ] {
        assert_eq!(text.parse::<Period>(), Err(PeriodError::Form), "{text}");
    }
    for text in ["9999", "9999-12", "9999-12-31", "2026..9999"] {
        let period = text.parse::<Period>();
        assert_eq!(period, Err(PeriodError::Calendar), "{text}");
    }
    let second: Period = "2026-05-01T10:00:00Z..2026-05-01T10:00:01Z"
        .parse()
        .unwrap();
    let placed = second.place(at("2026-05-02T00:00"), &TimeZone::UTC);
    assert_eq!(
        placed.unwrap().name,
        "1 May 2026 10:00:00 to 1 May 2026 10:00:01"
    );
    let reversed = "2026-05-02..2026-05-01".parse::<Period>();
    assert_eq!(reversed, Err(PeriodError::Reversed));
    let future: Period = "2027".parse().unwrap();
    let placed = future.place(at("2026-05-01T00:00"), &TimeZone::UTC);
    assert_eq!(placed, Err(PeriodError::Future));
    for (text, fault) in [
        (
            "-009999-01-03T00:00:00Z..-009999-01-05T00:00:00Z",
            PeriodError::Calendar,
        ),
        // Years that nobody keeps would only cost time.
        (
            "-009999-01-03T00:00:00Z..2026-01-01T00:00:00Z",
            PeriodError::Long,
        ),
        ("1970-01-01..2026-04-30", PeriodError::Long),
        // Mostly yet to come.
        ("2026-01-01..2126-01-01", PeriodError::Long),
    ] {
        let period: Period = text.parse().unwrap();
        let placed = period.place(at("2026-05-01T00:00"), &TimeZone::UTC);
        assert_eq!(placed, Err(fault), "{text}");
    }
    let ten_years: Period = "2016-05-01..2026-04-30".parse().unwrap();
    assert!(
        ten_years
            .place(at("2026-05-01T00:00"), &TimeZone::UTC)
            .is_ok()
    );
}
