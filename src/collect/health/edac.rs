use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Map, json};

use super::within::Within;
use crate::collect::read::{figure, known};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

static UNCORRECTED: Metric =
    Metric::total("uncorrected", "Uncorrectable errors", Unit::None).diagnostic();
static CORRECTED: Metric = Metric::total("corrected", "Corrected errors", Unit::None).diagnostic();
static CORRECTED_A_DAY: Metric =
    Metric::gauge("corrected_24h", "Corrected errors within a day", Unit::None).diagnostic();
static WORST: Metric = Metric::text("worst_module", "Module with most errors").diagnostic();

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "edac",
    period: Duration::from_secs(10),
    build,
};

const FOLDER: &str = "devices/system/edac/mc";

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Edac {
        host: host.clone(),
        days: BTreeMap::new(),
    })
}

/// Errors of memory with ECC, as the kernel's EDAC drivers count them since boot: `edac-<mc>` each
/// controller, with the modules by the labels of their slots.
struct Edac {
    host: Host,
    days: BTreeMap<String, Within>,
}

/// A module, or a row of chips where the driver knows no modules.
#[derive(Debug, PartialEq, Eq)]
struct Module {
    label: String,
    corrected: u64,
    uncorrected: u64,
}

impl Collect for Edac {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let mut controllers = names(&self.host.root, FOLDER, "mc");
        controllers.sort();
        if controllers.is_empty() {
            return Err(CollectError::Absent(
                "no memory with ECC that the kernel watches".to_owned(),
            ));
        }
        let boot = self.host.root.boot();
        Ok(controllers
            .iter()
            .map(|name| self.controller(name, &boot))
            .collect())
    }
}

impl Edac {
    fn controller(&mut self, name: &str, boot: &str) -> Reading {
        let root = self.host.root.clone();
        let dir = format!("{FOLDER}/{name}");
        let kind = Root::read_trimmed(&root.sys(&format!("{dir}/mc_name")));
        let label = match kind {
            Some(kind) => format!("Memory controller {kind} ({name})"),
            None => format!("Memory controller {name}"),
        };
        let subject = Subject::of_host(Area::Health, &format!("edac-{name}"), &label);
        let corrected = count(&root, &format!("{dir}/ce_count"));
        let modules = modules(&root, &dir);
        let mut reading = Reading::new(&subject);
        let uncorrected = count(&root, &format!("{dir}/ue_count"));
        reading.push(&UNCORRECTED, uncorrected.map(figure));
        reading.push(&CORRECTED, corrected.map(figure));
        let day = corrected.map(|count| {
            let key = format!("edac/{name}");
            let (memory, now) = (&self.host.memory, self.host.clock.now());
            let remembered = || memory.get(&key).unwrap_or_default();
            let within = self.days.entry(name.to_owned()).or_insert_with(remembered);
            let day = within.take(count, boot, now);
            memory.put(&key, within);
            day
        });
        reading.push(&CORRECTED_A_DAY, day.map(figure));
        let worst = modules
            .iter()
            .max_by_key(|one| (one.uncorrected, one.corrected));
        let worst = worst.filter(|one| one.uncorrected + one.corrected > 0);
        reading.push(&WORST, worst.map(|one| one.label.as_str()));
        let list: Vec<_> = modules
            .iter()
            .map(|one| {
                json!({
                    "module": one.label,
                    "corrected": one.corrected,
                    "uncorrected": one.uncorrected,
                })
            })
            .collect();
        let mut detail = Map::from_iter([("modules".to_owned(), list.into())]);
        // Errors of which the controller does not know where they were.
        let unplaced = |end: &str| count(&root, &format!("{dir}/{end}_noinfo_count"));
        if let Some((corrected, uncorrected)) = unplaced("ce").zip(unplaced("ue")) {
            let unplaced = json!({"corrected": corrected, "uncorrected": uncorrected});
            detail.insert("unplaced".to_owned(), unplaced);
        }
        reading.detail = Some(detail);
        reading
    }
}

