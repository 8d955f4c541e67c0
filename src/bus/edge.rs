use bytes::Bytes;
use serde_json::Value as Json;

use super::{Answer, Bus, Changed, Event, State};
use crate::model::{
    Alert, AlertCounts, Command, CommandResult, Origin, ReplyTo, Topic, Topics, slug,
};

/// The longest command that is read, bytes.
const MAX_COMMAND: usize = 4096;

/// How a message must be treated while it cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Only the newest of its topic matters, and [`Edge::snapshot`] has that.
    Newest,
    /// It tells of something that happened once: every one must arrive, in order.
    Each,
}

/// What an edge publishes. Every message is sent at least once (`QoS` 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The whole topic.
    pub topic: String,
    /// The payload; an empty retained one removes what is retained.
    pub payload: Bytes,
    /// Whether brokers keep it.
    pub retain: bool,
    /// What becomes of it while it cannot be sent.
    pub keep: Keep,
    /// The correlation data of an answer to an MQTT 5 client.
    pub correlation: Option<Bytes>,
}

/// A message as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The whole topic.
    pub topic: String,
    /// The payload.
    pub payload: Bytes,
    /// Whether it was retained: by the broker, or by its sender just now. MQTT 5 edges subscribe
    /// with "retain as published", so that the end of a retained command is not taken for one.
    pub retain: bool,
    /// Where the sender wants its answer (MQTT 5).
    pub reply: Option<ReplyTo>,
}

/// What an incoming message means.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A command that was understood.
    Command(Command),
    /// A command that is refused, with the answer.
    Refused(CommandResult, Option<ReplyTo>),
    /// Home Assistant has started.
    Birth,
    /// Another node's status.
    NodeStatus {
        /// The node.
        name: String,
        /// Whether it is online.
        online: bool,
    },
    /// Somebody (a late last will of ours) says that we are offline.
    OwnOffline,
    /// The broker has kept an alert of ours: if it is none any more (we were killed meanwhile, or
    /// the end of it was lost), it is to go.
    KeptAlert(String),
    /// Nothing for us.
    Other,
}

/// What both MQTT edges do alike: the mapping between the bus and MQTT. Decides and never waits.
#[derive(Debug, Clone)]
pub struct Edge {
    /// `embedded` or `broker`.
    pub name: &'static str,
    /// This node's topics.
    pub topics: Topics,
    /// The bus.
    pub bus: Bus,
}

impl Edge {
    /// The messages that `event` calls for on this edge, in order.
    pub fn messages(&self, event: &Event) -> Vec<Message> {
        messages(self.name, &self.topics, self.bus.state(), event)
    }

    /// All that is to be retained now, in the order in which it is sent after a (re)connect:
    /// discovery, availability, states, alerts, their counts, and `online` last.
    pub fn snapshot(&self) -> Vec<Message> {
        snapshot(&self.topics, self.bus.state())
    }

    /// This node's own status; `offline` is also the last will.
    pub fn status(&self, online: bool) -> Message {
        status(&self.topics, online)
    }

    /// The filters that an edge subscribes to.
    pub fn filters(&self) -> [String; 3] {
        [
            self.topics.command_filter(),
            self.topics.every_status_filter(),
            self.topics.home_assistant_status(),
        ]
    }

    /// The filter that catches every alert of this node, to find those that are kept in vain.
    pub fn alert_filter(&self) -> String {
        self.topics.format(&Topic::Alert("+".to_owned()))
    }

    /// What takes a retained alert away.
    pub fn without_alert(&self, id: &str) -> Message {
        no_alert(&self.topics, id)
    }

    /// Acts on an incoming message and returns what is to be published at once. Answers to
    /// commands come later, as [`Event::Answered`].
    pub fn receive(&self, incoming: Incoming) -> Option<Message> {
        if !self.topics.is_own(&incoming.topic) {
            self.bus
                .deliver(&incoming.topic, &incoming.payload, incoming.retain);
        }
        match received(self.name, &self.topics, incoming) {
            Received::Command(command) => self.bus.submit(command),
            Received::Refused(result, reply) => {
                let reply = reply.map(|reply| (self.name, reply));
                self.bus
                    .emit(Event::Answered(Answer { result, reply }.into()));
            }
            Received::Birth => self.bus.emit(Event::HomeAssistantBirth { edge: self.name }),
            Received::NodeStatus { name, online } => self.bus.node(&name, online),
            Received::OwnOffline => return Some(self.status(true)),
            Received::KeptAlert(id) => {
                let known = self.bus.state().one_alert(&id).is_some();
                return (!known).then(|| self.without_alert(&id));
            }
            Received::Other => {}
        }
        None
    }
}

