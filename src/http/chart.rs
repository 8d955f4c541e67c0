use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use crate::report::escape;
use crate::store::Point;

use super::history::{read, span};
use super::params::{Params, Segment};
use super::{Api, Problem, answer};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 120.0;

/// A small picture of a series
#[utoipa::path(get, path = "/api/v1/charts/{series}.svg", tag = "history",
    params(
        ("series" = String, Path, description = "The series", example = "health/cpu/usage_pct"),
        ("from" = Option<String>, Query, description = "As of `/api/v1/history`"),
        ("to" = Option<String>, Query, description = "As of `/api/v1/history`"),
    ),
    responses((status = 200, description = "SVG of a few KB", body = String, content_type = "image/svg+xml")))]
pub(super) async fn chart(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["from", "to"])?;
    let series = name
        .strip_suffix(".svg")
        .ok_or_else(|| Problem::not_found("a chart's path ends in .svg"))?;
    let (from, to) = span(&params, api.clock.now())?;
    let points = read(&api, series, from, to, 100).await?;
    let unit = super::series::find(&api, series).map_or("", |metric| metric.unit.symbol());
    let svg = draw(series, unit, &points).into_bytes();
    Ok(answer::once(&headers, ("image/svg+xml", svg)))
}

/// The values as a line, broken where there is a pause.
fn draw(name: &str, unit: &str, points: &[Point]) -> String {
    let name = escape(name);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#777\"><title>{name}</title>",
        HEIGHT + 20.0
    );
    let values = || points.iter().filter_map(|point| point.value);
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    if let (Some(first), Some(last), true) = (points.first(), points.last(), low <= high) {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a chart's span")]
        let millis = |p: &Point| (p.at.as_millisecond() - first.at.as_millisecond()) as f64;
        let (span, range) = (millis(last).max(1.0), (high - low).max(f64::MIN_POSITIVE));
        let place = |p: &Point| {
            let y = 4.0 + (high - p.value?) / range * (HEIGHT - 8.0);
            Some((millis(p) / span * WIDTH, y))
        };
        for stretch in points.split(|point| point.value.is_none()) {
            out.push_str("<polyline fill=\"none\" stroke=\"#4a90d9\" points=\"");
            out.push_str(&pairs(stretch.iter().filter_map(place)));
            out.push_str("\"/>");
        }
        let written = write!(
            out,
            "<text x=\"2\" y=\"{}\">{low} – {high} {}</text>",
            HEIGHT + 14.0,
            escape(unit)
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    } else {
        out.push_str("<text x=\"2\" y=\"60\">no data</text>");
    }
    out.push_str("</svg>");
    out
}

fn pairs(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut out = String::new();
    for (x, y) in points {
        let written = write!(out, "{x:.0},{y:.1} ");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    out
}
