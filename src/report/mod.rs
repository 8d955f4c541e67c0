//! Reports: what a day, a month, a year looked like, from the history and the records.
//!
//! A report is made of a [`Document`] (figures, tables, charts, notes), which is shown as text,
//! JSON, CSV or one self-contained HTML page ([`Format`]); no report knows how it is shown. What
//! span it is about, and which spans it is held against, is a [`Frame`].
//!
//! # How a report is added
//!
//! One file with `pub(super) const ENTRY: Entry`, whose `make` fills a document from a [`Question`]
//! (store, memory, configuration, node, frame), and one line in [`ENTRIES`]. The command line
//! (`homewatch report <name>`), the local socket and the command `report/<name>` follow from that;
//! over REST it is one route whose handler calls `http::report::answer` with the name.
//!
//! Making one reads the store and blocks: from async code go through [`Reports::answer`].

mod advice;
mod csv;
mod document;
mod draw;
mod health;
mod html;
mod json;
mod period;
mod power;
mod reports;
mod run;
mod sheet;
mod text;

#[cfg(test)]
mod tests;

pub use advice::{AdviceSetup, run as advise};
pub use document::{
    Cell, Chart, Column, Document, Figure, Figures, Note, Part, Series, Shape, Table, number,
    quantity,
};
pub use period::{Frame, Grain, Length, Period, PeriodError, Span};
pub use reports::{Asked, Basis, Question, Reports, time_zone};
pub use run::run;
pub use sheet::escape;

use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// Every report there is.
pub const ENTRIES: &[Entry] = &[power::ENTRY, health::ENTRY];

/// A report that can be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The word that names it.
    pub name: &'static str,
    /// Makes it. Blocks.
    pub make: fn(&Question<'_>) -> Result<Document, ReportError>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is none of that name.
    #[error("there is no report \"{0}\"; there are: {names}", names = names().join(", "))]
    Unknown(String),
    /// The period cannot be reported on.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// Nothing is known of that node here; the text says of which there is, and what to do.
    #[error("{0}")]
    Node(String),
    /// The history cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be shown or handed over.
    #[error("{0}")]
    Failed(String),
}

/// The names of all reports.
pub fn names() -> Vec<&'static str> {
    ENTRIES.iter().map(|entry| entry.name).collect()
}

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a spreadsheet.
    Csv,
    /// For a browser; one file with everything in it.
    Html,
}

impl Format {
    /// The document in this format.
    pub fn render(self, document: &Document) -> String {
        match self {
            Self::Text => text::text(document),
            Self::Json => format!("{:#}\n", json::json(document)),
            Self::Csv => csv::csv(document),
            Self::Html => html::html(document),
        }
    }

    /// What kind of text it is.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}
