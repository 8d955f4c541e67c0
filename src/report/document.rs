//! What every report is made of, whatever it is about and however it is shown.

use jiff::Zoned;

use super::period::{Frame, Grain, Span};

/// A report, ready to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is about, one word (`power`).
    pub report: &'static str,
    /// Its title.
    pub title: String,
    /// The node it is about.
    pub node: String,
    /// When it was made, local time.
    pub made_at: Zoned,
    /// The period's name for people.
    pub period: String,
    /// From when, local time.
    pub from: Zoned,
    /// Until when, local time.
    pub to: Zoned,
    /// What the columns `before` and `last_year` of its figures are; empty where nothing is held
    /// against the past.
    pub against: Vec<Against>,
    /// What it says, in order.
    pub parts: Vec<Part>,
}

/// A span that figures are held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// `before` or `last_year`.
    pub key: &'static str,
    /// For people ("the period before").
    pub label: &'static str,
    /// From when, local time.
    pub from: Zoned,
    /// Until when, local time.
    pub to: Zoned,
}

/// One piece of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Figures side by side.
    Figures(Figures),
    /// A table.
    Table(Table),
    /// A chart.
    Chart(Chart),
    /// A sentence that matters: a gap in the data, an estimate, what follows.
    Note(Note),
}

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

    /// The same with a remark.
    #[must_use]
    pub fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    /// All that is known of it, by the keys of each.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
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
    pub(super) fn then(&self, against: &Against) -> Option<f64> {
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
        } else {
            (now - then) / then.abs() * 100.0
        }))
    }

    fn is_share(&self) -> bool {
        self.unit == "%"
    }

    /// [`Self::change`] with its sign and unit.
    pub(super) fn changed(&self, then: Option<f64>) -> Option<String> {
        let change = self.change(then)?;
        let unit = if self.is_share() { "points" } else { "%" };
        let text = number(change, 0);
        Some(match (&*text, change > 0.0) {
            ("0", _) => format!("±0 {unit}"),
            (text, true) => format!("+{text} {unit}"),
            (text, false) => format!("{text} {unit}"),
        })
    }
}

fn known(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// A table; the first column names the row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Its key.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each a cell a column.
    pub rows: Vec<Vec<Cell>>,
    /// The key of the column that is drawn as a bar, if any.
    pub bar: Option<&'static str>,
    /// What has to be known to read it.
    pub remark: String,
}

impl Table {
    /// Whether a column has numbers.
    pub(super) fn is_number(&self, place: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(place));
        cells.any(|cell| matches!(cell, Cell::Number(_)))
    }

    /// The same without columns in which nothing is known.
    #[must_use]
    pub(super) fn without_empty(mut self) -> Self {
        for place in (1..self.columns.len()).rev() {
            let mut cells = self.rows.iter().filter_map(|row| row.get(place));
            if cells.all(|cell| *cell == Cell::Unknown) {
                self.columns.remove(place);
                for row in &mut self.rows {
                    row.remove(place);
                }
            }
        }
        self
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its key, ending in the unit.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// The unit's symbol; empty has none.
    pub unit: String,
    /// Decimals of its numbers.
    pub decimals: u8,
}

impl Column {
    /// A column of text.
    pub fn text(key: &str, label: &str) -> Self {
        Self::number(key, label, "", 0)
    }

    /// A column of numbers.
    pub fn number(key: &str, label: &str, unit: &str, decimals: u8) -> Self {
        Self {
            key: key.to_owned(),
            label: label.to_owned(),
            unit: unit.to_owned(),
            decimals,
        }
    }
}

/// What stands in one row of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number in the column's unit.
    Number(f64),
    /// Nothing is known.
    Unknown,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Some(value).into()
    }
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        known(value).map_or(Self::Unknown, Self::Number)
    }
}

