//! Who may ask for what.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use percent_encoding::percent_decode_str;

use crate::model::Origin;

use super::api::Peer;
use super::token::Scope;
use super::usage::Usage;
use super::{Api, Problem};

/// What a route asks of who calls it.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub(super) api: Arc<Api>,
    pub(super) scope: Scope,
    /// Whether it is refused once the day's budget is used up.
    pub(super) metered: bool,
    /// Whether a ticket does instead of a token.
    pub(super) ticket: bool,
}

/// Who calls.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) token: Option<String>,
}

impl Caller {
    pub(super) fn origin(&self) -> Origin {
        match &self.token {
            Some(token) => Origin::Rest {
                token: token.clone(),
            },
            None => Origin::Push,
        }
    }
}

/// Lets a request through, or says why not, and counts what is served.
pub(super) async fn guard(
    State(need): State<Need>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let api = &need.api;
    let caller = identify(&need, &request)?;
    let Some(name) = caller.token.clone() else {
        request.extensions_mut().insert(caller);
        return Ok(next.run(request).await);
    };
    let now = api.clock.now();
    if need.metered && api.usage.today(&name, now) >= api.daily_budget {
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!(
                "this token has used up its {} bytes of today (api.daily_budget); the summary, \
                 health, alerts and commands still work",
                api.daily_budget
            ),
        );
        return Err(problem.retry_after(Usage::resets_in(now)));
    }
    request.extensions_mut().insert(caller);
    let response = next.run(request).await;
    if let Some(bytes) = response.body().size_hint().exact() {
        api.usage.add(&name, bytes, now);
    }
    Ok(response)
}

fn identify(need: &Need, request: &Request) -> Result<Caller, Problem> {
    let api = &need.api;
    if need.ticket
        && let Some(ticket) = ticket(request)
    {
        let alert = alert_of(request.uri().path());
        return if api.tickets.check(&alert, &ticket, api.clock.now()) {
            Ok(Caller { token: None })
        } else {
            Err(failed(api, request, "this ticket is not valid (any more)"))
        };
    }
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(token) = given else {
        let detail = if api.tokens.is_empty() {
            "there is no access token yet: `homewatch token add phone --scope read,ack` on the \
             machine that runs homewatch makes one; send it as `Authorization: Bearer …`"
        } else {
            "send an access token as `Authorization: Bearer …`; `homewatch token add NAME \
             --scope read,ack` makes one"
        };
        return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    };
    let Some((name, scopes)) = api.tokens.check(token) else {
        let detail = if api.tokens.is_empty() {
            "there is no access token yet: `homewatch token add phone --scope read,ack` on the \
             machine that runs homewatch makes one"
        } else {
            "this access token is not known; `homewatch token list` shows which there are"
        };
        return Err(failed(api, request, detail));
    };
    if !scopes.contains(&need.scope) {
        let scope = need.scope.as_str();
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("the token \"{name}\" lacks the scope {scope}"),
        ));
    }
    Ok(Caller { token: Some(name) })
}

fn failed(api: &Api, request: &Request, detail: &str) -> Problem {
    let peer = request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    match api.limiter.failed(peer) {
        None => Problem::new(StatusCode::UNAUTHORIZED, detail),
        Some(seconds) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong tokens from this address",
        )
        .retry_after(seconds),
    }
}

fn ticket(request: &Request) -> Option<String> {
    let query = request.uri().query()?;
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("ticket="))?;
    let text = percent_decode_str(value).decode_utf8().ok()?;
    Some(text.into_owned())
}

/// The alert id in `/api/v1/alerts/{id}/…`.
fn alert_of(path: &str) -> String {
    let segment = path.split('/').nth(4).unwrap_or_default();
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
