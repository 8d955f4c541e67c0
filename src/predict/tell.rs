use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::foresight::Told;
use super::outlook::{Nearness, Prediction};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit};

/// The words of `outlook`.
const OUTLOOKS: &[&str] = &["withdrawn", "distant", "near"];
static OUTLOOK: Metric = Metric::state("outlook", "Outlook", OUTLOOKS);
static TEXT: Metric = Metric::text("text", "What is foreseen");
static DUE: Metric = Metric::moment("due", "Expected");
static EARLIEST: Metric = Metric::moment("due_earliest", "Hardly before").hidden();
static LATEST: Metric = Metric::moment("due_latest", "Hardly later").hidden();
static LEFT: Metric = Metric::gauge("days_left", "Days left", Unit::None);
static CONFIDENCE: Metric =
    Metric::gauge("confidence_pct", "Confidence", Unit::Percent).diagnostic();
static SINCE: Metric = Metric::moment("foreseen_since", "Foreseen since").diagnostic();

static FORESEEN: Metric = Metric::gauge("foreseen", "Failures foreseen", Unit::None);
static IS_NEAR: Metric = Metric::flag("failure_near", "Failure near", FlagMeaning::Problem);
static WATCHED: Metric =
    Metric::gauge("watched", "Parts watched for failures", Unit::None).diagnostic();
static LEARNING: Metric =
    Metric::gauge("learning", "Parts too new to tell", Unit::None).diagnostic();
static NEXT: Metric = Metric::moment("next_due", "Next failure expected");

/// A quiet summary (`predictions`) and each prediction (`prediction-<id>`).
pub(super) fn readings(told: &Told, now: Timestamp) -> Vec<Reading> {
    let mut readings = vec![summary(told)];
    let predictions = told.predictions.iter();
    readings.extend(predictions.map(|(prediction, subject)| one(prediction, subject, now)));
    readings
}

fn summary(told: &Told) -> Reading {
    let subject = Subject::of_host(Area::Health, "predictions", "Predictions");
    let count = |number: usize| super::trend::real(number);
    let stands = |(one, _): &&(Prediction, _)| one.outlook != Nearness::Withdrawn;
    let standing = told.predictions.iter().filter(stands);
    let dates = standing
        .clone()
        .filter_map(|(one, _)| Some(one.due?.likely));
    let young = told.outlooks.iter().filter(|one| one.missing.is_some());
    let near = |(one, _): &(Prediction, _)| one.outlook == Nearness::Near;
    Reading::new(&subject)
        .with(&FORESEEN, count(standing.clone().count()))
        .with(&IS_NEAR, standing.clone().any(near))
        .with(&WATCHED, count(told.outlooks.len() + standing.count()))
        .with(&LEARNING, count(young.count()))
        .with_known(&NEXT, dates.min())
}

fn one(prediction: &Prediction, about: &Subject, now: Timestamp) -> Reading {
    let id = format!("prediction-{}", prediction.id);
    let label = format!("{} {}", prediction.kind.title(), prediction.label);
    let subject: Arc<Subject> = Subject::of_device(Area::Health, &id, &label, about.device.clone());
    let due = prediction.due;
    let left = due.map(|due| {
        let left = due.likely.duration_since(now).as_secs_f64() / 86_400.0;
        left.max(0.0).floor()
    });
    let mut reading = Reading::new(&subject)
        .with(&OUTLOOK, prediction.outlook.as_str())
        .with(&TEXT, prediction.text.as_str())
        .with_known(&DUE, due.map(|due| due.likely))
        .with_known(&LEFT, left)
        .with(&CONFIDENCE, f64::from(prediction.confidence_pct))
        .with(&SINCE, prediction.since)
        .with_known(&EARLIEST, due.map(|due| due.earliest))
        .with_known(&LATEST, due.and_then(|due| due.latest));
    let evidence: Map<String, Json> = prediction
        .evidence
        .iter()
        .map(|one| (one.what.clone(), Json::from(one.figure.as_str())))
        .collect();
    let detail = [
        ("kind", json!(prediction.kind)),
        ("about", json!(prediction.subject)),
        ("advice", json!(prediction.advice)),
        ("lead_days", json!(prediction.lead_days)),
        ("evidence", Json::Object(evidence)),
    ];
    let detail = detail.into_iter();
    reading.detail = Some(detail.map(|(key, value)| (key.to_owned(), value)).collect());
    reading
}
