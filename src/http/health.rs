use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::{Value as Json, json};

use crate::model::Area;

use super::guard::Caller;
use super::params::Params;
use super::series::Page;
use super::usage::Usage;
use super::{Api, Problem, answer};

/// What is told of a part.
const FIELDS: [&str; 4] = ["subject", "label", "available", "state"];

/// The state of every part of the machine
#[utoipa::path(get, path = "/api/v1/health", tag = "state",
    params(super::document::PageQuery, super::document::SinceQuery),
    responses((status = 200, description = "A page of subjects; `state` is the JSON object as on MQTT", body = super::document::Page)))]
pub(super) async fn health(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["limit", "cursor", "since", "fields"])?;
    let revision = api.bus.state().revision();
    let since = api.since(params.one("since"))?;
    let page = Page::read(&params, &FIELDS)?;
    api.cache.answer(&headers, &uri, revision, || {
        let items = api
            .bus
            .state()
            .subjects()
            .into_iter()
            .filter(|state| state.subject.area == Area::Health)
            .filter(|state| since.is_none_or(|since| state.revision > since))
            .map(|state| {
                let shown = serde_json::from_slice::<Json>(&state.published).unwrap_or_default();
                let item = json!({
                    "subject": state.subject.id,
                    "label": state.subject.label,
                    "available": state.available,
                    "state": shown,
                });
                (state.subject.id.clone(), item)
            })
            .collect();
        let full = since.is_none();
        Ok(answer::json(&page.of(items, &api.cursor(revision), full)))
    })
}

/// Whether the service does its work; needs no token
#[utoipa::path(get, path = "/healthz", tag = "service", security(()),
    responses(
        (status = 200, description = "It does; `failing` lists parts that do not", body = Json),
        (status = 503, description = "A vital part fails", body = Json),
    ))]
pub(super) async fn healthz(State(api): State<Arc<Api>>) -> Response {
    let parts = (api.parts)();
    let ok = !parts.iter().any(|part| part.vital && part.error.is_some());
    // Names only: this is open to everybody who can connect.
    let mut failing: Vec<String> = parts
        .into_iter()
        .filter(|part| part.error.is_some())
        .map(|part| part.name)
        .collect();
    let collectors = api.bus.state().collectors();
    let broken = collectors.into_iter().filter(|(_, error)| error.is_some());
    failing.extend(broken.map(|(name, _)| name.to_owned()));
    let body = json!({
        "ok": ok,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": api.started.1.elapsed().as_secs(),
        "failing": failing,
    });
    let mut response = Response::new(body.to_string().into());
    if !ok {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    plain_json(&mut response);
    response
}

/// What this token has had today of its daily budget, in bytes of bodies
#[utoipa::path(get, path = "/api/v1/usage", tag = "service",
    responses((status = 200, description = "Bytes", body = super::document::UsageToday)))]
pub(super) async fn usage(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(uri.query(), &[])?;
    let now = api.clock.now();
    let name = caller.token.unwrap_or_default();
    let body = super::document::UsageToday {
        used_bytes: api.usage.today(&name, now),
        budget_bytes: api.daily_budget,
        resets_in_s: Usage::resets_in(now),
        token: name,
    };
    let mut response = Response::new(json!(body).to_string().into());
    plain_json(&mut response);
    Ok(response)
}

fn plain_json(response: &mut Response) {
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
