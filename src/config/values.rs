//! How durations and sizes are written.

use std::time::Duration;

/// Reads `"10s"`, `"1.5h"`, `"500ms"`, `"7d"`; also several parts, `"1h30m"`.
pub(super) fn duration(text: &str) -> Option<Duration> {
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

/// Reads `"50MiB"`, `"1 GB"`, `"4096"`, in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let factor: f64 = match unit.trim() {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "digits only, hence not negative; above 2^53 is refused"
    )]
    (bytes <= 9e15).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        for (text, want) in [
            ("10s", Some(10_000)),
            ("500ms", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("1.5h", Some(5_400_000)),
            ("7d", Some(604_800_000)),
            ("10", None),
            ("", None),
            ("s", None),
            ("10 parsecs", None),
            ("-1s", None),
        ] {
            assert_eq!(duration(text), want.map(Duration::from_millis), "{text:?}");
        }
        for (text, want) in [
            ("50MiB", Some(52_428_800)),
            ("1 GB", Some(1_000_000_000)),
            ("4096", Some(4096)),
            ("1.5KiB", Some(1536)),
            ("x", None),
            ("1 mib", None),
        ] {
            assert_eq!(size(text), want, "{text:?}");
        }
    }
}
