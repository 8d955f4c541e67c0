//! Fan control over a chip that is a folder: regulator, measuring, and the task as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Deed, Measured, Measuring, Next, Record, Regulator, Seen, Setup, Stand, Wish, run};
use crate::bus::{Bus, Heard, Listener, Request, State};
use crate::config::{FanConfig, FanCurve, FansConfig, OutputAddress};
use crate::host::{Clock, Host, Root};
use crate::model::{
    Area, Batch, Command, CommandResult, Metric, Origin, Outcome, Reading, Subject,
};
use crate::model::{Timestamp, Unit};

fn curve() -> FanCurve {
    FanCurve {
        name: "quiet".to_owned(),
        points: vec![(40.0, 20.0), (60.0, 60.0), (80.0, 100.0)],
    }
}

fn config() -> FanConfig {
    FanConfig {
        id: "case".to_owned(),
        label: "Case".to_owned(),
        output: OutputAddress {
            chip: "nct6775".to_owned(),
            place: None,
            channel: 2,
        },
        tacho: 2,
        sensors: vec!["temp-coretemp*".to_owned()],
        curve: "quiet".to_owned(),
        hysteresis_k: 4.0,
        full_at_c: 85.0,
        min_pct: Some(25.0),
        start_pct: Some(40.0),
        may_stop: false,
        commands: true,
    }
}

/// A fan that does what it is told: it turns from `min` on, begins at `start`.
struct Toy {
    regulator: Regulator,
    now: Duration,
    drive: Option<f64>,
    rpm: Option<f64>,
}

impl Toy {
    fn new(config: &FanConfig, wish: Wish) -> Self {
        Self {
            regulator: Regulator::new(config, wish, None),
            now: Duration::ZERO,
            drive: None,
            rpm: Some(900.0),
        }
    }

    fn step(&mut self, hottest_c: Option<f64>) -> (Deed, Stand) {
        let seen = Seen {
            hottest_c,
            rpm: self.rpm,
            drive_pct: self.drive,
        };
        let (deed, stand) = self.regulator.step(self.now, seen);
        self.now += FansConfig::STEP;
        self.drive = match deed {
            Deed::Drive(drive) => Some(drive),
            Deed::Release => None,
        };
        (deed, stand)
    }

    fn steps(&mut self, count: usize, hottest_c: Option<f64>) -> (Deed, Stand) {
        let last = (0..count).map(|_| self.step(hottest_c)).last();
        last.unwrap()
    }
}

fn close(deed: Deed, want: f64) {
    let Deed::Drive(drive) = deed else {
        panic!("given back instead of {want} %")
    };
    assert!((drive - want).abs() < 1e-6, "{drive} % instead of {want} %");
}

#[test]
fn it_follows_its_curve_up_at_once_and_down_when_it_is_cooler_by_the_hysteresis() {
    let mut toy = Toy::new(&config(), Wish::Curve(curve()));
    close(toy.step(Some(50.0)).0, 40.0);
    close(toy.step(Some(60.0)).0, 60.0);
    close(toy.step(Some(57.0)).0, 60.0);
    close(toy.step(Some(56.0)).0, 60.0);
    let (deed, stand) = toy.step(Some(50.0));
    close(deed, 48.0);
    assert_eq!(stand, Stand::Curve);
    close(toy.step(Some(20.0)).0, 25.0);
    let (deed, stand) = toy.step(Some(85.0));
    close(deed, 100.0);
    assert_eq!(stand, Stand::Full);
}

#[test]
fn a_fan_stands_still_only_if_it_may_and_gets_a_push_to_begin() {
    let may = FanConfig {
        may_stop: true,
        ..config()
    };
    let silent = FanCurve {
        points: vec![(40.0, 0.0), (80.0, 100.0)],
        ..curve()
    };
    let mut toy = Toy::new(&config(), Wish::Curve(silent.clone()));
    close(toy.step(Some(30.0)).0, 25.0);
    let mut toy = Toy::new(&may, Wish::Curve(silent));
    close(toy.step(Some(30.0)).0, 0.0);
    toy.rpm = Some(0.0);
    close(toy.step(Some(44.0)).0, 40.0);
    toy.rpm = Some(500.0);
    close(toy.step(Some(44.0)).0, 40.0);
    close(toy.step(Some(44.0)).0, 25.0);
    // Nobody counts: it is known to stand still by its drive alone.
    toy.rpm = None;
    close(toy.step(Some(30.0)).0, 0.0);
    close(toy.step(Some(44.0)).0, 40.0);
    close(toy.steps(3, Some(44.0)).0, 25.0);
}

