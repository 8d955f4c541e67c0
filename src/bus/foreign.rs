//! Messages of other clients that parts of this program ask for, such as what a smart plug says.
//! Both edges subscribe to what is wanted and hand in what they hear.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::model::matches;

/// Larger payloads of others are dropped, bytes: no meter says so much, and two days of prices for
/// each quarter of an hour are some 20 KiB.
pub const MAX_FOREIGN: usize = 64 << 10;
/// So many messages wait for whoever asked; what comes on top is dropped.
const QUEUE: usize = 256;

/// A message of another client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The whole topic.
    pub topic: String,
    /// The payload, at most [`MAX_FOREIGN`] bytes.
    pub payload: Bytes,
    /// Whether the broker had kept it: then nobody knows how old it is.
    pub retained: bool,
    /// When it was heard.
    pub at: Instant,
}

/// Everything that is wanted.
#[derive(Debug)]
pub(super) struct Wants {
    wants: Mutex<Vec<Want>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Want {
    id: u64,
    filters: Vec<String>,
    queue: mpsc::Sender<Foreign>,
    /// The queue was full; told once until it is not.
    full: bool,
    /// Whether that is worth a warning.
    matters: bool,
}

/// Where wanted messages arrive. Dropping it ends the want.
#[derive(Debug)]
pub struct Inbox {
    id: u64,
    queue: mpsc::Receiver<Foreign>,
    wants: Arc<Wants>,
}

impl Inbox {
    /// Waits for the next message. Cancel safe.
    pub async fn next(&mut self) -> Foreign {
        match self.queue.recv().await {
            Some(message) => message,
            // The sender lives as long as this very inbox.
            None => std::future::pending().await,
        }
    }

    /// Wants other topics from now on.
    pub fn want(&self, filters: Vec<String>) {
        for want in self.wants.lock().iter_mut() {
            if want.id == self.id {
                want.filters = filters;
                break;
            }
        }
        self.wants.changes.send_modify(|count| *count += 1);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.wants.lock().retain(|want| want.id != self.id);
        self.wants.changes.send_modify(|count| *count += 1);
    }
}

impl Wants {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            wants: Mutex::default(),
            changes: watch::channel(0).0,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Want>> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn want(self: &Arc<Self>, filters: Vec<String>, matters: bool) -> Inbox {
        let (sender, queue) = mpsc::channel(QUEUE);
        let mut id = 0;
        self.changes.send_modify(|count| {
            *count += 1;
            id = *count;
        });
        self.lock().push(Want {
            id,
            filters,
            queue: sender,
            full: false,
            matters,
        });
        // Once more, so that nobody who looked in between misses it.
        self.changes.send_modify(|count| *count += 1);
        Inbox {
            id,
            queue,
            wants: Arc::clone(self),
        }
    }

    /// Every filter that is wanted now.
    pub(super) fn filters(&self) -> BTreeSet<String> {
        let wants = self.lock();
        wants
            .iter()
            .flat_map(|want| want.filters.iter().cloned())
            .collect()
    }

    /// Tells when that changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Hands a message to everybody who wants it.
    pub(super) fn deliver(&self, topic: &str, payload: &Bytes, retained: bool) {
        let mut wants = self.lock();
        let wanted = wants
            .iter_mut()
            .filter(|want| want.filters.iter().any(|filter| matches(filter, topic)));
        for want in wanted {
            if payload.len() > MAX_FOREIGN {
                tracing::debug!(
                    topic,
                    bytes = payload.len(),
                    "too long for a meter or prices; dropped"
                );
                continue;
            }
            let message = Foreign {
                topic: topic.to_owned(),
                payload: payload.clone(),
                retained,
                at: Instant::now(),
            };
            let full = want.queue.try_send(message).is_err();
            if full && !want.full && want.matters {
                tracing::warn!(
                    topic,
                    "more messages of meters than can be read; some are dropped"
                );
            }
            want.full = full;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn filters(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[tokio::test]
    async fn everybody_gets_what_they_want_and_nothing_else() {
        let wants = Wants::new();
        let mut changes = wants.changes();
        let mut one = wants.want(filters(&["tele/+/SENSOR", "tele/plug/#"]), true);
        let mut other = wants.want(filters(&["dsmr/#"]), false);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let seen: Vec<String> = wants.filters().into_iter().collect();
        assert_eq!(seen, ["dsmr/#", "tele/+/SENSOR", "tele/plug/#"]);
        wants.deliver("tele/plug/SENSOR", &Bytes::from_static(b"{}"), true);
        wants.deliver("elsewhere", &Bytes::from_static(b"x"), false);
        let heard = one.next().await;
        assert_eq!(
            (heard.topic.as_str(), heard.retained),
            ("tele/plug/SENSOR", true)
        );
        assert!(one.next().now_or_never().is_none(), "once, by two filters");
        assert!(other.next().now_or_never().is_none());
        one.want(filters(&["x"]));
        drop(other);
        assert!(changes.has_changed().unwrap());
        assert_eq!(wants.filters(), BTreeSet::from(["x".to_owned()]));
    }

    #[tokio::test]
    async fn what_is_huge_or_too_much_is_dropped_and_the_rest_arrives() {
        let wants = Wants::new();
        let mut inbox = wants.want(filters(&["#"]), true);
        wants.deliver("huge", &Bytes::from(vec![b'x'; MAX_FOREIGN + 1]), false);
        for _ in 0..2 * QUEUE {
            wants.deliver("t", &Bytes::from_static(b"1"), false);
        }
        for _ in 0..QUEUE {
            assert_eq!(inbox.next().await.topic, "t");
        }
        assert!(inbox.next().now_or_never().is_none());
        wants.deliver("again", &Bytes::new(), false);
        assert_eq!(inbox.next().await.topic, "again");
    }
}
