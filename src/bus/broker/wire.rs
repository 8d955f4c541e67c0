use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes as v4;
use rumqttc::v5::mqttbytes as v5;
use v4::v4::Packet as Packet4;
use v5::v5::Packet as Packet5;

use crate::bus::{Incoming, Message};
use crate::model::ReplyTo;

/// The largest packet that is taken in, bytes: commands are small.
const MAX_INCOMING: u32 = 64 * 1024;

/// Turns packets into bytes and back, in MQTT 5 or 3.1.1. Only the codec of rumqttc is used: its
/// event loop drops messages on a lost session, writes once a packet and cannot be given a
/// stream of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    V5,
    V311,
}

/// Who we are to the broker.
#[derive(Debug)]
pub(super) struct Hello<'a> {
    pub client_id: &'a str,
    pub login: Option<(&'a str, &'a str)>,
    pub keep_alive_s: u16,
    pub will: Option<Message>,
}

/// What the broker says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// We are in.
    Welcome(Welcome),
    /// We are not; why, and whether it is the protocol version.
    Refused { why: String, version: bool },
    /// A message; with an id if it wants to be acknowledged.
    Publish(Incoming, Option<u16>),
    /// Our message of this id has arrived; why it was not taken, if so.
    Acked(u16, Option<String>),
    /// The subscription of this id is answered; how many filters were refused.
    Subscribed { id: u16, refused: usize },
    /// Taking back a subscription is answered.
    Unsubscribed,
    /// It is still there.
    Pong,
    /// It ends the connection.
    Bye(String),
    /// Nothing of interest.
    Other,
}

/// The broker's limits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    /// How many messages may be unacknowledged.
    pub receive_max: u16,
    /// The largest packet it takes, bytes.
    pub max_packet: Option<u32>,
    /// The keep-alive it demands, seconds.
    pub keep_alive_s: Option<u16>,
}

impl Wire {
    pub(super) fn hello(self, out: &mut BytesMut, hello: &Hello<'_>) -> Result<(), String> {
        let Hello {
            client_id,
            login,
            keep_alive_s,
            will,
        } = hello;
        // Sessions are always clean: a command that waited for hours in a broker must not be
        // carried out, and what we have to say waits in our own outbox.
        match self {
            Self::V5 => {
                let mut properties = v5::v5::ConnectProperties::new();
                properties.max_packet_size = Some(MAX_INCOMING);
                let connect = v5::v5::Connect {
                    keep_alive: *keep_alive_s,
                    client_id: (*client_id).to_owned(),
                    clean_start: true,
                    properties: Some(properties),
                };
                let will = will.as_ref().map(|will| {
                    let (topic, payload) = (will.topic.as_str(), will.payload.clone());
                    v5::v5::LastWill::new(topic, payload, v5::QoS::AtLeastOnce, true, None)
                });
                let login = login.map(|(user, password)| v5::v5::Login::new(user, password));
                Self::put5(out, &Packet5::Connect(connect, will, login))
            }
            Self::V311 => {
                let mut connect = v4::v4::Connect::new(*client_id);
                connect.keep_alive = *keep_alive_s;
                connect.clean_session = true;
                connect.last_will = will.as_ref().map(|will| {
                    let (topic, payload) = (will.topic.as_str(), will.payload.to_vec());
                    v4::v4::LastWill::new(topic, payload, v4::QoS::AtLeastOnce, true)
                });
                if let Some((user, password)) = login {
                    connect.set_login(*user, *password);
                }
                Self::put4(out, &Packet4::Connect(connect))
            }
        }
    }

    /// Asks for `filters`; only those of commands come "retain as published". What is not sure to
    /// be small is asked for at most once: then a packet too large may be thrown away unanswered.
    pub(super) fn subscribe(
        self,
        out: &mut BytesMut,
        pkid: u16,
        filters: &[String],
        sure: bool,
    ) -> Result<(), String> {
        match self {
            Self::V5 => {
                let qos = if sure {
                    v5::QoS::AtLeastOnce
                } else {
                    v5::QoS::AtMostOnce
                };
                let filters = filters.iter().map(|path| {
                    let mut filter = v5::v5::Filter::new(path, qos);
                    filter.preserve_retain = path.ends_with("/cmd/#");
                    filter
                });
                let mut packet = v5::v5::Subscribe::new_many(filters, None);
                packet.pkid = pkid;
                Self::put5(out, &Packet5::Subscribe(packet))
            }
            Self::V311 => {
                let qos = if sure {
                    v4::QoS::AtLeastOnce
                } else {
                    v4::QoS::AtMostOnce
                };
                let filters = filters
                    .iter()
                    .map(|path| v4::v4::SubscribeFilter::new(path.clone(), qos));
                let mut packet = v4::v4::Subscribe::new_many(filters);
                packet.pkid = pkid;
                Self::put4(out, &Packet4::Subscribe(packet))
            }
        }
    }

