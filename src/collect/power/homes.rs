//! In which service each process lives.

use std::collections::HashMap;
use std::sync::Arc;

use crate::host::{Process, Root};

/// A process is asked again where it lives at its second look, since it may be moved right after
/// its birth, and then once in so many looks.
const AGAIN: u32 = 30;

/// Where each process lives. One that cannot be asked lives in no service.
#[derive(Debug, Default)]
pub(super) struct Homes {
    known: HashMap<(u32, u64), Home>,
}

#[derive(Debug, Default)]
struct Home {
    service: Option<Arc<str>>,
    /// Its service is known by systemd's tree alone, not by the one that counts.
    is_apart: bool,
    looks: u32,
}

/// Services' names by the path of their control group.
pub(super) type ByPath = HashMap<Arc<str>, Arc<str>>;

/// The control groups that are services.
pub(super) struct Places<'a> {
    /// The controller that counts processor time, empty for version 2, and its groups.
    pub(super) counted: (&'a str, &'a ByPath),
    /// Those of systemd's own tree, where version 1 counts only some of them.
    pub(super) named: &'a ByPath,
}

/// The name of systemd's own tree beside those of version 1.
const SYSTEMD: &str = "name=systemd";

impl Homes {
    /// The service of each of `processes`, in their order; empty for none.
    pub(super) fn of(
        &mut self,
        root: &Root,
        processes: &[Process],
        places: &Places<'_>,
    ) -> Vec<Arc<str>> {
        let mut known = HashMap::with_capacity(processes.len());
        let mut homes = Vec::with_capacity(processes.len());
        for process in processes {
            let key = (process.pid, process.start);
            let mut home = self.known.remove(&key).unwrap_or_default();
            let is_due =
                home.looks < 2 || home.looks.wrapping_add(process.pid).is_multiple_of(AGAIN);
            if is_due {
                let text = Root::read(&root.proc(&format!("{}/cgroup", process.pid)));
                let text = text.unwrap_or_default();
                let (controller, counted) = places.counted;
                home.service = lives_in(&text, counted, controller);
                home.is_apart = home.service.is_none();
                if home.is_apart {
                    home.service = lives_in(&text, places.named, SYSTEMD);
                }
            }
            home.looks = home.looks.wrapping_add(1);
            homes.push(home.service.clone().unwrap_or_default());
            known.insert(key, home);
        }
        self.known = known;
        homes
    }

    /// Whether the counter of its service does not hold this process.
    pub(super) fn is_apart(&self, process: &Process) -> bool {
        let home = self.known.get(&(process.pid, process.start));
        home.is_some_and(|home| home.is_apart && home.service.is_some())
    }
}

fn lives_in(text: &str, services: &ByPath, controller: &str) -> Option<Arc<str>> {
    let path = text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        let is_it = controllers.split(',').any(|one| one == controller);
        fields.next().filter(|_| is_it)
    })?;
    // Seen from inside of a container, others' groups lie above its own.
    let mut path = path.trim_start_matches("/..").trim_start_matches('/');
    loop {
        if let Some(name) = services.get(path) {
            return Some(Arc::clone(name));
        }
        path = path.rsplit_once('/')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_process_lives_in_the_service_whose_group_holds_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path().into(), "/".into(), "/".into());
        let services: ByPath = [
            ("system.slice/jellyfin.service", "jellyfin"),
            ("docker/abc", "paperless"),
        ]
        .map(|(path, name)| (path.into(), name.into()))
        .into();
        let named = ByPath::from([("system.slice/ssh.service".into(), "ssh".into())]);
        let process = |pid: u32, start| Process {
            pid,
            start,
            name: "x".into(),
            ticks: 0,
            pages: 0,
            core: None,
        };
        let put = |pid: u32, text: &str| {
            fs::create_dir_all(dir.path().join(pid.to_string())).unwrap();
            fs::write(dir.path().join(format!("{pid}/cgroup")), text).unwrap();
        };
        let mut homes = Homes::default();
        let mut ask = |pid, start, controller: &str| {
            let one = [process(pid, start)];
            let places = Places {
                counted: (controller, &services),
                named: &named,
            };
            let home = homes.of(&root, &one, &places).pop().unwrap();
            (home, homes.is_apart(&one[0]))
        };
        let counted = |name: &str| (Arc::from(name), false);
        let none = counted("");
        put(1, "0::/system.slice/jellyfin.service/inner/deeper\n");
        assert_eq!(ask(1, 1, ""), counted("jellyfin"));
        put(1, "0::/\n");
        assert_eq!(ask(1, 1, ""), none, "it was moved");
        put(1, "0::/docker/abc\n");
        assert_eq!(ask(1, 1, ""), none, "asked rarely");
        let later = (0..AGAIN).map(|_| ask(1, 1, "")).last();
        assert_eq!(later, Some(counted("paperless")));
        // The same number, another process; version 1; from inside of a container.
        put(
            1,
            "12:cpuset:/\n4:cpu,cpuacct:/../../docker/abc/x:y\n1:name=systemd:/\n",
        );
        assert_eq!(ask(1, 9, "cpuacct"), counted("paperless"));
        assert_eq!(ask(2, 9, "cpuacct"), none, "it has ended");
        // Version 1 as systemd leaves it: few services are counted, all are named.
        put(
            4,
            "4:cpu,cpuacct:/\n1:name=systemd:/system.slice/ssh.service\n0::/\n",
        );
        assert_eq!(ask(4, 9, "cpuacct"), ("ssh".into(), true));
        for odd in ["", "0", "0:", "0:cpuacct", "\u{0}:::"] {
            put(3, odd);
            assert_eq!(ask(3, 1, "cpuacct"), none, "{odd}");
        }
    }
}
