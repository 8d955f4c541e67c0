//! The task beside the collector: events of outages, tests of batteries, the orderly action.

use tokio_util::sync::CancellationToken;

use super::servers::{upsd, usual};
use super::*;
use crate::bus::{Bus, Event, Heard, Listener, Request, State};
use crate::host::Clock;
use crate::model::{
    Action, Area, Batch, Command, CommandResult, Metric, Origin, Outcome, Subject, Unit,
};

static ON: Metric = Metric::flag("on_battery", "On", crate::model::FlagMeaning::Problem);
static LOW: Metric = Metric::flag("low_battery", "Low", crate::model::FlagMeaning::Problem);
static LOST: Metric = Metric::flag(
    "lost_on_battery",
    "Lost",
    crate::model::FlagMeaning::Problem,
);
static STATE: Metric = Metric::state("state", "State", status::STATES);
static CHARGE: Metric = Metric::gauge("charge_pct", "Charge", Unit::Percent);
static RUNTIME: Metric = Metric::gauge("runtime_s", "Runtime", Unit::Second);
static OWN: Metric = Metric::gauge("own_runtime_s", "Runtime", Unit::Second);

fn reading(id: &str, state: &str) -> Reading {
    let subject = Subject::of_host(Area::Health, id, "Rack");
    Reading::new(&subject).with(&STATE, state)
}

fn mains() -> Reading {
    let reading = reading("ups-rack", "on_mains");
    reading.with(&ON, false).with(&CHARGE, 100.0)
}

fn battery() -> Reading {
    reading("ups-rack", "on_battery").with(&ON, true)
}

fn low() -> Reading {
    battery().with(&LOW, true)
}

struct Rig {
    bus: Bus,
    host: Host,
    listener: Listener,
    cancel: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Rig {
    async fn start(text: &str, memory: Memory) -> Self {
        let text = format!("nut = 'off'\napcupsd = 'off'\n{text}");
        let file = config::File::from_str(&text, config::FileFormat::Toml);
        let table = config::Value::from(config::Source::collect(&file).unwrap());
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let host = Host {
            memory,
            clock: Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap()),
            ..Host::real()
        };
        let cancel = CancellationToken::new();
        let mut tasks = tokio::task::JoinSet::new();
        let listener = bus.listen();
        tasks.spawn(run(table, host.clone(), bus.clone(), cancel.clone()));
        tokio::task::yield_now().await;
        Self {
            bus,
            host,
            listener,
            cancel,
            tasks,
        }
    }

    fn tell(&self, readings: Result<Vec<Reading>, String>) {
        let outcome = Outcome {
            collector: "ups",
            result: readings,
        };
        let at = self.host.clock.now();
        self.bus.publish(Batch {
            at,
            outcomes: vec![outcome],
        });
    }

    /// The next event of this kind.
    async fn event(&mut self, kind: &str) -> serde_json::Value {
        loop {
            match self.listener.next().await {
                Heard::Event(Event::Happened(own, event)) if own == kind => {
                    return event.as_ref().clone();
                }
                Heard::Event(_) => {}
                Heard::Missed(_) | Heard::Closed => panic!("no {kind}"),
            }
        }
    }

    /// Hands an order over and gives back its answer.
    async fn order(&self, name: &str, payload: &str) -> CommandResult {
        let (respond, answer) = tokio::sync::oneshot::channel();
        let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
        let at = self.host.clock.now();
        let request = Request { command, respond };
        assert!(self.bus.order(request, at).is_none(), "nobody takes it");
        answer.await.unwrap()
    }

    async fn stop(mut self) -> Memory {
        self.cancel.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.host.memory
    }
}

fn known(memory: &Memory, id: &str, server: &str) {
    let identity = serde_json::json!({"server": server, "unit": "rack", "label": null,
        "manufacturer": null, "model": null, "serial": null});
    let kept = serde_json::json!({"identity": identity, "on_battery": false});
    memory.put(&format!("ups/{id}/known"), &kept);
}

const ACTION: &str = "[action]\nenabled = true\nups = 'rack'\nfor = '0s'\n";

