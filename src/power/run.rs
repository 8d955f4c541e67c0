use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use serde::{Deserialize, Serialize};

use super::metrics::{ENERGY, FAULT, HIGH, IDLE, LOW, POWER};
use super::{Curve, Draw, Kind, Learned, NodePower, PowerSample, Prior, SourceKind};
use crate::bus::{Bus, Event, Heard};
use crate::model::{Area, Batch, Outcome, Reading, Subject, Timestamp};
use crate::store::{Change, Collection, Store, StoreError};

/// The collector's name on the bus.
const NAME: &str = "power";
/// The record's key among those of the meters; no meter has a slash in its name.
const KEY: &str = "/host";
/// How often the counter is kept: a power cut loses no more than this.
const KEEP: Duration = Duration::from_mins(10);
/// The collector whose readings come once a tick, with those of the meters.
const CLOCK: &str = "cpu";

static SUBJECT: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "host", "Node"));

/// What the power of this node is worked out from.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Watts idle and at full load, where they were read off a meter once.
    pub curve: Option<Curve>,
    /// What kind of machine it is.
    pub kind: Kind,
}

/// What is kept over restarts.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    energy_kwh: f64,
    #[serde(default)]
    learned: Learned,
}

/// Tells at every tick what the node draws (`power/host`), until `cancel`; then keeps the counter
/// and what was learnt.
///
/// # Errors
/// The counter cannot be read at the start: it is not begun anew beside the old one.
pub async fn run(
    setup: Setup,
    bus: Bus,
    store: Store,
    cancel: CancellationToken,
) -> Result<(), StoreError> {
    let mut listener = bus.listen();
    let kept = store.blocking(|store| store.get(Collection::Meters, KEY));
    let kept = kept.await?.map_or_else(Kept::default, |kept| read(&kept));
    let mut node = NodePower::new(setup.curve, kept.energy_kwh).with_learned(kept.learned);
    let mut speaks = false;
    let begun = Instant::now();
    let mut keep_at = begun + KEEP;
    while let Some(heard) = cancel.run_until_cancelled(listener.next()).await {
        let Heard::Event(Event::Batch(batch, _)) = heard else {
            continue;
        };
        let Some(tick) = batch.outcomes.iter().find(|one| one.collector == CLOCK) else {
            continue;
        };
        if !node.assumes()
            && let Some(cores) = figure(tick, "cores")
        {
            node.assume(Prior::of(&setup.kind, cores));
        }
        let samples: Vec<_> = PowerSample::all(&batch).collect();
        let draw = node.step(begun.elapsed(), &samples, figure(tick, "usage_pct"));
        if speaks || draw.is_some() {
            speaks = draw.is_some();
            bus.publish(told(batch.at, draw));
        }
        if keep_at <= Instant::now() {
            keep_at = Instant::now() + KEEP;
            keep(&store, &node).await;
        }
    }
    keep(&store, &node).await;
    Ok(())
}

/// A record of this version, or of the first, which was the bare counter.
fn read(record: &[u8]) -> Kept {
    let kept = serde_json::from_slice(record).or_else(|_| {
        serde_json::from_slice(record).map(|energy_kwh| Kept {
            energy_kwh,
            ..Kept::default()
        })
    });
    let mut kept: Kept = kept.unwrap_or_default();
    kept.energy_kwh = kept.energy_kwh.max(0.0);
    kept
}

/// A figure of the processor at a tick; the first one does not know its use.
fn figure(tick: &Outcome, key: &str) -> Option<f64> {
    let readings = tick.result.as_ref().map_or(&[][..], Vec::as_slice);
    let cpu = readings.iter().find(|one| one.subject.id == "cpu")?;
    cpu.value(key)?.as_number()
}

/// What is published. Without a draw the subject is unavailable.
fn told(at: Timestamp, draw: Option<Draw>) -> Batch {
    let reading = draw.map(|draw| {
        let (low, high) = draw.band_w.unzip();
        let mut reading = Reading::new(&SUBJECT)
            .with(&POWER, draw.power_w)
            .with(&ENERGY, draw.energy_kwh)
            .with_known(&LOW, low)
            .with_known(&HIGH, high)
            .with(&IDLE, draw.idle_w)
            .with(&FAULT, draw.dispute.is_some());
        reading.source = Some(draw.source);
        let is_meter = SourceKind::of(draw.source).is_some_and(|kind| kind != SourceKind::Rapl);
        let basis = if is_meter { "meter" } else { "basis" };
        let texts = [(basis, draw.basis), ("contradiction", draw.dispute)];
        let known = texts
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), text?.into())));
        let detail: serde_json::Map<_, _> = known.collect();
        reading.detail = (!detail.is_empty()).then_some(detail);
        reading
    });
    Batch {
        at,
        outcomes: vec![Outcome {
            collector: NAME,
            result: Ok(reading.into_iter().collect()),
        }],
    }
}

