use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::chip::Chip;
use super::quantity::Quantity;
use crate::collect::read::figure;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit};

static THROTTLED: Metric = Metric::flag("throttled", "Throttled", FlagMeaning::Problem);
static CORES: Metric =
    Metric::total("core_throttle_count", "Core throttle events", Unit::None).diagnostic();
static PACKAGES: Metric = Metric::total(
    "package_throttle_count",
    "Package throttle events",
    Unit::None,
)
.diagnostic();
static HEADROOM: Metric = Metric::gauge("headroom_c", "Thermal headroom", Unit::Celsius)
    .decimals(1)
    .published(3)
    .dead_band(2.0)
    .diagnostic();
static GOVERNOR: Metric = Metric::text("governor", "Governor").diagnostic();
static PREFERENCE: Metric =
    Metric::text("energy_preference", "Energy performance preference").diagnostic();
static LIMIT: Metric = Metric::gauge(
    "frequency_limit_mhz",
    "Highest frequency allowed",
    Unit::Megahertz,
)
.hidden();
static FLOOR: Metric = Metric::gauge(
    "frequency_floor_mhz",
    "Lowest frequency allowed",
    Unit::Megahertz,
)
.hidden();
static RATED: Metric = Metric::gauge(
    "frequency_rated_mhz",
    "Highest frequency of the hardware",
    Unit::Megahertz,
)
.hidden();
static MACHINE_CHECKS: Metric =
    Metric::total("machine_checks", "Machine check exceptions", Unit::None).diagnostic();

/// Nothing here changes fast, and a machine of many cores has many files.
pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "processor",
    period: Duration::from_secs(30),
    build,
};

/// Drivers of the sensors of processors.
const DRIVERS: [&str; 5] = [
    "coretemp",
    "k10temp",
    "zenpower",
    "cpu_thermal",
    "soc_thermal",
];

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Processor {
        subject: Subject::of_host(Area::Health, "processor", "Processor"),
        root: host.root.clone(),
        counted: None,
    })
}

/// How the processor behaves: whether it slows itself down, how far it is from its limit, how it
/// is governed, and the machine checks that it has reported since boot.
struct Processor {
    subject: Arc<Subject>,
    root: Root,
    /// The throttle events at the last sample.
    counted: Option<u64>,
}

impl Collect for Processor {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let mut reading = Reading::new(&self.subject);
        let processors = self.processors();
        let [cores, packages] = self.throttles(&processors);
        let events = cores.or(packages).map(|_| {
            let both = cores.unwrap_or(0) + packages.unwrap_or(0);
            self.counted.replace(both).is_some_and(|last| both > last)
        });
        reading.push(&THROTTLED, events);
        reading.push(&CORES, cores.map(figure));
        reading.push(&PACKAGES, packages.map(figure));
        reading.push(&HEADROOM, self.headroom());
        for (metric, file) in [
            (&GOVERNOR, "cpufreq/scaling_governor"),
            (&PREFERENCE, "cpufreq/energy_performance_preference"),
        ] {
            let words = processors.iter();
            let words: BTreeSet<String> = words.filter_map(|name| self.of(name, file)).collect();
            let words = Vec::from_iter(words).join(", ");
            reading.push(
                metric,
                Some(words.as_str()).filter(|words| !words.is_empty()),
            );
        }
        for (metric, file, better) in [
            (&LIMIT, "scaling_max_freq", f64::max as fn(f64, f64) -> f64),
            (&FLOOR, "scaling_min_freq", f64::min),
            (&RATED, "cpuinfo_max_freq", f64::max),
        ] {
            reading.push(metric, self.frequency(&processors, file, better));
        }
        reading.push(&MACHINE_CHECKS, self.machine_checks().map(figure));
        if reading.values.is_empty() {
            return Err(CollectError::Absent(
                "the processor tells nothing of itself".to_owned(),
            ));
        }
        Ok(vec![reading])
    }
}