/// The messages that `event` calls for on the edge called `edge`, in order.
pub fn messages(edge: &str, topics: &Topics, state: &State, event: &Event) -> Vec<Message> {
    match event {
        Event::Batch(_, changed) => changed
            .iter()
            .flat_map(|changed| changes(topics, changed))
            .collect(),
        Event::Alert(alert) => vec![
            each(
                topics.format(&Topic::Alert(alert.id.clone())),
                json(&**alert),
                true,
            ),
            counts(topics, state),
        ],
        Event::AlertCleared(alert) => vec![no_alert(topics, &alert.id), counts(topics, state)],
        Event::Happened(kind, what) => {
            vec![each(
                topics.format(&Topic::Event((*kind).to_owned())),
                json(&**what),
                false,
            )]
        }
        Event::Answered(answer) => answers(edge, topics, answer),
        Event::Retain(topic, payload) if payload.is_empty() => {
            vec![each(topic.to_string(), Bytes::new(), true)]
        }
        Event::Retain(topic, payload) => vec![newest(topic.to_string(), payload.clone())],
        Event::Ask(topic, payload) => vec![Message {
            retain: false,
            ..newest(topic.to_string(), payload.clone())
        }],
        Event::Node { .. } | Event::HomeAssistantBirth { .. } => Vec::new(),
    }
}

/// All that is to be retained now, in order; see [`Edge::snapshot`].
pub fn snapshot(topics: &Topics, state: &State) -> Vec<Message> {
    let subjects = state.subjects();
    let mut out: Vec<Message> = state
        .retained()
        .into_iter()
        .map(|(topic, payload)| newest(topic.to_string(), payload))
        .collect();
    out.extend(
        subjects
            .iter()
            .map(|s| availability(topics, &s.subject, s.available)),
    );
    out.extend(subjects.into_iter().map(|s| {
        let topic = Topic::State(s.subject.area, s.subject.id.clone());
        newest(topics.format(&topic), s.published)
    }));
    out.extend(state.alerts().iter().map(|alert| {
        newest(
            topics.format(&Topic::Alert(alert.id.clone())),
            json(&**alert),
        )
    }));
    out.push(counts(topics, state));
    out.push(status(topics, true));
    out
}

/// This node's own status.
pub fn status(topics: &Topics, online: bool) -> Message {
    newest(topics.format(&Topic::Status), on_off(online))
}

/// What `incoming`, heard on the edge called `edge`, means.
pub fn received(edge: &'static str, topics: &Topics, incoming: Incoming) -> Received {
    if incoming.topic == topics.home_assistant_status() {
        return match incoming.payload.as_ref() {
            b"online" => Received::Birth,
            _ => Received::Other,
        };
    }
    if let Some(name) = topics.node_of_status(&incoming.topic) {
        let online = match incoming.payload.as_ref() {
            b"online" => true,
            b"offline" => false,
            _ => return Received::Other,
        };
        return match name {
            own if own == topics.node() && !online && !incoming.retain => Received::OwnOffline,
            own if own == topics.node() => Received::Other,
            // Names become parts of alert ids: what is no slug is no node of ours.
            name if slug(name) == name => Received::NodeStatus {
                name: name.to_owned(),
                online,
            },
            _ => Received::Other,
        };
    }
    match topics.parse(&incoming.topic) {
        Some(Topic::Command(name)) => command(edge, &name, incoming),
        Some(Topic::Alert(id)) if incoming.retain && !incoming.payload.is_empty() => {
            Received::KeptAlert(id)
        }
        _ => Received::Other,
    }
}

