//! Meters and smart plugs: what they say on MQTT or by HTTP, made into readings that can be
//! believed.
//!
//! This is a part of its own and no collector: meters speak when they like, by the bus, while a
//! collector samples the host when the frame likes. One slot in the frame hands the newest that
//! is known over at each tick, so that meters cost no burst and no record of their own.
//!
//! - `dialect/`: one file a kind of meter; it translates and judges nothing;
//! - `counter`: a counter that only grows, out of one that resets, rolls back, glitches, jumps;
//! - `check`, `doubt`: whether watts can be, and what to tell the owner if not;
//! - `track`: all that is known of one meter, pure;
//! - `found`: meters that are heard and not configured, offered as one line of configuration;
//! - `run`: the task; `slot`: what the frame samples; `survey`: a look without a running service.
//!
//! # What odd input gets
//!
//! | input | result |
//! |---|---|
//! | NaN, infinite or unreadable watts | no power until the next good figure; `suspect` says so; the counter goes on |
//! | negative watts on what cannot feed in | above −1 W: 0; below: withheld, with the remedy (`scale = -1`, `feeds = "house"`) |
//! | more than `max_w` | withheld |
//! | watts that do not move for 2 h with volts and amperes, or while the counter stands | told as they are, `suspect` |
//! | kW called W | withheld as soon as volts and amperes, or the counter, contradict by a thousand; the remedy is named |
//! | a figure as a text (`"Power":"12"`) | a number all the same, in every dialect: DSMR-reader and some firmware say all of them so |
//! | now the whole device and now its outlets | the whole, or with `channel` the outlet; never both summed; `suspect` for an hour unless `channel` is set |
//! | a counter in Wh called kWh | its energy withheld once it outruns `max_w`; the remedy is named |
//! | outlet off, watts above 0.5 | 0 W, `suspect` |
//! | counter at 0 or elsewhere for one message | ignored |
//! | counter reset to 0 | counted on from 0: nothing lost |
//! | counter rolled back | followed; what lies between is not counted twice |
//! | counter back by up to 2 Wh | rounding: held |
//! | counter forward by more than `max_w` allows | not counted; `suspect` for an hour |
//! | counter to and fro (two plugs of one name) | the first one's line is kept; `suspect` |
//! | the meter's clock | never read |
//! | a retained reading | never taken for now; retained presence (`LWT`, `online`) is |
//! | figures that come in a message each | energy is told once 90 s have gone by without one more counter, so that no total leaps |
//! | the same message again within half a second | a copy for another filter: ignored; who repeats it without end is taken in twice a second, and is alive |
//! | silence, or the device's last will | the subject is unavailable |
//! | a payload above 16 KiB | dropped before it gets here |
//! | two tables for one outlet | a fault of the configuration |
//!
//! A meter without a counter of its own has its watts integrated, over pauses no longer than
//! `silent_after`. Counters are kept in the store, so that totals go on over restarts.

mod check;
mod counter;
mod dialect;
mod doubt;
mod figures;
mod found;
mod run;
mod slot;
mod survey;
mod track;

pub use run::run;
pub use survey::{Fares, Survey, survey};

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::dialect::Dialect;
use self::found::Finder;
use self::track::{Limits, Track};
use crate::config::{Address, MeterConfig};
use crate::model::{Area, Device, Subject, Timestamp};
use crate::power::Scope;

/// Brokers may send a message once for each filter that catches it: the same one again within this
/// time is a copy, which must not confirm itself.
const COPY: Duration = Duration::from_millis(500);
/// How often meters are asked by HTTP unless `interval` says otherwise.
const INTERVAL: Duration = Duration::from_secs(10);

/// Every configured meter and what is known of it. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Meters(Arc<Mutex<Known>>);

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.lock().meters.iter().map(Meter::name).collect();
        f.debug_tuple("Meters").field(&names).finish()
    }
}

struct Known {
    meters: Vec<Meter>,
    finder: Finder,
}

/// One configured meter.
struct Meter {
    config: MeterConfig,
    subject: Arc<Subject>,
    scope: Scope,
    dialect: Box<dyn Dialect>,
    /// The topics on which it speaks.
    filters: Vec<String>,
    track: Track,
    /// The last message that was taken in, as a digest, and when it came. Copies do not count: who
    /// repeats himself without end is taken in twice a second.
    last: Option<(u64, Instant)>,
    /// Why its last answer by HTTP was none.
    trouble: Option<String>,
}

