//! How old a battery is, and what its tests have said.

use jiff::Timestamp;
use jiff::civil::Date;

use super::Told;

/// The words of `self_test`.
pub(super) const TESTS: &[&str] = &[
    "none", "passed", "warning", "failed", "running", "aborted", "unknown",
];

/// Nothing that is watched was built before.
const EARLIEST: i16 = 2002;

/// When the battery was made or put in, as far as that can be believed: the later of what is told.
pub(super) fn battery_date(told: &Told, now: Timestamp) -> Option<Timestamp> {
    let names = ["battery.date", "battery.mfr.date"];
    let dates = names.iter().filter_map(|name| date(told.text(name)?, now));
    dates.max()
}

/// When it was tested last.
pub(super) fn test_date(told: &Told, now: Timestamp) -> Option<Timestamp> {
    date(told.text("ups.test.date")?, now)
}

/// A day in one of the ways in which UPSes write it; one that lies ahead or long ago is what the
/// maker put in. Where day and month cannot be told apart the American order is meant, as the
/// drivers of APC have it.
fn date(text: &str, now: Timestamp) -> Option<Timestamp> {
    let day = text.split_whitespace().next()?;
    let parts: Vec<&str> = day.split(['/', '-', '.']).collect();
    let [first, second, third] = parts.as_slice() else {
        return None;
    };
    let number = |text: &str| text.parse::<i16>().ok();
    let (first_n, second_n, third_n) = (number(first)?, number(second)?, number(third)?);
    let (year, month, day) = if first.len() == 4 {
        (first_n, second_n, third_n)
    } else if day.contains('.') || first_n > 12 {
        (third_n, second_n, first_n)
    } else {
        (third_n, first_n, second_n)
    };
    let year = if (0..100).contains(&year) {
        year + 2000
    } else {
        year
    };
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let date = Date::new(year, month, day).ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    (year >= EARLIEST && at <= now).then_some(at)
}

/// What the last test of the battery has said; `None` if the UPS tells nothing of tests.
pub(super) fn test_result(told: &Told) -> Option<&'static str> {
    let text = told.text("ups.test.result")?.to_lowercase();
    let words = [
        ("progress", "running"),
        ("no test", "none"),
        ("abort", "aborted"),
        ("passed", "passed"),
        ("warning", "warning"),
        ("error", "failed"),
        ("fail", "failed"),
        ("bad", "failed"),
        ("ok", "passed"),
    ];
    let word = words.iter().find(|(part, _)| text.contains(part));
    Some(word.map_or("unknown", |(_, result)| result))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Told {
        let pairs = pairs.iter();
        Told {
            variables: pairs
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Told::default()
        }
    }

    #[test]
    fn a_day_is_understood_however_it_is_written_and_left_out_if_it_cannot_be() {
        let now = "2026-05-04T12:00:00Z".parse().unwrap();
        for (text, want) in [
            ("2022/12/13", Some("2022-12-13")),
            ("2022-12-13", Some("2022-12-13")),
            ("12/13/22", Some("2022-12-13")),
            ("03/04/2024", Some("2024-03-04")),
            ("13/12/2022", Some("2022-12-13")),
            ("04.03.2024", Some("2024-03-04")),
            ("2020-04-27 10:00:00 -0000", Some("2020-04-27")),
            ("2001/09/25", None),
            ("2027/01/01", None),
            ("CPS", None),
            ("a/b/c", None),
            ("2022/13/40", None),
            ("2022/300/300", None),
            ("", None),
        ] {
            let told = told(&[("battery.mfr.date", text), ("ups.test.date", text)]);
            let day = |at: Option<Timestamp>| at.map(|at| at.strftime("%F").to_string());
            let want = want.map(str::to_owned);
            assert_eq!(day(battery_date(&told, now)), want, "{text}");
            assert_eq!(day(test_date(&told, now)), want, "{text}");
        }
        let both = told(&[
            ("battery.date", "2001/09/25"),
            ("battery.mfr.date", "2022/12/13"),
        ]);
        assert!(battery_date(&both, now).is_some());
        assert_eq!(battery_date(&told(&[]), now), None);
    }

    #[test]
    fn a_test_s_result_is_one_of_few_words() {
        for (text, want) in [
            ("Done and passed", "passed"),
            ("Done and warning", "warning"),
            ("Done and error", "failed"),
            ("Battery failed", "failed"),
            ("Aborted", "aborted"),
            ("In progress", "running"),
            ("No test initiated", "none"),
            ("OK - Battery GOOD", "passed"),
            ("Replace bad battery", "failed"),
            ("??", "unknown"),
        ] {
            let told = told(&[("ups.test.result", text)]);
            assert_eq!(test_result(&told), Some(want), "{text}");
            assert!(TESTS.contains(&want));
        }
        assert_eq!(test_result(&told(&[])), None);
    }
}
