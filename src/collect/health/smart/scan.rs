use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use serde_json::Value;

use super::report::json_in;
use crate::collect::Disk;
use crate::host::{Host, Root};
use crate::model::{Area, Device, Subject, slug};

/// A disk as `smartctl --scan-open` found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How smartctl calls it, such as `/dev/sda`.
    pub name: String,
    /// How smartctl speaks to it (`sat`, `nvme`, `megaraid,4`).
    pub kind: String,
    /// Why it could not be opened, if so.
    pub error: Option<String>,
}

impl Found {
    /// Whether `other` is the same way to the same disk.
    pub fn is(&self, other: &Self) -> bool {
        (&self.name, &self.kind) == (&other.name, &other.kind)
    }

    /// Whether it may be another way to the same disk; of those behind a controller each is one of
    /// its own.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let behind = self.is_behind() || other.is_behind();
        self.is(other) || (self.name == other.name && !behind)
    }

    /// Whether it is one of several behind a controller, of which the kernel shows none
    /// (`megaraid,4`, and `sat+megaraid,4` for a SATA disk there); `sat,12`, `usbjmicron,0` and
    /// `nvme,1` are ways to a single one.
    fn is_behind(&self) -> bool {
        const SINGLE: [&str; 4] = ["sat", "usb", "snt", "nvme"];
        let is_single = |way: &str| SINGLE.iter().any(|single| way.starts_with(single));
        let mut ways = self.kind.split('+');
        ways.any(|way| way.contains(',') && !is_single(way))
    }

    /// Where it is, if it is one of several behind a controller.
    pub(super) fn place_behind(&self) -> Option<String> {
        self.is_behind().then(|| self.place())
    }

    fn place(&self) -> String {
        format!("{} {}", self.name, self.kind)
    }
}

/// A disk that the configuration names: `/dev/sda megaraid,4`.
pub(super) fn by_hand(text: &str) -> Option<Found> {
    let (name, kind) = text.split_once(' ')?;
    let kind = kind.trim();
    // Words for smartctl, never options or more than one of them.
    let fits = |word: &str| !word.is_empty() && !word.starts_with('-') && !word.contains(' ');
    (name.starts_with("/dev/") && fits(kind)).then(|| Found {
        name: name.to_owned(),
        kind: kind.to_owned(),
        error: None,
    })
}

/// The argument vector that looks for disks and opens each, which tells how it is spoken to.
pub fn scan_command(host: &Host) -> Vec<String> {
    let mut argv = host.command("smartctl");
    argv.extend(["--json", "--scan-open"].map(str::to_owned));
    argv
}

/// The same without opening any: a disk that hangs holds it up in no way.
pub fn list_command(host: &Host) -> Vec<String> {
    let mut argv = host.command("smartctl");
    argv.extend(["--json", "--scan"].map(str::to_owned));
    argv
}

/// The argument vector that asks a disk how it stands, unless it sleeps.
pub fn ask_command(host: &Host, disk: &Found) -> Vec<String> {
    let Found { name, kind, .. } = disk;
    let mut argv = host.command("smartctl");
    argv.extend(["--json", "-n", "standby,3", "-d", kind, "-a", name].map(str::to_owned));
    argv
}

/// The disks that `[collect.smart]` names beside those that a scan finds.
pub fn also(tables: &BTreeMap<String, config::Value>) -> Vec<Found> {
    let table = tables.get("smart").cloned();
    let table = table.and_then(|value| value.into_table().ok());
    let also = table.and_then(|table| table.get("also")?.clone().into_array().ok());
    let texts = also.unwrap_or_default().into_iter();
    texts
        .filter_map(|value| by_hand(&value.into_string().ok()?))
        .collect()
}

