use super::Unit;

/// What kind of figure a metric is, which decides how it is stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that goes up and down.
    Gauge,
    /// A number that only grows, but for resets.
    Total,
    /// Yes or no.
    Flag(FlagMeaning),
    /// One word of a fixed list.
    State(&'static [&'static str]),
    /// A moment.
    Moment,
    /// Free text; not stored in the history.
    Text,
}

/// What a `true` of a flag tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagMeaning {
    /// Something is wrong.
    Problem,
    /// Something runs.
    Running,
    /// Something is connected.
    Connected,
    /// Neither good nor bad.
    Plain,
}

/// Where a metric belongs in a person's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Looked at every day.
    Primary,
    /// Looked at when something is wrong.
    Diagnostic,
    /// Published and stored, but its Home Assistant entity starts disabled.
    Hidden,
}

/// The one declaration of a metric: everything that shows, stores or judges it reads this.
///
/// Declared as a `const`/`static` next to the collector that measures it:
///
/// ```
/// use homewatch::model::{Metric, Unit};
/// static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent).decimals(1).dead_band(1.0);
/// assert_eq!(USAGE.key, "usage_pct");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The JSON key, `snake_case`, ending in the unit (see [`Unit::suffix`]).
    pub key: &'static str,
    /// What a person reads, without the name of the subject.
    pub name: &'static str,
    /// The unit of every value.
    pub unit: Unit,
    /// What kind of figure it is.
    pub kind: Kind,
    /// Decimals that are shown and stored, 0–6.
    pub decimals: u8,
    /// Decimals that are published, 0–6: as many or more, where the source says more than the
    /// history is worth filling with.
    pub published: u8,
    /// The smallest change that is worth a message, in the unit; 0 means every change.
    pub dead_band: f64,
    /// Where it belongs in a person's view.
    pub category: Category,
}

/// No figure has more decimals.
const FINEST: u8 = 6;

impl Metric {
    const fn new(key: &'static str, name: &'static str, unit: Unit, kind: Kind) -> Self {
        Self {
            key,
            name,
            unit,
            kind,
            decimals: 0,
            published: 0,
            dead_band: 0.0,
            category: Category::Primary,
        }
    }

    /// A number that goes up and down.
    pub const fn gauge(key: &'static str, name: &'static str, unit: Unit) -> Self {
        Self::new(key, name, unit, Kind::Gauge)
    }

    /// A number that only grows, but for resets.
    pub const fn total(key: &'static str, name: &'static str, unit: Unit) -> Self {
        Self::new(key, name, unit, Kind::Total)
    }

    /// Yes or no.
    pub const fn flag(key: &'static str, name: &'static str, meaning: FlagMeaning) -> Self {
        Self::new(key, name, Unit::None, Kind::Flag(meaning))
    }

    /// One word of `options`.
    pub const fn state(
        key: &'static str,
        name: &'static str,
        options: &'static [&'static str],
    ) -> Self {
        Self::new(key, name, Unit::None, Kind::State(options))
    }

    /// A moment in time.
    pub const fn moment(key: &'static str, name: &'static str) -> Self {
        Self::new(key, name, Unit::None, Kind::Moment)
    }

    /// Free text.
    pub const fn text(key: &'static str, name: &'static str) -> Self {
        Self::new(key, name, Unit::None, Kind::Text)
    }

    /// The same with `decimals` decimals.
    #[must_use]
    pub const fn decimals(mut self, decimals: u8) -> Self {
        self.decimals = decimals;
        self.published = decimals;
        self
    }

    /// The same, published with `decimals` decimals: to the unit of its source.
    #[must_use]
    pub const fn published(mut self, decimals: u8) -> Self {
        self.published = decimals;
        self
    }

    /// The same, but a change below `dead_band` is not worth a message.
    #[must_use]
    pub const fn dead_band(mut self, dead_band: f64) -> Self {
        self.dead_band = dead_band;
        self
    }

    /// The same as a diagnostic figure.
    #[must_use]
    pub const fn diagnostic(mut self) -> Self {
        self.category = Category::Diagnostic;
        self
    }

    /// The same, its Home Assistant entity disabled at first.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.category = Category::Hidden;
        self
    }

    /// The currency of money: the ISO 4217 code that ends its key.
    pub fn currency(&self) -> Option<String> {
        if !matches!(self.unit, Unit::Money | Unit::MoneyPerKilowattHour) {
            return None;
        }
        let (_, code) = self.key.rsplit_once('_')?;
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_lowercase());
        is_code.then(|| code.to_ascii_uppercase())
    }

    /// Whether its values are numbers that go into the history (flags as 0 and 1).
    pub const fn is_stored(&self) -> bool {
        match self.kind {
            Kind::Gauge | Kind::Total | Kind::Flag(_) | Kind::State(_) => true,
            Kind::Moment | Kind::Text => false,
        }
    }

    /// Whether two rounded values differ by too little to be worth a message.
    pub fn is_same(&self, old: f64, new: f64) -> bool {
        let change = (old - new).abs();
        // Bit for bit also when there is no dead band: both are rounded alike.
        change < self.dead_band || old.to_bits() == new.to_bits() || change < f64::EPSILON
    }

    /// With how many decimals `value` is shown: energy and money that are small have two digits that
    /// say something, and are not told as 0.
    pub fn decimals_of(&self, value: f64) -> u8 {
        let mut decimals = self.decimals;
        if matches!(self.unit, Unit::KilowattHour | Unit::Money) {
            let mut size = value.abs() * 10f64.powi(i32::from(decimals));
            while size > 0.0 && size < 9.5 && decimals < FINEST {
                size *= 10.0;
                decimals += 1;
            }
        }
        decimals
    }

    /// `value` rounded to the decimals that are published.
    pub fn round(&self, value: f64) -> f64 {
        rounded(value, self.decimals_of(value).max(self.published))
    }

    /// `value` rounded to the decimals that are shown.
    pub fn shown(&self, value: f64) -> f64 {
        rounded(value, self.decimals_of(value))
    }
}

fn rounded(value: f64, decimals: u8) -> f64 {
    let scale = 10f64.powi(i32::from(decimals));
    // Adding zero makes a zero of a negative zero.
    (value * scale).round() / scale + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_published_to_the_unit_of_its_source_and_shown_shorter() {
        static HOT: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius)
            .decimals(1)
            .published(3);
        static PLAIN: Metric = Metric::gauge("load", "Load", Unit::None).decimals(2);
        assert_eq!((HOT.round(37.850_4), HOT.shown(37.850_4)), (37.85, 37.9));
        assert_eq!(HOT.decimals_of(37.85), 1);
        assert_eq!((PLAIN.round(1.234), PLAIN.shown(1.234)), (1.23, 1.23));
    }
}
