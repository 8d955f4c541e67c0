//! Dialogues of meters, and a rig that plays them to the real meter task and the real frame.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    missing_docs,
    reason = "test code, shared by several test binaries"
)]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use homewatch::bus::{Bus, Edge, Incoming, State, SubjectState};
use homewatch::collect;
use homewatch::config::{self, Environment, MeterConfig, Sources};
use homewatch::host::{Clock, Host};
use homewatch::meter::{self, Meters};
use homewatch::model::{Topics, Value, duration};
use homewatch::store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The frame's tick.
pub const TICK: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub enum Line {
    Wait(Duration),
    Say {
        topic: String,
        payload: String,
        retained: bool,
    },
    Expect(String),
}

pub struct Dialogue {
    pub config: String,
    pub lines: Vec<(usize, Line)>,
}

impl Dialogue {
    pub fn read(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/dialects");
        let text = std::fs::read_to_string(dir.join(format!("{name}.txt"))).unwrap();
        Self::parse(&text)
    }

    pub fn parse(text: &str) -> Self {
        let mut config = String::from("[power.meters.it]\n");
        let mut lines = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
            match head {
                "config" => config.extend([rest, "\n"]),
                "<" | "<r" => {
                    let (topic, payload) = said(rest);
                    let retained = head == "<r";
                    let line = Line::Say {
                        topic,
                        payload,
                        retained,
                    };
                    lines.push((number, line));
                }
                "?" => lines.push((number, Line::Expect(rest.to_owned()))),
                _ if head.starts_with('+') => {
                    let time = duration(&head[1..]).unwrap_or_else(|| panic!("{line}"));
                    lines.push((number, Line::Wait(time)));
                }
                _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
            }
        }
        Self { config, lines }
    }
}

/// Topics of Zigbee2MQTT have blanks, so the payload begins where JSON does, or else at the last
/// level's first blank.
fn said(text: &str) -> (String, String) {
    let json = text.find(" {");
    let level = text.rfind('/').unwrap_or(0);
    let blank = text[level..].find(' ').map(|at| at + level);
    let plain = blank.or_else(|| text.find(' '));
    let at = json.filter(|json| text[..*json].contains('/') || plain.is_none());
    let at = match (at, plain) {
        (Some(json), _) => json,
        (None, Some(plain)) => plain,
        (None, None) => panic!("no payload: {text}"),
    };
    (text[..at].to_owned(), text[at + 1..].to_owned())
}

/// Reads the meters of a configuration text.
pub fn meters(text: &str) -> Result<Vec<MeterConfig>, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("homewatch.toml");
    std::fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        environment: Environment::default(),
        beneath: None,
    };
    let problems = |list: Vec<config::Problem>| {
        let text = |problem: &config::Problem| format!("{}: {}", problem.key, problem.text);
        list.iter().map(text).collect()
    };
    config::load(&sources)
        .map(|config| config.power.meters)
        .map_err(problems)
}

pub fn topics() -> Topics {
    Topics::new("homewatch", "nas", "homeassistant")
}

/// The meter task and the frame on a bus.
pub struct Rig {
    pub bus: Bus,
    pub store: Store,
    pub clock: Clock,
    pub meters: Meters,
    edge: Edge,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
    dir: Option<tempfile::TempDir>,
}

