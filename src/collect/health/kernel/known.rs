//! All that the kernel's log has said of hardware so far, counted.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::message::{Kind, Record};

/// One device is told as an event once in so long, with how often it happened meanwhile.
pub(super) const PAUSE: Duration = Duration::from_mins(10);
/// So many events are remembered for those who look.
pub(super) const RECENT: usize = 10;
/// So many devices are counted one by one.
pub(super) const DEVICES: usize = 100;
/// So many errors of one kind are remembered for a day.
const REMEMBERED: usize = 10_000;
/// Lines on hardware that come within so many µs of each other are of one event.
const TOGETHER: u64 = 1_000_000;
/// µs of a day.
const DAY: u64 = 86_400_000_000;

/// All that was heard.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) counts: BTreeMap<Kind, u64>,
    devices: BTreeMap<(Kind, String), u64>,
    /// When errors of disks and filesystems happened, µs since boot.
    times: BTreeMap<Kind, VecDeque<u64>>,
    /// When each device was told as an event last, and how often it happened since.
    told: HashMap<(Kind, String), (Instant, u64)>,
    /// When the newest line on hardware came, µs since boot, and which devices its event named so far.
    burst: Option<(u64, BTreeSet<String>)>,
    pub(super) recent: VecDeque<Json>,
    events: u64,
    pub(super) last: Option<String>,
    pub(super) victim: Option<String>,
}

/// What a line on hardware is of its event.
enum Burst {
    /// The first.
    Begins,
    /// The first about its device.
    Widens,
    /// One more about a device.
    Repeats,
}

impl Known {
    pub(super) fn take(
        &mut self,
        record: &Record<'_>,
        kind: Kind,
        device: String,
        new: bool,
        now: Instant,
    ) {
        if kind == Kind::Hardware {
            match self.burst(record.at, &device) {
                Burst::Begins => self.count(kind, record.at),
                Burst::Widens => {}
                Burst::Repeats => return,
            }
        } else {
            self.count(kind, record.at);
        }
        self.last = Some(record.text.chars().take(250).collect());
        if kind == Kind::OutOfMemory {
            self.victim = Some(device.clone());
        }
        let key = (kind, device);
        if !self.devices.contains_key(&key) && self.devices.len() >= DEVICES {
            return; // Names without end are no devices.
        }
        *self.devices.entry(key.clone()).or_default() += 1;
        if new {
            self.tell(record, key, now);
        }
    }

    fn count(&mut self, kind: Kind, at: u64) {
        *self.counts.entry(kind).or_default() += 1;
        let times = self.times.entry(kind).or_default();
        times.push_back(at);
        if times.len() > REMEMBERED {
            times.pop_front();
        }
    }

    /// A machine check is told in several lines, and by EDAC once more: what comes within a moment is one.
    fn burst(&mut self, at: u64, device: &str) -> Burst {
        if let Some((last, devices)) = &mut self.burst
            && at.abs_diff(*last) <= TOGETHER
        {
            *last = at;
            return if devices.insert(device.to_owned()) {
                Burst::Widens
            } else {
                Burst::Repeats
            };
        }
        self.burst = Some((at, BTreeSet::from([device.to_owned()])));
        Burst::Begins
    }

    /// Tells it as an event, unless the same device was told a short while ago.
    fn tell(&mut self, record: &Record<'_>, key: (Kind, String), now: Instant) {
        let (kind, device) = (key.0.as_str(), key.1.clone());
        let meanwhile = match self.told.get_mut(&key) {
            Some((at, meanwhile)) if now.duration_since(*at) < PAUSE => {
                *meanwhile += 1;
                return;
            }
            Some((_, meanwhile)) => *meanwhile,
            None => 0,
        };
        self.told.insert(key, (now, 0));
        self.events += 1;
        let text: String = record.text.chars().take(250).collect();
        self.recent.push_back(json!({
            "number": self.events,
            "kind": kind,
            "device": device,
            "text": text,
            "count": meanwhile + 1,
        }));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    pub(super) fn within_day(&mut self, kind: Kind, up: u64) -> u64 {
        let times = self.times.entry(kind).or_default();
        while times.front().is_some_and(|at| at + DAY < up) {
            times.pop_front();
        }
        times.len() as u64
    }

    pub(super) fn by_device(&self) -> Json {
        let devices = self.devices.iter();
        let list: Vec<Json> = devices
            .map(|((kind, device), count)| {
                json!({"kind": kind.as_str(), "device": device, "count": count})
            })
            .collect();
        list.into()
    }
}
