use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{micro, number};
use crate::collect::rate::Since;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Root};
use crate::model::{Area, Reading, Source, Subject};
use crate::power::metrics::{ENERGY, POWER};
use crate::power::{PowerSample, Scope};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "rapl",
    period: Duration::ZERO,
    build,
};

/// The most that a zone without a limit of its own can draw, W.
const MOST: f64 = 500.0;
/// A platform that says less than this share of what its packages say cannot be right.
const PLAUSIBLE: f64 = 0.9;

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Rapl {
        root: host.root.clone(),
        folders: Vec::new(),
        zones: Vec::new(),
        totals: HashMap::new(),
        since: Since::default(),
        buffer: Vec::new(),
    })
}

/// The processors' energy counters, by the kernel's power capping framework (Intel and AMD):
/// `rapl-package-0` with its parts `rapl-core-0`, `rapl-uncore-0` and, beside it on servers,
/// `rapl-dram-0`; `rapl-platform` (psys) holds all of them. Energy in J since this program
/// started; power is its mean over the tick.
///
/// A counter wraps at `max_energy_range_uj` (262 kJ, 44 min at 100 W). A tick so long that it may
/// have wrapped more than once is not counted, nor is a counter that was reset.
struct Rapl {
    root: Root,
    /// The zones' folders as they were found last.
    folders: Vec<String>,
    zones: Vec<Zone>,
    /// What zones that come and go have counted, J, by subject.
    totals: HashMap<String, f64>,
    since: Since,
    buffer: Vec<u8>,
}

struct Zone {
    subject: Arc<Subject>,
    scope: Scope,
    energy: KeptFile,
    /// Where the counter wraps, µJ.
    range: i64,
    /// The most that it can draw, W.
    most: f64,
    last: Option<i64>,
    /// J.
    total: f64,
}

impl Collect for Rapl {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let folders = folders(&self.root);
        if folders.is_empty() {
            self.folders.clear();
            self.zones.clear();
            return Err(CollectError::Absent("no RAPL energy counters".to_owned()));
        }
        if folders != self.folders {
            for zone in self.zones.drain(..) {
                self.totals.insert(zone.subject.id.clone(), zone.total);
            }
            self.zones = zones(&self.root, &folders, &self.totals);
            self.folders = folders;
        }
        let lap = self.since.lap();
        let mut readings = Vec::with_capacity(self.zones.len());
        let mut denied = None;
        for zone in &mut self.zones {
            match number(&mut zone.energy, &mut self.buffer) {
                Ok(raw) => {
                    let watts = zone.take(raw, lap);
                    readings.push((zone.scope.clone(), watts, zone.reading(watts)));
                }
                Err(error) => denied = zone.fail(&error).or(denied),
            }
        }
        let refused = denied.filter(|_| readings.is_empty());
        refused.map_or_else(|| Ok(judged(readings)), Err)
    }
}

/// Reading them was allowed to everybody until it was found that they give keys away.
fn forbidden(path: &std::path::Path, error: &io::Error) -> CollectError {
    CollectError::Broken(format!(
        "{}: {error}; since CVE-2020-8694 only root may read it: give it to the group homewatch by \
         the udev rule packaging/60-homewatch-rapl.rules, or to everybody until the next boot by \
         sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj; or set \
         collect.rapl.enabled = false",
        path.display()
    ))
}

/// The folders of all zones, in order.
fn folders(root: &Root) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.sys("class/powercap")) else {
        return Vec::new();
    };
    let names = entries.flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // `intel-rapl` alone is the driver; `intel-rapl-mmio` shows the same package once more.
    let mut zones: Vec<String> = names
        .filter(|name| name.starts_with("intel-rapl:"))
        .collect();
    zones.sort();
    zones
}

fn zones(root: &Root, folders: &[String], totals: &HashMap<String, f64>) -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    let mut packages: HashMap<&str, (u32, f64)> = HashMap::new();
    for (order, folder) in (0u32..).zip(folders) {
        let read =
            |file: &str| Root::read_trimmed(&root.sys(&format!("class/powercap/{folder}/{file}")));
        let (Some(name), Some(range)) = (read("name"), read("max_energy_range_uj")) else {
            continue;
        };
        let Some(range) = range.parse().ok().filter(|range| *range > 0) else {
            continue;
        };
        let parent = folder.rsplit_once(':').map_or("", |(parent, _)| parent);
        let (number, most) = packages
            .get(parent)
            .copied()
            .unwrap_or((order, limit(read)));
        let (scope, label) = match name.as_str() {
            "psys" => (Scope::Platform, "Platform".to_owned()),
            "core" => (Scope::Cores(number), format!("Cores {number}")),
            "uncore" => (Scope::Uncore(number), format!("Uncore {number}")),
            "dram" => (Scope::Memory(number), format!("Memory {number}")),
            name if name.starts_with("package") => {
                // `package-0`; of several dies `package-0-die-1`, told apart by their order.
                let own = name
                    .strip_prefix("package-")
                    .and_then(|text| text.parse().ok());
                let number = own.unwrap_or(100 + order);
                packages.insert(folder, (number, most));
                (Scope::Package(number), format!("Package {number}"))
            }
            _ => continue,
        };
        let subject = Subject::of_host(Area::Power, &format!("rapl-{}", scope.word()), &label);
        if zones.iter().any(|zone| zone.scope == scope) {
            continue;
        }
        zones.push(Zone {
            total: totals.get(&subject.id).copied().unwrap_or(0.0),
            subject,
            scope,
            energy: root.keep_sys(&format!("class/powercap/{folder}/energy_uj")),
            range,
            most,
            last: None,
        });
    }
    zones
}