impl Rig {
    pub async fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let mut rig = Self::with(config, bus, store, clock).await;
        rig.dir = Some(dir);
        rig
    }

    pub async fn with(config: &str, bus: Bus, store: Store, clock: Clock) -> Self {
        Self::with_tick(config, bus, store, clock, TICK).await
    }

    pub async fn with_tick(
        config: &str,
        bus: Bus,
        store: Store,
        clock: Clock,
        tick: Duration,
    ) -> Self {
        let meters = Meters::new(&meters(config).unwrap());
        let host = Host::captured(Path::new("/nonexistent"), clock.clone());
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(meter::run(
            meters.clone(),
            bus.clone(),
            host.clone(),
            store.clone(),
            cancel.clone(),
        ));
        // A test and the frame must not meet at the same moment.
        tokio::time::sleep(tick / 2).await;
        tasks.spawn(collect::run(
            vec![meters.slot()],
            host,
            bus.clone(),
            tick,
            cancel.clone(),
        ));
        tokio::time::sleep(tick / 2).await;
        Self {
            edge: Edge {
                name: "memory",
                topics: topics(),
                bus: bus.clone(),
            },
            bus,
            store,
            clock,
            meters,
            cancel,
            tasks,
            dir: None,
        }
    }

    /// Stops in an orderly way; the store lives on.
    pub async fn stop(mut self) -> (Store, Option<tempfile::TempDir>) {
        self.cancel.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        (self.store, self.dir)
    }

    pub fn say(&self, topic: &str, payload: &str, retained: bool) {
        let incoming = Incoming {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            retain: retained,
            reply: None,
        };
        assert_eq!(self.edge.receive(incoming), None);
    }

    /// Lets time go by on both clocks.
    pub async fn wait(&self, time: Duration) {
        let step = Duration::from_secs(1).min(time);
        let mut left = time;
        while !left.is_zero() {
            tokio::time::sleep(step).await;
            left = left.saturating_sub(step);
            let now = self.clock.now() + jiff::SignedDuration::try_from(step).unwrap();
            self.clock.set(now);
        }
    }

    pub fn subject(&self) -> Option<SubjectState> {
        self.bus.state().subject("power/meter-it")
    }

    pub async fn play(&mut self, dialogue: &Dialogue) {
        for (number, line) in &dialogue.lines {
            match line {
                Line::Wait(time) => self.wait(*time).await,
                Line::Say {
                    topic,
                    payload,
                    retained,
                } => {
                    self.say(topic, payload, *retained);
                    // The task hears it before anything else happens.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Line::Expect(wants) => {
                    for want in wants_of(wants) {
                        if let Err(text) = holds(self.subject().as_ref(), &want) {
                            panic!("line {number}: {want}: {text}\n{:#?}", self.subject());
                        }
                    }
                }
            }
        }
    }
}

/// `key=value` by blanks; `key~text` goes to the end of the line.
pub fn wants_of(text: &str) -> Vec<String> {
    match text.find('~') {
        None => text.split_whitespace().map(str::to_owned).collect(),
        Some(at) => {
            let start = text[..at].rfind(' ').map_or(0, |blank| blank + 1);
            let mut wants = wants_of(&text[..start]);
            wants.push(text[start..].to_owned());
            wants
        }
    }
}

pub fn holds(state: Option<&SubjectState>, want: &str) -> Result<(), String> {
    let available = state.is_some_and(|state| state.available);
    if want == "away" {
        return if available {
            Err("is there".into())
        } else {
            Ok(())
        };
    }
    let state = state.filter(|_| available).ok_or("is away")?;
    let text = |key: &str| {
        if key == "source" {
            return state.source.map(|source| source.as_str().to_owned());
        }
        let value = state.detail.as_ref()?.get(key)?;
        value.as_str().map(str::to_owned)
    };
    if let Some((key, part)) = want.split_once('~') {
        let text = text(key).unwrap_or_default();
        return if text.contains(part) {
            Ok(())
        } else {
            Err(text)
        };
    }
    let (key, want) = want.split_once('=').unwrap();
    let found = state.values.iter().find(|(metric, _)| metric.key == key);
    let said = match found.map(|(_, value)| value) {
        Some(Value::Number(number)) => {
            let same = want
                .parse()
                .is_ok_and(|want: f64| (want - number).abs() < 1e-6);
            return if same {
                Ok(())
            } else {
                Err(number.to_string())
            };
        }
        Some(Value::Flag(flag)) => flag.to_string(),
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Moment(moment)) => moment.to_string(),
        None => text(key).unwrap_or_else(|| "-".to_owned()),
    };
    if said == want { Ok(()) } else { Err(said) }
}
