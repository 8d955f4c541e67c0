use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::collect::rate::{Since, per_second};
use crate::collect::read::{figure, need};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Root};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit};

static RECEIVED: Metric = rate("rx_bytes_per_s", "Received");
static SENT: Metric = rate("tx_bytes_per_s", "Sent");
static RX_ERRORS: Metric = total("rx_errors", "Receive errors");
static TX_ERRORS: Metric = total("tx_errors", "Send errors");
static RX_DROPS: Metric = total("rx_drops", "Received and dropped").dead_band(100.0);
static TX_DROPS: Metric = total("tx_drops", "Dropped before sending").dead_band(100.0);
static LINK: Metric = Metric::flag("link_up", "Link", FlagMeaning::Connected);
static SPEED: Metric =
    Metric::gauge("speed_bits_per_s", "Link speed", Unit::BitPerSecond).diagnostic();

const fn rate(key: &'static str, name: &'static str) -> Metric {
    Metric::gauge(key, name, Unit::BytePerSecond).dead_band(16_384.0)
}

const fn total(key: &'static str, name: &'static str) -> Metric {
    Metric::total(key, name, Unit::None).diagnostic()
}

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "network",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let all_virtual = section.flag("virtual").unwrap_or(false);
    let exclude = section.texts("exclude").unwrap_or_default();
    section.finish();
    // Inside a container `net` is its own, so there the first process of the machine is asked.
    let foreign = !host.root.is_own() && host.root.proc("1/net/dev").exists();
    let path = if foreign { "1/net/dev" } else { "net/dev" };
    Box::new(Network {
        root: host.root.clone(),
        file: host.root.keep_proc(path),
        all_virtual,
        exclude,
        since: Since::default(),
        interfaces: HashMap::new(),
        buffer: Vec::new(),
    })
}

/// The traffic of each real network interface: `net-<interface>`.
struct Network {
    root: Root,
    file: KeptFile,
    all_virtual: bool,
    exclude: Vec<String>,
    since: Since,
    interfaces: HashMap<String, Interface>,
    buffer: Vec<u8>,
}

struct Interface {
    /// `None` for those that are left out.
    shown: Option<Shown>,
    last: Option<Counters>,
    seen: bool,
}

struct Shown {
    subject: Arc<Subject>,
    state: KeptFile,
    speed: KeptFile,
}

impl Collect for Network {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let lap = self.since.lap();
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut found = Vec::new();
        {
            let text = need(&mut self.file, &mut buffer)?;
            for (name, now) in text.lines().filter_map(Counters::parse) {
                if !self.interfaces.contains_key(name) {
                    let interface = self.meet(name);
                    self.interfaces.insert(name.to_owned(), interface);
                }
                let Some(interface) = self.interfaces.get_mut(name) else {
                    continue;
                };
                interface.seen = true;
                if let Some(shown) = &interface.shown {
                    let last = interface.last.replace(now);
                    found.push((name.to_owned(), tell(&shown.subject, lap, last, now)));
                }
            }
        }
        let mut readings = Vec::with_capacity(found.len());
        for (name, mut reading) in found {
            if let Some(shown) = self
                .interfaces
                .get_mut(&name)
                .and_then(|i| i.shown.as_mut())
            {
                shown.link(&mut reading, &mut buffer);
            }
            readings.push(reading);
        }
        self.buffer = buffer;
        self.interfaces
            .retain(|_, interface| std::mem::take(&mut interface.seen));
        Ok(readings)
    }
}

impl Network {
    fn meet(&self, name: &str) -> Interface {
        let shows = name != "lo"
            && !self.exclude.iter().any(|excluded| excluded == name)
            && (self.all_virtual || is_real(&self.root, name));
        Interface {
            shown: shows.then(|| Shown {
                subject: Subject::of_host(Area::Health, &format!("net-{name}"), name),
                state: self.root.keep_sys(&format!("class/net/{name}/operstate")),
                speed: self.root.keep_sys(&format!("class/net/{name}/speed")),
            }),
            last: None,
            seen: false,
        }
    }
}

/// Whether the interface leads out of the machine: hardware, or one that bundles hardware or
/// tunnels. Bridges, pairs for containers and the like repeat what those carry.
fn is_real(root: &Root, name: &str) -> bool {
    let dir = root.sys(&format!("class/net/{name}"));
    if dir.join("device").exists() {
        return true;
    }
    let event = Root::read_trimmed(&dir.join("uevent")).unwrap_or_default();
    let kind = event.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
    matches!(kind, Some("bond" | "wireguard" | "wwan" | "ppp"))
}

impl Shown {
    /// Adds whether the link is up, and its speed where the driver tells it.
    fn link(&mut self, reading: &mut Reading, buffer: &mut Vec<u8>) {
        let up = match self.state.read(buffer).map(str::trim) {
            Ok("up") => Some(true),
            Ok("down" | "lowerlayerdown" | "notpresent" | "dormant") => Some(false),
            Ok(_) | Err(_) => None, // Tunnels say "unknown".
        };
        reading.push(&LINK, up);
        // Reading the speed of a link that is down is an error; -1 is "unknown".
        if up == Some(true) {
            let megabits: Option<u64> =
                (self.speed.read(buffer).ok()).and_then(|text| text.trim().parse().ok());
            let known = megabits.filter(|&megabits| megabits > 0 && megabits < 10_000_000);
            reading.push(&SPEED, known.map(|megabits| figure(megabits) * 1e6));
        }
    }
}

fn tell(
    subject: &Arc<Subject>,
    lap: Option<Duration>,
    last: Option<Counters>,
    now: Counters,
) -> Reading {
    let mut reading = Reading::new(subject);
    if let Some((lap, last)) = lap.zip(last) {
        reading.push(&RECEIVED, per_second(last.rx_bytes, now.rx_bytes, lap));
        reading.push(&SENT, per_second(last.tx_bytes, now.tx_bytes, lap));
    }
    reading
        .with(&RX_ERRORS, figure(now.rx_errors))
        .with(&TX_ERRORS, figure(now.tx_errors))
        .with(&RX_DROPS, figure(now.rx_drops))
        .with(&TX_DROPS, figure(now.tx_drops))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    rx_bytes: u64,
    rx_errors: u64,
    rx_drops: u64,
    tx_bytes: u64,
    tx_errors: u64,
    tx_drops: u64,
}

impl Counters {
    /// `eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop …`;
    /// the two lines of headings have no colon before their bars.
    fn parse(line: &str) -> Option<(&str, Self)> {
        let (name, rest) = line.split_once(':')?;
        let mut words = rest.split_ascii_whitespace();
        let mut number = |skip| words.nth(skip)?.parse().ok();
        let counters = Self {
            rx_bytes: number(0)?,
            rx_errors: number(1)?,
            rx_drops: number(0)?,
            tx_bytes: number(4)?,
            tx_errors: number(1)?,
            tx_drops: number(0)?,
        };
        Some((name.trim(), counters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_columns_are_read_by_their_places() {
        let want = Counters {
            rx_bytes: 1,
            rx_errors: 3,
            rx_drops: 4,
            tx_bytes: 9,
            tx_errors: 11,
            tx_drops: 12,
        };
        let line = "  eth0:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        assert_eq!(Counters::parse(line), Some(("eth0", want)));
        assert_eq!(Counters::parse(" face |bytes packets errs"), None);
        assert_eq!(Counters::parse("eth0: 1 2"), None);
    }
}
