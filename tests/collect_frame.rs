//! What the frame does with collectors that hang, crash, fail, recover or are absent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, Listener, State};
use homewatch::collect::{self, Collect, CollectError, Slot};
use homewatch::config::Problems;
use homewatch::host::{Clock, Desk, Host};
use homewatch::model::{Area, Reading, Subject};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(10);

/// What a scripted collector does at one sample.
enum Act {
    Work,
    /// Tells two things of one name.
    Twice,
    Fail(CollectError),
    Crash,
    /// Tells that it has begun, then hangs until it is released.
    Hang(Sender<()>, Receiver<()>),
}

type Script = Arc<Mutex<VecDeque<Act>>>;

struct Scripted {
    subject: Arc<Subject>,
    script: Script,
}

impl Collect for Scripted {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let act = self.script.lock().unwrap().pop_front();
        match act {
            None | Some(Act::Work) => {}
            Some(Act::Twice) => return Ok(vec![Reading::new(&self.subject); 2]),
            Some(Act::Fail(error)) => return Err(error),
            Some(Act::Crash) => panic!("boom"),
            Some(Act::Hang(begun, release)) => {
                begun.send(()).unwrap();
                release.recv().unwrap();
            }
        }
        Ok(vec![Reading::new(&self.subject)])
    }
}

fn slot(name: &'static str, acts: Vec<Act>, built: &Arc<Mutex<u32>>) -> Slot {
    let script: Script = Arc::new(Mutex::new(acts.into()));
    let built = Arc::clone(built);
    Slot::new(name, Duration::ZERO, move || {
        *built.lock().unwrap() += 1;
        Box::new(Scripted {
            subject: Subject::of_host(Area::Health, name, name),
            script: Arc::clone(&script),
        })
    })
}

struct Rig {
    listener: Listener,
    frame: JoinSet<()>,
    cancel: CancellationToken,
}

impl Rig {
    fn run(slots: Vec<Slot>) -> Self {
        Self::with_desk(slots).0
    }

    fn with_desk(slots: Vec<Slot>) -> (Self, Desk) {
        let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
        let host = Host::captured(std::path::Path::new("/nonexistent"), clock);
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let listener = bus.listen();
        let desk = host.desk.clone();
        let cancel = CancellationToken::new();
        let mut frame = JoinSet::new();
        frame.spawn(collect::run(slots, host, bus, INTERVAL, cancel.clone()));
        let rig = Self {
            listener,
            frame,
            cancel,
        };
        (rig, desk)
    }

    /// One tick: `name` with the number of its readings, or its error.
    async fn tick(&mut self) -> Vec<(&'static str, Result<usize, String>)> {
        let Heard::Event(Event::Batch(batch, _)) = self.listener.next().await else {
            panic!("no batch");
        };
        let own = |name: &str| name == "homewatch";
        (batch.outcomes.iter())
            .filter(|outcome| !own(outcome.collector))
            .map(|outcome| {
                let result = outcome.result.as_ref().map(Vec::len);
                (outcome.collector, result.map_err(Clone::clone))
            })
            .collect()
    }
}

