//! How much of a budget is used, and how much will be at this pace. Pure.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::config::Period;

/// Before so much of a day has passed its pace tells nothing of its end, …
const DAY_ENOUGH: f64 = 0.25;
/// … and of a month, whose days are more alike than a day's hours.
const MONTH_ENOUGH: f64 = 0.1;

/// A stretch of the calendar, and where in it we are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Course {
    /// How much of it was watched, s.
    watched: f64,
    /// How much of it is to come, s.
    rest: f64,
    /// How much of it must have been watched for a forecast, s.
    enough: f64,
}

impl Course {
    /// The day or month of `now` in `zone`; nothing was watched before `since`. A day of 23 or 25
    /// hours is as long as it is.
    pub fn of(
        period: Period,
        now: Timestamp,
        since: Option<Timestamp>,
        zone: &TimeZone,
    ) -> Option<Self> {
        let local = now.to_zoned(zone.clone());
        let (first, enough) = match period {
            Period::Day => (local.date(), DAY_ENOUGH),
            Period::Month => (local.date().first_of_month(), MONTH_ENOUGH),
        };
        let next = match period {
            Period::Day => first.tomorrow().ok()?,
            Period::Month => first.checked_add(1.month()).ok()?,
        };
        let begin = first.to_zoned(zone.clone()).ok()?.timestamp();
        let end = next.to_zoned(zone.clone()).ok()?.timestamp();
        let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
        let from = since.map_or(begin, |since| since.max(begin));
        Some(Self {
            watched: seconds(from, now).max(0.0),
            rest: seconds(now, end).max(0.0),
            enough: seconds(begin, end) * enough,
        })
    }

    /// What `used` becomes by the end if it goes on as it did; `None` while too little was
    /// watched to tell.
    pub fn forecast(&self, used: f64) -> Option<f64> {
        let enough = self.watched >= self.enough && self.watched > 0.0;
        enough.then(|| used + used / self.watched * self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::testing::{at, berlin};

    #[test]
    fn the_end_is_told_by_the_pace_when_enough_has_passed() {
        let forecast = |period, now: &str, since: Option<&str>, used| {
            let course = Course::of(period, at(now), since.map(at), &berlin());
            let told = course.unwrap().forecast(used)?;
            Some((told * 1000.0).round() / 1000.0)
        };
        for (period, now, since, used, want) in [
            (Period::Day, "2026-05-01T05:59", None, 1.0, None),
            (Period::Day, "2026-05-01T06:00", None, 1.0, Some(4.0)),
            (Period::Day, "2026-05-01T18:00", None, 3.0, Some(4.0)),
            // Watched since noon only.
            (
                Period::Day,
                "2026-05-01T15:00",
                Some("2026-05-01T12:00"),
                3.0,
                None,
            ),
            (
                Period::Day,
                "2026-05-01T18:00",
                Some("2026-05-01T12:00"),
                3.0,
                Some(6.0),
            ),
            (
                Period::Day,
                "2026-05-01T18:00",
                Some("2025-05-01T12:00"),
                3.0,
                Some(4.0),
            ),
            // Days of 23 and 25 hours.
            (Period::Day, "2026-03-29T12:00", None, 11.0, Some(23.0)),
            (Period::Day, "2026-10-25T12:00", None, 13.0, Some(25.0)),
            (Period::Month, "2026-04-02T00:00", None, 1.0, None),
            (Period::Month, "2026-04-16T00:00", None, 15.0, Some(30.0)),
            (Period::Month, "2026-12-31T00:00", None, 30.0, Some(31.0)),
            // A clock that was set back before everything.
            (
                Period::Day,
                "2026-05-01T18:00",
                Some("2026-06-01T00:00"),
                3.0,
                None,
            ),
        ] {
            assert_eq!(forecast(period, now, since, used), want, "{now} {since:?}");
        }
    }
}
