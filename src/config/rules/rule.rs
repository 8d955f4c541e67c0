use std::time::Duration;

use crate::model::{Severity, glob};

/// What is watched and when it is an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name in the configuration; lower-case letters, digits and `_`, which no subject has,
    /// so that `<rule>-<area>-<subject>` is one alert's and no other's.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// The subjects it watches, `<area>/<subject>` with `*`.
    pub subjects: String,
    /// Those of them that it does not.
    pub except: Vec<String>,
    /// When it is an alert.
    pub condition: Condition,
    /// For how long the condition must hold.
    pub for_: Duration,
    /// For how long it must be away before the alert is over.
    pub clear_for: Duration,
    /// The sentence for a person, with `{subject}`, `{metric}`, `{value}`, `{limit}`, `{for}`
    /// and `{error}`.
    pub summary: String,
    /// The same for when it is over.
    pub recovered: String,
}

/// When it is an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A figure passes a limit.
    Number(Threshold),
    /// A flag or a state is one of some words (`true` and `false` for flags).
    Word {
        /// The metric's key.
        metric: String,
        /// The words.
        any: Vec<String>,
        /// Whether it counts only after something else was seen.
        changed: bool,
    },
    /// The subject tells nothing: it is unavailable, the collector fails, the node is offline.
    NoData,
}

/// When a figure is too high or too low.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The metric's key.
    pub metric: String,
    /// Which side is bad.
    pub side: Side,
    /// The limits in the metric's unit; where [`Self::relative`] applies, only the fallback.
    pub levels: Option<Levels>,
    /// Limits as shares of another figure of the same subject.
    pub relative: Option<Relative>,
    /// If set, what is compared is how much the figure has grown within this time.
    pub growth_over: Option<Duration>,
}

/// Which side of a limit is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// More than the limit.
    Above,
    /// Less than the limit.
    Below,
}

impl Side {
    /// Whether `value` lies on the bad side of `limit`; on it is still good.
    pub fn passes(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::Below => value < limit,
        }
    }
}

/// The limits of one rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// Beyond it is an alert.
    pub limit: f64,
    /// At it or better the alert may end; between the two nothing changes.
    pub clear: f64,
    /// Beyond it the alert is critical.
    pub critical: Option<f64>,
}

/// Limits as shares of another figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Relative {
    /// The other metric's key.
    pub of: String,
    /// In percent of it.
    pub percent: Levels,
}

impl Levels {
    /// The same in percent of `whole`.
    #[must_use]
    pub fn of(self, whole: f64) -> Self {
        let share = |percent: f64| percent * whole / 100.0;
        Self {
            limit: share(self.limit),
            clear: share(self.clear),
            critical: self.critical.map(share),
        }
    }
}

impl Rule {
    /// Whether it watches the subject `<area>/<subject>`.
    pub fn watches(&self, subject: &str) -> bool {
        glob(&self.subjects, subject) && !self.except.iter().any(|except| glob(except, subject))
    }

    /// The alert that it raises on a subject.
    pub fn alert_id(&self, subject: &str) -> String {
        format!("{}-{}", self.id, subject.replace('/', "-"))
    }
}

pub(super) const ID: &str =
    "is no name for a rule: 1 to 40 lower-case letters, digits and _, a letter first";

pub(super) fn is_id(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