/// A chart over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Its key.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// The unit's symbol.
    pub unit: String,
    /// Decimals of its values.
    pub decimals: u8,
    /// How it is drawn.
    pub shape: Shape,
    /// How fine its time is.
    pub grain: Grain,
    /// When each place on it begins, local time.
    pub at: Vec<Zoned>,
    /// What it shows; the first is what it is about.
    pub series: Vec<Series>,
    /// What has to be known to read it.
    pub remark: String,
}

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A bar for each value of the first series; the others are lines over it.
    Bars,
    /// The series on top of each other.
    Stack,
    /// A line for each series, broken where nothing is known.
    Lines,
}

/// One row of values of a chart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Its name.
    pub label: String,
    /// A value for each place; `None` where nothing is known.
    pub values: Vec<Option<f64>>,
    /// What each value lies within, where that is known; may be empty.
    pub within: Vec<Option<(f64, f64)>>,
    /// Drawn faintly: what was before, or what is only expected.
    pub faint: bool,
}

/// A sentence that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it limits what the figures are worth.
    pub warns: bool,
    /// The sentence.
    pub text: String,
}

impl Document {
    /// A report on `frame` that says nothing yet.
    pub fn new(
        report: &'static str,
        title: &str,
        node: &str,
        made_at: Zoned,
        frame: &Frame,
    ) -> Self {
        Self {
            report,
            title: title.to_owned(),
            node: node.to_owned(),
            made_at,
            period: frame.name.clone(),
            from: frame.local(frame.span.from),
            to: frame.local(frame.span.to),
            against: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// The same, its figures held against `frame`'s period before and the same of last year.
    #[must_use]
    pub fn against(mut self, frame: &Frame) -> Self {
        let one = |key, label, span: Span| Against {
            key,
            label,
            from: frame.local(span.from),
            to: frame.local(span.to),
        };
        self.against = vec![one("before", "the period before", frame.before)];
        let last_year = frame.last_year;
        self.against
            .extend(last_year.map(|span| one("last_year", "a year earlier", span)));
        self
    }

    /// Adds figures; none are left out.
    pub fn figures(&mut self, id: &'static str, title: &str, figures: Vec<Figure>) {
        if !figures.is_empty() {
            self.parts.push(Part::Figures(Figures {
                id,
                title: title.to_owned(),
                figures,
            }));
        }
    }

    /// Adds a table; one without rows is left out, and so is a column of which nothing is known.
    pub fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.parts.push(Part::Table(table.without_empty()));
        }
    }

    /// Adds a chart; one without any value is left out, and so is a past of which nothing is known.
    pub fn chart(&mut self, mut chart: Chart) {
        let is_known = |one: &Series| !one.faint || one.values.iter().any(Option::is_some);
        chart.series.retain(is_known);
        let mut values = chart.series.iter().flat_map(|series| &series.values);
        if values.any(Option::is_some) {
            self.parts.push(Part::Chart(chart));
        }
    }

    /// Adds a sentence.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.parts.push(Part::Note(Note { warns: false, text }));
    }

    /// Adds a sentence that limits what the figures are worth.
    pub fn warning(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.parts.push(Part::Note(Note { warns: true, text }));
    }
}

/// A number with so many decimals, its minus a minus; never `-0`.
pub fn number(value: f64, decimals: u8) -> String {
    let text = format!("{value:.*}", usize::from(decimals.min(6)));
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// A number with its unit.
pub fn quantity(value: f64, unit: &str, decimals: u8) -> String {
    let number = number(value, decimals);
    if unit.is_empty() {
        number
    } else {
        format!("{number} {unit}")
    }
}

/// `text` without what could steer a terminal or turn a line around: such characters become `�`.
pub(super) fn harmless(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let one = |c| if odd(c) { '\u{fffd}' } else { c };
    text.chars().map(one).collect()
}

/// How the start of a chart's place is written, in full.
pub(super) fn place(at: &Zoned, grain: Grain) -> String {
    let form = match grain {
        Grain::Hour => "%a %-d %b %H:%M",
        Grain::Day => "%a %-d %b %Y",
        Grain::Month => "%B %Y",
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests;
