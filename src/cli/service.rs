use std::path::{Path, PathBuf};

use super::Failure;
use crate::app::SIMULATED;
use crate::local::{self, LocalError, Request, Status};

/// The folder of the store on which a service runs: the real one, else that of a simulated home.
pub(super) fn find(data_dir: &Path) -> Result<PathBuf, LocalError> {
    let simulated = data_dir.join(SIMULATED);
    match local::ask(data_dir, &Request::Ping) {
        Ok(_) => Ok(data_dir.to_owned()),
        Err(LocalError::NotRunning) => local::ask(&simulated, &Request::Ping).map(|_| simulated),
        Err(error) => Err(error),
    }
}

/// Asks the running service, or tells how to start one.
pub(super) fn ask(data_dir: &Path, request: &Request) -> Result<Option<Status>, Failure> {
    let dir = find(data_dir).map_err(|error| not_running(error, data_dir))?;
    Ok(local::ask(&dir, request)?)
}

fn not_running(error: LocalError, data_dir: &Path) -> Failure {
    match error {
        LocalError::NotRunning => Failure::from(anyhow::anyhow!(
            "homewatch does not run on {}; start it with `homewatch run`, or name its \
             configuration with --config",
            data_dir.display()
        )),
        error => error.into(),
    }
}