#[tokio::test]
async fn every_step_is_told_and_the_action_is_on_the_bus() {
    let commands = "commands = [['sh', '-c', 'echo one'], ['sh', '-c', 'echo no >&2; exit 3'], \
                    ['homewatch-no-such-program'], ['sh', '-c', 'kill -9 $$']]";
    let mut rig = Rig::start(&format!("{ACTION}{commands}"), Memory::default()).await;
    rig.tell(Ok(vec![battery()]));
    rig.tell(Ok(vec![low()]));
    let first = rig.event("ups_action").await;
    assert_eq!(first["state"], "running");
    assert_eq!((&first["step"], &first["steps"]), (&1.into(), &4.into()));
    assert_eq!(first["command"], "sh -c echo one");
    let mut said = Vec::new();
    for _ in 0..8 {
        let event = rig.event("ups_action").await;
        said.extend(event["text"].as_str().map(str::to_owned));
        if event["state"] != "running" {
            assert_eq!(event["state"], "failed");
        }
    }
    assert_eq!(said[..2], ["one".to_owned(), "ended by 3: no".to_owned()]);
    assert_eq!(said[2], "homewatch-no-such-program: not found");
    assert_eq!(said[3], "ended by a signal: ");
    tokio::task::yield_now().await;
    let state = rig.bus.state().subject("health/battery-action").unwrap();
    let told = |key: &str| state.values.iter().find(|(metric, _)| metric.key == key);
    assert_eq!(told("state").unwrap().1, Value::from("failed"));
    assert!(format!("{:?}", told("step")).contains("4 of 4: sh -c kill"));
    // After a restart in the same outage nothing is done again.
    let memory = rig.stop().await;
    let mut rig = Rig::start(&format!("{ACTION}{commands}"), memory).await;
    rig.tell(Ok(vec![low()]));
    rig.tell(Ok(vec![mains()]));
    rig.tell(Ok(vec![battery()]));
    assert_eq!(rig.event("ups_action").await["state"], "idle");
    rig.stop().await;
}

#[tokio::test]
async fn a_dry_run_tells_what_it_would_do() {
    let text = format!("{ACTION}commands = [['false']]\ndry_run = true");
    let mut rig = Rig::start(&text, Memory::default()).await;
    rig.tell(Ok(vec![low()]));
    assert_eq!(rig.event("ups_action").await["command"], "false");
    let event = rig.event("ups_action").await;
    assert_eq!(
        (&event["ok"], &event["dry_run"]),
        (&true.into(), &true.into())
    );
    assert_eq!(rig.event("ups_action").await["state"], "done");
    rig.stop().await;
}

#[tokio::test]
async fn only_the_ups_that_is_meant_counts_and_the_shorter_runtime_does() {
    let text = format!("{ACTION}commands = [['true']]\nruntime_below = '5m'\nlow_battery = false");
    let memory = Memory::default();
    known(&memory, "ups-b-rack", "b");
    let mut rig = Rig::start(&text, memory).await;
    let other = reading("ups-desk", "on_battery").with(&ON, true);
    rig.tell(Ok(vec![other.with(&RUNTIME, 10.0)]));
    rig.tell(Err("nobody answers".to_owned()));
    rig.tell(Ok(vec![reading("ups-rack", "lost").with(&LOST, true)]));
    rig.tell(Ok(vec![battery().with(&RUNTIME, 900.0)]));
    let short = battery().with(&RUNTIME, 900.0).with(&OWN, 200.0);
    rig.tell(Ok(vec![short]));
    assert_eq!(rig.event("ups_action").await["state"], "running");
    rig.stop().await;
    // By its name at the server.
    let memory = Memory::default();
    known(&memory, "ups-b-rack", "b");
    let mut rig = Rig::start(&text, memory).await;
    let named = reading("ups-b-rack", "on_battery").with(&ON, true);
    rig.tell(Ok(vec![named.with(&OWN, 200.0)]));
    assert_eq!(rig.event("ups_action").await["state"], "running");
    rig.stop().await;
}