#[test]
fn a_fan_that_does_not_turn_gets_everything_and_is_told() {
    let mut toy = Toy::new(&config(), Wish::Fixed(30.0));
    close(toy.step(Some(40.0)).0, 30.0);
    toy.rpm = Some(0.0);
    close(toy.step(Some(40.0)).0, 40.0);
    assert!(!toy.regulator.is_stalled());
    let (deed, stand) = toy.steps(9, Some(40.0));
    close(deed, 100.0);
    assert_eq!((stand, toy.regulator.is_stalled()), (Stand::Full, true));
    toy.rpm = Some(700.0);
    close(toy.step(Some(40.0)).0, 30.0);
    assert!(!toy.regulator.is_stalled());
}

#[test]
fn without_temperatures_it_goes_on_for_a_moment_and_is_then_given_back() {
    let mut toy = Toy::new(&config(), Wish::Curve(curve()));
    close(toy.step(None).0, 100.0);
    close(toy.step(Some(50.0)).0, 48.0);
    close(toy.step(None).0, 48.0);
    let (deed, stand) = toy.steps(6, None);
    assert_eq!((deed, stand), (Deed::Release, Stand::Blind));
    assert_eq!(
        toy.steps(10, Some(50.0)).1,
        Stand::Blind,
        "not believed yet"
    );
    let (deed, stand) = toy.steps(7, Some(50.0));
    close(deed, 40.0);
    assert_eq!(stand, Stand::Curve);
}

#[test]
fn who_else_sets_the_output_gets_the_fan_until_somebody_asks_again() {
    let mut toy = Toy::new(&config(), Wish::Fixed(50.0));
    close(toy.step(Some(50.0)).0, 50.0);
    for _ in 0..2 {
        toy.drive = Some(80.0);
        close(toy.step(Some(50.0)).0, 50.0);
    }
    toy.drive = None;
    assert_eq!(toy.step(Some(50.0)), (Deed::Release, Stand::Foreign));
    assert_eq!(toy.steps(20, Some(50.0)).1, Stand::Foreign);
    toy.regulator.ask(Wish::Fixed(60.0));
    close(toy.step(Some(50.0)).0, 60.0);
    toy.regulator.ask(Wish::Auto);
    assert_eq!(toy.step(Some(95.0)), (Deed::Release, Stand::Auto));
    assert_eq!(toy.regulator.wish(), &Wish::Auto);
}

/// Runs a whole measuring on a fan that turns above `min` and begins at `start`.
fn measure(min: f64, start: f64) -> Next {
    let mut run = Measuring::new(80.0);
    let (mut drive, mut turns, mut now) = (50.0, true, Duration::ZERO);
    let mut before = 0.0;
    for _ in 0..500 {
        turns = if turns { drive >= min } else { drive >= start };
        let seen = Seen {
            hottest_c: Some(50.0),
            rpm: Some(if turns { 300.0 + 10.0 * drive } else { 0.0 }),
            drive_pct: Some(drive),
        };
        match run.step(now, seen) {
            Next::Drive(next) => drive = next,
            end @ (Next::Done(_) | Next::Failed(_)) => return end,
        }
        assert!(run.progress_pct() >= before, "it does not go back");
        before = run.progress_pct();
        now += FansConfig::STEP;
    }
    panic!("it does not end")
}