fn command(edge: &'static str, name: &str, incoming: Incoming) -> Received {
    let refused = |error: &str, id, reply| {
        let result = CommandResult {
            id,
            command: name.to_owned(),
            ok: false,
            error: Some(error.to_owned()),
            detail: None,
        };
        Received::Refused(result, reply)
    };
    if incoming.retain {
        // The end of a retained message is no command either, and needs no answer.
        if incoming.payload.is_empty() {
            return Received::Other;
        }
        // Read for its id only.
        let id = match Command::parse(name, &incoming.payload, Origin::Push) {
            Ok(command) => command.id,
            Err(result) => result.id,
        };
        return refused(
            "retained commands are not carried out; publish it without retain",
            id,
            incoming.reply,
        );
    }
    if incoming.payload.len() > MAX_COMMAND {
        let error = "the payload is longer than 4096 bytes";
        return refused(error, None, incoming.reply);
    }
    let origin = Origin::Mqtt {
        edge,
        reply: incoming.reply.clone(),
    };
    match Command::parse(name, &incoming.payload, origin) {
        Ok(command) => Received::Command(command),
        Err(result) => Received::Refused(result, incoming.reply),
    }
}

fn changes(topics: &Topics, changed: &Changed) -> impl Iterator<Item = Message> {
    let subject = &changed.subject;
    let state = changed.payload.clone().map(|payload| {
        newest(
            topics.format(&Topic::State(subject.area, subject.id.clone())),
            payload,
        )
    });
    // After the state, so that nobody sees an old figure as valid again.
    let available = changed
        .available
        .map(|on| availability(topics, subject, on));
    state.into_iter().chain(available)
}

fn answers(edge: &str, topics: &Topics, answer: &Answer) -> Vec<Message> {
    let payload = json(&answer.result);
    let mut out = vec![each(topics.format(&Topic::Result), payload.clone(), false)];
    if let Some((name, reply)) = &answer.reply
        && *name == edge
        && may_reply_to(topics, &reply.topic)
    {
        let mut message = each(reply.topic.clone(), payload, false);
        message.correlation.clone_from(&reply.correlation);
        out.push(message);
    }
    out
}

/// Whether a client may have its answer there. Our own and Home Assistant's topics are not for
/// clients to write through us.
fn may_reply_to(topics: &Topics, topic: &str) -> bool {
    let ours = format!("{}/{}/", topics.base(), topics.node());
    !topic.is_empty()
        && topic.len() <= 512
        && !topic.starts_with('$')
        && !topic.contains(['+', '#', '\0'])
        && !topic.starts_with(&ours)
        && topics.node_of_status(topic).is_none()
        && !topic.starts_with(topics.discovery_prefix())
}

fn no_alert(topics: &Topics, id: &str) -> Message {
    each(
        topics.format(&Topic::Alert(id.to_owned())),
        Bytes::new(),
        true,
    )
}

fn availability(topics: &Topics, subject: &crate::model::Subject, on: bool) -> Message {
    let topic = Topic::Availability(subject.area, subject.id.clone());
    newest(topics.format(&topic), on_off(on))
}

fn counts(topics: &Topics, state: &State) -> Message {
    let alerts = state.alerts();
    let counts = AlertCounts::of(alerts.iter().map(|alert| -> &Alert { alert }));
    newest(topics.format(&Topic::Alerts), json(&counts))
}

const fn on_off(online: bool) -> Bytes {
    Bytes::from_static(if online { b"online" } else { b"offline" })
}

const fn newest(topic: String, payload: Bytes) -> Message {
    Message {
        topic,
        payload,
        retain: true,
        keep: Keep::Newest,
        correlation: None,
    }
}

const fn each(topic: String, payload: Bytes, retain: bool) -> Message {
    Message {
        topic,
        payload,
        retain,
        keep: Keep::Each,
        correlation: None,
    }
}

/// Our own types always serialise; should one ever not, an empty object is sent.
fn json(value: &impl serde::Serialize) -> Bytes {
    let value =
        serde_json::to_value(value).unwrap_or_else(|_| Json::Object(serde_json::Map::new()));
    Bytes::from(value.to_string())
}

#[cfg(test)]
mod tests;
