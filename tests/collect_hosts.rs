//! Whole machines, as folders: what every collector makes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::wildcard_enum_match_arm,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, Listener, State};
use homewatch::collect;
use homewatch::config::Problems;
use homewatch::host::{Clock, Host};
use homewatch::model::{Area, Batch, Category, Reading, Value};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(10);

/// A machine in a folder of its own, sampled by the real frame in paused time.
struct Machine {
    dir: tempfile::TempDir,
    listener: Listener,
    begun: bool,
    _frame: JoinSet<()>,
}

impl Machine {
    fn boot(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts");
        copy(&from.join(name), dir.path());
        let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
        let host = Host::captured(dir.path(), clock);
        let problems = Problems::default();
        let tables = BTreeMap::from_iter([table("cpu", "per_core", true)]);
        let slots = collect::build_all(&host, &tables, &problems);
        assert_eq!(problems.into_vec(), []);
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let listener = bus.listen();
        let mut frame = JoinSet::new();
        frame.spawn(collect::run(
            slots,
            host,
            bus,
            INTERVAL,
            CancellationToken::new(),
        ));
        Self {
            dir,
            listener,
            begun: false,
            _frame: frame,
        }
    }

    /// Replaces a file by another one under its name, as captured trees do.
    fn write(&self, path: &str, text: &str) {
        let path: PathBuf = self.dir.path().join(path);
        let fresh = path.with_extension("fresh");
        fs::write(&fresh, format!("{text}\n")).unwrap();
        fs::rename(fresh, path).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.dir.path().join(path);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.dir.path().join(from), self.dir.path().join(to)).unwrap();
    }

    async fn batch(&mut self) -> Arc<Batch> {
        loop {
            match self.listener.next().await {
                Heard::Event(Event::Batch(batch, _)) => return batch,
                Heard::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next tick's readings by subject; no collector may fail.
    async fn tick(&mut self) -> BTreeMap<String, Reading> {
        let batch = self.batch().await;
        if !self.begun {
            // The one a second after the first sees nothing new: from now on an interval apart.
            self.begun = true;
            self.batch().await;
        }
        let mut readings = BTreeMap::new();
        for outcome in &batch.outcomes {
            for reading in outcome.result.as_ref().unwrap_or_else(|e| panic!("{e}")) {
                // A graphics card has health and power.
                let id = match reading.subject.area {
                    Area::Health => reading.subject.id.clone(),
                    _ => reading.subject.key().to_owned(),
                };
                let twice = readings.insert(id, reading.clone());
                assert!(twice.is_none(), "{} twice", reading.subject.id);
            }
        }
        readings
    }
}

fn table(collector: &str, key: &str, value: bool) -> (String, config::Value) {
    let map = config::Map::from_iter([(key.to_owned(), config::Value::new(None, value))]);
    (collector.to_owned(), config::Value::new(None, map))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), to).unwrap();
        } else if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}

/// One line a subject. The sizes of filesystems and homewatch's own figures are this machine's.
fn render(readings: &BTreeMap<String, Reading>) -> String {
    let mut out = String::new();
    for (id, reading) in readings {
        let own = id == "homewatch" || id.starts_with("fs-");
        out.push_str(&format!("{id} [{}]", reading.subject.label));
        for (metric, value) in &reading.values {
            let unit = metric.unit.suffix();
            assert!(metric.key.ends_with(unit), "{id}: {} in {unit}", metric.key);
            match value {
                Value::Number(_) if own => {}
                Value::Number(number) => {
                    out.push_str(&format!(" {}={}", metric.key, metric.round(*number)));
                }
                Value::Flag(flag) => out.push_str(&format!(" {}={flag}", metric.key)),
                Value::Text(text) => out.push_str(&format!(" {}={text:?}", metric.key)),
                Value::Moment(moment) => out.push_str(&format!(" {}={moment}", metric.key)),
            }
        }
        if let Some(detail) = &reading.detail {
            out.push_str(&format!(" {}", serde_json::Value::from(detail.clone())));
        }
        out.push('\n');
    }
    out
}

async fn check(name: &str) {
    let mut machine = Machine::boot(name);
    let first = render(&machine.tick().await);
    machine.write(
        "proc/stat",
        "cpu  1200 0 600 8600 500 0 0 100 0 0\ncpu0 150 0 50 850 50 0 0 0 0 0\nprocs_running 1\nprocs_blocked 0",
    );
    let second = render(&machine.tick().await);
    insta::assert_snapshot!(name, format!("{first}\n--- ten seconds later\n{second}"));
}

#[tokio::test(start_paused = true)]
async fn a_desktop() {
    check("desktop").await;
}

#[tokio::test(start_paused = true)]
async fn a_raspberry_pi() {
    check("raspberry-pi").await;
}

