use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::CollectError;
use crate::host::{ExecError, Host, Output};

/// So long a sample waits for a program: less than the shortest tick.
const WAIT: Duration = Duration::from_millis(400);

type Answer = Pin<Box<dyn Future<Output = Result<Output, ExecError>> + Send>>;

/// An outside program that goes on by itself between two samples: a slow one delays nothing.
#[derive(Default)]
pub(super) struct Errand(Option<Answer>);

impl Errand {
    /// Starts it if it is not under way yet, and waits a moment; `None` if it needs longer: the next
    /// sample takes the answer in. After `limit` it is killed.
    pub(super) fn run(
        &mut self,
        host: &Host,
        argv: impl FnOnce() -> Vec<String>,
        limit: Duration,
    ) -> Result<Option<Result<Output, ExecError>>, CollectError> {
        let handle =
            Handle::try_current().map_err(|error| CollectError::Transient(error.to_string()))?;
        let mut answer = self.0.take().unwrap_or_else(|| {
            let (exec, argv) = (host.exec.clone(), argv());
            Box::pin(async move { exec.run(&argv, limit).await })
        });
        let until = Instant::now() + WAIT;
        let waited = handle.block_on(async { timeout_at(until, &mut answer).await });
        if waited.is_err() {
            self.0 = Some(answer);
        }
        Ok(waited.ok())
    }
}
