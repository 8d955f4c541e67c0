/// What a message of the kernel's is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// A disk, its controller or its cable.
    Disk,
    /// A filesystem that finds itself damaged.
    Filesystem,
    /// A device on USB that is reset or does not answer.
    Usb,
    /// A network link that went down or hangs.
    Link,
    /// Memory or processor, by machine check or EDAC.
    Hardware,
    /// A device on PCI Express.
    Pcie,
    /// A process that was killed because memory ran out.
    OutOfMemory,
    /// A task or a processor that hangs.
    Hang,
}

impl Kind {
    /// The word that is published.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Filesystem => "filesystem",
            Self::Usb => "usb",
            Self::Link => "link",
            Self::Hardware => "hardware",
            Self::Pcie => "pcie",
            Self::OutOfMemory => "out_of_memory",
            Self::Hang => "hang",
        }
    }
}

/// A record of `/dev/kmsg`: `<priority>,<number>,<microseconds>,<flags>;<text>`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Whether the kernel itself says it; others may write there too.
    pub(super) is_kernel: bool,
    pub(super) number: u64,
    /// Microseconds since boot.
    pub(super) at: u64,
    pub(super) text: &'a str,
}

impl<'a> Record<'a> {
    /// `None` for lines that are no head of a record: the dictionary below one.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (head, text) = line.split_once(';')?;
        let mut cells = head.split(',');
        let priority: u32 = cells.next()?.parse().ok()?;
        Some(Self {
            is_kernel: priority < 8,
            number: cells.next()?.parse().ok()?,
            at: cells.next()?.parse().ok()?,
            text,
        })
    }

    /// What it is about and which device, process or place; `None` if it is no trouble.
    pub(super) fn judge(&self) -> Option<(Kind, String)> {
        if !self.is_kernel {
            return None;
        }
        let text = self.text;
        JUDGES.iter().find_map(|judge| judge(text))
    }
}

type Verdict = Option<(Kind, String)>;

const JUDGES: [fn(&str) -> Verdict; 9] = [
    out_of_memory,
    input_output,
    cache,
    controller,
    filesystem,
    usb,
    link,
    hardware,
    hang,
];

fn out_of_memory(text: &str) -> Verdict {
    let (before, rest) = text.split_once("Killed process ")?;
    if !before.to_ascii_lowercase().contains("out of memory") {
        return None;
    }
    let (_, rest) = rest.split_once('(')?;
    // Names may hold brackets themselves.
    let (name, _) = rest.rsplit_once(')')?;
    Some((Kind::OutOfMemory, name.to_owned()))
}

/// `I/O error, dev sda, sector 8`, `critical medium error, dev sda`, `Buffer I/O error on dev sda1`.
fn input_output(text: &str) -> Verdict {
    let is_error = text.contains("error, dev ") || text.contains("I/O error on dev ");
    let (_, rest) = text.split_once(" dev ").filter(|_| is_error)?;
    let device = first_word(rest);
    // Drives without a medium.
    let is_empty = device.starts_with("fd") || device.starts_with("sr");
    (!is_empty).then_some((Kind::Disk, device))
}

/// `bcache: bch_count_io_errors() sdb: IO error on reading from cache, recovering.`
fn cache(text: &str) -> Verdict {
    let rest = text.strip_prefix("bcache: ")?;
    let (before, _) =
        (rest.split_once(": IO error")).or_else(|| rest.split_once(": too many IO"))?;
    let device = before.rsplit(' ').next().unwrap_or(before);
    Some((Kind::Disk, device.to_owned()))
}

fn controller(text: &str) -> Verdict {
    const ATA: [&str; 4] = [
        "exception Emask",
        "hard resetting link",
        "limiting SATA link speed",
        "failed to IDENTIFY",
    ];
    const NVME: [&str; 5] = [
        "timeout",
        "controller is down",
        "Device not ready",
        "Removing after probe failure",
        "I/O Error",
    ];
    let (device, rest) = text.split_once(':')?;
    let is_ata = device
        .strip_prefix("ata")
        .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()));
    if is_ata && ATA.iter().any(|word| rest.contains(word)) {
        // `ata3.00` is a device at the port `ata3`.
        let port = device.split('.').next().unwrap_or(device);
        return Some((Kind::Disk, port.to_owned()));
    }
    let name = device.strip_prefix("nvme nvme")?;
    let is_trouble = NVME.iter().any(|word| rest.contains(word));
    is_trouble.then(|| (Kind::Disk, format!("nvme{name}")))
}

