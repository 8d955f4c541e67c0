//! The rules that come along, on what is really published: a rule that looks at a key nobody
//! publishes would never fire.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::needless_pass_by_value,
    reason = "test code"
)]

mod broker_support;
mod power_support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homewatch::bus::{Bus, State};
use homewatch::collect::{self, Ambient, Collect as _};
use homewatch::config::{
    AmbientConfig, BudgetConfig, Condition, DynamicConfig, FeedConfig, HistoryConfig, Levels,
    Limit, Period, Rule, RulesConfig, TariffConfig, Terms, Threshold,
};
use homewatch::fan;
use homewatch::host::{Clock, Host, Memory};
use homewatch::model::{
    Alert, AlertState, Area, Batch, Metric, Outcome, Reading, Severity, Source, Subject, Timestamp,
    Unit, Value, glob, slug,
};
use homewatch::power::{self, PowerSample, Scope};
use homewatch::predict::{self, Board};
use homewatch::rules::{Effect, Engine, Input, Moment};
use homewatch::store::{self, Change, Collection, Store};
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

const MACHINES: [&str; 4] = ["bare-vm", "desktop", "nas", "raspberry-pi"];

/// What somebody publishes, by the collector.
type Published = Vec<(&'static str, Reading)>;

/// What every collector makes of the machines.
fn of_machines() -> Published {
    let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts");
    let mut all = Vec::new();
    for name in MACHINES {
        let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
        let host = Host::captured(&hosts.join(name), clock);
        for (collector, sampled) in collect::sample_once(&host, &BTreeMap::new()) {
            let readings = sampled.unwrap_or_default().into_iter();
            all.extend(readings.map(|reading| (collector, reading)));
        }
    }
    all
}

/// An array whose check was seen to end.
fn of_a_checked_array() -> Published {
    let nas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts/nas");
    let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
    let mut host = Host::captured(&nas, clock);
    let checked = br#""2025-12-07T03:04:05Z""#.to_vec();
    host.memory = Memory::new([("raid/4a1c:77".to_owned(), checked)]);
    let mut raid = collect::build_named(&["raid"], &host, &BTreeMap::new());
    let readings = raid[0].sample().unwrap();
    readings.into_iter().map(|one| ("raid", one)).collect()
}

/// What a UPS tells, by a server that speaks as NUT's upsd does.
fn of_a_ups() -> Published {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let units = "BEGIN LIST UPS\nUPS rack \"Rack\"\nEND LIST UPS\n";
        let status = "BEGIN LIST VAR rack\nVAR rack ups.status \"OL\"\n\
            VAR rack ups.test.result \"Done and passed\"\nEND LIST VAR rack\n";
        stream.write_all(units.as_bytes()).unwrap();
        stream.write_all(status.as_bytes()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let table = config::Map::from_iter([
        ("nut".to_owned(), config::Value::new(None, address)),
        ("apcupsd".to_owned(), config::Value::new(None, "off")),
    ]);
    let tables = BTreeMap::from([("ups".to_owned(), config::Value::new(None, table))]);
    let sampled = collect::sample_once(&Host::real(), &tables).into_iter();
    let (collector, told) = sampled
        .into_iter()
        .find(|(name, _)| *name == "ups")
        .unwrap();
    server.join().unwrap();
    let readings = told.unwrap().into_iter();
    readings.map(|reading| (collector, reading)).collect()
}

/// What the action on a low battery tells of itself.
async fn of_the_action() -> Published {
    let text = "[action]\nenabled = true\nups = 'rack'\ncommands = [['true']]";
    let file = config::File::from_str(text, config::FileFormat::Toml);
    let table = config::Value::from(config::Source::collect(&file).unwrap());
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let ticks = async {
        while bus.state().subject("health/battery-action").is_none() {
            bus.publish(batch("ups", Ok(Vec::new())));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    tokio::join!(
        collect::ups::run(table, Host::real(), bus.clone(), cancel.clone()),
        ticks
    );
    on(&bus)
}

/// What is on the bus.
fn on(bus: &Bus) -> Published {
    let subjects = bus.state().subjects().into_iter();
    subjects
        .map(|state| {
            let mut reading = Reading::new(&state.subject);
            reading.values = state.values;
            (state.collector, reading)
        })
        .collect()
}

async fn of_the_edge() -> Published {
    let config = broker_support::config("mqtt://127.0.0.1:9");
    let running = broker_support::Running::start(config);
    running.until_says("\"connected\":false").await;
    let all = on(&running.bus);
    drop(running.crash().await);
    all
}

async fn of_a_meter() -> Published {
    let rig = power_support::Rig::start("[power.meters.desk]\nmqtt = \"m\"\npower = \"/p\"").await;
    rig.say("m", r#"{"p":12.5}"#, false);
    rig.wait(power_support::TICK).await;
    let all = on(&rig.bus);
    drop(rig.stop().await);
    all
}

/// What a thermometer of a room tells.
fn of_a_room() -> Published {
    let config = AmbientConfig {
        name: "rack".to_owned(),
        label: "Rack".to_owned(),
        topic: "t".to_owned(),
        value: None,
        fahrenheit: None,
        silent_after: Duration::from_hours(2),
    };
    let mut ambient = Ambient::new(&[config]);
    ambient.hear("t", "21.5", false, tokio::time::Instant::now());
    let readings = ambient.sample().unwrap().into_iter();
    readings.map(|reading| ("ambient", reading)).collect()
}

/// A dynamic price, a budget and a limit of standby.
fn setup_of_a_node(activity: &power::Activity) -> power::Setup {
    let feed = FeedConfig {
        topics: vec!["prices".to_owned()],
        statestream: None,
        stale_after: Duration::from_hours(1),
    };
    let terms = Terms {
        dynamic: Some(DynamicConfig {
            feed,
            scale: 1.0,
            factor: 1.0,
            add: 0.0,
        }),
        ..Terms::flat(0.3)
    };
    power::Setup {
        activity: activity.clone(),
        terms: power::Terms {
            services: 1,
            ..power::Terms::default()
        },
        tariff: Some(TariffConfig::new(
            "EUR".to_owned(),
            TimeZone::UTC,
            vec![terms],
        )),
        budgets: vec![BudgetConfig {
            name: "day".to_owned(),
            per: Period::Day,
            limit: Limit::Energy(4.0),
            service: None,
        }],
        standby_w: Some(30.0),
        ..power::Setup::default()
    }
}

/// What the node as a whole is told to draw, with a budget, a dynamic price that nobody tells and a
/// service of which two weeks are known.
async fn of_the_node() -> Published {
    static WATTS: Metric = Metric::gauge("power_w", "Power", Unit::Watt);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(dir.path(), &HistoryConfig::default()).unwrap();
    let day = r#"{"host":{"watched_s":86400},"services":{"jellyfin":[1.0,0.3,9.0]}}"#;
    let days = (18..=31).map(|day| format!("1969-12-{day}"));
    let mut kept: Vec<_> = days
        .map(|date| Change::Put(Collection::PowerDays, date, day.into()))
        .collect();
    // Watched since midnight, and before.
    let host =
        r#"{"energy_kwh":1,"booked":{"day":"1970-01-01","today":{"energy_kwh":1,"cost":1}}}"#;
    kept.push(Change::Put(
        Collection::Meters,
        "/host".to_owned(),
        host.into(),
    ));
    store.write(&kept).unwrap();
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let activity = power::Activity::default();
    let tick = |watts: f64| {
        let plug = Subject::of_host(Area::Power, "meter-plug", "Plug");
        let mut plug = Reading::new(&plug).with(&WATTS, watts);
        plug.source = Some(Source::Meter);
        plug.detail = Some(PowerSample::detail(&Scope::Host, None));
        let cpu = power::Use {
            total: 1.0,
            services: [("jellyfin".to_owned(), 1.0)].into(),
            ..power::Use::default()
        };
        activity.leave(power::Spent {
            cpu,
            ..power::Spent::default()
        });
        let mut tick = batch("cpu", Ok(Vec::new()));
        tick.at = "1970-01-01T12:00:00Z".parse().unwrap();
        tick.outcomes
            .extend(batch("meters", Ok(vec![plug])).outcomes);
        bus.publish(tick);
    };
    let ticks = async {
        while bus.state().subject("power/service-jellyfin").is_none() {
            for watts in [20.0, 40.0] {
                tick(watts);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        cancel.cancel();
    };
    let setup = setup_of_a_node(&activity);
    let task = power::run(setup, bus.clone(), store, cancel.clone());
    tokio::join!(task, ticks).0.unwrap();
    on(&bus)
}

/// What fan control tells of a fan on a board that is a folder.
async fn of_a_fan() -> Published {
    let dir = tempfile::tempdir().unwrap();
    let chip = dir.path().join("sys/class/hwmon/hwmon0");
    std::fs::create_dir_all(&chip).unwrap();
    for (file, text) in [("name", "board"), ("pwm1", "90"), ("fan1_input", "700")] {
        std::fs::write(chip.join(file), text).unwrap();
    }
    let table = "curves.a.points = [\"40:30\", \"70:100\"]\ndrive.case = { output = \"board/1\", \
                 sensors = [\"temp-board\"], curve = \"a\" }";
    let table = config::File::from_str(table, config::FileFormat::Toml);
    let table = config::Config::builder().add_source(table).build().unwrap();
    let problems = homewatch::config::Problems::default();
    let section = homewatch::config::Section::root(table.cache, &problems);
    let setup = fan::Setup {
        config: homewatch::config::FansConfig::read(section),
        host: Host::captured(dir.path(), Clock::Real),
        tables: BTreeMap::new(),
        interval: Duration::from_secs(10),
        data_dir: dir.path().to_owned(),
    };
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let told = async {
        while bus.state().subjects().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    tokio::join!(fan::run(setup, bus.clone(), cancel.clone()), told);
    on(&bus)
}

/// What is foreseen of a fan that stands still.
async fn of_the_future() -> Published {
    static RPM: Metric = Metric::gauge("fan_rpm", "Speed", Unit::Rpm);
    static DRIVE: Metric = Metric::gauge("pwm_pct", "Drive", Unit::Percent);
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let fan = Subject::of_host(Area::Health, "fan-a", "Fan");
    let ticks = async {
        for minute in 0..90 {
            tokio::time::sleep(Duration::from_mins(1)).await;
            let (rpm, drive) = if minute < 60 {
                (600.0, 30.0)
            } else {
                (0.0, 60.0)
            };
            let fan = Reading::new(&fan).with(&RPM, rpm).with(&DRIVE, drive);
            let mut tick = batch("cpu", Ok(Vec::new()));
            tick.outcomes.extend(batch("hwmon", Ok(vec![fan])).outcomes);
            bus.publish(tick);
        }
        cancel.cancel();
    };
    let (memory, board) = (Memory::default(), Board::default());
    tokio::join!(
        predict::run(bus.clone(), memory, board, cancel.clone()),
        ticks
    );
    on(&bus)
}

/// What is told of services: of a unit, a container, a process, a job and updates.
fn of_services() -> Published {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let file = dir.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    put(
        "exec/systemctl list-units --state=failed --plain --no-legend --full",
        "0\n",
    );
    let properties = "LoadState,ActiveState,SubState,Result,NRestarts,MemoryCurrent,CPUUsageNSec";
    put(
        &format!("exec/systemctl show --property=Id,{properties} -- web.service"),
        "0\nId=web.service\nActiveState=active\nNRestarts=0\n",
    );
    put(
        "exec/apt-get -s -o Debug::NoLocking=true dist-upgrade",
        "0\n",
    );
    put("proc/1/comm", "init\n");
    put("root/var/lib/dpkg/status", "");
    put("root/run/reboot-required", "");
    let socket = dir.path().join("docker.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let engine = std::thread::spawn(move || {
        for body in [
            r#"[{"Id":"a","Names":["/db"],"State":"running","Status":"Up (healthy)"}]"#,
            r#"{"RestartCount":0,"State":{"ExitCode":0,"OOMKilled":false}}"#,
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            // All of it: an end with something unread would be an error for whoever asks.
            assert!(stream.read(&mut [0; 1024]).unwrap() > 20);
            let answer = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let table = format!(
        "units.watch = \"web\"\ncontainers.socket = \"{}\"\nchecks.process.init.name = \"init\"\n\
         jobs.expect.backup.every = \"1d\"",
        socket.display()
    );
    let table = config::File::from_str(&table, config::FileFormat::Toml);
    let table = config::Config::builder().add_source(table).build().unwrap();
    let tables = table.cache.into_table().unwrap().into_iter().collect();
    let host = Host::captured(dir.path(), Clock::Real);
    let mut all = Published::new();
    for (collector, sampled) in collect::sample_once(&host, &tables) {
        let readings = sampled.unwrap_or_default().into_iter();
        all.extend(readings.map(|reading| (collector, reading)));
    }
    engine.join().unwrap();
    all
}

/// The collectors that are none of a machine's.
async fn of_the_history() -> Vec<&'static str> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(dir.path(), &HistoryConfig::default()).unwrap();
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let cancel = CancellationToken::new();
    let tick = async {
        tokio::task::yield_now().await;
        bus.publish(batch("cpu", Ok(Vec::new())));
        cancel.cancel();
    };
    tokio::join!(store::run(store, bus.clone(), cancel.clone()), tick);
    let collectors = bus.state().collectors().into_iter();
    collectors.map(|(name, _)| name).collect()
}

fn batch(collector: &'static str, result: Result<Vec<Reading>, String>) -> Batch {
    let at = Timestamp::UNIX_EPOCH;
    let outcomes = vec![Outcome { collector, result }];
    Batch { at, outcomes }
}

/// The engine, one rule, one subject.
struct Scene<'a> {
    rule: &'a Rule,
    key: String,
    engine: Engine,
    now: Moment,
    alert: Option<Alert>,
}

impl<'a> Scene<'a> {
    fn new(rule: &'a Rule, key: &str) -> Self {
        let now = Moment {
            wall: Timestamp::UNIX_EPOCH,
            up: Duration::ZERO,
        };
        let rules = RulesConfig::default();
        let (engine, _) = Engine::new(rules, Vec::new(), Vec::new(), now);
        let key = key.to_owned();
        let alert = None;
        Self {
            rule,
            key,
            engine,
            now,
            alert,
        }
    }

    fn step(&mut self, input: Input<'_>) {
        let id = self.rule.alert_id(&self.key);
        for effect in self.engine.step(self.now, input) {
            match effect {
                Effect::Alert(alert) if alert.id == id => self.alert = Some(alert),
                Effect::Cleared(alert) if alert.id == id => self.alert = None,
                _ => {}
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now.up += time;
        self.step(Input::Time);
    }

    fn state(&self) -> Option<AlertState> {
        self.alert.as_ref().map(|alert| alert.state)
    }

    /// Fires after its time and not before, and is over after its time and not before.
    fn play(&mut self, mut good: impl FnMut(&mut Self), mut bad: impl FnMut(&mut Self)) {
        let (rule, second) = (self.rule, Duration::from_secs(1));
        good(self);
        self.wait(Duration::from_mins(1));
        assert_eq!(self.state(), None, "{}: {:?}", rule.id, self.alert);
        bad(self);
        self.wait(rule.for_.saturating_sub(second));
        assert_ne!(self.state(), Some(AlertState::Firing), "{}", rule.id);
        self.wait(second);
        assert_eq!(self.state(), Some(AlertState::Firing), "{}", rule.id);
        self.is_well_said();
        good(self);
        self.wait(rule.clear_for.saturating_sub(second));
        if !rule.clear_for.is_zero() {
            assert_eq!(self.state(), Some(AlertState::Firing), "{}", rule.id);
        }
        self.wait(second);
        assert_eq!(self.state(), Some(AlertState::Resolved), "{}", rule.id);
        self.is_well_said();
    }

    fn is_well_said(&self) {
        let alert = self.alert.as_ref().unwrap();
        let whole = !alert.summary.contains(['{', '}']) && !alert.summary.contains("  ");
        assert!(whole, "{}", alert.summary);
    }

    fn says(&mut self, collector: &'static str, reading: &Reading, key: &str, value: Value) {
        let mut reading = reading.clone();
        for (metric, old) in &mut reading.values {
            if metric.key == key {
                *old = value.clone();
            }
        }
        self.step(Input::Batch(&batch(collector, Ok(vec![reading]))));
    }
}

fn is_told(reading: &Reading, key: &str) -> bool {
    reading.value(key).is_some()
}

fn without(reading: &Reading, key: &str) -> Reading {
    let mut reading = reading.clone();
    reading.values.retain(|(metric, _)| metric.key != key);
    reading
}

/// The limits for this reading.
fn levels(threshold: &Threshold, reading: &Reading) -> Option<Levels> {
    let share = threshold.relative.as_ref().and_then(|relative| {
        let whole = reading.value(&relative.of)?.as_number()?;
        Some(relative.percent.of(whole))
    });
    share.or(threshold.levels)
}

fn number(rule: &Rule, threshold: &Threshold, collector: &'static str, reading: &Reading) {
    let key = threshold.metric.as_str();
    let levels = levels(threshold, reading).unwrap();
    let mut scene = Scene::new(rule, reading.subject.key());
    scene.play(
        |scene| scene.says(collector, reading, key, Value::Number(levels.clear.floor())),
        |scene| scene.says(collector, reading, key, Value::Number(levels.limit + 0.5)),
    );
    if let Some(critical) = levels.critical {
        let mut scene = Scene::new(rule, reading.subject.key());
        scene.says(collector, reading, key, Value::Number(critical + 0.5));
        scene.wait(rule.for_);
        assert_eq!(
            scene.alert.unwrap().severity,
            Severity::Critical,
            "{}",
            rule.id
        );
    }
}

/// Whether the rule was seen on something that is published.
fn is_seen(rule: &Rule, published: &Published, collectors: &[&'static str]) -> bool {
    let mut seen = false;
    for (collector, reading) in published
        .iter()
        .filter(|(_, r)| rule.watches(r.subject.key()))
    {
        let key = reading.subject.key();
        match &rule.condition {
            Condition::Number(threshold) if is_told(reading, &threshold.metric) => {
                number(rule, threshold, collector, reading);
                if let Some(relative) = &threshold.relative {
                    number(rule, threshold, collector, &without(reading, &relative.of));
                }
                seen = true;
            }
            Condition::Word { metric, any, .. } if is_told(reading, metric) => {
                let (good, bad) = match any[0].as_str() {
                    "true" => (Value::Flag(false), Value::Flag(true)),
                    "false" => (Value::Flag(true), Value::Flag(false)),
                    word => (Value::from("ok"), Value::from(word)),
                };
                Scene::new(rule, key).play(
                    |scene| scene.says(collector, reading, metric, good.clone()),
                    |scene| scene.says(collector, reading, metric, bad.clone()),
                );
                seen = true;
            }
            Condition::NoData => {
                let there = batch(collector, Ok(vec![reading.clone()]));
                let away = batch(collector, Ok(Vec::new()));
                Scene::new(rule, key).play(
                    |scene| scene.step(Input::Batch(&there)),
                    |scene| scene.step(Input::Batch(&away)),
                );
                seen = true;
            }
            Condition::Number(_) | Condition::Word { .. } => {}
        }
    }
    for collector in collectors {
        let key = format!("collector/{}", slug(collector));
        if rule.watches(&key) {
            let works = batch(collector, Ok(Vec::new()));
            let fails = batch(collector, Err("bus error".to_owned()));
            Scene::new(rule, &key).play(
                |scene| scene.step(Input::Batch(&works)),
                |scene| scene.step(Input::Batch(&fails)),
            );
            seen = true;
        }
    }
    if rule.watches("node/pi") {
        let status = |scene: &mut Scene<'_>, online| {
            let name = "pi";
            scene.step(Input::Node { name, online });
        };
        Scene::new(rule, "node/pi").play(|scene| status(scene, true), |scene| status(scene, false));
        seen = true;
    }
    seen
}

#[tokio::test]
async fn every_rule_fires_and_recovers_on_what_is_really_published() {
    let mut published = tokio::task::spawn_blocking(of_machines).await.unwrap();
    published.extend(tokio::task::spawn_blocking(of_a_ups).await.unwrap());
    published.extend(of_a_room());
    published.extend(of_a_checked_array());
    published.extend(of_the_action().await);
    published.extend(of_the_edge().await);
    published.extend(of_the_node().await);
    published.extend(of_a_fan().await);
    let services = tokio::task::spawn_blocking(of_services);
    published.extend(services.await.unwrap());
    let mut collectors: Vec<&str> = collect::ENTRIES.iter().map(|entry| entry.name).collect();
    collectors.extend(of_the_history().await);
    let others = std::thread::spawn(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let mut all = runtime.block_on(of_a_meter());
        all.extend(runtime.block_on(of_the_future()));
        all
    });
    published.extend(others.join().unwrap());
    let rules: Vec<Arc<Rule>> = RulesConfig::default().rules;
    assert!(rules.len() >= 14);
    for rule in rules {
        assert!(
            is_seen(&rule, &published, &collectors),
            "{} can never fire",
            rule.id
        );
        for except in &rule.except {
            let known = |(_, r): &(_, Reading)| glob(except, r.subject.key());
            let named = |name: &&str| glob(except, &format!("collector/{name}"));
            // Nothing in the machines has these, but boards do.
            let of_boards = ["health/temp-disk-*-sensor-*"].contains(&except.as_str());
            let used = published.iter().any(known) || collectors.iter().any(named);
            assert!(used || of_boards, "{}: {except} is nothing", rule.id);
        }
    }
}

/// What happens at a temperature is what the machine does at it.
#[test]
fn the_limits_fit_the_machines() {
    let published = of_machines();
    let rules = RulesConfig::default().rules;
    for (id, limit, critical) in [
        ("health/temp-coretemp-package-id-0", 90.0, 100.0),
        ("health/temp-k10temp-tctl", 85.0, 100.0),
        ("health/temp-cpu-thermal", 80.0, 85.0),
    ] {
        let (_, reading) = published
            .iter()
            .find(|(_, r)| r.subject.key() == id)
            .unwrap();
        let of_warmth = |rule: &Rule| match &rule.condition {
            Condition::Number(threshold) => threshold.metric == "temperature_c",
            _ => false,
        };
        let watching: Vec<&Arc<Rule>> = rules
            .iter()
            .filter(|rule| rule.watches(id) && of_warmth(rule))
            .collect();
        assert_eq!(watching.len(), 1, "{id}");
        let Condition::Number(threshold) = &watching[0].condition else {
            panic!("{id}")
        };
        let levels = levels(threshold, reading).unwrap();
        assert_eq!(
            (levels.limit, levels.critical),
            (limit, Some(critical)),
            "{id}"
        );
    }
}
