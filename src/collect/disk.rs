use std::path::Path;
use std::sync::Arc;

use crate::host::Root;
use crate::model::{Device, line, slug};

/// Who a disk is, whatever the kernel calls it today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Stable: the serial number, else the world-wide name, else the kernel's name; a slug.
    pub id: String,
    /// What a person calls it: model and kernel name.
    pub label: String,
    /// The disk as a device of its own.
    pub device: Device,
}

impl Disk {
    /// The whole disk that the kernel calls `name` (`sda`, `nvme0n1`, `md0`).
    pub fn identify(root: &Root, name: &str) -> Arc<Self> {
        let read = |path: &str| Root::read_trimmed(&root.sys(&format!("block/{name}/{path}")));
        let model = read("device/model").or_else(|| read("device/name"));
        let serial = read("device/serial")
            .or_else(|| read("serial"))
            .or_else(|| unit_serial(&root.sys(&format!("block/{name}/device/vpd_pg80"))));
        let world_wide = || read("wwid").or_else(|| read("device/wwid"));
        let uuid = || read("md/uuid").or_else(|| read("dm/uuid"));
        let id = serial.clone().or_else(world_wide).or_else(uuid);
        let id = slug(id.as_deref().unwrap_or(name));
        let label = match &model {
            Some(model) => line(&format!("{model} ({name})")),
            None => name.to_owned(),
        };
        // ATA disks say "ATA" where SCSI disks say who made them.
        let manufacturer =
            read("device/vendor").filter(|vendor| vendor != "ATA" && !vendor.starts_with("0x"));
        let device = Device::Part {
            id: format!("disk-{id}"),
            name: model.clone().unwrap_or_else(|| format!("Disk {name}")),
            manufacturer,
            model,
            serial,
        };
        Arc::new(Self { id, label, device })
    }
}

/// The serial number of SCSI's page 0x80, which SATA disks have as well: four bytes of head,
/// then text.
fn unit_serial(path: &Path) -> Option<String> {
    let text = Root::read(path).ok()?;
    let serial: String = text
        .chars()
        .skip(4)
        .filter(char::is_ascii_graphic)
        .collect();
    (!serial.is_empty()).then_some(serial)
}
