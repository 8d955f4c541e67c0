//! Uninterruptible power supplies by NUT's `upsd` and by apcupsd: `ups-<name>` each.
//!
//! Every server is asked anew at every sample. What a server no longer tells of a UPS is unknown;
//! that the UPS was on its battery then is remembered, over restarts, and told.

mod acting;
mod action;
mod age;
mod apcupsd;
mod battery;
mod discharge;
mod figures;
mod identity;
mod learned;
mod nut;
mod run;
mod server;
mod settings;
mod status;
mod supply;
mod telling;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Clock, Host, Memory};
use crate::model::{Offer, Reading, Timestamp, slug, spoken};
pub use run::run;
use server::Server;
use settings::Settings;
use supply::{Kept, Supply, key};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "ups",
    // Its watts may be the machine's, which are told at every tick.
    period: Duration::ZERO,
    build,
};

/// The tests of a battery that the configuration can allow.
const TESTS: [&str; 2] = ["quick", "deep"];

/// What a server says of one UPS; the variables have NUT's names.
#[derive(Debug, Default, PartialEq)]
struct Told {
    name: String,
    /// The words of its owner for it.
    label: Option<String>,
    /// Why nothing is known of it, if so.
    lost: Option<String>,
    variables: BTreeMap<String, String>,
}

impl Told {
    fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

/// Why a server told nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum Silence {
    /// Nobody listens there.
    #[error("nobody answers")]
    Nobody,
    /// It was given as long as it may take.
    #[error("no answer within {}", spoken(wire::PATIENCE))]
    Late,
    /// What went wrong.
    #[error("{0}")]
    Fault(String),
}

/// The commands that test the battery of the UPS `id`, of those that are allowed.
fn offers(id: &str, tests: &[String]) -> Vec<Offer> {
    let press = |test: &String| {
        let name = format!("Battery test ({test})");
        let command = format!("ups/{id}/test");
        Offer::press(format!("test_{test}"), name, command)
            .with("test", test.as_str())
            .diagnostic()
    };
    tests.iter().map(press).collect()
}

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    let settings = Settings::read(section);
    Box::new(Supplies::new(settings.servers, settings.feeds, host))
}

struct Supplies {
    servers: Vec<Server>,
    /// By subject id.
    known: BTreeMap<String, Supply>,
    /// The UPS that this machine and nothing else hangs on.
    feeds: Option<String>,
    memory: Memory,
    clock: Clock,
    /// The faults of servers that were told already.
    faulty: BTreeMap<String, Silence>,
}

impl Collect for Supplies {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let now = Instant::now();
        // All at once: one that is slow holds up no other.
        let told: Vec<_> = std::thread::scope(|scope| {
            let ask = |server: &'_ mut Server| server.ask(now);
            let threads = self.servers.iter_mut();
            let threads: Vec<_> = threads.map(|one| scope.spawn(move || ask(one))).collect();
            let crashed = |_| Err(Silence::Fault("asking it has crashed".to_owned()));
            let answers = threads.into_iter().map(ScopedJoinHandle::join);
            answers
                .map(|answer| answer.unwrap_or_else(crashed))
                .collect()
        });
        let names = self.servers.iter().map(|one| one.access.name.clone());
        let names: Vec<_> = names.collect();
        let mut readings = Vec::new();
        let now = (Instant::now(), self.clock.now());
        for (name, told) in names.iter().zip(told) {
            match told {
                Ok(told) => readings.extend(self.hear(name, &told, now)),
                Err(silence) => readings.extend(self.miss(name, silence, now.1)),
            }
        }
        if !readings.is_empty() {
            return Ok(readings);
        }
        let faults: Vec<_> = self
            .faulty
            .iter()
            .filter(|(name, silence)| **silence != Silence::Nobody || self.expects(name))
            .map(|(name, silence)| format!("{name}: {silence}"))
            .collect();
        if faults.is_empty() {
            return Err(CollectError::Absent("no UPS by NUT or apcupsd".to_owned()));
        }
        Err(CollectError::Transient(faults.join("; ")))
    }
}

