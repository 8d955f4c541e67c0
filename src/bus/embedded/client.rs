//! One connection: from CONNECT to its end.

mod subscriptions;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::BufMut as _;
use futures_util::FutureExt as _;
use rumqttd::protocol::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Packet, PingResp, PubComp, PubCompReason,
    PubRel, PubRelReason, QoS,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::model::matches;

use super::guard::{Incoming, Level, Message, Violation};
use super::hub::{HELLO_TIME, Hub, LAST_WORDS, Presence, Taken};
use super::outbox::Outbox;
use super::rights::Rights;
use super::router::{Died, Subscriber};
use super::wire::{End, Wire};
use subscriptions::{Subscription, lower, name};

/// A client that leaves all acknowledgments open for this long while messages wait is given up:
/// what waits for it would stay in memory.
const ACK_TIME: Duration = Duration::from_mins(1);
/// So many messages of `QoS` 2 one client may leave unreleased.
const MAX_UNRELEASED: usize = 256;
/// So many messages may wait for one client before it is given up.
const MAX_QUEUE: usize = 20_000;
/// Messages taken from the router at once.
const BURST: usize = 100;
/// Bytes written at once.
const CHUNK: usize = 16 << 10;

/// One client that has been let in.
struct Client<S> {
    wire: Wire<S>,
    hub: Arc<Hub>,
    level: Level,
    rights: Rights,
    number: u64,
    outbox: Outbox,
    filters: BTreeMap<String, Subscription>,
    link: Option<Subscriber>,
    unreleased: HashSet<u16>,
    keep_alive: Option<Duration>,
    will: Option<Message>,
    /// When something last came from it.
    seen: Instant,
    /// When it last acknowledged something, or nothing waited for it.
    moved: Instant,
}

/// Serves one connection to its end. `local`: it came by a listener that only this machine can
/// reach.
pub(super) async fn serve<S>(hub: Arc<Hub>, stream: S, local: bool) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let wire = Wire::new(stream, hub.max_payload);
    let admitted = timeout(HELLO_TIME, admit(hub, wire, local)).await;
    let (mut client, presence) = match admitted {
        Err(_) => return End::NoHello,
        Ok(Err(end)) => return end,
        Ok(Ok(admitted)) => admitted,
    };
    let end = client.run(&presence).await;
    drop(presence);
    client.farewell(&end).await;
    if let Some(will) = client.will.take() {
        client.hub.take(&client.rights, will).await;
    }
    end
}

async fn admit<S>(
    hub: Arc<Hub>,
    mut wire: Wire<S>,
    local: bool,
) -> Result<(Client<S>, Presence), End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (level, hello) = wire.hello().await?;
    let login = hello.login.as_ref();
    let login = login.map(|login| (login.username.as_str(), login.password.as_str()));
    let Some(rights) = hub.users.login(login, local) else {
        let code = ConnectReturnCode::BadUserNamePassword;
        wire.refuse(level, ConnectReturnCode::NotAuthorized, code)
            .await?;
        return Err(End::Login);
    };
    let mut id = hello.connect.client_id;
    let assigned = id.is_empty();
    if assigned {
        if level == Level::V4 && !hello.connect.clean_session {
            let code = ConnectReturnCode::ClientIdentifierNotValid;
            wire.refuse(level, code, code).await?;
            return Err(Violation::Protocol("no client id, but a session to keep").into());
        }
        id = assigned_id()?;
    }
    let presence = hub.enter(&id);
    let ack = ConnAck {
        session_present: false,
        code: ConnectReturnCode::Success,
    };
    let properties = ConnAckProperties {
        session_expiry_interval: Some(0),
        max_packet_size: u32::try_from(wire.max_packet()).ok(),
        assigned_client_identifier: assigned.then_some(id),
        topic_alias_max: Some(0),
        shared_subscription_available: Some(0),
        ..ConnAckProperties::default()
    };
    wire.put(level, Packet::ConnAck(ack, Some(properties)))?;
    wire.flush().await?;
    let limits = &hello.properties;
    let keep_alive = hello.connect.keep_alive;
    let client = Client {
        wire,
        hub,
        level,
        rights,
        number: presence.number(),
        outbox: Outbox::new(level, limits.receive_maximum, limits.max_packet_size),
        filters: BTreeMap::new(),
        link: None,
        unreleased: HashSet::new(),
        keep_alive: (keep_alive > 0).then(|| Duration::from_secs(keep_alive.into()) * 3 / 2),
        will: hello.will,
        seen: Instant::now(),
        moved: Instant::now(),
    };
    Ok((client, presence))
}

fn assigned_id() -> Result<String, End> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(format!("auto-{:016x}", u64::from_be_bytes(random)))
}

