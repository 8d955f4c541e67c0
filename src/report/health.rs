//! The health of the machine and its parts over a period: verdict with reasons, the hottest parts,
//! disks, UPSes with their outages, filesystems, arrays, what is foreseen, alerts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Cell, Column, Document, Entry, Figure, Question, ReportError, Table};
use crate::model::{Alert, AlertState, Severity};
use crate::predict::{self, Due, Kind, Known, Nearness, Posted};
use crate::store::{Collection, SeriesInfo};

pub(super) const ENTRY: Entry = Entry {
    name: "health",
    make,
};

/// So many of the hottest parts are shown.
const HOTTEST: usize = 10;
/// So many rows any other table has at most.
const ROWS: usize = 50;
/// Over a longer period every single sample would take too long for a mean, h.
const MEANS: f64 = 35.0 * 24.0;
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
    past.hottest(&mut document)?;
    past.disks(&mut document)?;
    past.supplies(&mut document)?;
    past.filesystems(&mut document)?;
    past.arrays(&mut document)?;
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

    fn alerts(&self) -> Result<Vec<Alert>, ReportError> {
        let span = self.question.frame.span;
        let records = self.question.store.all(Collection::Alerts)?;
        // A record of another version is no alert of this period.
        let alerts = records
            .iter()
            .filter_map(|(_, record)| serde_json::from_slice::<Alert>(record).ok());
        let mut alerts: Vec<Alert> = alerts
            .filter(|alert| alert.state != AlertState::Pending && alert.since < span.to)
            .filter(|alert| alert.state != AlertState::Resolved || span.has(alert.since))
            .collect();
        alerts.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.since));
        Ok(alerts)
    }

    fn verdict(&self, document: &mut Document, alerts: &[Alert]) -> Result<(), ReportError> {
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

    fn hottest(&self, document: &mut Document) -> Result<(), ReportError> {
        let span = self.question.frame.span;
        let mut parts = Vec::new();
        for id in self.subjects("temp-", "temperature_c") {
            let values: Vec<f64> = self
                .points(id, "temperature_c")?
                .into_iter()
                .map(|(_, v)| v)
                .collect();
            let least = values.iter().copied().reduce(f64::min);
            if let Some((least, most)) = least.zip(values.into_iter().reduce(f64::max)) {
                parts.push((id, least, most));
            }
        }
        parts.sort_by(|(_, _, a), (_, _, b)| b.total_cmp(a));
        let mut rows = Vec::new();
        for (id, least, most) in parts.into_iter().take(HOTTEST) {
            let (mut sum, mut count) = (0.0, 0_u32);
            if span.hours() <= MEANS {
                let series = format!("health/{id}/temperature_c");
                let add = |_, value: f64| {
                    sum += value;
                    count += 1;
                    true
                };
                self.question
                    .store
                    .each_sample(&series, span.from, span.to, add)?;
            }
            let mean = (count > 0).then(|| sum / f64::from(count));
            rows.push(vec![
                self.label(id).into(),
                least.into(),
                mean.into(),
                most.into(),
                self.newest(id, "critical_c")?.into(),
            ]);
        }
        let degrees = |key: &str, label: &str| Column::number(key, label, "°C", 1);
        document.table(Table {
            id: "hottest",
            title: "Hottest parts".to_owned(),
            columns: vec![
                Column::text("part", "Part"),
                degrees("min_c", "Least"),
                degrees("mean_c", "Mean"),
                degrees("max_c", "Greatest"),
                degrees("critical_c", "Critical"),
            ],
            rows,
            bar: Some("max_c"),
            remark: String::new(),
        });
        Ok(())
    }

    fn disks(&self, document: &mut Document) -> Result<(), ReportError> {
        let mut rows = Vec::new();
        for id in self.subjects("disk-", "verdict").into_iter().take(ROWS) {
            let known = self.known.get(&format!("health/{id}"));
            let warmest = self
                .points(id, "temperature_c")?
                .into_iter()
                .map(|(_, v)| v);
            rows.push(vec![
                self.label(id).into(),
                text(self.word(id, "verdict")?),
                text(known.and_then(|known| known.reason.clone())),
                warmest.reduce(f64::max).into(),
                self.newest(id, "wear_pct")?.into(),
                self.newest(id, "reallocated")?.into(),
                self.newest(id, "pending")?.into(),
                self.newest(id, "power_on_hours")?.into(),
            ]);
        }
        document.table(Table {
            id: "disks",
            title: "Disks".to_owned(),
            columns: vec![
                Column::text("disk", "Disk"),
                Column::text("verdict", "Verdict"),
                Column::text("reason", "Reason"),
                Column::number("max_c", "Warmest", "°C", 0),
                Column::number("wear_pct", "Wear", "%", 0),
                Column::number("reallocated", "Replaced sectors", "", 0),
                Column::number("pending", "Pending sectors", "", 0),
                Column::number("power_on_hours", "On for", "h", 0),
            ],
            rows,
            ..Table::default()
        });
        Ok(())
    }

    fn supplies(&self, document: &mut Document) -> Result<(), ReportError> {
        let (mut figures, mut rows) = (Vec::new(), Vec::new());
        for id in self.subjects("ups-", "on_battery") {
            let outages = self.outages(id)?;
            let minutes: f64 = outages.iter().map(|(from, to)| minutes(*from, *to)).sum();
            let label = self.label(id);
            let count = outages.len();
            let figure = Figure::new(format!("{id}_on_battery_min"), &label, "min", 1);
            let figure = figure.with(Some(minutes), None, None);
            figures.push(figure.remark(format!("on battery, {count} times")));
            for (from, to) in outages.into_iter().rev().take(ROWS) {
                let charges = self.question.store.query(
                    &format!("health/{id}/charge_pct"),
                    from,
                    to,
                    Some(POINTS),
                );
                let charges = charges.unwrap_or_default().into_iter();
                let lowest = charges.filter_map(|point| point.value).reduce(f64::min);
                rows.push(vec![
                    label.clone().into(),
                    self.moment(from).into(),
                    minutes_cell(from, to),
                    lowest.into(),
                ]);
            }
        }
        document.figures("ups", "UPS", figures);
        document.table(Table {
            id: "outages",
            title: "Outages of the mains".to_owned(),
            columns: vec![
                Column::text("ups", "UPS"),
                Column::text("from", "From"),
                Column::number("length_min", "Length", "min", 1),
                Column::number("lowest_charge_pct", "Lowest charge", "%", 0),
            ],
            rows,
            ..Table::default()
        });
        Ok(())
    }

    /// When it ran on its battery: from, to.
    fn outages(&self, id: &str) -> Result<Vec<(Timestamp, Timestamp)>, ReportError> {
        let span = self.question.frame.span;
        let mut outages: Vec<(Timestamp, Timestamp)> = Vec::new();
        let mut open = false;
        let series = format!("health/{id}/on_battery");
        self.question
            .store
            .each_sample(&series, span.from, span.to, |at, value| {
                let on = value > 0.5;
                match outages.last_mut().filter(|_| open) {
                    // Also at the sample that says that it is over.
                    Some((_, to)) => *to = at,
                    None if on => outages.push((at, at)),
                    None => {}
                }
                open = on;
                true
            })?;
        Ok(outages)
    }

    fn filesystems(&self, document: &mut Document) -> Result<(), ReportError> {
        let mut rows = Vec::new();
        for id in self.subjects("fs-", "used_pct").into_iter().take(ROWS) {
            let free = self.newest(id, "free_bytes")?;
            rows.push(vec![
                self.label(id).into(),
                self.newest(id, "used_pct")?.into(),
                free.map(|bytes| bytes / 1_073_741_824.0).into(),
                self.due(Kind::Space, id).into(),
            ]);
        }
        document.table(Table {
            id: "filesystems",
            title: "Filesystems".to_owned(),
            columns: vec![
                Column::text("filesystem", "Filesystem"),
                Column::number("used_pct", "Used", "%", 1),
                Column::number("free_gib", "Free", "GiB", 1),
                Column::text("full", "Full"),
            ],
            rows,
            bar: Some("used_pct"),
            remark: String::new(),
        });
        Ok(())
    }

    /// When something is expected of a part, in words.
    fn due(&self, kind: Kind, id: &str) -> String {
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

    fn arrays(&self, document: &mut Document) -> Result<(), ReportError> {
        let mut rows = Vec::new();
        for id in self.subjects("", "degraded").into_iter().take(ROWS) {
            let state = match self.word(id, "state")? {
                Some(state) => Some(state),
                None => self
                    .newest(id, "degraded")?
                    .map(|degraded| if degraded > 0.5 { "degraded" } else { "ok" }.to_owned()),
            };
            rows.push(vec![self.label(id).into(), text(state)]);
        }
        document.table(Table {
            id: "arrays",
            title: "Arrays and pools".to_owned(),
            columns: vec![
                Column::text("array", "Array"),
                Column::text("state", "State"),
            ],
            rows,
            ..Table::default()
        });
        Ok(())
    }

    fn predictions(&self, document: &mut Document) {
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
        let remark = if young > 0 {
            format!(
                "{young} parts are too new to tell; GET /api/v1/health/predictions says what is missing"
            )
        } else {
            String::new()
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

    fn alert_table(&self, document: &mut Document, alerts: &[Alert]) {
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
            title: "Alerts".to_owned(),
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

    /// A moment in local time.
    fn moment(&self, at: Timestamp) -> String {
        let local = self.question.frame.local(at);
        local.strftime("%Y-%m-%d %H:%M").to_string()
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

fn text(text: Option<String>) -> Cell {
    text.map_or(Cell::Unknown, Cell::Text)
}

fn minutes(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() / 60.0
}

fn minutes_cell(from: Timestamp, to: Timestamp) -> Cell {
    minutes(from, to).into()
}

#[cfg(test)]
mod tests;
