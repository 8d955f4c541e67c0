use std::sync::Arc;

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::ENTRY;
use crate::bus::{Bus, Event, Heard};
use crate::model::{Batch, Timestamp};

/// Tells every new error that the kernel's log has as `event/kernel`, until `cancel`.
pub async fn tell(bus: Bus, cancel: CancellationToken) {
    let mut listener = bus.listen();
    let mut told = 0;
    while let Some(heard) = cancel.run_until_cancelled(listener.next()).await {
        if let Heard::Event(Event::Batch(batch, _)) = heard {
            for event in fresh(&batch, &mut told) {
                bus.emit(Event::Happened("kernel", Arc::new(event)));
            }
        }
    }
}

/// The errors of a tick that were not told yet.
fn fresh(batch: &Batch, told: &mut u64) -> Vec<Json> {
    let mut outcomes = batch.outcomes.iter();
    let own = outcomes.find(|outcome| outcome.collector == ENTRY.name);
    let readings = own.and_then(|outcome| outcome.result.as_ref().ok());
    let detail = readings.and_then(|readings| readings.first()?.detail.as_ref());
    let recent = detail.and_then(|detail| detail.get("recent")?.as_array());
    let Some(recent) = recent else {
        return Vec::new();
    };
    let number = |event: &Json| event.get("number").and_then(Json::as_u64).unwrap_or(0);
    let newest = recent.last().map_or(0, number);
    // Numbers that begin anew are those of a collector that was built anew.
    if newest < *told {
        *told = 0;
    }
    let new = recent.iter().filter(|event| number(event) > *told);
    let new = new.map(|event| dated(event.clone(), batch.at)).collect();
    *told = newest;
    new
}

fn dated(mut event: Json, at: Timestamp) -> Json {
    if let Some(object) = event.as_object_mut() {
        object.remove("number");
        object.insert("ts".to_owned(), format!("{at:.3}").into());
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::State;
    use crate::model::{Area, Outcome, Reading, Subject};
    use serde_json::json;
    use std::time::Duration;
    use tokio::task::JoinSet;

    fn tick(collector: &'static str, numbers: &[u64]) -> Batch {
        let mut reading = Reading::new(&Subject::of_host(Area::Health, "kernel", "Kernel"));
        let recent: Vec<Json> = numbers
            .iter()
            .map(|number| json!({"number": number, "device": format!("sd{number}")}))
            .collect();
        reading.detail = Some([("recent".to_owned(), recent.into())].into_iter().collect());
        Batch {
            at: Timestamp::UNIX_EPOCH,
            outcomes: vec![Outcome {
                collector,
                result: Ok(vec![reading]),
            }],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_error_is_an_event_once() {
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(bus.clone(), cancel.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut listener = bus.listen();
        bus.emit(Event::HomeAssistantBirth { edge: "test" });
        for (collector, numbers) in [
            ("cpu", &[9][..]),
            (ENTRY.name, &[]),
            (ENTRY.name, &[1, 2]),
            (ENTRY.name, &[1, 2, 3]),
            (ENTRY.name, &[1]),
        ] {
            bus.publish(tick(collector, numbers));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
        tasks.join_next().await.unwrap().unwrap();
        drop(bus);
        let mut told = Vec::new();
        loop {
            match listener.next().await {
                Heard::Event(Event::Happened(kind, event)) => {
                    assert_eq!(
                        (kind, &event["ts"]),
                        ("kernel", &json!("1970-01-01T00:00:00.000Z"))
                    );
                    told.push(event["device"].as_str().unwrap().to_owned());
                }
                Heard::Event(_) => {}
                Heard::Missed(_) | Heard::Closed => break,
            }
        }
        assert_eq!(told, ["sd1", "sd2", "sd3", "sd1"]);
    }
}
