use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::json;

use crate::model::{AlertState, Command, CommandResult, Severity};

use super::guard::Caller;
use super::params::{Params, Segment};
use super::series::Page;
use super::{Api, Problem, answer};

/// The largest body that is read, bytes.
const BODY: usize = 64 * 1024;

/// What is told of an alert.
const FIELDS: [&str; 14] = [
    "id",
    "rule",
    "severity",
    "state",
    "subject",
    "summary",
    "value",
    "threshold",
    "since",
    "acknowledged_by",
    "acknowledged_at",
    "note",
    "silenced_until",
    "count",
];

/// Alerts that are open, or over but not yet cleared
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts",
    params(
        ("state" = Option<String>, Query, description = "`pending`, `firing`, `acknowledged` or `resolved`"),
        ("severity" = Option<String>, Query, description = "`info`, `warning` or `critical`"),
        super::document::PageQuery,
        super::document::SinceQuery,
    ),
    responses((status = 200, description = "A page of alerts, as on MQTT", body = super::document::Page)))]
pub(super) async fn alerts(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let known = ["state", "severity", "limit", "cursor", "since", "fields"];
    let params = Params::read(uri.query(), &known)?;
    let state = params.choice(
        "state",
        &[
            ("pending", AlertState::Pending),
            ("firing", AlertState::Firing),
            ("acknowledged", AlertState::Acknowledged),
            ("resolved", AlertState::Resolved),
        ],
    )?;
    let severity = params.choice(
        "severity",
        &[
            ("info", Severity::Info),
            ("warning", Severity::Warning),
            ("critical", Severity::Critical),
        ],
    )?;
    let revision = api.bus.state().revision();
    let since = api.since(params.one("since"))?;
    let page = Page::read(&params, &FIELDS)?;
    api.cache.answer(&headers, &uri, revision, || {
        // A filtered delta must also tell what no longer passes the filter, so it has them all.
        let all = since.is_some();
        let items = api
            .bus
            .state()
            .alerts_since(since.unwrap_or(0))
            .iter()
            .filter(|alert| all || state.is_none_or(|state| alert.state == state))
            .filter(|alert| all || severity.is_none_or(|severity| alert.severity == severity))
            .map(|alert| (alert.id.clone(), json!(**alert)))
            .collect();
        Ok(answer::json(&page.of(items, &api.cursor(revision), !all)))
    })
}

/// Acknowledges an alert, or all
#[utoipa::path(post, path = "/api/v1/alerts/{id}/ack", tag = "alerts",
    params(
        ("id" = String, Path, description = "The alert's id, or `all`"),
        ("ticket" = Option<String>, Query, description = "A push message's ticket, instead of a token"),
    ),
    request_body(content = Option<serde_json::Value>, description = "`by`, `note`, `for`; may be empty", example = json!({"by": "Ada", "note": "fan is on order", "for": "2h"})),
    responses((status = 200, description = "Done", body = super::document::Done)))]
pub(super) async fn ack(
    state: State<Arc<Api>>,
    caller: Extension<Caller>,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, Problem> {
    on_alert(state, caller, &id, "ack", request).await
}

/// Takes an acknowledgment back
#[utoipa::path(post, path = "/api/v1/alerts/{id}/unack", tag = "alerts",
    params(("id" = String, Path, description = "The alert's id, or `all`")),
    request_body(content = Option<serde_json::Value>, description = "`by`; may be empty"),
    responses((status = 200, description = "Done", body = super::document::Done)))]
pub(super) async fn unack(
    state: State<Arc<Api>>,
    caller: Extension<Caller>,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, Problem> {
    on_alert(state, caller, &id, "unack", request).await
}

/// Sends no push message about an alert for a while
#[utoipa::path(post, path = "/api/v1/alerts/{id}/silence", tag = "alerts",
    params(
        ("id" = String, Path, description = "The alert's id"),
        ("ticket" = Option<String>, Query, description = "A push message's ticket, instead of a token"),
    ),
    request_body(content = Option<serde_json::Value>, description = "`for`: how long", example = json!({"for": "2h"})),
    responses((status = 200, description = "Done", body = super::document::Done)))]
pub(super) async fn silence(
    state: State<Arc<Api>>,
    caller: Extension<Caller>,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, Problem> {
    on_alert(state, caller, &id, "silence", request).await
}

/// Gives a command: the words after `control/` are those below `cmd/` on MQTT
#[utoipa::path(post, path = "/api/v1/control/{path}", tag = "control",
    params(("path" = String, Path, description = "The command's words", example = "rule/disk-hot/silence")),
    request_body(content = Option<serde_json::Value>, description = "As on MQTT; may be empty"),
    responses((status = 200, description = "Done", body = super::document::Done)))]
pub(super) async fn control(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Segment(name): Segment,
    request: Request,
) -> Result<Response, Problem> {
    Params::read(request.uri().query(), &[])?;
    command(&api, &caller, &name, request).await
}

async fn on_alert(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    id: &str,
    verb: &str,
    request: Request,
) -> Result<Response, Problem> {
    Params::read(request.uri().query(), &["ticket"])?;
    let all = id == "all" && verb != "silence";
    if !all && api.bus.state().one_alert(id).is_none() {
        return Err(Problem::not_found(format!("there is no alert \"{id}\"")));
    }
    command(&api, &caller, &format!("alert/{id}/{verb}"), request).await
}

async fn command(
    api: &Api,
    caller: &Caller,
    name: &str,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let payload = payload(caller, request).await?;
    let command = Command::parse(name, &payload, caller.origin()).map_err(|refused| {
        Problem::bad_request(refused.error.unwrap_or_else(|| "refused".to_owned()))
    })?;
    let result = api.bus.command(command).await;
    match &result {
        CommandResult { ok: true, .. } => {
            let mut response = answer::once(&headers, answer::json(&json!(result)));
            response.headers_mut().remove(header::ETAG);
            let control = header::HeaderValue::from_static("no-store");
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, control);
            *response.status_mut() = StatusCode::OK;
            Ok(response)
        }
        CommandResult { error, .. } => Err(Problem::new(
            StatusCode::CONFLICT,
            error.clone().unwrap_or_else(|| "refused".to_owned()),
        )),
    }
}

/// The body, as the payload of a command: nothing, or a JSON object.
async fn payload(caller: &Caller, request: Request<Body>) -> Result<Vec<u8>, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).cloned();
    let body = to_bytes(request.into_body(), BODY).await.map_err(|_| {
        let detail = "the body must be complete and at most 65536 bytes";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })?;
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or("application/json").split(';').next();
    // Apps that press a push message's button do not choose the type of its body.
    let may_be_any = caller.token.is_none();
    if !may_be_any && essence.is_none_or(|kind| kind.trim() != "application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json",
        ));
    }
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(serde_json::Value::Object(_)) => Ok(body.to_vec()),
        Ok(_) => Err(Problem::bad_request("the body must be a JSON object")),
        Err(error) => Err(Problem::bad_request(format!(
            "the body is no JSON: {error}"
        ))),
    }
}