fn failed(text: &str) -> Result<usize, String> {
    Err(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_hangs_is_left_behind_and_used_again_when_it_returns() {
    let built = Arc::default();
    let (begun, has_begun) = channel();
    let (release, released) = channel();
    let mut rig = Rig::run(vec![
        slot("first", Vec::new(), &built),
        slot("stuck", vec![Act::Hang(begun, released)], &built),
        slot("last", Vec::new(), &built),
    ]);
    // Lets the frame begin its tick, then waits for the collector to hang.
    while has_begun.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(5)).await;
    let first = rig.tick().await;
    let want = [
        ("first", Ok(1)),
        ("stuck", failed("no answer within 5s")),
        ("last", Ok(1)),
    ];
    assert_eq!(first, want);
    // While it is stuck the others go on without it.
    tokio::time::advance(Duration::from_secs(5)).await;
    let second = rig.tick().await;
    assert_eq!(second[0], ("first", Ok(1)));
    assert!(second.iter().all(|(name, _)| *name != "stuck"));
    release.send(()).unwrap();
    let mut later = Vec::new();
    while later.len() < 3 {
        later = rig.tick().await;
    }
    assert_eq!(later, [("first", Ok(1)), ("stuck", Ok(1)), ("last", Ok(1))]);
    assert_eq!(*built.lock().unwrap(), 3, "none was built anew");
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_crashes_is_built_anew() {
    let built = Arc::default();
    let mut rig = Rig::run(vec![
        slot("crashing", vec![Act::Work, Act::Crash], &built),
        slot("other", Vec::new(), &Arc::default()),
    ]);
    assert_eq!(rig.tick().await[0], ("crashing", Ok(1)));
    let second = rig.tick().await;
    let want = [("crashing", failed("has crashed: boom")), ("other", Ok(1))];
    assert_eq!(second, want);
    assert_eq!(rig.tick().await[0], ("crashing", Ok(1)));
    assert_eq!(*built.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_ever_more_rarely_until_they_pass() {
    let fail = || Act::Fail(CollectError::Transient("no".into()));
    let mut script: Vec<Act> = (0..8).map(|_| fail()).collect();
    script.push(Act::Fail(CollectError::Broken("help".into())));
    let mut rig = Rig::run(vec![slot("failing", script, &Arc::default())]);
    let mut tries = Vec::new();
    let mut last = Vec::new();
    for tick in 0.. {
        let outcomes = rig.tick().await;
        if !outcomes.is_empty() {
            tries.push(tick);
            last.push(outcomes[0].1.clone());
            if last.last().unwrap().is_ok() {
                break;
            }
        }
    }
    // 1, 2, 4, 8, 16 ticks of ten seconds, then every five minutes.
    // The second tick comes after one second and is none of those.
    assert_eq!(tries, [0, 2, 4, 8, 16, 32, 62, 92, 122, 152]);
    assert_eq!(last[8], failed("help"));
    // Recovered: again at every tick.
    assert_eq!(rig.tick().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_things_of_one_name_are_told_once() {
    let script = vec![Act::Twice, Act::Twice];
    let mut rig = Rig::run(vec![slot("twins", script, &Arc::default())]);
    for _ in 0..3 {
        assert_eq!(rig.tick().await, [("twins", Ok(1))]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_here_is_no_error_and_asked_again_the_rarer_the_more_that_costs() {
    for (error, ticks) in [
        (CollectError::Absent("none".into()), 6),
        (CollectError::Lacking("none".into()), 60),
    ] {
        let away = Act::Fail(error);
        let mut rig = Rig::run(vec![slot("away", vec![away], &Arc::default())]);
        assert_eq!(rig.tick().await, [("away", Ok(0))]);
        for _ in 1..=ticks {
            assert_eq!(rig.tick().await, []);
        }
        assert_eq!(rig.tick().await, [("away", Ok(1))]);
    }
}

#[tokio::test(start_paused = true)]
async fn missed_ticks_are_not_made_up_for_and_the_stop_is_prompt() {
    let mut rig = Rig::run(vec![slot("one", Vec::new(), &Arc::default())]);
    rig.tick().await;
    // To a moment well before the next tick.
    tokio::time::advance(INTERVAL * 50 + INTERVAL / 5).await;
    rig.tick().await;
    let begun = tokio::time::Instant::now();
    rig.tick().await;
    assert!(begun.elapsed() > INTERVAL / 2, "no second tick at once");
    rig.cancel.cancel();
    rig.frame.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_has_just_looked_is_not_asked_at_a_tick_that_follows_a_slow_one_at_once() {
    let built = Arc::default();
    let (begun, has_begun) = channel();
    let (release, released) = channel();
    let mut rig = Rig::run(vec![
        slot("early", Vec::new(), &built),
        slot("stuck", vec![Act::Work, Act::Hang(begun, released)], &built),
        slot("late", Vec::new(), &built),
    ]);
    rig.tick().await;
    // The second tick is after a second, and takes until the third is due.
    tokio::time::advance(Duration::from_secs(1)).await;
    while has_begun.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(INTERVAL).await;
    let second = rig.tick().await;
    assert_eq!(second.len(), 3, "{second:?}");
    release.send(()).unwrap();
    let names = async |rig: &mut Rig| {
        let told = rig.tick().await.into_iter();
        told.map(|(name, _)| name).collect::<Vec<_>>()
    };
    // Two looks of `late` would lie milliseconds apart.
    let third = names(&mut rig).await;
    assert!(
        third.contains(&"early") && !third.contains(&"late"),
        "{third:?}"
    );
    let fourth = names(&mut rig).await;
    assert!(fourth.contains(&"late"), "{fourth:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_something_to_do_is_asked_before_it_is_due_and_alone() {
    let built = Arc::default();
    let rarely = slot("rare", Vec::new(), &built);
    let (mut rig, desk) = Rig::with_desk(vec![slot("often", Vec::new(), &built), rarely]);
    rig.tick().await;
    rig.tick().await;
    let begun = tokio::time::Instant::now();
    desk.hurry("rare");
    assert_eq!(rig.tick().await, [("rare", Ok(1))]);
    desk.hurry("rare");
    desk.hurry("unknown");
    assert_eq!(rig.tick().await, [("rare", Ok(1))]);
    let passed = begun.elapsed();
    assert!(passed >= Duration::from_millis(500) && passed < Duration::from_secs(1));
    assert_eq!(rig.tick().await, [("often", Ok(1)), ("rare", Ok(1))]);
}

fn table(key: &str, value: impl Into<config::Value>) -> config::Value {
    let map = config::Map::from_iter([(key.to_owned(), value.into())]);
    config::Value::new(Some(&"home.toml".to_owned()), map)
}

#[test]
fn faults_of_the_tables_are_told_all_at_once() {
    let host = Host::captured(std::path::Path::new("/nonexistent"), Clock::Real);
    let problems = Problems::default();
    let tables = BTreeMap::from_iter([
        ("memroy".to_owned(), table("enabled", true)),
        ("xyzzy".to_owned(), table("enabled", true)),
        ("memory".to_owned(), table("enabeld", true)),
        ("uptime".to_owned(), table("enabled", false)),
        ("processes".to_owned(), table("top", 99)),
    ]);
    let slots = collect::build_all(&host, &tables, &problems);
    assert_eq!(slots.len(), collect::ENTRIES.len() - 1);
    assert!(slots.iter().all(|slot| slot.name() != "uptime"));
    let texts: Vec<String> = problems
        .into_vec()
        .iter()
        .map(ToString::to_string)
        .collect();
    let begins = [
        "home.toml: collect.memroy: is no collector; did you mean \"memory\"?",
        "home.toml: collect.xyzzy: is no collector; there are cpu, ",
        "home.toml: collect.memory.enabeld: is not a known key; did you mean \"enabled\"?",
        "home.toml: collect.processes.top: (99) must be a whole number from 0 to 50",
    ];
    assert_eq!(texts.len(), begins.len(), "{texts:?}");
    for (text, begin) in texts.iter().zip(begins) {
        assert!(
            text.contains(begin.trim_start_matches("home.toml: ")),
            "{text}"
        );
    }
}
