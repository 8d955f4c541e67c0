use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Map, Value as Json, json};

use crate::bus::{SubjectState, state_json};
use crate::model::{Area, Kind, Metric};

use super::params::Params;
use super::{Api, Problem, answer};

/// The word for a kind of figure.
const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Total => "total",
        Kind::Flag(_) => "flag",
        Kind::State(_) => "state",
        Kind::Moment => "moment",
        Kind::Text => "text",
    }
}

/// The metric of a series that is there now.
pub(super) fn find(api: &Api, series: &str) -> Option<&'static Metric> {
    let (subject, key) = series.rsplit_once('/')?;
    let state = api.bus.state().subject(subject)?;
    let found = state.values.iter().find(|(metric, _)| metric.key == key);
    found.map(|(metric, _)| *metric)
}

pub(super) const AREAS: [(&str, Area); 4] = [
    ("power", Area::Power),
    ("health", Area::Health),
    ("internet", Area::Internet),
    ("ddns", Area::Ddns),
];

/// What is told of a series.
const FIELDS: [&str; 10] = [
    "series",
    "area",
    "subject",
    "label",
    "name",
    "unit",
    "kind",
    "value",
    "ts",
    "available",
];

/// Every series with its latest value
#[utoipa::path(get, path = "/api/v1/series", tag = "history",
    params(
        ("area" = Option<String>, Query, description = "`power`, `health`, `internet` or `ddns`"),
        ("subject" = Option<String>, Query, description = "A subject's id", example = "cpu"),
        super::document::PageQuery,
        super::document::SinceQuery,
    ),
    responses((status = 200, description = "A page of series", body = super::document::Page)))]
pub(super) async fn series(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let known = ["area", "subject", "limit", "cursor", "since", "fields"];
    let params = Params::read(uri.query(), &known)?;
    let area = params.choice("area", &AREAS)?;
    let revision = api.bus.state().revision();
    let since = api.since(params.one("since"))?;
    let page = Page::read(&params, &FIELDS)?;
    api.cache.answer(&headers, &uri, revision, || {
        let mut items = Vec::new();
        for state in api.bus.state().subjects() {
            let wanted = area.is_none_or(|area| state.subject.area == area)
                && params
                    .one("subject")
                    .is_none_or(|id| state.subject.id == id)
                && since.is_none_or(|since| state.revision > since);
            if wanted {
                items.extend(state.values.iter().map(|value| item(&state, value)));
            }
        }
        let full = since.is_none();
        Ok(answer::json(&page.of(items, &api.cursor(revision), full)))
    })
}

fn item(
    state: &SubjectState,
    (metric, value): &(&'static Metric, crate::model::Value),
) -> (String, Json) {
    let series = format!("{}/{}", state.subject.key(), metric.key);
    let item = json!({
        "series": series,
        "area": state.subject.area.as_str(),
        "subject": state.subject.id,
        "label": state.subject.label,
        "name": metric.name,
        "unit": metric.unit.symbol(),
        "kind": kind(metric.kind),
        "value": state_json(metric, value),
        "ts": format!("{:.3}", state.at),
        "available": state.available,
    });
    (series, item)
}

/// Which part of a list is asked for.
#[derive(Debug)]
pub(super) struct Page {
    limit: usize,
    after: Option<String>,
    /// The keys that are asked for; none asks for all.
    fields: Vec<String>,
    /// All keys that an item may have.
    known: &'static [&'static str],
}

impl Page {
    /// What `params` ask for of a list whose items may have the keys `known`.
    pub(super) fn read(params: &Params, known: &'static [&'static str]) -> Result<Self, Problem> {
        Ok(Self {
            limit: params.count("limit", 100, 500)?,
            after: params.one("cursor").map(str::to_owned),
            fields: params.fields(known)?,
            known,
        })
    }

    /// The same, if `cursor` looks like one that a page of this list has given.
    pub(super) fn after(self, is_cursor: fn(&str) -> bool) -> Result<Self, Problem> {
        if self.after.as_deref().is_none_or(is_cursor) {
            return Ok(self);
        }
        Err(Problem::bad_request(
            "cursor must be \"next\" of the page before, as it was given",
        ))
    }

    /// The page of `items`, each with the key that it is sorted by.
    pub(super) fn of(&self, mut items: Vec<(String, Json)>, cursor: &str, full: bool) -> Json {
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        let after = self.after.as_deref();
        let mut rest = items
            .into_iter()
            .filter(|(key, _)| after.is_none_or(|after| key.as_str() > after))
            .peekable();
        let (mut page, mut last) = (Vec::new(), None);
        for (key, mut item) in rest.by_ref().take(self.limit) {
            debug_assert!(
                item.as_object()
                    .is_none_or(|item| item.keys().all(|key| self.known.contains(&key.as_str()))),
                "a key that nobody can ask for: {item}"
            );
            answer::sparse(&mut item, &self.fields);
            page.push(item);
            last = Some(key);
        }
        let mut body = Map::new();
        body.insert("cursor".to_owned(), cursor.into());
        body.insert("full".to_owned(), full.into());
        body.insert("items".to_owned(), page.into());
        if let (Some(last), true) = (last, rest.peek().is_some()) {
            body.insert("next".to_owned(), last.into());
        }
        Json::Object(body)
    }
}
