use super::Against;
use super::number::{known, rounded};

/// Figures side by side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Its key.
    pub id: &'static str,
    /// Its heading; empty has none.
    pub title: String,
    /// The figures.
    pub figures: Vec<Figure>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figure {
    /// Its key, ending in the unit (`energy_kwh`).
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// The unit's symbol; empty has none.
    pub unit: String,
    /// Decimals that are shown.
    pub decimals: u8,
    /// The figure; `None` if it is not known.
    pub value: Option<f64>,
    /// Whether it grows with the time that is known, as energy does and watts do not.
    pub is_sum: bool,
    /// It lies within these, if that is known.
    pub within: Option<(f64, f64)>,
    /// What it was in the period before.
    pub before: Option<f64>,
    /// What it was a year earlier.
    pub last_year: Option<f64>,
    /// What has to be known to read it ("at 12:03 on 3 May", "too little data").
    pub remark: String,
}

impl Figure {
    /// A figure of which nothing else is known.
    pub fn new(key: impl Into<String>, label: &str, unit: &str, decimals: u8) -> Self {
        Self {
            key: key.into(),
            label: label.to_owned(),
            unit: unit.to_owned(),
            decimals,
            ..Self::default()
        }
    }

    /// The same with what it is, and was.
    #[must_use]
    pub fn with(mut self, value: Option<f64>, before: Option<f64>, last: Option<f64>) -> Self {
        self.value = known(value);
        self.before = known(before);
        self.last_year = known(last);
        self
    }

    /// The same with what it lies within.
    #[must_use]
    pub fn within(mut self, within: Option<(f64, f64)>) -> Self {
        self.within = within;
        self
    }

    /// The same as a sum over its span.
    #[must_use]
    pub fn sum(mut self) -> Self {
        self.is_sum = true;
        self
    }

    /// The same with a remark.
    #[must_use]
    pub fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    /// All that is known of it, by the keys of each.
    pub(in crate::report) fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let all = [
            ("value", self.value),
            ("low", self.within.map(|(low, _)| low)),
            ("high", self.within.map(|(_, high)| high)),
            ("before", self.before),
            ("last_year", self.last_year),
        ];
        all.into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
    }

    /// What it was in the span that it is held against.
    pub(in crate::report) fn then(&self, against: &Against) -> Option<f64> {
        match against.key {
            "before" => self.before,
            _ => self.last_year,
        }
    }

    /// How much more it is than `then`, %, or of what is a share itself in points of it; `None` if
    /// that says nothing.
    pub fn change(&self, then: Option<f64>) -> Option<f64> {
        let (now, then) = (self.value?, then?);
        known(Some(if self.is_share() {
            now - then
        } else if now * then < 0.0 {
            // From what was earned to what is paid is no share of anything.
            return None;
        } else {
            (now - then) / then.abs() * 100.0
        }))
    }

    fn is_share(&self) -> bool {
        self.unit == "%"
    }

    /// [`Self::change`] since the span that it is held against; `None` also for the sum of a span
    /// of which too little is known.
    pub(in crate::report) fn since(&self, against: &Against) -> Option<f64> {
        let comparable = against.is_whole || !self.is_sum;
        comparable.then(|| self.change(self.then(against)))?
    }

    /// [`Self::since`] with its sign and unit.
    pub(in crate::report) fn changed(&self, against: &Against) -> Option<String> {
        let change = self.since(against)?;
        let unit = if self.is_share() { "points" } else { "%" };
        let text = rounded(change, 0);
        Some(match (&*text, change > 0.0) {
            ("0", _) => format!("±0 {unit}"),
            (text, true) => format!("+{text} {unit}"),
            (text, false) => format!("{text} {unit}"),
        })
    }
}
