//! Retained messages: ours, which come anew from the state at every start, and those of other
//! clients, which are kept over restarts.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rumqttd::protocol::{PublishProperties, QoS, qos};
use tokio::time::{Duration, Instant};

use crate::model::matches;
use crate::store::{Change, Collection};

use super::guard::Message;

/// Of other clients at most so many messages are kept …
pub(super) const MAX_COUNT: usize = 4096;
/// … of at most so many bytes, topics included.
pub(super) const MAX_BYTES: usize = 4 << 20;

#[derive(Debug)]
struct Entry {
    payload: Bytes,
    qos: QoS,
    properties: Option<PublishProperties>,
    ours: bool,
    expires: Option<Instant>,
}

/// Every retained message, by topic.
#[derive(Debug, Default)]
pub(super) struct Retained {
    entries: BTreeMap<String, Entry>,
    count: usize,
    bytes: usize,
    dirty: BTreeSet<String>,
}

impl Retained {
    /// Takes back what was stored; what cannot be read is left out and forgotten.
    pub(super) fn restore(records: Vec<(String, Vec<u8>)>) -> Self {
        let mut retained = Self::default();
        for (topic, record) in records {
            let Some((level, payload)) = record.split_first() else {
                retained.dirty.insert(topic);
                continue;
            };
            let fine = match qos(*level) {
                Some(qos) if !payload.is_empty() => {
                    let payload = Bytes::copy_from_slice(payload);
                    retained.put(topic.clone(), payload, qos, None, false)
                }
                _ => false,
            };
            if fine {
                retained.dirty.remove(&topic);
            } else {
                retained.dirty.insert(topic);
            }
        }
        retained
    }

    /// Takes a retained message in; an empty payload removes the one before. Returns whether it
    /// is kept: false when there is no room.
    pub(super) fn set(&mut self, message: &Message, ours: bool) -> bool {
        if message.payload.is_empty() {
            self.remove(&message.topic);
            return true;
        }
        let topic = message.topic.clone();
        let properties = message.properties.clone();
        self.put(
            topic,
            message.payload.clone(),
            message.qos,
            properties,
            ours,
        )
    }

    fn put(
        &mut self,
        topic: String,
        payload: Bytes,
        qos: QoS,
        properties: Option<PublishProperties>,
        ours: bool,
    ) -> bool {
        self.remove(&topic);
        if !ours {
            let size = topic.len() + payload.len();
            if self.is_full(size) {
                self.drop_expired();
            }
            if self.is_full(size) {
                return false;
            }
            self.count += 1;
            self.bytes += size;
            self.dirty.insert(topic.clone());
        }
        let expires = properties
            .as_ref()
            .and_then(|properties| properties.message_expiry_interval)
            .map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
        let entry = Entry {
            payload,
            qos,
            properties,
            ours,
            expires,
        };
        self.entries.insert(topic, entry);
        true
    }

    const fn is_full(&self, more: usize) -> bool {
        self.count >= MAX_COUNT || self.bytes + more > MAX_BYTES
    }

