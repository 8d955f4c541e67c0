//! What each kind of meter says, one file a dialect. A dialect only translates: what can be
//! believed is judged by `track`.

mod dsmr_reader;
mod emonhub;
mod esphome;
mod generic;
mod homeassistant;
mod homewizard;
mod iotawatt;
mod shelly;
mod shelly_gen1;
mod tasmota;
mod zigbee2mqtt;

use std::time::Duration;

use serde_json::Value as Json;

use super::figures::Heard;
use super::found::Found;
use crate::config::{Address, EnergyUnit, MeterConfig, PowerUnit};
use crate::model::payload::{json, number};

/// One meter's way to speak.
pub(crate) trait Dialect: Send {
    /// What its maker or software is called.
    fn maker(&self) -> &'static str;

    /// The topics on which it speaks.
    fn filters(&self) -> Vec<String> {
        Vec::new()
    }

    /// What a message (by HTTP: an answer, with an empty topic) says; nothing if it is none of
    /// the meter's. Figures are in W and kWh if the device's units are [`Dialect::units`].
    fn hear(&mut self, topic: &str, payload: &str) -> Heard;

    /// The URL to read, for those that are asked by HTTP.
    fn url(&self) -> Option<String> {
        None
    }

    /// Topic and payload that make it speak at once.
    fn ask(&self) -> Option<(String, String)> {
        None
    }

    /// The units that the dialect's figures have on the wire.
    fn units(&self) -> (PowerUnit, EnergyUnit) {
        (PowerUnit::Watt, EnergyUnit::KilowattHour)
    }

    /// Without a message for this long it is silent: several times the longest pause between
    /// two messages that the dialect makes as delivered.
    fn silent_after(&self) -> Duration {
        Duration::from_mins(15)
    }
}

/// How a kind of meter is recognised on a broker without being configured.
pub(crate) struct Recogniser {
    /// Topics on which it could be heard.
    pub(crate) filters: &'static [&'static str],
    /// The meters that a message gives away.
    pub(crate) find: fn(&str, &str) -> Vec<Found>,
}

/// Every dialect that can be recognised; adding one is its file and its line here.
pub(crate) const RECOGNISERS: &[Recogniser] = &[
    tasmota::RECOGNISER,
    shelly::RECOGNISER,
    shelly_gen1::RECOGNISER,
    zigbee2mqtt::RECOGNISER,
    esphome::RECOGNISER,
    dsmr_reader::RECOGNISER,
    emonhub::RECOGNISER,
    homeassistant::RECOGNISER,
];

/// The dialect of a configured meter.
pub(crate) fn build(meter: &MeterConfig) -> Box<dyn Dialect> {
    let channel = meter.channel;
    match meter.address.clone() {
        Address::Tasmota { topic, full_topic } => {
            Box::new(tasmota::Tasmota::new(&topic, &full_topic, channel))
        }
        Address::Shelly { prefix } => Box::new(shelly::Shelly::new(prefix, channel)),
        Address::ShellyGen1 { id } => Box::new(shelly_gen1::ShellyGen1::new(&id, channel)),
        Address::Zigbee2mqtt { name, base } => {
            Box::new(zigbee2mqtt::Zigbee2mqtt::new(&name, base, channel))
        }
        Address::Esphome { prefix, fields } => Box::new(esphome::Esphome::new(prefix, &fields)),
        Address::DsmrReader { base } => Box::new(dsmr_reader::DsmrReader::new(base)),
        Address::Emonhub { topic, fields } => Box::new(emonhub::Emonhub::new(topic, &fields)),
        Address::Homewizard { url } => Box::new(homewizard::Homewizard::new(url)),
        Address::Iotawatt { url, output } => Box::new(iotawatt::Iotawatt::new(&url, &output)),
        Address::HomeAssistant { base, fields } => {
            Box::new(homeassistant::HomeAssistant::new(&base, &fields))
        }
        Address::Mqtt { topic, fields } => Box::new(generic::Mqtt::new(&topic, &fields)),
        Address::Http { url, fields } => Box::new(generic::Http::new(url, &fields)),
    }
}

/// What `value` has at `key`, if it has.
fn at<'j>(value: &'j Json, key: &str) -> &'j Json {
    value.get(key).unwrap_or(&Json::Null)
}

/// `ON`, `on`, `true`, `1`, and the contrary.
fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "1" => Some(true),
        "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// `online`, `Online`, `true`, and the contrary; nothing else.
fn presence(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "online" | "true" => Some(true),
        "offline" | "false" => Some(false),
        _ => None,
    }
}
