//! The machine that is watched, as a value: where its `/proc`, `/sys` and `/` are, how programs
//! are run and what time it is. A captured or simulated machine differs only in this value.

mod clock;
mod desk;
mod exec;
mod http;
mod kept;
mod memory;
mod processes;
mod root;
mod space;
#[cfg(test)]
pub(crate) mod testing;
mod tls;

pub use clock::Clock;
pub use desk::{Desk, Done, Errand};
pub use exec::{Exec, ExecError, Output, Remnant};
pub use http::{Answer, Http, HttpError, Lines};
pub use kept::KeptFile;
pub(crate) use kept::open;
pub use memory::Memory;
pub use processes::{Process, Processes};
pub use root::Root;
pub use space::{SPACES, Space, is_shut_down};
pub use tls::tls_client;

use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything a collector may touch of the outside.
#[derive(Debug, Clone)]
pub struct Host {
    /// The trees of `/proc`, `/sys` and `/`.
    pub root: Root,
    /// Outside programs.
    pub exec: Exec,
    /// How those are called that the configuration names (`host.commands`).
    pub commands: Arc<BTreeMap<String, Vec<String>>>,
    /// Wall-clock time.
    pub clock: Clock,
    /// HTTP to the outside.
    pub http: Http,
    /// What collectors must not forget over a restart.
    pub memory: Memory,
    /// What commands ask of collectors.
    pub desk: Desk,
    /// Who runs on it.
    pub processes: Processes,
}

impl Host {
    /// The machine this runs on.
    pub fn real() -> Self {
        Self {
            root: Root::default(),
            exec: Exec::Real,
            commands: Arc::default(),
            clock: Clock::Real,
            http: Http::default(),
            memory: Memory::default(),
            desk: Desk::default(),
            processes: Processes::default(),
        }
    }

    /// A machine that is nothing but a tree with `proc`, `sys` and `root` folders in `dir`.
    pub fn captured(dir: &std::path::Path, clock: Clock) -> Self {
        Self {
            root: Root::new(dir.join("proc"), dir.join("sys"), dir.join("root")),
            exec: Exec::Replay(dir.join("exec")),
            commands: Arc::default(),
            clock,
            http: Http::default(),
            memory: Memory::default(),
            desk: Desk::default(),
            processes: Processes::default(),
        }
    }

    /// The argument vector that calls `program`: the configured one, else its bare name, which is
    /// looked for on PATH.
    pub fn command(&self, program: &str) -> Vec<String> {
        let configured = self.commands.get(program);
        configured.map_or_else(|| vec![program.to_owned()], Clone::clone)
    }
}
