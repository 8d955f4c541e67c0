//! Who reads from and writes to disks, by control group and by process.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::sync::Arc;

use super::homes::ByPath;
use crate::collect::read::figure;
use crate::host::{KeptFile, Process, Root};
use crate::power::{Counted, Counters, Tally, Use};

/// The kernel counts in these, whatever the disk's own sectors are.
const SECTOR: f64 = 512.0;

/// Bytes to and from disks. Only what reaches a disk itself counts: what is stacked on it
/// (mappings, arrays, loops) would count twice.
pub(super) struct DiskBytes {
    root: Root,
    stats: KeptFile,
    kept: HashMap<Arc<str>, KeptFile>,
    counters: Counters,
    buffer: Vec<u8>,
}

impl DiskBytes {
    pub(super) fn new(root: &Root) -> Self {
        Self {
            stats: root.keep_proc("diskstats"),
            root: root.clone(),
            kept: HashMap::new(),
            counters: Counters::default(),
            buffer: Vec::new(),
        }
    }

    /// What was read and written since the last look. `services` are names by their control
    /// group's path; `homes` are the services of `processes`.
    pub(super) fn look(
        &mut self,
        services: &ByPath,
        processes: &[Process],
        homes: &[Arc<str>],
    ) -> Option<Use> {
        let (disks, total) = self.disks()?;
        let mut spent = Vec::with_capacity(services.len());
        let mut kept = HashMap::with_capacity(services.len());
        for (path, name) in services {
            let known = self.kept.remove(path);
            let mut file = known.unwrap_or_else(|| KeptFile::new(self.file(path)));
            // One that has gone, or counts nothing, has used nothing.
            if let Ok(text) = file.read(&mut self.buffer) {
                spent.push(Counted {
                    group: Arc::clone(path),
                    service: Arc::clone(name),
                    used: of_group(text, &disks),
                });
            }
            kept.insert(Arc::clone(path), file);
        }
        self.kept = kept;
        let tallies = self.tallies(processes, homes).unwrap_or_default();
        self.counters.look(total, spent, &tallies)
    }

    fn file(&self, group: &str) -> std::path::PathBuf {
        let version_1 = self.root.sys("fs/cgroup/blkio");
        if version_1.exists() {
            let name = "blkio.throttle.io_service_bytes_recursive";
            return version_1.join(group).join(name);
        }
        self.root.sys("fs/cgroup").join(group).join("io.stat")
    }

    /// The numbers of all disks, and what went to and from them in all, bytes.
    fn disks(&mut self) -> Option<(HashSet<String>, f64)> {
        let text = self.stats.read(&mut self.buffer).ok()?;
        let stacked = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"];
        let (mut disks, mut total) = (HashSet::new(), 0.0);
        for line in text.lines() {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            let [major, minor, name, _, _, read, _, _, _, written, ..] = words.as_slice() else {
                continue;
            };
            let is_disk = !stacked.iter().any(|prefix| name.starts_with(prefix))
                && self.root.sys(&format!("block/{name}")).exists();
            if is_disk {
                disks.insert(format!("{major}:{minor}"));
                let sectors = [read, written].map(|word| word.parse().map_or(0.0, figure));
                total += sectors.iter().sum::<f64>() * SECTOR;
            }
        }
        Some((disks, total))
    }

    /// What each process has read and written; `None` unless all of them may be asked.
    fn tallies(&mut self, processes: &[Process], homes: &[Arc<str>]) -> Option<Vec<Tally>> {
        let mut tallies = Vec::with_capacity(processes.len());
        for (process, service) in processes.iter().zip(homes) {
            let path = self.root.proc(&format!("{}/io", process.pid));
            let text = match Root::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
                // One that has ended meanwhile is no fault.
                Err(_) => continue,
            };
            let bytes = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key));
                line.and_then(|number| number.trim().parse().ok())
                    .map_or(0.0, figure)
            };
            tallies.push(Tally {
                pid: process.pid,
                start: process.start,
                service: Arc::clone(service),
                command: Arc::clone(&process.name),
                used: bytes("read_bytes:") + bytes("write_bytes:"),
                weight: 1.0,
                is_apart: false,
            });
        }
        Some(tallies)
    }
}

