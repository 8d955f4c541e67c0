//! The health of the machine and its parts over a period: verdict with reasons, the hottest parts,
//! fans, disks, UPSes with their outages, filesystems, arrays, what is foreseen, alerts.

mod alerts;
mod foreseen;
mod parts;
mod supplies;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Cell, Document, Entry, Question, ReportError};
use crate::predict::{self, Known, Posted};
use crate::store::SeriesInfo;

pub(super) const ENTRY: Entry = Entry {
    name: "health",
    make,
};

/// So many rows a table has at most.
const ROWS: usize = 50;
/// Points that are looked at for the least and the greatest, which are exact.
const POINTS: usize = 500;

/// Everything that the parts of the report are made of.
struct Past<'a> {
    question: &'a Question<'a>,
    /// The series of health that have samples in the period or after it, by `<subject>/<key>`.
    series: BTreeMap<String, SeriesInfo>,
    known: BTreeMap<String, Known>,
    posted: Posted,
}

fn make(question: &Question<'_>) -> Result<Document, ReportError> {
    if let Some(other) = question.other {
        return Err(ReportError::Node(format!(
            "each node keeps the history of its own health; ask {other} itself: `homewatch report \
             health` there, or its REST bridge"
        )));
    }
    let mut document = question.document("health", "Health");
    document.against.clear();
    let from = question.frame.span.from;
    let all = question.store.series().into_iter();
    let past = Past {
        question,
        series: all
            .filter(|info| info.last >= from)
            .filter_map(|info| Some((info.id.strip_prefix("health/")?.to_owned(), info)))
            .collect(),
        known: predict::known(question.memory),
        posted: predict::posted(question.memory),
    };
    let alerts = past.alerts()?;
    past.verdict(&mut document, &alerts)?;
    past.predictions(&mut document);
    past.alert_table(&mut document, &alerts);
    document.table(parts::hottest(&past)?);
    document.table(parts::fans(&past)?);
    document.table(parts::disks(&past)?);
    past.supplies(&mut document)?;
    document.table(parts::filesystems(&past)?);
    document.table(parts::arrays(&past)?);
    Ok(document)
}

impl Past<'_> {
    /// The subjects that have the figure `key` and whose id begins so.
    fn subjects(&self, prefix: &str, key: &str) -> Vec<&str> {
        let ids = self.series.keys().filter_map(|id| id.split_once('/'));
        ids.filter(|(id, own)| id.starts_with(prefix) && *own == key)
            .map(|(id, _)| id)
            .collect()
    }

    /// What a person calls a subject.
    fn label(&self, id: &str) -> String {
        let known = self.known.get(&format!("health/{id}"));
        known.map_or_else(|| id.to_owned(), |known| known.label.clone())
    }

    /// The newest figure within the period.
    fn newest(&self, id: &str, key: &str) -> Result<Option<f64>, ReportError> {
        let points = self.points(id, key)?;
        Ok(points.last().map(|(_, value)| *value))
    }

    /// The newest word of a state within the period.
    fn word(&self, id: &str, key: &str) -> Result<Option<String>, ReportError> {
        let newest = self.newest(id, key)?;
        let info = self.series.get(&format!("{id}/{key}"));
        Ok(newest.zip(info).and_then(|(place, info)| {
            let mut words = info.options.iter().enumerate();
            let is = |(at, _): &(usize, &String)| i32::try_from(*at).map(f64::from) == Ok(place);
            words.find(is).map(|(_, word)| word.clone())
        }))
    }

    /// Points within the period, the least and the greatest among them.
    fn points(&self, id: &str, key: &str) -> Result<Vec<(Timestamp, f64)>, ReportError> {
        let Some(info) = self.series.get(&format!("{id}/{key}")) else {
            return Ok(Vec::new());
        };
        let span = self.question.frame.span;
        let points = self
            .question
            .store
            .query(&info.id, span.from, span.to, Some(POINTS))?;
        let known = points
            .into_iter()
            .filter_map(|point| Some((point.at, point.value?)));
        Ok(known.collect())
    }

    /// A moment in local time.
    fn moment(&self, at: Timestamp) -> String {
        let local = self.question.frame.local(at);
        local.strftime("%Y-%m-%d %H:%M").to_string()
    }
}

fn text(text: Option<String>) -> Cell {
    text.map_or(Cell::Unknown, Cell::Text)
}