#[tokio::test]
async fn outages_are_told_as_they_begin_and_end_and_nothing_twice() {
    let memory = Memory::default();
    let mut outages = crate::power::Outages::default();
    let mut look = crate::power::OutageLook {
        on_battery: true,
        ..crate::power::OutageLook::default()
    };
    let mut at = Timestamp::UNIX_EPOCH;
    let mut step = |on: bool| {
        look.on_battery = on;
        at += Duration::from_secs(10);
        outages.step(at, Some(Duration::from_secs(10)), Some(look));
        memory.put("ups/ups-rack/outages", &outages);
    };
    let mut rig = Rig::start("", memory.clone()).await;
    rig.tell(Ok(vec![mains(), reading("ups-rack", "lost")]));
    tokio::task::yield_now().await;
    step(true);
    rig.tell(Ok(vec![battery()]));
    rig.tell(Ok(vec![battery()]));
    let event = rig.event("power_outage").await;
    assert_eq!(
        (&event["state"], &event["ups"]),
        (&"begin".into(), &"Rack".into())
    );
    assert_eq!(event["subject"], "health/ups-rack");
    step(false);
    rig.tell(Ok(vec![mains()]));
    let event = rig.event("power_outage").await;
    assert_eq!(
        (&event["state"], &event["ended"]),
        (&"end".into(), &"mains".into())
    );
    assert_eq!(event["duration_s"], 10.0);
    let memory = rig.stop().await;
    // One that came and went while nobody listened, and one that is new.
    step(true);
    step(false);
    let mut rig = Rig::start("", memory).await;
    rig.tell(Ok(vec![mains()]));
    assert_eq!(rig.event("power_outage").await["state"], "begin");
    assert_eq!(rig.event("power_outage").await["state"], "end");
    step(true);
    rig.tell(Ok(vec![battery()]));
    assert_eq!(rig.event("power_outage").await["state"], "begin");
    step(false);
    step(true);
    // The bell for the one before, then for the new one.
    let lasts = reading("ups-rack", "on_battery").with(&ON, true);
    rig.tell(Ok(vec![lasts]));
    assert_eq!(rig.event("power_outage").await["state"], "end");
    assert_eq!(rig.event("power_outage").await["state"], "begin");
    rig.stop().await;
}

fn with_tests(address: &str, more: &str) -> String {
    format!(
        "[servers.nas]\naddress = '{address}'\ntls = 'off'\nusername = 'u'\npassword = 'p'\n\
         tests = ['quick']\n{more}"
    )
}

