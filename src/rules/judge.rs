use std::time::Duration;

use crate::config::{Condition, Levels, Threshold};
use crate::model::{Metric, Reading, Value};

use super::growth::Growth;

/// Where a reading lies, seen from a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// Beyond the limit; `critical` if beyond that one too.
    Bad {
        /// Whether it is beyond the critical limit, if there is one.
        critical: bool,
    },
    /// Not beyond the limit, but not clear of it either.
    Between,
    /// Fine.
    Clear,
}

/// What a rule found in a reading.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) zone: Zone,
    pub(super) finding: Finding,
}

/// What there is to tell of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Finding {
    pub(super) metric: Option<&'static Metric>,
    pub(super) value: Option<f64>,
    pub(super) limit: Option<f64>,
    /// The word of a flag or state.
    pub(super) word: Option<String>,
}

/// What must be remembered to judge the next reading.
#[derive(Debug, Default)]
pub(super) struct Memory {
    growth: Growth,
    /// Whether something else than the bad word was seen.
    pub(super) seen_other: bool,
}

/// Judges a reading; `None` if it does not say what the rule asks about.
pub(super) fn judge(
    condition: &Condition,
    reading: &Reading,
    memory: &mut Memory,
    up: Duration,
) -> Option<Verdict> {
    match condition {
        Condition::Number(threshold) => number(threshold, reading, memory, up),
        Condition::Word {
            metric,
            any,
            changed,
        } => word(metric, any, *changed, reading, memory),
        Condition::NoData => None,
    }
}

fn number(
    threshold: &Threshold,
    reading: &Reading,
    memory: &mut Memory,
    up: Duration,
) -> Option<Verdict> {
    let (metric, value) = figure(reading, &threshold.metric)?;
    let levels = levels(threshold, reading)?;
    let value = match threshold.growth_over {
        Some(over) => memory.growth.take(value, up, over),
        None => value,
    };
    let critical = levels
        .critical
        .is_some_and(|critical| threshold.side.passes(value, critical));
    let zone = if threshold.side.passes(value, levels.limit) {
        Zone::Bad { critical }
    } else if threshold.side.passes(value, levels.clear) {
        Zone::Between
    } else {
        Zone::Clear
    };
    Some(Verdict {
        zone,
        finding: Finding {
            metric: Some(metric),
            value: Some(value),
            limit: Some(match (zone, levels.critical) {
                (Zone::Bad { critical: true }, Some(critical)) => critical,
                _ => levels.limit,
            }),
            word: None,
        },
    })
}

fn levels(threshold: &Threshold, reading: &Reading) -> Option<Levels> {
    let relative = threshold.relative.as_ref();
    let told = relative.and_then(|relative| {
        let (_, whole) = figure(reading, &relative.of)?;
        (whole > 0.0).then(|| relative.percent.of(whole))
    });
    told.or(threshold.levels)
}

/// A finite figure, rounded as it is shown, so that no alert says "at 90 %, above 90 %".
fn figure(reading: &Reading, key: &str) -> Option<(&'static Metric, f64)> {
    let (metric, value) = reading
        .values
        .iter()
        .find(|(metric, _)| metric.key == key)?;
    let value = value.as_number().filter(|value| value.is_finite())?;
    Some((metric, metric.shown(value)))
}

fn word(
    key: &str,
    any: &[String],
    changed: bool,
    reading: &Reading,
    memory: &mut Memory,
) -> Option<Verdict> {
    let (metric, value) = reading
        .values
        .iter()
        .find(|(metric, _)| metric.key == key)?;
    let told = match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Number(_) | Value::Moment(_) => return None,
    };
    let bad = any.contains(&told);
    memory.seen_other |= !bad;
    let zone = if bad && (memory.seen_other || !changed) {
        Zone::Bad { critical: false }
    } else {
        Zone::Clear
    };
    let shown = match value {
        Value::Flag(true) => "on".to_owned(),
        Value::Flag(false) => "off".to_owned(),
        Value::Number(_) | Value::Text(_) | Value::Moment(_) => told,
    };
    Some(Verdict {
        zone,
        finding: Finding {
            metric: Some(metric),
            value: value.as_number(),
            limit: None,
            word: Some(shown),
        },
    })
}

impl Finding {
    /// Whether `value` is far enough from what was told to be worth telling.
    pub(super) fn differs(&self, told: Option<f64>) -> bool {
        let (Some(now), Some(told)) = (self.value, told) else {
            return self.value.is_some() != told.is_some();
        };
        let band = self.metric.map_or(0.0, |metric| metric.dead_band);
        let share = self.limit.unwrap_or(now).abs() / 50.0;
        (now - told).abs() >= band.max(share).max(f64::EPSILON)
    }
}
