use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::device::DeviceCard;
use super::subject::SubjectCard;
use super::{Component, Directory, alerts, offer};

/// A part of a device's configuration.
enum Part<'a> {
    /// An entity, before the node and the installation are put into it.
    Entity {
        component: Cow<'a, Component>,
        entity_id: String,
        subject: Option<(&'a str, &'a SubjectCard)>,
    },
    /// One that is to be removed, of this platform.
    Gone(&'a str),
}

/// A device and its parts by component id.
struct Announced<'a> {
    device: Cow<'a, DeviceCard>,
    parts: BTreeMap<Cow<'a, str>, Part<'a>>,
}

impl Directory {
    /// Every device's configuration by its topic, the host's first.
    pub(super) fn configs(&self) -> Vec<(String, Bytes)> {
        self.devices()
            .into_values()
            .map(|announced| {
                let id = announced.device.registry_id(&self.identity);
                let config = Bytes::from(self.config(&announced));
                (self.topics.discovery(&id), config)
            })
            .collect()
    }

    /// Every device by its id; the host's is empty, hence the first.
    fn devices(&self) -> BTreeMap<&str, Announced<'_>> {
        let mut names = BTreeSet::new();
        let host = Announced {
            device: Cow::Owned(DeviceCard::host()),
            parts: self.host_parts(&mut names),
        };
        let mut devices = BTreeMap::from([("", host)]);
        for (key, card) in &self.subjects {
            let announced = devices.entry(&card.device.id).or_insert_with(|| Announced {
                device: Cow::Borrowed(&card.device),
                parts: BTreeMap::new(),
            });
            let prefix = key.replace('/', "_");
            let subject = key.split_once('/').map_or(&**key, |(_, subject)| subject);
            for (id, component) in &card.components {
                let metric = id
                    .strip_prefix(&prefix)
                    .unwrap_or(id)
                    .trim_start_matches('_');
                let short = format!("{subject}_{metric}");
                let part = Part::Entity {
                    component: Cow::Borrowed(component),
                    entity_id: self.entity_id(component, &[&short, id], &mut names),
                    subject: Some((key, card)),
                };
                announced.parts.insert(Cow::Borrowed(id), part);
            }
        }
        for ((device, id), gone) in &self.gone {
            if let Some(announced) = devices.get_mut(device.as_str()) {
                let part = Part::Gone(&gone.platform);
                announced.parts.insert(Cow::Borrowed(id), part);
            }
        }
        devices
    }

    /// What the host has besides its subjects: whether it is alive, its commands and its alerts.
    fn host_parts(&self, names: &mut BTreeSet<String>) -> BTreeMap<Cow<'_, str>, Part<'_>> {
        let standing = alerts::standing().into_iter().map(|(id, component)| {
            let short = id.clone();
            (Cow::Owned(id), short, Cow::Owned(component))
        });
        let offers = self.offers.iter().map(|(id, component)| {
            let short = id.strip_prefix("do_").unwrap_or(id).to_owned();
            (Cow::Borrowed(&**id), short, Cow::Borrowed(component))
        });
        let alerts = self.alerts.iter().flat_map(|(id, card)| {
            card.components(id).map(|(id, component)| {
                let short = id.clone();
                (Cow::Owned(id), short, Cow::Owned(component))
            })
        });
        standing
            .chain(offers)
            .chain(alerts)
            .map(|(id, short, component)| {
                let part = Part::Entity {
                    entity_id: self.entity_id(&component, &[&short, &id], names),
                    component,
                    subject: None,
                };
                (id, part)
            })
            .collect()
    }

    /// The configuration as JSON, written one entity at a time: all of them as trees would be the
    /// most memory that the program ever holds.
    fn config(&self, announced: &Announced<'_>) -> String {
        let mut out = String::from("{\"cmps\":{");
        for (id, part) in &announced.parts {
            let dressed = match part {
                Part::Entity {
                    component,
                    entity_id,
                    subject,
                } => self.dress(id, component.as_ref().clone(), entity_id, *subject),
                Part::Gone(platform) => json!({ "p": platform }),
            };
            if !out.ends_with('{') {
                out.push(',');
            }
            out.push_str(&json!(id).to_string());
            out.push(':');
            out.push_str(&dressed.to_string());
        }
        out.push_str("},\"dev\":");
        out.push_str(&announced.device.json(&self.identity).to_string());
        let origin = json!({ "name": "homewatch", "sw": self.identity.version });
        out.push_str(",\"o\":");
        out.push_str(&origin.to_string());
        out.push('}');
        out
    }

    /// The first of `candidates` that no other entity has, as an entity id of this node.
    fn entity_id(
        &self,
        component: &Component,
        candidates: &[&str],
        taken: &mut BTreeSet<String>,
    ) -> String {
        let platform = component
            .get("p")
            .and_then(Json::as_str)
            .unwrap_or("sensor");
        let entity_of = |candidate: &&str| {
            let text = format!("{}_{candidate}", self.topics.node());
            let fit = |c: char| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            };
            format!("{platform}.{}", text.chars().map(fit).collect::<String>())
        };
        let mut made: Vec<String> = candidates.iter().map(entity_of).collect();
        let free = made.iter().position(|id| !taken.contains(id));
        let id = made.swap_remove(free.unwrap_or(0));
        taken.insert(id.clone());
        id
    }

    /// Adds the keys that name the node and the installation.
    fn dress(
        &self,
        id: &str,
        mut component: Component,
        entity: &str,
        subject: Option<(&str, &SubjectCard)>,
    ) -> Json {
        let base = format!("{}/{}", self.topics.base(), self.topics.node());
        let unique = format!("{}_{id}", self.identity.installation);
        component.insert("~".to_owned(), json!(base));
        component.insert("uniq_id".to_owned(), json!(unique));
        component.insert("def_ent_id".to_owned(), json!(entity));
        if id != alerts::STATUS {
            let mut availability = vec![json!({ "t": "~/status" })];
            if let Some((key, card)) = subject {
                availability.push(json!({ "t": format!("~/{key}/availability") }));
                // What gives commands does not age.
                if !offer::is_one(&component) {
                    let age = self.expire_after(&card.collector);
                    component.insert("exp_aft".to_owned(), json!(age));
                }
            }
            component.insert("avty".to_owned(), Json::Array(availability));
            component.insert("avty_mode".to_owned(), json!("all"));
        }
        Json::Object(component)
    }

    /// Seconds without a message after which a state is no longer believed: three messages that
    /// were due have not come. For when a broker has lost both us and our will.
    fn expire_after(&self, collector: &str) -> u64 {
        let periods = &self.limits.collectors;
        // What is no collector tells once a tick, as the fastest collectors do.
        let interval = periods.get(collector).or_else(|| periods.values().min());
        let interval = interval.copied().unwrap_or_default();
        // An unchanged state goes out at the first tick after the heartbeat.
        let due = self.limits.heartbeat + interval;
        (due * 3).as_secs().max(60)
    }
}
