//! A simulated home behind the real program: a directory tree that plays `/proc`, `/sys` and `/`
//! of a small home server and lives on while a scenario changes it. Only the hardware edge is
//! simulated; everything above it is the real code.

mod machine;
mod plug;
mod scenario;
mod smart;
mod tree;

pub use scenario::{Scenario, read};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::host::{Clock, Desk, Exec, Host, Http, Memory, Processes, Root};
use machine::Machine;
use plug::Wall;

/// How often the simulated machine moves on.
const STEP: Duration = Duration::from_secs(1);

/// A simulated machine on disk. The folder is removed when it is dropped.
#[derive(Debug)]
pub struct Simulation {
    dir: PathBuf,
    machine: Machine,
    scenario: Scenario,
}

impl Simulation {
    /// Lays the tree in a folder of its own below `parent`, as it is when the scenario begins.
    pub fn new(parent: &Path, scenario: Scenario) -> std::io::Result<Self> {
        let dir = parent.join(format!("homewatch-simulation-{}", std::process::id()));
        let mut simulation = Self {
            dir,
            machine: Machine::default(),
            scenario,
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

    /// Moves the machine on to `elapsed` since the start (real time; the scenario has its speed).
    pub fn step(&mut self, elapsed: Duration) -> std::io::Result<()> {
        self.scenario.apply(elapsed, &mut self.machine.controls);
        self.machine.advance(elapsed);
        tree::write(&self.dir, &self.machine)
    }

    /// Lives on until it is dropped; its smart plugs publish to the broker at `broker`, if there
    /// is one that lets them in.
    pub async fn run(self, broker: Option<SocketAddr>) -> std::io::Result<()> {
        let (plug, wall) = watch::channel(Wall::default());
        let plugs = async {
            match broker {
                Some(broker) => plug::run(broker, wall).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = plugs => Ok(()),
            result = self.live(&plug) => result,
        }
    }

    async fn live(mut self, plug: &watch::Sender<Wall>) -> std::io::Result<()> {
        let start = Instant::now();
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.step(start.elapsed())?;
            plug.send_replace(Wall {
                watts: self.machine.wall_w(),
                kwh: self.machine.wall,
            });
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
