//! What comes off a socket, judged before anything else sees it: a packet that breaks the
//! standard or a limit ends its connection and nothing more. MQTT 3.1.1 and 5 are told apart by
//! the protocol level of CONNECT, so that both are served on one port.

mod frame;

use bytes::{Bytes, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{
    Connect, ConnectProperties, DisconnectReasonCode, LastWill, LastWillProperties, Login, Packet,
    Protocol as _, PublishProperties, QoS, Subscribe, Unsubscribe, qos,
};

use crate::model::valid_topic;
use frame::{Frame, level_of};

/// Room for the topic and the properties of a packet, bytes above the payload's limit.
const HEAD_ROOM: usize = 8 << 10;

/// The protocol a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

/// Why a connection is ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    /// It does not speak MQTT 3.1.1 or 5; the level it named.
    #[error("speaks MQTT level {0}, which is neither 3.1.1 nor 5")]
    Level(u8),
    /// The codec could not read it.
    #[error("sent a malformed packet: {0}")]
    Malformed(#[from] rumqttd::protocol::Error),
    /// It is larger than allowed.
    #[error("sent a packet of {0} bytes, which is too large")]
    TooLarge(usize),
    /// It is readable, but forbidden here.
    #[error("broke the protocol: {0}")]
    Protocol(&'static str),
}

/// The parts of CONNECT.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) connect: Connect,
    pub(super) properties: ConnectProperties,
    pub(super) will: Option<Message>,
    pub(super) login: Option<Login>,
}

/// A message between clients.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) properties: Option<PublishProperties>,
    /// The number of the connection that sent it; 0 for nobody's.
    pub(super) origin: u64,
}

/// A packet that passed.
#[derive(Debug)]
pub(super) enum Incoming {
    Connect(Box<Hello>),
    Publish(Message, u16),
    /// Filters, and the identifier that goes with what they catch (MQTT 5).
    Subscribe(Subscribe, Option<usize>),
    Unsubscribe(Unsubscribe),
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    Ping,
    /// The end; whether the will is to be sent all the same.
    Disconnect(bool),
}

/// One connection's reader.
#[derive(Debug)]
pub(super) struct Guard {
    level: Option<Level>,
    max_payload: usize,
}

impl Guard {
    /// A guard that has seen nothing yet.
    pub(super) const fn new(max_payload: usize) -> Self {
        Self {
            level: None,
            max_payload,
        }
    }

    /// What the client speaks, once it has said so.
    pub(super) const fn level(&self) -> Option<Level> {
        self.level
    }

    /// The largest packet that is read, bytes.
    pub(super) const fn max_packet(&self) -> usize {
        self.max_payload + HEAD_ROOM
    }

    /// Takes the next whole packet off `buffer`; `None` if there is none yet.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, Violation> {
        let Some(frame) = Frame::find(buffer, self.max_packet())? else {
            return Ok(None);
        };
        let level = match self.level {
            Some(_) if frame.kind == 1 => return Err(Violation::Protocol("a second CONNECT")),
            Some(level) => level,
            None if frame.kind != 1 => return Err(Violation::Protocol("no CONNECT first")),
            None => {
                let level = level_of(buffer.get(frame.head..frame.len).unwrap_or_default())?;
                self.level = Some(level);
                level
            }
        };
        let pkid = frame.packet_id(buffer);
        let max = self.max_packet();
        let packet = match level {
            Level::V4 => V4.read_mut(buffer, max),
            Level::V5 => V5.read_mut(buffer, max),
        }?;
        self.judge(packet, frame.flags, pkid).map(Some)
    }

    fn judge(&self, packet: Packet, flags: u8, pkid: u16) -> Result<Incoming, Violation> {
        match packet {
            Packet::Connect(connect, properties, will, will_properties, login) => {
                let will = will
                    .map(|will| will_message(&will, will_properties))
                    .transpose()?;
                if connect.client_id.contains('\0') {
                    return Err(Violation::Protocol("a client id with NUL"));
                }
                let properties = properties.unwrap_or(ConnectProperties {
                    session_expiry_interval: None,
                    receive_maximum: None,
                    max_packet_size: None,
                    topic_alias_max: None,
                    request_response_info: None,
                    request_problem_info: None,
                    user_properties: Vec::new(),
                    authentication_method: None,
                    authentication_data: None,
                });
                Ok(Incoming::Connect(Box::new(Hello {
                    connect,
                    properties,
                    will,
                    login,
                })))
            }
            Packet::Publish(publish, properties) => {
                if publish.payload.len() > self.max_payload {
                    return Err(Violation::TooLarge(publish.payload.len()));
                }
                let qos = qos((flags & 0b0110) >> 1).unwrap_or_default();
                let topic = topic(&publish.topic)?;
                let properties = checked(properties)?;
                // A copy: the codec's is a part of the buffer, which would stay as long as it.
                let payload = Bytes::copy_from_slice(&publish.payload);
                let retain = publish.retain;
                let message = Message {
                    topic,
                    payload,
                    qos,
                    retain,
                    properties,
                    origin: 0,
                };
                Ok(Incoming::Publish(message, pkid))
            }
            Packet::Subscribe(subscribe, properties) => {
                let id = properties.and_then(|properties| properties.id);
                if id == Some(0) {
                    return Err(Violation::Protocol("a subscription identifier of 0"));
                }
                if subscribe.filters.is_empty() || subscribe.pkid == 0 {
                    return Err(Violation::Protocol("an empty SUBSCRIBE"));
                }
                Ok(Incoming::Subscribe(subscribe, id))
            }
            Packet::Unsubscribe(unsubscribe, _) => Ok(Incoming::Unsubscribe(unsubscribe)),
            Packet::PubAck(ack, _) => Ok(Incoming::PubAck(ack.pkid)),
            Packet::PubRec(ack, _) => Ok(Incoming::PubRec(ack.pkid)),
            Packet::PubRel(ack, _) => Ok(Incoming::PubRel(ack.pkid)),
            Packet::PubComp(ack, _) => Ok(Incoming::PubComp(ack.pkid)),
            Packet::PingReq(_) => Ok(Incoming::Ping),
            Packet::Disconnect(end, _) => Ok(Incoming::Disconnect(
                end.reason_code != DisconnectReasonCode::NormalDisconnection,
            )),
            Packet::ConnAck(..)
            | Packet::SubAck(..)
            | Packet::UnsubAck(..)
            | Packet::PingResp(_) => Err(Violation::Protocol("a packet only servers send")),
        }
    }
}