/// The modules of a controller; old drivers tell rows and channels instead.
fn modules(root: &Root, dir: &str) -> Vec<Module> {
    let mut found = Vec::new();
    for start in ["dimm", "rank"] {
        for name in names(root, dir, start) {
            let read = |end: &str| root.sys(&format!("{dir}/{name}/dimm_{end}"));
            let number = |end| count(root, &format!("{dir}/{name}/dimm_{end}"));
            if let (Some(corrected), Some(uncorrected)) = (number("ce_count"), number("ue_count")) {
                found.push(Module {
                    label: Root::read_trimmed(&read("label")).unwrap_or(name),
                    corrected,
                    uncorrected,
                });
            }
        }
    }
    if found.is_empty() {
        for row in names(root, dir, "csrow") {
            let number = |end| count(root, &format!("{dir}/{row}/{end}"));
            if let (Some(corrected), Some(uncorrected)) = (number("ce_count"), number("ue_count")) {
                let label = root.sys(&format!("{dir}/{row}/ch0_dimm_label"));
                found.push(Module {
                    label: Root::read_trimmed(&label).unwrap_or(row),
                    corrected,
                    uncorrected,
                });
            }
        }
    }
    found.sort_by(|a, b| a.label.cmp(&b.label));
    found
}

/// The names in a folder that are `start` and a number.
fn names(root: &Root, dir: &str, start: &str) -> Vec<String> {
    let entries = fs::read_dir(root.sys(dir)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_one = |name: &String| {
        name.strip_prefix(start)
            .is_some_and(|number| number.parse::<u32>().is_ok())
    };
    names.filter(is_one).collect()
}

fn count(root: &Root, path: &str) -> Option<u64> {
    known(Root::read_trimmed(&root.sys(path))?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::model::Value;
    use std::path::Path;

    fn put(dir: &Path, path: &str, text: &str) {
        crate::host::testing::put(dir, &format!("sys/{FOLDER}/{path}"), text);
    }

    #[test]
    fn errors_are_told_by_controller_and_module() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let host = Host::captured(dir, Clock::Real);
        let mut edac = plain(ENTRY, &host);
        assert!(matches!(edac.sample(), Err(CollectError::Absent(_))));
        for (file, text) in [
            ("mc0/mc_name", "Broadwell"),
            ("mc0/ce_count", "4"),
            ("mc0/ue_count", "1"),
            ("mc0/ce_noinfo_count", "3"),
            ("mc0/ue_noinfo_count", "0"),
            ("mc0/dimm0/dimm_label", "CPU_A1"),
            ("mc0/dimm0/dimm_ce_count", "0"),
            ("mc0/dimm0/dimm_ue_count", "0"),
            ("mc0/dimm3/dimm_label", "CPU_B1"),
            ("mc0/dimm3/dimm_ce_count", "4"),
            ("mc0/dimm3/dimm_ue_count", "1"),
            ("mc0/dimm4/dimm_ce_count", "what"),
            ("mc0/power/control", "auto"),
            ("mc1/ce_count", "garbage"),
            ("mc1/csrow0/ce_count", "0"),
            ("mc1/csrow0/ue_count", "0"),
            ("mc1/csrow1/ce_count", "x"),
        ] {
            put(dir, file, text);
        }
        let readings = edac.sample().unwrap();
        assert_eq!(
            readings[0].subject.label,
            "Memory controller Broadwell (mc0)"
        );
        assert_eq!(readings[0].value("uncorrected"), Some(&Value::Number(1.0)));
        assert_eq!(
            readings[0].value("corrected_24h"),
            Some(&Value::Number(0.0))
        );
        assert_eq!(
            readings[0].value("worst_module"),
            Some(&Value::from("CPU_B1"))
        );
        let detail = readings[0].detail.as_ref().unwrap();
        assert_eq!(detail["unplaced"]["corrected"], 3);
        let modules = &detail["modules"];
        assert_eq!(modules.as_array().unwrap().len(), 2);
        assert_eq!(readings[1].subject.label, "Memory controller mc1");
        assert_eq!(readings[1].value("corrected"), None);
        assert_eq!(readings[1].value("worst_module"), None);
        let detail = readings[1].detail.as_ref().unwrap();
        assert_eq!(detail["modules"][0]["module"], "csrow0");
        assert!(!detail.contains_key("unplaced"));
        put(dir, "mc0/ce_count", "9");
        let readings = edac.sample().unwrap();
        assert_eq!(
            readings[0].value("corrected_24h"),
            Some(&Value::Number(5.0))
        );
        // Started anew it still knows.
        let readings = plain(ENTRY, &host).sample().unwrap();
        let day = readings[0].value("corrected_24h");
        assert_eq!(day, Some(&Value::Number(5.0)));
    }
}
