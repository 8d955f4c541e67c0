//! What people call a control group: a unit, a container or a person.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::cgroup::{Group, Who};
use crate::collect::services::containers::NAMES;
use crate::config::GroupConfig;
use crate::host::{Host, Root};
use crate::model::glob;

/// Where nobody has such a user id, it is looked for again only after being asked so often.
const AGAIN: u32 = 30;

/// Finds names, and remembers those that cost a file to find.
pub(super) struct Names {
    host: Host,
    groups: Vec<GroupConfig>,
    /// Containers' names by id.
    containers: HashMap<String, String>,
    /// People's names by user id.
    users: HashMap<u32, String>,
    /// How often was asked for user ids that nobody has.
    strangers: HashMap<u32, u32>,
}

impl Names {
    pub(super) fn new(host: Host, groups: Vec<GroupConfig>) -> Self {
        Self {
            host,
            groups,
            containers: HashMap::new(),
            users: HashMap::new(),
            strangers: HashMap::new(),
        }
    }

    /// What `group` is told as: its own name, or that of the services it is counted with.
    pub(super) fn of(&mut self, group: &Group) -> Name {
        let (name, is_its_own) = match &group.who {
            Who::Unit(name) => (name.clone(), true),
            Who::User(id) => (format!("user-{}", self.user(*id)), true),
            Who::Container(id) => match self.container(id) {
                Some(name) => (name, true),
                // The begin of its id, as all tools write it.
                None => (format!("container-{}", id.get(..12).unwrap_or(id)), false),
            },
        };
        let holds = |config: &&GroupConfig| config.services.iter().any(|one| glob(one, &name));
        let group = self.groups.iter().find(holds);
        Name {
            text: group.map_or(&*name, |group| &group.name).into(),
            is_its_own,
        }
    }

    /// A person by user id. Who is not known may have been added since.
    fn user(&mut self, id: u32) -> String {
        if !self.users.contains_key(&id) {
            let asked = self.strangers.entry(id).or_insert(0);
            if asked.is_multiple_of(AGAIN) {
                self.users = users(&self.host.root);
            }
            *asked = asked.wrapping_add(1);
        }
        let known = self.users.get(&id);
        known.map_or_else(|| id.to_string(), Clone::clone)
    }

    fn container(&mut self, id: &str) -> Option<String> {
        if let Some(name) = self.containers.get(id) {
            return Some(name.clone());
        }
        let name = container(&self.host.root, id).or_else(|| {
            // Engines' files are root's; the engine itself may have been asked.
            let mut listed: HashMap<String, String> = self.host.memory.get(NAMES)?;
            listed.remove(id)
        })?;
        self.containers.insert(id.to_owned(), name.clone());
        Some(name)
    }

    /// Whether an engine tells the names of its containers, so that a new one will have a name soon.
    pub(super) fn are_told(&self) -> bool {
        self.host
            .memory
            .get::<serde::de::IgnoredAny>(NAMES)
            .is_some()
    }
}

/// What a group is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: Arc<str>,
    /// Not only the begin of an id, which may give way to a name.
    pub(super) is_its_own: bool,
}

/// What a container is called, by the engines' files.
fn container(root: &Root, id: &str) -> Option<String> {
    let docker = root.path(Path::new(&format!(
        "/var/lib/docker/containers/{id}/config.v2.json"
    )));
    let podman = root.path(Path::new(
        "/var/lib/containers/storage/overlay-containers/containers.json",
    ));
    let read = |path: &Path| -> Option<serde_json::Value> {
        serde_json::from_str(&Root::read(path).ok()?).ok()
    };
    let of_docker = || Some(read(&docker)?.get("Name")?.as_str()?.to_owned());
    let of_podman = || {
        let list = read(&podman)?;
        let mut list = list.as_array()?.iter();
        let ours = list.find(|one| one.get("id").and_then(|own| own.as_str()) == Some(id))?;
        Some(ours.get("names")?.get(0)?.as_str()?.to_owned())
    };
    let name = of_docker().or_else(of_podman)?;
    let name = name.trim_start_matches('/');
    (!name.is_empty()).then(|| name.to_owned())
}

fn users(root: &Root) -> HashMap<u32, String> {
    let text = Root::read(&root.path(Path::new("/etc/passwd"))).unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        Some((id.parse().ok()?, name.to_owned()))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Clock;
    use crate::host::testing::put;

    #[test]
    fn a_user_id_that_nobody_has_is_looked_up_only_now_and_then() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::captured(dir.path(), Clock::set_to(jiff::Timestamp::UNIX_EPOCH));
        let mut names = Names::new(host, Vec::new());
        let mut of = |id| {
            let group = Group {
                path: "user.slice".into(),
                who: Who::User(id),
            };
            names.of(&group).text
        };
        assert_eq!(&*of(1000), "user-1000", "there is no file");
        put(
            dir.path(),
            "root/etc/passwd",
            "anna:x:1000:1000::/:/bin/sh\n",
        );
        let told: Vec<_> = (0..AGAIN).map(|_| of(1000)).collect();
        let unknown = told.iter().filter(|name| &***name == "user-1000").count();
        assert_eq!(
            (unknown, told.last().map(|name| &**name)),
            (29, Some("user-anna"))
        );
        // Somebody else is looked up at once, and who is known needs no file.
        put(
            dir.path(),
            "root/etc/passwd",
            "ben:x:1001:1001::/:/bin/sh\nanna:x:1000:1::/:/\n",
        );
        assert_eq!(&*of(1001), "user-ben");
        std::fs::remove_file(dir.path().join("root/etc/passwd")).unwrap();
        assert_eq!([&*of(1000), &*of(1001)], ["user-anna", "user-ben"]);
    }
}
