//! The edge to an outside MQTT broker.
//!
//! Nothing that happened once (events, results, alerts) is lost while the broker is away, hangs
//! or forgets us: it waits in an outbox of our own, bounded, in order, on disk after some
//! seconds, and leaves it only when the broker has acknowledged it. States are sent anew after
//! every connect. Nobody on the bus ever waits for this edge.

mod fresh;
mod link;
mod outbox;
mod session;
mod wire;
mod worker;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::link::Link;
use self::session::{End, Session};
use self::wire::{Hello, Wire};
use self::worker::Worker;
use super::{Bus, Incoming};
use crate::config::{BrokerConfig, Protocol};
use crate::host::Clock;
use crate::model::Topics;
use crate::store::{Collection, Store};

/// How long a connection may take until the broker's welcome.
const CONNECT: Duration = Duration::from_secs(10);
/// How long stopping may take.
const STOP: Duration = Duration::from_millis(900);
/// The shortest and the longest wait before the next try.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// A connection that lasted so long was a good one: the next wait is short again.
const GOOD: Duration = Duration::from_secs(10);

/// Carries the bus to the broker and back until `cancel`; then says `offline` and stores what
/// still waits, within a second. Errors of the network never end it.
pub async fn run(
    config: &BrokerConfig,
    topics: Topics,
    bus: Bus,
    clock: Clock,
    store: Store,
    cancel: CancellationToken,
) {
    let client_id = client_id(config, &topics, &store).await;
    let mut worker = Worker::start(topics, bus, clock, store).await;
    tokio::select! {
        () = serve(config, &client_id, &mut worker, &cancel) => {}
        () = async {
            cancel.cancelled().await;
            sleep(STOP).await;
        } => tracing::debug!("the broker took too long to say goodbye to"),
    }
    worker.catch_up();
    worker.save().await;
}

/// Connects to the broker and leaves again, without a trace: whether it would have us.
///
/// # Errors
/// What the broker or the network said.
pub async fn probe(config: &BrokerConfig) -> Result<(), String> {
    visit(config).await.map(drop)
}

/// Listens on `filters` for `time` and leaves again, without a trace: what other clients say
/// there, and what the broker has kept.
///
/// # Errors
/// What the broker or the network said; what was heard until then has been heard.
pub async fn overhear(
    config: &BrokerConfig,
    filters: &[String],
    time: Duration,
    hear: impl FnMut(Incoming) + Send,
) -> Result<(), String> {
    let until = Instant::now() + time;
    visit(config).await?.overhear(filters, until, hear).await
}

/// A connection by a guest who says nothing.
async fn visit(config: &BrokerConfig) -> Result<Session, String> {
    let random = getrandom::u32().map_err(|error| error.to_string())?;
    let hello = Hello {
        client_id: &format!("homewatch-doctor-{random:08x}"),
        login: login(config),
        keep_alive_s: 60,
        will: None,
    };
    connect(config, &hello).await.map_err(|end| match end {
        End::Refused(why) => format!("the broker refuses us: {why}"),
        End::Version(why) | End::Lost(why) => why,
        End::Stopped => "stopped".to_owned(),
    })
}

fn login(config: &BrokerConfig) -> Option<(&str, &str)> {
    let password = config
        .password
        .as_ref()
        .map_or("", |secret| secret.reveal());
    config.username.as_deref().map(|user| (user, password))
}

async fn serve(
    config: &BrokerConfig,
    client_id: &str,
    worker: &mut Worker,
    cancel: &CancellationToken,
) {
    let mut failures = 0;
    loop {
        let hello = Hello {
            client_id,
            login: login(config),
            keep_alive_s: u16::try_from(config.keep_alive.as_secs()).unwrap_or(u16::MAX),
            will: Some(worker.edge.status(false)),
        };
        let Some(opened) = worker.meanwhile(cancel, connect(config, &hello)).await else {
            return;
        };
        let why = match opened {
            Ok(session) => {
                tracing::info!(url = %config.url, "connected to the MQTT broker");
                worker.connected();
                let since = Instant::now();
                let end = Box::pin(session.run(worker, cancel)).await;
                if since.elapsed() >= GOOD {
                    failures = 0;
                }
                end
            }
            Err(end) => end,
        };
        match why {
            End::Stopped => return,
            End::Refused(why) => worker.lost(format!("the broker refuses us: {why}")),
            End::Version(why) | End::Lost(why) => worker.lost(why),
        }
        let pause = sleep(back_off(failures));
        failures += 1;
        if worker.meanwhile(cancel, pause).await.is_none() {
            return;
        }
    }
}

/// Connects, with MQTT 5 first and then 3.1.1 if either will do.
async fn connect(config: &BrokerConfig, hello: &Hello<'_>) -> Result<Session, End> {
    let wires: &[Wire] = match config.protocol {
        Protocol::Auto => &[Wire::V5, Wire::V311],
        Protocol::V5 => &[Wire::V5],
        Protocol::V311 => &[Wire::V311],
    };
    let mut end = End::Lost(String::new());
    for wire in wires {
        let attempt = async {
            let link = Link::open(config)
                .await
                .map_err(|error| End::Lost(error.to_string()))?;
            Session::open(link, *wire, hello).await
        };
        let limit = format!("no welcome within {} s", CONNECT.as_secs());
        end = match timeout(CONNECT, attempt).await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(end @ End::Version(_))) => end,
            Ok(Err(end)) => return Err(end),
            Err(_) => return Err(End::Lost(limit)),
        };
    }
    Err(end)
}

/// The wait before the next try after `failures` failed ones in a row: doubled each time, and
/// different on every machine, so that a restarted broker is not stormed.
fn back_off(failures: u32) -> Duration {
    let (shortest, longest) = BACK_OFF;
    let most = shortest.saturating_mul(1 << failures.min(10)).min(longest);
    let random = getrandom::u32().unwrap_or(u32::MAX);
    let share = 0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0;
    most.mul_f64(share).max(shortest / 2)
}

/// The configured client id, or one of our own: kept, so that the broker's log names us alike
/// after every restart, and random, so that two nodes of one name do not throw each other out.
async fn client_id(config: &BrokerConfig, topics: &Topics, store: &Store) -> String {
    const KEY: &str = "mqtt_client";
    if let Some(id) = &config.client_id {
        return id.clone();
    }
    let fresh = format!("{:08x}", getrandom::u32().unwrap_or(0));
    let kept = store.blocking(move |store| {
        if let Some(kept) = store.get(Collection::Identity, KEY)?
            && let Ok(kept) = String::from_utf8(kept)
        {
            return Ok(kept);
        }
        store.put(Collection::Identity, KEY, fresh.as_bytes())?;
        Ok(fresh)
    });
    let suffix = kept.await.unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            "the MQTT client id cannot be kept; using one for this run"
        );
        format!("{:08x}", getrandom::u32().unwrap_or(0))
    });
    format!("homewatch-{}-{suffix}", topics.node())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_are_never_short() {
        for failures in 0..200 {
            let wait = back_off(failures);
            assert!(wait >= Duration::from_millis(500) && wait <= Duration::from_mins(1));
        }
        assert!(back_off(0) <= Duration::from_secs(1));
        assert!(back_off(30) >= Duration::from_secs(30));
    }
}
