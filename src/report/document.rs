//! What every report is made of, whatever it is about and however it is shown.

use jiff::Zoned;

use super::period::{Frame, Span};

mod chart;
mod figure;
mod harmless;
mod number;
mod table;

pub(super) use chart::place;
pub use chart::{Chart, Series, Shape};
pub use figure::{Figure, Figures};
pub(super) use harmless::harmless;
pub(super) use number::exact;
pub use number::{number, quantity};
pub use table::{Cell, Column, Table};

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
    /// Whether enough of it is known for its sums to be held against others.
    pub is_whole: bool,
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
            is_whole: true,
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

#[cfg(test)]
mod tests;
