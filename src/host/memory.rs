//! What collectors must not forget over a restart: baselines, counts of before, ages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

/// Small records by key (`<collector>/<thing>`), read and written without waiting. Whoever owns the
/// store keeps them: within ten minutes, at once where it matters, and at the stop. Cheap to clone;
/// all clones are the same memory.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    records: Mutex<Records>,
    urgent: Notify,
}

#[derive(Debug, Default)]
struct Records {
    all: BTreeMap<String, Vec<u8>>,
    changed: BTreeSet<String>,
}

impl Memory {
    /// A memory of what was kept.
    pub fn new(kept: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let memory = Self::default();
        memory.lock().all = kept.into_iter().collect();
        memory
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0
            .records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of `key`; `None` also if it is of a form that makes no sense any more.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let records = self.lock();
        let record = records.all.get(key)?;
        match serde_json::from_slice(record) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::warn!(key, "what was remembered makes no sense: {error}");
                None
            }
        }
    }

    /// Remembers `value`; the same as before costs no write.
    pub fn put<T: Serialize>(&self, key: &str, value: &T) {
        match serde_json::to_vec(value) {
            Ok(record) => {
                let mut records = self.lock();
                if records.all.get(key) != Some(&record) {
                    records.all.insert(key.to_owned(), record);
                    records.changed.insert(key.to_owned());
                }
            }
            Err(error) => tracing::warn!(key, "it cannot be remembered: {error}"),
        }
    }

    /// Remembers `value` on the disk as soon as possible, not within ten minutes.
    pub fn put_now<T: Serialize>(&self, key: &str, value: &T) {
        self.put(key, value);
        self.0.urgent.notify_one();
    }

    /// Forgets `key`.
    pub fn remove(&self, key: &str) {
        let mut records = self.lock();
        if records.all.remove(key).is_some() {
            records.changed.insert(key.to_owned());
        }
    }

    /// Every key that begins with `prefix`.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let records = self.lock();
        let keys = records.all.range(prefix.to_owned()..).map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Takes what has changed since the last time; `None` where a key was forgotten.
    pub fn take_changes(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut records = self.lock();
        let changed = std::mem::take(&mut records.changed);
        let one = |key: String| {
            let record = records.all.get(&key).cloned();
            (key, record)
        };
        changed.into_iter().map(one).collect()
    }

    /// Marks keys as not kept yet: writing them has failed.
    pub fn put_back(&self, keys: impl IntoIterator<Item = String>) {
        self.lock().changed.extend(keys);
    }

    /// Waits until something is to be kept at once.
    pub async fn urgent(&self) {
        self.0.urgent.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_there_for_everybody_and_kept_once() {
        let memory = Memory::new([("smart/a".to_owned(), b"3".to_vec())]);
        let other = memory.clone();
        assert_eq!(other.get::<u32>("smart/a"), Some(3));
        assert_eq!(other.get::<String>("smart/a"), None, "another form");
        assert_eq!(other.get::<u32>("smart/b"), None);
        other.put("smart/a", &3_u32);
        assert_eq!(memory.take_changes(), [], "it is the same as before");
        other.put("smart/b", &4_u32);
        other.put("ups/x", &"on");
        other.remove("smart/a");
        other.remove("smart/none");
        assert_eq!(memory.keys("smart/"), ["smart/b"]);
        let changes = memory.take_changes();
        let want = [
            ("smart/a".to_owned(), None),
            ("smart/b".to_owned(), Some(b"4".to_vec())),
            ("ups/x".to_owned(), Some(b"\"on\"".to_vec())),
        ];
        assert_eq!(changes, want);
        memory.put_back(["smart/b".to_owned()]);
        assert_eq!(memory.take_changes(), [want[1].clone()]);
    }

    #[test]
    fn what_cannot_be_written_down_is_no_end_of_the_world() {
        let memory = Memory::default();
        memory.put("x", &BTreeMap::from([((1, 2), 3)]));
        assert_eq!(memory.take_changes(), []);
    }

    #[tokio::test]
    async fn what_matters_is_kept_at_once() {
        let memory = Memory::default();
        memory.put_now("ups/x", &1);
        memory.urgent().await;
        assert_eq!(memory.take_changes().len(), 1);
    }
}
