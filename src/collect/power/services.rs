use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::cgroup;
use super::disk_bytes::DiskBytes;
use super::graphics::Graphics;
use super::homes::Homes;
use super::names::Names;
use super::speeds::Speeds;
use crate::collect::read::{cannot_read, figure, nonsense};
use crate::collect::{Collect, CollectError, Slot};
use crate::config::GroupConfig;
use crate::host::{Host, KeptFile, Process, Processes, Root};
use crate::model::Reading;
use crate::power::{Activity, Counted, Counters, DiskUse, Owner, Spent, Tally};

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
    kept: HashMap<PathBuf, (String, KeptFile)>,
    processes: Processes,
    homes: Homes,
    counters: Counters,
    speeds: Option<Speeds>,
    disks: Option<DiskBytes>,
    graphics: Graphics,
    buffer: Vec<u8>,
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
            let (name, mut file) = known.unwrap_or_else(|| {
                let file = KeptFile::new(group.path.join(tree.file));
                (self.names.of(&group), file)
            });
            // One that has gone meanwhile is no fault.
            let seconds = file.read(&mut self.buffer).ok().and_then(tree.seconds);
            if let Some(seconds) = seconds {
                spent.push(Counted {
                    group: group.path.to_string_lossy().into_owned(),
                    service: name.clone(),
                    used: seconds,
                });
                let path = group.path.strip_prefix(&tree.root);
                let path = path.ok().and_then(|path| path.to_str());
                paths.extend(path.map(|path| (path.to_owned(), name.clone())));
                kept.insert(group.path, (name, file));
            }
        }
        self.kept = kept;
        // Without them there are services all the same.
        let processes = self.processes.look(&self.root).unwrap_or_default();
        let homes = &mut self.homes;
        let homes = homes.of(&self.root, &processes, &paths, tree.controller);
        let weights = self.speeds.as_mut();
        let weights = weights.map(|speeds| speeds.weights(&mut self.buffer));
        let tallies = tallies(&processes, &homes, &weights.unwrap_or_default());
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
            names: Names::new(host.root.clone(), groups.to_vec()),
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
fn tallies(processes: &[Process], homes: &[String], weights: &HashMap<u32, f64>) -> Vec<Tally> {
    let both = processes.iter().zip(homes);
    both.map(|(process, service)| Tally {
        pid: process.pid,
        start: process.start,
        owner: Owner {
            service: service.clone(),
            command: process.name.to_string(),
        },
        used: figure(process.ticks) / TICKS_PER_SECOND,
        weight: (process.core)
            .and_then(|core| weights.get(&core).copied())
            .unwrap_or(1.0),
    })
    .collect()
}

/// Where control groups tell processor time.
struct Tree {
    root: PathBuf,
    file: &'static str,
    /// The controller that counts; version 2 has one tree for all, without a name.
    controller: &'static str,
    seconds: fn(&str) -> Option<f64>,
}

