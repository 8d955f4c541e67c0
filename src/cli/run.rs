use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Failure, load, log, runtime};
use crate::app::{self, Program};
use crate::config::Sources;
use crate::simulate::{self, Simulation};

/// `homewatch run …`
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// Watches a simulated home instead of this machine: the scenario in FILE, or a built-in day
    /// in a home lab
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[expect(
        clippy::option_option,
        reason = "clap's way to say: given, with or without a value"
    )]
    simulate: Option<Option<PathBuf>>,
}

/// What still blocks when everything else has ended (a read that hangs in the kernel) is left
/// behind after this long.
const LAST_WAIT: Duration = Duration::from_millis(100);

/// `homewatch run`: the service, in the foreground.
pub(super) fn run(args: &RunArgs, sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    let simulation = simulation(args)?;
    let mut sources = sources.clone();
    sources.beneath = simulation.as_ref().map(Simulation::settings);
    let config = load(&sources)?;
    log::start(&sources);
    let called = match &sources.file {
        Some(file) => format!("{} --config {}", program(), file.display()),
        None => program(),
    };
    let program = Program {
        sources,
        config,
        simulation,
        called,
    };
    let runtime = runtime()?;
    let result = runtime.block_on(app::run(program, out));
    // All has been told and kept. Whoever still waits for a program that hangs is woken by a panic of the
    // runtime, which ends that program with it and is no fault to tell.
    std::panic::set_hook(Box::new(|_| {}));
    runtime.shutdown_timeout(LAST_WAIT);
    Ok(result?)
}

fn simulation(args: &RunArgs) -> Result<Option<Simulation>, Failure> {
    let Some(file) = &args.simulate else {
        return Ok(None);
    };
    let scenario = simulate::read(file.as_deref()).map_err(Failure::Configuration)?;
    Ok(Some(Simulation::new(&std::env::temp_dir(), scenario)?))
}

fn program() -> String {
    std::env::args()
        .next()
        .unwrap_or_else(|| "homewatch".to_owned())
}
