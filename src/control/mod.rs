//! The task that owns the rule engine: it hears the bus, carries commands out, keeps alerts over
//! restarts, and tells everybody. What is decided is decided in [`crate::rules`].

mod allowed;
mod handover;
mod snapshot;
mod wake;

pub use allowed::Allowed;
pub use handover::Handover;
use handover::Left;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Event, Heard, Listener, Request};
use crate::config::RulesConfig;
use crate::host::Clock;
use crate::model::{Alert, Batch, CommandResult, Outcome, Reading};
use crate::rules::{Effect, Engine, Input, Ledger, Moment};
use crate::store::{Change, Collection, Store, StoreError};

/// The name under which failures to keep alerts are told.
const NAME: &str = "alerts";
/// What could not be kept is tried again after this long.
const RETRY: Duration = Duration::from_mins(1);

/// After so many alerts the others get their turn to hear of them: the bus holds 256 events.
const AT_ONCE: usize = 32;

/// Records by their place; none where one is to be removed.
type Records = BTreeMap<(Ledger, String), Option<Vec<u8>>>;

/// The rule engine in its place on the bus.
#[derive(Debug)]
pub struct Control {
    engine: Engine,
    bus: Bus,
    listener: Listener,
    store: Store,
    clock: Clock,
    start: Instant,
    /// What could not be kept yet.
    unsaved: Records,
    retry_at: Option<Instant>,
    handover: Handover,
}

impl Control {
    /// Takes up the alerts and silences of before a restart, and after a reload all that whoever was
    /// here before has left in `handover`: when this returns they are in the
    /// bus's state, so whoever starts afterwards (push, Home Assistant) finds them there. Fails
    /// only if the store cannot be read.
    pub async fn open(
        bus: Bus,
        store: Store,
        clock: Clock,
        config: RulesConfig,
        handover: Handover,
    ) -> Result<Self, StoreError> {
        let listener = bus.listen();
        let left = handover.take();
        let start = left.as_ref().map_or_else(Instant::now, |left| left.start);
        let read = store.blocking(|store| {
            let alerts = store.all(Collection::Alerts)?;
            Ok((alerts, store.all(Collection::Silences)?))
        });
        let (alerts, silences) = read.await?;
        let now = Moment {
            wall: clock.now(),
            up: start.elapsed(),
        };
        let (mut engine, mut effects) = Engine::new(config, alerts, silences, now);
        let mut unsaved = Records::new();
        if let Some(left) = left {
            effects.extend(engine.take_over(left.engine, now));
            unsaved = left.unsaved;
        }
        let retry_at = (!unsaved.is_empty()).then(Instant::now);
        let mut control = Self {
            engine,
            bus,
            listener,
            store,
            clock,
            start,
            unsaved,
            retry_at,
            handover,
        };
        control.clear_others(&effects);
        control.carry_out(effects, None).await;
        control.read_state().await;
        Ok(control)
    }

    /// Takes from the bus what whoever kept the alerts before has left there (until a reload, or
    /// a crash) and nobody keeps now: alerts that only pended, or whose rule is gone.
    fn clear_others(&self, effects: &[Effect]) {
        let ours = |id: &str| {
            let told = |effect: &Effect| matches!(effect, Effect::Alert(alert) if alert.id == id);
            effects.iter().any(told)
        };
        for alert in self.bus.state().alerts() {
            if !ours(&alert.id) {
                self.bus.clear_alert(Alert::clone(&alert));
            }
        }
    }

    /// Hears all that is known now: at the start, and when events were lost.
    async fn read_state(&mut self) {
        let known = snapshot::batch(self.bus.state(), self.clock.now());
        self.hear_batch(&known).await;
        for (name, online) in self.bus.state().nodes() {
            let name = &*name;
            self.step(Input::Node { name, online }).await;
        }
    }

