use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::fresh::Fresh;
use super::outbox::Outbox;
use crate::bus::{Bus, Edge, Event, Heard, Keep, Listener};
use crate::host::Clock;
use crate::model::{Area, Batch, FlagMeaning, Metric, Outcome, Reading, Subject, Topics, Unit};
use crate::store::{Collection, Store};

static CONNECTED: Metric = Metric::flag("connected", "Connected", FlagMeaning::Connected);
static QUEUED: Metric = Metric::gauge("queued_count", "Messages waiting", Unit::None).diagnostic();
static DROPPED: Metric =
    Metric::total("dropped_count", "Messages dropped", Unit::None).diagnostic();
static RECONNECTS: Metric =
    Metric::total("reconnects_count", "Reconnects", Unit::None).diagnostic();
static ERROR: Metric = Metric::text("error", "Error").diagnostic();

/// What is still unacknowledged so long after it came is written to the store.
const SAVE_AFTER: Duration = Duration::from_secs(5);
/// How often the connection's figures are told when nothing happens.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// What outlives a single connection: the outbox, what is heard on the bus, and the figures.
#[derive(Debug)]
pub(super) struct Worker {
    pub edge: Edge,
    pub listener: Listener,
    pub outbox: Outbox,
    pub fresh: Fresh,
    store: Store,
    clock: Clock,
    subject: Arc<Subject>,
    /// The alerts that the broker was last told of.
    alerts: BTreeSet<String>,
    connected: bool,
    connections: u32,
    error: Option<String>,
    /// The last failure that was logged; the same one is not logged again.
    logged: Option<String>,
    drop_logged: bool,
    save_at: Option<Instant>,
    report_at: Instant,
}

impl Worker {
    /// Listens from now on; takes up what the store kept.
    pub(super) async fn start(topics: Topics, bus: Bus, clock: Clock, store: Store) -> Self {
        let listener = bus.listen();
        let loaded = store.blocking(|store| store.all(Collection::Outbox)).await;
        let (outbox, broken) = match loaded {
            Ok(records) => Outbox::load(records),
            Err(error) => {
                tracing::error!(
                    %error,
                    "the messages that wait for the broker cannot be read"
                );
                (Outbox::default(), 0)
            }
        };
        if broken > 0 {
            tracing::warn!(
                broken,
                "waiting messages in the store were unreadable and are dropped"
            );
        }
        Self {
            edge: Edge {
                name: "broker",
                topics,
                bus,
            },
            listener,
            outbox,
            fresh: Fresh::default(),
            store,
            clock,
            subject: Subject::of_host(Area::Health, "mqtt-broker", "MQTT broker"),
            alerts: BTreeSet::new(),
            connected: false,
            connections: 0,
            error: None,
            logged: None,
            drop_logged: false,
            save_at: None,
            report_at: Instant::now(),
        }
    }

