use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::log::{ENDINGS, Log};
use super::report::Report;
use super::verdict::{LEVELS, Level, Verdict};
use crate::collect::health::quantity::TEMPERATURE;
use crate::collect::read::figure;
use crate::model::{FlagMeaning, Metric, Reading, Subject, Unit};

static VERDICT: Metric = Metric::state("verdict", "Verdict", LEVELS);
static REASON: Metric = Metric::text("reason", "Reason");
/// The same where the kernel's driver tells it as well, at every tick: that one is looked at, and this
/// is a check of it.
static CHECK: Metric = Metric::gauge("temperature_c", "Temperature by S.M.A.R.T.", Unit::Celsius)
    .decimals(1)
    .dead_band(1.0)
    .hidden();
static ASLEEP: Metric = Metric::flag("asleep", "Asleep", FlagMeaning::Plain).diagnostic();
static HANGS: Metric = Metric::flag("hangs", "Does not answer", FlagMeaning::Problem).diagnostic();
static HOURS: Metric = Metric::gauge("power_on_hours", "Power-on hours", Unit::None)
    .dead_band(24.0)
    .diagnostic();
static REALLOCATED: Metric =
    Metric::gauge("reallocated", "Replaced sectors", Unit::None).diagnostic();
static PENDING: Metric = Metric::gauge("pending", "Pending sectors", Unit::None).diagnostic();
static UNCORRECTABLE: Metric =
    Metric::gauge("uncorrectable", "Uncorrectable errors", Unit::None).diagnostic();
static CRC: Metric = Metric::gauge("crc_errors", "Cable errors", Unit::None).diagnostic();
static UNSAFE: Metric =
    Metric::gauge("unsafe_shutdowns", "Unsafe shutdowns", Unit::None).diagnostic();
pub(in crate::collect::health) static WEAR: Metric =
    Metric::gauge("wear_pct", "Wear", Unit::Percent).diagnostic();
static SPARE: Metric = Metric::gauge("spare_pct", "Spare", Unit::Percent).diagnostic();
static TESTING: Metric =
    Metric::flag("selftest_running", "Self-test runs", FlagMeaning::Running).diagnostic();
static LEFT: Metric =
    Metric::gauge("selftest_left_pct", "Self-test to go", Unit::Percent).diagnostic();
static TESTED: Metric = Metric::state("selftest", "Last self-test", ENDINGS).diagnostic();
static TESTED_AGO: Metric = Metric::gauge(
    "selftest_hours_ago",
    "Power-on hours since the last self-test",
    Unit::None,
)
.dead_band(24.0)
.diagnostic();
static WRITTEN: Metric = Metric::total("written_bytes", "Written", Unit::Byte)
    .dead_band(1_073_741_824.0)
    .diagnostic();

/// How a disk is met, beside what it says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plight {
    /// It sleeps, which leaves its temperature unknown.
    pub(super) asleep: bool,
    /// It does not answer.
    pub(super) hangs: bool,
    /// The kernel tells its temperature as well.
    pub(super) is_felt: bool,
}

/// What to do with a disk that does not answer.
const SILENT: &str = "make a backup while it can be read; sudo dmesg tells what the kernel has met: \
                      see to its cable, power and enclosure, else replace it";

/// What is told of a disk: its figures if it was read, the verdict, and how it was met.
pub(super) fn reading(
    subject: &Arc<Subject>,
    report: Option<&Report>,
    verdict: Option<&Verdict>,
    plight: Plight,
) -> Reading {
    let asleep = plight.asleep;
    let mut reading = Reading::new(subject);
    if let Some(verdict) = verdict {
        judged(&mut reading, verdict);
    }
    reading.push(&ASLEEP, Some(asleep));
    reading.push(&HANGS, Some(plight.hangs));
    let was_well = |verdict: &Verdict| verdict.level == Level::Unreadable;
    if plight.hangs && verdict.is_some_and(was_well) {
        let detail = reading.detail.get_or_insert_default();
        detail.insert("advice".to_owned(), SILENT.into());
    }
    if let Some(report) = report {
        let degrees = report.temperature.filter(|_| !asleep);
        reading.push(if plight.is_felt { &CHECK } else { &TEMPERATURE }, degrees);
        for (metric, count) in [
            (&HOURS, report.power_on_hours),
            (&REALLOCATED, report.counts.reallocated),
            (&PENDING, report.counts.pending),
            (&UNCORRECTABLE, report.counts.uncorrectable),
            (&CRC, report.counts.crc_errors),
            (&UNSAFE, report.unsafe_shutdowns),
            (&WEAR, report.wear),
            (&SPARE, report.spare),
            (&WRITTEN, report.written_bytes),
        ] {
            reading.push(metric, count.map(figure));
        }
        tests(&mut reading, report);
    }
    reading
}

/// The verdict, its first reason, and all of them with what to do.
pub(in crate::collect::health) fn judged(reading: &mut Reading, verdict: &Verdict) {
    reading.push(&VERDICT, Some(verdict.level.as_str()));
    let Some(first) = verdict.reasons.first() else {
        return;
    };
    reading.push(&REASON, Some(first.as_str()));
    let mut detail = Map::new();
    let reasons = verdict.reasons.iter().cloned().map(Json::String).collect();
    detail.insert("reasons".to_owned(), Json::Array(reasons));
    if let Some(advice) = verdict.level.advice() {
        detail.insert("advice".to_owned(), advice.into());
    }
    reading.detail = Some(detail);
}

/// What is told of a disk's self-tests: nothing of one that keeps no log or was never tested.
fn tests(reading: &mut Reading, report: &Report) {
    let log = &report.log;
    if *log == Log::default() {
        return;
    }
    reading.push(&TESTING, Some(log.running.is_some()));
    let left = log.running.and_then(|running| running.remaining);
    reading.push(&LEFT, left.map(figure));
    let Some(last) = log.tests.first() else {
        return;
    };
    reading.push(&TESTED, Some(last.ending.as_str()));
    let ago = report
        .power_on_hours
        .zip(last.hours)
        .and_then(|(now, then)| now.checked_sub(then));
    reading.push(&TESTED_AGO, ago.map(figure));
}
