use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::*;
use crate::bus::{Bus, Event, Heard, Request, State};
use crate::host::Clock;
use crate::model::{Area, Batch, Command, CommandResult, Metric, Origin, Outcome, Subject};

struct Rig {
    host: Host,
    bus: Bus,
    cancel: CancellationToken,
    task: tokio::task::JoinSet<()>,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn start(by_command: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::captured(dir.path(), Clock::Real);
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let cancel = CancellationToken::new();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(run(host.clone(), bus.clone(), by_command, cancel.clone()));
        Self {
            host,
            bus,
            cancel,
            task,
            _dir: dir,
        }
    }

    /// Hands the order over as control does; gives nothing if nobody takes it.
    async fn order(&self) -> Option<tokio::sync::oneshot::Receiver<CommandResult>> {
        self.says("short").await
    }

    async fn says(&self, payload: &str) -> Option<tokio::sync::oneshot::Receiver<CommandResult>> {
        tokio::task::yield_now().await;
        let (respond, answer) = tokio::sync::oneshot::channel();
        let name = "health/disk-a/selftest";
        let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
        let request = Request { command, respond };
        let back = self.bus.order(request, self.host.clock.now());
        back.is_none().then_some(answer)
    }

    fn publish(&self, key: &str, metric: &'static Metric, word: &str) {
        let (area, id) = key.split_once('/').unwrap();
        let subject = Subject::of_host(Area::parse(area).unwrap(), id, id);
        let result = Ok(vec![Reading::new(&subject).with(metric, word)]);
        let outcomes = vec![Outcome {
            collector: "x",
            result,
        }];
        let at = self.host.clock.now();
        self.bus.publish(Batch { at, outcomes });
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_is_handed_to_the_collector_and_answered() {
    let rig = Rig::start(true);
    for (payload, done) in [
        ("short", Ok(json!({"state": "begun"}))),
        (r#"{"test":"short"}"#, Err("no".to_owned())),
    ] {
        let answer = rig.says(payload).await.unwrap();
        let errand = loop {
            tokio::task::yield_now().await;
            if let Some(errand) = rig.host.desk.take("smart").pop() {
                break errand;
            }
        };
        assert_eq!(
            (errand.target.as_str(), errand.text.as_deref()),
            ("disk-a", Some("short"))
        );
        errand.answer(done.clone());
        let result = answer.await.unwrap();
        assert_eq!(result.ok, done.is_ok());
        assert_eq!(result.error, done.err());
    }
    // Nobody samples disks.
    let answer = rig.order().await.unwrap();
    let result = answer.await.unwrap();
    assert!(result.error.unwrap().contains("not watched"));
    // It ends though it waits.
    let _answer = rig.order().await.unwrap();
    tokio::task::yield_now().await;
    rig.cancel.cancel();
    rig.task.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn without_leave_no_order_is_taken_but_what_happens_is_told() {
    let mut rig = Rig::start(false);
    assert!(rig.order().await.is_none());
    let mut listener = rig.bus.listen();
    rig.host.desk.tell("selftest", json!({"disk": "a"}));
    let heard = listener.next().await;
    let Heard::Event(Event::Happened(kind, detail)) = heard else {
        panic!("{heard:?}");
    };
    assert_eq!((kind, &*detail), ("selftest", &json!({"disk": "a"})));
    rig.cancel.cancel();
    rig.task.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_calm_when_nothing_is_rebuilt_and_the_mains_are_there() {
    static STATE: Metric = Metric::text("state", "State");
    static WORK: Metric = Metric::text("work", "Work");
    let rig = Rig::start(false);
    let minute = Duration::from_secs(61);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!rig.host.desk.is_calm(), "not known yet");
    tokio::time::sleep(minute).await;
    assert!(rig.host.desk.is_calm());
    for (key, metric, word, calm) in [
        ("health/ups-rack", &STATE, "on_battery", false),
        ("health/ups-rack", &STATE, "on_mains", true),
        ("power/battery-bat0", &STATE, "discharging", false),
        ("health/raid-md0", &STATE, "rebuilding", false),
        ("health/raid-md0", &STATE, "ok", true),
        ("health/pool-zfs-tank", &WORK, "resilver", false),
        ("health/pool-zfs-tank", &WORK, "none", true),
        ("health/fs-root", &STATE, "rebuilding", true),
    ] {
        rig.publish(key, metric, word);
        tokio::time::sleep(minute).await;
        assert_eq!(rig.host.desk.is_calm(), calm, "{key} {word}");
    }
}

#[test]
fn commands_are_taken_only_if_the_configuration_says_so() {
    for (text, want) in [
        ("", false),
        ("[smart]\nevery = \"1h\"", false),
        ("[smart.selftest]\nshort = \"7d\"", false),
        ("[smart.selftest]\ncommand = false", false),
        ("[smart.selftest]\ncommand = true", true),
    ] {
        let source = config::File::from_str(text, config::FileFormat::Toml);
        let built = config::Config::builder()
            .add_source(source)
            .build()
            .unwrap();
        let tables = built.cache.into_table().unwrap().into_iter().collect();
        assert_eq!(takes_orders(&tables), want, "{text}");
        assert_eq!(
            tests_are_scheduled(&tables),
            text.contains("short"),
            "{text}"
        );
    }
}
