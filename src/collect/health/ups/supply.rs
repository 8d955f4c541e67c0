use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::battery::{self, Battery};
use super::discharge::Draw;
use super::figures::{LOST, Look, STATE};
use super::identity::Identity;
use super::status::Steady;
use super::{Told, learned};
use crate::host::Memory;
use crate::model::{Offer, Reading, Subject};
use crate::power::{Outage, OutageLook, Outages};
use tokio::time::Instant;

/// One UPS, with all that is known of it.
pub(super) struct Supply {
    id: String,
    subject: Arc<Subject>,
    kept: Kept,
    steady: Steady,
    battery: Battery,
    outages: Outages,
    seen: Option<Instant>,
    memory: Memory,
    /// The commands about it that are allowed, once it was heard.
    pub(super) offers: Option<Arc<[Offer]>>,
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
            battery: memory.get(&key(id, "battery")).unwrap_or_default(),
            outages: Outages::of(memory, id),
            seen: None,
            memory: memory.clone(),
            offers: None,
        }
    }

    pub(super) const fn identity(&self) -> &Identity {
        &self.kept.identity
    }

    /// The reading while nothing can be known of it.
    pub(super) fn lost(&mut self, reason: &str, at: Timestamp) -> Reading {
        self.outages.step(at, None, None);
        let mut reading = Reading::new(&self.subject)
            .with(&STATE, "lost")
            .with(&LOST, self.kept.on_battery);
        let mut detail = serde_json::Map::new();
        detail.insert("reason".to_owned(), reason.into());
        reading.detail = Some(detail);
        reading
    }

    /// Takes in what is told of it at `at`. It `feeds` this machine alone, or not.
    pub(super) fn tell(
        &mut self,
        told: &Told,
        feeds: bool,
        (now, at): (Instant, Timestamp),
    ) -> Reading {
        let before = self.kept.clone();
        self.kept.identity.learn(told);
        if self.kept.identity != before.identity {
            self.subject = self.kept.identity.subject(&self.id);
        }
        let reading = if let Some(reason) = &told.lost {
            self.lost(reason, at)
        } else {
            let status = told.text("ups.status").unwrap_or_default();
            let words = self.steady.step(status);
            let look = Look::of(told, words, before.on_battery);
            self.kept.on_battery = look.on_battery;
            self.learn(told, &look, (now, at));
            let mut reading = look.tell(&self.subject, status, feeds);
            let past = (&self.battery, &self.outages);
            learned::tell(&mut reading, (told, &look), past, at);
            reading
        };
        if self.kept != before {
            self.memory.put_now(&key(&self.id, "known"), &self.kept);
        }
        reading
    }

    fn learn(&mut self, told: &Told, look: &Look<'_>, (now, at): (Instant, Timestamp)) {
        let elapsed = self.seen.replace(now).map(|seen| now - seen);
        let serial = self.kept.identity.serial.as_deref();
        let date = told.text("battery.date").filter(|date| !date.is_empty());
        self.battery.is_of(serial, date);
        let of_battery = battery::Look {
            charge: look.charge,
            draw: Draw::of(look.watts, look.load),
            // In a test, too.
            discharging: look.words.has("OB"),
        };
        self.battery.step(at, elapsed, of_battery);
        self.memory.put(&key(&self.id, "battery"), &self.battery);
        let lasted = self.outages.last().is_some_and(Outage::lasts);
        let of_outage = OutageLook {
            on_battery: look.on_battery,
            charge_pct: look.charge,
            load_pct: look.load,
            power_w: look.watts,
            battery_low: look.words.has("LB"),
            shutting_down: look.words.has("FSD"),
        };
        self.outages.step(at, elapsed, Some(of_outage));
        let record = key(&self.id, "outages");
        if self.outages.last().is_some_and(Outage::lasts) == lasted {
            self.memory.put(&record, &self.outages);
        } else {
            self.memory.put_now(&record, &self.outages);
        }
    }
}

/// The name at its server of the UPS `id`.
pub(super) fn unit(id: &str, memory: &Memory) -> Option<String> {
    let kept: Kept = memory.get(&key(id, "known"))?;
    Some(kept.identity.unit)
}
