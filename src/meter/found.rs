use std::collections::BTreeMap;

use super::dialect::RECOGNISERS;
use super::{place, power_field};
use crate::config::{Address, MeterConfig};
use crate::model::{matches, slug};

/// So many finds are remembered: a house has fewer plugs.
const MOST: usize = 64;

/// Where Tasmota speaks as delivered.
const USUAL: &str = "%prefix%/%topic%";

/// A meter that speaks on the broker and is not configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The dialect's configuration key.
    pub(crate) dialect: &'static str,
    /// The dialect's configuration value.
    pub(crate) place: String,
    /// What to call it.
    pub(crate) name: String,
    /// More keys that it needs.
    pub(crate) more: Vec<(&'static str, String)>,
    /// What it most likely measures, if that is known.
    pub(crate) feeds: Option<&'static str>,
}

impl Found {
    pub(crate) fn new(dialect: &'static str, place: &str) -> Self {
        Self {
            dialect,
            place: place.to_owned(),
            name: place.to_owned(),
            more: Vec::new(),
            feeds: None,
        }
    }

    /// Tasmota's, if it is not the usual one: devices in different groups may have one name.
    fn full_topic(&self) -> &str {
        let text = self.more.iter().find(|(key, _)| *key == "full_topic");
        text.map_or(USUAL, |(_, text)| text)
    }

    pub(crate) const fn feeding(mut self, what: &'static str) -> Self {
        self.feeds = Some(what);
        self
    }

    /// The line of configuration that adopts it.
    ///
    /// It stands at the top of a file of `conf.d/`, before any table.
    pub(crate) fn line(&self) -> String {
        let mut keys = vec![(self.dialect, self.place.as_str())];
        keys.extend(self.more.iter().map(|(key, text)| (*key, text.as_str())));
        keys.extend(self.feeds.map(|feeds| ("feeds", feeds)));
        let keys: Vec<String> = keys
            .into_iter()
            .map(|(key, text)| format!("{key} = {}", toml::Value::from(text)))
            .collect();
        format!(
            "power.meters.{} = {{ {} }}",
            slug(&self.name),
            keys.join(", ")
        )
    }
}

/// Recognises meters by what they say.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    /// By dialect, place, name and what else tells two of them apart.
    found: BTreeMap<(&'static str, String, String, String), Found>,
}

impl Finder {
    /// Every topic on which a meter could be heard.
    pub(crate) fn filters() -> Vec<String> {
        let filters = RECOGNISERS.iter().flat_map(|recogniser| recogniser.filters);
        filters.map(|filter| (*filter).to_owned()).collect()
    }

    /// Takes a message in, retained or not; whether something new was found.
    pub(crate) fn hear(&mut self, topic: &str, payload: &str) -> bool {
        let mut new = false;
        for recogniser in RECOGNISERS {
            if !recogniser
                .filters
                .iter()
                .any(|filter| matches(filter, topic))
            {
                continue;
            }
            for found in (recogniser.find)(topic, payload) {
                new |= self.note(found);
            }
        }
        new
    }

    fn note(&mut self, found: Found) -> bool {
        let key = (
            found.dialect,
            found.place.clone(),
            found.name.clone(),
            found.full_topic().to_owned(),
        );
        let room = self.found.len() < MOST;
        let Some(known) = self.found.get_mut(&key) else {
            if room {
                self.found.insert(key, found);
            }
            return room;
        };
        // Another sensor of the same device: the first of each kind is offered.
        let mut new = false;
        for (key, text) in found.more {
            if known.more.iter().all(|(other, _)| *other != key) {
                known.more.push((key, text));
                new = true;
            }
        }
        new
    }

    /// What was found and is not in `configured`.
    pub(crate) fn offers<'a>(
        &'a self,
        configured: &'a [MeterConfig],
    ) -> impl Iterator<Item = &'a Found> {
        let found = self.found.values();
        found.filter(move |found| {
            // An energy counter alone is no meter of power.
            let named = matches!(found.dialect, "esphome" | "emonhub" | "homeassistant");
            let power = found.more.iter().find(|(key, _)| *key == "power");
            let power = power.map(|(_, name)| name.as_str());
            let known = |meter: &MeterConfig| {
                // Many sensors of Home Assistant are below one base topic.
                let same = if let Address::Tasmota { full_topic, .. } = &meter.address {
                    full_topic.trim_matches('/') == found.full_topic()
                } else {
                    found.dialect != "homeassistant" || power == power_field(&meter.address)
                };
                same && place(&meter.address) == (found.dialect, found.place.as_str())
            };
            (!named || power.is_some()) && !configured.iter().any(known)
        })
    }
}
