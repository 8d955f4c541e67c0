mod body;
mod parse;
mod words;

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Who sent a command, and by which way; decides where the answer goes and what may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An MQTT client; `edge` is the connection it came by.
    Mqtt {
        /// The edge's name (`embedded`, `broker`).
        edge: &'static str,
        /// Where the client wants its answer, besides the result topic (MQTT 5).
        reply: Option<ReplyTo>,
    },
    /// A REST client, by the name of its token.
    Rest {
        /// The token's name.
        token: String,
    },
    /// A button of a push message.
    Push,
}

/// Where an MQTT 5 client wants its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The response topic.
    pub topic: String,
    /// The correlation data, handed back as it came.
    pub correlation: Option<Bytes>,
}

/// Which alerts a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertTarget {
    /// Every open one.
    All,
    /// The one of this id.
    One(String),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Takes note of an alert; `for_` bounds how long that counts.
    Ack {
        /// Which alerts.
        target: AlertTarget,
        /// What the person says.
        note: Option<String>,
        /// How long the acknowledgment holds at most; without it, until recovery.
        for_: Option<Duration>,
    },
    /// Takes an acknowledgment back.
    Unack {
        /// Which alerts.
        target: AlertTarget,
    },
    /// No push about an alert for a while.
    SilenceAlert {
        /// Which alert.
        alert: String,
        /// How long.
        for_: Duration,
    },
    /// No push of a rule for a while.
    SilenceRule {
        /// Which rule.
        rule: String,
        /// How long.
        for_: Duration,
    },
    /// No alerts of some subjects (or of all, when empty) for a while.
    Maintenance {
        /// How long; zero ends it.
        for_: Duration,
        /// Subjects as `<area>/<subject>`, `*` allowed; empty means all.
        subjects: Vec<String>,
    },
    /// Something for a part of the service that has taken it upon itself.
    Order(Order),
}

/// What is asked of the part that takes orders of its verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The words of the command without the name in them, such as `fan/set`.
    pub verb: &'static str,
    /// The name among the words: which fan, which disk; empty where there is none.
    pub target: String,
    /// The payload if it was plain text.
    pub text: Option<String>,
    /// The payload if it was a JSON object.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// A command, understood but not yet carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The sender's own id, handed back in the result.
    pub id: Option<String>,
    /// Who asks, in the sender's words.
    pub by: Option<String>,
    /// The words below `cmd/` that named it, handed back in the result.
    pub name: String,
    /// What is asked for.
    pub action: Action,
    /// Where it came from.
    pub origin: Origin,
}

impl Command {
    /// Who is noted as the one that asked: the sender's own word, else what is known of it.
    pub fn sender(&self) -> &str {
        match (&self.by, &self.origin) {
            (Some(by), _) => by,
            (None, Origin::Rest { token }) => token,
            (None, Origin::Mqtt { .. }) => "MQTT",
            (None, Origin::Push) => "push",
        }
    }

    /// What is asked of whichever part takes such orders, if it is an order.
    pub const fn order(&self) -> Option<&Order> {
        match &self.action {
            Action::Order(order) => Some(order),
            Action::Ack { .. }
            | Action::Unack { .. }
            | Action::SilenceAlert { .. }
            | Action::SilenceRule { .. }
            | Action::Maintenance { .. } => None,
        }
    }

    /// The answer that it was not done, and why.
    pub fn refused(&self, error: impl Into<String>) -> CommandResult {
        CommandResult {
            id: self.id.clone(),
            command: self.name.clone(),
            ok: false,
            error: Some(error.into()),
            detail: None,
        }
    }

    /// The answer that it was done, and what.
    pub fn done(&self, detail: serde_json::Value) -> CommandResult {
        CommandResult {
            id: self.id.clone(),
            command: self.name.clone(),
            ok: true,
            error: None,
            detail: Some(detail),
        }
    }
}

/// The answer to a command, published on `<base>/<node>/result`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The sender's own id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// The words below `cmd/`.
    pub command: String,
    /// Whether it was done.
    pub ok: bool,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<serde_json::Value>,
}