/// Twice the highest limit that the zone is set to, W: no spike is longer than a tick.
fn limit(read: impl Fn(&str) -> Option<String>) -> f64 {
    let limits = (0..4).filter_map(|index| {
        let text = read(&format!("constraint_{index}_power_limit_uw"))?;
        text.parse().ok().map(micro)
    });
    let highest = limits.fold(0.0, f64::max) * 2.0;
    if highest > 0.0 {
        highest.clamp(50.0, 2.0 * MOST)
    } else {
        MOST
    }
}

impl Zone {
    /// Counts the growth up to `raw` and returns the mean power since the last one, W.
    fn take(&mut self, raw: i64, lap: Option<Duration>) -> Option<f64> {
        let last = self.last.replace(raw)?;
        let seconds = lap?.as_secs_f64();
        let most = self.most * seconds;
        if most >= micro(self.range) {
            return None; // It may have gone round more than once.
        }
        let grown = if raw >= last {
            raw - last
        } else {
            self.range - last + raw
        };
        let joules = micro(grown);
        if !(0.0..=2.0 * most).contains(&joules) {
            return None; // Neither growth nor a wrap: it was reset.
        }
        self.total += joules;
        Some(joules / seconds)
    }

    /// What it means that it could not be read: a part of a processor that is asleep or gone says
    /// nothing for now, which is no error.
    fn fail(&mut self, error: &io::Error) -> Option<CollectError> {
        self.last = None;
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        denied.then(|| forbidden(self.energy.path(), error))
    }

    fn reading(&self, watts: Option<f64>) -> Reading {
        let mut reading = Reading::new(&self.subject)
            .with_known(&POWER, watts)
            .with(&ENERGY, self.total / 3.6e6);
        reading.source = Some(Source::Rapl);
        reading.detail = Some(PowerSample::detail(&self.scope, None));
        reading
    }
}

/// Notes on a platform figure that its packages contradict: many boards do not wire it.
fn judged(readings: Vec<(Scope, Option<f64>, Reading)>) -> Vec<Reading> {
    let packages = readings
        .iter()
        .filter(|(scope, ..)| matches!(scope, Scope::Package(_)));
    let packages = packages.filter_map(|(_, watts, _)| *watts);
    let packages = packages.reduce(|sum, watts| sum + watts);
    let judge = |(scope, watts, mut reading): (Scope, Option<f64>, Reading)| {
        if scope == Scope::Platform
            && let (Some(platform), Some(packages)) = (watts, packages)
            && platform < PLAUSIBLE * packages
        {
            let text = "says less than the packages that it holds: this board does not wire it";
            reading.detail = Some(PowerSample::detail(&scope, Some(text)));
        }
        reading
    };
    readings.into_iter().map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(range: i64, most: f64) -> Zone {
        Zone {
            subject: Subject::of_host(Area::Power, "rapl-package-0", "Package 0"),
            scope: Scope::Package(0),
            energy: KeptFile::new("/nowhere".into()),
            range,
            most,
            last: None,
            total: 0.0,
        }
    }

    const TICK: Option<Duration> = Some(Duration::from_secs(10));

    #[test]
    fn no_joule_is_lost_over_many_wraps() {
        let (range, mut raw, mut spent) = (262_143_328_850i64, 261_000_000_000i64, 0i64);
        let mut zone = zone(range, 200.0);
        assert_eq!(zone.take(raw, None), None);
        for step in 0..10_000 {
            let grown = 900_000_000 + step % 7 * 13_000_000;
            spent += grown;
            raw = (raw + grown) % range;
            let watts = zone.take(raw, TICK).unwrap();
            assert!(
                (watts - micro(grown) / 10.0).abs() < 1e-6,
                "{step}: {watts}"
            );
        }
        assert!(spent > 30 * range);
        assert!((zone.total - micro(spent)).abs() < 1e-3, "{}", zone.total);
    }

    #[test]
    fn a_reset_is_not_taken_for_a_wrap_and_a_long_pause_for_no_growth() {
        let mut zone = zone(262_143_328_850, 200.0);
        zone.take(5_000_000_000, None);
        // The driver was loaded anew.
        assert_eq!(zone.take(1_000_000, TICK), None);
        assert_eq!(zone.take(501_000_000, TICK), Some(50.0));
        // 2000 s at 200 W may be more than one round.
        let pause = Some(Duration::from_secs(2000));
        assert_eq!(zone.take(601_000_000, pause), None);
        assert_eq!(zone.take(1_101_000_000, TICK), Some(50.0));
        assert!((zone.total - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn the_remedy_for_a_forbidden_file_is_told() {
        let mut zone = zone(1, 1.0);
        let gone = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(zone.fail(&gone), None);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = zone.fail(&denied).unwrap();
        let CollectError::Broken(text) = error else {
            panic!("{error:?}")
        };
        assert!(text.contains("60-homewatch-rapl.rules") && text.contains("/nowhere"));
    }

    #[test]
    fn a_platform_below_its_packages_is_doubted() {
        let reading = |scope: Scope, watts: f64| {
            let mut zone = zone(1, 1.0);
            zone.scope = scope.clone();
            (scope, Some(watts), zone.reading(Some(watts)))
        };
        let suspect = |platform| {
            let all = vec![
                reading(Scope::Package(0), 30.0),
                reading(Scope::Cores(0), 20.0),
                reading(Scope::Platform, platform),
            ];
            let judged = judged(all);
            judged[2].detail.as_ref().unwrap().contains_key("suspect")
        };
        assert!(suspect(3.0) && !suspect(45.0));
    }
}