impl Supplies {
    fn new(servers: Vec<server::Access>, feeds: Option<String>, host: &Host) -> Self {
        let memory = host.memory.clone();
        let mut known = BTreeMap::new();
        // Those of before are told as lost even if nobody answers now: if somebody counts on their
        // server, and always if they were on their battery.
        for record in memory.keys("ups/") {
            let id = record.strip_prefix("ups/");
            let id = id.and_then(|key| key.strip_suffix("/known"));
            let found = id.and_then(|id| Some((id, memory.get::<Kept>(&record)?)));
            let Some((id, kept)) = found else {
                continue;
            };
            let name = &kept.identity.server;
            let server = servers.iter().find(|one| one.name == *name);
            if server.is_some_and(|one| one.expected || kept.on_battery) {
                let supply = Supply::new(id, name, &kept.identity.unit, &memory);
                known.insert(id.to_owned(), supply);
            }
        }
        Self {
            servers: servers.into_iter().map(Server::new).collect(),
            known,
            feeds,
            memory,
            clock: host.clock.clone(),
            faulty: BTreeMap::new(),
        }
    }

    /// Adds what a server tells of its UPSes; one that it no longer has is forgotten.
    fn hear(&mut self, server: &str, told: &[Told], now: (Instant, Timestamp)) -> Vec<Reading> {
        self.faulty.remove(server);
        let access = self.servers.iter().map(|one| &one.access);
        let mut access = access.filter(|access| access.name == server);
        let tests = access.next().map_or(&[][..], |access| &access.tests);
        let mut readings = Vec::new();
        let mut ids = BTreeSet::new();
        for one in told {
            let mut id = self.id(server, &one.name);
            // Two names of one server may differ by nothing that an id has.
            while ids.contains(&id) {
                id.push_str("-2");
            }
            let plain = id.strip_prefix("ups-").unwrap_or(&id);
            let feeds = self.feeds.as_deref();
            let feeds = feeds == Some(one.name.as_str()) || feeds == Some(plain);
            let supply = self
                .known
                .entry(id.clone())
                .or_insert_with(|| Supply::new(&id, server, &one.name, &self.memory));
            let mut reading = supply.tell(one, feeds, now);
            let allowed = || offers(&id, tests).into();
            reading.offers = Arc::clone(supply.offers.get_or_insert_with(allowed));
            readings.push(reading);
            ids.insert(id);
        }
        let memory = &self.memory;
        self.known.retain(|id, supply| {
            let gone = supply.identity().server == server && !ids.contains(id);
            if gone {
                memory.remove(&key(id, "known"));
            }
            !gone
        });
        readings
    }

    /// Adds that the UPSes of a server that is silent are lost.
    fn miss(&mut self, server: &str, silence: Silence, at: Timestamp) -> Vec<Reading> {
        let reason = silence.to_string();
        let own = self.known.values_mut();
        let own = own.filter(|supply| supply.identity().server == server);
        let readings = own.map(|supply| supply.lost(&reason, at)).collect();
        let before = self.faulty.insert(server.to_owned(), silence);
        if before.is_none() && self.expects(server) {
            tracing::warn!(server, "UPS server: {reason}");
        }
        readings
    }

    /// Whether somebody has said that this server is there.
    fn expects(&self, server: &str) -> bool {
        let mut servers = self.servers.iter();
        servers.any(|one| one.access.name == server && one.access.expected)
    }

    /// The subject id of a server's UPS: of its name alone, unless another server that is asked
    /// has one of that name already.
    fn id(&self, server: &str, unit: &str) -> String {
        let plain = format!("ups-{}", slug(unit));
        let known = self.known.get(&plain).map(|one| one.identity().clone());
        let kept = || Some(self.memory.get::<Kept>(&key(&plain, "known"))?.identity);
        let owner = known.or_else(kept).map(|identity| identity.server);
        let is_asked = |name: &String| self.servers.iter().any(|one| one.access.name == *name);
        match owner.filter(|owner| owner != server).filter(is_asked) {
            Some(_) => format!("ups-{}", slug(&format!("{server}-{unit}"))),
            None => plain,
        }
    }
}
