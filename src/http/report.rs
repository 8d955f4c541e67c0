use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::json;

use crate::report::{Asked, Format, Period, ReportError};

use super::params::Params;
use super::{Api, Problem, answer};

const FORMATS: [(&str, Format); 4] = [
    ("json", Format::Json),
    ("html", Format::Html),
    ("csv", Format::Csv),
    ("text", Format::Text),
];

/// What the machine used and cost in a period, against the one before and last year
#[utoipa::path(get, path = "/api/v1/power/report", tag = "power",
    params(
        ("period" = Option<String>, Query, description = "`day`, `week`, `month` (the default) or `year` so far, `yesterday`, `last-week`, `last-month`, `last-year`, a date (`2026-05-31`, `2026-05`, `2026`) or `FROM..TO`", example = "last-month"),
        ("node" = Option<String>, Query, description = "Another node that a meter of this one feeds (`feeds = \"node-NAME\"`)", example = "pi"),
        ("format" = Option<String>, Query, description = "`json` (the default), `html`, `csv` or `text`; without it `Accept` decides"),
    ),
    responses((status = 200, description = "Figures, tables, charts and notes by their keys; what is not known is left out", content(
        (serde_json::Value = "application/json"), (String = "text/html"), (String = "text/csv"), (String = "text/plain")))))]
pub(super) async fn power(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    answer(&api, &headers, &uri, "power").await
}

/// What would save energy on this machine, with its evidence and what it saves in a year
#[utoipa::path(get, path = "/api/v1/power/advice", tag = "power",
    responses((status = 200, description = "The greatest saving first; what was dismissed is left out. `known` is false until it has looked, some minutes after the start", body = serde_json::Value,
        example = json!({"known": true, "count": 1, "saving_kwh": 15, "advice": [{"id": "governor",
            "title": "The processor is kept fast for little work", "evidence": "the governor `performance`, and 8 % use on average at 30 W",
            "todo": "echo schedutil | sudo tee …", "saving_low_kwh": 3, "saving_high_kwh": 26, "saving_low_eur": 0.9, "saving_high_eur": 7.8}]}))))]
pub(super) async fn advice(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(uri.query(), &[])?;
    let revision = api.bus.state().revision();
    api.cache.answer(&headers, &uri, revision, || {
        let state = api.bus.state().subject("power/advice");
        let list = state
            .as_ref()
            .and_then(|state| state.detail.as_ref()?.get("list").cloned());
        let saving = state.iter().flat_map(|state| &state.values);
        let mut saving = saving.filter(|(metric, _)| metric.key == "yearly_saving_kwh");
        let saving = saving.next().and_then(|(_, value)| value.as_number());
        let list = list.unwrap_or_else(|| json!([]));
        let count = list.as_array().map_or(0, Vec::len);
        Ok(super::answer::json(&json!({
            "known": state.is_some(), "count": count, "saving_kwh": saving, "advice": list,
        })))
    })
}

/// The report `name`, about the period and in the format that are asked for.
pub(super) async fn answer(
    api: &Api,
    headers: &HeaderMap,
    uri: &Uri,
    name: &str,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["period", "format", "node"])?;
    let period = match params.one("period") {
        Some(text) => text.parse().map_err(problem)?,
        None => Period::default(),
    };
    let format = params.choice("format", &FORMATS)?;
    let format = format.unwrap_or_else(|| accepted(headers));
    let show = move |document: &_| format.render(document).into_bytes();
    let node = params.one("node").map(str::to_owned);
    if node.as_deref() == Some("") {
        let text = "node must be a node's name; without it the report is about this one";
        return Err(Problem::bad_request(text));
    }
    let asked = Asked { period, node };
    let report = api.reports.answer(name, asked, show).await;
    let body = report.map_err(problem)?;
    Ok(answer::once(headers, (format.content_type(), body)))
}

/// The first format that `Accept` names; JSON if it names none.
fn accepted(headers: &HeaderMap) -> Format {
    let texts = headers.get_all(header::ACCEPT).iter();
    let kinds = texts.filter_map(|text| text.to_str().ok());
    let kinds = kinds.flat_map(|text| text.split(','));
    let mut kinds = kinds.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let format = kinds.find_map(|kind| match kind {
        "text/html" => Some(Format::Html),
        "text/csv" => Some(Format::Csv),
        "text/plain" => Some(Format::Text),
        "application/json" => Some(Format::Json),
        _ => None,
    });
    format.unwrap_or(Format::Json)
}

fn problem(error: impl Into<ReportError>) -> Problem {
    match error.into() {
        error @ (ReportError::Unknown(_) | ReportError::Node(_)) => {
            Problem::not_found(error.to_string())
        }
        ReportError::Period(error) => Problem::bad_request(error.to_string()),
        error @ (ReportError::Store(_) | ReportError::Failed(_)) => {
            tracing::error!("a report: {error}");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the report cannot be made; the log says why",
            )
        }
    }
}
