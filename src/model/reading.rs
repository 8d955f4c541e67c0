use std::sync::Arc;

use jiff::Timestamp;

use super::{Metric, Offer, Subject};

/// One figure. What is not known is left out of a [`Reading`], never 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A finite number in the metric's unit; NaN and infinities are dropped by the state store.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A word or free text.
    Text(Arc<str>),
    /// A moment.
    Moment(Timestamp),
}

impl Value {
    /// The value as the number that is stored and compared: flags are 0 and 1, the rest has none.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Self::Text(_) | Self::Moment(_) => None,
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Timestamp> for Value {
    fn from(moment: Timestamp) -> Self {
        Self::Moment(moment)
    }
}

/// Where a figure that can be measured or estimated came from; published as `source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A meter at the wall.
    Meter,
    /// The UPS's own figure.
    Ups,
    /// The power supply's own figure.
    Psu,
    /// A sensor on the board.
    Hwmon,
    /// The processor's energy counters.
    Rapl,
    /// A battery that is being drained.
    Battery,
    /// A graphics card's own figure.
    Gpu,
    /// A model fitted to a meter of this machine.
    Calibrated,
    /// A model with figures of this machine.
    Model,
    /// A model with figures of machines of its kind.
    Prior,
}

impl Source {
    /// The word that is published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Meter => "meter",
            Self::Ups => "ups",
            Self::Psu => "psu",
            Self::Hwmon => "hwmon",
            Self::Rapl => "rapl",
            Self::Battery => "battery",
            Self::Gpu => "gpu",
            Self::Calibrated => "calibrated",
            Self::Model => "model",
            Self::Prior => "prior",
        }
    }
}

/// The figures of one subject at one moment. Kept by subject, not by single figure: one JSON
/// object, one topic and one allocation a subject follow from that.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What it is about.
    pub subject: Arc<Subject>,
    /// The figures that are known.
    pub values: Vec<(&'static Metric, Value)>,
    /// Where they came from, if that can vary.
    pub source: Option<Source>,
    /// More keys for the JSON object that are no series (lists, names), if any.
    pub detail: Option<serde_json::Map<String, serde_json::Value>>,
    /// The commands about it that the configuration allows; all of them, each time.
    pub offers: Arc<[Offer]>,
}

impl Reading {
    /// An empty reading about `subject`.
    pub fn new(subject: &Arc<Subject>) -> Self {
        Self {
            subject: Arc::clone(subject),
            values: Vec::new(),
            source: None,
            detail: None,
            offers: Arc::default(),
        }
    }

    /// Adds a figure.
    #[must_use]
    pub fn with(mut self, metric: &'static Metric, value: impl Into<Value>) -> Self {
        self.values.push((metric, value.into()));
        self
    }

    /// Adds a figure if it is known.
    #[must_use]
    pub fn with_known(self, metric: &'static Metric, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(metric, value),
            None => self,
        }
    }

    /// Adds a figure in place, if it is known.
    pub fn push(&mut self, metric: &'static Metric, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.values.push((metric, value.into()));
        }
    }

    /// The value of the metric called `key`, if it is known.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values
            .iter()
            .find(|(metric, _)| metric.key == key)
            .map(|(_, value)| value)
    }
}

/// What one collector gave at one tick.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The collector's name.
    pub collector: &'static str,
    /// Every subject that the collector has now, or in one line why it has none: then all its
    /// subjects are unavailable. A subject that a success no longer lists is unavailable too.
    pub result: Result<Vec<Reading>, String>,
}

/// All that was read at one tick: one burst on MQTT, one record in the journal.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Wall-clock time of the tick.
    pub at: Timestamp,
    /// What each collector gave.
    pub outcomes: Vec<Outcome>,
}
