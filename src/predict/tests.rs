mod adversity;
mod battery;
mod cooling;
mod disk;
mod drift;
mod fan;
mod foresight;
mod memory;
mod parts;
mod profile;
mod raid;
mod run;
mod space;
mod wear;

use jiff::Timestamp;

use super::outlook::{Case, Finding};
use super::scene::{Seen, Senses};
use super::tracker::Tracker;
use crate::model::{Area, FlagMeaning, Kind, Metric, Reading, Subject, Unit, Value};

pub(super) static METRICS: [Metric; 14] = [
    Metric::gauge("usage_pct", "", Unit::Percent),
    Metric::gauge("temperature_c", "", Unit::Celsius),
    Metric::gauge("critical_c", "", Unit::Celsius),
    Metric::gauge("fan_rpm", "", Unit::Rpm),
    Metric::gauge("pwm_pct", "", Unit::Percent),
    Metric::gauge("reallocated", "", Unit::None),
    Metric::gauge("pending", "", Unit::None),
    Metric::gauge("uncorrectable", "", Unit::None),
    Metric::gauge("power_on_hours", "", Unit::None),
    Metric::gauge("wear_pct", "", Unit::Percent),
    Metric::gauge("runtime_s", "", Unit::Second),
    Metric::gauge("charge_pct", "", Unit::Percent),
    Metric::gauge("load_pct", "", Unit::Percent),
    Metric::gauge("battery_health_pct", "", Unit::Percent),
];
static MORE: [Metric; 8] = [
    Metric::gauge("used_bytes", "", Unit::Byte),
    Metric::gauge("free_bytes", "", Unit::Byte),
    Metric::gauge("corrected_errors", "", Unit::None),
    Metric::flag("degraded", "", FlagMeaning::Problem),
    Metric::flag("read_only", "", FlagMeaning::Problem),
    Metric::flag("on_battery", "", FlagMeaning::Problem),
    Metric::state("verdict", "", &["ok", "watch", "warning", "failing"]),
    Metric::state("state", "", &["degraded", "rebuilding"]),
];

/// A reading of the health of `id` with some figures.
pub(super) fn reading<const N: usize>(id: &str, figures: [(&str, f64); N]) -> Reading {
    let subject = Subject::of_host(Area::Health, id, id);
    figures
        .into_iter()
        .fold(Reading::new(&subject), |reading, (key, value)| {
            let metric = METRICS
                .iter()
                .chain(&MORE)
                .find(|metric| metric.key == key)
                .unwrap();
            if matches!(metric.kind, Kind::Flag(_)) {
                reading.with(metric, Value::Flag(value > 0.0))
            } else {
                reading.with(metric, value)
            }
        })
}

/// The same with a verdict.
pub(super) fn judged(reading: Reading, verdict: &str) -> Reading {
    reading.with(&MORE[6], verdict)
}

/// The same with a state.
pub(super) fn in_state(reading: Reading, state: &str) -> Reading {
    reading.with(&MORE[7], state)
}

pub(super) fn seen(readings: &[Reading]) -> Vec<Seen<'_>> {
    readings
        .iter()
        .map(|reading| Seen {
            subject: &reading.subject,
            values: &reading.values,
        })
        .collect()
}

pub(super) fn at(day: f64) -> Timestamp {
    let seconds = std::time::Duration::from_secs_f64(day * 86_400.0);
    Timestamp::UNIX_EPOCH.checked_add(seconds).unwrap()
}

/// A tracker of one part on a machine whose days pass.
pub(super) struct Lab<T> {
    senses: Senses,
    pub(super) tracker: T,
    pub(super) day: f64,
}

impl<T: Tracker> Lab<T> {
    pub(super) fn new() -> Self {
        Self {
            senses: Senses::default(),
            tracker: T::default(),
            day: 20_000.0,
        }
    }

    /// Half an hour, in which the machine tells `readings`; the tracker is told of those it wants.
    pub(super) fn step(&mut self, readings: &[Reading]) {
        self.day += 1.0 / 48.0;
        let seen = seen(readings);
        let scene = self.senses.feel(at(self.day), &seen);
        for one in seen.iter().filter(|one| T::wants(one)) {
            self.tracker.take(one, &scene);
        }
    }

    /// Some days, in which it tells what `tell` makes of the time since their beginning, in days.
    pub(super) fn days(&mut self, days: u32, tell: impl Fn(f64) -> Vec<Reading>) {
        for step in 0..days * 48 {
            self.step(&tell(f64::from(step) / 48.0));
        }
    }

    pub(super) fn finding(&self) -> Finding {
        self.tracker.judge(at(self.day))
    }

    pub(super) fn case(&self) -> Case {
        match self.finding() {
            Finding::Foreseen(case) => case,
            Finding::Young(_) | Finding::Clear(_) => panic!("{:?}", self.finding()),
        }
    }

    /// What is missing.
    pub(super) fn missing(&self) -> String {
        match self.finding() {
            Finding::Young(missing) => missing,
            Finding::Foreseen(_) | Finding::Clear(_) => panic!("{:?}", self.finding()),
        }
    }

    #[track_caller]
    pub(super) fn is_clear(&self) {
        assert!(
            matches!(self.finding(), Finding::Clear(_)),
            "{:?}",
            self.finding()
        );
    }

    /// The days left until `case` is due: hardly before, likely, hardly later.
    pub(super) fn left(&self) -> (f64, f64, f64) {
        let due = self.case().due.unwrap();
        let left = |at: Timestamp| super::scene::days(at) - self.day;
        let latest = due.latest.map_or(f64::INFINITY, left);
        (left(due.earliest), left(due.likely), latest)
    }

    /// What is kept over a restart of it, and only that.
    pub(super) fn restart(&mut self) {
        let kept = serde_json::to_vec(&self.tracker).unwrap();
        self.tracker = serde_json::from_slice(&kept).unwrap();
        self.senses = Senses::default();
    }
}
