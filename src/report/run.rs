use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::{Asked, Document, Reports, json};
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
    let asked = match asked(order) {
        Ok(asked) => asked,
        Err(error) => return command.refused(error),
    };
    match reports.answer(&order.target, asked, bounded).await {
        Ok(report) => command.done(report),
        Err(error) => command.refused(error.to_string()),
    }
}

/// What is asked for: the period in the payload's text or its field `period`, the month so far if
/// none is; the field `node`.
fn asked(order: &Order) -> Result<Asked, String> {
    let field = |key: &str| match order.fields.get(key) {
        Some(Json::String(text)) => Ok(Some(text.trim())),
        Some(_) => Err(format!("{key} must be a text")),
        None => Ok(None),
    };
    let text = order.text.as_deref().map(str::trim);
    let text = field("period")?.or(text).filter(|text| !text.is_empty());
    let period = match text {
        Some(text) => text.parse().map_err(|error| format!("{error}"))?,
        None => super::Period::default(),
    };
    Ok(Asked {
        period,
        node: field("node")?.map(str::to_owned),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::State;
    use crate::host::Clock;
    use crate::model::{Command, Origin};
    use crate::report::{Basis, Column, Table};
    use crate::store::Store;
    use std::time::Duration;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_report_is_the_answer_to_its_command() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let clock = Clock::set_to("2026-05-01T12:00:00Z".parse().unwrap());
        let reports = Reports::new(Basis::plain(&store, clock.clone()));
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let cancel = CancellationToken::new();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(run(reports, bus.clone(), cancel.clone()));
        tokio::task::yield_now().await;
        for (name, payload, ok, told) in [
            ("report/power", "", true, "\"name\":\"May 2026 so far\""),
            (
                "report/power",
                " last-month ",
                true,
                "\"name\":\"April 2026\"",
            ),
            (
                "report/power",
                r#"{"period":"2026-03"}"#,
                true,
                "March 2026",
            ),
            (
                "report/power",
                r#"{"period":3}"#,
                false,
                "period must be a text",
            ),
            ("report/power", r#"{"node":"nas"}"#, true, "May 2026 so far"),
            (
                "report/power",
                r#"{"node":"pc"}"#,
                false,
                "nothing is known of \\\"pc\\\" here",
            ),
            ("report/power", "fortnight", false, "a period is day, week"),
            ("report/power", "2027", false, "lies in the future"),
            ("report/ddns", "", false, "there is no report \\\"ddns\\\""),
        ] {
            let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
            let (respond, answer) = oneshot::channel();
            let request = Request { command, respond };
            assert!(
                bus.order(request, clock.now()).is_none(),
                "somebody takes it"
            );
            let result = answer.await.unwrap();
            let text = serde_json::to_string(&result).unwrap();
            assert!(
                result.ok == ok && text.contains(told),
                "{name} {payload}: {text}"
            );
        }
        cancel.cancel();
        task.join_next().await;
    }

    #[test]
    fn what_is_too_large_for_everybody_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let clock = Clock::set_to("2026-05-01T12:00:00Z".parse().unwrap());
        let reports = Reports::new(Basis::plain(&store, clock));
        let mut document = reports.make("power", &Asked::default()).unwrap();
        document.table(Table {
            id: "large",
            columns: vec![Column::text("a", "A")],
            rows: vec![vec!["x".repeat(LARGEST).into()]],
            ..Table::default()
        });
        let told = bounded(&document);
        assert!(told.to_string().len() <= LARGEST && told.get("notes").is_some());
        assert_eq!(told["left_out"], serde_json::json!(["charts", "tables"]));
    }
}
