//! What people call a control group: a unit, a container or a person.

use std::collections::HashMap;
use std::path::Path;

use super::cgroup::{Group, Who};
use crate::collect::services::containers::NAMES;
use crate::config::GroupConfig;
use crate::host::{Host, Root};
use crate::model::glob;

/// Finds names, and remembers those that cost a file to find.
pub(super) struct Names {
    host: Host,
    groups: Vec<GroupConfig>,
    /// Containers' names by id.
    containers: HashMap<String, String>,
    /// People's names by user id.
    users: HashMap<u32, String>,
}

impl Names {
    pub(super) fn new(host: Host, groups: Vec<GroupConfig>) -> Self {
        Self {
            host,
            groups,
            containers: HashMap::new(),
            users: HashMap::new(),
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
            text: group.map_or(name, |group| group.name.clone()),
            is_its_own,
        }
    }

    /// A person by user id. Who is not known may have been added since.
    fn user(&mut self, id: u32) -> String {
        if !self.users.contains_key(&id) {
            self.users = users(&self.host.root);
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
    pub(super) text: String,
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