#[test]
fn a_guided_run_finds_the_least_and_the_starting_drive() {
    let Next::Done(found) = measure(22.0, 33.0) else {
        panic!("not measured")
    };
    assert_eq!((found.min_pct, found.start_pct), (25.0, 35.0));
    assert_eq!((found.speeds.len(), found.speeds[0]), (16, (100.0, 1300.0)));
    let Next::Done(pump) = measure(-1.0, 0.0) else {
        panic!("not measured")
    };
    assert_eq!((pump.min_pct, pump.start_pct), (0.0, 0.0));
    let Next::Failed(text) = measure(30.0, 200.0) else {
        panic!("measured")
    };
    assert!(text.contains("does not begin to turn again"));
    let Next::Failed(text) = measure(200.0, 200.0) else {
        panic!("measured")
    };
    assert!(text.contains("does not turn at full drive"));
}

#[test]
fn a_guided_run_ends_in_every_doubt() {
    let good = Seen {
        hottest_c: Some(50.0),
        rpm: Some(900.0),
        drive_pct: Some(50.0),
    };
    for (seen, words) in [
        (
            Seen {
                hottest_c: None,
                ..good
            },
            "no temperature",
        ),
        (
            Seen {
                hottest_c: Some(76.0),
                ..good
            },
            "76 °C is too hot",
        ),
        (Seen { rpm: None, ..good }, "not counted"),
    ] {
        let mut run = Measuring::new(80.0);
        assert_eq!(run.step(Duration::ZERO, good), Next::Drive(100.0));
        let Next::Failed(text) = run.step(FansConfig::STEP, seen) else {
            panic!("{words}")
        };
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn what_was_measured_holds_where_the_configuration_says_nothing() {
    let plain = FanConfig {
        min_pct: None,
        start_pct: None,
        ..config()
    };
    let mut cautious = Regulator::new(&plain, Wish::Fixed(1.0), None);
    let seen = Seen {
        hottest_c: Some(30.0),
        rpm: Some(500.0),
        drive_pct: None,
    };
    close(cautious.step(Duration::ZERO, seen).0, 30.0);
    let mut known = Regulator::new(&plain, Wish::Fixed(1.0), Some((12.0, 18.0)));
    close(known.step(Duration::ZERO, seen).0, 12.0);
}

/// A machine with a processor and a board whose second fan can be driven.
struct House {
    dir: TempDir,
    bus: Bus,
    requests: tokio::sync::mpsc::Receiver<Request>,
    listener: Listener,
    cancel: CancellationToken,
    task: JoinSet<()>,
}

fn chip(dir: &Path, number: u32, name: &str, device: &str, files: &[(&str, &str)]) {
    let real = dir.join(format!("sys/devices/{device}/hwmon/hwmon{number}"));
    fs::create_dir_all(&real).unwrap();
    fs::write(real.join("name"), name).unwrap();
    for (file, text) in files {
        fs::write(real.join(file), text).unwrap();
    }
    symlink(
        dir.join(format!("sys/devices/{device}")),
        real.join("device"),
    )
    .unwrap();
    let class = dir.join("sys/class/hwmon");
    fs::create_dir_all(&class).unwrap();
    symlink(&real, class.join(format!("hwmon{number}"))).unwrap();
}

fn machine() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let boot = dir.path().join("proc/sys/kernel/random");
    fs::create_dir_all(&boot).unwrap();
    fs::write(boot.join("boot_id"), "one\n").unwrap();
    chip(
        dir.path(),
        0,
        "coretemp",
        "platform/coretemp.0",
        &[("temp1_input", "50000"), ("temp1_label", "Package id 0")],
    );
    chip(
        dir.path(),
        1,
        "nct6775",
        "platform/nct6775.656",
        &[
            ("fan2_input", "900"),
            ("pwm2", "90"),
            ("pwm2_enable", "5"),
            ("temp1_input", "99000"),
        ],
    );
    dir
}

fn host(dir: &TempDir) -> Host {
    Host::captured(dir.path(), Clock::set_to(Timestamp::UNIX_EPOCH))
}

fn output(dir: &TempDir, file: &str) -> PathBuf {
    let chip = "sys/devices/platform/nct6775.656/hwmon/hwmon1";
    dir.path().join(chip).join(file)
}

fn said(dir: &TempDir, file: &str) -> String {
    Root::read(&output(dir, file)).unwrap()
}

impl House {
    fn new(dir: TempDir, host: Host, fan: FanConfig) -> Self {
        let (bus, requests) = Bus::new(State::new(Duration::from_mins(5)));
        let cancel = CancellationToken::new();
        let setup = Setup {
            config: FansConfig {
                curves: vec![curve()],
                fans: vec![fan],
            },
            data_dir: dir.path().to_owned(),
            host,
            tables: BTreeMap::new(),
            interval: Duration::from_secs(10),
        };
        let listener = bus.listen();
        let mut task = JoinSet::new();
        task.spawn(run(setup, bus.clone(), cancel.clone()));
        Self {
            dir,
            bus,
            requests,
            listener,
            cancel,
            task,
        }
    }

    fn set(&self, file: &str, text: &str) {
        fs::write(output(&self.dir, file), text).unwrap();
    }

    fn warm(&self, millidegrees: &str) {
        let file = "sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_input";
        fs::write(self.dir.path().join(file), millidegrees).unwrap();
    }

    /// What is told next that fits.
    async fn told(&mut self, fits: impl Fn(&Reading) -> bool) -> Reading {
        let wait = async {
            loop {
                if let Heard::Event(crate::bus::Event::Batch(batch, _)) = self.listener.next().await
                    && let Some(reading) = batch.outcomes[0].result.as_ref().unwrap().first()
                    && fits(reading)
                {
                    return reading.clone();
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(30), wait)
            .await
            .unwrap()
    }

    async fn mode(&mut self, mode: &str) -> Reading {
        self.told(|reading| reading.value("mode") == Some(&mode.into()))
            .await
    }

    /// Hands a command on as the rules' task does.
    async fn ask(&mut self, name: &str, payload: &str) -> CommandResult {
        let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
        let bus = self.bus.clone();
        let handed_on = async {
            let request = self.requests.recv().await.unwrap();
            let left = self.bus.order(request, Timestamp::UNIX_EPOCH);
            assert!(left.is_none(), "somebody takes it");
        };
        tokio::join!(bus.command(command), handed_on).0
    }

    async fn stop(mut self) -> TempDir {
        self.cancel.cancel();
        while self.task.join_next().await.is_some() {}
        self.dir
    }
}

#[tokio::test(start_paused = true)]
async fn a_fan_is_driven_by_the_named_sensor_and_given_back_at_the_stop() {
    let dir = machine();
    let host = host(&dir);
    let mut house = House::new(dir, host, config());
    let told = house.mode("curve").await;
    assert_eq!(told.value("fault"), Some(&false.into()));
    assert_eq!(
        told.value("temperature_c"),
        Some(&50.0.into()),
        "not the board's 99 °C"
    );
    assert_eq!(told.detail.as_ref().unwrap()["set"], "quiet");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        (said(&house.dir, "pwm2_enable"), said(&house.dir, "pwm2")),
        ("1".into(), "102".into())
    );
    house.warm("90000");
    house.mode("full").await;
    assert_eq!(said(&house.dir, "pwm2"), "255");
    let dir = house.stop().await;
    assert_eq!(said(&dir, "pwm2_enable"), "5");
}

#[tokio::test(start_paused = true)]
async fn commands_set_a_percentage_a_curve_or_auto_and_are_remembered() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    let told = house.bus.state().subject("health/fancontrol-case").unwrap();
    let offered: Vec<&str> = told.offers.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(offered, ["set_curve", "set_drive", "measure"]);
    for (payload, ok) in [
        ("70%", true),
        (r#"{"set":55}"#, true),
        (r#"{"set":"quiet"}"#, true),
        ("150", false),
        ("loud", false),
        ("", false),
    ] {
        let result = house.ask("fan/case/set", payload).await;
        assert_eq!(result.ok, ok, "{payload}: {result:?}");
    }
    let result = house.ask("fan/none/set", "auto").await;
    assert!(result.error.unwrap().contains("there are case"));
    assert!(house.ask("fan/case/set", "auto").await.ok);
    house.mode("auto").await;
    assert_eq!(said(&house.dir, "pwm2_enable"), "5", "the board has it");
    let dir = house.stop().await;
    let mut again = House::new(dir, machine, config());
    again.mode("auto").await;
    again.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_leave_no_command_is_obeyed() {
    let dir = machine();
    let other = FanConfig {
        commands: false,
        ..config()
    };
    let machine = host(&dir);
    let mut house = House::new(dir, machine, other);
    house.mode("curve").await;
    let told = house.bus.state().subject("health/fancontrol-case").unwrap();
    assert_eq!(told.offers, []);
    let command = Command::parse("fan/case/set", b"auto", Origin::Push).unwrap();
    let (respond, _answer) = tokio::sync::oneshot::channel();
    let request = Request { command, respond };
    let left = house.bus.order(request, Timestamp::UNIX_EPOCH);
    assert!(left.is_some(), "nobody takes it");
    house.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_measuring_goes_by_command_and_its_result_is_kept() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    assert!(house.ask("fan/case/measure", "").await.ok);
    let twice = house.ask("fan/case/measure", "").await;
    assert!(twice.error.unwrap().contains("already"));
    house.mode("measuring").await;
    // The fan: it turns from 20 % on.
    let mut found = None;
    for _ in 0..400 {
        tokio::time::sleep(FansConfig::STEP).await;
        let drive: f64 = said(&house.dir, "pwm2").parse().unwrap();
        house.set("fan2_input", if drive >= 51.0 { "800" } else { "0" });
        found = machine.memory.get::<serde_json::Value>("fan/case");
        if found
            .as_ref()
            .is_some_and(|kept| !kept["measured"].is_null())
        {
            break;
        }
    }
    let kept: Measured = serde_json::from_value(found.unwrap()["measured"].clone()).unwrap();
    assert_eq!((kept.min_pct, kept.start_pct), (20.0, 20.0));
    let told = house.mode("curve").await;
    assert_eq!(told.detail.unwrap()["min_pct"], 20.0);
    // One that must end early leaves the fan to its curve.
    assert!(house.ask("fan/case/measure", "").await.ok);
    house.mode("measuring").await;
    house.warm("82000");
    house.mode("curve").await;
    house.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_has_left_is_given_back() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    let kept = fs::read(house.dir.path().join("fans.json")).unwrap();
    let dir = house.stop().await;
    // As after a `kill -9`: the output is ours, the record says how it was.
    let again = |boot: &str| {
        fs::write(output(&dir, "pwm2_enable"), "1").unwrap();
        fs::write(dir.path().join("fans.json"), &kept).unwrap();
        fs::write(dir.path().join("proc/sys/kernel/random/boot_id"), boot).unwrap();
        let mut record = Record::open(dir.path(), &machine.root);
        record
            .release()
            .into_iter()
            .filter(|(_, result)| result.is_ok())
            .count()
    };
    assert_eq!(again("two"), 0, "another boot: the board has it anyway");
    assert_eq!(again("one"), 1);
    assert_eq!(said(&dir, "pwm2_enable"), "5");
    let mut record = Record::open(dir.path(), &machine.root);
    assert!(record.release().is_empty(), "and once");
    // The next run gives back first, also if it shall not drive.
    fs::write(output(&dir, "pwm2_enable"), "1").unwrap();
    fs::write(dir.path().join("fans.json"), &kept).unwrap();
    machine.memory.put(
        "fan/case",
        &serde_json::json!({"wish": "auto", "measured": null}),
    );
    let mut house = House::new(dir, machine, config());
    house.mode("auto").await;
    assert_eq!(said(&house.dir, "pwm2_enable"), "5");
    house.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_board_without_an_automatic_runs_the_fan_fully_afterwards() {
    for mode in [None, Some("1")] {
        let dir = machine();
        fs::remove_file(output(&dir, "pwm2_enable")).unwrap();
        if let Some(mode) = mode {
            fs::write(output(&dir, "pwm2_enable"), mode).unwrap();
        }
        let machine = host(&dir);
        let mut house = House::new(dir, machine, config());
        house.mode("curve").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(said(&house.dir, "pwm2"), "102");
        let dir = house.stop().await;
        assert_eq!(said(&dir, "pwm2"), "255");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_are_told_in_words() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    house.set("pwm2_enable", "5");
    for _ in 0..4 {
        tokio::time::sleep(FansConfig::STEP).await;
        house.set("pwm2_enable", "5");
    }
    let told = house.mode("foreign").await;
    assert!(
        told.detail.unwrap()["fault_text"]
            .as_str()
            .unwrap()
            .contains("something else")
    );
    assert!(house.ask("fan/case/set", "30").await.ok);
    house.mode("fixed").await;
    house.set("fan2_input", "0");
    let told = house.mode("full").await;
    assert!(
        told.detail.unwrap()["fault_text"]
            .as_str()
            .unwrap()
            .contains("not turn")
    );
    house.warm("nonsense");
    let told = house.mode("blind").await;
    assert!(told.value("temperature_c").is_none(), "unknown is absent");
    fs::remove_file(output(&house.dir, "pwm2")).unwrap();
    let gone = |reading: &Reading| {
        let detail = reading.detail.as_ref().unwrap();
        detail["fault_text"]
            .as_str()
            .is_some_and(|text| text.contains("cannot be read"))
    };
    house.told(gone).await;
    house.stop().await;
    // A chip that is not there, and two that cannot be told apart.
    for (name, second, words) in [
        ("it87", "other", "no chip it87"),
        ("nct6775", "nct6775", "several chips"),
    ] {
        let dir = self::machine();
        chip(dir.path(), 7, second, "platform/second.1", &[]);
        let other = FanConfig {
            output: OutputAddress {
                chip: name.to_owned(),
                ..config().output
            },
            ..config()
        };
        let machine = host(&dir);
        let mut house = House::new(dir, machine, other);
        let told = house.told(|_| true).await;
        let text = told.detail.unwrap()["fault_text"].to_string();
        assert!(text.contains(words), "{text}");
        house.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn other_collectors_temperatures_count_while_they_are_fresh() {
    static WARM: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius);
    let dir = machine();
    let clock = Clock::set_to(Timestamp::UNIX_EPOCH);
    let machine = Host::captured(dir.path(), clock.clone());
    let by_disk = FanConfig {
        sensors: vec!["disk-*".to_owned(), "temp-coretemp*".to_owned()],
        ..config()
    };
    let mut house = House::new(dir, machine, by_disk);
    house.mode("blind").await;
    let disk = Subject::of_host(Area::Health, "disk-a", "Disk");
    let batch = |warm: f64| Batch {
        at: Timestamp::UNIX_EPOCH,
        outcomes: vec![Outcome {
            collector: "smart",
            result: Ok(vec![Reading::new(&disk).with(&WARM, warm)]),
        }],
    };
    house.bus.publish(batch(61.0));
    let of_fan = |reading: &Reading| reading.value("mode") == Some(&"curve".into());
    let told = house.told(of_fan).await;
    assert_eq!(told.value("temperature_c"), Some(&61.0.into()));
    house.stop().await;
}

#[test]
fn outputs_are_listed_as_the_configuration_calls_them() {
    let dir = machine();
    chip(
        dir.path(),
        2,
        "pwmfan",
        "platform/cooling_fan",
        &[("pwm1", "0")],
    );
    chip(
        dir.path(),
        3,
        "pwmfan",
        "platform/other_fan",
        &[("pwm1", "0")],
    );
    let found: Vec<_> = super::outputs(&host(&dir).root)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        found,
        ["nct6775/2", "pwmfan@cooling-fan/1", "pwmfan@other-fan/1"]
    );
    let machine = host(&dir);
    let may = |output: &OutputAddress| super::writable(&machine.root, output);
    assert!(may(&config().output).unwrap());
    let none = OutputAddress {
        channel: 9,
        ..config().output
    };
    assert!(may(&none).unwrap_err().to_string().contains("pwm9"));
}