impl Tree {
    fn find(root: &Root) -> Option<Self> {
        for version_1 in ["cpuacct", "cpu,cpuacct"] {
            let root = root.sys(&format!("fs/cgroup/{version_1}"));
            if root.join("cpuacct.usage").exists() {
                return Some(Self {
                    root,
                    file: "cpuacct.usage",
                    controller: "cpuacct",
                    seconds: |text| Some(figure(text.trim().parse().ok()?) / 1e9),
                });
            }
        }
        let root = root.sys("fs/cgroup");
        root.join("cgroup.controllers").exists().then_some(Self {
            root,
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
mod tests {
    use super::*;
    use crate::host::Clock;
    use std::fs;

    struct Machine {
        dir: tempfile::TempDir,
        services: Services,
        activity: Activity,
    }

    const ID: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    impl Machine {
        fn new(groups: &[GroupConfig]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let host = Host::captured(dir.path(), Clock::set_to(jiff::Timestamp::UNIX_EPOCH));
            let activity = Activity::default();
            let services = Services::new(&host, groups, activity.clone());
            let machine = Self {
                dir,
                services,
                activity,
            };
            machine.put("proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\n");
            machine
        }

        fn put(&self, path: &str, text: &str) {
            crate::host::testing::put(self.dir.path(), path, text);
        }

        fn spend(&self, group: &str, microseconds: u64) {
            self.put("sys/fs/cgroup/cgroup.controllers", "cpu io\n");
            let path = format!("sys/fs/cgroup/{group}/cpu.stat");
            self.put(&path, &format!("usage_usec {microseconds}\nuser_usec 0\n"));
        }

        /// A process of `group` that has used so many hundredths of a second.
        fn process(&self, pid: u32, name: &str, group: &str, ticks: u64, start: u64) {
            let text =
                format!("{pid} ({name}) S 1 1 1 0 -1 0 9 9 9 9 {ticks} 0 0 0 20 0 1 0 {start} 5 9");
            self.put(&format!("proc/{pid}/stat"), &text);
            self.put(&format!("proc/{pid}/cgroup"), &format!("0::/{group}\n"));
        }

        fn busy(&self, ticks: u64) {
            self.put(
                "proc/stat",
                &format!("cpu  {ticks} 0 0 99 9 0 0 7 0 0\ncpu0 1\n"),
            );
        }

        fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
            self.services.sample()
        }

        fn spent(&mut self) -> Vec<(String, f64)> {
            assert!(self.sample().unwrap().is_empty());
            self.activity
                .take()
                .unwrap()
                .cpu
                .services
                .into_iter()
                .collect()
        }
    }

    fn list(of: &[(&str, f64)]) -> Vec<(String, f64)> {
        of.iter()
            .map(|(name, s)| ((*name).to_owned(), *s))
            .collect()
    }

    #[test]
    fn services_containers_and_people_are_told_by_their_names() {
        let groups = [GroupConfig {
            name: "media".to_owned(),
            services: vec!["jelly*".to_owned(), "sonarr".to_owned()],
        }];
        let mut machine = Machine::new(&groups);
        let docker = format!("system.slice/docker-{ID}.scope");
        let podman = format!("machine.slice/libpod-{}.scope", ID.replace('0', "f"));
        let nameless = format!("machine.slice/libpod-{}.scope", ID.replace('0', "e"));
        machine.put(
            &format!("root/var/lib/docker/containers/{ID}/config.v2.json"),
            "{\"Name\":\"/paperless\"}",
        );
        machine.put(
            "root/var/lib/containers/storage/overlay-containers/containers.json",
            &format!(
                "[{{\"id\":\"{}\",\"names\":[\"frigate\"]}}]",
                ID.replace('0', "f")
            ),
        );
        machine.put(
            "root/etc/passwd",
            "root:x:0:0::/:/bin/sh\nanna:x:1000:1000::/:/bin/sh\n",
        );
        let all = [
            "system.slice/jellyfin.service",
            "system.slice/sonarr.service",
            "system.slice/caddy.service",
            &docker,
            &podman,
            &nameless,
            "user.slice/user-1000.slice",
            "user.slice/user-7.slice",
        ];
        for group in all {
            machine.spend(group, 1_000_000);
        }
        assert!(machine.sample().unwrap().is_empty());
        assert_eq!(machine.activity.take(), None, "two looks make a difference");
        for group in all {
            machine.spend(group, 1_500_000);
        }
        machine.busy(2_000);
        let nameless = format!("container-{}", ID.replace('0', "e").split_at(12).0);
        let want = list(&[
            ("caddy", 0.5),
            (&nameless, 0.5),
            ("frigate", 0.5),
            ("media", 1.0),
            ("paperless", 0.5),
            ("user-7", 0.5),
            ("user-anna", 0.5),
        ]);
        assert_eq!(machine.spent(), want);
    }

    #[test]
    fn groups_come_and_go_and_begin_anew() {
        let mut machine = Machine::new(&[]);
        machine.spend("system.slice/a.service", 5_000_000);
        machine.spend("system.slice/b.service", 5_000_000);
        machine.sample().unwrap();
        fs::remove_dir_all(
            machine
                .dir
                .path()
                .join("sys/fs/cgroup/system.slice/a.service"),
        )
        .unwrap();
        machine.spend("system.slice/b.service", 200_000);
        machine.spend("system.slice/c.service", 300_000);
        // One that cannot be read is nobody's fault.
        fs::create_dir_all(
            machine
                .dir
                .path()
                .join("sys/fs/cgroup/system.slice/d.service"),
        )
        .unwrap();
        machine.put("sys/fs/cgroup/system.slice/e.service/cpu.stat", "nonsense");
        machine.busy(1_000);
        assert_eq!(machine.spent(), list(&[("b", 0.2), ("c", 0.3)]));
        assert_eq!(machine.services.kept.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn processes_are_told_with_their_service() {
        let mut machine = Machine::new(&[]);
        let (web, job) = ("system.slice/web.service", "system.slice/job.service");
        machine.spend(web, 0);
        machine.spend(job, 0);
        machine.process(10, "nginx", web, 500, 100);
        machine.process(11, "nginx", &format!("{web}/worker"), 0, 101);
        machine.process(12, "sshd", "", 7, 90);
        machine.sample().unwrap();
        machine.spend(web, 4_000_000);
        machine.spend(job, 2_000_000);
        machine.process(10, "nginx", web, 600, 100);
        machine.process(11, "nginx", &format!("{web}/worker"), 50, 101);
        machine.process(12, "sshd", "", 17, 90);
        machine.busy(1_000);
        tokio::time::advance(Duration::from_secs(10)).await;
        machine.sample().unwrap();
        let cpu = machine.activity.take().unwrap().cpu;
        let told: Vec<_> = cpu
            .processes
            .iter()
            .map(|(owner, s)| (String::from(owner.clone()), (s * 100.0).round() / 100.0))
            .collect();
        let want = list(&[
            ("/sshd", 0.1),
            ("job/short-lived", 2.0),
            ("web/nginx", 1.5),
            ("web/short-lived", 2.5),
        ]);
        assert_eq!(told, want);
    }

    #[test]
    fn disks_are_looked_at_once_they_are_asked_for() {
        let mut machine = Machine::new(&[]);
        machine.spend("system.slice/nas.service", 0);
        fs::create_dir_all(machine.dir.path().join("sys/block/sda")).unwrap();
        let disk = |machine: &mut Machine, sectors: u64| {
            let line = format!("8 0 sda 9 0 {sectors} 0 9 0 0 0 0 5 5\n");
            machine.put("proc/diskstats", &line);
            let io = format!("8:0 rbytes={} wbytes=0\n", sectors * 256);
            machine.put("sys/fs/cgroup/system.slice/nas.service/io.stat", &io);
            machine.sample().unwrap();
            machine.activity.take().and_then(|spent| spent.disk)
        };
        assert_eq!(disk(&mut machine, 0), None);
        assert_eq!(disk(&mut machine, 100), None, "nobody has asked");
        machine.activity.want_disks();
        assert_eq!(disk(&mut machine, 200), None, "two looks make a difference");
        let bytes = disk(&mut machine, 300).unwrap().bytes;
        assert!((bytes.total - 51_200.0).abs() < 1e-9);
        assert!((bytes.services["nas"] - 25_600.0).abs() < 1e-9);
    }

    #[test]
    fn control_groups_of_version_1_count_in_nanoseconds() {
        let mut machine = Machine::new(&[]);
        for (usage, ticks) in [(1_000_000_000_u64, 100), (3_500_000_000, 900)] {
            machine.put("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "9");
            let id = format!("sys/fs/cgroup/cpu,cpuacct/docker/{ID}/cpuacct.usage");
            machine.put(&id, &format!("{usage}\n"));
            machine.busy(ticks);
            machine.sample().unwrap();
        }
        let spent = machine.activity.take().unwrap();
        assert_eq!(
            spent.cpu.services["container-001122334455"].to_string(),
            "2.5"
        );
        assert!(
            (spent.cpu.total - 8.0).abs() < 1e-9,
            "stolen time is nobody's"
        );
    }

    #[test]
    fn a_machine_without_groups_or_times_says_so() {
        let mut machine = Machine::new(&[]);
        assert!(matches!(machine.sample(), Err(CollectError::Absent(_))));
        machine.spend("system.slice/a.service", 1);
        machine.put("proc/stat", "intr 5\n");
        assert!(matches!(machine.sample(), Err(CollectError::Transient(_))));
        fs::remove_file(machine.dir.path().join("proc/stat")).unwrap();
        assert!(machine.sample().is_err());
    }
}
