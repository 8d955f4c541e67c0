use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::supply::key;
use crate::bus::{Bus, Event};
use crate::host::Memory;
use crate::model::{Reading, Value};
use crate::power::{Outage, Outages};

/// What was told of the outages of a UPS; kept, so that nothing is told twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Told {
    count: u64,
    lasts: bool,
}

/// Tells by `event/power_outage` that an outage has begun or ended since the last time.
pub(super) fn outages(reading: &Reading, memory: &Memory, bus: &Bus) {
    // While it is lost nothing begins or ends.
    let Some(Value::Flag(lasts)) = reading.value("on_battery") else {
        return;
    };
    let id = &reading.subject.id;
    let record = key(id, "told");
    let before: Told = memory.get(&record).unwrap_or_default();
    let outages = Outages::of(memory, id);
    let now = Told {
        count: outages.count(),
        lasts: *lasts,
    };
    if now == before {
        return;
    }
    let begun = now.count.saturating_sub(before.count);
    let mut newest = outages.newest();
    let last = newest.next();
    if before.lasts {
        let ended = if begun > 0 { newest.next() } else { last };
        tell(bus, reading, "end", ended);
    }
    if begun > 0 {
        tell(bus, reading, "begin", last);
        if !now.lasts {
            tell(bus, reading, "end", last);
        }
    }
    memory.put_now(&record, &now);
}

fn tell(bus: &Bus, reading: &Reading, what: &str, outage: Option<&Outage>) {
    let mut event = json!(outage);
    if let Json::Object(event) = &mut event {
        event.remove("looks");
        let subject = reading.subject.key();
        event.insert("subject".to_owned(), subject.into());
        event.insert("ups".to_owned(), reading.subject.label.as_str().into());
        event.insert("state".to_owned(), what.into());
    }
    bus.emit(Event::Happened("power_outage", event.into()));
}
