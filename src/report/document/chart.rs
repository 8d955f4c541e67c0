use jiff::Zoned;

use crate::report::period::Grain;

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

/// How the start of a chart's place is written, in full.
pub(in crate::report) fn place(at: &Zoned, grain: Grain) -> String {
    let form = match grain {
        Grain::Hour => "%a %-d %b %H:%M",
        Grain::Day => "%a %-d %b %Y",
        Grain::Month => "%B %Y",
    };
    at.strftime(form).to_string()
}