/// The next message of a link; without one, never.
async fn from_link(link: &mut Option<Subscriber>) -> Result<Option<Message>, Died> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until `at`; for ever without it.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn run(&mut self, presence: &Presence) -> End {
        loop {
            if let Err(end) = self.round(presence).await {
                return end;
            }
        }
    }

    async fn round(&mut self, presence: &Presence) -> Result<(), End> {
        while let Some(packet) = self.wire.next()? {
            self.handle(packet).await?;
            self.deliver().await?;
        }
        let silent = self.keep_alive.map(|time| self.seen + time);
        if self.outbox.is_empty() {
            self.moved = Instant::now();
        }
        let stuck = (!self.outbox.is_empty()).then(|| self.moved + ACK_TIME);
        let silence = until(silent);
        let standstill = until(stuck);
        tokio::select! {
            () = presence.ended.cancelled() => return Err(End::Ended),
            read = self.wire.fill() => {
                read?;
                self.seen = Instant::now();
            }
            message = from_link(&mut self.link), if self.outbox.is_empty() => {
                self.offer(message?);
                self.offer_more()?;
                self.deliver().await?;
            }
            () = silence => return Err(End::Silent),
            () = standstill => return Err(End::Slow),
        }
        Ok(())
    }

    /// Tells a client of MQTT 5 why it is sent away.
    async fn farewell(&mut self, end: &End) {
        let reason = match end {
            End::Violation(Violation::TooLarge(_)) => 0x95,
            End::Violation(_) => 0x82,
            End::Silent => 0x8d,
            End::Ended if self.hub.closing.is_cancelled() => 0x8b,
            End::Ended => 0x8e,
            End::Goodbye
            | End::Closed
            | End::Slow
            | End::NoHello
            | End::Login
            | End::Io(_)
            | End::Codec(_)
            | End::Router(_) => return,
        };
        if self.level == Level::V5 {
            self.wire.output.clear();
            self.wire.output.put_slice(&[0xe0, 1, reason]);
            let sent = timeout(LAST_WORDS, self.wire.flush()).await;
            tracing::trace!(?sent, "told why");
        }
    }

    /// Takes what else the link has ready, so that a burst is written at once.
    fn offer_more(&mut self) -> Result<(), Died> {
        while self.outbox.len() < BURST {
            let Some(message) = from_link(&mut self.link).now_or_never() else {
                break;
            };
            self.offer(message?);
        }
        Ok(())
    }

    /// Writes what the window lets through.
    async fn deliver(&mut self) -> Result<(), End> {
        loop {
            self.outbox.write(&mut self.wire.output, CHUNK)?;
            if self.wire.output.is_empty() {
                return Ok(());
            }
            self.wire.flush().await?;
        }
    }

    /// Queues a message if some filter of the client catches it.
    fn offer(&mut self, message: Option<Message>) {
        let Some(mut message) = message else {
            return;
        };
        let mut granted = None;
        let mut ids = Vec::new();
        let mut as_published = false;
        for (filter, subscription) in &self.filters {
            if subscription.no_local && message.origin == self.number {
                continue;
            }
            if matches(filter, &message.topic) {
                as_published |= subscription.as_published;
                granted = granted.max(Some(subscription.qos));
                ids.extend(subscription.id);
            }
        }
        let Some(granted) = granted.filter(|_| self.rights.may_read(&message.topic)) else {
            return;
        };
        message.qos = lower(message.qos, granted);
        message.retain &= as_published;
        name(&mut message, ids);
        self.outbox.push(message);
    }

    async fn handle(&mut self, packet: Incoming) -> Result<(), End> {
        let level = self.level;
        match packet {
            Incoming::Connect(_) => return Err(Violation::Protocol("a second CONNECT").into()),
            Incoming::Publish(message, pkid) => self.publish(message, pkid).await?,
            Incoming::Subscribe(subscribe, id) => self.subscribe(subscribe, id)?,
            Incoming::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe)?,
            Incoming::PubAck(pkid) | Incoming::PubComp(pkid) => {
                self.outbox.acknowledged(pkid);
                self.moved = Instant::now();
            }
            Incoming::PubRec(pkid) => {
                self.outbox.received(pkid);
                let reason = PubRelReason::Success;
                self.wire
                    .put(level, Packet::PubRel(PubRel { pkid, reason }, None))?;
            }
            Incoming::PubRel(pkid) => {
                let reason = if self.unreleased.remove(&pkid) {
                    PubCompReason::Success
                } else {
                    PubCompReason::PacketIdentifierNotFound
                };
                self.wire
                    .put(level, Packet::PubComp(PubComp { pkid, reason }, None))?;
            }
            Incoming::Ping => self.wire.put(level, Packet::PingResp(PingResp))?,
            Incoming::Disconnect(with_will) => {
                if !with_will {
                    self.will = None;
                }
                return Err(End::Goodbye);
            }
        }
        Ok(())
    }

    /// Takes a message. What is denied is acknowledged all the same in 3.1.1, which has no other
    /// word for it; 5 is told.
    async fn publish(&mut self, mut message: Message, pkid: u16) -> Result<(), End> {
        message.origin = self.number;
        let qos = message.qos;
        if qos == QoS::ExactlyOnce {
            if self.unreleased.len() >= MAX_UNRELEASED {
                return Err(Violation::Protocol("too many unreleased messages of QoS 2").into());
            }
            if !self.unreleased.insert(pkid) {
                self.acknowledge(0x50, pkid, Taken::Yes);
                return Ok(());
            }
        }
        let taken = self.hub.take(&self.rights, message).await;
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.acknowledge(0x40, pkid, taken),
            QoS::ExactlyOnce => {
                if taken == Taken::Denied && self.level == Level::V5 {
                    // A PUBREC with an error ends the exchange.
                    self.unreleased.remove(&pkid);
                }
                self.acknowledge(0x50, pkid, taken);
            }
        }
        Ok(())
    }

    /// PUBACK or PUBREC, by hand: the codec writes a denial without its reason.
    fn acknowledge(&mut self, kind: u8, pkid: u16, taken: Taken) {
        let out = &mut self.wire.output;
        let denied = taken == Taken::Denied && self.level == Level::V5;
        out.put_slice(&[kind, if denied { 3 } else { 2 }]);
        out.put_u16(pkid);
        if denied {
            out.put_u8(0x87);
        }
    }
}
