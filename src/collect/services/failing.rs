use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// So long one that works again is still remembered: what was said against it is over by then.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// Those that fail or did lately, by name, over restarts of homewatch and of the machine. After a
/// boot systemd lists no unit that starts well, and an engine lists no container that was removed;
/// somebody must say that they do not fail any more.
#[derive(Debug, Default, PartialEq, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Failing {
    /// Since when each works again; `None` while it fails.
    names: BTreeMap<String, Option<Timestamp>>,
}

impl Failing {
    /// What is remembered under `key`.
    pub(super) fn remembered(key: &str, host: &Host) -> Self {
        host.memory.get(key).unwrap_or_default()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }

    /// Takes in which of those that were looked at fail now, and keeps it under `key`.
    pub(super) fn see<'a>(
        &mut self,
        key: &str,
        looked_at: impl Iterator<Item = (&'a str, bool)>,
        host: &Host,
    ) {
        let (before, now) = (self.clone(), host.clock.now());
        for (name, fails) in looked_at {
            if fails {
                self.names.insert(name.to_owned(), None);
            } else if let Some(since) = self.names.get_mut(name) {
                since.get_or_insert(now);
            }
        }
        // A clock that was set back makes an age of less than nothing.
        self.names
            .retain(|_, at| at.is_none_or(|at| now.duration_since(at).abs() < REMEMBERED));
        if *self != before {
            host.memory.put_now(key, self);
        }
    }
}