/// The disks that a scan tells of; the error says what is wrong with the answer.
pub fn parse_scan(bytes: &[u8]) -> Result<Vec<Found>, String> {
    let json =
        json_in(bytes).ok_or("smartctl answers no JSON; it takes smartmontools 7.0 or later")?;
    if json.get("smartctl").is_none() {
        return Err("what answered as smartctl is not smartctl".to_owned());
    }
    let devices = json.get("devices").and_then(Value::as_array);
    let text = |device: &Value, key: &str| Some(device.get(key)?.as_str()?.to_owned());
    let found = devices.into_iter().flatten().filter_map(|device| {
        Some(Found {
            name: text(device, "name")?,
            kind: text(device, "type")?,
            error: text(device, "open_error"),
        })
    });
    Ok(found.collect())
}

/// The whole disks that the kernel has now and that may have SMART, in order.
pub fn kernel_disks(root: &Root) -> Vec<String> {
    const OTHERS: [&str; 9] = [
        "loop", "ram", "zram", "sr", "fd", "nbd", "dm-", "md", "bcache",
    ];
    let entries = fs::read_dir(root.sys("block")).into_iter().flatten();
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !OTHERS.iter().any(|other| name.starts_with(other)))
        .collect();
    names.sort();
    names
}

/// Whether disks of such a name have SMART; those of virtual machines and memory cards have none.
pub fn may_tell(kernel_name: &str) -> bool {
    kernel_name.starts_with("sd") || kernel_name.starts_with("nvme")
}

/// Whether a disk is made by a virtual machine or a server, and so has no SMART whatever the rights.
pub fn is_virtual(root: &Root, kernel_name: &str) -> bool {
    const MAKERS: [&str; 8] = [
        "QEMU", "VMware", "VBOX", "Msft", "Google", "LIO-ORG", "IET", "Nutanix",
    ];
    let told = |word: &str| {
        let path = root.sys(&format!("block/{kernel_name}/device/{word}"));
        Root::read_trimmed(&path).unwrap_or_default()
    };
    // Those that QEMU shows as ATA disks do tell.
    let maker = told("vendor");
    MAKERS.iter().any(|one| maker.starts_with(one))
        || (maker != "ATA" && told("model").to_ascii_lowercase().contains("virtual"))
}

/// The subject of a disk that the kernel shows as itself. Of those behind a RAID controller
/// (`megaraid,4`) the kernel shows none: they are known by their report.
pub(super) fn subject(root: &Root, found: &Found) -> Option<Arc<Subject>> {
    let name = found.name.strip_prefix("/dev/")?;
    if found.is_behind() {
        return None;
    }
    // smartctl speaks to the controller nvme0, whose disks are nvme0n1 and so on.
    let namespace = format!("{name}n");
    let disks = kernel_disks(root);
    let disk = disks
        .iter()
        .find(|disk| *disk == name || (name.starts_with("nvme") && disk.starts_with(&namespace)))?;
    let disk = Disk::identify(root, disk);
    let id = format!("disk-{}", disk.id);
    Some(Subject::of_device(
        Area::Health,
        &id,
        &disk.label,
        disk.device.clone(),
    ))
}

/// The key of the subject that a disk is told as, where the kernel shows it as itself.
pub fn key(root: &Root, found: &Found) -> Option<String> {
    Some(subject(root, found)?.key().to_owned())
}

/// The subject of any other disk: by its serial number, else by how smartctl calls it.
pub(super) fn subject_of(found: &Found, model: Option<&str>, serial: Option<&str>) -> Arc<Subject> {
    let place = found.place();
    let id = format!("disk-{}", slug(serial.unwrap_or(&place)));
    let label = match model {
        Some(model) => format!("{model} ({place})"),
        None => place.clone(),
    };
    let device = Device::Part {
        id: id.clone(),
        name: model.map_or_else(|| format!("Disk {place}"), str::to_owned),
        manufacturer: None,
        model: model.map(str::to_owned),
        serial: serial.map(str::to_owned),
    };
    Subject::of_device(Area::Health, &id, &label, device)
}