#[tokio::test(start_paused = true)]
async fn a_nas() {
    check("nas").await;
}

#[tokio::test(start_paused = true)]
async fn a_bare_virtual_machine() {
    check("bare-vm").await;
}

fn value(readings: &BTreeMap<String, Reading>, subject: &str, key: &str) -> Option<f64> {
    readings.get(subject)?.value(key)?.as_number()
}

#[tokio::test(start_paused = true)]
async fn chips_that_are_renumbered_keep_their_subjects() {
    let mut machine = Machine::boot("desktop");
    let broken = "temp-coretemp-temp3";
    let input = "sys/devices/platform/coretemp.0/hwmon/hwmon2/temp3_input";
    machine.write(input, "garbage");
    let chip = "sys/devices/platform/coretemp.0/hwmon/hwmon2";
    machine.write(&format!("{chip}/temp5_label"), &"x".repeat(4000));
    machine.write(&format!("{chip}/temp5_input"), "40000");
    for _ in 0..3 {
        machine.tick().await;
    }
    let before = machine.tick().await;
    assert!(before.keys().all(|id| id.len() < 100));
    machine.rename("sys/class/hwmon/hwmon2", "sys/class/hwmon/hwmonX");
    machine.rename("sys/class/hwmon/hwmon3", "sys/class/hwmon/hwmon2");
    machine.rename("sys/class/hwmon/hwmonX", "sys/class/hwmon/hwmon3");
    let after = machine.tick().await;
    for subject in ["temp-coretemp-package-id-0", "fan-nct6798-cpu-fan"] {
        assert_eq!(before[subject].values, after[subject].values, "{subject}");
    }
    // What was wrong before is known to be, and not news.
    assert_eq!(value(&after, broken, "fault"), Some(1.0));
    // A chip that goes takes its subjects with it; all of them gone is no fault.
    machine.remove("sys/class/hwmon/hwmon3");
    let without = machine.tick().await;
    assert!(!without.contains_key("temp-coretemp-package-id-0"));
    assert!(without.contains_key("fan-nct6798-cpu-fan"));
    machine.remove("sys/class/hwmon");
    let none = machine.tick().await;
    assert!(!none.keys().any(|id| id.starts_with("fan-")));
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_talks_nonsense_is_a_fault_and_has_no_value() {
    let input = "sys/devices/platform/coretemp.0/hwmon/hwmon2/temp1_input";
    let subject = "temp-coretemp-package-id-0";
    for (text, told) in [
        ("garbage", "\"garbage\" is no number"),
        ("", "\"\" is no number"),
        ("-273150", "reads -273150"),
        ("99999999999", "reads 99999999999"),
    ] {
        let mut machine = Machine::boot("desktop");
        assert_eq!(
            value(&machine.tick().await, subject, "temperature_c"),
            Some(45.0)
        );
        machine.write(input, text);
        for patience in [0.0, 0.0, 1.0, 1.0] {
            let readings = machine.tick().await;
            assert_eq!(value(&readings, subject, "temperature_c"), None, "{text}");
            assert_eq!(value(&readings, subject, "fault"), Some(patience), "{text}");
            let detail = readings[subject].detail.as_ref();
            let said = detail.map_or("", |detail| detail["fault_text"].as_str().unwrap());
            assert!(patience < 1.0 || said.contains(told), "{said}");
        }
        machine.write(input, "-500");
        let readings = machine.tick().await;
        assert_eq!(value(&readings, subject, "temperature_c"), Some(-0.5));
        assert_eq!(value(&readings, subject, "fault"), Some(0.0));
        // Its file gone while the chip stays: nothing to measure.
        machine.remove(input);
        assert!(!machine.tick().await.contains_key(subject));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pipe_and_a_file_that_gives_errors_among_the_sensors_harm_only_themselves() {
    let mut machine = Machine::boot("desktop");
    let chip = "sys/devices/platform/coretemp.0/hwmon/hwmon2";
    let path = |file: &str| machine.dir.path().join(chip).join(file);
    for file in ["temp3_input", "temp2_label", "temp1_crit"] {
        let path = path(file);
        drop(fs::remove_file(&path));
        let (kind, mode) = (FileType::Fifo, Mode::RUSR | Mode::WUSR);
        mknodat(CWD, &path, kind, mode, 0).unwrap();
    }
    // Nobody may read the memory at address zero: EIO.
    std::os::unix::fs::symlink("/proc/self/mem", path("temp4_input")).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", path("temp4_label")).unwrap();
    for _ in 0..2 {
        machine.tick().await;
    }
    let readings = machine.tick().await;
    let degrees = |id| value(&readings, id, "temperature_c");
    assert_eq!(degrees("temp-coretemp-package-id-0"), Some(45.0));
    assert_eq!(degrees("temp-coretemp-temp2"), Some(43.0));
    for id in ["temp-coretemp-temp3", "temp-coretemp-temp4"] {
        assert_eq!(degrees(id), None);
        assert_eq!(value(&readings, id, "fault"), Some(1.0));
        let text = &readings[id].detail.as_ref().unwrap()["fault_text"];
        assert!(
            text.as_str().unwrap().starts_with("cannot be read: "),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_temperature_that_leaps_waits_for_the_next() {
    let mut machine = Machine::boot("desktop");
    let input = "sys/devices/platform/coretemp.0/hwmon/hwmon2/temp1_input";
    let mut degrees = Vec::new();
    for text in ["45000", "110000", "46000", "99000", "98000"] {
        machine.write(input, text);
        let readings = machine.tick().await;
        degrees.push(value(
            &readings,
            "temp-coretemp-package-id-0",
            "temperature_c",
        ));
    }
    assert_eq!(degrees, [Some(45.0), None, Some(46.0), None, Some(98.0)]);
}

/// Drivers from before hwmon had folders of its own, ACPI's power meter among them, lay their
/// files in the device's; some have no name.
#[tokio::test(start_paused = true)]
async fn chips_of_old_drivers_are_read_as_well() {
    let mut machine = Machine::boot("desktop");
    let device = "sys/devices/LNXSYSTM:00/ACPI000D:00";
    fs::create_dir_all(machine.dir.path().join(device).join("hwmon/hwmon7")).unwrap();
    for (file, text) in [
        ("power1_average", "123456000"),
        ("power1_input", "120000000"),
        ("power1_cap", "500000000"),
        ("energy1_input", "7200000000000"),
        ("curr1_crit", "9000"),
        ("freq1_input", "500000000"),
        ("curr1_input", "1500"),
    ] {
        machine.write(&format!("{device}/{file}"), text);
    }
    let link = |target: &str, path: &str| {
        std::os::unix::fs::symlink(target, machine.dir.path().join(path)).unwrap();
    };
    link("../..", &format!("{device}/hwmon/hwmon7/device"));
    link(
        &format!("../../../{device}/hwmon/hwmon7"),
        "sys/class/hwmon/hwmon7",
    );
    let readings = machine.tick().await;
    let told = |id: &str, key| value(&readings, &format!("{id}-acpi000d-00"), key);
    assert_eq!(told("power", "power_w"), Some(120.0));
    assert_eq!(told("power", "average_w"), Some(123.456));
    assert_eq!(told("power", "cap_w"), Some(500.0));
    assert_eq!(told("energy", "energy_kwh"), Some(2.0));
    assert_eq!(told("current", "current_a"), Some(1.5));
    assert_eq!(told("current", "critical_a"), Some(9.0));
    assert_eq!(told("clock", "frequency_mhz"), Some(500.0));
}

#[tokio::test(start_paused = true)]
async fn a_disk_at_rest_is_not_asked_for_its_temperature() {
    let mut machine = Machine::boot("nas");
    let subject = "temp-disk-wd-wcc4n0";
    for _ in 0..30 {
        assert_eq!(
            value(&machine.tick().await, subject, "temperature_c"),
            Some(34.0)
        );
    }
    assert_eq!(value(&machine.tick().await, subject, "temperature_c"), None);
    machine.write("sys/block/sda/stat", "2 2 3 4 5 6 7 8 9 10 11");
    assert_eq!(
        value(&machine.tick().await, subject, "temperature_c"),
        Some(34.0)
    );
    // Where the disk's work is not to be read, it is asked.
    machine.remove("sys/block/sda/stat");
    assert_eq!(
        value(&machine.tick().await, subject, "temperature_c"),
        Some(34.0)
    );
}

#[tokio::test(start_paused = true)]
async fn rates_are_exact_and_a_reset_gives_none() {
    let mut machine = Machine::boot("desktop");
    let first = machine.tick().await;
    assert_eq!(value(&first, "net-enp5s0", "rx_bytes_per_s"), None);
    assert_eq!(value(&first, "io-s5gxnx0t", "busy_pct"), None);
    let traffic = |rx: u64| format!("enp5s0: {rx} 10 1 2 0 0 0 0 21000 20 3 4 0 0 0 0");
    let work = |read: u64| format!("259 0 nvme0n1 110 0 {read} 50 250 0 4100 60 0 1500 110");
    machine.write("proc/net/dev", &traffic(15_000));
    machine.write("proc/diskstats", &work(2_200));
    let second = machine.tick().await;
    assert_eq!(value(&second, "net-enp5s0", "rx_bytes_per_s"), Some(500.0));
    assert_eq!(value(&second, "net-enp5s0", "tx_bytes_per_s"), Some(100.0));
    let disk = |key| value(&second, "io-s5gxnx0t", key);
    assert_eq!(disk("read_bytes_per_s"), Some(200.0 * 512.0 / 10.0));
    assert_eq!(disk("written_bytes_per_s"), Some(100.0 * 512.0 / 10.0));
    assert_eq!(disk("reads_per_s"), Some(1.0));
    assert_eq!(disk("writes_per_s"), Some(5.0));
    assert_eq!(disk("busy_pct"), Some(10.0));
    machine.write("proc/net/dev", &traffic(3));
    machine.write("proc/diskstats", &work(1));
    let third = machine.tick().await;
    assert_eq!(value(&third, "net-enp5s0", "rx_bytes_per_s"), None);
    assert_eq!(value(&third, "net-enp5s0", "tx_bytes_per_s"), Some(0.0));
    assert_eq!(value(&third, "io-s5gxnx0t", "read_bytes_per_s"), None);
}

#[tokio::test(start_paused = true)]
async fn a_process_number_that_is_used_again_is_another_process() {
    let mut machine = Machine::boot("desktop");
    machine.tick().await;
    // 2.2 s of CPU in 11 s by a new process of the old number, which had used 55 s.
    machine.write(
        "proc/77/stat",
        "77 (new) S 1 77 77 0 -1 0 9 9 9 9 165 55 0 0 20 0 9 0 99999 100000 512 0",
    );
    machine.remove("proc/1/stat");
    let readings = machine.tick().await;
    assert_eq!(value(&readings, "processes", "count"), Some(1.0));
    let detail = readings["processes"].detail.as_ref().unwrap();
    assert_eq!(
        detail["top_cpu"],
        serde_json::json!([{"pid": 77, "name": "new", "cpu_pct": 20.0}])
    );
}

#[tokio::test(start_paused = true)]
async fn text_that_makes_no_sense_fails_its_collector_only() {
    let mut machine = Machine::boot("desktop");
    machine.tick().await;
    machine.write("proc/stat", "what");
    machine.write("proc/meminfo", "MemFree: 1 kB");
    machine.write("proc/uptime", "-5 x");
    let batch = machine.batch().await;
    let failed: Vec<_> = (batch.outcomes.iter())
        .filter_map(|outcome| Some((outcome.collector, outcome.result.as_ref().err()?)))
        .collect();
    let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["cpu", "memory", "uptime"]);
    assert!(failed[1].1.ends_with("no MemTotal"), "{failed:?}");
    let own = batch
        .outcomes
        .iter()
        .find(|outcome| outcome.collector == "homewatch");
    let own = &own.unwrap().result.as_ref().unwrap()[0];
    assert_eq!(
        own.value("failing_collectors").unwrap().as_number(),
        Some(3.0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_machine_of_many_parts_stays_quiet() {
    let mut machine = Machine::boot("raspberry-pi");
    let readings = machine.tick().await;
    assert!(readings.len() < 40, "{}", readings.len());
    let shown = |category| {
        let values = readings.values().flat_map(|reading| &reading.values);
        values
            .filter(|(metric, _)| metric.category == category)
            .count()
    };
    assert!(
        shown(Category::Primary) < 30,
        "{}",
        shown(Category::Primary)
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_chip_or_zone_of_one_kind_has_a_subject_of_its_own() {
    let mut machine = Machine::boot("desktop");
    let second = "sys/devices/platform/coretemp.1/hwmon/hwmon9";
    fs::create_dir_all(machine.dir.path().join(second)).unwrap();
    for (file, text) in [
        ("name", "coretemp"),
        ("temp1_label", "Package id 0"),
        ("temp1_input", "61000"),
    ] {
        machine.write(&format!("{second}/{file}"), text);
    }
    let link = |target: &str, path: &str| {
        std::os::unix::fs::symlink(target, machine.dir.path().join(path)).unwrap();
    };
    link("../..", &format!("{second}/device"));
    link(&format!("../../../{second}"), "sys/class/hwmon/hwmon9");
    copy(
        &machine.dir.path().join("sys/class/thermal/thermal_zone0"),
        &machine.dir.path().join("sys/class/thermal/thermal_zone5"),
    );
    let readings = machine.tick().await;
    let degrees = |subject| value(&readings, subject, "temperature_c");
    assert_eq!(degrees("temp-coretemp-package-id-0"), Some(45.0));
    assert_eq!(degrees("temp-coretemp-coretemp-1-package-id-0"), Some(61.0));
    assert_eq!(degrees("temp-acpitz-2"), Some(27.8));
    // The first one gone, the second keeps its name.
    machine.remove("sys/class/hwmon/hwmon2");
    let readings = machine.tick().await;
    assert!(readings.contains_key("temp-coretemp-coretemp-1-package-id-0"));
}
