use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::params::Params;
use super::series::Page;
use super::{Api, Problem, answer};
use crate::power::{self, Outage};

/// What is told of an outage.
const FIELDS: [&str; 13] = [
    "ups",
    "label",
    "from",
    "to",
    "lasts",
    "ended",
    "duration_s",
    "lowest_charge_pct",
    "load_pct",
    "power_w",
    "battery_low",
    "shutting_down",
    "gaps",
];

/// The outages of the mains that UPSes have seen: from when to when, how deep, how each ended
///
/// The newest first, the last hundred of each UPS; `ended` is absent while one lasts.
#[utoipa::path(get, path = "/api/v1/power/outages", tag = "power",
    params(
        ("ups" = Option<String>, Query, description = "Only those of this UPS", example = "ups-rack"),
        ("limit" = Option<usize>, Query, description = "Items at most: 1–500 (100)"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("fields" = Option<String>, Query, description = "Keys to send, separated by commas"),
    ),
    responses((status = 200, description = "A page", body = super::document::Page)))]
pub(super) async fn outages(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["ups", "limit", "cursor", "fields"])?;
    let page = Page::read(&params, &FIELDS)?.after(is_cursor)?;
    let wanted = params.one("ups");
    let mut items: Vec<(String, Json)> = Vec::new();
    for (ups, outages) in power::outages(&api.memory) {
        if wanted.is_none_or(|wanted| wanted == ups || ups.strip_prefix("ups-") == Some(wanted)) {
            items.extend(outages.newest().map(|one| item(&api, &ups, one)));
        }
    }
    let body = page.of(items, &api.cursor(api.bus.state().revision()), true);
    Ok(answer::once(&headers, answer::json(&body)))
}

/// Whether a page may have ended so.
fn is_cursor(text: &str) -> bool {
    let (age, ups) = text.split_once('-').unwrap_or_default();
    age.len() == 20 && age.bytes().all(|byte| byte.is_ascii_digit()) && !ups.is_empty()
}

/// An outage, and a key that puts the newest first.
fn item(api: &Api, ups: &str, outage: &Outage) -> (String, Json) {
    let age = i64::MAX.saturating_sub(outage.from.as_millisecond());
    let subject = api.bus.state().subject(&format!("health/{ups}"));
    let label = subject.map(|state| state.subject.label.clone());
    let mut item = json!(outage);
    if let Some(item) = item.as_object_mut() {
        item.remove("looks");
        item.insert("ups".to_owned(), ups.into());
        if let Some(label) = label {
            item.insert("label".to_owned(), label.into());
        }
        item.insert("lasts".to_owned(), outage.lasts().into());
    }
    (format!("{age:020}-{ups}"), item)
}
