use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::store::{Point, Store, StoreError};

use super::params::Params;
use super::{Api, Problem, answer};

/// Where the past of a series comes from. Its calls may block.
pub trait History: Send + Sync {
    /// At most `points` points of `series` (`<area>/<subject>/<metric key>`) within `from..to`, in
    /// the order of time. `None` if there never was such a series; the error is for the log.
    fn query(
        &self,
        series: &str,
        from: Timestamp,
        to: Timestamp,
        points: usize,
    ) -> Result<Option<Vec<Point>>, String>;
}

impl History for Store {
    fn query(
        &self,
        series: &str,
        from: Timestamp,
        to: Timestamp,
        points: usize,
    ) -> Result<Option<Vec<Point>>, String> {
        match Self::query(self, series, from, to, Some(points)) {
            Ok(points) => Ok(Some(points)),
            Err(StoreError::NoSeries(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

const SERIES: usize = 20;
const POINTS: usize = 5_000;
/// How many points one answer may have over all its series.
const TOTAL: usize = 20_000;

/// The past of some series, downsampled so that peaks survive
#[utoipa::path(get, path = "/api/v1/history", tag = "history",
    params(
        ("series" = String, Query, description = "Series, separated by commas or given again; at most 20", example = "health/cpu/usage_pct"),
        ("from" = Option<String>, Query, description = "RFC 3339 or relative to now such as `-24h` (the default)"),
        ("to" = Option<String>, Query, description = "RFC 3339, relative, or `now` (the default)"),
        ("points" = Option<usize>, Query, description = "Points per series at most: 1–5000 (400), pauses not counted; all series together 20000"),
    ),
    responses((status = 200, description = "Each point is `[ms since 1970, value]`; a value of null marks a pause", body = Json)))]
pub(super) async fn history(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["series", "from", "to", "points"])?;
    let names = params.list("series");
    if names.is_empty() || names.len() > SERIES {
        return Err(Problem::bad_request(
            "series must name 1 to 20 series; GET /api/v1/series lists them",
        ));
    }
    let points = params.count("points", 400, POINTS)?;
    if points * names.len() > TOTAL {
        return Err(Problem::bad_request(format!(
            "points times series must be at most {TOTAL}"
        )));
    }
    let (from, to) = span(&params, api.clock.now())?;
    let mut list = Vec::new();
    for name in names {
        let unit = super::series::find(&api, name).map(|metric| metric.unit.symbol());
        let points = read(&api, name, from, to, points).await?;
        let points: Vec<_> = points.iter().map(point).collect();
        list.push(json!({ "series": name, "unit": unit, "points": points }));
    }
    let body = json!({ "from": format!("{from:.3}"), "to": format!("{to:.3}"), "series": list });
    Ok(answer::once(&headers, answer::json(&body)))
}

fn point(point: &Point) -> Json {
    json!([point.at.as_millisecond(), point.value])
}

/// Asks the history without blocking the runtime. What was never heard of is a 404.
pub(super) async fn read(
    api: &Arc<Api>,
    name: &str,
    from: Timestamp,
    to: Timestamp,
    points: usize,
) -> Result<Vec<Point>, Problem> {
    let (history, series) = (Arc::clone(&api.history), name.to_owned());
    let asked = tokio::task::spawn_blocking(move || history.query(&series, from, to, points)).await;
    match asked {
        Ok(Ok(Some(points))) => Ok(points),
        Ok(Ok(None)) if super::series::find(api, name).is_some() => Ok(Vec::new()),
        Ok(Ok(None)) => Err(Problem::not_found(format!(
            "there is no series \"{name}\"; GET /api/v1/series lists them"
        ))),
        Ok(Err(error)) => {
            tracing::error!("history of {name}: {error}");
            Err(unreadable())
        }
        Err(error) => {
            tracing::error!("history of {name}: {error}");
            Err(unreadable())
        }
    }
}

fn unreadable() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the history cannot be read; the log says why",
    )
}

/// `from` and `to` of a query.
pub(super) fn span(params: &Params, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let moment = |key: &str, default: &str| {
        let text = params.one(key).unwrap_or(default);
        time(text, now).ok_or_else(|| {
            Problem::bad_request(format!(
                "{key} must be a time such as 2026-01-31T12:00:00Z, now, or -24h"
            ))
        })
    };
    let (from, to) = (moment("from", "-24h")?, moment("to", "now")?);
    if from >= to {
        return Err(Problem::bad_request("from must be before to"));
    }
    Ok((from, to))
}

fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    let Some(back) = text.strip_prefix('-') else {
        // A plus in a query means a blank, but nobody puts a blank into an offset.
        return text.replace(' ', "+").parse().ok();
    };
    let (number, unit) = back.split_at_checked(back.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    let number = i64::from(number.parse::<u32>().ok()?);
    now.checked_sub(SignedDuration::from_secs(number * seconds))
        .ok()
}
