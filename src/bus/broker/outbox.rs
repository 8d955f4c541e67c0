use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bus::{Keep, Message};
use crate::store::{Change, Collection};

/// The most messages that wait.
pub(super) const MAX_MESSAGES: usize = 10_000;
/// The most bytes of topics and payloads that wait.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// What happened once and is not acknowledged yet, in order. Bounded: the oldest goes first.
/// What is still here some seconds after it came is written to the store, so that neither a
/// crash of ours nor one of the broker loses it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The first entry, by position, that was not sent on this connection.
    next: usize,
    next_number: u64,
    removed: Vec<u64>,
    unsaved: usize,
    /// How many were dropped since the start because the outbox was full.
    pub dropped: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    message: Message,
    saved: bool,
}

#[derive(Serialize, Deserialize)]
struct Record {
    topic: String,
    payload: Vec<u8>,
    retain: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    correlation: Option<Vec<u8>>,
}

impl Outbox {
    /// What the store kept; records that cannot be read are counted and removed.
    pub(super) fn load(records: Vec<(String, Vec<u8>)>) -> (Self, usize) {
        let mut outbox = Self::default();
        let mut broken = 0;
        for (key, value) in records {
            let Ok(number) = key.parse::<u64>() else {
                broken += 1;
                continue;
            };
            outbox.next_number = outbox.next_number.max(number + 1);
            let Ok(record) = serde_json::from_slice::<Record>(&value) else {
                broken += 1;
                outbox.removed.push(number);
                continue;
            };
            let message = Message {
                topic: record.topic,
                payload: record.payload.into(),
                retain: record.retain,
                keep: Keep::Each,
                correlation: record.correlation.map(Bytes::from),
            };
            outbox.bytes += size(&message);
            outbox.entries.push_back(Entry {
                number,
                message,
                saved: true,
            });
        }
        (outbox, broken)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a message in; `true` if older ones had to go for it.
    pub(super) fn push(&mut self, message: Message) -> bool {
        self.bytes += size(&message);
        self.entries.push_back(Entry {
            number: self.next_number,
            message,
            saved: false,
        });
        self.next_number += 1;
        self.unsaved += 1;
        let before = self.dropped;
        while self.entries.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            if !self.remove_at(0) {
                break;
            }
            self.dropped += 1;
        }
        self.dropped > before
    }

    /// The next message to send on this connection, with its number.
    pub(super) fn next(&mut self) -> Option<(u64, &Message)> {
        let entry = self.entries.get(self.next)?;
        self.next += 1;
        Some((entry.number, &entry.message))
    }

    /// The broker has it.
    pub(super) fn done(&mut self, number: u64) {
        if let Ok(at) = self.entries.binary_search_by_key(&number, |e| e.number) {
            self.remove_at(at);
        }
    }

    /// A new connection: all that is here is to be sent again.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }

    /// Whether the store is behind.
    pub(super) fn is_unsaved(&self) -> bool {
        self.unsaved > 0 || !self.removed.is_empty()
    }

    /// What brings the store up to date; call [`Self::saved`] when that is done.
    pub(super) fn changes(&self) -> Vec<Change> {
        let gone = self
            .removed
            .iter()
            .map(|number| Change::Remove(Collection::Outbox, key(*number)));
        let new = self.entries.iter().filter(|entry| !entry.saved).map(|e| {
            let record = Record {
                topic: e.message.topic.clone(),
                payload: e.message.payload.to_vec(),
                retain: e.message.retain,
                correlation: e.message.correlation.as_ref().map(|c| c.to_vec()),
            };
            let bytes = serde_json::to_vec(&record).unwrap_or_default();
            Change::Put(Collection::Outbox, key(e.number), bytes)
        });
        gone.chain(new).collect()
    }

    /// The store is up to date.
    pub(super) fn saved(&mut self) {
        self.removed.clear();
        self.unsaved = 0;
        for entry in &mut self.entries {
            entry.saved = true;
        }
    }

    fn remove_at(&mut self, at: usize) -> bool {
        let Some(entry) = self.entries.remove(at) else {
            return false;
        };
        self.bytes -= size(&entry.message);
        if at < self.next {
            self.next -= 1;
        }
        if entry.saved {
            self.removed.push(entry.number);
        } else {
            self.unsaved -= 1;
        }
        true
    }
}

fn size(message: &Message) -> usize {
    message.topic.len() + message.payload.len() + 64
}

/// Sorts as the numbers do.
fn key(number: u64) -> String {
    format!("{number:020}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &str) -> Message {
        Message {
            topic: "t".into(),
            payload: payload.to_owned().into(),
            retain: false,
            keep: Keep::Each,
            correlation: Some(Bytes::from_static(&[0, 255])),
        }
    }

    fn rest(outbox: &mut Outbox) -> Vec<String> {
        let mut out = Vec::new();
        while let Some((_, message)) = outbox.next() {
            out.push(String::from_utf8(message.payload.to_vec()).unwrap());
        }
        out
    }

    #[test]
    fn only_what_is_acknowledged_goes_and_order_holds_over_a_new_connection() {
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c"] {
            outbox.push(message(text));
        }
        let (a, _) = outbox.next().unwrap();
        let (b, _) = outbox.next().unwrap();
        outbox.done(b);
        outbox.rewind();
        assert_eq!(rest(&mut outbox), ["a", "c"]);
        outbox.done(a);
        outbox.done(a);
        outbox.rewind();
        assert_eq!(rest(&mut outbox), ["c"]);
        assert!(outbox.next().is_none());
    }

    #[test]
    fn both_bounds_drop_the_oldest_and_count_it() {
        let mut outbox = Outbox::default();
        for n in 0..MAX_MESSAGES {
            assert!(!outbox.push(message(&n.to_string())));
        }
        assert!(outbox.push(message("last")));
        assert_eq!((outbox.len(), outbox.dropped), (MAX_MESSAGES, 1));
        assert_eq!(rest(&mut outbox)[0], "1");
        let mut outbox = Outbox::default();
        let big = "x".repeat(MAX_BYTES / 2);
        assert!(!outbox.push(message(&big)));
        assert!(outbox.push(message(&big)));
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn what_was_saved_comes_back_as_it_was_and_what_was_sent_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(dir.path()).unwrap();
        let mut outbox = Outbox::default();
        outbox.push(message("a"));
        outbox.push(message("b"));
        store.write(&outbox.changes()).unwrap();
        outbox.saved();
        assert!(!outbox.is_unsaved());
        let (a, _) = outbox.next().unwrap();
        outbox.done(a);
        outbox.push(message("c"));
        assert!(outbox.is_unsaved());
        store.write(&outbox.changes()).unwrap();
        store.put(Collection::Outbox, "x", b"{}").unwrap();
        store.put(Collection::Outbox, &key(77), b"no json").unwrap();

        let (mut back, broken) = Outbox::load(store.all(Collection::Outbox).unwrap());
        assert_eq!(broken, 2);
        assert_eq!(back.next().map(|(_, m)| m.clone()), Some(message("b")));
        assert_eq!(rest(&mut back), ["c"]);
        back.push(message("d"));
        assert_eq!(
            back.entries.back().unwrap().number,
            78,
            "numbers are never used twice"
        );
    }
}
