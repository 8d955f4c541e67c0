//! The devices of a filesystem, as the kernel tells of each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::host::Root;

/// One device of a filesystem.
pub(super) struct Device {
    pub(super) name: String,
    pub(super) missing: bool,
    /// What the kernel has counted, by its words for it.
    pub(super) counts: Vec<(String, u64)>,
}

impl Device {
    pub(super) fn errors(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let mut parts: Vec<String> = self
            .missing
            .then(|| "missing".to_owned())
            .into_iter()
            .collect();
        let bad = self.counts.iter().filter(|(_, count)| *count > 0);
        parts.extend(bad.map(|(name, count)| format!("{name} {count}")));
        (!parts.is_empty()).then(|| format!("device {}: {}", self.name, parts.join(", ")))
    }
}

/// Where the kernel tells of each device.
pub(super) fn devinfo(folder: &Path) -> PathBuf {
    folder.join("devinfo")
}

pub(super) fn devices(folder: &Path) -> Vec<Device> {
    let entries = fs::read_dir(devinfo(folder)).into_iter().flatten();
    let mut devices: Vec<Device> = entries
        .flatten()
        .map(|entry| {
            let read = |file: &str| Root::read_trimmed(&entry.path().join(file));
            let stats = read("error_stats").unwrap_or_default();
            let count = |line: &str| {
                let (name, count) = line.split_once(' ')?;
                Some((name.to_owned(), count.trim().parse().ok()?))
            };
            Device {
                name: entry.file_name().to_string_lossy().into_owned(),
                missing: read("missing").as_deref() == Some("1"),
                counts: stats.lines().filter_map(count).collect(),
            }
        })
        .collect();
    devices.sort_by(|one, other| one.name.cmp(&other.name));
    devices
}
