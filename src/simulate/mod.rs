//! A simulated home behind the real program: a directory tree that plays `/proc`, `/sys` and `/`
//! of a small home server and lives on while a scenario changes it. Only the hardware edge is
//! simulated; everything above it is the real code.

mod engine;
mod graphics;
mod machine;
mod plug;
mod programs;
mod scenario;
mod smart;
mod supply;
mod tree;

pub use scenario::{Scenario, read};

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::host::{Clock, Desk, Exec, Host, Http, Memory, Processes, Root};
use machine::Machine;
use plug::Wall;
use supply::Supply;

/// What the home is set up with; it ends in the table of the UPS.
const HOME: &str = include_str!("home.toml");

/// How often the simulated machine moves on.
const STEP: Duration = Duration::from_secs(1);

/// A simulated machine on disk. The folder is removed when it is dropped.
#[derive(Debug)]
pub struct Simulation {
    dir: PathBuf,
    machine: Machine,
    scenario: Scenario,
    /// Where its UPS is asked.
    ups: (TcpListener, SocketAddr),
}

impl Simulation {
    /// Lays the tree in a folder of its own below `parent`, as it is when the scenario begins.
    pub fn new(parent: &Path, scenario: Scenario) -> std::io::Result<Self> {
        let dir = parent.join(format!("homewatch-simulation-{}", std::process::id()));
        let mut simulation = Self {
            dir,
            machine: Machine::default(),
            scenario,
            ups: supply::bind()?,
        };
        simulation.step(Duration::ZERO)?;
        Ok(simulation)
    }

    /// The machine as collectors see it. Time is real: only the hardware is not.
    pub fn host(&self) -> Host {
        Host {
            root: Root::new(
                self.dir.join("proc"),
                self.dir.join("sys"),
                self.dir.join("root"),
            ),
            exec: Exec::Replay(self.dir.join("exec")),
            clock: Clock::Real,
            commands: Arc::default(),
            http: Http::default(),
            memory: Memory::default(),
            desk: Desk::default(),
            processes: Processes::default(),
        }
    }

    /// What the home is set up with, as TOML: for what the user's configuration says nothing of.
    pub fn settings(&self) -> String {
        format!("{HOME}nut = \"{}\"\n", self.ups.1)
    }

    /// Moves the machine on to `elapsed` since the start (real time; the scenario has its speed).
    pub fn step(&mut self, elapsed: Duration) -> std::io::Result<()> {
        self.scenario.apply(elapsed, &mut self.machine.controls);
        self.machine.drive_pct = tree::drive(&self.dir);
        self.machine.advance(elapsed);
        tree::write(&self.dir, &self.machine)
    }

    /// Lives on until it is dropped; its smart plugs publish to the broker at `broker`, if there
    /// is one that lets them in.
    pub async fn run(self, broker: Option<SocketAddr>) -> std::io::Result<()> {
        let (plug, wall) = watch::channel(Wall::default());
        let (ups, supply) = watch::channel(Supply::of(&self.machine));
        let (felled, down) = watch::channel(false);
        let plugs = async {
            match broker {
                Some(broker) => plug::run(broker, wall).await,
                None => std::future::pending().await,
            }
        };
        let listener = self.ups.0.try_clone()?;
        let socket = self.dir.join("root/run/docker.sock");
        tokio::select! {
            () = plugs => Ok(()),
            result = supply::serve(listener, supply) => result,
            result = engine::serve(&socket, down) => result,
            result = self.live(&plug, &ups, &felled) => result,
        }
    }

    async fn live(
        mut self,
        plug: &watch::Sender<Wall>,
        ups: &watch::Sender<Supply>,
        felled: &watch::Sender<bool>,
    ) -> std::io::Result<()> {
        let start = Instant::now();
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.step(start.elapsed())?;
            let controls = &self.machine.controls;
            plug.send_replace(Wall {
                watts: self.machine.wall_w(),
                kwh: self.machine.wall,
                room_c: controls.get("room_temperature_c"),
            });
            ups.send_replace(Supply::of(&self.machine));
            felled.send_replace(controls.get("container_failed") >= 1.0);
        }
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "the simulated tree could not be removed");
        }
    }
}
