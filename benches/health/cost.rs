//! What the collectors that run by default cost on a home server with ten disks and sixty sensors.
//!
//! The server is a folder in memory. Its files are no kernel's: they are opened anew at every look,
//! where those of a kernel stay open, which costs a fifth (`KeptFile`); on the other hand a driver
//! that asks its chip over a slow bus takes time here that a file does not. Programs (smartctl) are
//! answered by files, so that what they cost themselves is not among it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, State};
use homewatch::collect::{self, CollectError, ENTRIES};
use homewatch::config::Problems;
use homewatch::host::{Clock, Host};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const TICK: Duration = Duration::from_secs(10);
/// Looks of each collector, and ticks of all of them.
const LOOKS: u32 = 200;
const CORES: usize = 8;
const PROCESSES: u32 = 150;

fn spent(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The server, and what of it moves.
struct Server {
    dir: tempfile::TempDir,
    inputs: Vec<(PathBuf, i64)>,
    time: i64,
}

impl Server {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts/nas");
        for part in ["proc", "root"] {
            copy(&from.join(part), &dir.path().join(part));
        }
        let mut server = Self {
            dir,
            inputs: Vec::new(),
            time: 0,
        };
        server.chips();
        server.disks();
        server.processor();
        for pid in 1_000..1_000 + PROCESSES {
            server.process(pid, 1);
        }
        server
    }

    fn put(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{text}\n")).unwrap();
        path
    }

    fn link(&self, to: &str, path: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(self.dir.path().join(to), path).unwrap();
    }

    /// A chip of sensors on `device`; each of them moves.
    fn chip(&mut self, number: usize, name: &str, device: &str, files: &[(&str, i64)]) {
        let dir = format!("{device}/hwmon/hwmon{number}");
        self.put(&format!("{dir}/name"), name);
        self.link(device, &format!("{dir}/device"));
        self.link(&dir, &format!("sys/class/hwmon/hwmon{number}"));
        for (file, value) in files {
            let path = self.put(&format!("{dir}/{file}"), &value.to_string());
            if file.ends_with("_input") {
                self.inputs.push((path, *value));
            }
        }
    }

    /// Sixty sensors: a board's chip, the processor, a graphics card, and the disks' own.
    fn chips(&mut self) {
        let mut board = Vec::new();
        let names: Vec<(String, i64)> = (1..=7)
            .flat_map(|n| {
                [
                    (format!("fan{n}_input"), 900 + n * 10),
                    (format!("fan{n}_alarm"), 0),
                    (format!("fan{n}_min"), 0),
                    (format!("pwm{n}"), 90 + n),
                ]
            })
            .chain((0..15).flat_map(|n| {
                [
                    (format!("in{n}_input"), 1_000 + n),
                    (format!("in{n}_alarm"), 0),
                    (format!("in{n}_min"), 0),
                    (format!("in{n}_max"), 1_700),
                ]
            }))
            .chain((1..=8).flat_map(|n| {
                [
                    (format!("temp{n}_input"), 30_000 + n * 1_000),
                    (format!("temp{n}_alarm"), 0),
                    (format!("temp{n}_fault"), 0),
                    (format!("temp{n}_max"), 80_000),
                ]
            }))
            .collect();
        board.extend(names.iter().map(|(name, value)| (name.as_str(), *value)));
        self.chip(0, "nct6798", "sys/devices/platform/nct6775.656", &board);
        let names: Vec<(String, i64)> = (1..=9)
            .flat_map(|n| {
                [
                    (format!("temp{n}_input"), 45_000 + n),
                    (format!("temp{n}_crit"), 100_000),
                    (format!("temp{n}_crit_alarm"), 0),
                ]
            })
            .collect();
        let cores: Vec<_> = names
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        let device = "sys/devices/platform/coretemp.0";
        self.chip(1, "coretemp", device, &cores);
        for n in 1..=9 {
            let label = if n == 1 {
                "Package id 0".to_owned()
            } else {
                format!("Core {}", n - 2)
            };
            self.put(&format!("{device}/hwmon/hwmon1/temp{n}_label"), &label);
        }
        let card = "sys/devices/pci0000:00/0000:0b:00.0";
        let files = [
            ("temp1_input", 41_000),
            ("temp2_input", 45_000),
            ("temp3_input", 50_000),
            ("fan1_input", 600),
            ("in0_input", 800),
            ("power1_average", 9_000_000),
            ("freq1_input", 500_000_000),
        ];
        self.chip(2, "amdgpu", card, &files);
        self.chip(
            3,
            "acpitz",
            "sys/devices/virtual/thermal/thermal_zone0",
            &[("temp1_input", 27_800)],
        );
        self.put("sys/class/thermal/thermal_zone0/type", "acpitz");
        self.put("sys/class/thermal/thermal_zone0/temp", "27800");
        self.put("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp");
        self.put("sys/class/thermal/thermal_zone1/temp", "45000");
    }

    /// Eight that turn and two of NVMe, all of them in a software RAID or with a filesystem.
    fn disks(&mut self) {
        let mut stats = String::new();
        let mut devices = Vec::new();
        for (place, letter) in ('a'..='h').enumerate() {
            let name = format!("sd{letter}");
            let device = format!("sys/devices/pci0000:00/0000:00:17.0/ata{place}/0:0:0:0");
            self.put(&format!("{device}/model"), "WDC WD40EFRX-68N");
            self.put(&format!("{device}/vendor"), "ATA");
            self.put(
                &format!("{device}/vpd_pg80"),
                &format!("0000WD-WCC4N{place}"),
            );
            let files = [
                ("temp1_input", 33_000),
                ("temp1_max", 60_000),
                ("temp1_crit", 85_000),
            ];
            self.chip(4 + place, "drivetemp", &device, &files);
            let block = format!("{device}/block/{name}");
            self.put(&format!("{block}/stat"), "1 2 3 4 5 6 7 8 9 10 11");
            self.link(&device, &format!("{block}/device"));
            self.link(&block, &format!("sys/block/{name}"));
            stats.push_str(&format!(
                "8 {place} {name} 100 0 2000 50 200 0 4000 60 0 500 110\n"
            ));
            devices.push((format!("/dev/{name}"), "sat"));
        }
        for place in 0..2 {
            let device = format!("sys/devices/pci0000:00/0000:0{place}:00.0/nvme/nvme{place}");
            self.put(&format!("{device}/model"), "Samsung SSD 970 EVO Plus 1TB");
            self.put(&format!("{device}/serial"), &format!("S4EWNX0{place}"));
            let files = [
                ("temp1_input", 38_000),
                ("temp1_crit", 84_800),
                ("temp1_alarm", 0),
                ("temp2_input", 39_000),
                ("temp3_input", 41_000),
            ];
            self.chip(12 + place, "nvme", &device, &files);
            let name = format!("nvme{place}n1");
            let block = format!("{device}/{name}");
            self.put(&format!("{block}/stat"), "1 2 3 4 5 6 7 8 9 10 11");
            self.link(&device, &format!("{block}/device"));
            self.link(&block, &format!("sys/block/{name}"));
            stats.push_str(&format!(
                "259 {place} {name} 100 0 2000 50 200 0 4000 60 0 500 110\n"
            ));
            devices.push((format!("/dev/nvme{place}"), "nvme"));
        }
        self.put("proc/diskstats", stats.trim_end());
        let exec = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts/nas/exec");
        let answer = exec.join("smartctl --json -n standby,3 -d sat -a _dev_sda");
        let answer = fs::read_to_string(answer).unwrap();
        let mut list = Vec::new();
        for (name, kind) in devices {
            let file = name.replace('/', "_");
            let path = format!("exec/smartctl --json -n standby,3 -d {kind} -a {file}");
            self.put(&path, &answer);
            list.push(serde_json::json!({"name": name, "type": kind}));
        }
        let scan = serde_json::json!({"smartctl": {"exit_status": 0}, "devices": list});
        self.put("exec/smartctl --json --scan-open", &format!("0\n{scan}"));
        let mdstat = "Personalities : [raid6]\nmd0 : active raid6 sdh[7] sdg[6] sdf[5] sde[4] \
                      sdd[3] sdc[2] sdb[1] sda[0]\n      23441682432 blocks super 1.2 level 6, \
                      512k chunk, algorithm 2 [8/8] [UUUUUUUU]\n\nunused devices: <none>";
        self.put("proc/mdstat", mdstat);
        self.put(
            "sys/block/md0/md/uuid",
            "2cc5d5e7:aa104c63:a43507c4:9f731b09",
        );
    }

    fn processor(&self) {
        for cpu in 0..CORES {
            let dir = format!("sys/devices/system/cpu/cpu{cpu}");
            for (file, text) in [
                ("topology/physical_package_id", "0"),
                ("topology/core_id", &(cpu / 2).to_string()),
                ("thermal_throttle/core_throttle_count", "0"),
                ("thermal_throttle/package_throttle_count", "0"),
                ("cpufreq/scaling_governor", "powersave"),
                ("cpufreq/energy_performance_preference", "balance_power"),
                ("cpufreq/scaling_cur_freq", "2100000"),
            ] {
                self.put(&format!("{dir}/{file}"), text);
            }
        }
        let zeros = "0 ".repeat(CORES);
        let mut lines: Vec<_> = (0..60)
            .map(|irq| format!("{irq:4}: {zeros} IR-PCI-MSI edge"))
            .collect();
        lines.push(format!(" MCE: {zeros} Machine check exceptions"));
        self.put("proc/interrupts", &lines.join("\n"));
    }

    fn process(&self, pid: u32, ticks: i64) {
        let text = format!(
            "{pid} (worker) S 1 {pid} {pid} 0 -1 0 9 9 9 9 {ticks} 5 0 0 20 0 9 0 999 100000 512 0"
        );
        self.put(&format!("proc/{pid}/stat"), &text);
    }

    /// Another tick: most sensors say something else, and some processes have worked.
    fn step(&mut self) {
        self.time += 1;
        for (place, (path, value)) in self.inputs.iter().enumerate() {
            let place = i64::try_from(place).unwrap();
            let wave = (self.time * 7 + place * 13) % 20 - 10;
            fs::write(path, format!("{}\n", value + value * wave / 200)).unwrap();
        }
        for pid in 1_000..1_020 {
            self.process(pid, self.time * 3);
        }
        let busy = self.time * 800;
        let mut stat = format!("cpu  {busy} 0 600 {} 500 0 0 0 0 0\n", self.time * 7_200);
        for cpu in 0..CORES {
            let (busy, idle) = (self.time * 100, self.time * 900);
            stat.push_str(&format!("cpu{cpu} {busy} 0 50 {idle} 50 0 0 0 0 0\n"));
        }
        stat.push_str("procs_running 1\nprocs_blocked 0");
        self.put("proc/stat", &stat);
    }

    fn host(&self) -> Host {
        Host::captured(self.dir.path(), Clock::Real)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() && !path.is_symlink() {
            copy(&path, &to);
        } else if !path.is_symlink() {
            fs::copy(&path, to).unwrap();
        }
    }
}

