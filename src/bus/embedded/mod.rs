//! Edge 1: the broker inside. rumqttd's codecs and router are at work in it, behind a guard, so
//! that what a client sends can end that client's connection and nothing else:
//!
//! - `listen`: plain and encrypted listeners;
//! - `guard`: what comes off the wire, judged; 3.1.1 and 5 on one port;
//! - `rights`: who may read and publish what;
//! - `client`: one connection; `outbox`: what is on its way to it;
//! - `retained`: retained messages, those of other clients kept over restarts;
//! - `router`: the part of rumqttd that hands messages to subscribers, rebuilt should it die.
//!
//! Every session is clean: a client that comes back subscribes again (the retained state then
//! tells it all it missed). There are no shared subscriptions, no topic aliases and no `$SYS`;
//! clients are told so in the words of their protocol.

mod client;
mod guard;
pub(crate) mod holder;
mod hub;
mod listen;
mod outbox;
mod retained;
mod rights;
mod router;
mod wire;

pub use listen::{Listeners, bind};

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttd::protocol::{PublishProperties, QoS};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::edge::{self, Edge};
use super::{Bus, Heard};
use crate::config::EmbeddedConfig;
use crate::model::{ReplyTo, Topics};
use crate::store::{Collection, Store};

use guard::Message;
use hub::{HELLO_TIME, Hub, LAST_WORDS};
use listen::Accepted;
use retained::Retained;
use router::{Died, Router, Watch};
use wire::End;

/// The edge's name on the bus.
pub const NAME: &str = "embedded";

/// Changes of other clients' retained messages are gathered for so long before they are stored.
const STORE_AFTER: Duration = Duration::from_secs(1);
/// A warning about a client comes at most so often.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// Why the embedded broker is not there.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Somebody else listens there.
    #[error(
        "the MQTT port {addr} is taken by {holder}; stop that, or set mqtt.embedded.listen to \
         another port, or mqtt.broker.url to use the broker that runs there"
    )]
    Taken {
        /// The address.
        addr: SocketAddr,
        /// The program that listens there.
        holder: String,
    },
    /// The port cannot be bound.
    #[error("the MQTT port {addr} cannot be opened: {cause}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The certificate cannot be used.
    #[error("mqtt.embedded.tls {0}")]
    Tls(String),
    /// The router does not start.
    #[error("the embedded broker does not start: {0}")]
    Router(String),
}

impl From<Died> for EmbeddedError {
    fn from(error: Died) -> Self {
        Self::Router(error.to_string())
    }
}

/// Serves until `cancel`; then publishes `offline` and ends within two seconds.
///
/// # Errors
/// When the router cannot be started (again).
pub async fn run(
    listeners: Listeners,
    config: EmbeddedConfig,
    topics: Topics,
    bus: Bus,
    store: Store,
    cancel: CancellationToken,
) -> Result<(), EmbeddedError> {
    let edge = Edge {
        name: NAME,
        topics: topics.clone(),
        bus,
    };
    let retained = restore(&store).await;
    let (router, watch) = Router::start(config.max_connections)?;
    let (hub, inbox) = Hub::new(&config, topics, edge.bus.clone(), retained, router);
    tell_of_other_nodes(&hub, &edge);
    let broker = Broker {
        listeners,
        max_connections: config.max_connections,
        edge,
        hub: Arc::clone(&hub),
        connections: JoinSet::new(),
        full: false,
        warned: None,
    };
    let result = tokio::select! {
        result = broker.serve(inbox, watch, cancel) => result,
        () = keep_stored(&hub, &store) => Ok(()),
    };
    store_changes(&hub, &store).await;
    result
}

