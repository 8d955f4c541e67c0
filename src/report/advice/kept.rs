//! Which advice somebody does not want to hear, and for how long.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Advice;
use crate::host::Memory;
use crate::model::{Order, Timestamp, duration};

/// It is told again once it would save so many times what it would have when it was dismissed.
const WORSE: f64 = 1.5;

/// What is remembered of advice that was dismissed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Dismissed {
    /// Until then; for good without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// What it would have saved, kWh a year.
    saving_kwh: f64,
}

fn key(id: &str) -> String {
    format!("advice/{id}")
}

/// Whether `advice` is to be told at `now`.
pub(super) fn wanted(memory: &Memory, advice: &Advice, now: Timestamp) -> bool {
    let Some(dismissed) = memory.get::<Dismissed>(&key(&advice.id)) else {
        return true;
    };
    dismissed.until.is_some_and(|until| until <= now)
        || advice.saving.worth_kwh() > dismissed.saving_kwh * WORSE
}

/// What is asked of one piece of advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Not to hear of it, for good or for a time.
    Dismiss(Option<Duration>),
    /// To hear of it again.
    Restore,
}

impl Wish {
    /// Reads the payload: nothing or `dismiss` for good, a time such as `90d` or `{"for":"90d"}`,
    /// `restore` to hear of it again.
    pub(super) fn of(order: &Order) -> Result<Self, String> {
        let field = order.fields.get("for");
        let text = match (field, &order.text) {
            (Some(Json::String(text)), _) => text.as_str(),
            (Some(_), _) => return Err("for must be a time such as \"90d\"".to_owned()),
            (None, text) => text.as_deref().unwrap_or_default(),
        };
        match text.trim() {
            "" | "dismiss" => Ok(Self::Dismiss(None)),
            "restore" => Ok(Self::Restore),
            text => match duration(text) {
                Some(time) => Ok(Self::Dismiss(Some(time))),
                None => Err("say dismiss, restore, or for how long, such as 90d".to_owned()),
            },
        }
    }
}

/// Remembers `wish` about the advice `id`.
pub(super) fn remember(memory: &Memory, id: &str, saving_kwh: f64, wish: Wish, now: Timestamp) {
    match wish {
        Wish::Restore => memory.remove(&key(id)),
        Wish::Dismiss(time) => {
            let until = time.map(|time| now.checked_add(time).unwrap_or(Timestamp::MAX));
            memory.put_now(&key(id), &Dismissed { until, saving_kwh });
        }
    }
}
