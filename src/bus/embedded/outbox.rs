//! What is on its way to one client: a queue, the window of unacknowledged messages, and how a
//! PUBLISH looks on the wire.

use std::collections::{HashMap, VecDeque};

use bytes::{BufMut as _, BytesMut};
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{Error, Packet, Protocol as _, Publish, QoS};

use super::guard::{Level, Message};

/// How many messages may wait for the client's acknowledgment.
const WINDOW: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Ack,
    Rec,
    Comp,
}

/// The messages to one client.
#[derive(Debug)]
pub(super) struct Outbox {
    level: Level,
    queue: VecDeque<Message>,
    waiting: HashMap<u16, Waits>,
    last: u16,
    window: usize,
    max_packet: usize,
}

impl Outbox {
    /// An empty one; `receive_maximum` and `max_packet` are the client's own limits.
    pub(super) fn new(level: Level, receive_maximum: Option<u16>, max_packet: Option<u32>) -> Self {
        let window = receive_maximum.map_or(WINDOW, |max| usize::from(max.max(1)).min(WINDOW));
        Self {
            level,
            queue: VecDeque::new(),
            waiting: HashMap::new(),
            last: 0,
            window,
            max_packet: max_packet
                .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX)),
        }
    }

    /// Puts a message at the end; its `qos` is what the client gets.
    pub(super) fn push(&mut self, message: Message) {
        self.queue.push_back(message);
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many wait to be written.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Writes as much as the window lets through, until `out` holds `limit` bytes.
    pub(super) fn write(&mut self, out: &mut BytesMut, limit: usize) -> Result<(), Error> {
        while out.len() < limit {
            let Some(message) = self.queue.front() else {
                break;
            };
            if message.qos != QoS::AtMostOnce && self.waiting.len() >= self.window {
                break;
            }
            let Some(message) = self.queue.pop_front() else {
                break;
            };
            let pkid = self.reserve(message.qos);
            let before = out.len();
            encode(self.level, message, pkid, out)?;
            if out.len() - before > self.max_packet {
                // What a client cannot take it does not get, the standard says.
                out.truncate(before);
                self.waiting.remove(&pkid);
            }
        }
        Ok(())
    }

    fn reserve(&mut self, qos: QoS) -> u16 {
        let waits = match qos {
            QoS::AtMostOnce => return 0,
            QoS::AtLeastOnce => Waits::Ack,
            QoS::ExactlyOnce => Waits::Rec,
        };
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.waiting.contains_key(&self.last) {
                self.waiting.insert(self.last, waits);
                return self.last;
            }
        }
    }

    /// Takes PUBACK or PUBCOMP; one that nothing waits for is ignored.
    pub(super) fn acknowledged(&mut self, pkid: u16) {
        if matches!(self.waiting.get(&pkid), Some(Waits::Ack | Waits::Comp)) {
            self.waiting.remove(&pkid);
        }
    }

    /// Takes PUBREC; the answer is a PUBREL in any case.
    pub(super) fn received(&mut self, pkid: u16) {
        if let Some(waits @ Waits::Rec) = self.waiting.get_mut(&pkid) {
            *waits = Waits::Comp;
        }
    }
}

/// Writes a PUBLISH. The codec cannot be asked for `QoS` above 0 from outside its crate, so it
/// writes the properties and the rest is put together here.
fn encode(level: Level, message: Message, pkid: u16, out: &mut BytesMut) -> Result<(), Error> {
    let (qos, retain) = (message.qos, message.retain);
    let mut tail = BytesMut::new();
    match level {
        Level::V4 => tail.extend_from_slice(&message.payload),
        Level::V5 => {
            let publish = Publish::new("", "", false);
            V5.write(Packet::Publish(publish, message.properties), &mut tail)?;
            // Fixed header, its length of one to four bytes, and the empty topic go.
            let length = tail
                .iter()
                .skip(1)
                .take_while(|byte| **byte & 0x80 != 0)
                .count();
            tail = tail.split_off((4 + length).min(tail.len()));
            tail.extend_from_slice(&message.payload);
        }
    }
    let topic = message.topic.as_bytes();
    let topic_len = u16::try_from(topic.len()).map_err(|_| Error::PayloadTooLong)?;
    let mut len = 2 + topic.len() + tail.len();
    if qos != QoS::AtMostOnce {
        len += 2;
    }
    out.put_u8(0x30 | ((qos as u8) << 1) | u8::from(retain));
    rumqttd::protocol::v4::write_remaining_length(out, len)?;
    out.put_u16(topic_len);
    out.extend_from_slice(topic);
    if qos != QoS::AtMostOnce {
        out.put_u16(pkid);
    }
    out.extend_from_slice(&tail);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rumqttd::protocol::PublishProperties;
    use rumqttd::protocol::v4::V4;

    fn message(qos: QoS) -> Message {
        Message {
            topic: "a/b".to_owned(),
            payload: Bytes::from_static(b"hello"),
            qos,
            retain: true,
            properties: None,
            origin: 0,
        }
    }

    fn sent(outbox: &mut Outbox) -> Vec<u8> {
        let mut out = BytesMut::new();
        outbox.write(&mut out, usize::MAX).unwrap();
        out.to_vec()
    }

    #[test]
    fn the_wire_reads_back_in_both_protocols() {
        for level in [Level::V4, Level::V5] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let mut outbox = Outbox::new(level, None, None);
                let mut sending = message(qos);
                sending.properties = (level == Level::V5).then(|| PublishProperties {
                    correlation_data: Some(Bytes::from(vec![7; 200])),
                    response_topic: Some("r".to_owned()),
                    ..PublishProperties::default()
                });
                outbox.push(sending.clone());
                let mut wire = BytesMut::from(sent(&mut outbox).as_slice());
                let head = wire[0];
                let packet = match level {
                    Level::V4 => V4.read_mut(&mut wire, 10_000),
                    Level::V5 => V5.read_mut(&mut wire, 10_000),
                };
                let Ok(Packet::Publish(publish, properties)) = packet else {
                    panic!("{level:?} {qos:?}");
                };
                assert_eq!(head, 0x31 | ((qos as u8) << 1));
                assert_eq!(
                    (&publish.topic[..], &publish.payload[..]),
                    (&b"a/b"[..], &b"hello"[..])
                );
                assert_eq!(properties, sending.properties);
                assert!(wire.is_empty());
            }
        }
    }

    #[test]
    fn the_window_closes_and_opens_with_acknowledgments() {
        let mut outbox = Outbox::new(Level::V4, Some(2), None);
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce] {
            outbox.push(message(qos));
        }
        let one = sent(&mut outbox).len();
        assert!(!outbox.is_empty(), "the third waits");
        outbox.acknowledged(2);
        assert!(sent(&mut outbox).is_empty(), "PUBACK does not end QoS 2");
        outbox.received(2);
        outbox.acknowledged(2);
        assert_eq!(sent(&mut outbox).len(), one / 2);
        outbox.acknowledged(99);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_message_larger_than_the_client_takes_is_left_out() {
        let mut outbox = Outbox::new(Level::V5, None, Some(10));
        outbox.push(message(QoS::AtLeastOnce));
        assert!(sent(&mut outbox).is_empty());
        assert!(outbox.waiting.is_empty());
    }
}
