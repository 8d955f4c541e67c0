use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Slot;
use super::lane::Lane;
use super::own::Own;
use crate::bus::Bus;
use crate::host::Host;
use crate::model::{Batch, Outcome};

/// A collector waits no longer than this for all that it asks at one sample, so that it can say
/// itself who does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// A collector that has not answered for this long is left behind, whatever the tick: a second
/// more than it may wait, since a busy machine lets threads wait as well.
const LIMIT: Duration = PATIENCE.saturating_add(Duration::from_secs(1));

/// Two looks at a counter that are closer than this make no rate; after a tick that took long the
/// next one may follow at once.
const APART: Duration = Duration::from_millis(500);

/// A collector that is asked before it is due, since a command waits for it or a program that it has
/// started, is asked this much apart.
const HURRY: Duration = Duration::from_millis(500);

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
    let mut lane = Lane::new(LIMIT);
    let apart = APART.min(interval / 4);
    let mut own = Own::new(apart);
    let mut ticks = tokio::time::interval_at(Instant::now() + WARM_UP.min(interval), interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let all = async {
        let mut first = Some(Instant::now());
        let mut hurry_at = Instant::now();
        loop {
            let is_first = first.is_some();
            let hurried = async {
                sleep_until(hurry_at).await;
                host.desk.hurried().await
            };
            let now = if let Some(now) = first.take() {
                now
            } else {
                tokio::select! {
                    biased;
                    now = ticks.tick() => now,
                    hurried = hurried => {
                        for slot in slots.iter_mut().filter(|slot| hurried.contains(slot.name())) {
                            slot.hurry();
                        }
                        let (at, now) = (host.clock.now(), Instant::now());
                        let wanted = |slot: &Slot| hurried.contains(slot.name());
                        let outcomes = tick(&mut slots, &mut lane, (now, interval), wanted).await;
                        if !outcomes.is_empty() {
                            bus.publish(Batch { at, outcomes });
                        }
                        hurry_at = Instant::now() + HURRY;
                        continue;
                    }
                }
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
    let apart = APART.min(interval / 4);
    let due: VecDeque<_> = slots
        .iter_mut()
        .enumerate()
        .filter(|(_, slot)| wanted(slot))
        .filter_map(|(index, slot)| Some((index, slot.take_due(now, interval, apart)?)))
        .collect();
    let mut outcomes = Vec::with_capacity(due.len() + 1);
    for done in lane.sample(due).await {
        let Some(slot) = slots.get_mut(done.index) else {
            continue;
        };
        slot.looked_at(done.at);
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
