//! Uninterruptible power supplies by NUT's `upsd` and by apcupsd: `ups-<name>` each.
//!
//! Both are asked anew at every sample and only ever read from. What a server no longer tells of
//! a UPS is unknown; that the UPS was on its battery then is remembered and told.

mod apcupsd;
mod figures;
mod nut;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::Host;
use crate::model::{Reading, slug};
use figures::Known;

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "ups",
    // Its watts may be the machine's, which are told at every tick.
    period: Duration::ZERO,
    build,
};

/// The address of a server that is not to be asked.
const OFF: &str = "off";

/// What a server says of one UPS; the variables have NUT's names.
#[derive(Debug, PartialEq)]
struct Told {
    name: String,
    /// The words of its owner for it.
    label: Option<String>,
    /// Why nothing is known of it, if so.
    lost: Option<String>,
    variables: BTreeMap<String, String>,
}

/// Why a server told nothing.
#[derive(Debug, PartialEq)]
enum Silence {
    /// Nobody listens there.
    Nobody,
    /// What went wrong.
    Fault(String),
}

/// Asks the server at a `host:port`.
type Ask = fn(&str) -> Result<Vec<Told>, Silence>;

struct Server {
    name: &'static str,
    address: String,
    ask: Ask,
    known: BTreeMap<String, Known>,
}

fn build(_: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let mut server = |name, usual: &str, ask| Server {
        name,
        address: section
            .parsed(
                name,
                "an address such as \"nas.lan:3493\", or \"off\"",
                address,
            )
            .unwrap_or_else(|| usual.to_owned()),
        ask,
        known: BTreeMap::new(),
    };
    let servers = [
        server("nut", "127.0.0.1:3493", nut::ask),
        server("apcupsd", "127.0.0.1:3551", apcupsd::ask),
    ];
    let feeds = section.text("feeds_host");
    section.finish();
    Box::new(Supplies { servers, feeds })
}

/// A `host:port`, or [`OFF`].
fn address(text: &str) -> Option<String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let pair = text.rsplit_once(':');
    let fits = pair.is_some_and(|(host, port)| !host.is_empty() && is_port(port));
    (fits || text == OFF).then(|| text.to_owned())
}

struct Supplies {
    servers: [Server; 2],
    /// The UPS that this machine and nothing else hangs on.
    feeds: Option<String>,
}

impl Collect for Supplies {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let mut readings = Vec::new();
        let mut faults = Vec::new();
        for server in self.servers.iter_mut().filter(|one| one.address != OFF) {
            faults.extend(server.sample(self.feeds.as_deref(), &mut readings));
        }
        if !readings.is_empty() {
            return Ok(readings);
        }
        if faults.is_empty() {
            return Err(CollectError::Absent("no UPS by NUT or apcupsd".to_owned()));
        }
        Err(CollectError::Transient(faults.join("; ")))
    }
}

impl Server {
    /// Adds what it tells; what was known of a server that is silent is told as lost.
    fn sample(&mut self, feeds: Option<&str>, readings: &mut Vec<Reading>) -> Option<String> {
        let (told, fault) = match (self.ask)(&self.address) {
            Ok(told) => {
                let ids: Vec<_> = told.iter().map(|one| slug(&one.name)).collect();
                self.known.retain(|id, _| ids.contains(id));
                (told, None)
            }
            Err(Silence::Nobody) => (Vec::new(), None),
            Err(Silence::Fault(text)) => (Vec::new(), Some(format!("{}: {text}", self.name))),
        };
        if told.is_empty() {
            let reason = fault.as_deref().unwrap_or("nobody answers");
            readings.extend(self.known.values().map(|known| known.lost(reason)));
        }
        for one in told {
            let feeds = feeds == Some(one.name.as_str());
            let known = self.known.remove(&slug(&one.name));
            let (known, reading) = figures::tell(&one, known, feeds);
            readings.push(reading);
            self.known.insert(slug(&one.name), known);
        }
        fault
    }
}
