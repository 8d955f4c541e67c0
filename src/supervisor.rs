//! The only place that spawns tasks. Every long-running part has a name here; one that fails is
//! started anew, one that the program cannot do without ends it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The first pause before a restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause before a restart; a task that ran this long starts with the first again.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Why a task ended; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TaskError(pub String);

/// Why the service ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupervisorError {
    /// A part that the program cannot do without has ended.
    #[error("{name}: {text}")]
    Vital {
        /// The task.
        name: &'static str,
        /// Why it ended.
        text: String,
    },
    /// Some tasks did not end in time after the stop was asked for; they were dropped.
    #[error("did not stop within {limit:?}: {names}")]
    Late {
        /// Which tasks, with commas.
        names: String,
        /// The time they had.
        limit: Duration,
    },
}

/// What the end of a task means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Without it the program is of no use: its end, other than at the stop, ends all.
    Vital,
    /// An error or a panic starts it anew after a pause; a good end is its end.
    Restart,
}

/// What happens to a task when the stop is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is dropped at its next await.
    Drop,
    /// It watches the token itself and is waited for until the deadline.
    Await,
}

type Running = Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>>;

struct Task {
    name: &'static str,
    policy: Policy,
    stop: Stop,
    start: Box<dyn Fn() -> Running + Send>,
    pause: Duration,
    started: Instant,
    last_error: Option<String>,
}

/// Named tasks, supervised.
pub struct Supervisor {
    token: CancellationToken,
    tasks: Vec<Task>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.tasks.iter().map(|task| task.name).collect();
        f.debug_struct("Supervisor")
            .field("tasks", &names)
            .finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Without tasks yet; cancelling `token` stops it.
    pub const fn new(token: CancellationToken) -> Self {
        Self {
            token,
            tasks: Vec::new(),
        }
    }

    /// Adds a task, which starts with [`Supervisor::run`]; `start` is called for every restart.
    pub fn spawn<F>(
        &mut self,
        name: &'static str,
        policy: Policy,
        stop: Stop,
        start: impl Fn() -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        self.tasks.push(Task {
            name,
            policy,
            stop,
            start: Box::new(move || Box::pin(start())),
            pause: FIRST_PAUSE,
            started: Instant::now(),
            last_error: None,
        });
    }

    /// Runs everything until the token is cancelled or a vital task ends; then all have `limit`
    /// together to end.
    pub async fn run(mut self, limit: Duration) -> Result<(), SupervisorError> {
        let mut set = JoinSet::new();
        let mut running = HashMap::new();
        for index in 0..self.tasks.len() {
            self.launch(index, Duration::ZERO, &mut set, &mut running);
        }
        let mut verdict = Ok(());
        loop {
            let ended = tokio::select! {
                biased;
                () = self.token.cancelled() => break,
                ended = set.join_next_with_id() => ended,
            };
            let Some((index, result)) = ended.and_then(|ended| settle(ended, &mut running)) else {
                break; // Nothing runs any more.
            };
            if let Err(error) = self.ended(index, result, &mut set, &mut running) {
                verdict = Err(error);
                break;
            }
        }
        self.token.cancel();
        let late = self.stop(&mut set, &mut running, limit).await;
        verdict.and(late)
    }

    /// Decides what follows from the end of a task.
    fn ended(
        &mut self,
        index: usize,
        result: Result<(), String>,
        set: &mut JoinSet<Result<(), TaskError>>,
        running: &mut HashMap<Id, usize>,
    ) -> Result<(), SupervisorError> {
        let stopping = self.token.is_cancelled();
        let Some(task) = self.tasks.get_mut(index) else {
            return Ok(());
        };
        let text = match (task.policy, result) {
            _ if stopping => return Ok(()),
            (Policy::Restart, Ok(())) => {
                tracing::debug!(task = task.name, "has ended");
                return Ok(());
            }
            (Policy::Vital, result) => {
                let text = result.err().unwrap_or_else(|| "has ended".to_owned());
                tracing::error!(task = task.name, "{text}");
                return Err(SupervisorError::Vital {
                    name: task.name,
                    text,
                });
            }
            (Policy::Restart, Err(text)) => text,
        };
        if task.started.elapsed() >= LONGEST_PAUSE {
            task.pause = FIRST_PAUSE;
            task.last_error = None;
        }
        let pause = task.pause;
        task.pause = (pause * 2).min(LONGEST_PAUSE);
        if task.last_error.as_ref() == Some(&text) {
            tracing::debug!(task = task.name, "again: {text}; next try in {pause:?}");
        } else {
            tracing::warn!(task = task.name, "{text}; started anew in {pause:?}");
            task.last_error = Some(text);
        }
        self.launch(index, pause, set, running);
        Ok(())
    }

    fn launch(
        &mut self,
        index: usize,
        pause: Duration,
        set: &mut JoinSet<Result<(), TaskError>>,
        running: &mut HashMap<Id, usize>,
    ) {
        let Some(task) = self.tasks.get_mut(index) else {
            return;
        };
        task.started = Instant::now() + pause;
        let future = (task.start)();
        let token = self.token.clone();
        let stop = task.stop;
        let handle = set.spawn(async move {
            if !pause.is_zero() {
                tokio::select! {
                    () = token.cancelled() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
            }
            match stop {
                Stop::Await => future.await,
                Stop::Drop => token.run_until_cancelled(future).await.unwrap_or(Ok(())),
            }
        });
        running.insert(handle.id(), index);
    }

    /// Waits for what still runs, then drops it.
    async fn stop(
        &self,
        set: &mut JoinSet<Result<(), TaskError>>,
        running: &mut HashMap<Id, usize>,
        limit: Duration,
    ) -> Result<(), SupervisorError> {
        let all = async {
            while let Some(ended) = set.join_next_with_id().await {
                if let Some((index, Err(text))) = settle(ended, running) {
                    let name = self.tasks.get(index).map_or("", |task| task.name);
                    tracing::warn!(task = name, "while stopping: {text}");
                }
            }
        };
        if tokio::time::timeout(limit, all).await.is_ok() {
            return Ok(());
        }
        let mut names: Vec<&str> = running
            .values()
            .filter_map(|index| self.tasks.get(*index).map(|task| task.name))
            .collect();
        names.sort_unstable();
        let names = names.join(", ");
        tracing::error!("did not stop within {limit:?}: {names}");
        set.abort_all();
        Err(SupervisorError::Late { names, limit })
    }
}

/// Which task has ended, and how; a panic is an error like any other.
fn settle(
    ended: Result<(Id, Result<(), TaskError>), JoinError>,
    running: &mut HashMap<Id, usize>,
) -> Option<(usize, Result<(), String>)> {
    let (id, result) = match ended {
        Ok((id, result)) => (id, result.map_err(|error| error.0)),
        Err(error) => (error.id(), Err(crash(error))),
    };
    Some((running.remove(&id)?, result))
}

fn crash(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => format!("has crashed: {}", panic_text(payload.as_ref())),
        Err(error) => error.to_string(),
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "without a word",
    }
}

#[cfg(test)]
mod tests;
