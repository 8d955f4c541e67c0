use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Value as Json, json};

use crate::predict::{Nearness, Outlook, Prediction};

use super::params::Params;
use super::series::Page;
use super::{Api, Problem, answer};

/// What an empty page means at first.
const NOT_YET: &str = "nothing is judged in the first three minutes after a start";
/// What is told of what is foreseen, or not.
const FIELDS: [&str; 14] = [
    "id",
    "kind",
    "subject",
    "label",
    "state",
    "outlook",
    "text",
    "due",
    "confidence_pct",
    "lead_days",
    "evidence",
    "advice",
    "since",
    "missing",
];

/// What is foreseen to fail, and of which parts that cannot be told yet
///
/// Items have a `state`: `foreseen` (for a time `withdrawn`, once nothing speaks for it any more), `learning` (with what is `missing`) or `clear`, in this order.
#[utoipa::path(get, path = "/api/v1/health/predictions", tag = "state",
    params(super::document::PageQuery),
    responses((status = 200, description = "A page; in the first minutes there is a `note` that says so instead of `judged_at`", body = super::document::Page)))]
pub(super) async fn predictions(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(uri.query(), &["limit", "cursor", "fields"])?;
    let page = Page::read(&params, &FIELDS)?.after(is_cursor)?;
    let posted = api.predictions.read();
    let mut items: Vec<(String, Json)> = Vec::new();
    for (place, prediction) in posted.predictions.iter().enumerate() {
        // The nearest first, as they were judged.
        items.push((format!("0-{place:04}"), foreseen(prediction)));
    }
    items.extend(posted.outlooks.iter().map(unforeseen));
    let mut body = page.of(items, &api.cursor(api.bus.state().revision()), true);
    if let (Some(at), Some(body)) = (posted.at, body.as_object_mut()) {
        body.insert("judged_at".to_owned(), format!("{at:.3}").into());
    }
    if let (None, Some(body)) = (posted.at, body.as_object_mut()) {
        body.insert("note".to_owned(), NOT_YET.into());
    }
    Ok(answer::once(&headers, answer::json(&body)))
}

/// Whether a page may have ended so.
fn is_cursor(text: &str) -> bool {
    let (rank, rest) = text.split_once('-').unwrap_or_default();
    ["0", "1", "2"].contains(&rank) && !rest.is_empty()
}

/// A prediction as an item.
pub(super) fn foreseen(prediction: &Prediction) -> Json {
    let mut item = json!(prediction);
    let state = match prediction.outlook {
        Nearness::Withdrawn => "withdrawn",
        Nearness::Distant | Nearness::Near => "foreseen",
    };
    if let Some(item) = item.as_object_mut() {
        item.insert("state".to_owned(), state.into());
    }
    item
}

/// A part of which nothing is foreseen as an item, and its key.
pub(super) fn unforeseen(outlook: &Outlook) -> (String, Json) {
    let (rank, state) = match outlook.missing {
        Some(_) => (1, "learning"),
        None => (2, "clear"),
    };
    let mut item = json!(outlook);
    if let Some(item) = item.as_object_mut() {
        item.insert("state".to_owned(), state.into());
    }
    let key = format!("{rank}-{}-{}", outlook.kind.as_str(), outlook.subject);
    (key, item)
}