    /// Hears the bus and takes commands until `cancel`. Commands that wait then are answered by
    /// the bus: homewatch is stopping. What it knows is left for whoever comes after a reload.
    pub async fn run(mut self, requests: &mut mpsc::Receiver<Request>, cancel: CancellationToken) {
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                request = requests.recv() => match request {
                    Some(request) => self.obey(request).await,
                    None => return,
                },
                heard = self.listener.next() => match heard {
                    Heard::Event(event) => self.hear(event).await,
                    Heard::Missed(count) => {
                        tracing::warn!(count, "the rules missed events of the bus; read anew");
                        self.read_state().await;
                    }
                    Heard::Closed => return,
                },
                () = until(wake) => self.step(Input::Time).await,
            }
        }
        self.handover.leave(Left {
            engine: self.engine,
            start: self.start,
            unsaved: self.unsaved,
        });
    }

    fn now(&self) -> Moment {
        Moment {
            wall: self.clock.now(),
            up: self.start.elapsed(),
        }
    }

    /// When something is to be done without any news.
    fn wake(&self) -> Option<Instant> {
        let due = self.engine.next_deadline();
        let due = due.and_then(|up| self.start.checked_add(up));
        due.into_iter().chain(self.retry_at).min()
    }

    async fn hear(&mut self, event: Event) {
        match event {
            Event::Batch(batch, _) => self.hear_batch(&batch).await,
            Event::Node { name, online } => {
                let name = &*name;
                self.step(Input::Node { name, online }).await;
            }
            Event::Alert(_)
            | Event::AlertCleared(_)
            | Event::Happened(..)
            | Event::Answered(_)
            | Event::Retain(..)
            | Event::Ask(..)
            | Event::HomeAssistantBirth { .. } => {}
        }
    }

    async fn hear_batch(&mut self, batch: &Batch) {
        self.step(Input::Batch(batch)).await;
    }

    async fn step(&mut self, input: Input<'_>) {
        let effects = self.engine.step(self.now(), input);
        self.carry_out(effects, None).await;
    }

    async fn obey(&mut self, request: Request) {
        let Some(request) = self.bus.order(request, self.clock.now()) else {
            return;
        };
        let input = Input::Command(&request.command);
        let effects = self.engine.step(self.now(), input);
        self.carry_out(effects, Some(request)).await;
    }

    /// Keeps first, then tells, then answers: what was answered holds through a `kill -9`.
    async fn carry_out(&mut self, effects: Vec<Effect>, asked: Option<Request>) {
        let mut changes = Records::new();
        let mut told = Vec::new();
        let mut answer = None;
        for effect in effects {
            match effect {
                Effect::Alert(alert) => told.push((alert, true)),
                Effect::Cleared(alert) => told.push((alert, false)),
                Effect::Keep(ledger, key, record) => {
                    changes.insert((ledger, key), Some(record));
                }
                Effect::Forget(ledger, key) => {
                    changes.insert((ledger, key), None);
                }
                Effect::Unreadable(ledger, key) => {
                    tracing::warn!(?ledger, key, "a kept record makes no sense and is removed");
                    changes.insert((ledger, key), None);
                }
                Effect::Answer(result) => answer = Some(result),
            }
        }
        let saved = self.keep(changes).await;
        for (number, (alert, open)) in told.into_iter().enumerate() {
            if number % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            if open {
                self.bus.alert(alert);
            } else {
                self.bus.clear_alert(alert);
            }
        }
        if let (Some(result), Some(request)) = (answer, asked) {
            self.answer(request, result, saved);
        }
    }

    fn answer(&self, request: Request, mut result: CommandResult, saved: Result<(), String>) {
        if let (true, Err(error)) = (result.ok, saved) {
            result.ok = false;
            result.error = Some(format!(
                "it holds now, but it could not be saved and may be lost at a restart: {error}"
            ));
        }
        self.bus.answer(request, result, self.clock.now());
    }

    /// Makes `changes` durable, after those that could not be made so before.
    async fn keep(&mut self, mut changes: Records) -> Result<(), String> {
        let due = self.retry_at.is_some_and(|at| at <= Instant::now());
        if changes.is_empty() && !due {
            return Ok(());
        }
        self.unsaved.append(&mut changes);
        let all: Vec<Change> = self.unsaved.iter().map(change).collect();
        let result = self.store.blocking(move |store| store.write(&all)).await;
        let failed_before = self.retry_at.is_some();
        match result {
            Ok(()) => {
                self.unsaved.clear();
                self.retry_at = None;
                if failed_before {
                    tracing::info!("alerts are kept over restarts again");
                    self.tell(Ok(Vec::new()));
                }
                Ok(())
            }
            Err(error) => {
                self.retry_at = Some(Instant::now() + RETRY);
                if !failed_before {
                    tracing::error!("alerts cannot be kept over restarts: {error}");
                    self.tell(Err(error.to_string()));
                }
                Err(error.to_string())
            }
        }
    }

    /// Tells how keeping fares, as a collector would.
    fn tell(&self, result: Result<Vec<Reading>, String>) {
        self.bus.publish(Batch {
            at: self.clock.now(),
            outcomes: vec![Outcome {
                collector: NAME,
                result,
            }],
        });
    }
}

const fn collection(ledger: Ledger) -> Collection {
    match ledger {
        Ledger::Alerts => Collection::Alerts,
        Ledger::Silences => Collection::Silences,
    }
}

fn change(((ledger, key), record): (&(Ledger, String), &Option<Vec<u8>>)) -> Change {
    let key = key.clone();
    match record {
        Some(record) => Change::Put(collection(*ledger), key, record.clone()),
        None => Change::Remove(collection(*ledger), key),
    }
}

/// Waits for `at`; for ever if there is none.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
