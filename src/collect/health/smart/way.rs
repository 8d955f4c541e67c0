//! How smartctl speaks to a disk, where the scan that opens every disk cannot tell: it hangs as long as
//! any one of them does.

use std::fs;

use serde::{Deserialize, Serialize};

use super::scan::{Found, kernel_disks, may_tell, parse_scan, subject};
use crate::host::{ExecError, Host, Memory, Output, Root};

/// Where the ways are remembered.
const KEY: &str = "smartctl/ways";
/// What a scan that opens no disk says of a disk that speaks SCSI, be it a SATA disk behind it or not.
const SCSI: &str = "scsi";
/// smartctl finds out itself, for this one disk.
const AUTO: &str = "auto";

/// How a disk was spoken to when a scan could open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Way {
    name: String,
    kind: String,
    /// The disk; none of those behind a controller, which the kernel does not show.
    disk: Option<String>,
}

/// Remembers how the disks that a scan could open are spoken to.
pub(super) fn remember(host: &Host, found: &[Found]) {
    let opened = found.iter().filter(|one| one.error.is_none());
    let ways: Vec<Way> = opened
        .map(|one| Way {
            name: one.name.clone(),
            kind: one.kind.clone(),
            disk: id(&host.root, one),
        })
        .collect();
    host.memory.put(KEY, &ways);
}

/// The disks, none of which was opened: those that `answer` tells (`smartctl --scan`), else those of the
/// kernel; and those behind a controller that were there the last time.
pub fn unopened(host: &Host, answer: Result<Output, ExecError>) -> Vec<Found> {
    // Whatever is wrong with the answer, the kernel knows them too.
    let listed = answer.ok();
    let listed = listed.and_then(|output| parse_scan(&output.stdout).ok());
    let ways = ways(&host.memory);
    let mut found: Vec<Found> = listed.unwrap_or_else(|| by_kernel(&host.root));
    for one in &mut found {
        let disk = id(&host.root, one);
        let way = ways.iter().find(|way| disk.is_some() && way.disk == disk);
        if let Some(way) = way {
            one.kind.clone_from(&way.kind);
        } else if one.kind == SCSI {
            one.kind = guess(&host.root, &one.name).to_owned();
        }
    }
    let behind = ways.into_iter().filter(|way| way.disk.is_none());
    let behind = behind.map(|way| bare(way.name, way.kind));
    let unseen: Vec<Found> = behind
        .filter(|way| !found.iter().any(|other| other.is(way)))
        .collect();
    found.extend(unseen);
    found
}

/// The way that smartctl has found for a disk whose way it was to find out itself.
pub(super) fn learn(found: &mut Found, told: Option<&str>) {
    if let (AUTO, Some(kind)) = (found.kind.as_str(), told) {
        kind.clone_into(&mut found.kind);
    }
}

fn ways(memory: &Memory) -> Vec<Way> {
    memory.get(KEY).unwrap_or_default()
}

fn bare(name: String, kind: String) -> Found {
    Found {
        name,
        kind,
        error: None,
    }
}

/// The kernel's disks.
fn by_kernel(root: &Root) -> Vec<Found> {
    let disks = kernel_disks(root).into_iter().filter(|name| may_tell(name));
    let mut found: Vec<Found> = disks
        .map(|disk| {
            let name = format!("/dev/{}", controller(&disk));
            let kind = guess(root, &name).to_owned();
            bare(name, kind)
        })
        .collect();
    found.dedup();
    found
}

/// smartctl speaks to the controller `nvme0`, whose disks are `nvme0n1` and so on.
fn controller(disk: &str) -> &str {
    let number = disk.strip_prefix("nvme").unwrap_or_default();
    let end = number
        .find('n')
        .map_or(disk.len(), |end| "nvme".len() + end);
    disk.get(..end).unwrap_or(disk)
}

/// How a disk is most likely spoken to, by what the kernel says of it.
fn guess(root: &Root, name: &str) -> &'static str {
    let name = name.trim_start_matches("/dev/");
    if name.starts_with("nvme") {
        return "nvme";
    }
    let device = root.sys(&format!("block/{name}/device"));
    let vendor = Root::read_trimmed(&device.join("vendor"));
    let place = fs::canonicalize(&device).unwrap_or_default();
    let is_usb = place.components().any(|part| {
        let part = part.as_os_str().as_encoded_bytes();
        part.starts_with(b"usb")
    });
    match vendor.as_deref() {
        // A bridge may pass commands on in a way of its own, which smartctl knows by its number.
        _ if is_usb => AUTO,
        Some("ATA") => "sat",
        _ => SCSI,
    }
}

fn id(root: &Root, found: &Found) -> Option<String> {
    Some(subject(root, found)?.id.clone())
}
