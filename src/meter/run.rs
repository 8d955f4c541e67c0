use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::found::Finder;
use super::track::Record;
use super::{INTERVAL, Meter, Meters};
use crate::bus::{Bus, Event, Foreign};
use crate::host::{Clock, Host};
use crate::store::{Change, Collection, Store};

/// How long unknown meters are listened for, at the start and …
const SEARCH: Duration = Duration::from_mins(10);
/// … once in so long.
const SEARCH_AGAIN: Duration = Duration::from_hours(24);
/// How often counters are kept.
const KEEP: Duration = Duration::from_mins(10);

/// A meter's counters as they are kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The device that they are of.
    of: String,
    record: Record,
}

/// Listens to every meter until `cancel`, then keeps their counters. Nothing that a meter or a
/// broker does ends it.
pub async fn run(meters: Meters, bus: Bus, host: Host, store: Store, cancel: CancellationToken) {
    restore(&meters, &host.clock, &store).await;
    let work = async {
        tokio::join!(
            listen(&meters, &bus, &host.clock),
            search(&meters, &bus),
            poll_all(&meters, &host),
            ask_all(&meters, &bus),
            keep_always(&meters, &host.clock, &store),
        )
    };
    // None of them ends by itself but for want of work.
    let ended = cancel.run_until_cancelled(Box::pin(work)).await;
    debug_assert!(ended.is_none(), "listening has no end");
    keep(&meters, &host.clock, &store).await;
}

/// Hears what meters say.
async fn listen(meters: &Meters, bus: &Bus, clock: &Clock) {
    let own: Vec<String> = {
        let known = meters.lock();
        let filters = known.meters.iter().flat_map(|meter| meter.filters.clone());
        filters.collect()
    };
    let mut inbox = bus.want(own);
    loop {
        let message = inbox.next().await;
        if let Some(payload) = text(&message) {
            let now = (message.at, clock.now());
            let mut known = meters.lock();
            known.hear(&message.topic, payload, message.retained, now);
        }
    }
}

/// Looks for meters that nobody has configured, now and then.
async fn search(meters: &Meters, bus: &Bus) {
    loop {
        let mut inbox = bus.overhear(Finder::filters());
        let hear = async {
            loop {
                let message = inbox.next().await;
                let new = text(&message)
                    .is_some_and(|text| meters.lock().finder.hear(&message.topic, text));
                if new {
                    tracing::debug!(topic = message.topic, "a meter that could be adopted");
                }
            }
        };
        let over: Result<(), _> = timeout(SEARCH, hear).await;
        debug_assert!(over.is_err(), "hearing has no end");
        drop(inbox);
        sleep(SEARCH_AGAIN).await;
    }
}

/// What a meter says is text.
fn text(message: &Foreign) -> Option<&str> {
    let text = std::str::from_utf8(&message.payload).ok();
    if text.is_none() {
        tracing::debug!(topic = message.topic, "no text; no meter speaks so");
    }
    text
}

/// Reads every meter that is asked by HTTP, each at its own pace.
pub(super) async fn poll_all(meters: &Meters, host: &Host) {
    let urls: Vec<(usize, String, Duration)> = {
        let known = meters.lock();
        let polled = known
            .meters
            .iter()
            .enumerate()
            .filter_map(|(index, meter)| {
                let interval = meter.config.interval.unwrap_or(INTERVAL);
                Some((index, meter.dialect.url()?, interval))
            });
        polled.collect()
    };
    let polls = urls.into_iter().map(|(index, url, interval)| async move {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let answer = fetch(host, &url).await;
            let now = (Instant::now(), host.clock.now());
            if let Some(meter) = meters.lock().meters.get_mut(index) {
                match answer {
                    Ok(body) => {
                        meter.trouble = None;
                        meter.hear("", &body, false, now);
                    }
                    Err(text) => meter.complain(text),
                }
            }
        }
    });
    join_all(polls).await;
}

async fn fetch(host: &Host, url: &str) -> Result<String, String> {
    let request = host.http.request(Method::GET, url);
    let request = request.map_err(|error| error.to_string())?;
    let answer = host
        .http
        .exchange(request)
        .await
        .map_err(|error| error.to_string())?;
    if !answer.is_success() {
        let hint = match answer.status {
            401 | 403 => "; switch its local API on",
            _ => "",
        };
        return Err(format!("answers with status {}{hint}", answer.status));
    }
    String::from_utf8(answer.body.to_vec()).map_err(|_| "answers with no text".to_owned())
}

impl Meter {
    fn complain(&mut self, text: String) {
        if self.trouble.as_ref() != Some(&text) {
            tracing::warn!(meter = self.config.name, "{text}");
            self.trouble = Some(text);
        }
    }
}

/// Asks every meter on MQTT whose owner wants it asked.
async fn ask_all(meters: &Meters, bus: &Bus) {
    let asked: Vec<(String, String, Duration)> = {
        let known = meters.lock();
        let asked = known.meters.iter().filter_map(|meter| {
            let (topic, payload) = meter.dialect.ask()?;
            Some((topic, payload, meter.config.interval?))
        });
        asked.collect()
    };
    let asks = asked
        .into_iter()
        .map(|(topic, payload, interval)| async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                bus.emit(Event::Ask(topic.as_str().into(), payload.clone().into()));
            }
        });
    join_all(asks).await;
}

async fn keep_always(meters: &Meters, clock: &Clock, store: &Store) {
    loop {
        sleep(KEEP).await;
        keep(meters, clock, store).await;
    }
}

async fn keep(meters: &Meters, clock: &Clock, store: &Store) {
    let at = clock.now();
    let changes: Vec<Change> = {
        let known = meters.lock();
        let kept = known.meters.iter().filter_map(|meter| {
            let of = meter.identity();
            let record = meter.track.record(at)?;
            let text = serde_json::to_vec(&Kept { of, record }).ok()?;
            Some(Change::Put(Collection::Meters, meter.name(), text))
        });
        kept.collect()
    };
    if changes.is_empty() {
        return;
    }
    let store = store.clone();
    let text = match tokio::task::spawn_blocking(move || store.write(&changes)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(error = text, "the counters of meters cannot be kept");
}

async fn restore(meters: &Meters, clock: &Clock, store: &Store) {
    let store = store.clone();
    let read = tokio::task::spawn_blocking(move || store.all(Collection::Meters)).await;
    let records = match read {
        Ok(Ok(records)) => records,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the counters of meters cannot be read back");
            return;
        }
        Err(error) => {
            tracing::warn!(%error, "the counters of meters cannot be read back");
            return;
        }
    };
    let mut known = meters.lock();
    for (name, text) in records {
        let meter = known
            .meters
            .iter_mut()
            .find(|meter| meter.config.name == name);
        let Some(meter) = meter else { continue };
        match serde_json::from_slice::<Kept>(&text) {
            Ok(kept) if kept.of == meter.identity() => {
                meter
                    .track
                    .restore(&kept.record, clock.now(), Instant::now());
            }
            // Another device has its name now.
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(name, %error, "its counter makes no sense and begins anew");
            }
        }
    }
}