#[tokio::test]
async fn a_test_is_started_only_where_that_is_allowed_and_the_mains_are_there() {
    let (address, task) = upsd(1, false, usual);
    let memory = Memory::default();
    known(&memory, "ups-rack", "nas");
    known(&memory, "ups-old", "gone");
    let rig = Rig::start(&with_tests(&address, ""), memory).await;
    rig.tell(Ok(vec![battery()]));
    tokio::task::yield_now().await;
    for (name, payload, why) in [
        (
            "ups/rack/test",
            "slow",
            "\"slow\" must be one of quick, deep",
        ),
        ("ups/rack/test", "deep", "not allowed by the configuration"),
        ("ups/attic/test", "", "there is no UPS \"attic\""),
        ("ups/ups-old/test", "", "there is no UPS \"ups-old\""),
        ("ups/rack/test", "", "it is on battery now"),
    ] {
        let answer = rig.order(name, payload).await;
        let error = answer.error.unwrap();
        assert!(error.contains(why), "{error}");
    }
    rig.tell(Ok(vec![mains()]));
    tokio::task::yield_now().await;
    let answer = rig.order("ups/ups-rack/test", r#"{"test": "quick"}"#).await;
    assert_eq!(answer.error, None);
    assert_eq!(answer.detail.unwrap()["test"], "quick");
    let heard = tokio::task::spawn_blocking(|| task.join().unwrap())
        .await
        .unwrap();
    assert_eq!(heard[2], r#"INSTCMD "rack" test.battery.start.quick"#);
    // Its port is free by now, and may be another test's.
    let answer = rig.order("ups/rack/test", "").await;
    assert!(answer.error.is_some(), "nobody answers");
    rig.tell(Err("nobody answers".to_owned()));
    tokio::task::yield_now().await;
    let answer = rig.order("ups/rack/test", "").await;
    assert_eq!(answer.error.unwrap(), "nothing is known of it now");
    rig.stop().await;
}

#[tokio::test]
async fn nobody_takes_a_test_where_none_is_allowed() {
    let rig = Rig::start("", Memory::default()).await;
    let (respond, _answer) = tokio::sync::oneshot::channel();
    let command = Command::parse("ups/rack/test", b"", Origin::Push).unwrap();
    assert!(matches!(command.action, Action::Order(_)));
    let request = Request { command, respond };
    assert!(rig.bus.order(request, rig.host.clock.now()).is_some());
    rig.stop().await;
    let off = Rig::start("enabled = false", Memory::default()).await;
    off.stop().await;
}

#[tokio::test]
async fn a_battery_is_tested_unasked_when_that_is_due_and_it_is_full() {
    let (address, task) = upsd(1, false, usual);
    let memory = Memory::default();
    known(&memory, "ups-rack", "nas");
    let rig = Rig::start(&with_tests(&address, "test_every = '30d'"), memory.clone()).await;
    let day = |day: i64| {
        let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        rig.host
            .clock
            .set(start + Duration::from_hours(24) * u32::try_from(day).unwrap());
    };
    let record = || memory.get::<Timestamp>("ups/ups-rack/tested");
    let mut seen = Vec::new();
    for (at, reading) in [
        (0, mains()),
        (29, mains()),
        (31, battery()),
        (
            31,
            reading("ups-rack", "on_mains")
                .with(&ON, false)
                .with(&CHARGE, 60.0),
        ),
        (31, mains()),
        (32, mains()),
    ] {
        day(at);
        rig.tell(Ok(vec![reading]));
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        seen.push(record().unwrap().strftime("%F").to_string());
    }
    assert_eq!(seen[3], "2026-01-02", "no test until then");
    assert_eq!(seen[4..], ["2026-02-02", "2026-02-02"]);
    let heard = tokio::task::spawn_blocking(|| task.join().unwrap())
        .await
        .unwrap();
    assert_eq!(heard[2], r#"INSTCMD "rack" test.battery.start.quick"#);
    // The next one cannot be: it is tried again after another period, not at every tick.
    day(70);
    rig.tell(Ok(vec![mains()]));
    while record().unwrap().to_string().starts_with("2026-02") {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    rig.stop().await;
}

#[tokio::test]
async fn apcupsd_takes_no_orders() {
    let memory = Memory::default();
    known(&memory, "ups-rack", "nas");
    let text = format!("{}\ntype = 'apcupsd'", with_tests("127.0.0.1:9", ""));
    let rig = Rig::start(&text, memory).await;
    rig.tell(Ok(vec![mains()]));
    tokio::task::yield_now().await;
    let answer = rig.order("ups/rack/test", "").await;
    assert_eq!(answer.error.unwrap(), "apcupsd takes no orders");
    rig.stop().await;
}

#[test]
fn every_fault_of_the_action_is_told() {
    for (table, key, why) in [
        ("enabled = true\nups = 'x'", "commands", "at least one"),
        ("enabled = true\ncommands = [['x']]", "ups", "which UPS"),
        (
            "enabled = true\nups = 'x'\ncommands = [['x']]\nlow_battery = false",
            "low_battery",
            "must be true",
        ),
        ("commands = ['x']", "commands", "a list of commands"),
        ("commands = [[]]", "commands", "a list of commands"),
        ("commands = [[1]]", "commands", "a list of commands"),
        ("commands = 'x'", "commands", "a list of commands"),
        (
            "commands = [['x']]\npoint_of_no_return = 2",
            "point_of_no_return",
            "1 to 1",
        ),
        ("charge_below_pct = 0", "charge_below_pct", "from 1"),
        ("enable = true", "enable", "did you mean"),
    ] {
        let (_, faults) = servers::of_toml(&format!("[action]\n{table}"), &Memory::default());
        let full = format!("collect.ups.action.{key}");
        let told = faults
            .iter()
            .any(|one| one.contains(&full) && one.contains(why));
        assert!(told, "{table}: {faults:?}");
    }
    let fine = "feeds_host = 'x'\n[action]\nenabled = true\ncommands = [['x'], ['y']]\n\
                point_of_no_return = 1\ncharge_below_pct = 20\nruntime_below = '5m'";
    let (_, faults) = servers::of_toml(fine, &Memory::default());
    assert_eq!(faults, Vec::<String>::new());
}
