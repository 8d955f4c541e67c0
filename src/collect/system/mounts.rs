//! Which filesystems are mounted, and which of them a person would call one.

use std::path::{Path, PathBuf};

use crate::collect::CollectError;
use crate::collect::read::cannot_read;
use crate::host::Root;

/// Filesystems that are a view into the kernel, a copy in memory, an image that is always full,
/// or a stack over others.
const NOT_REAL: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cramfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.snapfuse",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "udf",
];

/// Filesystems whose other end may be gone.
const OVER_THE_NETWORK: &[&str] = &[
    "9p",
    "afs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.cephfs",
    "fuse.davfs",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// One mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where, on the watched machine.
    pub(super) point: PathBuf,
    /// `ext4`, `btrfs`, …
    pub(super) kind: String,
    /// The device or the name it was mounted by.
    pub(super) source: String,
    /// Whether the filesystem itself is read-only, not just this mount of it.
    pub(super) read_only: bool,
    /// The kernel's number of this mount; empty where it is not told.
    pub(super) number: String,
    /// The same for every mount of one filesystem.
    identity: String,
}

impl Mount {
    /// What the kernel calls its device (`sda1`, `dm-0`), if it has one.
    pub(super) fn device(&self, root: &Root) -> Option<String> {
        let uevent = root.sys(&format!("dev/block/{}/uevent", self.identity));
        let text = Root::read(&uevent).unwrap_or_default();
        let told = text.lines().find_map(|line| line.strip_prefix("DEVNAME="));
        let told = told.or_else(|| self.source.strip_prefix("/dev/"));
        told.map(str::to_owned)
    }
}

/// The real filesystems, each once, by the first of its mounts that is not a part of it; those
/// over the network only if `network`.
///
/// The list is that of the machine's first process, or of this one where that is not to be read
/// (inside a container, or a unit with a mount namespace, its own differs).
pub(super) fn read(root: &Root, network: bool) -> Result<Vec<Mount>, CollectError> {
    let mut failure = None;
    for (path, parse) in [
        ("1/mountinfo", parse_info as fn(&str) -> Option<Mount>),
        ("self/mountinfo", parse_info),
        ("1/mounts", parse_plain),
        ("self/mounts", parse_plain),
        ("mounts", parse_plain),
    ] {
        let path = root.proc(path);
        match Root::read(&path) {
            Ok(text) => return Ok(select(text.lines().filter_map(parse), network)),
            Err(error) => failure = Some(cannot_read(&path, &error)),
        }
    }
    Err(failure.unwrap_or_else(|| CollectError::Absent("mounts".to_owned())))
}

fn select(mounts: impl Iterator<Item = Mount>, network: bool) -> Vec<Mount> {
    let mut chosen: Vec<Mount> = Vec::new();
    for mount in mounts {
        let kind = mount.kind.as_str();
        if NOT_REAL.contains(&kind) || (!network && OVER_THE_NETWORK.contains(&kind)) {
            continue;
        }
        // A container's view of single files (/etc/hosts) is a bind mount of their filesystem.
        if [
            "/etc/",
            "/proc/",
            "/sys/",
            "/dev/",
            "/snap/",
            "/var/lib/docker/",
            "/var/lib/containers/",
        ]
        .iter()
        .any(|below| mount.point.starts_with(below) && mount.point != Path::new(below))
        {
            continue;
        }
        let known = chosen
            .iter_mut()
            .find(|known| known.identity == mount.identity);
        match known {
            None => chosen.push(mount),
            // The shortest path is the mount itself, the others are bind mounts or subvolumes.
            Some(known) if depth(&mount.point) < depth(&known.point) => *known = mount,
            Some(_) => {}
        }
    }
    // A later mount hides an earlier one on the same point.
    let mut visible: Vec<Mount> = Vec::with_capacity(chosen.len());
    for mount in chosen {
        visible.retain(|other| other.point != mount.point);
        visible.push(mount);
    }
    visible
}

fn depth(path: &Path) -> usize {
    path.components().count()
}

/// `36 35 98:0 /part /mnt rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue`
fn parse_info(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let number = left.next()?.to_owned();
    let device = left.nth(1)?;
    let point = left.nth(1)?;
    let mut right = right.split(' ');
    let kind = right.next()?;
    let source = unescape(right.next()?);
    let options = right.next()?;
    Some(Mount {
        point: unescape(point).into(),
        kind: kind.to_owned(),
        read_only: is_read_only(options),
        number,
        identity: device.to_owned(),
        source,
    })
}

/// `/dev/sda1 /mnt ext4 rw,noatime 0 0`
fn parse_plain(line: &str) -> Option<Mount> {
    let mut words = line.split(' ');
    let source = unescape(words.next()?);
    let point = unescape(words.next()?).into();
    let kind = words.next()?.to_owned();
    let read_only = is_read_only(words.next()?);
    Some(Mount {
        point,
        kind,
        read_only,
        number: String::new(),
        identity: source.clone(),
        source,
    })
}

/// Newer kernels do not call a filesystem "ro" that met an error, but so.
fn is_read_only(options: &str) -> bool {
    let words = ["ro", "emergency_ro", "shutdown"];
    options.split(',').any(|option| words.contains(&option))
}

/// The kernel writes blanks, tabs, line ends and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some((code, tail)) = code.zip(after.get(3..)) {
            out.push(char::from(code));
            rest = tail;
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_real_filesystem_is_listed_once_by_its_own_mount() {
        let info = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:21 / /proc rw - proc proc rw
24 22 8:2 /@home /home rw - btrfs /dev/sda2 rw,subvol=/@home
25 22 8:2 / /mnt/pool\\040one/deep rw - btrfs /dev/sda2 rw
26 22 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro
27 22 8:1 /var/lib/docker/x /etc/hosts rw - ext4 /dev/sda1 rw
28 22 0:50 / /mnt/nas rw - nfs4 nas:/x rw
29 22 8:3 / /mnt/old ro,relatime - xfs /dev/sdb1 rw
30 22 8:4 / /mnt/old rw,relatime - ext4 /dev/sdc1 ro
31 22 8:5 / /srv rw,relatime - ext4 /dev/sdc2 rw,emergency_ro
nonsense";
        let mounts = select(info.lines().filter_map(parse_info), false);
        let seen: Vec<_> = mounts
            .iter()
            .map(|m| (m.point.to_str().unwrap(), m.kind.as_str(), m.read_only))
            .collect();
        assert_eq!(
            seen,
            [
                ("/", "ext4", false),
                ("/home", "btrfs", false),
                ("/mnt/old", "ext4", true),
                ("/srv", "ext4", true)
            ]
        );
        let with_network = select(info.lines().filter_map(parse_info), true);
        assert_eq!(with_network.len(), 5);
    }

    #[test]
    fn the_older_list_is_read_as_well() {
        let mount = parse_plain("/dev/sda1 /mnt/a\\134b\\x ext4 ro,noatime 0 0").unwrap();
        assert_eq!(mount.point, Path::new("/mnt/a\\b\\x"));
        assert!(mount.read_only);
        assert_eq!(parse_plain("x"), None);
    }
}
