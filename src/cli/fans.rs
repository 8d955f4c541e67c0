use std::io::Write;

use clap::{Args, Subcommand};

use super::{Failure, load};
use crate::app;
use crate::config::Sources;
use crate::fan::Record;

/// `homewatch fans …`
#[derive(Debug, Args)]
pub(super) struct FansArgs {
    #[command(subcommand)]
    action: FansAction,
}

#[derive(Debug, Subcommand)]
enum FansAction {
    /// Gives every fan back to the board that a service which was killed was driving
    Release,
}

/// `homewatch fans release`: what the service's unit calls after every end, also after a crash.
pub(super) fn run(args: &FansArgs, sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    let FansAction::Release = args.action;
    let config = load(sources)?;
    let host = app::host(&config.host);
    let mut record = Record::open(&config.data_dir, &host.root);
    let mut failed = false;
    for (output, result) in record.release() {
        match result {
            Ok(()) => writeln!(out, "{output}: given back")?,
            Err(error) => {
                failed = true;
                writeln!(out, "{output}: cannot be given back: {error}")?;
            }
        }
    }
    if failed {
        return Err(Failure::Told);
    }
    Ok(())
}
