use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// So long it is told that an array was stopped: what was said against it is over by then.
const TOLD: SignedDuration = SignedDuration::from_mins(10);
const KEY: &str = "raid/here";

/// Which arrays run, and which ran and were taken down. Within one boot an array leaves only because
/// somebody stops it (one that loses its devices stays and is told to have failed); one that is not
/// there after a boot may have been lost, see `missing`.
#[derive(Debug, Default, PartialEq, Clone, Serialize, Deserialize)]
pub(super) struct Stopped {
    boot: String,
    /// When it was stopped; `None` while it runs.
    arrays: BTreeMap<String, Option<Timestamp>>,
}

impl Stopped {
    /// What is remembered of this boot.
    pub(super) fn remembered(host: &Host) -> Self {
        let boot = host.root.boot();
        let kept: Option<Self> = host.memory.get(KEY);
        kept.filter(|kept| kept.boot == boot)
            .unwrap_or_else(|| Self {
                boot,
                arrays: BTreeMap::new(),
            })
    }

    /// Takes in which arrays run now; tells those that were stopped lately.
    pub(super) fn see<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        host: &Host,
    ) -> impl Iterator<Item = &str> {
        let (before, now) = (self.clone(), host.clock.now());
        for at in self.arrays.values_mut() {
            at.get_or_insert(now);
        }
        self.arrays
            .extend(names.map(|name| (name.to_owned(), None)));
        // A clock that was set back makes an age of less than nothing.
        self.arrays
            .retain(|_, at| at.is_none_or(|at| now.duration_since(at).abs() < TOLD));
        if *self != before {
            host.memory.put_now(KEY, self);
        }
        let stopped = self.arrays.iter().filter(|(_, at)| at.is_some());
        stopped.map(|(name, _)| name.as_str())
    }
}
