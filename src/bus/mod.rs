//! The in-process bus: collectors' batches go in, the state store works out what changed, and
//! everybody who listens hears of it. MQTT is an edge of this bus, never the bus itself, so that
//! monitoring waits for no broker.

pub mod broker;
mod edge;
pub mod embedded;
mod foreign;
mod orders;
mod state;

pub use edge::{Edge, Incoming, Keep, Message, Received, messages, received, snapshot, status};
pub use foreign::{Foreign, Inbox, MAX_FOREIGN};
pub(crate) use state::json as state_json;
pub use state::{Changed, State, SubjectState};

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::model::{Alert, Batch, Command, CommandResult, Origin, ReplyTo, Timestamp};

/// What listeners hear.
#[derive(Debug, Clone)]
pub enum Event {
    /// A tick's readings, raw, and what of the published state they changed.
    Batch(Arc<Batch>, Arc<Vec<Changed>>),
    /// An alert is new or has changed; the state store already has it.
    Alert(Arc<Alert>),
    /// An alert is over and done: its retained message goes.
    AlertCleared(Arc<Alert>),
    /// Something happened once: `event/<kind>`, with its JSON object.
    Happened(&'static str, Arc<serde_json::Value>),
    /// A command was answered.
    Answered(Arc<Answer>),
    /// A retained message of ours that is no state (Home Assistant's discovery), by its whole
    /// topic; an empty payload removes it. The state store already has it.
    Retain(Arc<str>, Bytes),
    /// A request to somebody else's device, by its whole topic; sent once, not retained, and only
    /// to brokers that are there right now.
    Ask(Arc<str>, Bytes),
    /// Another node's status on the same base topic; the state store already has it.
    Node {
        /// The node's name.
        name: Arc<str>,
        /// Whether it says that it is online.
        online: bool,
    },
    /// Home Assistant has announced its start on this edge: discovery is to be sent again.
    HomeAssistantBirth {
        /// The edge that heard it.
        edge: &'static str,
    },
}

/// The answer to a command and where it goes besides the result topic.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The answer.
    pub result: CommandResult,
    /// The edge and the topic that an MQTT 5 sender asked for.
    pub reply: Option<(&'static str, ReplyTo)>,
}

/// A command on its way, with the line for its answer.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Where the sender waits.
    pub respond: oneshot::Sender<CommandResult>,
}

/// How many events a slow listener may be behind before it must start anew from the state.
const LAG: usize = 256;
/// How many commands may wait.
const COMMANDS: usize = 64;
const TOO_MANY: &str = "too many commands at once; try again";
const STOPPING: &str = "homewatch is stopping";

/// The bus. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    events: broadcast::Sender<Event>,
    commands: mpsc::Sender<Request>,
    state: Arc<State>,
    wants: Arc<foreign::Wants>,
    orders: Arc<orders::Orders>,
}

/// What a listener gets.
#[derive(Debug)]
pub enum Heard {
    /// The next event.
    Event(Event),
    /// The listener was too slow and this many are lost: read the state anew.
    Missed(u64),
    /// The bus is gone.
    Closed,
}

/// A listener's end of the bus.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Event>);

impl Listener {
    /// Waits for the next event.
    pub async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(event) => Heard::Event(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Heard::Missed(count),
            Err(broadcast::error::RecvError::Closed) => Heard::Closed,
        }
    }
}

const fn refusal(error: &mpsc::error::TrySendError<Request>) -> &'static str {
    match error {
        mpsc::error::TrySendError::Full(_) => TOO_MANY,
        mpsc::error::TrySendError::Closed(_) => STOPPING,
    }
}

impl Bus {
    /// A bus, and the one place where its commands arrive.
    pub fn new(state: Arc<State>) -> (Self, mpsc::Receiver<Request>) {
        let (events, _) = broadcast::channel(LAG);
        let (commands, requests) = mpsc::channel(COMMANDS);
        (
            Self {
                events,
                commands,
                state,
                wants: foreign::Wants::new(),
                orders: Arc::default(),
            },
            requests,
        )
    }

    /// What is known now.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// From now on hears every event.
    pub fn listen(&self) -> Listener {
        Listener(self.events.subscribe())
    }

    /// From now on gets what other clients publish on `filters`, by whichever edge, and first what
    /// brokers have kept of it.
    pub fn want(&self, filters: Vec<String>) -> Inbox {
        self.wants.want(filters, true)
    }

    /// The same for somebody who only looks round: what is too much for them is no loss.
    pub fn overhear(&self, filters: Vec<String>) -> Inbox {
        self.wants.want(filters, false)
    }

    /// Every filter that is wanted of other clients.
    pub(crate) fn wanted(&self) -> BTreeSet<String> {
        self.wants.filters()
    }

