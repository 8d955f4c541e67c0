use std::path::Path;

use super::Failure;
use crate::local::{self, LocalError, Request, Status};

/// Asks the running service, or tells how to start one.
pub(super) fn ask(data_dir: &Path, request: &Request) -> Result<Option<Status>, Failure> {
    let dir = local::find(data_dir).map_err(|error| not_running(error, data_dir))?;
    Ok(local::ask(&dir, request)?)
}

/// The folder of the store on which the service runs.
pub(super) fn find(data_dir: &Path) -> Result<std::path::PathBuf, Failure> {
    local::find(data_dir).map_err(|error| not_running(error, data_dir))
}

fn not_running(error: LocalError, data_dir: &Path) -> Failure {
    match error {
        LocalError::NotRunning => Failure::from(anyhow::anyhow!(
            "homewatch does not run on {}; start it with `homewatch run`, or name its \
             configuration with --config",
            data_dir.display()
        )),
        error @ (LocalError::Denied | LocalError::Failed(_) | LocalError::Io(_)) => error.into(),
    }
}
