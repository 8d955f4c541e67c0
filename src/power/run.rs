use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::{ENERGY, HIGH, LOW, POWER};
use super::{Curve, Draw, NodePower, PowerSample};
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

/// Tells at every tick what the node draws (`power/host`), until `cancel`; then keeps the counter.
///
/// # Errors
/// The counter cannot be read at the start: it is not begun anew beside the old one.
pub async fn run(
    curve: Option<Curve>,
    bus: Bus,
    store: Store,
    cancel: CancellationToken,
) -> Result<(), StoreError> {
    let mut listener = bus.listen();
    let kept = store.blocking(|store| store.get(Collection::Meters, KEY));
    let mut node = NodePower::new(curve, kept.await?.map_or(0.0, |record| read(&record)));
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
        let samples: Vec<_> = PowerSample::all(&batch).collect();
        let draw = node.step(begun.elapsed(), &samples, usage(tick));
        if speaks || draw.is_some() {
            speaks = draw.is_some();
            bus.publish(told(batch.at, draw));
        }
        if keep_at <= Instant::now() {
            keep_at = Instant::now() + KEEP;
            keep(&store, node.energy_kwh()).await;
        }
    }
    keep(&store, node.energy_kwh()).await;
    Ok(())
}

fn read(record: &[u8]) -> f64 {
    let energy: f64 = serde_json::from_slice(record).unwrap_or_default();
    energy.max(0.0)
}

/// The CPU use of a tick, which the first one does not know.
fn usage(tick: &Outcome) -> Option<f64> {
    let readings = tick.result.as_ref().map_or(&[][..], Vec::as_slice);
    let cpu = readings.iter().find(|one| one.subject.id == "cpu")?;
    cpu.value("usage_pct")?.as_number()
}

/// What is published. Without a draw the subject is unavailable.
fn told(at: Timestamp, draw: Option<Draw>) -> Batch {
    let reading = draw.map(|draw| {
        let (low, high) = draw.band_w.unzip();
        let mut reading = Reading::new(&SUBJECT)
            .with(&POWER, draw.power_w)
            .with(&ENERGY, draw.energy_kwh)
            .with_known(&LOW, low)
            .with_known(&HIGH, high);
        reading.source = Some(draw.source);
        reading.detail = draw
            .meter
            .map(|meter| serde_json::Map::from_iter([("meter".to_owned(), meter.into())]));
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

async fn keep(store: &Store, energy_kwh: f64) {
    let record = energy_kwh.to_string().into_bytes();
    let change = Change::Put(Collection::Meters, KEY.to_owned(), record);
    let kept = store.blocking(move |store| store.write(&[change])).await;
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
            task.spawn(run(curve, bus.clone(), store.clone(), cancel.clone()));
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
        let kept = [&b"{"[..], b"-3", b"2.5"].map(|record| read(record).to_string());
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