    fn drop_expired(&mut self) {
        let now = Instant::now();
        let over = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.expires.is_some_and(|end| end <= now));
        let topics: Vec<String> = over.map(|(topic, _)| topic.clone()).collect();
        for topic in topics {
            self.remove(&topic);
        }
    }

    fn remove(&mut self, topic: &str) {
        if let Some(old) = self.entries.remove(topic)
            && !old.ours
        {
            self.count -= 1;
            self.bytes -= topic.len() + old.payload.len();
            self.dirty.insert(topic.to_owned());
        }
    }

    /// What a new subscriber of `filter` gets, by topic.
    pub(super) fn matching(&self, filter: &str) -> Vec<Message> {
        let now = Instant::now();
        let caught = self.entries.iter().filter(|(topic, entry)| {
            matches(filter, topic) && entry.expires.is_none_or(|end| end > now)
        });
        caught
            .map(|(topic, entry)| {
                let mut properties = entry.properties.clone();
                if let (Some(properties), Some(end)) = (&mut properties, entry.expires) {
                    let left = end.duration_since(now).as_secs();
                    properties.message_expiry_interval = Some(u32::try_from(left).unwrap_or(0));
                }
                Message {
                    topic: topic.clone(),
                    payload: entry.payload.clone(),
                    qos: entry.qos,
                    retain: true,
                    properties,
                    origin: 0,
                }
            })
            .collect()
    }

    /// The topics of our own messages.
    pub(super) fn ours(&self) -> Vec<String> {
        let ours = self.entries.iter().filter(|(_, entry)| entry.ours);
        ours.map(|(topic, _)| topic.clone()).collect()
    }

    /// Whether something waits to be stored.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What has changed of other clients' messages since the last time. One that expires is not
    /// stored: how long it was away is not known after a restart.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        let dirty = std::mem::take(&mut self.dirty);
        let change = |topic: String| match self.entries.get(&topic) {
            Some(entry) if !entry.ours && entry.expires.is_none() => {
                let mut record = vec![entry.qos as u8];
                record.extend_from_slice(&entry.payload);
                Change::Put(Collection::Retained, topic, record)
            }
            _ => Change::Remove(Collection::Retained, topic),
        };
        dirty.into_iter().map(change).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &str) -> Message {
        Message {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: None,
            origin: 0,
        }
    }

    fn topics(retained: &Retained, filter: &str) -> Vec<String> {
        retained
            .matching(filter)
            .into_iter()
            .map(|message| message.topic)
            .collect()
    }

    #[test]
    fn an_empty_payload_removes_and_the_latest_wins() {
        let mut retained = Retained::default();
        for (topic, payload) in [("a", "1"), ("b/c", "2"), ("a", "3")] {
            assert!(retained.set(&message(topic, payload), false));
        }
        assert_eq!(topics(&retained, "#"), ["a", "b/c"]);
        assert_eq!(&retained.matching("a")[0].payload[..], b"3");
        assert!(retained.set(&message("a", ""), false));
        assert_eq!(topics(&retained, "#"), ["b/c"]);
        assert_eq!((retained.count, retained.bytes), (1, 4));
    }

    #[test]
    fn other_clients_messages_come_back_and_ours_do_not() {
        let mut retained = Retained::default();
        retained.set(&message("tele/plug/LWT", "Online"), false);
        retained.set(&message("homewatch/nas/status", "online"), true);
        let changes = retained.changes();
        assert_eq!(
            changes,
            [Change::Put(
                Collection::Retained,
                "tele/plug/LWT".to_owned(),
                b"\x01Online".to_vec()
            )]
        );
        assert!(!retained.is_dirty());
        let records = vec![
            ("tele/plug/LWT".to_owned(), b"\x01Online".to_vec()),
            ("broken".to_owned(), Vec::new()),
            ("wrong".to_owned(), b"\x07x".to_vec()),
        ];
        let mut back = Retained::restore(records);
        assert_eq!(topics(&back, "#"), ["tele/plug/LWT"]);
        assert_eq!(
            back.changes(),
            ["broken", "wrong"].map(|t| Change::Remove(Collection::Retained, t.to_owned()))
        );
    }

    #[test]
    fn what_others_retain_is_bounded_in_count_and_bytes() {
        let mut retained = Retained::default();
        for index in 0..MAX_COUNT {
            assert!(retained.set(&message(&format!("t/{index}"), "x"), false));
        }
        assert!(!retained.set(&message("one more", "x"), false));
        assert!(
            retained.set(&message("ours", "x"), true),
            "ours are not counted"
        );
        assert!(
            retained.set(&message("t/0", "y"), false),
            "a change is no new message"
        );
        let mut retained = Retained::default();
        let big = "x".repeat(MAX_BYTES / 2);
        assert!(retained.set(&message("a", &big), false));
        assert!(!retained.set(&message("b", &big), false));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_message_is_not_sent_and_one_that_expires_is_not_stored() {
        let mut retained = Retained::default();
        let mut short = message("a", "1");
        short.properties = Some(PublishProperties {
            message_expiry_interval: Some(10),
            ..PublishProperties::default()
        });
        retained.set(&short, false);
        tokio::time::advance(Duration::from_secs(4)).await;
        let left = retained.matching("a").remove(0).properties.unwrap();
        assert_eq!(left.message_expiry_interval, Some(6));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert!(retained.matching("a").is_empty());
        let change = Change::Remove(Collection::Retained, "a".to_owned());
        assert_eq!(retained.changes(), [change]);
        for index in 1..MAX_COUNT {
            assert!(retained.set(&message(&format!("t/{index}"), "x"), false));
        }
        assert!(
            retained.set(&message("b", "x"), false),
            "what has expired makes room"
        );
    }
}
