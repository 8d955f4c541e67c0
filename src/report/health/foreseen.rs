//! What is foreseen, and when.

use jiff::Timestamp;

use super::{Past, text};
use crate::predict::{Due, Kind, Nearness};
use crate::report::{Cell, Column, Document, Table};

impl Past<'_> {
    pub(super) fn predictions(&self, document: &mut Document) {
        let standing = self.posted.predictions.iter();
        let standing = standing.filter(|one| one.outlook != Nearness::Withdrawn);
        let rows: Vec<Vec<Cell>> = standing
            .map(|one| {
                let evidence = one.evidence.iter();
                let evidence = evidence.map(|one| format!("{}: {}", one.what, one.figure));
                vec![
                    format!("{} {}", one.kind.title(), one.label).into(),
                    one.text.clone().into(),
                    text(one.due.map(|due| self.around(due))),
                    f64::from(one.confidence_pct).into(),
                    evidence.collect::<Vec<_>>().join("; ").into(),
                    one.advice.clone().into(),
                ]
            })
            .collect();
        let young = self
            .posted
            .outlooks
            .iter()
            .filter(|one| one.missing.is_some());
        let young = young.count();
        let missing = "GET /api/v1/health/predictions says what is missing";
        let remark = match young {
            0 => String::new(),
            1 => format!("1 part is too new to tell; {missing}"),
            _ => format!("{young} parts are too new to tell; {missing}"),
        };
        if rows.is_empty() && young > 0 {
            document.note(format!("Nothing is foreseen; {remark}."));
        }
        document.table(Table {
            id: "predictions",
            title: "Foreseen".to_owned(),
            columns: vec![
                Column::text("part", "Part"),
                Column::text("text", "What"),
                Column::text("due", "When"),
                Column::number("confidence_pct", "Confidence", "%", 0),
                Column::text("evidence", "Evidence"),
                Column::text("advice", "Advice"),
            ],
            rows,
            bar: None,
            remark,
        });
    }

    /// When something is expected of a part, in words.
    pub(super) fn due(&self, kind: Kind, id: &str) -> String {
        let subject = format!("health/{id}");
        let predictions = self.posted.predictions.iter();
        let made = predictions
            .filter(|one| one.kind == kind && one.subject == subject)
            .map(|one| (one.due, None));
        let outlooks = self.posted.outlooks.iter();
        let others = outlooks
            .filter(|one| one.kind == kind && one.subject == subject)
            .map(|one| (one.due, one.missing.as_ref()));
        match made.chain(others).next() {
            Some((Some(due), _)) => self.around(due),
            Some((None, Some(_))) => "still learnt".to_owned(),
            Some((None, None)) => "no date".to_owned(),
            None => String::new(),
        }
    }

    /// A date with its interval.
    fn around(&self, due: Due) -> String {
        let date = |at: Timestamp| {
            self.question
                .frame
                .local(at)
                .strftime("%Y-%m-%d")
                .to_string()
        };
        let likely = date(due.likely);
        match due.latest {
            Some(latest) => format!("{likely} ({} to {})", date(due.earliest), date(latest)),
            None => format!("{likely} ({} or later)", date(due.earliest)),
        }
    }
}