async fn keep(store: &Store, node: &NodePower) {
    let kept = Kept {
        energy_kwh: node.energy_kwh(),
        learned: node.learned().clone(),
    };
    let kept = match serde_json::to_vec(&kept) {
        Ok(record) => {
            let change = Change::Put(Collection::Meters, KEY.to_owned(), record);
            store.blocking(move |store| store.write(&[change])).await
        }
        Err(error) => Err(StoreError::Io(error.to_string())),
    };
    // The history tells of a disk that fails; the counter is in memory all the while.
    tracing::debug!(?kept, "the node's energy counter");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Listener, State};
    use crate::model::{Metric, Source, Unit, Value};
    use crate::power::Scope;
    use tokio::task::JoinSet;

    static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent);

    struct House {
        bus: Bus,
        listener: Listener,
        cancel: CancellationToken,
        task: JoinSet<Result<(), StoreError>>,
    }

    impl House {
        async fn new(store: &Store, curve: Option<Curve>) -> Self {
            let (bus, _) = Bus::new(State::new(Duration::from_mins(5)));
            let cancel = CancellationToken::new();
            let mut task = JoinSet::new();
            let setup = Setup {
                curve,
                kind: Kind::default(),
            };
            task.spawn(run(setup, bus.clone(), store.clone(), cancel.clone()));
            // Until it listens.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let listener = bus.listen();
            Self {
                bus,
                listener,
                cancel,
                task,
            }
        }

        /// A tick ten seconds later, and what the task makes of it.
        async fn tick(&mut self, usage: Option<f64>, watts: Option<f64>) -> Option<Reading> {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let cpu = Subject::of_host(Area::Health, "cpu", "CPU");
            let plug = Subject::of_host(Area::Power, "meter-plug", "Plug");
            let meter = watts.map(|watts| {
                let mut reading = Reading::new(&plug).with(&POWER, watts);
                reading.source = Some(Source::Meter);
                reading.detail = Some(PowerSample::detail(&Scope::Host, None));
                reading
            });
            let outcome = |collector, readings| Outcome {
                collector,
                result: Ok(readings),
            };
            self.bus.publish(Batch {
                at: Timestamp::UNIX_EPOCH,
                outcomes: vec![
                    outcome(CLOCK, vec![Reading::new(&cpu).with_known(&USAGE, usage)]),
                    outcome("meters", meter.into_iter().collect()),
                ],
            });
            let told = async {
                loop {
                    if let Heard::Event(Event::Batch(batch, _)) = self.listener.next().await
                        && let Some(own) = batch.outcomes.iter().find(|o| o.collector == NAME)
                    {
                        return own.result.clone().unwrap().pop();
                    }
                }
            };
            let told = tokio::time::timeout(Duration::from_secs(1), told).await;
            told.ok().flatten()
        }

        async fn stop(mut self) {
            self.cancel.cancel();
            self.task.join_next().await.unwrap().unwrap().unwrap();
        }
    }

    fn number(reading: &Reading, key: &str) -> Option<f64> {
        reading.value(key).and_then(Value::as_number)
    }

    #[tokio::test(start_paused = true)]
    async fn the_node_is_told_at_every_tick_and_its_counter_survives() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let curve = Some(Curve {
            idle_w: 20.0,
            max_w: 70.0,
        });
        let mut house = House::new(&store, curve).await;
        assert!(
            house.tick(None, None).await.is_none(),
            "the first tick knows no use"
        );
        let estimate = house.tick(Some(0.0), None).await.unwrap();
        assert_eq!(estimate.source, Some(Source::Model));
        assert!(number(&estimate, "power_low_w") < number(&estimate, "power_high_w"));
        for _ in 0..70 {
            house.tick(Some(0.0), None).await;
        }
        let metered = house.tick(Some(0.0), Some(31.0)).await.unwrap();
        assert_eq!(metered.source, Some(Source::Meter));
        assert_eq!(metered.detail.as_ref().unwrap()["meter"], "Plug");
        assert_eq!(number(&metered, "power_low_w"), None);
        let energy = number(&metered, "energy_kwh").unwrap();
        assert!(
            energy > 0.0039,
            "twelve minutes of some twenty watts: {energy}"
        );
        house.stop().await;

        let mut house = House::new(&store, curve).await;
        let again = house.tick(Some(0.0), Some(31.0)).await.unwrap();
        assert_eq!(number(&again, "energy_kwh"), Some(energy));
        assert!(house.tick(None, None).await.is_none());
        let away = house.bus.state().subject("power/host").unwrap();
        assert!(!away.available, "unknown is unavailable");
        assert!(house.tick(None, None).await.is_none(), "and said once");
        house.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_ticks_count_and_a_record_that_makes_no_sense_is_none() {
        let kept = [&b"{"[..], b"-3", b"2.5"].map(|record| read(record).energy_kwh.to_string());
        assert_eq!(kept, ["0", "0", "2.5"]);
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut house = House::new(&store, None).await;
        house.bus.publish(told(Timestamp::UNIX_EPOCH, None));
        house.bus.emit(Event::HomeAssistantBirth { edge: "test" });
        assert!(house.tick(Some(5.0), None).await.is_none());
        let plug = house.tick(Some(5.0), Some(7.0)).await.unwrap();
        assert_eq!(number(&plug, "power_w"), Some(7.0));
        house.stop().await;
    }
}
