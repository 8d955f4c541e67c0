//! Which control groups are services, and what people call them.

use std::path::{Path, PathBuf};

/// No tree of services is deeper.
const DEEPEST: u32 = 8;
/// More services than this are not told apart.
pub(super) const MOST: usize = 300;

/// A control group that is one service as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) path: PathBuf,
    pub(super) who: Who,
}

/// Whose control group it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    /// A unit of systemd, or any other named group.
    Unit(String),
    /// A container, by its id.
    Container(String),
    /// All that a person who is logged in runs, by user id.
    User(u32),
}

/// What a control group's name says.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Is(Who),
    /// It only holds others.
    Holds,
    /// Next to nothing happens there.
    Nothing,
}

/// Every service below `root`.
pub(super) fn groups(root: &Path) -> Vec<Group> {
    let mut found = Vec::new();
    walk(root, "", 0, &mut found);
    found
}

fn walk(dir: &Path, parent: &str, depth: u32, found: &mut Vec<Group>) {
    // One that is gone meanwhile is no fault.
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if found.len() >= MOST || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        match meaning(name, parent) {
            Meaning::Is(who) => found.push(Group {
                path: entry.path(),
                who,
            }),
            Meaning::Holds if depth < DEEPEST => walk(&entry.path(), name, depth + 1, found),
            Meaning::Holds | Meaning::Nothing => {}
        }
    }
}

/// Runtimes put their name before a container's id.
const RUNTIMES: [&str; 4] = ["docker-", "libpod-", "cri-containerd-", "crio-"];
/// Groups that hold containers or pods, without systemd.
const HOLDERS: [&str; 5] = ["docker", "lxc", "libpod_parent", "machine", "kubepods"];

fn meaning(name: &str, parent: &str) -> Meaning {
    let unit = |name: &str| Meaning::Is(Who::Unit(plain(name)));
    if let Some(stem) = name.strip_suffix(".slice") {
        let user = stem.strip_prefix("user-").and_then(|id| id.parse().ok());
        return match user {
            Some(id) if parent == "user.slice" => Meaning::Is(Who::User(id)),
            _ => Meaning::Holds,
        };
    }
    if let Some(stem) = name.strip_suffix(".service") {
        // Podman's health checks are units that are called by the container.
        let id = stem.split_once('-').map_or(stem, |(id, _)| id);
        return if is_id(id) {
            Meaning::Is(Who::Container(id.to_owned()))
        } else {
            unit(stem)
        };
    }
    if let Some(stem) = name.strip_suffix(".scope") {
        let id = RUNTIMES
            .iter()
            .find_map(|runtime| stem.strip_prefix(runtime));
        return match id {
            Some(id) if is_id(id) => Meaning::Is(Who::Container(id.to_owned())),
            Some(_) => Meaning::Nothing,
            None => unit(stem),
        };
    }
    if is_id(name) {
        return Meaning::Is(Who::Container(name.to_owned()));
    }
    if let Some(container) = name.strip_prefix("lxc.payload.") {
        return unit(container);
    }
    let small = [".mount", ".socket", ".swap", ".automount"];
    if name.starts_with("lxc.") || small.iter().any(|end| name.ends_with(end)) {
        return Meaning::Nothing;
    }
    let holds = HOLDERS.contains(&name) || parent == "kubepods";
    if holds && parent != "lxc" {
        return Meaning::Holds;
    }
    unit(name)
}

/// Containers' ids are hashes.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A unit's name without systemd's escapes (`\\x2d` for `-`).
fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.push_str(before);
        let code = after
            .get(..2)
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match (code, after.get(2..)) {
            (Some(code), Some(behind)) if code.is_ascii_graphic() => {
                out.push(char::from(code));
                rest = behind;
            }
            _ => {
                out.push_str("\\x");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manager_s_groups_are_known() {
        let id = "0123456789abcdef".repeat(4);
        let unit = |name: &str| Meaning::Is(Who::Unit(name.to_owned()));
        let container = || Meaning::Is(Who::Container(id.clone()));
        for (name, parent, want) in [
            ("jellyfin.service", "system.slice", unit("jellyfin")),
            (
                "getty@tty1.service",
                "system-getty.slice",
                unit("getty@tty1"),
            ),
            ("pi\\x2dhole.service", "system.slice", unit("pi-hole")),
            ("odd\\x.service", "system.slice", unit("odd\\x")),
            ("init.scope", "", unit("init")),
            ("system.slice", "", Meaning::Holds),
            ("user.slice", "", Meaning::Holds),
            (
                "user-1000.slice",
                "user.slice",
                Meaning::Is(Who::User(1000)),
            ),
            ("user-1000.slice", "other.slice", Meaning::Holds),
            (&format!("docker-{id}.scope"), "system.slice", container()),
            (&format!("libpod-{id}.scope"), "machine.slice", container()),
            (
                &format!("libpod-conmon-{id}.scope"),
                "machine.slice",
                Meaning::Nothing,
            ),
            (&id, "docker", container()),
            (&format!("{id}.service"), "system.slice", container()),
            (&format!("{id}-4f1b2c.service"), "system.slice", container()),
            ("docker", "", Meaning::Holds),
            ("kubepods", "", Meaning::Holds),
            ("besteffort", "kubepods", Meaning::Holds),
            ("media", "lxc", unit("media")),
            ("lxc", "lxc", unit("lxc")),
            ("lxc.payload.media", "", unit("media")),
            ("lxc.monitor.media", "", Meaning::Nothing),
            ("boot.mount", "system.slice", Meaning::Nothing),
            (
                "machine-win11.scope",
                "machine.slice",
                unit("machine-win11"),
            ),
            ("process_group", "", unit("process_group")),
        ] {
            assert_eq!(meaning(name, parent), want, "{name}");
        }
    }

    #[test]
    fn a_tree_is_walked_to_its_services_and_no_further() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "system.slice/a.service/inner.scope",
            "system.slice/system-b.slice/b@1.service",
            "user.slice/user-1000.slice/user@1000.service",
            "a.slice/a.slice/a.slice/a.slice/a.slice/a.slice/a.slice/a.slice/a.slice/a.slice/z.service",
        ] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(dir.path().join("cgroup.procs"), "").unwrap();
        let mut found: Vec<_> = groups(dir.path()).into_iter().map(|one| one.who).collect();
        found.sort();
        let unit = |name: &str| Who::Unit(name.to_owned());
        assert_eq!(found, [unit("a"), unit("b@1"), Who::User(1000)]);
        assert_eq!(groups(&dir.path().join("nowhere")), []);
        for number in 0..MOST {
            let path = format!("system.slice/s{number}.service");
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        assert_eq!(groups(dir.path()).len(), MOST);
    }
}
