//! The simulated machine as files. Each is replaced by renaming, so that a reader never sees half
//! of one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::host::{Root, SPACES, Space};

use super::machine::{CORES, HZ, Machine, RANGE, SERVICES};
use super::{graphics, programs, smart};

const MEMORY_KB: f64 = 16.0 * 1_048_576.0;

/// Writes everything that changes; what never changes is written once.
pub(super) fn write(dir: &Path, machine: &Machine) -> io::Result<()> {
    if !dir.join("proc").exists() {
        lay(dir)?;
    }
    procfs(&Files(dir.join("proc")), machine)?;
    services(&Files(dir.join("sys/fs/cgroup")), machine)?;
    sensors(&Files(dir.join("sys/devices")), machine)?;
    let package = format!("{:.0}\n", machine.package * 1e6 % RANGE);
    Files(dir.join("sys/class/powercap/intel-rapl:0")).put("energy_uj", package)?;
    graphics::write(&Files(dir.join("sys/devices")), machine)?;
    let exec = Files(dir.join("exec"));
    for (call, text) in smart::answers(machine) {
        exec.put(call, text)?;
    }
    for (call, text) in programs::answers(machine) {
        exec.put(&call, text)?;
    }
    filesystems(&Files(dir.join("root")), machine)
}

/// A folder whose files are replaced as a whole.
pub(super) struct Files(std::path::PathBuf);

impl Files {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn put(&self, name: &str, text: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.0.join(name);
        let new = self.0.join(".new");
        fs::write(&new, text)?;
        fs::rename(new, path)
    }

