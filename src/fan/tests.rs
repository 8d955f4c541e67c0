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

mod commands;
mod house;
mod measuring;
mod regulator;

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
