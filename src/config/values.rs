//! How sizes are written.

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
    fn sizes_read_as_people_write_them() {
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
