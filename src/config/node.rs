use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::slug;

use super::Section;

/// `[node]`: this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The `<node>` of every topic, a slug; `None` means the host's name.
    pub name: Option<String>,
    /// The tick of the fast collectors.
    pub interval: Duration,
    /// After this long an unchanged state is published anew, so that it never looks stale.
    pub heartbeat: Duration,
}

impl NodeConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let name = section.parsed(
            "name",
            "a name of lower-case letters, digits and '-' (it becomes a topic segment), at most 63",
            |text| (slug(text) == text && text.len() <= 63).then(|| text.to_owned()),
        );
        let interval =
            section.duration("interval", Duration::from_secs(1)..=Duration::from_hours(1));
        let heartbeat = section.duration(
            "heartbeat",
            Duration::from_secs(10)..=Duration::from_hours(24),
        );
        section.finish();
        Self {
            name,
            interval: interval.unwrap_or(Duration::from_secs(10)),
            heartbeat: heartbeat.unwrap_or(Duration::from_mins(5)),
        }
    }
}

/// `[host]`: where the watched machine is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// Its `/proc`.
    pub proc: PathBuf,
    /// Its `/sys`.
    pub sys: PathBuf,
    /// Its `/`.
    pub root: PathBuf,
    /// Outside programs, each as an argument vector, by name; absent ones are looked for on PATH.
    pub commands: BTreeMap<String, Vec<String>>,
}

impl HostConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let proc = section.path("proc").unwrap_or_else(|| "/proc".into());
        let sys = section.path("sys").unwrap_or_else(|| "/sys".into());
        let root = section.path("root").unwrap_or_else(|| "/".into());
        let mut table = section.section("commands");
        let mut commands = BTreeMap::new();
        for name in table.keys() {
            if let Some(argv) = table.texts(&name) {
                commands.insert(name, argv);
            }
        }
        section.finish();
        Self {
            proc,
            sys,
            root,
            commands,
        }
    }
}
