//! A figure that is told on MQTT for a time: a price, or what a kWh emits. Pure.

mod slots;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::config::FeedConfig;
use slots::Slots;

/// So many numbers that were told are remembered: what is booked late finds its own.
const NUMBERS: usize = 64;
/// What people read of a payload that makes no sense, characters.
const SHOWN: usize = 40;

/// Follows one feed. A list of times with a figure each goes before a plain number, which holds
/// until the next one and goes stale. Nothing that it hears can do more than be no figure.
#[derive(Debug, Clone)]
pub struct Feed {
    config: FeedConfig,
    believable: RangeInclusive<f64>,
    slots: Slots,
    /// Plain numbers, by when they were heard.
    numbers: BTreeMap<Timestamp, f64>,
    trouble: Option<String>,
    /// Counts what was taken in.
    heard: u64,
}

/// A feed as it is kept over restarts. Only ever add fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptFeed {
    /// The topics that it is of; of others it is worth nothing.
    of: Vec<String>,
    /// Begin and end in seconds since 1970, and the figure.
    slots: Vec<(i64, i64, f64)>,
    /// When it was heard, and the number.
    number: Option<(Timestamp, f64)>,
}

impl Feed {
    /// A feed of which nothing was heard yet; figures that are not `believable` are none.
    pub const fn new(config: FeedConfig, believable: RangeInclusive<f64>) -> Self {
        Self {
            config,
            believable,
            slots: Slots::new(),
            numbers: BTreeMap::new(),
            trouble: None,
            heard: 0,
        }
    }

    /// What is to be subscribed.
    pub fn filters(&self) -> Vec<String> {
        self.config.filters()
    }

    /// Why what was last heard is no figure.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How often it has taken something in; what is worked out from it is as old as that.
    pub const fn heard(&self) -> u64 {
        self.heard
    }

    /// Takes in a message of at `now`. A number that the broker had kept is not believed: nobody
    /// knows how old it is. A list tells its own times.
    pub fn hear(
        &mut self,
        topic: &str,
        payload: &[u8],
        retained: bool,
        now: Timestamp,
        zone: &TimeZone,
    ) {
        let Some(place) = self.place(topic) else {
            return;
        };
        let text = String::from_utf8_lossy(payload);
        let text = text.trim();
        // What Home Assistant says for an entity that knows nothing now.
        if matches!(
            text,
            "" | "unknown" | "unavailable" | "None" | "null" | "[]"
        ) {
            return;
        }
        let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
        let number = json.as_ref().and_then(|json| {
            let keys = ["value", "price", "state"];
            let plain = keys.iter().find_map(|key| json.get(*key));
            slots::number(plain.unwrap_or(json))
        });
        let fits = |value: f64| self.believable.contains(&value);
        let list = json.as_ref().map(|json| slots::find(json, zone, &fits));
        let list = list.unwrap_or_default();
        let (is_list, odd) = (!list.slots.is_empty(), list.odd);
        if is_list {
            slots::merge(&mut self.slots, list.slots);
            slots::prune(&mut self.slots, now);
            self.heard += 1;
            let (times, make) = if odd == 1 {
                ("time", "makes")
            } else {
                ("times", "make")
            };
            self.trouble = (odd > 0).then(|| format!("{odd} {times} on {topic} {make} no sense"));
        } else if place == Place::Attribute {
            // One of the entity's other attributes.
        } else if let Some(number) = number.filter(|number| fits(*number) && odd == 0) {
            if retained {
                return;
            }
            self.numbers.insert(now, number);
            while self.numbers.len() > NUMBERS {
                self.numbers.pop_first();
            }
            self.heard += 1;
            self.trouble = None;
        } else {
            let shown: String = text.chars().take(SHOWN).collect();
            let what = if number.is_some() {
                "cannot be; see to its unit"
            } else {
                "is neither a number nor a list of times with a figure each"
            };
            let trouble = format!("\"{}\" on {topic} {what}", shown.escape_debug());
            if self.trouble.as_ref() != Some(&trouble) {
                tracing::warn!("{trouble}");
            }
            self.trouble = Some(trouble);
        }
    }

    fn place(&self, topic: &str) -> Option<Place> {
        if self.config.topics.iter().any(|one| one == topic) {
            return Some(Place::Topic);
        }
        let base = self.config.statestream.as_ref()?;
        let below = topic.strip_prefix(base.as_str())?.strip_prefix('/')?;
        Some(match below {
            "state" => Place::Topic,
            _ => Place::Attribute,
        })
    }

    /// The figure that holds at `at`; `None` if it is not known or stale.
    pub fn at(&self, at: Timestamp) -> Option<f64> {
        self.ahead(at).or_else(|| {
            let (heard, number) = self.numbers.range(..=at).next_back()?;
            let age = Duration::try_from(at.duration_since(*heard)).ok()?;
            (age <= self.config.stale_after).then_some(*number)
        })
    }

    /// The figure that was told for `at` ahead of time.
    pub fn ahead(&self, at: Timestamp) -> Option<f64> {
        slots::value_at(&self.slots, at)
    }

    /// What is to be kept.
    pub fn kept(&self) -> KeptFeed {
        let slots = self.slots.iter();
        let number = self.numbers.last_key_value();
        KeptFeed {
            of: self.filters(),
            slots: slots
                .map(|(start, (end, value))| (start.as_second(), end.as_second(), *value))
                .collect(),
            number: number.map(|(heard, number)| (*heard, *number)),
        }
    }

    /// Goes on from what was kept, if it is of the same topics.
    pub fn restore(&mut self, kept: &KeptFeed) {
        if kept.of != self.filters() {
            return;
        }
        let fits = |value: &f64| self.believable.contains(value);
        let slots = kept.slots.iter().filter(|(.., value)| fits(value));
        let slots = slots.filter_map(|(start, end, value)| {
            let start = Timestamp::from_second(*start).ok()?;
            Some((start, (Timestamp::from_second(*end).ok()?, *value)))
        });
        self.slots = slots.collect();
        let number = kept.number.filter(|(_, value)| fits(value));
        self.numbers.extend(number);
    }
}

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A topic of which a number counts.
    Topic,
    /// An attribute of an entity, of which lists count only.
    Attribute,
}

#[cfg(test)]
mod tests;
