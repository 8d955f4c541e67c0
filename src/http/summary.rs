use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Map, Value as Json, json};

use crate::bus::{SubjectState, state_json};
use crate::model::{Alert, AlertCounts, AlertState, Area, Category, Severity, Unit, Value};

use super::params::Params;
use super::{Api, Problem, answer};

/// Of each kind of thing, how many are shown: all in all it stays below 1 KiB compressed.
const FIRST: usize = 3;
/// The longest text that is shown, characters.
const TEXT: usize = 80;

/// What it may have.
const FIELDS: [&str; 14] = [
    "node",
    "version",
    "started",
    "cursor",
    "verdict",
    "alerts",
    "cpu",
    "memory",
    "power",
    "internet",
    "hottest",
    "filesystems",
    "ups",
    "ddns",
];

/// What a phone shows first; below 1 KiB compressed
#[utoipa::path(get, path = "/api/v1/summary", tag = "state",
    params(
        ("since" = Option<String>, Query, description = "`cursor` of an earlier answer: `{\"changed\": false}` if nothing has changed since"),
        ("fields" = Option<String>, Query, description = "Keys to send, separated by commas", example = "verdict,alerts"),
    ),
    responses((status = 200, description = "What is not known is left out", body = Json,
        example = json!({"node": "nas", "verdict": "warning", "cursor": "19a0.42",
            "alerts": {"critical": 0, "warning": 1, "info": 0, "acknowledged": 0, "worst": "warning", "first": []},
            "cpu": {"usage_pct": 7.5}, "hottest": [{"label": "NVMe", "temperature_c": 61}]}))))]
pub(super) async fn summary(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["since", "fields"])?;
    let revision = api.bus.state().revision();
    let since = api.since(params.one("since"))?;
    let fields = params.fields(&FIELDS)?;
    api.cache.answer(&headers, &uri, revision, || {
        let cursor = api.cursor(revision);
        if since.is_some_and(|since| since >= revision) {
            return Ok(answer::json(&json!({ "cursor": cursor, "changed": false })));
        }
        let mut body = whole(&api, &cursor);
        answer::sparse(&mut body, &fields);
        Ok(answer::json(&body))
    })
}

fn whole(api: &Api, cursor: &str) -> Json {
    let state = api.bus.state();
    let subjects: Vec<_> = state
        .subjects()
        .into_iter()
        .filter(|s| s.available)
        .collect();
    let alerts = state.alerts();
    let counts = AlertCounts::of(alerts.iter().map(|alert| -> &Alert { alert }));
    let verdict = match counts.worst {
        Some(Severity::Critical) => "critical",
        Some(Severity::Warning) => "warning",
        _ if subjects.is_empty() => "unknown",
        Some(Severity::Info) | None => "ok",
    };
    let mut body = Map::new();
    let mut put = |key: &str, value: Json| {
        let empty = match &value {
            Json::Null => true,
            Json::Array(list) => list.is_empty(),
            Json::Object(map) => map.is_empty(),
            Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
        };
        if !empty {
            body.insert(key.to_owned(), value);
        }
    };
    put("node", cut(&api.node).into());
    put("version", env!("CARGO_PKG_VERSION").into());
    put("started", format!("{:.3}", api.started.0).into());
    put("cursor", cursor.into());
    put("verdict", verdict.into());
    put("alerts", open(&alerts, counts));
    let one = |area, id: &str| {
        let found = subjects
            .iter()
            .find(|s| s.subject.area == area && s.subject.id == id);
        found.map_or(Json::Null, |state| figures(state, 5))
    };
    put("cpu", one(Area::Health, "cpu"));
    put("memory", one(Area::Health, "memory"));
    put("power", one(Area::Power, "host"));
    put("internet", one(Area::Internet, "connection"));
    put("hottest", highest(&subjects, Unit::Celsius, ""));
    put("filesystems", highest(&subjects, Unit::Percent, "fs-"));
    let some = |area, prefix: &str| -> Json {
        let of = subjects
            .iter()
            .filter(|s| s.subject.area == area && s.subject.id.starts_with(prefix));
        of.take(2)
            .map(|state| {
                let mut item = figures(state, 3);
                if let Some(item) = item.as_object_mut() {
                    item.insert("label".to_owned(), cut(&state.subject.label).into());
                }
                item
            })
            .collect()
    };
    put("ups", some(Area::Health, "ups-"));
    put("ddns", some(Area::Ddns, ""));
    Json::Object(body)
}

/// Counts, and the worst that are not acknowledged, the newest first.
fn open(alerts: &[Arc<Alert>], counts: AlertCounts) -> Json {
    let mut firing: Vec<_> = alerts
        .iter()
        .filter(|a| a.state == AlertState::Firing)
        .collect();
    firing.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.since)));
    let first: Vec<_> = firing
        .iter()
        .take(FIRST)
        .map(|alert| {
            json!({
                "id": alert.id,
                "severity": alert.severity,
                "summary": cut(&alert.summary),
                "since": format!("{:.0}", alert.since),
            })
        })
        .collect();
    let mut body = json!(counts);
    if let Some(body) = body.as_object_mut() {
        body.insert("first".to_owned(), first.into());
    }
    body
}

/// The first primary figures of a subject, and what they come from where that varies: an estimate
/// must be known for one.
fn figures(state: &SubjectState, count: usize) -> Json {
    let source = state
        .source
        .map(|source| ("source".to_owned(), Json::from(source.as_str())));
    state
        .values
        .iter()
        .filter(|(metric, _)| metric.category == Category::Primary)
        .take(count)
        .map(|(metric, value)| {
            let value = match value {
                Value::Text(text) => cut(text).into(),
                value @ (Value::Number(_) | Value::Flag(_) | Value::Moment(_)) => {
                    state_json(metric, value)
                }
            };
            (metric.key.to_owned(), value)
        })
        .chain(source)
        .collect::<Map<_, _>>()
        .into()
}

/// The subjects with the highest figures in `unit`, one figure each.
fn highest(subjects: &[SubjectState], unit: Unit, prefix: &str) -> Json {
    let mut list: Vec<_> = subjects
        .iter()
        .filter(|state| state.subject.area == Area::Health && state.subject.id.starts_with(prefix))
        .filter_map(|state| {
            let figures = state
                .values
                .iter()
                .filter(|(metric, _)| metric.unit == unit && metric.category == Category::Primary);
            let numbers = figures.filter_map(|(metric, value)| Some((value.as_number()?, *metric)));
            let (number, metric) = numbers.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
            Some((number, metric, cut(&state.subject.label)))
        })
        .collect();
    list.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    // A disk's temperature may be known twice, by its driver and by S.M.A.R.T.
    let mut told = HashSet::new();
    list.retain(|(.., label)| told.insert(label.clone()));
    list.into_iter()
        .take(FIRST)
        .map(|(number, metric, label)| {
            let value = state_json(metric, &Value::Number(number));
            json!({ "label": label, (metric.key): value })
        })
        .collect()
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT).collect()
}
