//! How people write durations, and how durations are told to people.

use std::time::Duration;

/// Reads `"10s"`, `"1.5h"`, `"500ms"`, `"7d"`; also several parts, `"1h30m"`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(homewatch::model::duration("1h30m"), Some(Duration::from_mins(90)));
/// assert_eq!(homewatch::model::duration("10"), None);
/// ```
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at_checked(end)?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = next.trim_start();
    }
    if text.trim().is_empty() {
        return None;
    }
    Duration::try_from_secs_f64(total).ok()
}

/// `duration` in its two largest units, to the second: `"1 min"`, `"2 h 30 min"`, `"7 d"`.
pub fn spoken(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = duration.as_secs();
    let mut parts: Vec<String> = Vec::new();
    for (seconds, unit) in UNITS {
        let count = rest / seconds;
        rest %= seconds;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
        // Hours and seconds without the minutes between them would read like a slip.
        if parts.len() == 2 || (count == 0 && !parts.is_empty()) {
            break;
        }
    }
    if parts.is_empty() {
        parts.push(format!("{} ms", duration.as_millis()));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, want) in [
            ("10s", Some(10_000)),
            ("500ms", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("1.5h", Some(5_400_000)),
            ("7d", Some(604_800_000)),
            ("0s", Some(0)),
            ("10", None),
            ("", None),
            ("s", None),
            ("10 parsecs", None),
            ("-1s", None),
            ("99999999999999999999w", None),
        ] {
            assert_eq!(duration(text), want.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn durations_are_told_in_their_two_largest_units() {
        for (millis, want) in [
            (0, "0 ms"),
            (250, "250 ms"),
            (59_000, "59 s"),
            (60_000, "1 min"),
            (90_000, "1 min 30 s"),
            (9_000_000, "2 h 30 min"),
            (3_605_000, "1 h"),
            (604_800_000, "7 d"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(spoken(Duration::from_millis(millis)), want);
        }
    }
}
