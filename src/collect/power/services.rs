use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cgroup;
use super::disk_bytes::DiskBytes;
use super::graphics::Graphics;
use super::homes::{ByPath, Homes, Places};
use super::names::{Name, Names};
use super::speeds::Speeds;
use crate::collect::read::{cannot_read, figure, nonsense};
use crate::collect::{Collect, CollectError, Slot};
use crate::config::GroupConfig;
use crate::host::{Host, KeptFile, Process, Processes, Root};
use crate::model::Reading;
use crate::power::{Activity, Counted, Counters, DiskUse, Spent, Tally};

/// So many looks a container waits for its engine to tell its name, and what it uses is nobody's: it is
/// not told by its id first and then by its name.
const PATIENCE: u32 = 6;
/// After that it is only now and then looked for a name: where nothing tells it, nothing will soon.
const AGAIN: u32 = 30;
/// The kernel tells processors' times in these, on every architecture that Rust has.
const TICKS_PER_SECOND: f64 = 100.0;

/// The place in the frame where, at each tick, the processor time of every service is read by its
/// control group (version 2, or 1 with `cpuacct`), which counts short-lived processes as well, and
/// that of every process. It publishes nothing itself: what was spent is left in `activity` for
/// the task that attributes watts. Services that `groups` name are counted together.
///
/// A group that is gone takes what it spent since the last tick along; that counts as spent by
/// nobody known.
///
/// What goes to and from disks is read only if `activity` asks for it.
pub fn services(host: &Host, groups: &[GroupConfig], activity: Activity) -> Slot {
    let (host, groups) = (host.clone(), groups.to_vec());
    Slot::new("services", Duration::ZERO, move || {
        Box::new(Services::new(&host, &groups, activity.clone()))
    })
}

struct Services {
    root: Root,
    names: Names,
    activity: Activity,
    stat: KeptFile,
    kept: HashMap<PathBuf, Service>,
    processes: Processes,
    homes: Homes,
    counters: Counters,
    speeds: Option<Speeds>,
    disks: Option<DiskBytes>,
    graphics: Graphics,
    buffer: Vec<u8>,
}

/// A control group that was seen before.
struct Service {
    /// Its control group below the tree's root.
    path: Arc<str>,
    name: Name,
    /// How often it was looked at without a name of its own.
    looks: u32,
    file: KeptFile,
}

impl Collect for Services {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let tree = Tree::find(&self.root)
            .ok_or_else(|| CollectError::Absent("no control groups".to_owned()))?;
        let groups = cgroup::groups(&tree.root);
        let mut spent = Vec::with_capacity(groups.len());
        let mut paths = HashMap::with_capacity(groups.len());
        let mut kept = HashMap::with_capacity(groups.len());
        for group in groups {
            let known = self.kept.remove(&group.path);
            let mut service = known.unwrap_or_else(|| Service {
                path: tree.path(&group.path),
                name: self.names.of(&group),
                looks: 0,
                file: KeptFile::new(group.path.join(tree.file)),
            });
            if !service.name.is_its_own {
                service.looks = service.looks.saturating_add(1);
                if service.looks <= PATIENCE || service.looks.is_multiple_of(AGAIN) {
                    service.name = self.names.of(&group);
                }
            }
            let waits = service.looks > 0 && service.looks <= PATIENCE;
            let name = if waits && !service.name.is_its_own && self.names.are_told() {
                Arc::default()
            } else {
                Arc::clone(&service.name.text)
            };
            // One that has gone meanwhile is no fault.
            let seconds = service
                .file
                .read(&mut self.buffer)
                .ok()
                .and_then(tree.seconds);
            if let Some(seconds) = seconds {
                if !name.is_empty() {
                    paths.insert(Arc::clone(&service.path), Arc::clone(&name));
                }
                spent.push(Counted {
                    group: Arc::clone(&service.path),
                    service: name,
                    used: seconds,
                });
                kept.insert(group.path, service);
            }
        }
        self.kept = kept;
        // Without them there are services all the same.
        let processes = self.processes.look(&self.root).unwrap_or_default();
        let named = tree.named(&mut self.names);
        let places = Places {
            counted: (tree.controller, &paths),
            named: &named,
        };
        let homes = self.homes.of(&self.root, &processes, &places);
        let weights = self.speeds.as_mut();
        let weights = weights.map(|speeds| speeds.weights(&mut self.buffer));
        let weights = weights.unwrap_or_default();
        let tallies = tallies(&processes, &homes, &self.homes, &weights);
        // After the groups and processes: nothing that they tell is later than this.
        let text = self.stat.read(&mut self.buffer);
        let stat = text.map_err(|error| cannot_read(self.stat.path(), &error))?;
        let whole = busy(stat, "cpu ");
        let whole = whole.ok_or_else(|| nonsense(self.stat.path(), "no line \"cpu\""))?;
        let whole = (self.speeds.as_mut()).map_or(whole, |speeds| speeds.total(stat));
        if self.disks.is_none() && self.activity.wants_disks() {
            self.disks = Some(DiskBytes::new(&self.root));
        }
        let disk = self.disks.as_mut();
        let disk = disk.and_then(|disks| disks.look(&paths, &processes, &homes));
        let clients = self.activity.clients();
        let gpu = self.graphics.look(&processes, &homes, &clients);
        if let Some(cpu) = self.counters.look(whole, spent, &tallies) {
            self.activity.leave(Spent {
                cpu,
                disk: disk.map(|bytes| DiskUse { busy: None, bytes }),
                gpu,
            });
        }
        Ok(Vec::new())
    }
}

