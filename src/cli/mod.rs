//! The command line: one file a command. Exit codes: 0 fine, 1 failed at run time, 2 bad usage or
//! configuration.

mod check;
mod doctor;
mod fans;
mod load;
mod log;
mod power;
mod report;
mod run;
mod service;
mod status;
mod store;
mod token;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app;
use crate::config::{Config, Environment, Problem, Sources};
use crate::host::Clock;

/// MQTT-native monitor for people who run servers at home.
#[derive(Debug, Parser)]
#[command(name = "homewatch", version, about, max_term_width = 100)]
struct Arguments {
    /// The configuration file [default: `$HOMEWATCH_CONFIG`, ./config/homewatch.toml or
    /// /etc/homewatch/homewatch.toml, the first that exists].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the service in the foreground (what happens without a command).
    Run(run::RunArgs),
    /// Check the configuration and tell every fault at once.
    Check,
    /// Tell what was found on this machine, what is missing and how to get it.
    Doctor(doctor::DoctorArgs),
    /// Show the running service's state on one screen.
    Status,
    /// Report on a day, a month, a year or any range.
    Report(report::ReportArgs),
    /// Give the fans back that a killed service was driving.
    Fans(fans::FansArgs),
    /// Teach the power model.
    Power(power::PowerArgs),
    /// Make, list and revoke access tokens of the REST API.
    Token(token::TokenArgs),
    /// Copy the store to a file while the service runs or stands.
    Backup(store::FileArgs),
    /// Put a backup in place of the store (the service must not run).
    Restore(store::FileArgs),
    /// Print the history as CSV or JSON lines.
    Export(store::ExportArgs),
}

/// Why a command did not succeed.
#[derive(Debug)]
enum Failure {
    /// Something went wrong at run time.
    Runtime(anyhow::Error),
    /// The configuration is faulty.
    Configuration(Vec<Problem>),
    /// An argument makes no sense.
    Usage(String),
    /// What was to be told has been told.
    Told,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Runtime(error.into())
    }
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    // Clap prints its own errors and ends with 2, help and version with 0.
    let arguments = Arguments::parse();
    let sources = Sources {
        file: arguments.config,
        environment: Environment::of_process(),
        beneath: None,
    };
    let mut out = io::stdout();
    let result = match arguments
        .command
        .unwrap_or_else(|| Command::Run(run::RunArgs::default()))
    {
        Command::Run(args) => run::run(&args, &sources, &mut out),
        Command::Check => check::run(&sources, &mut out),
        Command::Doctor(args) => doctor::run(&args, &sources, &mut out),
        Command::Fans(args) => fans::run(&args, &sources, &mut out),
        Command::Power(args) => power::run(&args, &sources, &mut out),
        Command::Status => status::run(&sources, &mut out),
        Command::Report(args) => report::run(args, &sources, &mut out),
        Command::Token(args) => load(&sources)
            .and_then(|config| Ok(token::run(args, &config.data_dir, &Clock::Real, &mut out)?)),
        Command::Backup(args) => store::backup(&args, &sources, &mut out),
        Command::Restore(args) => store::restore(&args, &sources, &mut out),
        Command::Export(args) => store::export(&args, &sources, &mut out),
    };
    let (code, text) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Told) => return ExitCode::FAILURE,
        // A reader that has seen enough (`| head`) is no failure.
        Err(Failure::Runtime(error)) if is_broken_pipe(&error) => return ExitCode::SUCCESS,
        Err(Failure::Runtime(error)) => (1, format!("homewatch: {error:#}\n")),
        Err(Failure::Configuration(problems)) => (2, faults(&problems)),
        Err(Failure::Usage(text)) => (2, format!("homewatch: {text}\n")),
    };
    // Nothing is left to be done if standard error is closed as well.
    drop(io::stderr().write_all(text.as_bytes()));
    ExitCode::from(code)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Every fault on a line of its own, and how many there are.
fn faults(problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let plural = if problems.len() == 1 {
        "fault"
    } else {
        "faults"
    };
    lines.push(format!(
        "homewatch: {} {plural} in the configuration\n",
        problems.len()
    ));
    lines.join("\n")
}

/// Reads the whole configuration, the collectors' tables included.
fn load(sources: &Sources) -> Result<Config, Failure> {
    app::load(sources).map_err(Failure::Configuration)
}

/// A runtime for the commands that talk to something.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .thread_name("homewatch-work")
        // Longer than the default tick: the worker of the last one serves the next.
        .thread_keep_alive(std::time::Duration::from_secs(75))
        .build()
}
