use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{hwmon, quantity, smart};
use crate::bus::{Bus, Event, Heard};
use crate::model::{Area, Batch, Device, Metric, Outcome, Reading, Subject, Unit, Value};

static DIFFERENCE: Metric = Metric::gauge("difference_c", "Difference", Unit::Celsius)
    .decimals(1)
    .published(3)
    .dead_band(0.5)
    .diagnostic();

/// The name under which disks are compared.
const NAME: &str = "agreement";
/// What SMART tells may be as old as this; over that time the other source is looked at.
const SPAN: Duration = Duration::from_mins(40);

/// The subject of a temperature that two sources tell: `check-<id>`.
pub(super) fn subject(id: &str, label: &str, device: Device) -> Arc<Subject> {
    let label = format!("{label} by two sources");
    Subject::of_device(Area::Health, &format!("check-{id}"), &label, device)
}

/// By how much two sources of one temperature differ, K, if that is known.
pub(super) fn reading(subject: &Arc<Subject>, difference: Option<f64>) -> Reading {
    Reading::new(subject).with_known(&DIFFERENCE, difference)
}

/// Compares what the kernel's driver and SMART say of each disk's temperature, until `cancel`. One
/// figure is used, that of the driver; the other is a check.
pub async fn compare(bus: Bus, cancel: CancellationToken) {
    let mut listener = bus.listen();
    let mut disks = Disks::default();
    let mut speaks = false;
    while let Some(heard) = cancel.run_until_cancelled(listener.next()).await {
        let Heard::Event(Event::Batch(batch, _)) = heard else {
            continue;
        };
        let Some(readings) = disks.step(&batch, Instant::now()) else {
            continue;
        };
        // Most machines have nothing to compare.
        if speaks || !readings.is_empty() {
            speaks = !readings.is_empty();
            let result = Ok(readings);
            let outcomes = vec![Outcome {
                collector: NAME,
                result,
            }];
            let at = batch.at;
            bus.publish(Batch { at, outcomes });
        }
    }
}

/// What both sources have said.
#[derive(Debug, Default)]
struct Disks {
    /// What the driver said lately, by disk.
    driver: BTreeMap<String, VecDeque<(Instant, f64)>>,
    /// What SMART says now, by disk.
    smart: BTreeMap<String, (Arc<Subject>, f64)>,
}

impl Disks {
    /// Takes a tick in; `None` if it is none of the sensors.
    fn step(&mut self, batch: &Batch, now: Instant) -> Option<Vec<Reading>> {
        let of = |name: &str| {
            let mut outcomes = batch.outcomes.iter();
            let outcome = outcomes.find(|outcome| outcome.collector == name)?;
            outcome.result.as_ref().ok()
        };
        if let Some(readings) = of(smart::ENTRY.name) {
            let told = readings.iter().filter_map(|one| {
                Some((
                    one.subject.id.clone(),
                    (Arc::clone(&one.subject), degrees(one)?),
                ))
            });
            self.smart = told.collect();
        }
        for one in of(hwmon::ENTRY.name)? {
            let id = one.subject.id.strip_prefix("temp-");
            let id = id.filter(|id| id.starts_with("disk-"));
            if let Some((id, value)) = id.zip(degrees(one)) {
                let id = id.strip_suffix("-composite").unwrap_or(id);
                let said = self.driver.entry(id.to_owned()).or_default();
                said.push_back((now, value));
            }
        }
        for said in self.driver.values_mut() {
            while said
                .front()
                .is_some_and(|(at, _)| now.duration_since(*at) > SPAN)
            {
                said.pop_front();
            }
        }
        let pairs = self.smart.iter().filter_map(|(id, (whose, value))| {
            let said = self.driver.get(id).filter(|said| !said.is_empty())?;
            let least = said.iter().map(|(_, one)| *one).fold(f64::MAX, f64::min);
            let most = said.iter().map(|(_, one)| *one).fold(f64::MIN, f64::max);
            let difference = (least - value).max(value - most).max(0.0);
            let subject = subject(id, &whose.label, whose.device.clone());
            Some(reading(&subject, Some(difference)))
        });
        Some(pairs.collect())
    }
}

fn degrees(reading: &Reading) -> Option<f64> {
    reading
        .value(quantity::TEMPERATURE.key)
        .and_then(Value::as_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::State;
    use crate::model::Timestamp;
    use tokio::task::JoinSet;

    fn told(id: &str, value: Option<f64>) -> Reading {
        Reading::new(&Subject::of_host(Area::Health, id, "Disk"))
            .with_known(&quantity::TEMPERATURE, value)
    }

    fn tick(outcomes: Vec<(&'static str, Vec<Reading>)>) -> Batch {
        let outcome = |(collector, readings)| Outcome {
            collector,
            result: Ok(readings),
        };
        Batch {
            at: Timestamp::UNIX_EPOCH,
            outcomes: outcomes.into_iter().map(outcome).collect(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_s_two_temperatures_are_compared_over_the_time_between_them() {
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(compare(bus.clone(), cancel.clone()));
        let say = async |smart: Option<Vec<Reading>>, driver: Vec<Reading>| {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let mut outcomes = vec![("hwmon", driver)];
            outcomes.extend(smart.map(|readings| ("smart", readings)));
            bus.publish(tick(outcomes));
            tokio::time::sleep(Duration::from_secs(1)).await;
            let state = bus
                .state()
                .subject("health/check-disk-a")
                .filter(|one| one.available)?;
            state.values[0].1.as_number()
        };
        assert_eq!(say(None, vec![told("temp-x", Some(40.0))]).await, None);
        bus.emit(Event::HomeAssistantBirth { edge: "test" });
        bus.publish(tick(vec![("cpu", Vec::new())]));
        let driver = |value| vec![told("temp-disk-a", Some(value))];
        let smart = |value| Some(vec![told("disk-a", value), told("disk-b", Some(1.0))]);
        assert_eq!(say(smart(Some(35.0)), driver(34.0)).await, Some(1.0));
        assert_eq!(say(None, driver(37.0)).await, Some(0.0), "between the two");
        assert_eq!(say(smart(Some(45.0)), driver(36.0)).await, Some(8.0));
        tokio::time::sleep(SPAN).await;
        let composite = vec![told("temp-disk-a-composite", Some(44.0))];
        assert_eq!(
            say(None, composite).await,
            Some(1.0),
            "what is long ago is gone"
        );
        assert_eq!(say(smart(None), driver(44.0)).await, None, "it sleeps");
        cancel.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }
}
