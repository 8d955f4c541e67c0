use std::collections::BTreeMap;
use std::time::Duration;

use config::Value;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::ENTRY;
use crate::bus::{Bus, Event, Request};
use crate::host::Host;
use crate::model::Value as Figure;

/// How often it is looked whether the machine is busy with something that a self-test would hinder.
const LOOK: Duration = Duration::from_mins(1);
/// A collector that has not answered an errand after this long is not there, or its disk hangs.
const LIMIT: Duration = Duration::from_secs(45);
const VERB: &str = "health/selftest";

/// Whether the configuration lets commands begin self-tests.
pub fn takes_orders(tables: &BTreeMap<String, Value>) -> bool {
    let command = of_selftest(tables, "command");
    command.and_then(|value| value.into_bool().ok()) == Some(true)
}

/// Whether the configuration lets disks test themselves now and then.
pub fn tests_are_scheduled(tables: &BTreeMap<String, Value>) -> bool {
    let mut keys = ["short", "long"].into_iter();
    keys.any(|key| of_selftest(tables, key).is_some())
}

/// A value of `[collect.smart.selftest]`.
fn of_selftest(tables: &BTreeMap<String, Value>, key: &str) -> Option<Value> {
    let below = |value: Value, key: &str| value.into_table().ok()?.get(key).cloned();
    let selftest = below(tables.get("smart")?.clone(), "selftest")?;
    below(selftest, key)
}

/// Hands commands for self-tests to the collector of disks, tells what it says of them, and lets it
/// know whether the machine is calm enough for those that are due; until `cancel`.
pub async fn run(host: Host, bus: Bus, by_command: bool, cancel: CancellationToken) {
    let mut orders = by_command.then(|| bus.take_orders(&[VERB]));
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What speaks against it is not known before the first minute is over.
    looks.reset();
    // One that waits for a disk that hangs keeps neither the others nor the news.
    let mut under_way = FuturesUnordered::new();
    loop {
        let order = async {
            match &mut orders {
                Some(orders) => orders.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            happened = host.desk.told() => {
                for (kind, detail) in happened {
                    bus.emit(Event::Happened(kind, detail.into()));
                }
            }
            _ = looks.tick() => host.desk.set_calm(is_calm(&bus)),
            Some(()) = under_way.next() => {}
            Some(request) = order => under_way.push(carry_out(&host, &bus, request)),
        }
    }
}

async fn carry_out(host: &Host, bus: &Bus, request: Request) {
    let order = request.command.order();
    let target = order.map_or("", |order| order.target.as_str());
    let text = order.and_then(|order| {
        let named = order.fields.get("test").and_then(|test| test.as_str());
        named.or(order.text.as_deref())
    });
    let done = host.desk.ask(ENTRY.name, target, text);
    let result = match timeout(LIMIT, done).await {
        Ok(Ok(Ok(detail))) => request.command.done(detail),
        Ok(Ok(Err(reason))) => request.command.refused(reason),
        Ok(Err(_)) | Err(_) => request
            .command
            .refused("the disk hangs, or disks are not watched at present; homewatch doctor tells"),
    };
    bus.answer(request, result, host.clock.now());
}

/// Whether nothing is under way that a self-test would hinder or be hindered by: running on a
/// battery, an array or a pool that is being rebuilt or checked.
fn is_calm(bus: &Bus) -> bool {
    const BUSY: [(&str, &str, &[&str]); 4] = [
        (
            "health/ups-",
            "state",
            &["on_battery", "low_battery", "shutting_down"],
        ),
        ("power/battery-", "state", &["discharging"]),
        (
            "health/raid-",
            "state",
            &["rebuilding", "resyncing", "checking"],
        ),
        ("health/pool-", "work", &["scrub", "resilver"]),
    ];
    let subjects = bus.state().subjects();
    let is_busy = |key: &str, figure: &str, value: &Figure| {
        BUSY.iter().any(|(prefix, wanted, words)| {
            let is_word = matches!(value, Figure::Text(text) if words.contains(&&**text));
            is_word && key.starts_with(prefix) && figure == *wanted
        })
    };
    let mut available = subjects.iter().filter(|subject| subject.available);
    !available.any(|subject| {
        let key = subject.subject.key();
        let mut values = subject.values.iter();
        values.any(|(metric, value)| is_busy(key, metric.key, value))
    })
}
