//! The task that keeps the history: every batch of the bus goes into the store.

use std::future::pending;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Event, Heard};
use crate::model::{Area, Batch, Metric, Outcome, Reading, Subject, Timestamp, Unit};

use super::Store;

/// The name under which the history tells how it is doing.
const NAME: &str = "history";
/// It tells so every so many rounds.
const EVERY: u32 = 60;
/// How long it waits after a batch for those that follow from it, such as the power of services:
/// a block of the journal is 4 KiB, however little is in it, so a tick should need only one.
const SETTLE: Duration = Duration::from_millis(200);

static SIZE: Metric = Metric::gauge("size_bytes", "History size", Unit::Byte).diagnostic();
static SERIES: Metric = Metric::gauge("series", "Series kept", Unit::None).diagnostic();
static SAMPLES: Metric = Metric::total("samples", "Samples taken since start", Unit::None).hidden();
static LOST: Metric =
    Metric::total("lost_samples", "Samples lost since start", Unit::None).diagnostic();
static WRITTEN: Metric =
    Metric::total("written_bytes", "Written since start", Unit::Byte).diagnostic();

static SUBJECT: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Health, NAME, "History"));

/// Puts every batch of the bus into the store until `cancel`; then what is left, and returns.
/// When the store fails (a full disk, say), monitoring goes on: the outcome of a collector
/// called `history` says so once, and once more when it works again.
pub async fn run(store: Store, bus: Bus, cancel: CancellationToken) {
    let mut listener = bus.listen();
    let mut keeper = Keeper {
        store,
        bus,
        fault: None,
        rounds: 0,
    };
    let mut round = Vec::new();
    let mut due = None;
    loop {
        let settled = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        let heard = tokio::select! {
            () = cancel.cancelled() => break,
            () = settled => {
                due = None;
                keeper.take(std::mem::take(&mut round)).await;
                continue;
            }
            heard = listener.next() => heard,
        };
        match heard {
            Heard::Event(Event::Batch(batch, _)) => {
                round.push(batch);
                due.get_or_insert_with(|| Instant::now() + SETTLE);
            }
            Heard::Event(_) => {}
            Heard::Missed(count) => {
                tracing::warn!(
                    count,
                    "the disk is too slow: the history missed events of the bus"
                );
            }
            Heard::Closed => break,
        }
    }
    while let Some(Heard::Event(event)) = listener.next().now_or_never() {
        if let Event::Batch(batch, _) = event {
            round.push(batch);
        }
    }
    keeper.take(round).await;
    if let Err(error) = keeper.store.blocking(Store::sync).await {
        tracing::error!("the last readings are not in the history: {error}");
    }
}

struct Keeper {
    store: Store,
    bus: Bus,
    /// How many readings the round had that last failed.
    fault: Option<usize>,
    rounds: u32,
}

impl Keeper {
    /// Keeps a round: batches that came at the same time.
    async fn take(&mut self, round: Vec<Arc<Batch>>) {
        let Some(at) = round.last().map(|batch| batch.at) else {
            return;
        };
        // Its own figures are kept too, but prove nothing.
        let others = round
            .iter()
            .flat_map(|batch| &batch.outcomes)
            .filter(|outcome| outcome.collector != NAME);
        let own = others.clone().next().is_none();
        let size: usize = others.flat_map(|o| &o.result).map(Vec::len).sum();
        let result = self
            .store
            .blocking(move |store| store.append_all(round.iter().map(Arc::as_ref)))
            .await;
        let result = result.map_err(|error| error.to_string());
        if own {
            return;
        }
        let health = self.store.health();
        match (result, self.fault) {
            (Err(error), None) => {
                tracing::error!("the history cannot be written, monitoring goes on: {error}");
                self.tell(at, Err(error));
                self.fault = Some(size);
            }
            (Err(_), Some(_)) => self.fault = Some(size),
            // What brings next to nothing proves nothing.
            (Ok(()), Some(failed)) if !health.failing && size >= failed.div_ceil(2) => {
                tracing::info!(lost = health.lost, "the history is written again");
                self.fault = None;
                self.tell(at, Ok(self.reading()));
            }
            (Ok(()), None) if self.rounds.is_multiple_of(EVERY) => {
                self.tell(at, Ok(self.reading()));
            }
            (Ok(()), _) => {}
        }
        self.rounds = self.rounds.wrapping_add(1);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and sizes far below 2^53"
    )]
    fn reading(&self) -> Reading {
        let health = self.store.health();
        Reading::new(&SUBJECT)
            .with(&SIZE, health.size_bytes as f64)
            .with(&SERIES, health.series as f64)
            .with(&SAMPLES, health.samples as f64)
            .with(&LOST, health.lost as f64)
            .with(&WRITTEN, health.written_bytes as f64)
    }

    fn tell(&self, at: Timestamp, result: Result<Reading, String>) {
        self.bus.publish(Batch {
            at,
            outcomes: vec![Outcome {
                collector: NAME,
                result: result.map(|reading| vec![reading]),
            }],
        });
    }
}