    /// Tells when [`Bus::wanted`] changes.
    pub(crate) fn wanted_changes(&self) -> watch::Receiver<u64> {
        self.wants.changes()
    }

    /// Hands in a message of another client.
    pub(crate) fn deliver(&self, topic: &str, payload: &Bytes, retained: bool) {
        self.wants.deliver(topic, payload, retained);
    }

    /// Takes a tick's readings into the state and tells everybody.
    pub fn publish(&self, batch: Batch) {
        let changed = self.state.apply(&batch);
        self.emit(Event::Batch(Arc::new(batch), Arc::new(changed)));
    }

    /// Takes an alert into the state and tells everybody.
    pub fn alert(&self, alert: Alert) {
        let alert = Arc::new(alert);
        self.state.put_alert(&alert);
        self.emit(Event::Alert(alert));
    }

    /// Takes an alert out of the state and tells everybody.
    pub fn clear_alert(&self, alert: Alert) {
        self.state.remove_alert(&alert.id);
        self.emit(Event::AlertCleared(Arc::new(alert)));
    }

    /// Publishes a retained message by its whole topic; an empty payload removes it.
    pub fn retain(&self, topic: Arc<str>, payload: Bytes) {
        self.state.put_retained(&topic, &payload);
        self.emit(Event::Retain(topic, payload));
    }

    /// Takes another node's status into the state and tells everybody. Of too many nodes none but
    /// those that are known already are heard.
    pub fn node(&self, name: &str, online: bool) {
        let name = Arc::from(name);
        if self.state.put_node(&name, online) {
            self.emit(Event::Node { name, online });
        } else {
            tracing::debug!(%name, "too many nodes on this base topic: not watched");
        }
    }

    /// Tells everybody; nobody listening is no error.
    pub fn emit(&self, event: Event) {
        drop(self.events.send(event));
    }

    /// From now on gets the orders of `verbs` (such as `fan/set`), until the receiver is dropped or
    /// somebody else takes them. Whoever gets one answers it by [`Bus::answer`].
    pub fn take_orders(&self, verbs: &[&'static str]) -> mpsc::Receiver<Request> {
        self.orders.take(verbs)
    }

    /// Hands an order to the part that takes its verb; gives it back if there is none, or answers
    /// that it is too busy.
    pub(crate) fn order(&self, request: Request, at: Timestamp) -> Option<Request> {
        let (request, error) = self.orders.hand(request)?;
        let Some(error) = error else {
            return Some(request);
        };
        let result = request.command.refused(error);
        self.answer(request, result, at);
        None
    }

    /// Answers a command: to whoever waits for it, on the result topic and as an event.
    pub fn answer(&self, request: Request, result: CommandResult, at: Timestamp) {
        let Request { command, respond } = request;
        let by = command.sender();
        tracing::info!(
            command = command.name,
            by,
            ok = result.ok,
            error = result.error
        );
        let happened = serde_json::json!({
            "ts": format!("{at:.3}"),
            "command": command.name,
            "by": by,
            "ok": result.ok,
        });
        let reply = match command.origin {
            Origin::Mqtt { edge, reply } => reply.map(|reply| (edge, reply)),
            Origin::Rest { .. } | Origin::Push => None,
        };
        // Who asked may have gone; the others still hear it.
        drop(respond.send(result.clone()));
        self.emit(Event::Answered(Arc::new(Answer { result, reply })));
        self.emit(Event::Happened("command", Arc::new(happened)));
    }

    /// Hands a command over; its answer is heard as [`Event::Answered`], also when there is no
    /// room for it.
    pub fn submit(&self, command: Command) {
        let (respond, _) = oneshot::channel();
        let Err(error) = self.commands.try_send(Request { command, respond }) else {
            return;
        };
        let text = refusal(&error);
        let request = error.into_inner();
        let Command {
            id, name, origin, ..
        } = request.command;
        let reply = match origin {
            Origin::Mqtt { edge, reply } => reply.map(|reply| (edge, reply)),
            Origin::Rest { .. } | Origin::Push => None,
        };
        let result = CommandResult {
            id,
            command: name,
            ok: false,
            error: Some(text.to_owned()),
            detail: None,
        };
        self.emit(Event::Answered(Arc::new(Answer { result, reply })));
    }

    /// Hands a command over and waits for its answer.
    pub async fn command(&self, command: Command) -> CommandResult {
        let (id, name) = (command.id.clone(), command.name.clone());
        let refused = |error: &str| CommandResult {
            id,
            command: name,
            ok: false,
            error: Some(error.to_owned()),
            detail: None,
        };
        let (respond, answer) = oneshot::channel();
        if let Err(error) = self.commands.try_send(Request { command, respond }) {
            return refused(refusal(&error));
        }
        match answer.await {
            Ok(result) => result,
            Err(_) => refused(STOPPING),
        }
    }
}
