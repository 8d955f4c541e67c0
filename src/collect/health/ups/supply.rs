use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Told;
use super::figures::{LOST, Look, STATE};
use super::identity::Identity;
use super::status::Steady;
use crate::host::Memory;
use crate::model::{Reading, Subject};

/// One UPS, with all that is known of it.
pub(super) struct Supply {
    id: String,
    subject: Arc<Subject>,
    kept: Kept,
    steady: Steady,
}

/// What must be known of it after a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) identity: Identity,
    /// Whether it was on its battery when it was last heard of.
    pub(super) on_battery: bool,
}

/// Where the memory keeps a thing of a UPS.
pub(super) fn key(id: &str, thing: &str) -> String {
    format!("ups/{id}/{thing}")
}

impl Supply {
    /// The one that the memory has as `id`, else a new one.
    pub(super) fn new(id: &str, server: &str, unit: &str, memory: &Memory) -> Self {
        let kept = memory.get(&key(id, "known"));
        let mut kept: Kept = kept.unwrap_or_default();
        server.clone_into(&mut kept.identity.server);
        unit.clone_into(&mut kept.identity.unit);
        Self {
            id: id.to_owned(),
            subject: kept.identity.subject(id),
            kept,
            steady: Steady::default(),
        }
    }

    pub(super) const fn identity(&self) -> &Identity {
        &self.kept.identity
    }

    /// The reading while nothing can be known of it.
    pub(super) fn lost(&self, reason: &str) -> Reading {
        let mut reading = Reading::new(&self.subject)
            .with(&STATE, "lost")
            .with(&LOST, self.kept.on_battery);
        let mut detail = serde_json::Map::new();
        detail.insert("reason".to_owned(), reason.into());
        reading.detail = Some(detail);
        reading
    }

    /// Takes in what is told of it. It `feeds` this machine alone, or not.
    pub(super) fn tell(&mut self, told: &Told, feeds: bool, memory: &Memory) -> Reading {
        let before = self.kept.clone();
        self.kept.identity.learn(told);
        if self.kept.identity != before.identity {
            self.subject = self.kept.identity.subject(&self.id);
        }
        let reading = if let Some(reason) = &told.lost {
            self.lost(reason)
        } else {
            let status = told.text("ups.status").unwrap_or_default();
            let words = self.steady.step(status);
            let look = Look::of(told, words);
            self.kept.on_battery = look.on_battery();
            look.tell(&self.subject, status, feeds)
        };
        if self.kept != before {
            memory.put_now(&key(&self.id, "known"), &self.kept);
        }
        reading
    }
}
