//! What people call a control group: a unit, a container or a person.

use std::collections::HashMap;
use std::path::Path;

use super::cgroup::{Group, Who};
use crate::config::GroupConfig;
use crate::host::Root;
use crate::model::glob;

/// Finds names, and remembers those that cost a file to find.
pub(super) struct Names {
    root: Root,
    groups: Vec<GroupConfig>,
    /// Containers' names by id.
    containers: HashMap<String, String>,
    /// People's names by user id.
    users: Option<HashMap<u32, String>>,
}

impl Names {
    pub(super) fn new(root: Root, groups: Vec<GroupConfig>) -> Self {
        Self {
            root,
            groups,
            containers: HashMap::new(),
            users: None,
        }
    }

    /// What `group` is told as: its own name, or that of the services it is counted with.
    pub(super) fn of(&mut self, group: &Group) -> String {
        let name = match &group.who {
            Who::Unit(name) => name.clone(),
            Who::User(id) => {
                let users = self.users.get_or_insert_with(|| users(&self.root));
                let name = users.get(id).map_or_else(|| id.to_string(), Clone::clone);
                format!("user-{name}")
            }
            Who::Container(id) => {
                if let Some(name) = self.containers.get(id) {
                    name.clone()
                } else {
                    let name = container(&self.root, id);
                    self.containers.insert(id.clone(), name.clone());
                    name
                }
            }
        };
        let holds = |config: &&GroupConfig| config.services.iter().any(|one| glob(one, &name));
        let group = self.groups.iter().find(holds);
        group.map_or(name, |group| group.name.clone())
    }
}

/// What a container is called; where its files may not be read, the begin of its id as all tools
/// write it.
fn container(root: &Root, id: &str) -> String {
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
    let name = of_docker().or_else(of_podman);
    let name = name.map(|name| name.trim_start_matches('/').to_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| {
        let short = id.get(..12).unwrap_or(id);
        format!("container-{short}")
    })
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
