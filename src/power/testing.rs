//! What the tests of this part have in common.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time zone whose clock is changed twice a year.
pub(super) fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// A moment by the clock of [`berlin`].
pub(super) fn at(local: &str) -> Timestamp {
    let civil: jiff::civil::DateTime = local.parse().unwrap();
    civil.to_zoned(berlin()).unwrap().timestamp()
}

/// Figures that differ by no more than rounding does.
pub(super) fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-9, "{left} is not {right}");
}
