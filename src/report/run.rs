use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::{Document, Period, Reports, json};
use crate::bus::{Bus, Request};
use crate::model::{Action, CommandResult, Order};

/// An answer is no larger, bytes: it goes to every MQTT client that listens.
const LARGEST: usize = 64 << 10;

/// Carries out `report/<name>` until `cancel`.
pub async fn run(reports: Reports, bus: Bus, cancel: CancellationToken) {
    let mut orders = bus.take_orders(&["report"]);
    while let Some(Some(request)) = cancel.run_until_cancelled(orders.recv()).await {
        let result = carried_out(&reports, &request).await;
        bus.answer(request, result, reports.basis().clock.now());
    }
}

async fn carried_out(reports: &Reports, request: &Request) -> CommandResult {
    let command = &request.command;
    let Action::Order(order) = &command.action else {
        return command.refused("that is no report");
    };
    let period = match period(order) {
        Ok(period) => period,
        Err(error) => return command.refused(error),
    };
    match reports.answer(&order.target, period, bounded).await {
        Ok(report) => command.done(report),
        Err(error) => command.refused(error.to_string()),
    }
}

/// The period that is asked for, in the payload's text or its field `period`; the month so far if
/// none is.
fn period(order: &Order) -> Result<Period, String> {
    let field = order.fields.get("period");
    let text = match (field, &order.text) {
        (Some(Json::String(text)), _) => text,
        (Some(_), _) => return Err("period must be a text".to_owned()),
        (None, Some(text)) if !text.trim().is_empty() => text,
        (None, _) => return Ok(Period::default()),
    };
    text.trim().parse().map_err(|error| format!("{error}"))
}

/// The report as JSON; what makes it too large is left out, which `left_out` tells.
fn bounded(document: &Document) -> Json {
    let mut report = json::json(document);
    let mut left_out = Vec::new();
    for part in ["charts", "tables", "notes"] {
        if report.to_string().len() <= LARGEST {
            break;
        }
        if let Some(report) = report.as_object_mut() {
            report.remove(part);
            left_out.push(part);
        }
    }
    if let (Some(report), false) = (report.as_object_mut(), left_out.is_empty()) {
        report.insert("left_out".to_owned(), left_out.into());
    }
    report
}
