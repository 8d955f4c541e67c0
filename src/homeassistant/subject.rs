use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::device::{DeviceCard, entity_name};
use super::{Component, component, offer};
use crate::model::{Metric, Offer, Reading, Subject, Value};

/// A subject as it is announced, kept over restarts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SubjectCard {
    /// The collector it comes from.
    pub(super) collector: String,
    /// The device it belongs to.
    pub(super) device: DeviceCard,
    /// What a person calls it.
    pub(super) label: String,
    /// The program version that wrote this.
    pub(super) version: String,
    /// When it was last there; as it is stored, a while behind.
    pub(super) seen: Timestamp,
    /// Keys of its JSON object that are no metrics.
    attributes: BTreeSet<String>,
    /// Its entities, by component id.
    pub(super) components: BTreeMap<String, Component>,
    /// What it was at its last reading in this run.
    #[serde(skip)]
    live: Option<Live>,
    /// The value of `seen` that is stored.
    #[serde(skip)]
    pub(super) stored_seen: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Live {
    subject: Arc<Subject>,
    metrics: Vec<&'static Metric>,
    offers: Arc<[Offer]>,
}

impl SubjectCard {
    /// A card of which nothing is known yet.
    pub(super) fn new(subject: &Subject, collector: &str, version: &str, at: Timestamp) -> Self {
        Self {
            collector: collector.to_owned(),
            device: DeviceCard::of(&subject.device),
            label: subject.label.clone(),
            version: version.to_owned(),
            seen: at,
            attributes: BTreeSet::new(),
            components: BTreeMap::new(),
            live: None,
            stored_seen: None,
        }
    }

    /// Whether it has been there in this run.
    pub(super) const fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Whether a reading tells nothing new; the usual case, hence without any allocation.
    pub(super) fn covers(&self, collector: &str, reading: &Reading) -> bool {
        let Some(live) = &self.live else { return false };
        let subject_same =
            Arc::ptr_eq(&live.subject, &reading.subject) || live.subject == reading.subject;
        let known = |(metric, _): &(&'static Metric, Value)| {
            live.metrics
                .iter()
                .any(|have| std::ptr::eq(*have, *metric) || have == metric)
        };
        let mut detail = reading.detail.iter().flat_map(serde_json::Map::keys);
        subject_same
            && self.collector == collector
            && live.offers == reading.offers
            && reading.values.iter().all(known)
            && (reading.source.is_none() || self.attributes.contains("source"))
            && detail.all(|key| self.attributes.contains(key))
    }

    /// Takes in what `reading` tells; the entities of figures that are absent now stay, those of
    /// commands that are no longer allowed are given back.
    pub(super) fn learn(
        &mut self,
        collector: &str,
        reading: &Reading,
    ) -> BTreeMap<String, Component> {
        let subject = &reading.subject;
        let mut metrics = match self.live.take() {
            Some(live) if live.subject == *subject => live.metrics,
            _ => Vec::new(),
        };
        for (metric, _) in &reading.values {
            if !metrics.contains(metric) {
                metrics.push(metric);
            }
        }
        if reading.source.is_some() {
            self.attributes.insert("source".to_owned());
        }
        if let Some(detail) = &reading.detail {
            self.attributes.extend(detail.keys().cloned());
        }
        collector.clone_into(&mut self.collector);
        self.device = DeviceCard::of(&subject.device);
        self.label.clone_from(&subject.label);
        let topic = format!("~/{}", subject.key());
        for (place, metric) in metrics.iter().enumerate() {
            let name = entity_name(subject, metric.name);
            let mut entity = component(metric, &topic, &name);
            if place == 0 && !self.attributes.is_empty() {
                let keys: Vec<&str> = self.attributes.iter().map(String::as_str).collect();
                let template = format!(
                    "{{{{ dict((value_json|default({{}})).items() | selectattr(0, 'in', {})) \
                     | tojson }}}}",
                    json!(keys)
                );
                entity.insert("json_attr_t".to_owned(), json!(topic));
                entity.insert("json_attr_tpl".to_owned(), json!(template));
            }
            self.components
                .insert(component_id(subject, metric), entity);
        }
        let mut withdrawn = BTreeMap::new();
        self.components.retain(|id, component| {
            let is_offer = offer::is_one(component);
            if is_offer {
                withdrawn.insert(id.clone(), component.clone());
            }
            !is_offer
        });
        for one in reading.offers.iter() {
            let id = format!("{}_{}_{}", subject.area, subject.id, one.key);
            let name = entity_name(subject, &one.name);
            withdrawn.remove(&id);
            self.components
                .insert(id, offer::entity(one, &topic, &name));
        }
        self.live = Some(Live {
            subject: Arc::clone(subject),
            metrics,
            offers: Arc::clone(&reading.offers),
        });
        withdrawn
    }

    /// Drops entities that an earlier version announced and this one no longer has; gives their
    /// component ids.
    pub(super) fn upgrade(&mut self, version: &str) -> Vec<String> {
        let Some(live) = &self.live else {
            return Vec::new();
        };
        if self.version == version {
            return Vec::new();
        }
        version.clone_into(&mut self.version);
        let ours: BTreeSet<String> = live
            .metrics
            .iter()
            .map(|metric| component_id(&live.subject, metric))
            .collect();
        let is_dead = |(id, component): &(&String, &Component)| {
            !ours.contains(*id) && !offer::is_one(component)
        };
        let dead: Vec<String> = self
            .components
            .iter()
            .filter(is_dead)
            .map(|(id, _)| id.clone())
            .collect();
        dead
    }
}

fn component_id(subject: &Subject, metric: &Metric) -> String {
    format!("{}_{}_{}", subject.area, subject.id, metric.key)
}