fn filesystem(text: &str) -> Verdict {
    const STARTS: [&str; 7] = [
        "EXT4-fs", "EXT3-fs", "XFS", "BTRFS", "F2FS-fs", "FAT-fs", "JBD2",
    ];
    const WORDS: [&str; 8] = [
        "error",
        "Remounting filesystem read-only",
        "corruption",
        "Corruption",
        "csum failed",
        "critical",
        "shut down",
        "I/O Error",
    ];
    if !STARTS.iter().any(|start| text.starts_with(start)) {
        return None;
    }
    let is_trouble = WORDS.iter().any(|word| text.contains(word));
    // A remedy that mount tells, no trouble of now.
    if !is_trouble || text.contains("errors=") {
        return None;
    }
    if text.starts_with("JBD2") {
        return Some((Kind::Filesystem, journal_of(text)));
    }
    let (_, rest) = text.split_once('(').unwrap_or(("", ""));
    let inside = rest.split([')', ':']).next().unwrap_or_default();
    let device = inside.strip_prefix("device ").unwrap_or(inside);
    Some((Kind::Filesystem, first_word(device)))
}

/// Journals are called by device and inode: `… superblock for dm-0-8.`
fn journal_of(text: &str) -> String {
    let journal = text
        .rsplit(' ')
        .next()
        .unwrap_or(text)
        .trim_end_matches('.');
    let (device, _) = journal.rsplit_once('-').unwrap_or((journal, ""));
    device.to_owned()
}

fn usb(text: &str) -> Verdict {
    let (port, rest) = text.strip_prefix("usb ")?.split_once(": ")?;
    let is_trouble = rest.starts_with("reset ")
        || rest.contains(", error ")
        || rest.contains("not accepting address")
        || rest.contains("over-current")
        || rest.contains("unable to enumerate");
    is_trouble.then(|| (Kind::Usb, port.to_owned()))
}

fn link(text: &str) -> Verdict {
    if let Some((_, rest)) = text.split_once("NETDEV WATCHDOG: ") {
        return Some((Kind::Link, first_word(rest)));
    }
    let (before, _) = text.split_once("Link is Down")?;
    let before = before.trim_end().trim_end_matches("NIC").trim_end();
    // `e1000e 0000:00:1f.6 eno1: NIC Link is Down`; some repeat the name behind the colon.
    let mut words = before.split_whitespace();
    let named = words.find(|word| word.ends_with(':')).unwrap_or(before);
    Some((Kind::Link, named.trim_end_matches(':').to_owned()))
}

fn hardware(text: &str) -> Verdict {
    if let Some(rest) = text.strip_prefix("EDAC ") {
        let (controller, rest) = rest.split_once(": ")?;
        let is_error = rest.contains(" CE") || rest.contains(" UE");
        return is_error.then(|| (Kind::Hardware, controller.to_lowercase()));
    }
    if text.contains("[Hardware Error]") {
        return Some((Kind::Hardware, "cpu".to_owned()));
    }
    let (device, rest) = text.split_once(": AER: ")?;
    let address = device.rsplit(' ').next().unwrap_or(device);
    let is_error = rest.contains("rror") && !rest.starts_with("enabled");
    is_error.then(|| (Kind::Pcie, address.to_owned()))
}

fn hang(text: &str) -> Verdict {
    if let Some((_, rest)) = text.split_once("INFO: task ") {
        let (task, _) = rest.split_once(" blocked for more than ")?;
        return Some((
            Kind::Hang,
            task.split(':').next().unwrap_or(task).to_owned(),
        ));
    }
    let is_lockup = text.contains("soft lockup") || text.contains("self-detected stall");
    is_lockup.then(|| (Kind::Hang, "cpu".to_owned()))
}

