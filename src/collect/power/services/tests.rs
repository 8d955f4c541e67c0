//! Control groups of both versions, in folders.

use super::*;
use crate::collect::services::containers::NAMES;
use crate::host::Clock;
use std::collections::BTreeMap;
use std::fs;

struct Machine {
    dir: tempfile::TempDir,
    host: Host,
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
            host,
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
fn a_container_whose_engine_tells_names_waits_for_its_own() {
    let mut machine = Machine::new(&[]);
    let group = format!("system.slice/docker-{ID}.scope");
    let memory = machine.host.memory.clone();
    let listed = |all: &[(&str, &str)]| {
        let all: HashMap<&str, &str> = all.iter().copied().collect();
        memory.put(NAMES, &all);
    };
    listed(&[("other", "web")]);
    let mut spend = |seconds: u64| {
        machine.spend(&group, seconds * 1_000_000);
        machine.busy(seconds * 1_000);
        machine.sample().unwrap();
        machine.activity.take().map(|spent| spent.cpu.services)
    };
    spend(1);
    assert_eq!(spend(2).unwrap(), [].into(), "nobody's so far");
    listed(&[(ID, "paperless")]);
    let named = |name: &str| [(name.to_owned(), 1.0)].into();
    assert_eq!(spend(3).unwrap(), named("paperless"));
    listed(&[]);
    assert_eq!(spend(4).unwrap(), named("paperless"), "it is remembered");
    // One that the engine never tells of is told by its id.
    let group = format!("system.slice/docker-{}.scope", ID.replace('0', "f"));
    let mut told = Vec::new();
    for seconds in 5..14 {
        machine.spend(&group, seconds * 1_000_000);
        machine.busy(seconds * 1_000);
        machine.sample().unwrap();
        let services = machine.activity.take().unwrap().cpu.services;
        told.push(services.contains_key("container-ff1122334455"));
    }
    let waited = told.iter().filter(|told| !**told).count();
    assert_eq!(waited, usize::try_from(PATIENCE).unwrap());
    assert_eq!(told.last(), Some(&true));
}

#[test]
fn a_container_that_nobody_names_is_looked_for_only_now_and_then() {
    let mut machine = Machine::new(&[]);
    let group = format!("system.slice/docker-{ID}.scope");
    let mut names = Vec::new();
    for look in 0..200_u64 {
        machine.spend(&group, look * 1_000_000);
        machine.busy(look * 1_000);
        machine.sample().unwrap();
        let services = machine.activity.take().map(|spent| spent.cpu.services);
        names.extend(services.into_iter().flat_map(BTreeMap::into_keys));
        // An engine begins to tell names in the midst of it.
        if look == 100 {
            let listed: HashMap<&str, &str> = [(ID, "paperless")].into();
            machine.host.memory.put(NAMES, &listed);
        }
    }
    let unnamed = names.iter().position(|name| name == "paperless").unwrap();
    assert!(
        names
            .iter()
            .take(unnamed)
            .all(|name| name.starts_with("container-00112233"))
    );
    assert!(names.iter().skip(unnamed).all(|name| name == "paperless"));
    // Not at the next look, and not much later.
    let waited = unnamed - 100;
    assert!(
        (2..=usize::try_from(AGAIN).unwrap()).contains(&waited),
        "{waited}"
    );
}

#[test]
fn a_person_who_was_added_since_is_told_by_name() {
    let mut machine = Machine::new(&[]);
    machine.put("root/etc/passwd", "anna:x:1000:1000::/:/bin/sh\n");
    for (id, name) in [(1000, "anna"), (1001, "ben")] {
        let group = format!("user.slice/user-{id}.slice");
        machine.spend(&group, 0);
        machine.sample().unwrap();
        machine.spend(&group, 1_000_000);
        machine.busy(id * 100);
        let told = machine.spent();
        assert_eq!(told.last().unwrap().0, format!("user-{name}"));
        let both = "anna:x:1000:1000::/:/bin/sh\nben:x:1001:1001::/:/bin/sh\n";
        machine.put("root/etc/passwd", both);
    }
}

#[tokio::test(start_paused = true)]
async fn services_that_version_1_does_not_count_are_known_by_their_processes() {
    let mut machine = Machine::new(&[]);
    for (used, all) in [(100, 100), (350, 900)] {
        machine.put("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "9");
        machine.put(
            "sys/fs/cgroup/systemd/system.slice/ssh.service/tasks",
            "7\n",
        );
        machine.process(7, "sshd", "", used, 5);
        machine.put(
            "proc/7/cgroup",
            "4:cpu,cpuacct:/\n1:name=systemd:/system.slice/ssh.service\n0::/\n",
        );
        tokio::time::advance(Duration::from_secs(10)).await;
        machine.busy(all);
        machine.sample().unwrap();
    }
    let cpu = machine.activity.take().unwrap().cpu;
    assert_eq!(cpu.services["ssh"].to_string(), "2.5");
    let sshd: Vec<_> = cpu.processes.into_keys().map(String::from).collect();
    assert_eq!(sshd, ["ssh/sshd"]);
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
