use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};

use crate::bus::{SubjectState, state_json};
use crate::model::{Area, Device, Kind, Metric};
use crate::store::Point;

use super::params::{Params, Segment};
use super::{Api, Problem, answer, history, predictions};

/// So much of the past is summed up.
const PAST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Points that are looked at for it.
const POINTS: usize = 400;
/// No more series of a disk are summed up.
const SERIES: usize = 32;

/// All that is known of one disk: figures, verdict with reasons, self-tests, the last 30 days in short, what is foreseen
#[utoipa::path(get, path = "/api/v1/health/disks/{id}", tag = "state",
    params(("id" = String, Path, description = "The disk as GET /api/v1/health names it, with or without `disk-`", example = "disk-wd-wcc4n0")),
    responses((status = 200, description = "`state` is the JSON object as on MQTT; what is not known is left out", body = Json)))]
pub(super) async fn disk(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(uri.query(), &[])?;
    let id = id.strip_prefix("disk-").unwrap_or(&id);
    let found = api.bus.state().subject(&format!("health/disk-{id}"));
    let Some(disk) = found else {
        return Err(Problem::not_found(format!(
            "there is no disk \"{id}\"; GET /api/v1/health lists disk-…"
        )));
    };
    let mut body = Map::new();
    let mut put = |key: &str, value: Json| body.insert(key.to_owned(), value);
    put("subject", disk.subject.id.as_str().into());
    put("label", disk.subject.label.as_str().into());
    put("available", disk.available.into());
    put("device", device(&disk));
    put("state", shown(&disk));
    let tests = disk.values.iter();
    let tests = tests.filter(|(metric, _)| metric.key.starts_with("selftest"));
    let tests: Map<_, _> = tests
        .map(|(metric, value)| (metric.key.to_owned(), state_json(metric, value)))
        .collect();
    put("self_tests", tests.into());
    let sensors = temperatures(&api, id);
    put("temperatures", sensors.iter().map(shown_with_id).collect());
    put("history", past(&api, &disk, &sensors).await?);
    let posted = api.predictions.read();
    let about = format!("health/disk-{id}");
    let made = posted.predictions.iter().filter(|one| one.subject == about);
    let others = posted.outlooks.iter().filter(|one| one.subject == about);
    let made = made.map(predictions::foreseen);
    let all = made.chain(others.map(|one| predictions::unforeseen(one).1));
    put("predictions", all.collect());
    Ok(answer::once(&headers, answer::json(&Json::Object(body))))
}

/// Who it is, as far as that is known.
fn device(disk: &SubjectState) -> Json {
    let Device::Part {
        name,
        manufacturer,
        model,
        serial,
        ..
    } = &disk.subject.device
    else {
        return json!({});
    };
    let all = [
        ("name", Some(name)),
        ("manufacturer", manufacturer.as_ref()),
        ("model", model.as_ref()),
        ("serial", serial.as_ref()),
    ];
    let known = all.into_iter().filter_map(|(key, text)| Some((key, text?)));
    known
        .map(|(key, text)| (key.to_owned(), Json::from(text.as_str())))
        .collect::<Map<_, _>>()
        .into()
}

fn shown(state: &SubjectState) -> Json {
    serde_json::from_slice(&state.published).unwrap_or_default()
}

fn shown_with_id(state: &SubjectState) -> Json {
    json!({
        "subject": state.subject.id,
        "label": state.subject.label,
        "available": state.available,
        "state": shown(state),
    })
}

/// The disk's own sensors.
fn temperatures(api: &Api, id: &str) -> Vec<SubjectState> {
    let own = format!("temp-disk-{id}");
    let more = format!("{own}-");
    let mut sensors = api.bus.state().subjects();
    sensors.retain(|state| {
        let name = &state.subject.id;
        state.subject.area == Area::Health && (*name == own || name.starts_with(&more))
    });
    sensors
}

/// The last days of its series in short.
async fn past(
    api: &Arc<Api>,
    disk: &SubjectState,
    sensors: &[SubjectState],
) -> Result<Json, Problem> {
    let to = api.clock.now();
    let from = to.checked_sub(PAST).unwrap_or(Timestamp::MIN);
    let of = |state: &SubjectState| {
        let numbers = state.values.iter().map(|(metric, _)| *metric);
        let stored = numbers.filter(|metric| matches!(metric.kind, Kind::Gauge | Kind::Total));
        let names =
            stored.map(|metric| (format!("{}/{}", state.subject.key(), metric.key), metric));
        names.collect::<Vec<_>>()
    };
    let series: Vec<(String, &'static Metric)> =
        std::iter::once(disk).chain(sensors).flat_map(of).collect();
    let mut all = Map::new();
    for (name, metric) in series.into_iter().take(SERIES) {
        let points = history::read(api, &name, from, to, POINTS).await?;
        if let Some(short) = short(&points, metric) {
            all.insert(name, short);
        }
    }
    Ok(json!({ "from": format!("{from:.3}"), "to": format!("{to:.3}"), "series": all }))
}

/// The first, the last, the least and the greatest.
fn short(points: &[Point], metric: &'static Metric) -> Option<Json> {
    let known = points.iter().filter_map(|point| point.value);
    let (first, last) = (known.clone().next()?, known.clone().next_back()?);
    let lowest = known.clone().fold(first, f64::min);
    let highest = known.fold(first, f64::max);
    let show = |number: f64| state_json(metric, &metric.round(number).into());
    Some(json!({
        "unit": metric.unit.symbol(),
        "first": show(first),
        "last": show(last),
        "min": show(lowest),
        "max": show(highest),
    }))
}