fn first_word(text: &str) -> String {
    let end = |c: char| c.is_whitespace() || matches!(c, ',' | ':' | ')' | '(');
    text.split(end).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What drivers say, what it is and where.
    const CASES: &[(&str, Kind, &str)] = &[
        (
            "Out of memory: Killed process 4711 (mysqld) total-vm:1kB",
            Kind::OutOfMemory,
            "mysqld",
        ),
        (
            "Memory cgroup out of memory: Killed process 9 (a (b)) total-vm:1kB",
            Kind::OutOfMemory,
            "a (b)",
        ),
        (
            "blk_update_request: I/O error, dev sda, sector 2048 op 0x0",
            Kind::Disk,
            "sda",
        ),
        (
            "critical medium error, dev sdb, sector 77",
            Kind::Disk,
            "sdb",
        ),
        (
            "bcache: bch_count_io_errors() dm-0: IO error on reading from cache, recovering.",
            Kind::Disk,
            "dm-0",
        ),
        (
            "bcache: bch_cache_set_error() error on f241f752-e8a0-48b4-b6de-4d7a0716f510: dm-0: too many IO errors reading from cache",
            Kind::Disk,
            "dm-0",
        ),
        (
            "bcache: bch_count_backing_io_errors() sda: IO error on backing device, unrecoverable",
            Kind::Disk,
            "sda",
        ),
        (
            "Buffer I/O error on dev sdc1, logical block 0, async page read",
            Kind::Disk,
            "sdc1",
        ),
        (
            "ata3.00: exception Emask 0x0 SAct 0x40 SErr 0x0 action 0x0",
            Kind::Disk,
            "ata3",
        ),
        ("ata1: hard resetting link", Kind::Disk, "ata1"),
        (
            "nvme nvme0: I/O 23 QID 4 timeout, aborting",
            Kind::Disk,
            "nvme0",
        ),
        (
            "nvme nvme1: controller is down; will reset: CSTS=0xffffffff",
            Kind::Disk,
            "nvme1",
        ),
        (
            "EXT4-fs error (device sda1): ext4_lookup:1855: inode #2",
            Kind::Filesystem,
            "sda1",
        ),
        (
            "EXT4-fs (sda1): Remounting filesystem read-only",
            Kind::Filesystem,
            "sda1",
        ),
        (
            "XFS (dm-0): Metadata corruption detected at xfs_agf",
            Kind::Filesystem,
            "dm-0",
        ),
        (
            "BTRFS warning (device sdb): csum failed root 5 ino 257",
            Kind::Filesystem,
            "sdb",
        ),
        (
            "BTRFS error (device nvme0n1p2: state EA): bdev",
            Kind::Filesystem,
            "nvme0n1p2",
        ),
        (
            "JBD2: I/O error when updating journal superblock for dm-0-8.",
            Kind::Filesystem,
            "dm-0",
        ),
        (
            "usb 2-1: reset SuperSpeed USB device number 2 using xhci_hcd",
            Kind::Usb,
            "2-1",
        ),
        (
            "usb 1-1.3: device descriptor read/64, error -71",
            Kind::Usb,
            "1-1.3",
        ),
        (
            "e1000e 0000:00:1f.6 eno1: NIC Link is Down",
            Kind::Link,
            "eno1",
        ),
        (
            "igb 0000:03:00.0 enp3s0: igb: enp3s0 NIC Link is Down",
            Kind::Link,
            "enp3s0",
        ),
        (
            "r8169 0000:01:00.0 enp1s0: Link is Down",
            Kind::Link,
            "enp1s0",
        ),
        (
            "NETDEV WATCHDOG: eth0 (r8169): transmit queue 0 timed out",
            Kind::Link,
            "eth0",
        ),
        (
            "EDAC MC0: 1 CE memory read error on CPU_A1",
            Kind::Hardware,
            "mc0",
        ),
        (
            "mce: [Hardware Error]: Machine check events logged",
            Kind::Hardware,
            "cpu",
        ),
        (
            "pcieport 0000:00:1c.0: AER: Corrected error received: 0000:00:1c.0",
            Kind::Pcie,
            "0000:00:1c.0",
        ),
        (
            "INFO: task jbd2/sda1-8:311 blocked for more than 120 seconds.",
            Kind::Hang,
            "jbd2/sda1-8",
        ),
        (
            "watchdog: BUG: soft lockup - CPU#1 stuck for 22s!",
            Kind::Hang,
            "cpu",
        ),
    ];

    #[test]
    fn troubles_are_known_by_what_drivers_say() {
        for &(text, kind, device) in CASES {
            let line = format!("4,812,5140900,-;{text}");
            let record = Record::parse(&line).unwrap();
            assert_eq!((record.number, record.at), (812, 5_140_900));
            assert_eq!(record.judge(), Some((kind, device.to_owned())), "{text}");
            assert!(!kind.as_str().is_empty());
        }
    }

    #[test]
    fn what_is_no_trouble_is_left_alone() {
        for text in [
            "ata5: SATA link down (SStatus 0 SControl 300)",
            "ata1.00: configured for UDMA/133",
            "I/O error, dev fd0, sector 0",
            "nvme nvme0: 8/0/0 default/read/poll queues",
            "EXT4-fs (sda1): mounted filesystem with ordered data mode. Opts: errors=remount-ro",
            "EXT4-fs (sda1): re-mounted",
            "usb 1-1: USB disconnect, device number 4",
            "pcieport 0000:00:1c.0: AER: enabled with IRQ 122",
            "EDAC MC0: Giving out device to module skx_edac",
            "EDAC nothing",
            "process: Killed process 1 (x) by hand",
            "INFO: task force",
            "Link is Up",
            "",
        ] {
            let line = format!("6,1,2,-;{text}");
            assert_eq!(Record::parse(&line).unwrap().judge(), None, "{text}");
        }
        let ours = "12,1,2,-;I/O error, dev sda, sector 0";
        assert_eq!(Record::parse(ours).unwrap().judge(), None, "a program's");
        for line in [
            "",
            " SUBSYSTEM=block",
            "x;y",
            "1;y",
            "1,x;y",
            "1,2;y",
            "1,2,x;y",
        ] {
            assert_eq!(Record::parse(line), None, "{line}");
        }
    }
}
