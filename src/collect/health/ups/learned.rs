use jiff::Timestamp;

use super::Told;
use super::age::{self, TESTS};
use super::battery::{Battery, doubt};
use super::discharge::Draw;
use super::figures::Look;
use crate::collect::read::figure;
use crate::model::{FlagMeaning, Metric, Reading, Unit};
use crate::power::Outages;

static OWN_RUNTIME: Metric = Metric::gauge(
    "own_runtime_s",
    "Time on battery by past outages",
    Unit::Second,
)
.dead_band(60.0);
static DOUBT: Metric = Metric::flag(
    "runtime_suspect",
    "Time on battery is suspect",
    FlagMeaning::Problem,
)
.diagnostic();
static CAPACITY: Metric = Metric::gauge(
    "battery_capacity_kwh",
    "Battery capacity at this load",
    Unit::KilowattHour,
)
.decimals(4)
.dead_band(0.001)
.diagnostic();
static HEALTH: Metric = Metric::gauge("battery_health_pct", "Battery health", Unit::Percent)
    .dead_band(1.0)
    .diagnostic();
static CONFIDENCE: Metric = Metric::gauge(
    "battery_health_confidence_pct",
    "Confidence in the battery's health",
    Unit::Percent,
)
.dead_band(2.0)
.hidden();
static INSTALLED: Metric = Metric::moment("battery_installed", "Battery of").diagnostic();
static AGE: Metric =
    Metric::gauge("battery_age_days", "Age of the battery", Unit::None).diagnostic();
static TEST: Metric = Metric::state("self_test", "Self-test", TESTS).diagnostic();
static TESTED: Metric = Metric::moment("self_tested", "Last self-test").diagnostic();
static OUTAGES: Metric = Metric::total("outages", "Outages", Unit::None);
static TOTAL: Metric =
    Metric::total("outage_total_s", "Time on battery in all", Unit::Second).diagnostic();
static LAST: Metric = Metric::moment("last_outage", "Last outage");
static LAST_S: Metric = Metric::gauge("last_outage_s", "Length of the last outage", Unit::Second);

const DAY_S: f64 = 86_400.0;

/// Adds what past outages, discharges and tests say.
pub(super) fn tell(
    reading: &mut Reading,
    (told, look): (&Told, &Look<'_>),
    (battery, outages): (&Battery, &Outages),
    at: Timestamp,
) {
    let draw = Draw::of(look.watts, look.load);
    let own = look
        .charge
        .zip(draw)
        .and_then(|(charge, draw)| battery.runtime(at, charge, draw));
    reading.push(&OWN_RUNTIME, own);
    if let Some(runtime) = look.runtime {
        let doubt = doubt(runtime, look.charge, draw, own);
        reading.push(&DOUBT, Some(doubt.is_some()));
        if let Some(text) = doubt {
            let detail = reading.detail.get_or_insert_default();
            detail.insert("runtime_doubt".to_owned(), text.into());
        }
    }
    reading.push(&CAPACITY, battery.capacity_kwh(draw));
    let health = battery.health();
    reading.push(&HEALTH, health.map(|health| health.percent));
    reading.push(&CONFIDENCE, health.map(|health| health.confidence));
    let date = age::battery_date(told, at);
    reading.push(&INSTALLED, date);
    let age = date.map(|date| (at.duration_since(date).as_secs_f64() / DAY_S).floor());
    reading.push(&AGE, age);
    reading.push(&TEST, age::test_result(told));
    reading.push(&TESTED, age::test_date(told, at));
    reading.push(&OUTAGES, Some(figure(outages.count())));
    reading.push(&TOTAL, Some(outages.total_s()));
    reading.push(&LAST, outages.last().map(|last| last.from));
    reading.push(&LAST_S, outages.last().map(|last| last.duration_s));
}