fn topic(bytes: &[u8]) -> Result<String, Violation> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Violation::Protocol("a topic that is not UTF-8"))?;
    if !valid_topic(text) {
        return Err(Violation::Protocol(
            "a topic that is empty or has a wildcard or NUL",
        ));
    }
    if text.starts_with('$') {
        return Err(Violation::Protocol("a topic that begins with $"));
    }
    Ok(text.to_owned())
}

fn checked(properties: Option<PublishProperties>) -> Result<Option<PublishProperties>, Violation> {
    let Some(mut properties) = properties else {
        return Ok(None);
    };
    if properties.topic_alias.is_some() {
        return Err(Violation::Protocol(
            "a topic alias, although none is allowed",
        ));
    }
    if !properties.subscription_identifiers.is_empty() {
        return Err(Violation::Protocol("a subscription identifier"));
    }
    if let Some(reply) = &properties.response_topic
        && !valid_topic(reply)
    {
        return Err(Violation::Protocol("a response topic with a wildcard"));
    }
    if let Some(data) = &mut properties.correlation_data {
        *data = Bytes::copy_from_slice(data);
    }
    Ok(Some(properties))
}

fn will_message(
    will: &LastWill,
    properties: Option<LastWillProperties>,
) -> Result<Message, Violation> {
    let properties = properties.map(|will| PublishProperties {
        payload_format_indicator: will.payload_format_indicator,
        message_expiry_interval: will.message_expiry_interval,
        response_topic: will.response_topic,
        correlation_data: will.correlation_data,
        user_properties: will.user_properties,
        content_type: will.content_type,
        ..PublishProperties::default()
    });
    Ok(Message {
        topic: topic(&will.topic)?,
        payload: Bytes::copy_from_slice(&will.message),
        qos: will.qos,
        retain: will.retain,
        properties: checked(properties)?,
        origin: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONNECT: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a";

    fn after_connect(packet: &[u8]) -> Result<Option<Incoming>, Violation> {
        let mut guard = Guard::new(1024);
        let mut buffer = BytesMut::from(CONNECT);
        assert!(matches!(
            guard.next(&mut buffer),
            Ok(Some(Incoming::Connect(_)))
        ));
        guard.next(&mut BytesMut::from(packet))
    }

    #[test]
    fn both_protocols_are_told_apart_and_others_are_refused() {
        let connect = |level: u8| {
            let mut bytes = CONNECT.to_vec();
            bytes[8] = level;
            if level == 5 {
                bytes.insert(12, 0);
                bytes[1] += 1;
            }
            let mut guard = Guard::new(1024);
            let result = guard.next(&mut BytesMut::from(bytes.as_slice()));
            result.map(|_| guard.level())
        };
        assert_eq!(connect(4), Ok(Some(Level::V4)));
        assert_eq!(connect(5), Ok(Some(Level::V5)));
        assert_eq!(connect(3), Err(Violation::Level(3)));
        assert_eq!(connect(9), Err(Violation::Level(9)));
    }

    #[test]
    fn a_publish_keeps_its_qos_and_identifier() {
        let Ok(Some(Incoming::Publish(message, pkid))) = after_connect(b"\x35\x06\0\x01t\x12\x34x")
        else {
            panic!("no publish");
        };
        assert_eq!(
            (message.topic.as_str(), message.qos, pkid),
            ("t", QoS::ExactlyOnce, 0x1234)
        );
        assert!(message.retain);
        assert_eq!(&message.payload[..], b"x");
    }

    #[test]
    fn what_breaks_the_standard_is_refused() {
        let mut huge = vec![0x30, 0x85, 0x08, 0, 1, b't'];
        huge.resize(6 + 1026, b'x');
        let cases: &[(&str, &[u8])] = &[
            ("wildcard in a topic", b"\x30\x04\0\x02a#"),
            ("empty topic", b"\x30\x02\0\0"),
            ("dollar topic", b"\x30\x06\0\x04$SYS"),
            ("topic not UTF-8", b"\x30\x03\0\x01\xff"),
            ("NUL in a topic", b"\x30\x03\0\x01\0"),
            ("QoS 3", b"\x36\x05\0\x01t\0\x01"),
            ("identifier 0", b"\x32\x05\0\x01t\0\0"),
            ("topic longer than the packet", b"\x30\x03\0\x09t"),
            ("second CONNECT", CONNECT),
            ("CONNACK", b"\x20\x02\0\0"),
            ("SUBACK", b"\x90\x03\0\x01\0"),
            ("reserved type", b"\xf0\0"),
            ("SUBSCRIBE with wrong flags", b"\x80\x06\0\x01\0\x01t\0"),
            ("SUBSCRIBE without filters", b"\x82\x02\0\x01"),
            ("length of five bytes", b"\x30\xff\xff\xff\xff\x01"),
            ("length above the limit", b"\x30\xff\xff\xff\x7f"),
            ("payload above the limit", &huge),
        ];
        for (name, packet) in cases {
            assert!(after_connect(packet).is_err(), "{name}");
        }
        assert!(
            matches!(after_connect(b"\x30\x05\0"), Ok(None)),
            "half a packet is awaited"
        );
        let first = Guard::new(1024).next(&mut BytesMut::from(&b"\xc0\0"[..]));
        assert!(first.is_err(), "no CONNECT first");
    }

    #[test]
    fn what_mqtt_5_allows_and_we_do_not_is_refused() {
        let hello = b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a";
        for (name, packet) in [
            ("topic alias", &b"\x30\x08\0\x01t\x03\x23\0\x01x"[..]),
            (
                "subscription identifier of 0",
                &b"\x82\x09\0\x01\x02\x0b\0\0\x01t\0"[..],
            ),
            (
                "response topic with a wildcard",
                &b"\x30\x09\0\x01t\x04\x08\0\x01#x"[..],
            ),
            ("CONNACK", &b"\x20\x03\0\0\0"[..]),
            ("SUBACK", &b"\x90\x04\0\x01\0\0"[..]),
        ] {
            let mut guard = Guard::new(1024);
            assert!(matches!(
                guard.next(&mut BytesMut::from(&hello[..])),
                Ok(Some(_))
            ));
            assert!(guard.next(&mut BytesMut::from(packet)).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), v5: bool) {
            let hello: &[u8] = if v5 { b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a" } else { CONNECT };
            let mut guard = Guard::new(64);
            let mut buffer = BytesMut::from(hello);
            prop_assert!(guard.next(&mut buffer).is_ok());
            let mut buffer = BytesMut::from(bytes.as_slice());
            while let Ok(Some(_)) = guard.next(&mut buffer) {}
        }

        #[test]
        fn no_body_makes_it_panic(
            kind in prop::sample::select(vec![0x10u8, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xc0, 0xe0]),
            body in prop::collection::vec(any::<u8>(), 0..100),
            v5: bool,
        ) {
            let hello: &[u8] = if v5 { b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a" } else { CONNECT };
            let mut guard = Guard::new(64);
            prop_assert!(guard.next(&mut BytesMut::from(hello)).is_ok());
            let mut packet = vec![kind, u8::try_from(body.len()).unwrap()];
            packet.extend(body);
            drop(guard.next(&mut BytesMut::from(packet.as_slice())));
        }
    }
}
