use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// So long it is told that an array is missing: whoever has taken it out for good has seen it by then.
const TOLD: SignedDuration = SignedDuration::from_hours(30 * 24);
const KEY: &str = "raid/ran";

/// The arrays that ran until the machine went down and are not there since it was booted: nothing was
/// found of them, or too little to start them. Nobody has stopped them.
#[derive(Debug, Default, PartialEq, Clone, Serialize, Deserialize)]
pub(super) struct Missing {
    boot: String,
    /// Those that run now, each with its identity.
    runs: BTreeMap<String, String>,
    /// Those that are missing, with their identity and since when.
    away: BTreeMap<String, (String, Timestamp)>,
}

impl Missing {
    /// What is remembered; those that ran in another boot are missing until they are seen.
    pub(super) fn remembered(host: &Host) -> Self {
        let kept: Self = host.memory.get(KEY).unwrap_or_default();
        let boot = host.root.boot();
        if kept.boot == boot {
            return kept;
        }
        let now = host.clock.now();
        let ran = kept.runs.into_iter().map(|(name, id)| (name, (id, now)));
        let mut away: BTreeMap<_, _> = ran.collect();
        away.extend(kept.away);
        let booted = Self {
            boot,
            runs: BTreeMap::new(),
            away,
        };
        host.memory.put_now(KEY, &booted);
        booted
    }

    /// Whether any is missing.
    pub(super) fn any(&self) -> bool {
        !self.away.is_empty()
    }

    /// Takes in which arrays run now (name and identity), and tells those that are missing.
    pub(super) fn see(
        &mut self,
        runs: BTreeMap<String, String>,
        host: &Host,
    ) -> impl Iterator<Item = &str> {
        let (before, now) = (self.clone(), host.clock.now());
        let ids: BTreeSet<&String> = runs.values().collect();
        // Without a UUID an array that nobody knows may be any of them, by another name.
        let is_new = |(name, id): (&String, &String)| {
            name == id && !before.runs.contains_key(name) && !before.away.contains_key(name)
        };
        let unknown = runs.iter().any(is_new);
        self.away.retain(|name, (id, since)| {
            let is_back = runs.contains_key(name) || ids.contains(id) || (unknown && name == id);
            !is_back && now.duration_since(*since).abs() < TOLD
        });
        self.runs = runs;
        if *self != before {
            host.memory.put_now(KEY, self);
        }
        self.away.keys().map(String::as_str)
    }
}
