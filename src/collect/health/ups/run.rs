//! The task beside the collector: tells outages as events, starts tests of batteries, and carries
//! out the orderly action on a low battery.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::acting::Acting;
use super::action::Order;
use super::nut;
use super::server::{Access, Speech};
use super::settings::Settings;
use super::supply::{Kept, key};
use super::telling;
use super::{ENTRY, TESTS};
use crate::bus::{Bus, Event, Heard, Request};
use crate::config::{Problems, Section};
use crate::host::Host;
use crate::model::{self, Action, Batch, CommandResult, Outcome, Reading, Timestamp, Value, slug};

/// A battery is tested unasked only with so much charge, %.
const FULL: f64 = 95.0;

/// What was at work and has ended.
enum Ended {
    /// A command of the action; in one line what came of it, or went wrong.
    Step(Result<String, String>),
    /// A test that somebody has asked for.
    Asked(Box<Request>, CommandResult),
    /// A test that was due.
    Due(String, Result<(), String>),
}

type Work = FuturesUnordered<Pin<Box<dyn Future<Output = Ended> + Send>>>;

/// Runs until `cancel`. `table` is `[collect.ups]`, whose faults were told when it was read.
pub async fn run(table: config::Value, host: Host, bus: Bus, cancel: CancellationToken) {
    let Some(settings) = settings(table) else {
        return;
    };
    let mut listener = bus.listen();
    // An order that nobody takes is told not to be allowed.
    let mut orders = settings
        .servers
        .iter()
        .any(|server| !server.tests.is_empty())
        .then(|| bus.take_orders(&["ups/test"]));
    let mut task = Task {
        acting: settings.act.map(|act| Acting::new(act, &host)),
        servers: settings.servers,
        begun: Instant::now(),
        host,
        bus,
        states: BTreeMap::new(),
    };
    let mut work = Work::new();
    let all = async {
        loop {
            let order = async {
                match &mut orders {
                    Some(orders) => orders.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                heard = listener.next() => {
                    if let Heard::Event(Event::Batch(batch, _)) = heard {
                        task.hear(&batch, &work);
                    }
                }
                Some(request) = order => task.asked(request, &work),
                Some(ended) = work.next() => task.ended(ended, &work),
            }
        }
    };
    // `None` is that it was cancelled.
    let _: Option<()> = cancel.run_until_cancelled(all).await;
}

/// What is configured, unless the collector is switched off.
fn settings(table: config::Value) -> Option<Settings> {
    let unseen = Problems::default();
    let mut section = Section::new("collect.ups".to_owned(), table, &unseen);
    let enabled = section.flag("enabled").unwrap_or(true);
    enabled.then(|| Settings::read(section))
}

struct Task {
    acting: Option<Acting>,
    servers: Vec<Access>,
    begun: Instant,
    host: Host,
    bus: Bus,
    /// The state of every UPS, by subject id.
    states: BTreeMap<String, String>,
}

impl Task {
    fn hear(&mut self, batch: &Batch, work: &Work) {
        let mut outcomes = batch.outcomes.iter();
        let Some(outcome) = outcomes.find(|one| one.collector == ENTRY.name) else {
            return;
        };
        let readings = outcome.result.as_deref().unwrap_or_default();
        self.states.clear();
        for reading in readings {
            let id = &reading.subject.id;
            if let Some(Value::Text(state)) = reading.value("state") {
                self.states.insert(id.clone(), state.as_ref().to_owned());
            }
            telling::outages(reading, &self.host.memory, &self.bus);
            if let Some(test) = self.due(reading, batch.at) {
                work.push(test);
            }
        }
        let up = self.begun.elapsed();
        if let Some(acting) = &mut self.acting {
            let order = acting.see(up, readings, &self.host.memory);
            act(acting, order, &self.host, (&self.bus, batch.at), work);
        }
        self.publish(batch.at);
    }

    fn publish(&self, at: Timestamp) {
        if let Some(acting) = &self.acting {
            self.bus.publish(Batch {
                at,
                outcomes: vec![Outcome {
                    collector: "ups_action",
                    result: Ok(vec![acting.reading()]),
                }],
            });
        }
    }

    fn ended(&mut self, ended: Ended, work: &Work) {
        let at = self.host.clock.now();
        match ended {
            Ended::Step(outcome) => {
                self.acting.iter_mut().for_each(|acting| {
                    let event = acting.outcome(&outcome, at);
                    self.bus.emit(Event::Happened("ups_action", event.into()));
                    let order = acting.ended(outcome.is_ok());
                    act(acting, order, &self.host, (&self.bus, at), work);
                });
                self.publish(at);
            }
            Ended::Asked(request, result) => self.bus.answer(*request, result, at),
            Ended::Due(ups, Ok(())) => tracing::info!(ups, "its battery is tested"),
            Ended::Due(ups, Err(error)) => tracing::warn!(ups, "no test of its battery: {error}"),
        }
    }

    /// Where the UPS `id` is asked for, and its name there.
    fn place(&self, id: &str) -> Option<(&Access, String)> {
        let kept: Kept = self.host.memory.get(&key(id, "known"))?;
        let mut servers = self.servers.iter();
        let server = servers.find(|one| one.name == kept.identity.server)?;
        Some((server, kept.identity.unit))
    }

    fn asked(&self, request: Request, work: &Work) {
        let mut found = Err("this is no order".to_owned());
        if let Action::Order(order) = &request.command.action {
            found = self.test(order);
        }
        let refused = match found {
            Ok((access, unit, test)) => {
                let result = request.command.done(json!({ "ups": unit, "test": test }));
                let command = format!("test.battery.start.{test}");
                work.push(Box::pin(async move {
                    let done = order(access, unit, command).await;
                    let result = match done {
                        Ok(()) => result,
                        Err(error) => request.command.refused(error),
                    };
                    Ended::Asked(Box::new(request), result)
                }));
                return;
            }
            Err(refused) => request.command.refused(refused),
        };
        let at = self.host.clock.now();
        self.bus.answer(request, refused, at);
    }

    /// The test that is asked for, if it may be started.
    fn test(&self, order: &model::Order) -> Result<(Access, String, String), String> {
        let named = order.fields.get("test").and_then(|test| test.as_str());
        let test = named.or(order.text.as_deref()).unwrap_or("quick");
        if !TESTS.contains(&test) {
            return Err(format!("\"{test}\" must be one of {}", TESTS.join(", ")));
        }
        let target = &order.target;
        let id = if target.starts_with("ups-") {
            target.clone()
        } else {
            format!("ups-{}", slug(target))
        };
        let Some((access, unit)) = self.place(&id) else {
            return Err(format!("there is no UPS \"{target}\""));
        };
        if !access.tests.iter().any(|own| own == test) {
            let refused = format!(
                "not allowed by the configuration: the tests of collect.ups.servers.{} are {:?}",
                access.name, access.tests
            );
            return Err(refused);
        }
        match self.states.get(&id).map(String::as_str) {
            Some("on_mains") => Ok((access.clone(), unit, test.to_owned())),
            Some(state) => Err(format!("it is {} now", state.replace('_', " "))),
            None => Err("nothing is known of it now".to_owned()),
        }
    }

    /// The test of its battery that is due unasked. The first comes a whole period after it was
    /// first seen.
    fn due(
        &self,
        reading: &Reading,
        at: Timestamp,
    ) -> Option<Pin<Box<dyn Future<Output = Ended> + Send>>> {
        let id = reading.subject.id.clone();
        let (access, unit) = self.place(&id)?;
        let every = access.test_every?;
        let record = key(&id, "tested");
        let Some(last) = self.host.memory.get::<Timestamp>(&record) else {
            self.host.memory.put(&record, &at);
            return None;
        };
        let is_full = reading
            .value("charge_pct")
            .and_then(Value::as_number)
            .is_some_and(|charge| charge >= FULL);
        let rests = self
            .states
            .get(&id)
            .is_some_and(|state| state == "on_mains");
        let since = Duration::try_from(at.duration_since(last)).unwrap_or_default();
        if since < every || !is_full || !rests {
            return None;
        }
        self.host.memory.put_now(&record, &at);
        let access = access.clone();
        Some(Box::pin(async move {
            let done = order(access, unit, "test.battery.start.quick".to_owned()).await;
            Ended::Due(id, done)
        }))
    }
}

/// Has a server carry out a command of a UPS.
async fn order(access: Access, unit: String, command: String) -> Result<(), String> {
    if access.speech == Speech::Apcupsd {
        return Err("apcupsd takes no orders".to_owned());
    }
    let done = tokio::task::spawn_blocking(move || nut::command(&access, &unit, &command)).await;
    done.unwrap_or_else(|error| Err(error.to_string()))
}

/// Has the action's next command run, and tells how far it is.
fn act(
    acting: &mut Acting,
    order: Option<Order>,
    host: &Host,
    (bus, at): (&Bus, Timestamp),
    work: &Work,
) {
    acting.keep(&host.memory);
    for event in acting.events(order, at) {
        bus.emit(Event::Happened("ups_action", event.into()));
    }
    if let Some(Order::Run(index)) = order {
        let step = acting.run(index, host.exec.clone());
        work.push(Box::pin(async { Ended::Step(step.await) }));
    }
}