async fn restore(store: &Store) -> Retained {
    let store = store.clone();
    let read = tokio::task::spawn_blocking(move || store.all(Collection::Retained)).await;
    let text = match read {
        Ok(Ok(records)) => return Retained::restore(records),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(
        error = text,
        "the retained messages of other clients cannot be read back"
    );
    Retained::default()
}

/// Stores what changes of other clients' retained messages, for ever.
async fn keep_stored(hub: &Hub, store: &Store) {
    loop {
        hub.dirty.notified().await;
        sleep(STORE_AFTER).await;
        store_changes(hub, store).await;
    }
}

async fn store_changes(hub: &Hub, store: &Store) {
    let changes = hub.retained().changes();
    if changes.is_empty() {
        return;
    }
    let store = store.clone();
    let text = match tokio::task::spawn_blocking(move || store.write(&changes)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(
        error = text,
        "retained messages of other clients could not be stored"
    );
}

/// Other nodes whose status was retained here before we started.
fn tell_of_other_nodes(hub: &Hub, edge: &Edge) {
    let known = hub.retained().matching(&edge.topics.every_status_filter());
    for message in known {
        receive(hub, edge, message);
    }
}

fn receive(hub: &Hub, edge: &Edge, message: Message) {
    let reply = message.properties.and_then(|properties| {
        Some(ReplyTo {
            topic: properties.response_topic?,
            correlation: properties.correlation_data,
        })
    });
    let answer = edge.receive(edge::Incoming {
        topic: message.topic,
        payload: message.payload,
        retain: message.retain,
        reply,
    });
    if let Some(answer) = answer {
        hub.publish(vec![own(answer)]);
    }
}

/// A message of ours as the broker carries it.
fn own(message: edge::Message) -> Message {
    Message {
        topic: message.topic,
        payload: message.payload,
        qos: QoS::AtLeastOnce,
        retain: message.retain,
        properties: message.correlation.map(|correlation| PublishProperties {
            correlation_data: Some(correlation),
            ..PublishProperties::default()
        }),
        origin: 0,
    }
}

struct Broker {
    listeners: Listeners,
    max_connections: usize,
    edge: Edge,
    hub: Arc<Hub>,
    connections: JoinSet<(SocketAddr, End)>,
    full: bool,
    warned: Option<Instant>,
}

impl Broker {
    async fn serve(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        mut watch: Watch,
        cancel: CancellationToken,
    ) -> Result<(), EmbeddedError> {
        let mut events = self.edge.bus.listen();
        let mut wanted = BTreeSet::new();
        let mut changes = self.edge.bus.wanted_changes();
        changes.mark_changed();
        self.publish(self.edge.snapshot());
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                heard = events.next() => match heard {
                    Heard::Event(event) => self.publish(self.edge.messages(&event)),
                    Heard::Missed(_) => self.publish_anew(),
                    Heard::Closed => break,
                },
                Some(message) = inbox.recv() => receive(&self.hub, &self.edge, message),
                Ok(()) = changes.changed() => {
                    let new = self.edge.bus.wanted();
                    let fresh: Vec<String> = new.difference(&wanted).cloned().collect();
                    self.hub.tell_retained(&fresh);
                    wanted = new;
                }
                accepted = self.listeners.accept() => match accepted {
                    Ok(accepted) => self.admit(accepted),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        // Out of descriptors, most likely: it will not be better at once.
                        sleep(Duration::from_millis(200)).await;
                    }
                },
                Some(ended) = self.connections.join_next() => self.ended(ended),
                error = watch.dead() => {
                    tracing::error!(%error, "the embedded broker's router died; starting it anew");
                    let (router, new) = Router::start(self.max_connections)?;
                    self.hub.replace_router(router);
                    watch = new;
                }
            }
        }
        self.close().await;
        Ok(())
    }

    fn publish(&self, messages: Vec<edge::Message>) {
        if !messages.is_empty() {
            self.hub.publish(messages.into_iter().map(own).collect());
        }
    }

    /// Publishes everything again and takes away what is retained of ours but no longer so.
    fn publish_anew(&self) {
        let snapshot = self.edge.snapshot();
        let known: BTreeSet<&str> = snapshot
            .iter()
            .map(|message| message.topic.as_str())
            .collect();
        let mut gone = self.hub.retained().ours();
        gone.retain(|topic| !known.contains(topic.as_str()));
        let removal = |topic| Message {
            topic,
            payload: Bytes::new(),
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: None,
            origin: 0,
        };
        self.hub.publish(gone.into_iter().map(removal).collect());
        self.publish(snapshot);
    }

    fn admit(&mut self, accepted: Accepted) {
        if self.connections.len() >= self.max_connections {
            if !self.full {
                tracing::warn!(
                    max_connections = self.max_connections,
                    "more clients want in than mqtt.embedded.max_connections allows"
                );
            }
            self.full = true;
            return;
        }
        let hub = Arc::clone(&self.hub);
        let local = accepted.is_local();
        self.connections.spawn(async move {
            match accepted {
                Accepted::Plain(stream, peer) => match keep_alive(&stream) {
                    Ok(()) => (peer, client::serve(hub, stream, local).await),
                    Err(error) => (peer, error.into()),
                },
                Accepted::Tls(stream, peer, acceptor) => {
                    if let Err(error) = keep_alive(&stream) {
                        return (peer, error.into());
                    }
                    match timeout(HELLO_TIME, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => (peer, client::serve(hub, stream, local).await),
                        Ok(Err(error)) => (peer, error.into()),
                        Err(_) => (peer, End::NoHello),
                    }
                }
            }
        });
    }

    fn ended(&mut self, ended: Result<(SocketAddr, End), JoinError>) {
        self.full = false;
        match ended {
            Ok((peer, end @ (End::Login | End::Violation(_)))) if self.may_warn() => {
                tracing::warn!(%peer, reason = %end, "an MQTT client was sent away");
            }
            Ok((peer, end)) => tracing::debug!(%peer, reason = %end, "an MQTT client is gone"),
            Err(error) => tracing::error!(%error, "the connection of an MQTT client failed"),
        }
    }

    /// Whether a minute has gone by since the last warning about a client: one that tries again
    /// and again must not fill the log.
    fn may_warn(&mut self) -> bool {
        let due = self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if due {
            self.warned = Some(Instant::now());
        }
        due
    }

    async fn close(&mut self) {
        self.publish(vec![self.edge.status(false)]);
        if !self.connections.is_empty() {
            sleep(LAST_WORDS).await;
        }
        self.hub.closing.cancel();
        let all_gone = async { while self.connections.join_next().await.is_some() {} };
        if timeout(Duration::from_secs(1), all_gone).await.is_err() {
            self.connections.abort_all();
        }
    }
}

/// Lets the system find out that a client which need not say anything is gone.
fn keep_alive(stream: &tokio::net::TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    rustix::net::sockopt::set_tcp_keepidle(stream, Duration::from_mins(2))?;
    stream.set_nodelay(true)
}

#[cfg(test)]
mod tests;
