use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// So long a unit that works again is still remembered: what was said against it is over by then.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
const KEY: &str = "units/failing";

/// The units that fail or did lately, over restarts of homewatch and of the machine: after a boot
/// systemd lists none of those that start well, and somebody must say so.
#[derive(Debug, Default, PartialEq, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Failing {
    /// Since when each works again; `None` while it fails.
    units: BTreeMap<String, Option<Timestamp>>,
}

impl Failing {
    pub(super) fn remembered(host: &Host) -> Self {
        host.memory.get(KEY).unwrap_or_default()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.units.keys()
    }

    /// Takes in which of the units that were looked at fail now.
    pub(super) fn see<'a>(
        &mut self,
        looked_at: impl Iterator<Item = (&'a str, bool)>,
        host: &Host,
    ) {
        let (before, now) = (self.clone(), host.clock.now());
        for (name, fails) in looked_at {
            if fails {
                self.units.insert(name.to_owned(), None);
            } else if let Some(since) = self.units.get_mut(name) {
                since.get_or_insert(now);
            }
        }
        // A clock that was set back makes an age of less than nothing.
        self.units
            .retain(|_, at| at.is_none_or(|at| now.duration_since(at).abs() < REMEMBERED));
        if *self != before {
            host.memory.put_now(KEY, self);
        }
    }
}
