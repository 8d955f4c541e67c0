use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::device::DeviceCard;
use super::subject::SubjectCard;
use super::{Component, Directory, alerts, offer};

impl Directory {
    /// Every device's configuration by its topic, the host's first.
    pub(super) fn configs(&self) -> Vec<(String, Bytes)> {
        let mut devices: BTreeMap<&str, (DeviceCard, Map<String, Json>)> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let host = devices
            .entry("")
            .or_insert_with(|| (DeviceCard::host(), Map::new()));
        for (id, component) in alerts::standing() {
            let entity = self.entity_id(&component, &[&id], &mut names);
            host.1
                .insert(id.clone(), self.dress(&id, component, &entity, None));
        }
        for (id, component) in &self.offers {
            let short = id.strip_prefix("do_").unwrap_or(id);
            let entity = self.entity_id(component, &[short, id], &mut names);
            let dressed = self.dress(id, component.clone(), &entity, None);
            host.1.insert(id.clone(), dressed);
        }
        for (id, card) in &self.alerts {
            for (component_id, component) in card.components(id) {
                let entity = self.entity_id(&component, &[&component_id], &mut names);
                let dressed = self.dress(&component_id, component, &entity, None);
                host.1.insert(component_id, dressed);
            }
        }
        for (key, card) in &self.subjects {
            let device = devices
                .entry(&card.device.id)
                .or_insert_with(|| (card.device.clone(), Map::new()));
            let prefix = key.replace('/', "_");
            for (id, component) in &card.components {
                let metric = id
                    .strip_prefix(&prefix)
                    .unwrap_or(id)
                    .trim_start_matches('_');
                let subject = key
                    .split_once('/')
                    .map_or(key.as_str(), |(_, subject)| subject);
                let short = format!("{subject}_{metric}");
                let entity = self.entity_id(component, &[&short, id], &mut names);
                let dressed = self.dress(id, component.clone(), &entity, Some((key, card)));
                device.1.insert(id.clone(), dressed);
            }
        }
        for ((device, component), gone) in &self.gone {
            if let Some((_, components)) = devices.get_mut(device.as_str()) {
                components.insert(component.clone(), json!({ "p": gone.platform }));
            }
        }
        devices
            .into_values()
            .map(|(device, components)| {
                let config = json!({
                    "dev": device.json(&self.identity),
                    "o": { "name": "homewatch", "sw": self.identity.version },
                    "cmps": components,
                });
                let topic = self.topics.discovery(&device.registry_id(&self.identity));
                (topic, Bytes::from(config.to_string()))
            })
            .collect()
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
        subject: Option<(&String, &SubjectCard)>,
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
