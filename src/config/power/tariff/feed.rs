use std::time::Duration;

use crate::config::Section;

/// A figure that changes with the time and is told on MQTT: the price now as a number, or a list
/// of times with a price each.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedConfig {
    /// The topics, as MQTT filters.
    pub topics: Vec<String>,
    /// Below this topic every attribute of a Home Assistant entity is published; a plain number
    /// counts in `state` only, lists anywhere.
    pub statestream: Option<String>,
    /// A number on a topic holds for so long when nothing follows.
    pub stale_after: Duration,
}

impl FeedConfig {
    /// What is to be subscribed.
    pub fn filters(&self) -> Vec<String> {
        let below = self.statestream.iter().map(|base| format!("{base}/+"));
        self.topics.iter().cloned().chain(below).collect()
    }

    /// Reads `topics`, `statestream` and `stale_after`.
    pub(in crate::config::power) fn read(
        section: &mut Section<'_>,
        stale_after: Duration,
    ) -> Option<Self> {
        let topics = section.texts("topics");
        let statestream = section.parsed(
            "statestream",
            "an entity's topic such as \"homeassistant/sensor/nordpool\"",
            |text| is_topic(text).then(|| text.to_owned()),
        );
        let stale = section.duration("stale_after", MINUTE..=Duration::from_hours(48));
        if let Some(topics) = &topics
            && (topics.is_empty() || !topics.iter().all(|topic| is_topic(topic)))
        {
            section.fault("topics", "must list topics without \"+\" and \"#\"");
            return None;
        }
        if topics.is_none() && statestream.is_none() {
            return None;
        }
        Some(Self {
            topics: topics.unwrap_or_default(),
            statestream,
            stale_after: stale.unwrap_or(stale_after),
        })
    }
}

const MINUTE: Duration = Duration::from_mins(1);

fn is_topic(text: &str) -> bool {
    !text.is_empty()
        && !text.ends_with('/')
        && text.len() <= 512
        && !text.contains(['+', '#', '\0'])
}

/// Prices that change by the hour or the quarter of an hour.
#[derive(Debug, Clone, PartialEq)]
pub struct DynamicConfig {
    /// Where they are told.
    pub feed: FeedConfig,
    /// How much of the currency a kWh costs when the feed says 1.
    pub scale: f64,
    /// A factor on it, such as a share that the supplier adds.
    pub factor: f64,
    /// What a kWh costs on top of that: fees of the network, levies.
    pub add: f64,
}

impl DynamicConfig {
    /// What a kWh costs, without tax, when the feed says `raw`.
    pub fn price(&self, raw: f64) -> f64 {
        raw * self.scale * self.factor + self.add
    }

    pub(super) fn read(mut section: Section<'_>, currency: Option<&str>) -> Option<Self> {
        let given = !section.keys().is_empty();
        let feed = FeedConfig::read(&mut section, Duration::from_hours(2));
        let must = match currency {
            Some(currency) => format!("\"{currency}/kWh\", \"ct/kWh\" or \"{currency}/MWh\""),
            None => "such as \"EUR/kWh\", \"ct/kWh\" or \"EUR/MWh\"".to_owned(),
        };
        let unit = section.parsed("unit", &must, |text| scale(text, currency));
        let factor = section.number("factor", 0.000_001..=1000.0);
        let add = super::price(&mut section, "add");
        if given && !section.has("topics") && !section.has("statestream") {
            section.fault("topics", "is missing; or give \"statestream\"");
        }
        section.finish();
        Some(Self {
            feed: feed?,
            scale: unit.unwrap_or(1.0),
            factor: factor.unwrap_or(1.0),
            add: add.unwrap_or(0.0),
        })
    }
}

fn scale(unit: &str, currency: Option<&str>) -> Option<f64> {
    let (money, energy) = unit.split_once('/')?;
    let money = match money {
        "ct" => 0.01,
        code if currency.is_none_or(|currency| currency == code) => 1.0,
        _ => return None,
    };
    match energy {
        "kWh" => Some(money),
        "MWh" => Some(money / 1000.0),
        _ => None,
    }
}
