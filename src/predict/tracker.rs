use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::outlook::{Finding, Kind};
use super::scene::{Scene, Seen};
use crate::host::Memory;
use crate::model::Subject;

/// What is learnt of one part, and what is made of it.
pub(super) trait Tracker: Default + Serialize + DeserializeOwned + Send + 'static {
    /// What it foresees.
    const KIND: Kind;

    /// Whether it is about this subject.
    fn wants(seen: &Seen<'_>) -> bool;

    /// Takes a minute's figures of its subject in.
    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>);

    /// Nothing that is remembered is later than this day: the clock was ahead.
    fn rewind(&mut self, day: f64);

    /// What there is to say now.
    fn judge(&self, now: Timestamp) -> Finding;
}

/// No more parts of a kind are followed.
const PARTS: usize = 128;
/// What was not seen for so many days is forgotten.
const FORGOTTEN: f64 = 60.0;
/// Of what was not seen for so many days nothing is said.
const AWAY: f64 = 1.0;

/// One kind of prediction over all parts.
pub(super) trait Predictor: Send {
    /// Takes a minute in.
    fn take(&mut self, scene: &Scene<'_>);

    /// Nothing that is remembered is later than this day.
    fn rewind(&mut self, day: f64);

    /// Everything there is to say of the parts that are here.
    fn judge(&self, now: Timestamp) -> Vec<(Kind, Arc<Subject>, Finding)>;

    /// Remembers what was learnt.
    fn keep(&self);
}

/// A tracker for each part.
pub(super) struct Each<T> {
    memory: Memory,
    parts: BTreeMap<String, Part<T>>,
    /// The day it is.
    day: f64,
}

struct Part<T> {
    tracker: T,
    subject: Arc<Subject>,
    /// The day it was last seen.
    seen: f64,
}

/// The predictor of `T`, with what `memory` has of it.
pub(super) fn each<T: Tracker>(memory: &Memory) -> Box<dyn Predictor> {
    Box::new(Each::<T> {
        memory: memory.clone(),
        parts: BTreeMap::new(),
        day: 0.0,
    })
}

fn key(kind: Kind, subject: &str) -> String {
    format!("predict/{}/{subject}", kind.as_str())
}

impl<T: Tracker> Predictor for Each<T> {
    fn take(&mut self, scene: &Scene<'_>) {
        self.day = scene.day;
        for seen in scene.seen.iter().filter(|seen| T::wants(seen)) {
            let name = seen.subject.key();
            if !self.parts.contains_key(name) && self.parts.len() < PARTS {
                let mut tracker: T = self.memory.get(&key(T::KIND, name)).unwrap_or_default();
                tracker.rewind(scene.day);
                let part = Part {
                    tracker,
                    subject: Arc::clone(seen.subject),
                    seen: scene.day,
                };
                self.parts.insert(name.to_owned(), part);
            }
            if let Some(part) = self.parts.get_mut(name) {
                part.seen = scene.day;
                if !Arc::ptr_eq(&part.subject, seen.subject) {
                    part.subject = Arc::clone(seen.subject);
                }
                part.tracker.take(seen, scene);
            }
        }
        let memory = &self.memory;
        self.parts.retain(|name, part| {
            let stays = part.seen + FORGOTTEN >= scene.day;
            if !stays {
                memory.remove(&key(T::KIND, name));
            }
            stays
        });
    }

    fn rewind(&mut self, day: f64) {
        self.day = day;
        for part in self.parts.values_mut() {
            part.seen = part.seen.min(day);
            part.tracker.rewind(day);
        }
    }

    fn judge(&self, now: Timestamp) -> Vec<(Kind, Arc<Subject>, Finding)> {
        let parts = self.parts.values();
        parts
            .filter(|part| part.seen + AWAY >= self.day)
            .map(|part| (T::KIND, Arc::clone(&part.subject), part.tracker.judge(now)))
            .collect()
    }

    fn keep(&self) {
        for (name, part) in &self.parts {
            self.memory.put(&key(T::KIND, name), &part.tracker);
        }
        // What was there in earlier runs is kept as well, but not without end.
        let kept = self.memory.keys(&key(T::KIND, ""));
        let here = |name: &String| self.parts.keys().any(|part| *name == key(T::KIND, part));
        let gone = kept.iter().filter(|name| !here(name));
        gone.skip(PARTS).for_each(|name| self.memory.remove(name));
    }
}