impl Meters {
    /// The configured meters; nothing is heard before [`run`].
    pub fn new(meters: &[MeterConfig]) -> Self {
        Self(Arc::new(Mutex::new(Known {
            meters: meters.iter().map(Meter::new).collect(),
            finder: Finder::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines of configuration that would adopt the meters that were heard and are not
    /// configured.
    pub fn offers(&self) -> Vec<String> {
        self.lock().offers()
    }
}

impl Known {
    fn offers(&self) -> Vec<String> {
        let configured: Vec<MeterConfig> = self
            .meters
            .iter()
            .map(|meter| meter.config.clone())
            .collect();
        let offers = self.finder.offers(&configured);
        offers.map(found::Found::line).collect()
    }

    /// Takes a message in, for every meter that it could be of.
    fn hear(&mut self, topic: &str, payload: &str, retained: bool, now: (Instant, Timestamp)) {
        for meter in &mut self.meters {
            if meter
                .filters
                .iter()
                .any(|filter| crate::model::matches(filter, topic))
            {
                meter.hear(topic, payload, retained, now);
            }
        }
    }
}

impl Meter {
    fn new(config: &MeterConfig) -> Self {
        let dialect = dialect::build(config);
        let id = format!("meter-{}", config.name);
        let device = Device::Part {
            id: id.clone(),
            name: config.label.clone(),
            manufacturer: Some(dialect.maker().to_owned()),
            model: None,
            serial: None,
        };
        let (power, energy) = dialect.units();
        let power = config
            .power_unit
            .map_or(1.0, |unit| unit.watts() / power.watts());
        let energy = config
            .energy_unit
            .map_or(1.0, |unit| unit.kilowatt_hours() / energy.kilowatt_hours());
        let silence = if dialect.url().is_some() {
            let pause = config.interval.unwrap_or(INTERVAL);
            (3 * pause).max(Duration::from_mins(1))
        } else {
            dialect.silent_after()
        };
        let limits = Limits {
            max_w: config.max_w,
            feeds_in: config.feeds == "house",
            one_outlet: config.channel.is_some(),
            power: power * config.scale,
            energy: energy * config.scale,
            silent_after: config.silent_after.unwrap_or(silence),
        };
        Self {
            subject: Subject::of_device(Area::Power, &id, &config.label, device),
            scope: Scope::parse(&config.feeds).unwrap_or(Scope::Apart),
            filters: dialect.filters(),
            dialect,
            track: Track::new(limits),
            last: None,
            trouble: None,
            config: config.clone(),
        }
    }

    fn name(&self) -> String {
        self.config.name.clone()
    }

    fn hear(&mut self, topic: &str, payload: &str, retained: bool, now: (Instant, Timestamp)) {
        let mut hasher = DefaultHasher::new();
        (topic, payload, retained).hash(&mut hasher);
        let digest = hasher.finish();
        let is_copy =
            |(same, at): (u64, Instant)| same == digest && now.0.duration_since(at) < COPY;
        if self.last.is_some_and(is_copy) {
            return;
        }
        self.last = Some((digest, now.0));
        let heard = self.dialect.hear(topic, payload);
        if heard.unreadable {
            tracing::debug!(meter = self.config.name, topic, "a message makes no sense");
        }
        self.track.hear(&heard, retained, now.0, now.1);
    }

    /// What its counters are of: kept figures of another device must not be gone on from.
    fn identity(&self) -> String {
        let (dialect, place) = place(&self.config.address);
        format!(
            "{dialect} {place} {}",
            self.config.channel.map_or(-1, i16::from)
        )
    }
}

/// The dialect's key and value in the configuration.
fn place(address: &Address) -> (&'static str, &str) {
    match address {
        Address::Tasmota { topic, .. } => ("tasmota", topic),
        Address::Shelly { prefix } => ("shelly", prefix),
        Address::ShellyGen1 { id } => ("shelly_gen1", id),
        Address::Zigbee2mqtt { name, .. } => ("zigbee2mqtt", name),
        Address::Esphome { prefix, .. } => ("esphome", prefix),
        Address::DsmrReader { base } => ("dsmr_reader", base),
        Address::Emonhub { topic, .. } => ("emonhub", topic),
        Address::Homewizard { url } => ("homewizard", url),
        Address::Iotawatt { url, .. } => ("iotawatt", url),
        Address::HomeAssistant { base, .. } => ("homeassistant", base),
        Address::Mqtt { topic, .. } => ("mqtt", topic),
        Address::Http { url, .. } => ("http", url),
    }
}

/// The name of the figure that is power, where the owner has to say it.
fn power_field(address: &Address) -> Option<&str> {
    match address {
        Address::Esphome { fields, .. }
        | Address::Emonhub { fields, .. }
        | Address::HomeAssistant { fields, .. }
        | Address::Mqtt { fields, .. }
        | Address::Http { fields, .. } => fields.power.as_deref(),
        Address::Iotawatt { output, .. } => Some(output),
        Address::Tasmota { .. }
        | Address::Shelly { .. }
        | Address::ShellyGen1 { .. }
        | Address::Zigbee2mqtt { .. }
        | Address::DsmrReader { .. }
        | Address::Homewizard { .. } => None,
    }
}
