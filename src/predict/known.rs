use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scene::Seen;
use crate::host::Memory;
use crate::model::Area;

/// The record of how parts are called.
const KEY: &str = "predict/known";
/// No more parts are remembered.
const MOST: usize = 512;

/// What the history does not keep of a part: words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What a person calls it.
    pub label: String,
    /// Why it is judged as it is, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The parts of the machine's health by their key, as `memory` has them.
pub fn known(memory: &Memory) -> BTreeMap<String, Known> {
    memory.get(KEY).unwrap_or_default()
}

/// Remembers the parts that are seen.
pub(super) fn remember(memory: &Memory, seen: &[Seen<'_>]) {
    let health = seen.iter().filter(|one| one.subject.area == Area::Health);
    let parts: BTreeMap<&str, Known> = health
        .take(MOST)
        .map(|one| {
            let known = Known {
                label: one.subject.label.clone(),
                reason: one.word("reason").map(str::to_owned),
            };
            (one.subject.key(), known)
        })
        .collect();
    memory.put(KEY, &parts);
}
