use std::collections::BTreeSet;
use std::fs;
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
            .filter(|serial| tells(serial))
            .or_else(|| unit_serial(&root.sys(&format!("block/{name}/device/vpd_pg80"))))
            .or_else(|| enclosure_serial(&root.sys(&format!("block/{name}/device"))));
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

/// Whether a serial number tells one disk from another: some makers and bridges write blanks or zeros.
pub fn tells(serial: &str) -> bool {
    serial
        .chars()
        .any(|c| c.is_ascii_alphanumeric() && c != '0')
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
    tells(&serial).then_some(serial)
}

/// The serial number of the USB device that a disk is in: the kernel asks disks on USB for no page
/// 0x80. A second disk in the same enclosure has its place there behind it.
fn enclosure_serial(device: &Path) -> Option<String> {
    // `…/usb2/2-1/2-1:1.0/host7/target7:0:0/7:0:0:0`
    let device = fs::canonicalize(device).ok()?;
    let folder = device
        .ancestors()
        .find(|folder| folder.join("idVendor").is_file())?;
    let serial = Root::read_trimmed(&folder.join("serial"))?;
    let mut place = device.file_name()?.to_str()?.splitn(3, ':').skip(2);
    // Makers that number nothing write zeros or count up.
    let is_own = serial.chars().collect::<BTreeSet<_>>().len() > 2
        && !["0123456789", "123456789"]
            .iter()
            .any(|row| serial.starts_with(row));
    is_own.then(|| match place.next() {
        None | Some("0:0") => serial,
        Some(place) => format!("{serial}-{}", place.replace(':', "-")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which id a disk has at `address` of an enclosure that says `serial`.
    fn id_in(serial: Option<&str>, address: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let usb = "sys/devices/pci0000:00/0000:00:06.0/usb2/2-1";
        let device = format!("{usb}/2-1:1.0/host7/target7:0:0/{address}");
        fs::create_dir_all(dir.path().join(&device)).unwrap();
        fs::create_dir_all(dir.path().join("sys/block/sde")).unwrap();
        fs::write(dir.path().join(usb).join("idVendor"), "46f4\n").unwrap();
        if let Some(serial) = serial {
            fs::write(dir.path().join(usb).join("serial"), serial).unwrap();
        }
        let link = dir.path().join("sys/block/sde/device");
        std::os::unix::fs::symlink(dir.path().join(device), link).unwrap();
        let host = crate::host::Host::captured(dir.path(), crate::host::Clock::Real);
        Disk::identify(&host.root, "sde").id.clone()
    }

    #[test]
    fn a_disk_on_usb_is_known_by_the_serial_number_of_its_enclosure() {
        for (serial, address, id) in [
            (Some("USB0001\n"), "7:0:0:0", "usb0001"),
            (Some("USB0001\n"), "7:0:0:1", "usb0001-0-1"),
            (None, "7:0:0:0", "sde"),
            (Some("000000000000\n"), "7:0:0:0", "sde"),
            (Some("0123456789ABCDEF\n"), "7:0:0:0", "sde"),
        ] {
            assert_eq!(id_in(serial, address), id, "{serial:?} {address}");
        }
    }
}
