use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;

use crate::report::{Format, Period, ReportError};

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

/// The report `name`, about the period and in the format that are asked for.
pub(super) async fn answer(
    api: &Api,
    headers: &HeaderMap,
    uri: &Uri,
    name: &str,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["period", "format"])?;
    let period = match params.one("period") {
        Some(text) => text.parse().map_err(problem)?,
        None => Period::default(),
    };
    let format = params.choice("format", &FORMATS)?;
    let format = format.unwrap_or_else(|| accepted(headers));
    let show = move |document: &_| format.render(document).into_bytes();
    let report = api.reports.answer(name, period, show).await;
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
        error @ ReportError::Unknown(_) => Problem::not_found(error.to_string()),
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