    /// Waits for `work`, hearing the bus and keeping the store meanwhile; `None` when cancelled.
    pub(super) async fn meanwhile<T>(
        &mut self,
        cancel: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return None,
                done = &mut work => return Some(done),
                () = self.step() => {}
            }
            self.chores().await;
        }
    }

    /// Waits until something was heard or a chore is due. May be cancelled.
    pub(super) async fn step(&mut self) {
        let due = self
            .save_at
            .map_or(self.report_at, |at| at.min(self.report_at));
        let heard = tokio::select! {
            heard = self.listener.next() => Some(heard),
            () = sleep_until(due) => None,
        };
        if let Some(heard) = heard {
            self.hear(heard);
        }
    }

    /// Does what is due. Not to be cancelled.
    pub(super) async fn chores(&mut self) {
        let now = Instant::now();
        if self.save_at.is_some_and(|at| at <= now) {
            self.save().await;
        }
        if self.report_at <= now {
            self.report();
        }
    }

    /// Sorts what an event calls for into the queues; `false` if the bus is gone.
    pub(super) fn hear(&mut self, heard: Heard) -> bool {
        let event = match heard {
            Heard::Event(event) => event,
            Heard::Missed(count) => {
                tracing::warn!(
                    count,
                    "the edge to the broker was too slow; sending all anew"
                );
                self.refresh();
                self.clear_alerts();
                return true;
            }
            Heard::Closed => return false,
        };
        self.count_alert(&event);
        for message in self.edge.messages(&event) {
            match message.keep {
                Keep::Newest if self.connected => self.fresh.push(message),
                // The snapshot after the next connect has it.
                Keep::Newest => {}
                Keep::Each => {
                    self.fresh.remove(&message.topic);
                    if self.outbox.push(message) && !self.drop_logged {
                        self.drop_logged = true;
                        tracing::warn!(
                            "too many messages wait for the broker: the oldest are dropped"
                        );
                    }
                    self.save_at
                        .get_or_insert_with(|| Instant::now() + SAVE_AFTER);
                }
            }
        }
        true
    }

    /// Takes in every event that is already there, so that a tick leaves in one write.
    pub(super) fn catch_up(&mut self) {
        while let Some(heard) = self.listener.next().now_or_never() {
            if !self.hear(heard) {
                break;
            }
        }
    }

    fn count_alert(&mut self, event: &Event) {
        if let Event::Alert(alert) = event {
            self.alerts.insert(alert.id.clone());
        } else if let Event::AlertCleared(alert) = event {
            self.alerts.remove(&alert.id);
        }
    }

    /// Takes away the alerts whose end was missed. Without a connection nothing is to be done: the
    /// broker tells at the next one what it has kept.
    fn clear_alerts(&mut self) {
        let open = self.edge.bus.state().alerts().into_iter();
        let open: BTreeSet<String> = open.map(|alert| alert.id.clone()).collect();
        let over: Vec<String> = self.alerts.difference(&open).cloned().collect();
        for id in over.iter().filter(|_| self.connected) {
            self.fresh.push(self.edge.without_alert(id));
        }
        self.alerts = open;
    }

    fn refresh(&mut self) {
        if self.connected {
            for message in self.edge.snapshot() {
                self.fresh.push(message);
            }
        }
    }

    /// A connection has begun: what waits is sent, then all that is retained.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        self.connections += 1;
        self.error = None;
        self.logged = None;
        self.outbox.rewind();
        self.fresh.clear();
        self.report();
        self.refresh();
    }

    /// The connection has ended or could not be made.
    pub(super) fn lost(&mut self, why: String) {
        if self.logged.as_ref() != Some(&why) {
            tracing::warn!(why, "no connection to the MQTT broker; trying again");
            self.logged = Some(why.clone());
        }
        let news = self.connected || self.error.as_ref() != Some(&why);
        self.connected = false;
        self.fresh.clear();
        self.error = Some(why);
        if news {
            self.report();
        }
    }

    /// The broker is there but does not do all that we ask; logged once a connection.
    pub(super) fn complain(&mut self, what: &str) {
        if self.error.as_deref() != Some(what) {
            tracing::warn!("{what}");
            self.error = Some(what.to_owned());
            self.report();
        }
    }

    /// Publishes the connection's figures, as any collector does.
    fn report(&mut self) {
        self.report_at = Instant::now() + REPORT_EVERY;
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of messages, far below 2^53"
        )]
        let count = |count: u64| count as f64;
        let reading = Reading::new(&self.subject)
            .with(&CONNECTED, self.connected)
            .with(&QUEUED, count(self.outbox.len() as u64))
            .with(&DROPPED, count(self.outbox.dropped))
            .with(&RECONNECTS, f64::from(self.connections.saturating_sub(1)))
            .with_known(&ERROR, self.error.as_deref());
        self.edge.bus.publish(Batch {
            at: self.clock.now(),
            outcomes: vec![Outcome {
                collector: "mqtt-broker",
                result: Ok(vec![reading]),
            }],
        });
    }

    /// Brings the store up to date with the outbox.
    pub(super) async fn save(&mut self) {
        self.save_at = None;
        if !self.outbox.is_unsaved() {
            return;
        }
        let changes = self.outbox.changes();
        let kept = self.store.blocking(move |store| store.write(&changes));
        match kept.await {
            Ok(()) => self.outbox.saved(),
            Err(error) => {
                tracing::error!(
                    %error,
                    "the messages that wait for the broker cannot be stored"
                );
                self.save_at = Some(Instant::now() + REPORT_EVERY);
            }
        }
    }
}
