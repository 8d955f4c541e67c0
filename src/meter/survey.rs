//! A look at meters without a running service: what is heard of them in some seconds.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::found::Finder;
use super::run::poll_all;
use super::track::Look;
use super::{Meter, Meters};
use crate::bus::{Incoming, MAX_FOREIGN, broker};
use crate::config::{BrokerConfig, MeterConfig};
use crate::host::Host;

/// What was heard of meters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Survey {
    /// How each configured meter fares, by name.
    pub meters: Vec<(String, Fares)>,
    /// The lines of configuration that would adopt the others.
    pub offers: Vec<String>,
    /// Why the broker let nothing be heard.
    pub trouble: Option<String>,
}

/// How a meter fares after so short a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fares {
    /// As the text says: it speaks.
    Heard(String),
    /// As the text says: it was asked and does not answer, or says itself that it is offline.
    Away(String),
    /// It speaks when it likes, and has said nothing yet.
    NotYet,
}

/// Listens on `broker` and asks those that answer by HTTP, for `time`. Nothing is published, and
/// no meter on MQTT is asked.
pub async fn survey(
    host: &Host,
    meters: &[MeterConfig],
    broker: Option<&BrokerConfig>,
    time: Duration,
) -> Survey {
    let meters = Meters::new(meters);
    let filters = {
        let known = meters.lock();
        let own = known.meters.iter().flat_map(|meter| meter.filters.clone());
        own.chain(Finder::filters()).collect::<Vec<_>>()
    };
    let hear = |message: Incoming| {
        let text = std::str::from_utf8(&message.payload).ok();
        if let Some(payload) = text.filter(|text| text.len() <= MAX_FOREIGN) {
            let now = (Instant::now(), host.clock.now());
            let mut known = meters.lock();
            known.hear(&message.topic, payload, message.retain, now);
            known.finder.hear(&message.topic, payload);
        }
    };
    let listen = async {
        match broker {
            Some(broker) => broker::overhear(broker, &filters, time, hear).await,
            None => Ok(()),
        }
    };
    let (heard, _) = tokio::join!(listen, timeout(time, poll_all(&meters, host)));
    let known = meters.lock();
    let now = Instant::now();
    Survey {
        meters: known
            .meters
            .iter()
            .map(|meter| (meter.name(), meter.survey(now)))
            .collect(),
        offers: known.offers(),
        trouble: heard.err(),
    }
}

impl Meter {
    fn survey(&self, now: Instant) -> Fares {
        let look = self.track.look(now);
        let text = self.fares(&look);
        match look {
            Look::Live(_) => Fares::Heard(text),
            Look::Offline => Fares::Away(text),
            Look::NeverHeard | Look::Silent(_) if self.dialect.url().is_some() => Fares::Away(text),
            Look::NeverHeard | Look::Silent(_) => Fares::NotYet,
        }
    }
}
