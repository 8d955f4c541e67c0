use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use bytes::Bytes;

use super::events::KINDS;
use super::guard::Caller;
use super::params::Params;
use super::{Api, Problem};

/// Alerts and changes as they happen (server-sent events)
#[utoipa::path(get, path = "/api/v1/events", tag = "state",
    params(
        ("kinds" = Option<String>, Query, description = "`alert`, `state`, `event`, separated by commas (all)"),
        ("Last-Event-ID" = Option<String>, Header, description = "Where to resume; an event `reset` tells that something is lost"),
    ),
    responses((status = 200, description = "Events `alert`, `alert_cleared`, `state`, `event`, `reset`; `budget` ends the stream", body = String, content_type = "text/event-stream")))]
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["kinds"])?;
    let mut kinds = Vec::new();
    for word in params.list("kinds") {
        match KINDS.iter().find(|(name, _)| *name == word) {
            Some((_, kind)) => kinds.push(*kind),
            None => {
                return Err(Problem::bad_request("kinds must be of alert, state, event"));
            }
        }
    }
    if kinds.is_empty() {
        kinds.extend(KINDS.iter().map(|(_, kind)| *kind));
    }
    let last = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or_default());
    let Some(client) = api.events.client(last, &kinds) else {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many listeners at once");
        return Err(problem.retry_after(30));
    };
    let token = caller.token.unwrap_or_default();
    let start = Some((client, api, token));
    let stream = futures_util::stream::unfold(start, async |state| {
        let (mut client, api, token) = state?;
        let piece = client.next().await;
        let now = api.clock.now();
        api.usage.add(&token, piece.len() as u64, now);
        if api.usage.today(&token, now) >= api.daily_budget {
            let end = Bytes::from_static(b"event: budget\ndata: {}\n\n");
            return Some((Ok::<_, std::convert::Infallible>(end), None));
        }
        Some((Ok(piece), Some((client, api, token))))
    });
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
