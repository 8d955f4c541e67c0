//! What the tests of this part have in common.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::{DynamicConfig, FeedConfig};

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

/// Prices that are told on `topics` in the currency's own unit, and hold for an hour.
pub(super) fn dynamic(topics: &[&str]) -> DynamicConfig {
    DynamicConfig {
        feed: FeedConfig {
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            statestream: None,
            stale_after: Duration::from_hours(1),
        },
        scale: 1.0,
        factor: 1.0,
        add: 0.0,
    }
}
