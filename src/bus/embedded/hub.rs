//! What all connections share: rights, retained messages, the router, who is connected.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::config::EmbeddedConfig;
use crate::model::{Topic, Topics};

use super::guard::Message;
use super::retained::Retained;
use super::rights::{Rights, Users};
use super::router::Router;

/// A client that has not said who it is within this time is sent away.
pub(super) const HELLO_TIME: Duration = Duration::from_secs(5);
/// A client that takes nothing for this long is sent away.
pub(super) const WRITE_TIME: Duration = Duration::from_secs(20);

/// How long clients have for taking what they are told at the end.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a message that was taken from a client came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is on its way.
    Yes,
    /// The client may not publish there.
    Denied,
}

/// Shared by all connections.
pub(super) struct Hub {
    pub(super) users: Users,
    pub(super) topics: Topics,
    pub(super) max_payload: usize,
    /// Ends every connection.
    pub(super) closing: CancellationToken,
    /// Wakes whoever stores retained messages.
    pub(super) dirty: Notify,
    no_room: AtomicBool,
    retained: Mutex<Retained>,
    router: Mutex<Arc<Router>>,
    clients: Mutex<Clients>,
    incoming: mpsc::Sender<Message>,
    bus: Bus,
}

#[derive(Default)]
struct Clients {
    next: u64,
    by_id: HashMap<String, (u64, CancellationToken)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(super) fn new(
        config: &EmbeddedConfig,
        topics: Topics,
        bus: Bus,
        retained: Retained,
        router: Arc<Router>,
    ) -> (Arc<Self>, mpsc::Receiver<Message>) {
        let (incoming, inbox) = mpsc::channel(64);
        let hub = Self {
            users: Users::new(config, &topics),
            topics,
            max_payload: config.max_payload,
            closing: CancellationToken::new(),
            dirty: Notify::new(),
            no_room: AtomicBool::new(false),
            retained: Mutex::new(retained),
            router: Mutex::new(router),
            clients: Mutex::default(),
            incoming,
            bus,
        };
        (Arc::new(hub), inbox)
    }

    /// The router of now.
    pub(super) fn router(&self) -> Arc<Router> {
        Arc::clone(&lock(&self.router))
    }

    /// Puts a new router in the place of a dead one.
    pub(super) fn replace_router(&self, router: Arc<Router>) {
        *lock(&self.router) = router;
    }

    /// The retained messages.
    pub(super) fn retained(&self) -> MutexGuard<'_, Retained> {
        lock(&self.retained)
    }

    /// Publishes messages of our own.
    pub(super) fn publish(&self, messages: Vec<Message>) {
        {
            let mut retained = self.retained();
            for message in messages.iter().filter(|message| message.retain) {
                retained.set(message, true);
            }
        }
        self.router().publish(messages);
    }

    /// Hands over what is retained of other clients on `filters`.
    pub(super) fn tell_retained(&self, filters: &[String]) {
        for filter in filters {
            let kept = self.retained().matching(filter);
            for message in kept.iter().filter(|m| !self.topics.is_own(&m.topic)) {
                self.bus.deliver(&message.topic, &message.payload, true);
            }
        }
    }

    /// Takes a message from a client. A command goes to the bus, and to other clients too unless
    /// it is retained, which is refused: it would be carried out again at every start.
    pub(super) async fn take(&self, rights: &Rights, message: Message) -> Taken {
        if !rights.may_publish(&message.topic) {
            return Taken::Denied;
        }
        let command = matches!(self.topics.parse(&message.topic), Some(Topic::Command(_)));
        let told = command
            || message.topic == self.topics.home_assistant_status()
            || self.topics.node_of_status(&message.topic).is_some();
        if told {
            let mut heard = message.clone();
            // An answer must not go where its client could not have published itself.
            if let Some(properties) = &mut heard.properties {
                properties
                    .response_topic
                    .take_if(|topic| !rights.may_publish(topic));
            }
            if self.incoming.send(heard).await.is_err() {
                tracing::debug!("a message came while stopping");
            }
        }
        if command && message.retain {
            return Taken::Yes;
        }
        // What the bus is told of anyway, its edge delivers.
        if !told && !self.topics.is_own(&message.topic) {
            // It is new, whatever its sender wishes for later.
            self.bus.deliver(&message.topic, &message.payload, false);
        }
        if message.retain {
            let mut retained = self.retained();
            let kept = retained.set(&message, false);
            if !kept && !self.no_room.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    topic = message.topic,
                    "no room to retain more messages of other clients; they are only delivered"
                );
            }
            if retained.is_dirty() {
                self.dirty.notify_one();
            }
        }
        self.router().publish([message]);
        Taken::Yes
    }

    /// Registers a client; another one of the same id is ended, as the standard says.
    pub(super) fn enter(self: &Arc<Self>, id: &str) -> Presence {
        let ended = self.closing.child_token();
        let mut clients = lock(&self.clients);
        clients.next += 1;
        let number = clients.next;
        let old = clients.by_id.insert(id.to_owned(), (number, ended.clone()));
        if let Some((_, old)) = old {
            old.cancel();
        }
        Presence {
            hub: Arc::clone(self),
            id: id.to_owned(),
            number,
            ended,
        }
    }
}

/// A client's place in the register, as long as it lives.
pub(super) struct Presence {
    hub: Arc<Hub>,
    id: String,
    number: u64,
    /// Cancelled when the client is to go.
    pub(super) ended: CancellationToken,
}

impl Presence {
    /// The number of the connection; none has it again.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut clients = lock(&self.hub.clients);
        if clients
            .by_id
            .get(&self.id)
            .is_some_and(|(number, _)| *number == self.number)
        {
            clients.by_id.remove(&self.id);
        }
    }
}
