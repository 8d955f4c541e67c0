use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::Slot;
use super::lane::Lane;
use super::own::Own;
use crate::bus::Bus;
use crate::host::Host;
use crate::model::{Batch, Outcome};

/// A collector that has not answered for this long is left behind, or for a tick if that is
/// shorter, but not before it had [`LEAST`].
const LIMIT: Duration = Duration::from_secs(5);

/// A busy machine may let a thread wait for this long: no reason to call its sensors unavailable.
const LEAST: Duration = Duration::from_secs(3);

/// The first figures wait no longer than this for collectors that are asked rarely: those call
/// programs, which may take their time.
const PROMPT: Duration = Duration::from_millis(50);

/// The second tick comes this soon after the first: rates and shares need two.
const WARM_UP: Duration = Duration::from_secs(1);

/// Samples all collectors at every tick of `interval` and publishes each tick's readings as one
/// batch, until `cancel`. The first tick is at once, the second a
/// second later; ticks that were missed (a busy machine, a
/// suspend) are not made up for. A thread that hangs in the kernel cannot be ended: whoever owns
/// the runtime shuts it down with a time-out.
pub async fn run(
    mut slots: Vec<Slot>,
    host: Host,
    bus: Bus,
    interval: Duration,
    cancel: CancellationToken,
) {
    let mut lane = Lane::new(interval.clamp(LEAST, LIMIT));
    let mut own = Own::new();
    let mut ticks = tokio::time::interval_at(Instant::now() + WARM_UP.min(interval), interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let all = async {
        let mut first = Some(Instant::now());
        loop {
            let is_first = first.is_some();
            let now = match first.take() {
                Some(now) => now,
                None => ticks.tick().await,
            };
            let at = host.clock.now();
            let begun = Instant::now();
            let mut outcomes = if is_first {
                let prompt = tick(&mut slots, &mut lane, (now, interval), Slot::is_prompt).await;
                let rest = tick(&mut slots, &mut lane, (now, interval), |one| {
                    !one.is_prompt()
                });
                let mut rest = pin!(rest);
                if let Ok(rest) = timeout(PROMPT, &mut rest).await {
                    prompt.into_iter().chain(rest).collect()
                } else {
                    let outcomes = prompt;
                    bus.publish(Batch { at, outcomes });
                    rest.await
                }
            } else {
                tick(&mut slots, &mut lane, (now, interval), |_| true).await
            };
            let failing = slots.iter().filter(|slot| slot.is_failing()).count();
            outcomes.push(own.outcome(begun.elapsed(), failing));
            bus.publish(Batch { at, outcomes });
        }
    };
    // `None` is the only way out: the loop itself has no end.
    let _: Option<()> = cancel.run_until_cancelled(all).await;
}

async fn tick(
    slots: &mut [Slot],
    lane: &mut Lane,
    (now, interval): (Instant, Duration),
    wanted: impl Fn(&Slot) -> bool,
) -> Vec<Outcome> {
    while let Some((index, collector)) = lane.returned() {
        if let Some(slot) = slots.get_mut(index) {
            slot.put_back(collector);
        }
    }
    let due: VecDeque<_> = slots
        .iter_mut()
        .enumerate()
        .filter(|(_, slot)| wanted(slot))
        .filter_map(|(index, slot)| Some((index, slot.take_due(now, interval)?)))
        .collect();
    let mut outcomes = Vec::with_capacity(due.len() + 1);
    for done in lane.sample(due).await {
        let Some(slot) = slots.get_mut(done.index) else {
            continue;
        };
        if !done.stuck {
            slot.put_back(done.collector);
        }
        outcomes.push(Outcome {
            collector: slot.name(),
            result: slot.judge(done.result, now, interval),
        });
    }
    outcomes
}
