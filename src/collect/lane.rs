//! Blocking collectors run one after another on one worker thread. One that hangs is left behind
//! on its thread and the rest goes on in a fresh one.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Collect, CollectError};
use crate::model::Reading;
use crate::supervisor::panic_text;

/// A collector on its way through the lane, with its place in the frame.
pub(super) type Job = (usize, Box<dyn Collect>);

/// What came of one collector.
pub(super) struct Done {
    /// Its place in the frame.
    pub(super) index: usize,
    /// When it began.
    pub(super) at: Instant,
    /// The collector; `None` if it crashed or is stuck.
    pub(super) collector: Option<Box<dyn Collect>>,
    /// Whether it is stuck on its thread and will be handed back later.
    pub(super) stuck: bool,
    /// Its readings.
    pub(super) result: Result<Vec<Reading>, CollectError>,
}

#[derive(Default)]
struct Progress {
    waiting: VecDeque<Job>,
    current: Option<(usize, Instant)>,
    done: Vec<Done>,
    /// The lane has gone on without this thread.
    left_behind: bool,
}

/// The lane. Collectors that were stuck come back through [`Lane::returned`].
pub(super) struct Lane {
    limit: Duration,
    sender: mpsc::UnboundedSender<(usize, Option<Box<dyn Collect>>)>,
    receiver: mpsc::UnboundedReceiver<(usize, Option<Box<dyn Collect>>)>,
}

impl Lane {
    /// Gives each collector at most `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            limit,
            sender,
            receiver,
        }
    }

    /// A collector that was stuck and has ended since (`None` if by a crash).
    pub(super) fn returned(&mut self) -> Option<(usize, Option<Box<dyn Collect>>)> {
        // Empty or not, the sender lives in this very struct: no other error can occur.
        self.receiver.try_recv().ok()
    }

    /// Samples all of `jobs` in order.
    pub(super) async fn sample(&self, jobs: VecDeque<Job>) -> Vec<Done> {
        let mut all = Vec::with_capacity(jobs.len());
        let mut waiting = jobs;
        while !waiting.is_empty() {
            let progress = Arc::new(Mutex::new(Progress {
                waiting,
                ..Progress::default()
            }));
            let (ours, sender) = (Arc::clone(&progress), self.sender.clone());
            let mut worker = tokio::task::spawn_blocking(move || work(&ours, &sender));
            let mut until = Instant::now() + self.limit;
            waiting = loop {
                let in_time = tokio::time::timeout_at(until, &mut worker).await;
                let mut progress = lock(&progress);
                if in_time.is_ok() {
                    all.append(&mut progress.done);
                    break std::mem::take(&mut progress.waiting);
                }
                let now = Instant::now();
                match progress.current {
                    Some((index, since)) if now >= since + self.limit => {
                        progress.left_behind = true;
                        all.append(&mut progress.done);
                        all.push(Done {
                            index,
                            at: since,
                            collector: None,
                            stuck: true,
                            result: Err(CollectError::Transient(format!(
                                "no answer within {:?}",
                                self.limit
                            ))),
                        });
                        break std::mem::take(&mut progress.waiting);
                    }
                    Some((_, since)) => until = since + self.limit,
                    None => until = now + self.limit,
                }
            };
        }
        all
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(
    progress: &Mutex<Progress>,
    late: &mpsc::UnboundedSender<(usize, Option<Box<dyn Collect>>)>,
) {
    loop {
        let at = Instant::now();
        let (index, mut collector) = {
            let mut progress = lock(progress);
            let Some(job) = progress.waiting.pop_front() else {
                progress.current = None;
                return;
            };
            progress.current = Some((job.0, at));
            job
        };
        // A crashed collector is dropped whole, so that nothing half done is seen again.
        let result = catch_unwind(AssertUnwindSafe(|| collector.sample()));
        let (collector, result) = match result {
            Ok(result) => (Some(collector), result),
            Err(payload) => {
                let text = format!("has crashed: {}", panic_text(payload.as_ref()));
                (None, Err(CollectError::Transient(text)))
            }
        };
        let mut progress = lock(progress);
        if progress.left_behind {
            // Nobody takes it only when the frame is gone, and then nobody needs it.
            drop(late.send((index, collector)));
            return;
        }
        progress.done.push(Done {
            index,
            at,
            collector,
            stuck: false,
            result,
        });
    }
}