impl Services {
    fn new(host: &Host, groups: &[GroupConfig], activity: Activity) -> Self {
        Self {
            names: Names::new(host.clone(), groups.to_vec()),
            activity,
            stat: host.root.keep_proc("stat"),
            kept: HashMap::new(),
            processes: host.processes.clone(),
            homes: Homes::default(),
            counters: Counters::default(),
            speeds: Speeds::find(&host.root),
            disks: None,
            graphics: Graphics::new(&host.root),
            buffer: Vec::new(),
            root: host.root.clone(),
        }
    }
}

/// The processor time of every process so far.
fn tallies(
    processes: &[Process],
    services: &[Arc<str>],
    homes: &Homes,
    weights: &HashMap<u32, f64>,
) -> Vec<Tally> {
    let both = processes.iter().zip(services);
    both.map(|(process, service)| Tally {
        pid: process.pid,
        start: process.start,
        service: Arc::clone(service),
        command: Arc::clone(&process.name),
        used: figure(process.ticks) / TICKS_PER_SECOND,
        weight: (process.core)
            .and_then(|core| weights.get(&core).copied())
            .unwrap_or(1.0),
        is_apart: homes.is_apart(process),
    })
    .collect()
}

/// Where control groups tell processor time.
struct Tree {
    root: PathBuf,
    /// systemd's own tree beside it: in version 1 it has processor time counted only for the services
    /// that ask for it.
    systemd: Option<PathBuf>,
    file: &'static str,
    /// The controller that counts; version 2 has one tree for all, without a name.
    controller: &'static str,
    seconds: fn(&str) -> Option<f64>,
}

impl Tree {
    fn find(root: &Root) -> Option<Self> {
        for version_1 in ["cpuacct", "cpu,cpuacct"] {
            let systemd = root.sys("fs/cgroup/systemd");
            let root = root.sys(&format!("fs/cgroup/{version_1}"));
            if root.join("cpuacct.usage").exists() {
                return Some(Self {
                    root,
                    systemd: Some(systemd),
                    file: "cpuacct.usage",
                    controller: "cpuacct",
                    seconds: |text| Some(figure(text.trim().parse().ok()?) / 1e9),
                });
            }
        }
        let root = root.sys("fs/cgroup");
        root.join("cgroup.controllers").exists().then_some(Self {
            root,
            systemd: None,
            file: "cpu.stat",
            controller: "",
            seconds: |text| {
                let line = text
                    .lines()
                    .find_map(|line| line.strip_prefix("usage_usec "))?;
                Some(figure(line.trim().parse().ok()?) / 1e6)
            },
        })
    }

    /// The services of systemd's own tree, by path.
    fn named(&self, names: &mut Names) -> ByPath {
        let Some(root) = &self.systemd else {
            return ByPath::new();
        };
        let groups = cgroup::groups(root).into_iter();
        let services = groups.map(|group| (below(root, &group.path), names.of(&group).text));
        services.collect()
    }

    /// The path of a control group below the root.
    fn path(&self, group: &Path) -> Arc<str> {
        below(&self.root, group)
    }
}

fn below(root: &Path, group: &Path) -> Arc<str> {
    // A group whose name is no text is none.
    let path = group.strip_prefix(root).unwrap_or(group);
    path.to_string_lossy().into()
}

/// Seconds that a processor (`cpu0 `), or all of them (`cpu `), were busy, without what a hypervisor
/// took.
pub(super) fn busy(stat: &str, which: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix(which))?;
    let mut ticks = line.split_ascii_whitespace().map(|word| word.parse().ok());
    let mut next = || ticks.next().flatten();
    let (user, nice, system): (u64, u64, u64) = (next()?, next()?, next()?);
    let mut more = ticks.skip(2).flatten();
    let interrupts = more.next().unwrap_or(0) + more.next().unwrap_or(0);
    Some(figure(user + nice + system + interrupts) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests;
