//! What machines know of their own power: trees of the kernel's files, laid by each test.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, Listener, State};
use homewatch::collect;
use homewatch::config::Problems;
use homewatch::host::{Clock, Host};
use homewatch::model::{Area, Batch, Reading, Value};
use homewatch::power::{PowerSample, Scope, SourceKind};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const TICK: Duration = Duration::from_secs(10);

/// A machine in a folder, sampled by the real frame in paused time.
struct Machine {
    dir: tempfile::TempDir,
    listener: Option<Listener>,
    frame: JoinSet<()>,
    options: BTreeMap<String, config::Value>,
}

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let machine = Self {
            dir: tempfile::tempdir().unwrap(),
            listener: None,
            frame: JoinSet::new(),
            options: BTreeMap::new(),
        };
        machine.lay(files);
        machine
    }

    fn lay(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.write(path, text);
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let fresh = path.with_extension("fresh");
        fs::write(&fresh, format!("{text}\n")).unwrap();
        fs::rename(fresh, path).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_dir_all(self.dir.path().join(path)).unwrap();
    }

    /// A list of texts in a collector's table.
    fn option(&mut self, collector: &str, key: &str, items: &[&str]) {
        let items: Vec<config::Value> = items.iter().map(|item| (*item).into()).collect();
        let map = config::Map::from_iter([(key.to_owned(), config::Value::new(None, items))]);
        let table = config::Value::new(None, map);
        self.options.insert(collector.to_owned(), table);
    }

    async fn tick(&mut self) -> Arc<Batch> {
        if self.listener.is_none() {
            let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
            let host = Host::captured(self.dir.path(), clock);
            let problems = Problems::default();
            let slots = collect::build_all(&host, &self.options, &problems);
            assert_eq!(problems.into_vec(), []);
            let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
            self.listener = Some(bus.listen());
            let cancel = CancellationToken::new();
            let run = collect::run(slots, host, bus, TICK, cancel);
            self.frame.spawn(run);
        }
        loop {
            match self.listener.as_mut().unwrap().next().await {
                Heard::Event(Event::Batch(batch, _)) => return batch,
                Heard::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next tick's samples by id.
    async fn samples(&mut self) -> BTreeMap<String, PowerSample> {
        let batch = self.tick().await;
        let samples = PowerSample::all(&batch);
        samples.map(|one| (one.source_id.clone(), one)).collect()
    }
}

/// A number of a subject that is no sample.
fn value(batch: &Batch, id: &str, key: &str) -> Option<Value> {
    let readings = batch
        .outcomes
        .iter()
        .filter_map(|one| one.result.as_ref().ok());
    // What is told of the same thing as hardware is a subject of its own.
    let own = |one: &&Reading| one.subject.area == Area::Power && one.subject.id == id;
    readings.flatten().find(own)?.value(key).cloned()
}

fn zone(folder: &str, name: &str, energy: &str) -> [(String, String); 3] {
    let dir = format!("sys/class/powercap/{folder}");
    [
        (format!("{dir}/name"), name.to_owned()),
        (
            format!("{dir}/max_energy_range_uj"),
            "262143328850".to_owned(),
        ),
        (format!("{dir}/energy_uj"), energy.to_owned()),
    ]
}

fn rapl(zones: &[(&str, &str, &str)]) -> Machine {
    let machine = Machine::new(&[("sys/class/powercap/intel-rapl/enabled", "1")]);
    for (folder, name, energy) in zones {
        for (path, text) in zone(folder, name, energy) {
            machine.write(&path, &text);
        }
    }
    machine
}

fn energy(machine: &Machine, folder: &str, microjoules: i64) {
    let path = format!("sys/class/powercap/{folder}/energy_uj");
    machine.write(&path, &microjoules.to_string());
}

#[tokio::test(start_paused = true)]
async fn two_sockets_with_their_parts_and_a_platform_each_say_what_they_cover() {
    let mut machine = rapl(&[
        ("intel-rapl:0", "package-0", "262143000000"),
        ("intel-rapl:0:0", "core", "100"),
        ("intel-rapl:0:1", "uncore", "100"),
        ("intel-rapl:0:2", "dram", "100"),
        ("intel-rapl:1", "package-1", "0"),
        ("intel-rapl:1:0", "core", "0"),
        ("intel-rapl:2", "psys", "0"),
        ("intel-rapl-mmio:0", "package-0", "5"),
    ]);
    machine.write(
        "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw",
        "125000000",
    );
    let first = machine.samples().await;
    let ids: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(
        ids,
        [
            "rapl-core-0",
            "rapl-core-1",
            "rapl-dram-0",
            "rapl-package-0",
            "rapl-package-1",
            "rapl-platform",
            "rapl-uncore-0",
        ]
    );
    assert!(
        first.values().all(|one| one.power_w.is_none()),
        "one look is no power"
    );
    // The second look comes soon after the first, so that there are rates at once.
    machine.samples().await;
    // 500 J in 10 s, over the end of the counter.
    energy(&machine, "intel-rapl:0", 500_000_000 - 328_850);
    energy(&machine, "intel-rapl:0:0", 300_000_100);
    energy(&machine, "intel-rapl:1", 200_000_000);
    energy(&machine, "intel-rapl:2", 1_000_000_000);
    let second = machine.samples().await;
    let power = |id: &str| second[id].power_w.unwrap();
    assert!(
        (power("rapl-package-0") - 50.0).abs() < 1e-6,
        "{}",
        power("rapl-package-0")
    );
    assert!((power("rapl-core-0") - 30.0).abs() < 1e-6);
    assert!((power("rapl-platform") - 100.0).abs() < 1e-6);
    assert_eq!(second["rapl-package-0"].scope, Scope::Package(0));
    assert_eq!(second["rapl-core-1"].scope, Scope::Cores(1));
    assert_eq!(second["rapl-dram-0"].scope, Scope::Memory(0));
    assert_eq!(second["rapl-platform"].kind, SourceKind::Rapl);
    assert_eq!(second["rapl-platform"].suspect, None);
    let kwh = second["rapl-package-0"].energy_kwh.unwrap();
    assert!((kwh - 500.0 / 3.6e6).abs() < 1e-12);
}

#[tokio::test(start_paused = true)]
async fn a_package_that_goes_and_comes_back_counts_on() {
    let mut machine = rapl(&[
        ("intel-rapl:0", "package-0", "0"),
        ("intel-rapl:1", "package-1", "0"),
    ]);
    machine.samples().await;
    energy(&machine, "intel-rapl:1", 100_000_000);
    machine.samples().await;
    machine.remove("sys/class/powercap/intel-rapl:1");
    let without = machine.samples().await;
    assert!(!without.contains_key("rapl-package-1"));
    for (path, text) in zone("intel-rapl:1", "package-1", "7000000") {
        machine.write(&path, &text);
    }
    machine.samples().await;
    energy(&machine, "intel-rapl:1", 57_000_000);
    let back = machine.samples().await;
    let kwh = back["rapl-package-1"].energy_kwh.unwrap();
    assert!((kwh - 150.0 / 3.6e6).abs() < 1e-12, "{kwh}");
}

#[tokio::test(start_paused = true)]
async fn zones_that_make_no_sense_are_left_out_and_dies_are_told_apart() {
    let mut machine = rapl(&[
        ("intel-rapl:0", "package-0-die-0", "0"),
        ("intel-rapl:1", "package-0-die-1", "0"),
        ("intel-rapl:2", "something-new", "0"),
        ("intel-rapl:3", "package-3", "nonsense"),
    ]);
    machine.write("sys/class/powercap/intel-rapl:4/name", "package-4");
    machine.write("sys/class/powercap/intel-rapl:5/name", "package-5");
    machine.write("sys/class/powercap/intel-rapl:5/max_energy_range_uj", "0");
    let samples = machine.samples().await;
    let ids: Vec<&str> = samples.keys().map(String::as_str).collect();
    assert_eq!(ids, ["rapl-package-100", "rapl-package-101"]);
}

#[tokio::test(start_paused = true)]
async fn without_any_of_it_there_is_nothing_and_no_fault() {
    let mut machine = Machine::new(&[("sys/class/power_supply/AC/type", "Mains")]);
    let batch = machine.tick().await;
    for collector in ["rapl", "power_sensors", "nvidia", "battery"] {
        let mut outcomes = batch.outcomes.iter();
        let outcome = outcomes.find(|one| one.collector == collector).unwrap();
        assert!(outcome.result.as_ref().unwrap().is_empty(), "{collector}");
    }
}

const CARD: &str = "sys/class/hwmon/hwmon0";

#[tokio::test(start_paused = true)]
async fn a_graphics_card_is_read_and_not_woken() {
    let mut machine = Machine::new(&[
        ("sys/class/hwmon/hwmon0/name", "amdgpu"),
        ("sys/class/hwmon/hwmon0/power1_average", "31000000"),
        ("sys/class/hwmon/hwmon0/power1_input", "99000000"),
        ("sys/class/hwmon/hwmon0/power1_cap", "220000000"),
        ("sys/class/hwmon/hwmon0/power1_label", "PPT"),
        (
            "sys/class/hwmon/hwmon0/device/power/runtime_status",
            "active",
        ),
        (
            "sys/class/hwmon/hwmon0/device/product_name",
            "Radeon RX 7800 XT",
        ),
    ]);
    let samples = machine.samples().await;
    let card = &samples["gpu-device"];
    assert_eq!((card.power_w, card.kind), (Some(31.0), SourceKind::Gpu));
    assert_eq!(card.label, "Radeon RX 7800 XT");
    assert_eq!(card.scope, Scope::Gpu("device".into()));
    machine.write(&format!("{CARD}/device/power/runtime_status"), "suspended");
    assert_eq!(machine.samples().await["gpu-device"].power_w, None);
    machine.write(&format!("{CARD}/device/power/runtime_status"), "active");
    machine.write(&format!("{CARD}/power1_average"), "900000000000");
    assert_eq!(
        machine.samples().await["gpu-device"].power_w,
        None,
        "absurd"
    );
    machine.write(&format!("{CARD}/power1_average"), "busy");
    assert_eq!(
        machine.samples().await["gpu-device"].power_w,
        None,
        "no number"
    );
    fs::remove_file(machine.dir.path().join(CARD).join("power1_average")).unwrap();
    assert!(machine.samples().await.is_empty(), "gone");
}

#[tokio::test(start_paused = true)]
async fn a_processor_s_own_graphics_measure_the_whole_package() {
    let mut machine = Machine::new(&[
        ("sys/class/hwmon/hwmon0/name", "amdgpu"),
        ("sys/class/hwmon/hwmon0/power1_input", "12000000"),
        ("sys/class/hwmon/hwmon0/in1_label", "vddnb"),
    ]);
    let samples = machine.samples().await;
    let one = &samples["board-amdgpu"];
    assert_eq!(one.scope, Scope::Package(0));
    assert_eq!((one.kind, one.power_w), (SourceKind::Hwmon, Some(12.0)));
}

#[tokio::test(start_paused = true)]
async fn an_intel_card_counts_energy_and_nothing_of_it_twice() {
    let mut machine = Machine::new(&[
        ("sys/class/hwmon/hwmon0/name", "xe"),
        ("sys/class/hwmon/hwmon0/energy1_input", "5000000"),
        ("sys/class/hwmon/hwmon0/energy1_label", "card"),
        ("sys/class/hwmon/hwmon0/energy2_input", "3000000"),
        ("sys/class/hwmon/hwmon0/energy2_label", "pkg"),
    ]);
    machine.samples().await;
    machine.samples().await;
    machine.write(&format!("{CARD}/energy1_input"), "405000000");
    let samples = machine.samples().await;
    assert_eq!(samples.len(), 1);
    let card = &samples["gpu-hwmon"];
    assert_eq!(card.power_w, Some(40.0));
    assert!((card.energy_kwh.unwrap() - 400.0 / 3.6e6).abs() < 1e-12);
    // The driver was loaded anew.
    machine.write(&format!("{CARD}/energy1_input"), "1000");
    let card = &machine.samples().await["gpu-hwmon"];
    assert_eq!(card.power_w, None);
    assert!((card.energy_kwh.unwrap() - 400.0 / 3.6e6).abs() < 1e-12);
}

#[tokio::test(start_paused = true)]
async fn supplies_are_told_together_and_rails_are_not_told_twice() {
    let mut machine = Machine::new(&[
        ("sys/class/hwmon/hwmon0/name", "corsairpsu"),
        ("sys/class/hwmon/hwmon0/power1_input", "142000000"),
        ("sys/class/hwmon/hwmon0/power1_label", "power total"),
        ("sys/class/hwmon/hwmon0/power2_input", "120000000"),
        ("sys/class/hwmon/hwmon0/power2_label", "power +12v"),
    ]);
    let samples = machine.samples().await;
    assert_eq!(samples.len(), 1);
    let one = &samples["psu-corsairpsu-hwmon"];
    let want = (Some(142.0), SourceKind::Psu, Scope::Board);
    assert_eq!((one.power_w, one.kind, one.scope.clone()), want);

    let mut server = Machine::new(&[
        ("sys/devices/psu-a/name", "x"),
        ("sys/devices/psu-b/name", "x"),
    ]);
    for (number, device, watts) in [(0, "psu-a", "100000000"), (1, "psu-b", "110000000")] {
        let dir = format!("sys/class/hwmon/hwmon{number}");
        server.write(&format!("{dir}/name"), "pmbus");
        server.write(&format!("{dir}/power1_input"), watts);
        server.write(&format!("{dir}/power1_label"), "pin");
        server.write(&format!("{dir}/power2_input"), "1");
        server.write(&format!("{dir}/power2_label"), "pout1");
        let link = server.dir.path().join(&dir).join("device");
        std::os::unix::fs::symlink(format!("../../../devices/{device}"), link).unwrap();
    }
    let samples = server.samples().await;
    assert_eq!(samples["psu-pmbus-psu-a"].power_w, Some(100.0));
    assert_eq!(samples["psu"].power_w, Some(210.0));
    assert_eq!(samples["psu"].scope, Scope::Host);
    assert_eq!(samples.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn board_sensors_say_what_they_cover_or_the_owner_does() {
    let files: &[(&str, &str)] = &[
        ("sys/class/hwmon/hwmon0/name", "ina3221"),
        ("sys/class/hwmon/hwmon0/power1_input", "7500000"),
        ("sys/class/hwmon/hwmon0/power1_label", "VDD_IN"),
        ("sys/class/hwmon/hwmon0/power2_input", "2500000"),
        ("sys/class/hwmon/hwmon0/power2_label", "VDD_CPU"),
        ("sys/class/hwmon/hwmon1/name", "ina226"),
        ("sys/class/hwmon/hwmon1/power1_input", "5250000"),
        ("sys/class/hwmon/hwmon2/name", "power_meter"),
        ("sys/class/hwmon/hwmon2/power1_average", "180000000"),
        ("sys/class/hwmon/hwmon3/name", "fam15h_power"),
        ("sys/class/hwmon/hwmon3/power1_input", "20000000"),
        ("sys/class/hwmon/hwmon4/name", "amd_energy"),
        ("sys/class/hwmon/hwmon4/energy1_input", "1000000"),
        ("sys/class/hwmon/hwmon4/energy1_label", "Ecore000"),
        ("sys/class/hwmon/hwmon4/energy2_input", "1000000"),
        ("sys/class/hwmon/hwmon4/energy2_label", "Esocket1"),
    ];
    let mut machine = Machine::new(files);
    let samples = machine.samples().await;
    let scope = |id: &str| samples.get(id).map(|one| one.scope.clone());
    assert_eq!(scope("board-ina3221-vdd-in"), Some(Scope::Board));
    assert_eq!(scope("board-ina3221-vdd-cpu"), Some(Scope::Apart));
    assert_eq!(scope("board-ina226-hwmon-1"), Some(Scope::Apart));
    assert_eq!(scope("psu-acpi"), Some(Scope::Host));
    assert_eq!(scope("board-fam15h-power"), Some(Scope::Package(0)));
    assert_eq!(scope("board-amd-energy-1"), Some(Scope::Package(1)));
    assert_eq!(samples.len(), 6);
    let mut machine = Machine::new(files);
    machine.option("power_sensors", "whole", &["board-ina226-hwmon-1"]);
    let samples = machine.samples().await;
    assert_eq!(samples["board-ina226-hwmon-1"].scope, Scope::Board);
    let mut machine = Machine::new(files);
    machine.option("power_sensors", "ignore", &["psu-acpi"]);
    assert!(!machine.samples().await.contains_key("psu-acpi"));
}

fn battery(machine: &Machine, name: &str, files: &[(&str, &str)]) {
    let dir = format!("sys/class/power_supply/{name}");
    for (file, text) in [("type", "Battery"), ("present", "1"), ("capacity", "83")] {
        machine.write(&format!("{dir}/{file}"), text);
    }
    for (file, text) in files {
        machine.write(&format!("{dir}/{file}"), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_laptop_draws_from_its_batteries_only_while_they_drain() {
    let mut machine = Machine::new(&[("sys/class/power_supply/AC/type", "Mains")]);
    battery(
        &machine,
        "BAT0",
        &[
            ("status", "Discharging"),
            ("power_now", "9000000"),
            ("voltage_now", "11400000"),
        ],
    );
    battery(
        &machine,
        "BAT1",
        &[
            ("status", "Discharging"),
            ("current_now", "-500000"),
            ("voltage_now", "12000000"),
        ],
    );
    battery(
        &machine,
        "hidpp_battery_0",
        &[("scope", "Device"), ("status", "Discharging")],
    );
    battery(&machine, "BAT9", &[("present", "0")]);
    let samples = machine.samples().await;
    assert_eq!(samples.len(), 1);
    assert_eq!(samples["battery"].power_w, Some(15.0));
    assert_eq!(samples["battery"].scope, Scope::Board);
    battery(
        &machine,
        "BAT0",
        &[("status", "Not charging"), ("power_now", "0")],
    );
    let samples = machine.samples().await;
    assert_eq!(samples["battery"].power_w, Some(6.0));
    battery(
        &machine,
        "BAT0",
        &[("status", "Charging"), ("power_now", "30000000")],
    );
    battery(&machine, "BAT1", &[("status", "Full")]);
    let batch = machine.tick().await;
    let sample = PowerSample::all(&batch).next().unwrap();
    assert_eq!(sample.power_w, None, "on the mains nothing is known");
    let state = value(&batch, "battery-bat0", "state");
    assert_eq!(state, Some(Value::Text("charging".into())));
    assert_eq!(
        value(&batch, "battery-bat0", "charge_pct"),
        Some(Value::Number(83.0))
    );
    assert_eq!(value(&batch, "battery-bat0", "power_w"), None);
    // A battery that does not say is no reason to say less than there is.
    battery(
        &machine,
        "BAT1",
        &[("status", "Discharging"), ("current_now", "gone")],
    );
    battery(&machine, "BAT0", &[("status", "Discharging")]);
    assert_eq!(machine.samples().await["battery"].power_w, None);
    battery(&machine, "BAT0", &[("status", "?")]);
    let batch = machine.tick().await;
    let state = value(&batch, "battery-bat0", "state");
    assert_eq!(state, Some(Value::Text("unknown".into())));
}

/// The name of the call, cut as those of captured machines are.
const SMI: &str = "exec/nvidia-smi --query-gpu=pci.bus_id,name,power.draw,power.limit,utilization.gpu,uuid,temperature.gpu,temperature.memory,fan.speed,clocks.gr,clocks.mem,memory.used,memory.total,clocks_throttle_reasons.active,ecc.errors.corrected.volatile.total,ecc.error";
/// The call for programs that do not know all of that.
const OLD_SMI: &str = "exec/nvidia-smi --query-gpu=pci.bus_id,name,power.draw,power.limit,utilization.gpu --format=csv,noheader,nounits";

/// What the program prints; the first line is its exit code.
fn smi(machine: &Machine, text: &str) {
    let path = machine.dir.path().join(SMI);
    fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_call_tells_power_and_health_of_a_card_and_old_programs_their_power() {
    let mut machine = Machine::new(&[]);
    smi(
        &machine,
        "0\n00000000:0C:00.0, NVIDIA GeForce RTX 3090, 17.42, 350.00, 3, GPU-5a, 40, N/A, 38, 765, \
         810, 2048, 8192, 0x0000000000000024, 1, 0, 1, 16\n",
    );
    let batch = machine.tick().await;
    assert_eq!(PowerSample::all(&batch).count(), 1);
    let told = |key: &str| {
        let outcomes = batch
            .outcomes
            .iter()
            .filter_map(|one| one.result.as_ref().ok());
        let mut readings = outcomes.flatten();
        let card = readings.find(|one| one.subject.key() == "health/gpu-0000-0c-00-0")?;
        card.value(key).cloned()
    };
    assert_eq!(told("temperature_c"), Some(Value::Number(40.0)));
    assert_eq!(told("memory_used_pct"), Some(Value::Number(25.0)));
    assert_eq!(told("throttled"), Some(Value::Flag(true)));
    assert_eq!(
        told("throttle_reason"),
        Some(Value::Text("power limit, too hot".into()))
    );
    let mut machine = Machine::new(&[]);
    smi(
        &machine,
        "2\nField \"temperature.memory\" is not a valid field to query.\n",
    );
    let old = "0\n00000000:01:00.0, GeForce GT 710, [N/A], [N/A], 7\n";
    fs::write(machine.dir.path().join(OLD_SMI), old).unwrap();
    let batch = machine.tick().await;
    let usage = value(&batch, "gpu-0000-01-00-0", "usage_pct");
    assert_eq!(usage, Some(Value::Number(7.0)));
}

#[tokio::test(start_paused = true)]
async fn nvidia_cards_are_asked_by_their_own_program_and_not_woken() {
    let mut machine = Machine::new(&[]);
    smi(
        &machine,
        "0\n00000000:01:00.0, NVIDIA GeForce RTX 3060, 17.42, 170.00, 3\n\
         00000000:02:00.0, NVIDIA T400, [N/A], [N/A], [N/A]\n",
    );
    let batch = machine.tick().await;
    let samples: Vec<PowerSample> = PowerSample::all(&batch).collect();
    assert_eq!(samples.len(), 2);
    assert_eq!(samples[0].source_id, "gpu-0000-01-00-0");
    assert_eq!(samples[0].power_w, Some(17.42));
    assert_eq!(samples[1].power_w, None);
    let usage = value(&batch, "gpu-0000-01-00-0", "usage_pct");
    assert_eq!(usage, Some(Value::Number(3.0)));
    // Asleep: it is not called, whatever it would say.
    let status = "sys/bus/pci/drivers/nvidia/0000:01:00.0/power/runtime_status";
    machine.write(status, "suspended");
    smi(&machine, "1\nNVIDIA-SMI has failed\n");
    for _ in 0..4 {
        machine.tick().await;
    }
    let state = loop {
        let batch = machine.tick().await;
        let outcome = batch
            .outcomes
            .iter()
            .find(|one| one.collector == "nvidia")
            .cloned();
        if let Some(outcome) = outcome {
            break outcome.result;
        }
    };
    assert_eq!(state.unwrap().len(), 2);
    machine.write(status, "active");
    let error = loop {
        let batch = machine.tick().await;
        let outcome = batch
            .outcomes
            .iter()
            .find(|one| one.collector == "nvidia")
            .cloned();
        if let Some(outcome) = outcome {
            break outcome.result;
        }
    };
    assert!(error.unwrap_err().contains("is the driver loaded?"));
}
