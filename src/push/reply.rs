use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Action, AlertTarget, Command, Origin};
use crate::store::{Change, Collection};

use super::buttons::{SNOOZE, Tickets};

/// How many presses one message may carry.
const MAX_LINES: usize = 20;
/// How many presses are remembered.
const MAX_SPENT: usize = 500;
/// Longer than any ticket is valid.
const REMEMBER: Duration = Duration::from_hours(8 * 24);
const KEY: &str = "reply";

/// What is known of the reply topic, kept over restarts: its name, how far it was read and which
/// presses have counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Replies {
    /// The topic.
    pub(super) topic: String,
    /// The id of the last message that counted, or the Unix time from which on messages count.
    pub(super) since: String,
    spent: Vec<(String, Timestamp)>,
}

impl Replies {
    /// What the store kept, if it fits the configuration; otherwise a new beginning. `random`
    /// makes the name of the topic one that nobody guesses.
    pub(super) fn restore(
        record: Option<&[u8]>,
        topic: &str,
        reply_topic: Option<&str>,
        now: Timestamp,
        random: [u8; 16],
    ) -> Self {
        let kept = record.and_then(|record| serde_json::from_slice::<Self>(record).ok());
        let prefix = format!("{}-reply-", topic.get(..24).unwrap_or(topic));
        let fits = |kept: &Self| match reply_topic {
            Some(name) => kept.topic == name,
            None => kept.topic.starts_with(&prefix),
        };
        kept.filter(fits).unwrap_or_else(|| Self {
            topic: reply_topic.map_or_else(
                || format!("{prefix}{:032x}", u128::from_be_bytes(random)),
                str::to_owned,
            ),
            since: now.as_second().to_string(),
            spent: Vec::new(),
        })
    }

    /// The record's key in [`Collection::Push`].
    pub(super) const fn key() -> &'static str {
        KEY
    }

    /// Makes the present state durable.
    pub(super) fn put(&self) -> Change {
        // Plain structs with text keys cannot fail; an empty record means a new beginning.
        let record = serde_json::to_vec(self).unwrap_or_default();
        Change::Put(Collection::Push, KEY.to_owned(), record)
    }

    /// The commands that a message asks for. Each press counts once; what is malformed, forged,
    /// expired or said before counts for nothing.
    pub(super) fn read(
        &mut self,
        body: &str,
        now: Timestamp,
        tickets: &dyn Tickets,
    ) -> Vec<Command> {
        let old = now.saturating_sub(REMEMBER).unwrap_or(Timestamp::MIN);
        self.spent.retain(|(_, at)| *at > old);
        let mut commands = Vec::new();
        for line in body.lines().take(MAX_LINES) {
            let Some(command) = press(line, now, tickets) else {
                tracing::debug!("a message on the reply topic is no press of a button of ours");
                continue;
            };
            if self.spent.iter().any(|(spent, _)| spent == line) {
                tracing::debug!(command = command.name, "pressed before; counts once");
                continue;
            }
            if self.spent.len() >= MAX_SPENT {
                self.spent.remove(0);
            }
            self.spent.push((line.to_owned(), now));
            commands.push(command);
        }
        commands
    }
}

fn press(line: &str, now: Timestamp, tickets: &dyn Tickets) -> Option<Command> {
    let mut words = line.split(' ');
    let (verb, alert, ticket) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !tickets.verify(ticket, alert, now) {
        return None;
    }
    let (word, action) = match verb {
        "ack" => (
            "ack",
            Action::Ack {
                target: AlertTarget::One(alert.to_owned()),
                note: None,
                for_: None,
            },
        ),
        "snooze" => (
            "silence",
            Action::SilenceAlert {
                alert: alert.to_owned(),
                for_: SNOOZE,
            },
        ),
        _ => return None,
    };
    Some(Command {
        id: None,
        by: Some("ntfy".to_owned()),
        name: format!("alert/{alert}/{word}"),
        action,
        origin: Origin::Push,
    })
}