    /// Takes `filters` back.
    pub(super) fn unsubscribe(
        self,
        out: &mut BytesMut,
        pkid: u16,
        filters: Vec<String>,
    ) -> Result<(), String> {
        match self {
            Self::V5 => {
                let properties = None;
                let packet = v5::v5::Unsubscribe {
                    pkid,
                    filters,
                    properties,
                };
                Self::put5(out, &Packet5::Unsubscribe(packet))
            }
            Self::V311 => {
                let packet = v4::v4::Unsubscribe {
                    pkid,
                    topics: filters,
                };
                Self::put4(out, &Packet4::Unsubscribe(packet))
            }
        }
    }

    /// Sends `message`: at least once with an id, at most once with `None`.
    pub(super) fn publish(
        self,
        out: &mut BytesMut,
        pkid: Option<u16>,
        message: &Message,
    ) -> Result<(), String> {
        match self {
            Self::V5 => {
                let properties =
                    message
                        .correlation
                        .clone()
                        .map(|data| v5::v5::PublishProperties {
                            correlation_data: Some(data),
                            ..Default::default()
                        });
                let packet = v5::v5::Publish {
                    dup: false,
                    qos: pkid.map_or(v5::QoS::AtMostOnce, |_| v5::QoS::AtLeastOnce),
                    retain: message.retain,
                    topic: Bytes::copy_from_slice(message.topic.as_bytes()),
                    pkid: pkid.unwrap_or(0),
                    payload: message.payload.clone(),
                    properties,
                };
                Self::put5(out, &Packet5::Publish(packet))
            }
            Self::V311 => {
                let qos = pkid.map_or(v4::QoS::AtMostOnce, |_| v4::QoS::AtLeastOnce);
                let payload = message.payload.clone();
                let mut packet = v4::v4::Publish::from_bytes(message.topic.as_str(), qos, payload);
                packet.retain = message.retain;
                packet.pkid = pkid.unwrap_or(0);
                Self::put4(out, &Packet4::Publish(packet))
            }
        }
    }

    pub(super) fn ack(self, out: &mut BytesMut, pkid: u16) -> Result<(), String> {
        match self {
            Self::V5 => Self::put5(out, &Packet5::PubAck(v5::v5::PubAck::new(pkid, None))),
            Self::V311 => Self::put4(out, &Packet4::PubAck(v4::v4::PubAck::new(pkid))),
        }
    }

    pub(super) fn ping(self, out: &mut BytesMut) -> Result<(), String> {
        match self {
            Self::V5 => Self::put5(out, &Packet5::PingReq(v5::v5::PingReq)),
            Self::V311 => Self::put4(out, &Packet4::PingReq),
        }
    }

    pub(super) fn goodbye(self, out: &mut BytesMut) -> Result<(), String> {
        let normal = v5::v5::DisconnectReasonCode::NormalDisconnection;
        match self {
            Self::V5 => Self::put5(out, &Packet5::Disconnect(v5::v5::Disconnect::new(normal))),
            Self::V311 => Self::put4(out, &Packet4::Disconnect),
        }
    }

    fn put5(out: &mut BytesMut, packet: &Packet5) -> Result<(), String> {
        packet.write(out, None).map(drop).map_err(|e| e.to_string())
    }

    fn put4(out: &mut BytesMut, packet: &Packet4) -> Result<(), String> {
        packet
            .write(out, usize::MAX)
            .map(drop)
            .map_err(|e| e.to_string())
    }

