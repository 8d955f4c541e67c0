use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::bus::{Bus, Event, Heard};

/// How many events can be resumed.
const KEPT: usize = 256;
/// How many clients may listen at once.
const CLIENTS: usize = 16;
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The kinds of events that clients hear of.
pub(super) const KINDS: [(&str, Kind); 3] = [
    ("alert", Kind::Alert),
    ("state", Kind::State),
    ("event", Kind::Happened),
];

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An alert is new, has changed or is gone.
    Alert,
    /// A subject's state or availability has changed.
    State,
    /// Something happened once.
    Happened,
}

#[derive(Debug)]
struct Ring {
    /// The id of the next event.
    next: u64,
    kept: VecDeque<(u64, Kind, Arc<str>)>,
}

/// The last events, ready to be sent: every client reads on from where it is, so that a slow one
/// costs nothing.
#[derive(Debug)]
pub(super) struct Events {
    epoch: String,
    ring: Mutex<Ring>,
    signal: watch::Sender<u64>,
    clients: Arc<Semaphore>,
}

impl Events {
    /// No events yet. Ids begin with `epoch`, so that those of another run are told apart.
    pub(super) fn new(epoch: &str) -> Self {
        Self {
            epoch: epoch.to_owned(),
            ring: Mutex::new(Ring {
                next: 1,
                kept: VecDeque::new(),
            }),
            signal: watch::Sender::new(0),
            clients: Arc::new(Semaphore::new(CLIENTS)),
        }
    }

    /// Takes the bus's events in for as long as it is polled.
    pub(super) async fn pump(&self, bus: &Bus) {
        let mut listener = bus.listen();
        loop {
            match listener.next().await {
                Heard::Event(event) => self.take(&event),
                Heard::Missed(_) => {
                    // Whoever resumes before this point is told to start anew.
                    let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
                    ring.kept.clear();
                    ring.next += 1;
                    self.signal.send_replace(ring.next);
                }
                Heard::Closed => return,
            }
        }
    }

    fn take(&self, event: &Event) {
        match event {
            Event::Batch(_, changed) => {
                for change in changed.iter() {
                    let mut data = json!({ "subject": change.subject.key() });
                    if let Some(payload) = &change.payload
                        && let Ok(state) = serde_json::from_slice::<serde_json::Value>(payload)
                        && let Some(data) = data.as_object_mut()
                    {
                        data.insert("state".to_owned(), state);
                    }
                    if let (Some(on), Some(data)) = (change.available, data.as_object_mut()) {
                        data.insert("available".to_owned(), on.into());
                    }
                    self.push(Kind::State, "state", &data);
                }
            }
            Event::Alert(alert) => self.push(Kind::Alert, "alert", &json!(**alert)),
            Event::AlertCleared(alert) => {
                self.push(Kind::Alert, "alert_cleared", &json!({ "id": alert.id }));
            }
            Event::Happened(kind, data) => {
                self.push(
                    Kind::Happened,
                    "event",
                    &json!({ "kind": kind, "data": **data }),
                );
            }
            Event::Answered(_)
            | Event::Retain(..)
            | Event::Ask(..)
            | Event::Node { .. }
            | Event::HomeAssistantBirth { .. } => {}
        }
    }

    fn push(&self, kind: Kind, name: &str, data: &serde_json::Value) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ring.next;
        let text = format!("id: {}.{id}\nevent: {name}\ndata: {data}\n\n", self.epoch);
        if ring.kept.len() >= KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back((id, kind, text.into()));
        ring.next += 1;
        self.signal.send_replace(ring.next);
    }

    /// A client that has heard everything up to `last` (`Last-Event-ID`); without it, it hears
    /// what comes. `None` if there are too many clients.
    pub(super) fn client(self: &Arc<Self>, last: Option<&str>, kinds: &[Kind]) -> Option<Client> {
        let permit = Arc::clone(&self.clients).try_acquire_owned().ok()?;
        let next = self
            .ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next;
        let resumed = last.map(|last| {
            let number = last
                .rsplit_once('.')
                .filter(|(run, _)| *run == self.epoch)
                .and_then(|(_, number)| number.parse::<u64>().ok());
            // An unknown id is as good as one that is long gone.
            number.map_or(0, |number| number.saturating_add(1).min(next))
        });
        Some(Client {
            events: Arc::clone(self),
            signal: self.signal.subscribe(),
            next: resumed.unwrap_or(next),
            kinds: kinds.to_vec(),
            greeted: false,
            permit,
        })
    }
}

/// A client's place in the events.
#[derive(Debug)]
pub(super) struct Client {
    events: Arc<Events>,
    signal: watch::Receiver<u64>,
    next: u64,
    kinds: Vec<Kind>,
    greeted: bool,
    #[expect(dead_code, reason = "gives its place back when it is dropped")]
    permit: OwnedSemaphorePermit,
}

impl Client {
    /// Waits for the next piece of the stream: events, or a comment that keeps it alive.
    pub(super) async fn next(&mut self) -> Bytes {
        if !self.greeted {
            self.greeted = true;
            // So that a client knows where to resume also when nothing ever happens.
            let at = self.next.saturating_sub(1);
            let id = format!("retry: 3000\nid: {}.{at}\n:\n\n", self.events.epoch);
            if self.next > 0 {
                return id.into();
            }
        }
        loop {
            self.signal.mark_unchanged();
            if let Some(text) = self.pending() {
                return text.into();
            }
            if tokio::time::timeout(HEARTBEAT, self.signal.changed())
                .await
                .is_err()
            {
                return Bytes::from_static(b":\n\n");
            }
        }
    }

    fn pending(&mut self) -> Option<String> {
        let ring = self
            .events
            .ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let oldest = ring.kept.front().map_or(ring.next, |(id, ..)| *id);
        let mut out = String::new();
        if self.next < oldest {
            let id = oldest - 1;
            out = format!(
                "id: {}.{id}\nevent: reset\ndata: {{}}\n\n",
                self.events.epoch
            );
        }
        for (id, kind, text) in &ring.kept {
            if *id >= self.next && self.kinds.contains(kind) {
                out.push_str(text);
            }
        }
        self.next = ring.next;
        (!out.is_empty()).then_some(out)
    }
}
