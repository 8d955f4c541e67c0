//! rumqttd's router, which hands every message to every subscriber, and our links to it.
//!
//! The router dies of some inputs and keeps others for ever (every topic it has seen, for one), so
//! it gets little to go wrong with: one fixed filter, one fixed topic, `QoS` 0, nothing retained,
//! link names from a small set. What a message really is stands in its payload. Sessions,
//! acknowledgments, rights and retained messages are ours.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use rumqttd::local::{LinkBuilder, LinkError, LinkRx, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter, Packet, Publish, PublishProperties, QoS,
    RetainForwardRule, Subscribe, qos,
};
use rumqttd::{Notification, RouterConfig};

use super::guard::Message;

/// The topic of everything that goes through the router.
const TOPIC: Bytes = Bytes::from_static(b"m");
/// The log of messages that slow subscribers still may read: bytes a segment, and segments.
const SEGMENT: (usize, usize) = (512 << 10, 2);
/// Messages handed to a subscriber at once; below the size at which the router parks it.
const SWEEP: u64 = 150;

/// The router has died.
#[derive(Debug, thiserror::Error)]
#[error("the router died: {0}")]
pub(super) struct Died(String);

impl From<LinkError> for Died {
    fn from(error: LinkError) -> Self {
        Self(error.to_string())
    }
}

type Open = dyn Fn(&str) -> Result<(LinkTx, LinkRx), Died> + Send + Sync;

/// One life of the router.
pub(super) struct Router {
    open: Box<Open>,
    publisher: Mutex<LinkTx>,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    free: Vec<usize>,
    used: usize,
}

/// Tells when the router has died: its `dead` then returns.
pub(super) struct Watch(LinkRx);

impl Watch {
    /// Waits for the router's death.
    pub(super) async fn dead(&mut self) -> Died {
        loop {
            if let Err(error) = self.0.next().await {
                return error.into();
            }
        }
    }
}

impl Router {
    /// Starts a router, on a thread of its own, for at most `clients` subscribers.
    pub(super) fn start(clients: usize) -> Result<(Arc<Self>, Watch), Died> {
        let router = rumqttd::Router::new(
            0,
            RouterConfig {
                max_connections: clients + 8,
                max_outgoing_packet_count: SWEEP,
                max_segment_size: SEGMENT.0,
                max_segment_count: SEGMENT.1,
                ..RouterConfig::default()
            },
        );
        let events = router.spawn();
        let open = move |name: &str| {
            let (tx, rx, _) = LinkBuilder::new(name, events.clone()).build()?;
            Ok::<_, Died>((tx, rx))
        };
        let (_, watch) = open("watch")?;
        let (publisher, _) = open("publish")?;
        let router = Self {
            open: Box::new(open),
            publisher: Mutex::new(publisher),
            slots: Mutex::default(),
        };
        router.warm_up()?;
        Ok((Arc::new(router), Watch(watch)))
    }

    /// Makes the one filter known: who publishes what no filter catches, the router disconnects.
    fn warm_up(&self) -> Result<(), Died> {
        let (mut link, _rx) = (self.open)("warm-up")?;
        send(&mut link, subscribe("#"))?;
        send(&mut link, goodbye())
    }

    /// Hands messages to every subscriber. A dead router is the watch's business.
    pub(super) fn publish(&self, messages: impl IntoIterator<Item = Message>) {
        let mut publisher = self
            .publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut packets: VecDeque<Packet> = VecDeque::new();
        for message in messages {
            let Some(content) = wrap(&message) else {
                continue;
            };
            let publish = Publish::new(TOPIC, content, false);
            packets.push_back(Packet::Publish(publish, message.properties));
        }
        let Some(last) = packets.pop_back() else {
            return;
        };
        publisher.buffer().extend(packets);
        if let Err(error) = send(&mut publisher, last) {
            tracing::debug!(%error, "the router is gone");
        }
    }

    /// A link that gets every message from now on.
    pub(super) fn subscribe(self: &Arc<Self>) -> Result<Subscriber, Died> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.free.pop().unwrap_or_else(|| {
                slots.used += 1;
                slots.used
            })
        };
        let (mut tx, rx) = (self.open)(&format!("client-{slot}"))?;
        send(&mut tx, subscribe("#"))?;
        Ok(Subscriber {
            tx,
            rx,
            slot,
            router: Arc::clone(self),
        })
    }

    /// Kills the router as an unguarded client could.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        let mut publisher = self.publisher.lock().unwrap();
        let publish = Publish::new(Bytes::from("Öl"), Bytes::from("x"), false);
        send(&mut publisher, Packet::Publish(publish, None)).unwrap();
    }
}

/// A subscriber's link; dropping it takes leave of the router.
pub(super) struct Subscriber {
    tx: LinkTx,
    rx: LinkRx,
    slot: usize,
    router: Arc<Router>,
}

impl Subscriber {
    /// Waits for the next message; `None` is nothing for the client. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, Died> {
        match self.rx.next().await? {
            Some(Notification::Forward(forward)) => {
                Ok(message(forward.publish, forward.properties))
            }
            Some(Notification::Unschedule) => {
                self.rx.wake().await?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if let Err(error) = send(&mut self.tx, goodbye()) {
            tracing::debug!(%error, "the router is gone");
        }
        // Only now may another link use the name: the router sees the goodbye first.
        let mut slots = self
            .router
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slots.free.push(self.slot);
    }
}

/// A message as it goes through the router: `QoS`, retain, sender, length of the topic, topic,
/// payload. `None` if the topic is longer than any can be.
fn wrap(message: &Message) -> Option<Bytes> {
    let length = u16::try_from(message.topic.len()).ok()?;
    let mut content = BytesMut::with_capacity(12 + message.topic.len() + message.payload.len());
    content.put_u8(message.qos as u8);
    content.put_u8(message.retain.into());
    content.put_u64(message.origin);
    content.put_u16(length);
    content.put_slice(message.topic.as_bytes());
    content.put_slice(&message.payload);
    Some(content.freeze())
}

/// Takes apart what [`wrap`] put together.
fn message(publish: Publish, properties: Option<PublishProperties>) -> Option<Message> {
    let mut content = publish.payload;
    let qos = qos(content.try_get_u8().ok()?)?;
    let retain = content.try_get_u8().ok()? != 0;
    let origin = content.try_get_u64().ok()?;
    let length = usize::from(content.try_get_u16().ok()?);
    let topic = std::str::from_utf8(content.get(..length)?).ok()?.to_owned();
    content.advance(length);
    Some(Message {
        topic,
        payload: content,
        qos,
        retain,
        properties,
        origin,
    })
}

/// `LinkTx::send` is async by name only: it blocks while the router's queue is full, and does not
/// yield.
fn send(link: &mut LinkTx, packet: Packet) -> Result<(), Died> {
    match link.send(packet).now_or_never() {
        Some(result) => result.map(drop).map_err(Died::from),
        None => Ok(()),
    }
}

fn subscribe(filter: &str) -> Packet {
    let filter = Filter {
        path: filter.to_owned(),
        qos: QoS::AtMostOnce,
        nolocal: false,
        preserve_retain: false,
        retain_forward_rule: RetainForwardRule::Never,
    };
    let filters = vec![filter];
    Packet::Subscribe(Subscribe { pkid: 1, filters }, None)
}

fn goodbye() -> Packet {
    let reason_code = DisconnectReasonCode::NormalDisconnection;
    Packet::Disconnect(Disconnect { reason_code }, None)
}
