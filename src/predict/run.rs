use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::board::{Board, Posted};
use super::foresight::Foresight;
use super::known;
use super::scene::Seen;
use super::tell;
use crate::bus::{Bus, Event, Heard};
use crate::host::Memory;
use crate::model::{Batch, Outcome, Timestamp};

/// The collector's name on the bus.
const NAME: &str = "predict";
/// The collector whose readings come once a tick.
const CLOCK: &str = "cpu";
/// What is published is looked at so often.
const MINUTE: Duration = Duration::from_mins(1);
/// It is judged so often.
const JUDGED: Duration = Duration::from_mins(10);
/// The first time it is judged so soon: by then every collector has told something.
const FIRST: Duration = Duration::from_mins(3);
/// What was learnt is remembered so often.
const KEEP: Duration = Duration::from_hours(6);

/// Tells what will fail (`health/predictions`, `health/prediction-<id>`), until `cancel`; then has
/// `memory` keep what was learnt.
pub async fn run(bus: Bus, memory: Memory, board: Board, cancel: CancellationToken) {
    let mut listener = bus.listen();
    let mut foresight = Foresight::new(&memory);
    let begun = Instant::now();
    let (mut look_at, mut judge_at, mut keep_at) = (begun, begun + FIRST, begun + KEEP);
    let mut readings = None;
    while let Some(heard) = cancel.run_until_cancelled(listener.next()).await {
        let now = Instant::now();
        let Some(at) = tick(&heard).filter(|_| look_at <= now) else {
            continue;
        };
        look_at = now + MINUTE;
        let judges = judge_at <= now;
        look(&bus, &mut foresight, at, judges.then_some(&memory));
        if judges {
            judge_at = now + JUDGED;
            let told = foresight.judge(at);
            readings = Some(tell::readings(&told, told.at));
            board.post(Posted {
                at: Some(at),
                predictions: told.predictions.into_iter().map(|(one, _)| one).collect(),
                outlooks: told.outlooks,
            });
            board.keep(&memory);
        }
        if keep_at <= now {
            keep_at = now + KEEP;
            foresight.keep();
        }
        // Told anew each minute, so that nobody takes it for stale; the state sends what is due.
        if let Some(readings) = readings.clone() {
            let outcome = Outcome {
                collector: NAME,
                result: Ok(readings),
            };
            bus.publish(Batch {
                at,
                outcomes: vec![outcome],
            });
        }
    }
    foresight.keep();
}

/// The time of a tick of the collectors.
fn tick(heard: &Heard) -> Option<Timestamp> {
    let Heard::Event(Event::Batch(batch, _)) = heard else {
        return None;
    };
    let is_clock = |outcome: &Outcome| outcome.collector == CLOCK;
    batch.outcomes.iter().any(is_clock).then_some(batch.at)
}

/// Looks at what is published; `names` is to remember how the parts are called.
fn look(bus: &Bus, foresight: &mut Foresight, at: Timestamp, names: Option<&Memory>) {
    let mut subjects = bus.state().subjects();
    subjects.retain(|state| state.available && state.collector != NAME);
    let seen: Vec<_> = subjects
        .iter()
        .map(|state| Seen {
            subject: &state.subject,
            values: &state.values,
        })
        .collect();
    foresight.take(at, &seen);
    if let Some(memory) = names {
        known::remember(memory, &seen);
    }
}
