use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use crate::bus::SubjectState;
use crate::model::{Alert, AlertCounts, Kind, Metric, Value};

use super::params::Params;
use super::{Api, Problem, answer};

/// Everything for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, description = "Text exposition format 0.0.4", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(uri.query(), &[])?;
    let text = render(&api).into_bytes();
    Ok(answer::once(
        &headers,
        ("text/plain; version=0.0.4; charset=utf-8", text),
    ))
}

/// A metric's lines, below its help and its type.
struct Family {
    help: &'static str,
    kind: &'static str,
    lines: String,
}

fn render(api: &Api) -> String {
    let mut families = BTreeMap::<String, Family>::new();
    for state in api.bus.state().subjects() {
        // What is not available has no value: Prometheus knows that as a missing sample.
        if state.available {
            for (metric, value) in &state.values {
                add(&mut families, &state, metric, value);
            }
        }
    }
    let mut out = String::new();
    for (name, family) in &families {
        let Family { help, kind, lines } = family;
        push(
            &mut out,
            format_args!(
                "# HELP {name} {}\n# TYPE {name} {kind}\n{lines}",
                escape(help)
            ),
        );
    }
    let alerts = api.bus.state().alerts();
    let counts = AlertCounts::of(alerts.iter().map(|alert| -> &Alert { alert }));
    out.push_str("# HELP homewatch_alerts Open alerts\n# TYPE homewatch_alerts gauge\n");
    for (severity, count) in [
        ("critical", counts.critical),
        ("warning", counts.warning),
        ("info", counts.info),
    ] {
        push(
            &mut out,
            format_args!("homewatch_alerts{{severity=\"{severity}\"}} {count}\n"),
        );
    }
    out.push_str(
        "# HELP homewatch_collector_up Whether a collector works\n\
         # TYPE homewatch_collector_up gauge\n",
    );
    for (name, error) in api.bus.state().collectors() {
        let up = u8::from(error.is_none());
        push(
            &mut out,
            format_args!("homewatch_collector_up{{collector=\"{name}\"}} {up}\n"),
        );
    }
    push(
        &mut out,
        format_args!(
            "# HELP homewatch_build_info The version that runs\n\
             # TYPE homewatch_build_info gauge\n\
             homewatch_build_info{{version=\"{}\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        ),
    );
    out
}

fn add(
    families: &mut BTreeMap<String, Family>,
    state: &SubjectState,
    metric: &'static Metric,
    value: &Value,
) {
    let key = metric.key;
    let (name, kind) = match metric.kind {
        Kind::Total if key.ends_with("_total") => (format!("homewatch_{key}"), "counter"),
        Kind::Total => (format!("homewatch_{key}_total"), "counter"),
        Kind::Moment => (format!("homewatch_{key}_timestamp_seconds"), "gauge"),
        Kind::Gauge | Kind::Flag(_) | Kind::State(_) => (format!("homewatch_{key}"), "gauge"),
        Kind::Text => return,
    };
    let mut labels = format!(
        "area=\"{}\",subject=\"{}\"",
        state.subject.area,
        escape(&state.subject.id)
    );
    if let Some(source) = state.source {
        push(&mut labels, format_args!(",source=\"{}\"", source.as_str()));
    }
    let family = families.entry(name.clone()).or_insert_with(|| Family {
        help: metric.name,
        kind,
        lines: String::new(),
    });
    let lines = &mut family.lines;
    match (metric.kind, value) {
        (Kind::State(options), Value::Text(now)) => {
            for option in options {
                let on = u8::from(**now == **option);
                let option = escape(option);
                push(
                    lines,
                    format_args!("{name}{{{labels},state=\"{option}\"}} {on}\n"),
                );
            }
        }
        (_, Value::Moment(moment)) => {
            push(
                lines,
                format_args!("{name}{{{labels}}} {}\n", moment.as_second()),
            );
        }
        (_, value) => {
            if let Some(number) = value.as_number() {
                push(lines, format_args!("{name}{{{labels}}} {number}\n"));
            }
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}
