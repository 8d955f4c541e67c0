use std::future::Future;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::action::{Action, Order, Phase, Seen};
use super::settings::Act;
use crate::host::{Exec, Host, Memory, Output};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Timestamp, Value, slug};

/// Where the memory keeps how far it is.
const RECORD: &str = "ups/action";
/// So much of what a command says is told.
const SAID: usize = 200;

static STATE: Metric = Metric::state(
    "state",
    "Action on a low battery",
    &["idle", "waiting", "running", "done", "failed", "cancelled"],
);
static DRY: Metric = Metric::flag("dry_run", "Only tells", FlagMeaning::Plain).diagnostic();
static STEP: Metric = Metric::text("step", "Step").diagnostic();

/// The orderly action, with its commands.
pub(super) struct Acting {
    act: Act,
    action: Action,
    told: &'static str,
    step: Option<String>,
}

impl Acting {
    /// Goes on where the memory has it.
    pub(super) fn new(act: Act, host: &Host) -> Self {
        let phase = host.memory.get(RECORD).unwrap_or_default();
        let action = Action::new(act.plan.clone(), phase);
        Self {
            act,
            told: action.state(),
            action,
            step: None,
        }
    }

    /// Takes in what the collector tells.
    pub(super) fn see(
        &mut self,
        up: Duration,
        readings: &[Reading],
        memory: &Memory,
    ) -> Option<Order> {
        let id = format!("ups-{}", slug(self.act.ups.trim_start_matches("ups-")));
        let of = readings.iter().find(|one| {
            let unit = || super::supply::unit(&one.subject.id, memory);
            one.subject.id == id || unit().as_deref() == Some(self.act.ups.as_str())
        });
        self.action
            .step(up, of.map_or(Seen::Lost { on_battery: false }, seen))
    }

    pub(super) fn ended(&mut self, well: bool) -> Option<Order> {
        self.action.ended(well)
    }

    /// Has how far it is on the disk, before a command runs.
    pub(super) fn keep(&self, memory: &Memory) {
        let phase = self.action.phase();
        if memory.get::<Phase>(RECORD).unwrap_or_default() != phase {
            memory.put_now(RECORD, &phase);
        }
    }

    /// What is to be told of an order and of a state that is another one now.
    pub(super) fn events(&mut self, order: Option<Order>, at: Timestamp) -> Vec<Json> {
        let mut events = Vec::new();
        if let Some(Order::Run(index)) = order {
            let command = self.command(index).join(" ");
            let step = format!("{} of {}: {command}", index + 1, self.act.commands.len());
            events.push(self.event(at, json!({ "step": index + 1, "command": command })));
            self.step = Some(step);
        } else if self.told != self.action.state() {
            if self.action.phase() == Phase::Idle {
                self.step = None;
            }
            events.push(self.event(at, json!({})));
        }
        self.told = self.action.state();
        events
    }

    /// What is to be told of a command that has ended.
    pub(super) fn outcome(&self, outcome: &Result<String, String>, at: Timestamp) -> Json {
        let (Ok(text) | Err(text)) = outcome;
        let detail = json!({ "step_done": self.step, "ok": outcome.is_ok(), "text": text });
        self.event(at, detail)
    }

    fn event(&self, at: Timestamp, detail: Json) -> Json {
        let mut event = json!({
            "ts": format!("{at:.3}"),
            "ups": self.act.ups,
            "state": self.action.state(),
            "steps": self.act.commands.len(),
            "dry_run": self.act.dry_run,
        });
        if let (Json::Object(event), Json::Object(detail)) = (&mut event, detail) {
            event.extend(detail);
        }
        event
    }

    fn command(&self, index: usize) -> Vec<String> {
        self.act.commands.get(index).cloned().unwrap_or_default()
    }

    /// Runs the command of this place; tells in one line what came of it, or went wrong.
    pub(super) fn run(
        &self,
        index: usize,
        exec: Exec,
    ) -> impl Future<Output = Result<String, String>> + Send + use<> {
        let (command, limit) = (self.command(index), self.act.timeout);
        let dry = self.act.dry_run;
        async move {
            if dry {
                return Ok("only told, as dry_run is set".to_owned());
            }
            match exec.run(&command, limit).await {
                Ok(output) if output.code == Some(0) => Ok(said(&output)),
                Ok(output) => {
                    let code = output
                        .code
                        .map_or("a signal".to_owned(), |code| code.to_string());
                    Err(format!("ended by {code}: {}", said(&output)))
                }
                Err(error) => Err(error.to_string()),
            }
        }
    }

    pub(super) fn reading(&self) -> Reading {
        let subject = Subject::of_host(Area::Health, "battery-action", "Action on a low battery");
        Reading::new(&subject)
            .with(&STATE, self.action.state())
            .with(&DRY, self.act.dry_run)
            .with_known(&STEP, self.step.as_deref())
    }
}

/// The last line that a command has said.
fn said(output: &Output) -> String {
    let text = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes));
    let mut lines = text.iter().flat_map(|text| text.lines().rev());
    let line = lines
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    line.trim().chars().take(SAID).collect()
}

fn seen(reading: &Reading) -> Seen {
    let is = |key: &str| reading.value(key) == Some(&Value::from(true));
    let figure = |key: &str| reading.value(key).and_then(Value::as_number);
    let shorter = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    if reading.value("on_battery").is_none() {
        let on_battery = is("lost_on_battery");
        return Seen::Lost { on_battery };
    }
    if !is("on_battery") {
        return Seen::Mains;
    }
    Seen::Battery {
        low: is("low_battery"),
        charge: figure("charge_pct"),
        runtime: shorter(figure("runtime_s"), figure("own_runtime_s")),
    }
}