pub fn print() {
    let mut server = Server::new();
    let sensors = server.inputs.len();
    println!("cost of the collectors at a tick of 10 s, 10 disks and {sensors} sensors:");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let entered = runtime.enter();
    let mut all: Vec<(&str, f64, usize)> = ENTRIES
        .iter()
        .filter_map(|entry| {
            let (each, readings) = one(entry.name, &mut server)?;
            let ticks = entry.period.max(TICK).as_secs_f64() / TICK.as_secs_f64();
            Some((entry.name, each / ticks, readings))
        })
        .collect();
    drop(entered);
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    for (name, each, readings) in &all {
        println!(
            "  {name:12} {:7.3} ms a tick, {readings} subjects",
            each * 1e3
        );
    }
    let sum: f64 = all.iter().map(|(_, each, _)| each).sum();
    tell("all of them", sum);
    let whole = runtime.block_on(ticks(&mut server));
    tell("with the frame, the bus and the state", whole);
}

fn tell(what: &str, each: f64) {
    println!(
        "  {what}: {:.3} ms a tick, {:.4} % of a core (goal 0.1 %)",
        each * 1e3,
        each / TICK.as_secs_f64() * 100.0
    );
}

/// Seconds of processor time a look of the collector `name`, and what it tells; none if there is
/// nothing for it to tell.
fn one(name: &'static str, server: &mut Server) -> Option<(f64, usize)> {
    let host = server.host();
    let mut built = collect::build_named(&[name], &host, &BTreeMap::new());
    let collector = built.first_mut()?;
    if matches!(collector.sample(), Err(CollectError::Absent(_))) {
        return None;
    }
    let (mut sum, mut readings) = (0.0, 0);
    for _ in 0..LOOKS {
        server.step();
        let begun = spent(ClockId::ThreadCPUTime);
        let told = collector.sample();
        sum += spent(ClockId::ThreadCPUTime) - begun;
        readings = told.map_or(0, |told| told.len());
    }
    Some((sum / f64::from(LOOKS), readings))
}

/// Seconds of processor time a tick of all collectors and of what takes their readings in.
async fn ticks(server: &mut Server) -> f64 {
    let host = server.host();
    let slots = collect::build_all(&host, &BTreeMap::new(), &Problems::default());
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let mut listener = bus.listen();
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(collect::run(slots, host, bus, TICK, cancel.clone()));
    let (mut begun, mut moving, mut heard) = (0.0, 0.0, 0);
    while heard < LOOKS + 10 {
        if let Heard::Event(Event::Batch(batch, _)) = listener.next().await
            && batch.outcomes.iter().any(|one| one.collector == "cpu")
        {
            heard += 1;
            if heard == 10 {
                (begun, moving) = (spent(ClockId::ProcessCPUTime), 0.0);
            }
            let own = spent(ClockId::ThreadCPUTime);
            server.step();
            moving += spent(ClockId::ThreadCPUTime) - own;
        }
    }
    let all = spent(ClockId::ProcessCPUTime) - begun - moving;
    cancel.cancel();
    all / f64::from(LOOKS)
}
