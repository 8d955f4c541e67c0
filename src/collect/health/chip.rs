use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::collect::Disk;
use crate::host::Root;
use crate::model::slug;

/// A chip of sensors as it is found now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    /// `hwmon3`: what the kernel calls it today.
    pub(crate) number: String,
    /// The driver's name for it: `coretemp`, `nct6798`.
    pub(crate) name: String,
    /// The path of its device, which stays the same from boot to boot.
    pub(crate) device: PathBuf,
}

impl Chip {
    /// Every chip, by driver and device; those that vanish meanwhile are left out.
    pub(crate) fn all(root: &Root) -> Option<Vec<Self>> {
        let entries = fs::read_dir(root.sys("class/hwmon")).ok()?;
        let mut chips: Vec<Self> = entries
            .flatten()
            .filter_map(|entry| Self::meet(root, &entry.file_name().to_string_lossy()))
            .collect();
        chips.sort_by(|a, b| (&a.name, &a.device, &a.number).cmp(&(&b.name, &b.device, &b.number)));
        Some(chips)
    }

    fn meet(root: &Root, number: &str) -> Option<Self> {
        let dir = root.sys(&format!("class/hwmon/{number}"));
        // Chips of the kernel itself have no device; then the folder that holds them.
        let device = fs::canonicalize(dir.join("device")).or_else(|_| {
            let own = fs::canonicalize(&dir)?;
            Ok::<_, std::io::Error>(own.parent().unwrap_or(&own).to_owned())
        });
        let device = device.ok().filter(|_| dir.is_dir())?;
        let name = Root::read_trimmed(&dir.join("name"));
        Some(Self {
            number: number.to_owned(),
            // Nearly every driver has a name; of the others the device is known.
            name: name.unwrap_or_else(|| {
                let own = device.file_name().unwrap_or_default();
                own.to_string_lossy().into_owned()
            }),
            device,
        })
    }

    /// Its files by name, as paths below `sys`. Those of old drivers lie in the device's folder.
    pub(in crate::collect) fn files(&self, root: &Root) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for dir in [format!("{}/device", self.dir()), self.dir()] {
            for entry in fs::read_dir(root.sys(&dir)).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = format!("{dir}/{name}");
                files.insert(name, path);
            }
        }
        files
    }

    /// The folder of its files, below `sys`.
    pub(crate) fn dir(&self) -> String {
        format!("class/hwmon/{}", self.number)
    }

    /// What the path of its device ends in (`0000:00:18.3`, `coretemp.1`), as a slug.
    pub(crate) fn place(&self) -> String {
        let name = self.device.file_name().unwrap_or_default();
        slug(&name.to_string_lossy())
    }

    /// The kernel's name of the disk whose temperature this is.
    pub(crate) fn disk_name(&self) -> Option<String> {
        match self.name.as_str() {
            "drivetemp" => first(&self.device.join("block"), |_| true),
            "nvme" => {
                let own = self.device.file_name()?.to_string_lossy().into_owned();
                first(&self.device, |name| {
                    name.strip_prefix(&own)
                        .is_some_and(|rest| rest.starts_with('n'))
                })
            }
            _ => None,
        }
    }

    /// The disk whose temperature this is.
    pub(crate) fn disk(&self, root: &Root) -> Option<Arc<Disk>> {
        self.disk_name().map(|name| Disk::identify(root, &name))
    }
}

/// The first name in `dir` that fits.
fn first(dir: &Path, fits: impl Fn(&str) -> bool) -> Option<String> {
    let names = fs::read_dir(dir).ok()?.flatten();
    names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| fits(name))
        .min()
}