    /// The whole length of the packet at the start of `input` if it is a message that is larger
    /// than what is taken in. MQTT 5 brokers know the limit; older ones do not, and what somebody
    /// else has retained must not end the connection again and again.
    pub(super) fn oversized(input: &[u8]) -> Option<usize> {
        const PUBLISH: u8 = 3;
        let (first, rest) = input.split_first()?;
        if first >> 4 != PUBLISH {
            return None;
        }
        let mut length = 0;
        for (index, byte) in rest.iter().take(4).enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let whole = 2 + index + length;
                return (length > MAX_INCOMING as usize).then_some(whole);
            }
        }
        None
    }

    /// The next whole packet in `input`, if there is one.
    pub(super) fn read(self, input: &mut BytesMut) -> Result<Option<Said>, String> {
        match self {
            Self::V5 => match Packet5::read(input, Some(MAX_INCOMING)) {
                Ok(packet) => Ok(Some(said5(packet))),
                Err(v5::Error::InsufficientBytes(_)) => Ok(None),
                Err(error) => Err(error.to_string()),
            },
            Self::V311 => match Packet4::read(input, MAX_INCOMING as usize) {
                Ok(packet) => Ok(Some(said4(packet))),
                Err(v4::Error::InsufficientBytes(_)) => Ok(None),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

fn said5(packet: Packet5) -> Said {
    use v5::v5::{ConnectReturnCode as Code, PubAckReason, SubscribeReasonCode};
    match packet {
        Packet5::ConnAck(ack) if ack.code == Code::Success => {
            let limits = ack.properties;
            let limits = limits.as_ref();
            Said::Welcome(Welcome {
                receive_max: limits.and_then(|l| l.receive_max).unwrap_or(u16::MAX),
                max_packet: limits.and_then(|l| l.max_packet_size),
                keep_alive_s: limits.and_then(|l| l.server_keep_alive),
            })
        }
        Packet5::ConnAck(ack) => Said::Refused {
            version: matches!(
                ack.code,
                Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion
            ),
            why: words(&format!("{:?}", ack.code)),
        },
        Packet5::Publish(publish) => {
            let properties = publish.properties.unwrap_or_default();
            let reply = properties.response_topic.map(|topic| ReplyTo {
                topic,
                correlation: properties.correlation_data,
            });
            let incoming = Incoming {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload,
                retain: publish.retain,
                reply,
            };
            let wants_ack = publish.qos == v5::QoS::AtLeastOnce;
            Said::Publish(incoming, wants_ack.then_some(publish.pkid))
        }
        Packet5::PubAck(ack) => {
            let fine = matches!(
                ack.reason,
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers
            );
            let why = (!fine).then(|| words(&format!("{:?}", ack.reason)));
            Said::Acked(ack.pkid, why)
        }
        Packet5::SubAck(ack) => Said::Subscribed {
            id: ack.pkid,
            refused: ack
                .return_codes
                .iter()
                .filter(|code| !matches!(code, SubscribeReasonCode::Success(_)))
                .count(),
        },
        Packet5::UnsubAck(_) => Said::Unsubscribed,
        Packet5::PingResp(_) => Said::Pong,
        Packet5::Disconnect(bye) => Said::Bye(words(&format!("{:?}", bye.reason_code))),
        Packet5::Auth(_)
        | Packet5::Connect(..)
        | Packet5::PingReq(_)
        | Packet5::Subscribe(_)
        | Packet5::PubRec(_)
        | Packet5::PubRel(_)
        | Packet5::PubComp(_)
        | Packet5::Unsubscribe(_) => Said::Other,
    }
}

fn said4(packet: Packet4) -> Said {
    use v4::v4::{ConnectReturnCode as Code, SubscribeReasonCode};
    match packet {
        Packet4::ConnAck(ack) if ack.code == Code::Success => Said::Welcome(Welcome {
            receive_max: u16::MAX,
            max_packet: None,
            keep_alive_s: None,
        }),
        Packet4::ConnAck(ack) => Said::Refused {
            version: ack.code == Code::RefusedProtocolVersion,
            why: words(&format!("{:?}", ack.code)),
        },
        Packet4::Publish(publish) => {
            let wants_ack = publish.qos == v4::QoS::AtLeastOnce;
            let pkid = wants_ack.then_some(publish.pkid);
            let incoming = Incoming {
                topic: publish.topic,
                payload: publish.payload,
                retain: publish.retain,
                reply: None,
            };
            Said::Publish(incoming, pkid)
        }
        Packet4::PubAck(ack) => Said::Acked(ack.pkid, None),
        Packet4::SubAck(ack) => Said::Subscribed {
            id: ack.pkid,
            refused: ack
                .return_codes
                .iter()
                .filter(|code| matches!(code, SubscribeReasonCode::Failure))
                .count(),
        },
        Packet4::UnsubAck(_) => Said::Unsubscribed,
        Packet4::PingResp => Said::Pong,
        Packet4::Connect(_)
        | Packet4::PubRec(_)
        | Packet4::PubRel(_)
        | Packet4::PubComp(_)
        | Packet4::Subscribe(_)
        | Packet4::Unsubscribe(_)
        | Packet4::PingReq
        | Packet4::Disconnect => Said::Other,
    }
}

/// `BadUserNamePassword` as `bad user name password`.
fn words(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