impl Processor {
    /// `cpu0`, `cpu1`, …
    fn processors(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.sys("devices/system/cpu"));
        let names = entries.into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_one = |name: &String| {
            name.strip_prefix("cpu")
                .is_some_and(|number| number.parse::<u32>().is_ok())
        };
        names.filter(is_one).collect()
    }

    fn of(&self, processor: &str, file: &str) -> Option<String> {
        Root::read_trimmed(
            &self
                .root
                .sys(&format!("devices/system/cpu/{processor}/{file}")),
        )
    }

    /// The one that is `better` of what all processors say in a file of kHz, MHz.
    fn frequency(
        &self,
        processors: &[String],
        file: &str,
        better: fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let all = processors.iter().filter_map(|name| {
            let khz: f64 = self.of(name, &format!("cpufreq/{file}"))?.parse().ok()?;
            (khz > 0.0).then_some(khz / 1000.0)
        });
        all.reduce(better)
    }

    /// Throttle events of all cores and of all packages: siblings of a core count the same ones.
    fn throttles(&self, processors: &[String]) -> [Option<u64>; 2] {
        let mut cores: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut packages: BTreeMap<String, u64> = BTreeMap::new();
        for name in processors {
            let count = |file: &str| -> Option<u64> {
                let path = format!("thermal_throttle/{file}_throttle_count");
                self.of(name, &path)?.parse().ok()
            };
            let package = self.of(name, "topology/physical_package_id");
            let package = package.unwrap_or_default();
            if let Some(count) = count("core") {
                let core = self.of(name, "topology/core_id");
                let key = (package.clone(), core.unwrap_or_else(|| name.clone()));
                let most = cores.entry(key).or_default();
                *most = count.max(*most);
            }
            if let Some(count) = count("package") {
                let most = packages.entry(package).or_default();
                *most = count.max(*most);
            }
        }
        let cores = (!cores.is_empty()).then(|| cores.values().sum());
        let packages = (!packages.is_empty()).then(|| packages.values().sum());
        [cores, packages]
    }

    /// How far the hottest part of the processor is from its critical temperature, °C.
    fn headroom(&self) -> Option<f64> {
        let chips = Chip::all(&self.root)?.into_iter();
        let mut least: Option<f64> = None;
        for chip in chips.filter(|chip| DRIVERS.contains(&chip.name.as_str())) {
            let files = chip.files(&self.root);
            let read = |name: &str| -> Option<f64> {
                let text = Root::read_trimmed(&self.root.sys(files.get(name)?))?;
                Quantity::Temperature.check(text.parse().ok()?).ok()
            };
            for name in files.keys().filter_map(|name| name.strip_suffix("_input")) {
                let limit = read(&format!("{name}_crit"));
                if let Some((limit, now)) = limit.zip(read(&format!("{name}_input"))) {
                    least = Some(least.map_or(limit - now, |least| least.min(limit - now)));
                }
            }
        }
        least
    }

    /// Machine check exceptions of all processors since boot. Those that were merely polled for
    /// are not among them.
    fn machine_checks(&self) -> Option<u64> {
        let text = Root::read(&self.root.proc("interrupts")).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("MCE:"))?;
        let counts = line.split_ascii_whitespace();
        Some(counts.map_while(|count| count.parse::<u64>().ok()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::host::testing::put;
    use crate::model::Value;
    use std::path::Path;

    /// Two cores of two threads each, which have throttled.
    fn lay(dir: &Path) {
        for (cpu, core) in [(0, "0"), (1, "0"), (2, "1"), (3, "1")] {
            for (file, text) in [
                ("topology/physical_package_id", "0"),
                ("topology/core_id", core),
                ("thermal_throttle/core_throttle_count", "5"),
                ("thermal_throttle/package_throttle_count", "7"),
            ] {
                put(
                    dir,
                    &format!("sys/devices/system/cpu/cpu{cpu}/{file}"),
                    text,
                );
            }
        }
        for (cpu, governor) in [(0, "powersave"), (2, "schedutil")] {
            let folder = format!("sys/devices/system/cpu/cpu{cpu}/cpufreq");
            put(dir, &format!("{folder}/scaling_governor"), governor);
            let fast = if cpu == 0 { "4600000" } else { "3400000" };
            put(dir, &format!("{folder}/scaling_max_freq"), fast);
            put(dir, &format!("{folder}/scaling_min_freq"), "800000");
            put(dir, &format!("{folder}/cpuinfo_max_freq"), "0");
        }
        put(dir, "sys/devices/system/cpu/cpufreq/boost", "1\n");
        let interrupts = "   0:  3  4  IO-APIC\n MCE:   0   2  Machine check exceptions\n";
        put(dir, "proc/interrupts", interrupts);
    }

    #[test]
    fn siblings_count_once_and_growth_is_throttling() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let host = Host::captured(dir, Clock::Real);
        let mut processor = plain(ENTRY, &host);
        assert!(matches!(processor.sample(), Err(CollectError::Absent(_))));
        lay(dir);
        let first = processor.sample().unwrap();
        for (key, want) in [
            ("core_throttle_count", Some(Value::Number(10.0))),
            ("package_throttle_count", Some(Value::Number(7.0))),
            ("frequency_limit_mhz", Some(Value::Number(4600.0))),
            ("frequency_floor_mhz", Some(Value::Number(800.0))),
            ("frequency_rated_mhz", None),
            ("throttled", Some(Value::Flag(false))),
            ("governor", Some(Value::from("powersave, schedutil"))),
            ("energy_preference", None),
            ("machine_checks", Some(Value::Number(2.0))),
            ("headroom_c", None),
        ] {
            assert_eq!(first[0].value(key), want.as_ref(), "{key}");
        }
        let count = "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count";
        put(dir, count, "6\n");
        for (file, text) in [
            ("name", "coretemp"),
            ("temp1_input", "60000"),
            ("temp1_crit", "100000"),
            ("temp2_input", "71500"),
            ("temp2_crit", "100000"),
            ("temp3_input", "127000"),
            ("temp3_crit", "100000"),
        ] {
            put(dir, &format!("sys/class/hwmon/hwmon0/{file}"), text);
        }
        let second = processor.sample().unwrap();
        assert_eq!(second[0].value("throttled"), Some(&Value::Flag(true)));
        assert_eq!(second[0].value("headroom_c"), Some(&Value::Number(28.5)));
        let third = processor.sample().unwrap();
        assert_eq!(third[0].value("throttled"), Some(&Value::Flag(false)));
    }
}
