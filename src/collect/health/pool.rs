//! What pools of disks have in common, whoever makes them: ZFS, Btrfs, LVM, bcache.

use jiff::Timestamp;

use crate::collect::read::figure;
use crate::model::{FlagMeaning, Metric, Reading, Unit};

pub(super) static DEGRADED: Metric = Metric::flag("degraded", "Degraded", FlagMeaning::Problem);
pub(super) static HAS_ERRORS: Metric = Metric::flag("has_errors", "Errors", FlagMeaning::Problem);
pub(super) static ERRORS: Metric =
    Metric::gauge("errors", "Errors of its devices", Unit::None).diagnostic();
pub(super) static DATA_ERRORS: Metric =
    Metric::gauge("data_errors", "Lost files or blocks", Unit::None).diagnostic();
pub(super) static DEVICES: Metric = Metric::gauge("devices", "Devices", Unit::None).diagnostic();
pub(super) static FAILED: Metric =
    Metric::gauge("devices_failed", "Devices that do not work", Unit::None).diagnostic();
pub(super) static PROGRESS: Metric = Metric::gauge("progress_pct", "Progress", Unit::Percent)
    .decimals(1)
    .dead_band(1.0);
pub(super) static REMAINING: Metric = Metric::gauge("remaining_s", "Time to go", Unit::Second)
    .dead_band(300.0)
    .diagnostic();
pub(super) static SCRUB_AGE: Metric =
    Metric::gauge("scrub_age_s", "Since the last scrub", Unit::Second)
        .dead_band(43_200.0)
        .diagnostic();
static SCRUBBED: Metric = Metric::moment("scrubbed", "Last scrub").diagnostic();

/// Adds when all of it was read and checked last, if that is known.
pub(super) fn scrubbed(reading: &mut Reading, at: Option<Timestamp>, now: Timestamp) {
    let Some(at) = at else {
        return;
    };
    reading.push(&SCRUBBED, Some(at));
    let age = now.as_second().checked_sub(at.as_second());
    let age = age.and_then(|age| u64::try_from(age).ok());
    reading.push(&SCRUB_AGE, age.map(figure));
}

/// Adds a list of lines under `key`, if there are any.
pub(super) fn list(reading: &mut Reading, key: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    let lines = lines.into_iter().map(serde_json::Value::String).collect();
    let detail = reading.detail.get_or_insert_default();
    detail.insert(key.to_owned(), serde_json::Value::Array(lines));
}

/// Adds that something cannot be known, and what helps.
pub(super) fn lack(reading: &mut Reading, what: &str, remedy: &str) {
    let detail = reading.detail.get_or_insert_default();
    detail.insert("log".to_owned(), what.into());
    detail.insert("remedy".to_owned(), remedy.into());
}
