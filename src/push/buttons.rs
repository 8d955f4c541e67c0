use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::config::Secret;
use crate::http::TicketKey;

use super::message::Message;

/// How long a button works.
const VALID: Duration = Duration::from_hours(7 * 24);
/// How long "Snooze" silences.
pub(super) const SNOOZE: Duration = Duration::from_hours(2);
const BY: &str = r#"{"by":"ntfy"}"#;
const BY_FOR_A_WHILE: &str = r#"{"by":"ntfy","for":"2h"}"#;
/// ntfy shows no more.
const MAX_BUTTONS: usize = 3;
/// A press is one message of at most 4,096 bytes.
const MAX_ACKS: usize = 20;
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Makes and checks the words that prove that a button came from us: one allows to acknowledge
/// or snooze one alert until it expires, and nothing else.
pub trait Tickets: Send + Sync {
    /// A ticket for `alert`: ASCII without blanks.
    fn issue(&self, alert: &str, expires: Timestamp) -> String;
    /// Whether `ticket` is one of ours for `alert` and has not expired.
    fn verify(&self, ticket: &str, alert: &str, now: Timestamp) -> bool;
}

impl Tickets for TicketKey {
    fn issue(&self, alert: &str, expires: Timestamp) -> String {
        self.issue(alert, expires)
    }

    fn verify(&self, ticket: &str, alert: &str, now: Timestamp) -> bool {
        self.check(alert, ticket, now)
    }
}

/// Where buttons answer to.
#[derive(Debug, Clone)]
pub(super) enum Buttons {
    /// There are none.
    Off,
    /// To the REST bridge, by its public URL without a slash at its end.
    Rest(String),
    /// To a topic of the ntfy server, by its URL.
    Topic {
        url: String,
        /// What the phone shows to publish there.
        token: Option<Secret>,
    },
}

/// An `http` action of ntfy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Button {
    action: &'static str,
    label: String,
    url: String,
    method: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
    clear: bool,
}

impl Button {
    fn new(label: String, url: String, body: String) -> Self {
        Self {
            action: "http",
            label,
            url,
            method: "POST",
            headers: BTreeMap::new(),
            body,
            clear: true,
        }
    }

    fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl Buttons {
    /// The buttons of `message`: one alert can be acknowledged and snoozed, several only
    /// acknowledged.
    pub(super) fn of(
        &self,
        message: &Message,
        now: Timestamp,
        tickets: &dyn Tickets,
    ) -> Vec<Button> {
        let expires = now.saturating_add(VALID).unwrap_or(now);
        match self {
            Self::Off => Vec::new(),
            Self::Rest(base) => by_rest(base, message, |alert| tickets.issue(alert, expires)),
            Self::Topic { url, token } => {
                let mut buttons = by_topic(url, message, |alert| tickets.issue(alert, expires));
                if let Some(token) = token {
                    let value = format!("Bearer {}", token.reveal());
                    buttons = buttons
                        .into_iter()
                        .map(|button| button.header("Authorization", value.clone()))
                        .collect();
                }
                buttons
            }
        }
    }
}

fn by_rest(base: &str, message: &Message, ticket: impl Fn(&str) -> String) -> Vec<Button> {
    let button = |label: &str, alert: &str, verb: &str, body: &str| {
        let ticket = ticket(alert);
        let url = format!(
            "{base}/api/v1/alerts/{}/{verb}?ticket={}",
            utf8_percent_encode(alert, SEGMENT),
            utf8_percent_encode(&ticket, SEGMENT)
        );
        Button::new(label.to_owned(), url, body.to_owned())
            .header("Content-Type", "application/json".to_owned())
    };
    if let [(alert, _)] = message.open.as_slice() {
        return vec![
            button("Acknowledge", alert, "ack", BY),
            button("Snooze 2 h", alert, "silence", BY_FOR_A_WHILE),
        ];
    }
    let each =
        |(alert, subject): &(String, String)| button(&format!("Ack {subject}"), alert, "ack", BY);
    message.open.iter().take(MAX_BUTTONS).map(each).collect()
}

fn by_topic(url: &str, message: &Message, ticket: impl Fn(&str) -> String) -> Vec<Button> {
    let press = |verb: &str, alert: &str| format!("{verb} {alert} {}", ticket(alert));
    let button = |label: &str, body| Button::new(label.to_owned(), url.to_owned(), body);
    match message.open.as_slice() {
        [] => Vec::new(),
        [(alert, _)] => vec![
            button("Acknowledge", press("ack", alert)),
            button("Snooze 2 h", press("snooze", alert)),
        ],
        several => {
            let lines: Vec<String> = several
                .iter()
                .take(MAX_ACKS)
                .map(|(alert, _)| press("ack", alert))
                .collect();
            vec![button(
                &format!("Acknowledge {}", lines.len()),
                lines.join("\n"),
            )]
        }
    }
}
