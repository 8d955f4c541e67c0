use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use super::params::Params;
use super::{
    Api, Problem, alerts, answer, attribution, chart, disk, health, history, metrics, outages,
    predictions, report, series, stream, summary,
};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// Hand it back as `since` to hear only what has changed.
    #[schema(example = "19a0f3c2b1e.42")]
    cursor: String,
    /// Whether this is everything (or a page of it), not only what has changed: also when `since`
    /// is of an earlier run or something was taken out since.
    full: bool,
    /// The items, in the order of their key.
    items: Vec<serde_json::Value>,
    /// Hand it back as `cursor` to get the next page; absent on the last.
    next: Option<String>,
}

/// A command was carried out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// The sender's own id.
    id: Option<String>,
    /// The words of the command.
    #[schema(example = "alert/disk-hot/ack")]
    command: String,
    /// Always true.
    ok: bool,
    /// What was done.
    detail: Option<serde_json::Value>,
}

/// What a token has had today (UTC).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageToday {
    /// The token's name.
    #[schema(example = "phone")]
    pub(super) token: String,
    /// Bytes of bodies served.
    #[schema(example = 48_211)]
    pub(super) used_bytes: u64,
    /// The daily budget, bytes.
    #[schema(example = 5_000_000)]
    pub(super) budget_bytes: u64,
    /// Seconds until it starts anew.
    pub(super) resets_in_s: u64,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "homewatch", description = "What a home server knows of itself. Tokens: `homewatch token add`."),
    paths(
        health::healthz, metrics::metrics, summary::summary, series::series, history::history,
        alerts::alerts, alerts::ack, alerts::unack, alerts::silence, alerts::control,
        attribution::services, attribution::processes,
        report::power, report::advice, outages::outages, health::health, disk::disk, predictions::predictions, stream::events, health::usage, openapi, chart::chart
    ),
    components(schemas(Problem, Page, Done, UsageToday)),
    security(("token" = [])),
    modifiers(&Common)
)]
struct Description;

/// What all routes have in common: the security scheme and the errors.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
        for item in document.paths.paths.values_mut() {
            let both = [&mut item.get, &mut item.post];
            for operation in both.into_iter().flatten() {
                for (status, text) in [
                    ("400", "A parameter or the body is wrong"),
                    ("401", "No valid token"),
                    ("403", "The token lacks the scope"),
                    ("404", "There is no such thing"),
                    ("408", "It took longer than 10 s"),
                    ("409", "The command was refused"),
                    ("413", "The body is too large"),
                    ("415", "The body is no JSON"),
                    (
                        "429",
                        "Too many wrong tokens, or the daily budget is used up",
                    ),
                    ("500", "It failed; the log says why"),
                ] {
                    let problem = Ref::from_schema_name("Problem");
                    let told = ResponseBuilder::new()
                        .description(text)
                        .content("application/problem+json", Content::new(Some(problem)));
                    let all = &mut operation.responses.responses;
                    all.entry(status.to_owned()).or_insert_with(|| told.into());
                }
            }
        }
    }
}

/// The description of this interface.
pub(super) fn document() -> Document {
    Description::openapi()
}

/// This description
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub(super) async fn openapi(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(uri.query(), &[])?;
    let text = document().to_json().map_err(|error| {
        tracing::error!("the OpenAPI description: {error}");
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "see the log")
    })?;
    drop(api);
    Ok(answer::once(
        &headers,
        ("application/json", text.into_bytes()),
    ))
}

/// Which page of a list is asked for. For the description alone: what is asked is read by
/// [`Params`](super::params::Params), which tells a name that is misspelt.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct PageQuery {
    /// Items at most: 1–500 (100)
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
    /// Keys of each item to send, separated by commas
    fields: Option<String>,
}

/// From when on changes are asked for; described as [`PageQuery`] is.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct SinceQuery {
    /// `cursor` of an earlier answer: only what has changed since
    since: Option<String>,
}

/// Which days are asked for; described as [`PageQuery`] is.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct DaysQuery {
    /// `day` (today, the default), `week` (since Monday), `month`, `year`
    period: Option<String>,
    /// Instead of a period: the first day, by the tariff's time zone
    #[param(example = "2026-11-01")]
    from: Option<String>,
    /// The last day, included (today); a range has at most 400 days
    to: Option<String>,
}
