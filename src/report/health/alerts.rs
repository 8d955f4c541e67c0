//! The verdict with its reasons, and the alerts of the period.

use std::collections::BTreeSet;

use super::{Past, ROWS};
use crate::model::{Alert, AlertState, Severity};
use crate::predict::Nearness;
use crate::report::{Column, Document, ReportError, Table};
use crate::rules::alert_of;
use crate::store::Collection;

impl Past<'_> {
    pub(super) fn alerts(&self) -> Result<Vec<Alert>, ReportError> {
        let span = self.question.frame.span;
        let records = self.question.store.all(Collection::Alerts)?;
        let alerts = records.iter().filter_map(|(_, record)| alert_of(record));
        let mut alerts: Vec<Alert> = alerts
            .filter(|alert| alert.state != AlertState::Pending && alert.since < span.to)
            .filter(|alert| alert.state != AlertState::Resolved || span.has(alert.since))
            .collect();
        alerts.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.since));
        Ok(alerts)
    }

    pub(super) fn verdict(
        &self,
        document: &mut Document,
        alerts: &[Alert],
    ) -> Result<(), ReportError> {
        if self.series.is_empty() {
            document.warning("Nothing is known of this period.");
            return Ok(());
        }
        let open = alerts
            .iter()
            .filter(|alert| alert.state != AlertState::Resolved);
        let mut worst = open.clone().map(|alert| alert.severity).max();
        let mut reasons: Vec<String> = open
            .filter(|alert| alert.severity >= Severity::Warning)
            .map(|alert| alert.summary.clone())
            .collect();
        for id in self.subjects("disk-", "verdict") {
            let level = match self.word(id, "verdict")?.as_deref() {
                Some("failing") => Severity::Critical,
                Some("warning") => Severity::Warning,
                _ => continue,
            };
            worst = worst.max(Some(level));
            let known = self.known.get(&format!("health/{id}"));
            let why = known.and_then(|known| known.reason.clone());
            let why = why.unwrap_or_else(|| "its SMART figures say so".to_owned());
            reasons.push(format!("{}: {why}", self.label(id)));
        }
        for one in &self.posted.predictions {
            if one.outlook == Nearness::Near {
                worst = worst.max(Some(Severity::Warning));
                reasons.push(format!("{} {}: {}", one.kind.title(), one.label, one.text));
            }
        }
        document.note(match worst {
            Some(Severity::Critical) => "Verdict: critical.",
            Some(Severity::Warning) => "Verdict: warning.",
            Some(Severity::Info) | None => "Verdict: all is well.",
        });
        let mut told = BTreeSet::new();
        for reason in reasons.into_iter().take(ROWS) {
            if told.insert(reason.clone()) {
                document.warning(reason);
            }
        }
        Ok(())
    }

    pub(super) fn alert_table(&self, document: &mut Document, alerts: &[Alert]) {
        let rows = alerts.iter().take(ROWS).map(|alert| {
            vec![
                alert.severity.as_str().into(),
                alert.state.as_str().into(),
                self.moment(alert.since).into(),
                alert.summary.clone().into(),
            ]
        });
        document.table(Table {
            id: "alerts",
            title: "Alerts that are open or ended lately".to_owned(),
            columns: vec![
                Column::text("severity", "Severity"),
                Column::text("state", "State"),
                Column::text("since", "Since"),
                Column::text("summary", "What"),
            ],
            rows: rows.collect(),
            ..Table::default()
        });
    }
}
