//! How worn a memory card may be that does not tell it itself. Pure, and an estimate: it is called
//! that wherever it is told.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::collect::read::percent;
use crate::model::{Metric, Reading, Unit};

static ESTIMATED: Metric = Metric::gauge("estimated_wear_pct", "Estimated wear", Unit::Percent)
    .decimals(2)
    .dead_band(0.5)
    .diagnostic();
static END: Metric = Metric::moment("estimated_end", "Estimated end of life").diagnostic();

/// A card is taken to bear so many writes of its whole size. Cells bear some 1,000 (TLC), and what
/// is written in small pieces, as a server does, is written about four times inside the card.
const FULL_WRITES: u64 = 250;
/// A pace that was seen for less is none yet, s.
const LEAST: i64 = 14 * 86_400;
/// A date further off says nothing, s.
const FARTHEST: f64 = 30.0 * 365.25 * 86_400.0;

/// What was written to a card, since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Bytes, since then.
    pub(super) bytes: u64,
    pub(super) since: Option<Timestamp>,
    /// The card's size, bytes.
    pub(super) size: u64,
}

/// Adds how worn the card is estimated to be now, when that comes to all of it, and by which
/// assumption. Nothing is known of what was written before it was first seen.
pub(super) fn tell(reading: &mut Reading, written: Written, now: Timestamp) {
    let bears = written.size.saturating_mul(FULL_WRITES);
    let Some(wear) = percent(written.bytes, bears) else {
        return;
    };
    reading.push(&ESTIMATED, Some(wear));
    reading.push(&END, written.since.and_then(|since| end(wear, since, now)));
    let assumed = format!("it bears {FULL_WRITES} writes of its whole size");
    let estimate = match written.since {
        Some(since) => json!({"assumes": assumed, "counted_since": since.to_string()}),
        None => json!({"assumes": assumed}),
    };
    let detail = reading.detail.get_or_insert_default();
    detail.insert("estimate".to_owned(), estimate);
}

/// When a wear in % that has come since then is all of it, at the same pace.
fn end(wear: f64, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let watched = now.as_second() - since.as_second();
    if watched < LEAST || wear <= 0.0 {
        return None;
    }
    let watched = SignedDuration::from_secs(watched).as_secs_f64();
    let left = watched * (100.0 - wear).max(0.0) / wear;
    let left = (left <= FARTHEST).then(|| SignedDuration::try_from_secs_f64(left).ok())??;
    now.checked_add(left).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Area, Subject, Value};

    const GB: u64 = 1_000_000_000;

    /// Wear and end, of a card of 32 GB that has taken so much since so many days.
    fn told(gigabytes: u64, days: Option<i64>, size: u64) -> (Option<f64>, Option<Value>, bool) {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let since = days.map(|days| now - SignedDuration::from_hours(24 * days));
        let mut reading = Reading::new(&Subject::of_host(Area::Health, "disk-x", "x"));
        let bytes = gigabytes * GB;
        tell(&mut reading, Written { bytes, since, size }, now);
        let wear = reading
            .value("estimated_wear_pct")
            .and_then(Value::as_number);
        let end = reading.value("estimated_end").cloned();
        let has_word = reading.detail.is_some_and(|detail| {
            let said = &detail["estimate"];
            said["assumes"].is_string() && said["counted_since"].is_string() == days.is_some()
        });
        (wear, end, has_word)
    }

    #[test]
    fn an_estimate_tells_what_it_assumes_and_a_date_when_it_has_seen_enough() {
        let size = 32 * GB;
        for (gigabytes, days, want) in [
            // A quarter in 100 days: the rest in 300.
            (2_000, Some(100), (Some(25.0), Some("2027-09-22T12:00:00Z"))),
            (2_000, Some(13), (Some(25.0), None)),
            (2_000, None, (Some(25.0), None)),
            (0, Some(100), (Some(0.0), None)),
            // Farther than anybody can tell.
            (1, Some(100), (Some(0.0125), None)),
            (
                16_000,
                Some(100),
                (Some(200.0), Some("2026-11-26T12:00:00Z")),
            ),
        ] {
            let (wear, end, has_word) = told(gigabytes, days, size);
            let (worn, ends): (_, Option<&str>) = want;
            let ends = ends.map(|at| Value::Moment(at.parse().unwrap()));
            assert_eq!((wear, end), (worn, ends), "{gigabytes} GB in {days:?}");
            assert!(has_word);
        }
        assert_eq!(
            told(5, Some(20), 0),
            (None, None, false),
            "no size, no estimate"
        );
    }
}
