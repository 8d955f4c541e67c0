use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Begun, Track};
use crate::meter::counter::Counter;
use crate::model::Timestamp;

/// What is kept over a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    at: Timestamp,
    integral: f64,
    /// By part: total and the device's own figure, of what flowed in and out.
    parts: BTreeMap<u8, [Option<(f64, f64)>; 2]>,
}

impl Track {
    /// Takes up what was kept; `at` and `now` are the present by both clocks.
    pub(crate) fn restore(&mut self, record: &Record, at: Timestamp, now: Instant) {
        // A clock that was set back tells no age: an hour is allowed for.
        let away = Duration::try_from(at.duration_since(record.at)).unwrap_or_default();
        let away = away + Duration::from_hours(1);
        self.integral = record.integral;
        self.begun = Begun::Whole;
        for (number, counters) in &record.parts {
            let resume = |kept: Option<(f64, f64)>| {
                let (total, raw) = kept.filter(|(total, raw)| total.is_finite() && *raw >= 0.0)?;
                Some(Counter::resume(total, raw, away, now))
            };
            let [energy, returned] = *counters;
            let part = self.parts.entry(*number).or_default();
            part.energy = resume(energy);
            part.returned = resume(returned);
        }
    }

    /// What is to be kept; `None` while there is nothing.
    pub(crate) fn record(&self, at: Timestamp) -> Option<Record> {
        let kept = |counter: &Option<Counter>| counter.as_ref().and_then(Counter::kept);
        let parts = self.parts.iter();
        let parts =
            parts.map(|(number, part)| (*number, [kept(&part.energy), kept(&part.returned)]));
        // Of a counter that rests the device's figure is of no use.
        let counters = self.parts.values().filter_map(|part| part.energy.as_ref());
        let resting = counters.filter(|counter| counter.kept().is_none());
        let integral = self.integral + resting.filter_map(Counter::total).sum::<f64>();
        let record = Record {
            at,
            integral,
            parts: parts.collect(),
        };
        (self.heard.is_some() || integral > 0.0 || !self.parts.is_empty()).then_some(record)
    }
}
