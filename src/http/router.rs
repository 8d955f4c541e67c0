use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::guard::{Need, guard};
use super::token::Scope;
use super::{
    Api, Problem, alerts, attribution, chart, disk, document, health, history, metrics, outages,
    predictions, report, series, stream, summary,
};

/// How long an answer may take to begin.
const TIME_OUT: Duration = Duration::from_secs(10);

/// One route.
struct Route {
    path: &'static str,
    /// The same in the OpenAPI description.
    described: &'static str,
    handler: MethodRouter<Arc<Api>>,
    scope: Option<Scope>,
    metered: bool,
    ticket: bool,
}

fn route(path: &'static str, scope: Scope, handler: MethodRouter<Arc<Api>>) -> Route {
    Route {
        path,
        described: path,
        handler,
        scope: Some(scope),
        metered: false,
        ticket: false,
    }
}

impl Route {
    fn described(mut self, path: &'static str) -> Self {
        self.described = path;
        self
    }

    fn metered(mut self) -> Self {
        self.metered = true;
        self
    }

    fn open(mut self) -> Self {
        self.scope = None;
        self
    }

    fn ticket(mut self) -> Self {
        self.ticket = true;
        self
    }
}

/// Every route there is.
fn routes() -> Vec<Route> {
    use Scope::{Ack, Control, Read};
    vec![
        route("/healthz", Read, get(health::healthz)).open(),
        route("/metrics", Read, get(metrics::metrics)).metered(),
        route("/api/v1/summary", Read, get(summary::summary)),
        route("/api/v1/series", Read, get(series::series)).metered(),
        route("/api/v1/history", Read, get(history::history)).metered(),
        route("/api/v1/alerts", Read, get(alerts::alerts)),
        route("/api/v1/alerts/{id}/ack", Ack, post(alerts::ack)).ticket(),
        route("/api/v1/alerts/{id}/unack", Ack, post(alerts::unack)),
        route("/api/v1/alerts/{id}/silence", Ack, post(alerts::silence)).ticket(),
        route("/api/v1/control/{*path}", Control, post(alerts::control))
            .described("/api/v1/control/{path}"),
        route("/api/v1/power/report", Read, get(report::power)).metered(),
        route("/api/v1/power/advice", Read, get(report::advice)),
        route("/api/v1/power/outages", Read, get(outages::outages)),
        route("/api/v1/power/services", Read, get(attribution::services)).metered(),
        route("/api/v1/power/processes", Read, get(attribution::processes)).metered(),
        route("/api/v1/health", Read, get(health::health)),
        route("/api/v1/health/disks/{id}", Read, get(disk::disk)).metered(),
        route(
            "/api/v1/health/predictions",
            Read,
            get(predictions::predictions),
        ),
        route("/api/v1/events", Read, get(stream::events)).metered(),
        route("/api/v1/usage", Read, get(health::usage)),
        route("/api/v1/openapi.json", Read, get(document::openapi)),
        route("/api/v1/charts/{*series}", Read, get(chart::chart))
            .described("/api/v1/charts/{series}.svg")
            .metered(),
    ]
}

/// The bridge as a service.
pub fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let handler = match route.scope {
            None => route.handler,
            Some(scope) => {
                let need = Need {
                    api: Arc::clone(api),
                    scope,
                    metered: route.metered,
                    ticket: route.ticket,
                };
                route.handler.route_layer(from_fn_with_state(need, guard))
            }
        };
        router = router.route(route.path, handler);
    }
    router
        .fallback(async || {
            Problem::not_found("no such path; GET /api/v1/openapi.json tells which there are")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path knows another method; see Allow",
            )
        })
        .layer(from_fn(time_out))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(Arc::clone(api))
}

async fn time_out(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIME_OUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "it took longer than 10 s").into_response()
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands the cause over"
)]
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    tracing::error!("a request panicked: {text}");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "it failed; the log says why",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let document = document::document();
        let mut described: Vec<_> = document.paths.paths.keys().map(String::as_str).collect();
        let mut routed: Vec<_> = routes().iter().map(|route| route.described).collect();
        described.sort_unstable();
        routed.sort_unstable();
        assert_eq!(described, routed);
        assert!(document.to_json().unwrap().contains("\"openapi\":\"3.1"));
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem() {
        let response = panicked(Box::new("boom"));
        assert_eq!(response.status(), 500);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}