/// What a control group has read from and written to `disks`, bytes. Version 2 writes
/// `8:0 rbytes=1 wbytes=2 …`, version 1 `8:0 Read 1` and `8:0 Write 2` in lines of their own.
fn of_group(text: &str, disks: &HashSet<String>) -> f64 {
    let mut bytes = 0.0;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if !words.next().is_some_and(|disk| disks.contains(disk)) {
            continue;
        }
        let mut of_version_1 = false;
        for word in words {
            let number = if of_version_1 {
                Some(word)
            } else {
                let rest = word.strip_prefix("rbytes=");
                rest.or_else(|| word.strip_prefix("wbytes="))
            };
            bytes += number
                .and_then(|number| number.parse().ok())
                .map_or(0.0, figure);
            of_version_1 = matches!(word, "Read" | "Write");
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::put;
    use std::fs;
    use std::path::Path;

    fn machine(dir: &Path, read: u64, written: u64) -> Root {
        fs::create_dir_all(dir.join("sys/block/sda")).unwrap();
        let text = format!(
            "   8       0 sda 9 0 {read} 0 9 0 {written} 0 0 5 5\n   8       1 sda1 9 0 {read} 0 9 0 {written} 0\n 254 0 dm-0 9 0 {read} 0 9 0 {written} 0\n7 0 loop0\n"
        );
        put(dir, "proc/diskstats", &text);
        Root::new(dir.join("proc"), dir.join("sys"), dir.join("root"))
    }

    fn process(pid: u32) -> Process {
        Process {
            pid,
            start: u64::from(pid),
            name: "smbd".into(),
            ticks: 0,
            pages: 0,
            core: None,
        }
    }

    #[test]
    fn groups_and_processes_are_told_what_they_read_and_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let root = machine(dir, 0, 0);
        let nas = "system.slice/smbd.service";
        let services: ByPath = [(nas, "nas"), ("system.slice/idle.service", "idle")]
            .map(|(path, name)| (path.into(), name.into()))
            .into();
        let stat = format!("sys/fs/cgroup/{nas}/io.stat");
        put(
            dir,
            &stat,
            "8:0 rbytes=1000 wbytes=500 rios=1\n254:0 rbytes=1000\n",
        );
        put(
            dir,
            "proc/5/io",
            "rchar: 9\nread_bytes: 1000\nwrite_bytes: 500\n",
        );
        let homes = ["nas".into(), "".into()];
        let both = [process(5), process(6)];
        let mut bytes = DiskBytes::new(&root);
        assert_eq!(bytes.look(&services, &both, &homes), None);
        machine(dir, 10, 10);
        put(
            dir,
            &stat,
            "8:0 rbytes=4000 wbytes=1500 rios=1\n254:0 rbytes=4000\n",
        );
        put(
            dir,
            "proc/5/io",
            "rchar: 9\nread_bytes: 3000\nwrite_bytes: 500\n",
        );
        let used = bytes.look(&services, &both, &homes).unwrap();
        assert!((used.total - 10_240.0).abs() < 1e-9, "sda alone");
        assert!((used.services["nas"] - 4000.0).abs() < 1e-9);
        let told: Vec<_> = used
            .processes
            .iter()
            .map(|(owner, bytes)| (String::from(owner.clone()), bytes.round()))
            .collect();
        let want = [("nas/short-lived", 2000.0), ("nas/smbd", 2000.0)];
        assert_eq!(told, want.map(|(name, bytes)| (name.to_owned(), bytes)));
        fs::remove_file(dir.join("proc/diskstats")).unwrap();
        assert_eq!(bytes.look(&services, &both, &homes), None);
    }

    #[test]
    fn version_1_counts_in_lines_and_odd_ones_count_nothing() {
        let disks = HashSet::from(["8:0".to_owned()]);
        for (text, want) in [
            (
                "8:0 Read 5\n8:0 Write 7\n8:0 Sync 99\n8:16 Read 9\nTotal 12\n",
                12.0,
            ),
            ("8:0 rbytes=5 wbytes=x dbytes=9", 5.0),
            ("8:0 Read\n8:0\n\n", 0.0),
        ] {
            assert!((of_group(text, &disks) - want).abs() < 1e-9, "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        let root = machine(dir.path(), 0, 0);
        fs::create_dir_all(dir.path().join("sys/fs/cgroup/blkio")).unwrap();
        let file = DiskBytes::new(&root).file("docker/abc");
        assert!(file.ends_with("blkio/docker/abc/blkio.throttle.io_service_bytes_recursive"));
    }
}
