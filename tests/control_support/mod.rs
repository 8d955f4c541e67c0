//! The rules in their place: a bus, a store and somebody who asks.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::sync::Arc;
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, Listener, Request, State};
use homewatch::config::RulesConfig;
use homewatch::control::{Control, Handover};
use homewatch::host::Clock;
use homewatch::model::{
    Alert, AlertState, Area, Batch, Command, CommandResult, Metric, Origin, Outcome, Reading,
    Subject, Timestamp, Unit,
};
use homewatch::store::Store;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub static TEMPERATURE: Metric =
    Metric::gauge("temperature_c", "Temperature", Unit::Celsius).decimals(1);
pub const HOT: &str = "temperature_high-health-temp-cpu";

pub struct House {
    pub bus: Bus,
    pub store: Store,
    pub clock: Clock,
    pub listener: Listener,
    requests: Arc<Mutex<mpsc::Receiver<Request>>>,
    cancel: CancellationToken,
    task: Option<JoinHandle<()>>,
    handover: Handover,
}

impl House {
    /// A house whose rules are the built-in ones.
    pub async fn new(store: Store) -> Self {
        let (bus, requests) = Bus::new(State::new(Duration::from_mins(5)));
        let listener = bus.listen();
        let clock = Clock::set_to("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap());
        let mut house = Self {
            bus,
            store,
            clock,
            listener,
            requests: Arc::new(Mutex::new(requests)),
            cancel: CancellationToken::new(),
            task: None,
            handover: Handover::default(),
        };
        house.start(RulesConfig::default()).await;
        house
    }

    /// Another process on the same store: whoever listened before has gone.
    pub async fn reboot(mut self) -> Self {
        self.kill().await;
        Self::new(self.store.clone()).await
    }

    pub async fn start(&mut self, rules: RulesConfig) {
        let (bus, store, clock) = (self.bus.clone(), self.store.clone(), self.clock.clone());
        let control = Control::open(bus, store, clock, rules, self.handover.clone())
            .await
            .unwrap();
        let (requests, cancel) = (Arc::clone(&self.requests), self.cancel.clone());
        self.task = Some(tokio::spawn(async move {
            control.run(&mut *requests.lock().await, cancel).await;
        }));
    }

    /// Dropped in the middle of whatever it does.
    pub async fn kill(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    pub async fn stop(&mut self) {
        std::mem::take(&mut self.cancel).cancel();
        self.task.take().unwrap().await.unwrap();
    }

    pub async fn ask(&self, name: &str, payload: &str) -> CommandResult {
        self.bus.command(command(name, payload)).await
    }

    pub fn tell(&self, collector: &'static str, result: Result<Vec<Reading>, &str>) {
        self.bus.publish(batch(self.clock.now(), collector, result));
    }

    /// The processor's temperature now.
    pub fn cpu(&self, celsius: f64) {
        self.tell("hwmon", Ok(vec![temperature("temp-cpu", celsius)]));
    }

    /// An alert about the processor, firing.
    pub async fn heat(&mut self) -> Alert {
        self.cpu(94.0);
        self.becomes(HOT, Some(AlertState::Firing)).await.unwrap()
    }

    pub fn alert(&self, id: &str) -> Option<Alert> {
        let alert = self.bus.state().one_alert(id);
        alert.map(|alert| Alert::clone(&alert))
    }

    /// Waits until the alert is in this state, as everybody hears.
    pub async fn becomes(&mut self, id: &str, state: Option<AlertState>) -> Option<Alert> {
        loop {
            match self.event().await {
                Event::Alert(alert) if alert.id == id && Some(alert.state) == state => {
                    return Some(Alert::clone(&alert));
                }
                Event::AlertCleared(alert) if alert.id == id && state.is_none() => return None,
                _ => {}
            }
        }
    }

    /// The next event; an hour of silence is a failure.
    pub async fn event(&mut self) -> Event {
        let heard = tokio::time::timeout(Duration::from_hours(400), self.listener.next()).await;
        match heard.expect("nothing happens any more") {
            Heard::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// The next word on how keeping alerts fares.
    pub async fn fares(&mut self) -> Result<(), String> {
        loop {
            let Event::Batch(batch, _) = self.event().await else {
                continue;
            };
            if let Some(outcome) = batch.outcomes.iter().find(|o| o.collector == "alerts") {
                return outcome.result.as_ref().map(drop).map_err(String::clone);
            }
        }
    }
}

pub fn command(name: &str, payload: &str) -> Command {
    Command::parse(name, payload.as_bytes(), Origin::Push).unwrap()
}

pub fn temperature(id: &str, celsius: f64) -> Reading {
    Reading::new(&Subject::of_host(Area::Health, id, "CPU")).with(&TEMPERATURE, celsius)
}

pub fn batch(at: Timestamp, collector: &'static str, result: Result<Vec<Reading>, &str>) -> Batch {
    Batch {
        at,
        outcomes: vec![Outcome {
            collector,
            result: result.map_err(str::to_owned),
        }],
    }
}

/// What was asked is refused in so many words.
pub fn is_refused(result: &CommandResult, why: &str) {
    let error = result.error.as_deref().unwrap_or_default();
    assert!(!result.ok && error.contains(why), "{result:?}");
}