    pub(super) fn dir(&self, name: &str) -> io::Result<Self> {
        let path = self.0.join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

/// What never changes: hardware, mounts, processes' names.
fn lay(dir: &Path) -> io::Result<()> {
    let root = Files(dir.to_owned()).dir("root/etc")?;
    root.put("hostname", "homelab\n")?;
    root.put(
        "os-release",
        "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (simulated)\"\n",
    )?;
    Files(dir.to_owned()).dir("root/.homewatch")?;
    Files(dir.to_owned()).dir("root/run")?;
    Files(dir.to_owned())
        .dir("root/var/backups")?
        .put("photos.tar", "a copy")?;
    Files(dir.to_owned())
        .dir("root/var/lib/dpkg")?
        .put("status", "")?;
    Files(dir.to_owned()).dir("root/lib/modules/6.12.0-simulated")?;
    let exec = Files(dir.to_owned()).dir("exec")?;
    exec.put("timedatectl show", "0\nNTP=yes\nNTPSynchronized=yes\n")?;
    let devices = Files(dir.to_owned()).dir("root/dev")?;
    devices.put("kmsg", "5,0,0,-;Linux version 6.12.0-simulated\n")?;

    let proc = Files(dir.to_owned()).dir("proc")?;
    proc.dir("net")?;
    proc.dir("pressure")?;
    proc.dir("self")?;
    proc.put(
        "mounts",
        "/dev/nvme0n1p2 / ext4 rw,relatime 0 0\n/dev/sda1 /srv/media ext4 rw,relatime 0 0\n\
         tmpfs /run tmpfs rw 0 0\n",
    )?;
    proc.put("self/mounts", fs::read(dir.join("proc/mounts"))?)?;
    proc.put("version", "Linux version 6.12.0-simulated\n")?;
    proc.put("vmstat", "nr_free_pages 1048576\noom_kill 0\n")?;
    proc.dir("sys/kernel")?
        .put("osrelease", "6.12.0-simulated\n")?;

    let sys = Files(dir.to_owned()).dir("sys")?;
    chips(&sys)?;
    graphics::lay(&sys)?;
    processor(&sys)?;
    sys.dir("fs/cgroup")?
        .put("cgroup.controllers", "cpu io memory\n")?;
    for disk in &DISKS {
        lay_disk(&sys, disk)?;
    }
    let package = sys.dir("class/powercap/intel-rapl:0")?;
    package.put("name", "package-0")?;
    package.put("max_energy_range_uj", format!("{RANGE:.0}"))?;
    package.put("constraint_0_power_limit_uw", "65000000")?;
    network(&sys)
}

/// The sensor chips, with what never changes of them.
fn chips(sys: &Files) -> io::Result<()> {
    chip(
        sys,
        0,
        "coretemp",
        "platform/coretemp.0",
        &[
            ("temp1_label", "Package id 0"),
            ("temp1_max", "80000"),
            ("temp1_crit", "100000"),
        ],
    )?;
    chip(
        sys,
        1,
        "nct6775",
        "platform/nct6775.656",
        &[
            ("fan1_label", "CPU fan"),
            ("fan2_label", "Case fan"),
            ("pwm2", "140"),
            ("pwm2_enable", "5"),
            ("in0_label", "Vcore"),
            ("in0_input", "1096"),
            ("in1_label", "+3.3V"),
            ("in1_input", "3312"),
            ("in1_min", "2976"),
            ("in1_max", "3632"),
        ],
    )?;
    chip(
        sys,
        2,
        "drivetemp",
        "pci0000:00/ata1/0:0:0:0",
        &[("temp1_crit", "70000"), ("temp1_max", "60000")],
    )
}

/// The network card, which never changes.
fn network(sys: &Files) -> io::Result<()> {
    let card = sys.dir("class/net/eth0")?;
    for (name, text) in [
        ("operstate", "up"),
        ("carrier", "1"),
        ("speed", "1000"),
        ("type", "1"),
    ] {
        card.put(name, text)?;
    }
    card.dir("device")?;
    Ok(())
}

/// The processor's cores and the memory's controller, which never change.
fn processor(sys: &Files) -> io::Result<()> {
    for core in 0..CORES {
        let core = sys.dir(&format!("devices/system/cpu/cpu{core}"))?;
        core.dir("cpufreq")?
            .put("scaling_governor", "schedutil\n")?;
        let throttle = core.dir("thermal_throttle")?;
        throttle.put("core_throttle_count", "0\n")?;
        throttle.put("package_throttle_count", "0\n")?;
    }
    let controller = sys.dir("devices/system/edac/mc/mc0")?;
    controller.put("ce_count", "0\n")?;
    controller.put("ue_count", "0\n")
}

/// A disk of the simulated machine.
struct SimulatedDisk {
    name: &'static str,
    /// The folder of its device below `sys/devices`.
    device: &'static str,
    sectors: &'static str,
    rotational: &'static str,
    model: &'static str,
    serial: &'static str,
}

const DISKS: [SimulatedDisk; 2] = [
    SimulatedDisk {
        name: "sda",
        device: "pci0000:00/ata1/0:0:0:0",
        sectors: "7814037168",
        rotational: "1",
        model: "WDC WD40EFRX-68N32N0",
        serial: "WD-WCC7K0SIMULA",
    },
    SimulatedDisk {
        name: "nvme0n1",
        device: "pci0000:00/nvme/nvme0",
        sectors: "976773168",
        rotational: "0",
        model: "Samsung SSD 980 500GB",
        serial: "S64DNL0SIMULATED",
    },
];

/// A disk as the kernel lays it: below its device, with links in `block` and `class/block`.
fn lay_disk(sys: &Files, disk: &SimulatedDisk) -> io::Result<()> {
    let device = sys.dir(&format!("devices/{}", disk.device))?;
    device.put("model", disk.model)?;
    device.put("serial", disk.serial)?;
    let block = device.dir(&format!("block/{}", disk.name))?;
    block.put("size", disk.sectors)?;
    block.dir("queue")?.put("rotational", disk.rotational)?;
    symlink(&device.0, block.0.join("device"))?;
    for class in ["block", "class/block"] {
        symlink(&block.0, sys.dir(class)?.0.join(disk.name))?;
    }
    Ok(())
}

/// A hwmon chip as the kernel lays it: the folder below its device, a link in the class.
pub(super) fn chip(
    sys: &Files,
    index: u32,
    name: &str,
    device: &str,
    files: &[(&str, &str)],
) -> io::Result<()> {
    let chip = sys.dir(&format!("devices/{device}/hwmon/hwmon{index}"))?;
    chip.put("name", name)?;
    for (file, text) in files {
        chip.put(file, text)?;
    }
    symlink(sys.0.join("devices").join(device), chip.0.join("device"))?;
    let class = sys.dir("class/hwmon")?;
    symlink(&chip.0, class.0.join(format!("hwmon{index}")))
}

fn procfs(proc: &Files, machine: &Machine) -> io::Result<()> {
    let (busy, idle, load) = (machine.busy, machine.idle, machine.load());
    let mut stat = String::new();
    let mut line = |name: &str, share: f64| {
        writeln!(
            stat,
            "{name} {:.0} 0 {:.0} {:.0} 0 0 0 0 0 0",
            busy * 0.75 * share,
            busy * 0.25 * share,
            idle * share
        )
    };
    line("cpu ", 1.0).map_err(io::Error::other)?;
    for core in 0..CORES {
        line(&format!("cpu{core}"), 1.0 / f64::from(CORES)).map_err(io::Error::other)?;
    }
    let cores = f64::from(CORES);
    proc.put(
        "stat",
        format!(
            "{stat}ctxt 1\nbtime 1790000000\nprocesses 4711\nprocs_running 1\nprocs_blocked 0\n"
        ),
    )?;
    proc.put(
        "loadavg",
        format!(
            "{:.2} {:.2} {:.2} 1/312 4711\n",
            load * cores,
            load * cores * 0.9,
            load * cores * 0.8
        ),
    )?;
    proc.put(
        "uptime",
        format!("{:.2} {:.2}\n", machine.uptime_s, idle / HZ),
    )?;
    let available = MEMORY_KB * (1.0 - machine.controls.get("memory_used_pct") / 100.0);
    proc.put(
        "meminfo",
        format!(
            "MemTotal: {MEMORY_KB:.0} kB\nMemFree: {:.0} kB\nMemAvailable: {available:.0} kB\n\
             Buffers: 204800 kB\nCached: {:.0} kB\nSwapCached: 0 kB\nSwapTotal: 2097148 kB\n\
             SwapFree: 2097148 kB\nShmem: 51200 kB\nSReclaimable: 102400 kB\n",
            available * 0.4,
            available * 0.5
        ),
    )?;
    for (name, share) in [("cpu", load * 4.0), ("memory", 0.0), ("io", load)] {
        let text = format!(
            "some avg10={share:.2} avg60={share:.2} avg300={share:.2} total=1000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        );
        proc.put(&format!("pressure/{name}"), text)?;
    }
    let (half, operations) = (machine.sectors / 2.0, machine.sectors / 256.0);
    proc.put(
        "diskstats",
        format!(
            "   8 0 sda {operations:.0} 0 {half:.0} 100 {operations:.0} 0 {half:.0} 100 0 {ms:.0} {ms:.0} 0 0 0 0 0 0\n \
             259 0 nvme0n1 90000 0 4000000 100 80000 0 6000000 100 0 200000 200000 0 0 0 0 0 0\n",
            ms = machine.disk_ms
        ),
    )?;
    let packets = machine.received / 1200.0;
    proc.put(
        "net/dev",
        format!(
            "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
             lo: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0\n  \
             eth0: {:.0} {packets:.0} 0 0 0 0 0 0 {:.0} {packets:.0} 0 0 0 0 0 0\n",
            machine.received,
            machine.received / 8.0
        ),
    )?;
    for (index, (name, share, megabytes)) in SERVICES.iter().enumerate() {
        process(proc, 1000 + index, name, busy * share, *megabytes)?;
    }
    Ok(())
}

/// Services as systemd lays them: a control group each, which counts processor time.
fn services(cgroup: &Files, machine: &Machine) -> io::Result<()> {
    for (name, share, _) in SERVICES {
        let group = cgroup.dir(&format!("system.slice/{name}.service"))?;
        let microseconds = machine.busy * share / HZ * 1e6;
        group.put("cpu.stat", format!("usage_usec {microseconds:.0}\n"))?;
    }
    Ok(())
}

fn process(proc: &Files, pid: usize, name: &str, ticks: f64, megabytes: u64) -> io::Result<()> {
    let dir = proc.dir(&pid.to_string())?;
    let (user, system, pages) = (ticks * 0.8, ticks * 0.2, megabytes * 256);
    dir.put(
        "stat",
        format!(
            "{pid} ({name}) S 1 {pid} {pid} 0 -1 4194560 0 0 0 0 {user:.0} {system:.0} 0 0 20 0 4 0 {pid} {} {pages} \
             18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
            megabytes << 20
        ),
    )?;
    dir.put("statm", format!("{pages} {pages} 0 0 0 0 0\n"))?;
    dir.put("comm", format!("{name}\n"))?;
    dir.put("cmdline", format!("/usr/bin/{name}\0"))?;
    dir.put("cgroup", format!("0::/system.slice/{name}.service\n"))
}

fn sensors(devices: &Files, machine: &Machine) -> io::Result<()> {
    let milli = |name: &str| format!("{:.0}\n", machine.controls.get(name) * 1000.0);
    let whole = |name: &str| format!("{:.0}\n", machine.controls.get(name));
    let cpu = if machine.controls.get("sensor_fault") >= 1.0 {
        "garbage\n".to_owned()
    } else {
        milli("cpu_temperature_c")
    };
    devices.put("platform/coretemp.0/hwmon/hwmon0/temp1_input", cpu)?;
    devices.put(
        "platform/nct6775.656/hwmon/hwmon1/fan1_input",
        whole("cpu_fan_rpm"),
    )?;
    devices.put(
        "platform/nct6775.656/hwmon/hwmon1/fan2_input",
        format!("{:.0}\n", machine.case_fan_rpm()),
    )?;
    devices.put(
        "pci0000:00/ata1/0:0:0:0/hwmon/hwmon2/temp1_input",
        milli("disk_temperature_c"),
    )?;
    let kilohertz = 800_000.0 + 2_800_000.0 * machine.load();
    for core in 0..CORES {
        devices.put(
            &format!("system/cpu/cpu{core}/cpufreq/scaling_cur_freq"),
            format!("{kilohertz:.0}\n"),
        )?;
    }
    Ok(())
}

/// A folder has no size of its own to play: the figures stand in a file that takes the place of
/// `statvfs` on trees that are no real root.
fn filesystems(root: &Files, machine: &Machine) -> io::Result<()> {
    let mut spaces = BTreeMap::new();
    for (mount, blocks, control) in [
        ("/", 120_000_000_u64, "root_used_pct"),
        ("/srv/media", 976_000_000, "media_used_pct"),
    ] {
        // Thousandths are fine enough and keep to whole numbers.
        let used = (machine.controls.get(control) * 10.0).clamp(0.0, 1000.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 1000, just above"
        )]
        let free = blocks / 1000 * (1000 - used as u64);
        let space = Space {
            block_size: 4096,
            blocks,
            blocks_free: free,
            blocks_available: free,
            inodes: 60_000_000,
            inodes_free: 58_000_000,
        };
        spaces.insert(mount, space);
    }
    root.put(SPACES, serde_json::to_vec(&spaces)?)
}

/// What the case fan is driven with by hand, %; `None` while the board does it.
pub(super) fn drive(dir: &Path) -> Option<f64> {
    let chip = dir.join("sys/devices/platform/nct6775.656/hwmon/hwmon1");
    let number = |file: &str| Root::read_trimmed(&chip.join(file))?.parse().ok();
    let by_hand = number("pwm2_enable").is_some_and(|mode: f64| mode < 2.0);
    number("pwm2")
        .filter(|_| by_hand)
        .map(|step: f64| step / 2.55)
}
