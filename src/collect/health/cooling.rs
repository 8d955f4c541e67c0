use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Map, json};

use crate::collect::read::percent;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "cooling",
    period: Duration::from_secs(30),
    build,
};

static LEVEL: Metric = Metric::gauge("level_pct", "Cooling", Unit::Percent)
    .dead_band(5.0)
    .hidden();

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Cooling {
        root: host.root.clone(),
    })
}

/// What the kernel's thermal framework can cool with: fans that it drives, and clocks that it may
/// lower. One subject a kind, `cooling-<type>`, with the level of the one that works hardest; a
/// processor has one for each of its cores.
struct Cooling {
    root: Root,
}

/// One of them.
struct Device {
    number: u32,
    /// From 0 to the most.
    state: u64,
    most: u64,
}

impl Collect for Cooling {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let mut kinds: BTreeMap<String, Vec<Device>> = BTreeMap::new();
        let entries = fs::read_dir(self.root.sys("class/thermal"));
        for entry in entries.into_iter().flatten().flatten() {
            let folder = entry.file_name().to_string_lossy().into_owned();
            let read = |file: &str| Root::read_trimmed(&entry.path().join(file));
            let number = |file: &str| read(file)?.parse().ok();
            let device = || {
                Some(Device {
                    number: folder.strip_prefix("cooling_device")?.parse().ok()?,
                    state: number("cur_state")?,
                    most: number("max_state")?,
                })
            };
            if let Some((device, kind)) = device().zip(read("type")) {
                kinds.entry(kind).or_default().push(device);
            }
        }
        if kinds.is_empty() {
            return Err(CollectError::Absent("nothing to cool with".to_owned()));
        }
        Ok(kinds
            .into_iter()
            .map(|(kind, all)| tell(&kind, all))
            .collect())
    }
}

fn tell(kind: &str, mut devices: Vec<Device>) -> Reading {
    devices.sort_by_key(|device| device.number);
    let id = format!("cooling-{}", slug(kind));
    let subject = Subject::of_host(Area::Health, &id, &format!("Cooling {kind}"));
    let levels = devices.iter();
    // Some drivers cannot say how far they go.
    let levels = levels.filter_map(|device| percent(device.state, device.most));
    let mut reading = Reading::new(&subject).with_known(&LEVEL, levels.reduce(f64::max));
    let list: Vec<_> = devices
        .iter()
        .map(|one| json!({"number": one.number, "state": one.state, "most": one.most}))
        .collect();
    reading.detail = Some(Map::from_iter([("devices".to_owned(), list.into())]));
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::model::Value;

    #[test]
    fn what_cools_is_told_by_its_kind_and_the_hardest_at_work_counts() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::captured(dir.path(), Clock::Real);
        let mut cooling = plain(ENTRY, &host);
        assert!(matches!(cooling.sample(), Err(CollectError::Absent(_))));
        for (folder, kind, state, most) in [
            ("cooling_device10", "Processor", "3", "10"),
            ("cooling_device2", "Processor", "0", "10"),
            ("cooling_device0", "pwm-fan", "2", "4"),
            ("cooling_device1", "odd", "0", "0"),
            ("cooling_device3", "mute", "what", "3"),
            ("thermal_zone0", "acpitz", "1", "1"),
        ] {
            let folder = dir.path().join("sys/class/thermal").join(folder);
            fs::create_dir_all(&folder).unwrap();
            for (file, text) in [("type", kind), ("cur_state", state), ("max_state", most)] {
                fs::write(folder.join(file), format!("{text}\n")).unwrap();
            }
        }
        let readings = cooling.sample().unwrap();
        let told: Vec<_> = readings
            .iter()
            .map(|one| (one.subject.id.as_str(), one.value("level_pct")))
            .collect();
        let number = |number: f64| Value::Number(number);
        let want = [
            ("cooling-processor", Some(&number(30.0))),
            ("cooling-odd", None),
            ("cooling-pwm-fan", Some(&number(50.0))),
        ];
        assert_eq!(told, want);
        assert_eq!(
            readings[0].detail.as_ref().unwrap()["devices"],
            json!([
                {"number": 2, "state": 0, "most": 10},
                {"number": 10, "state": 3, "most": 10}
            ])
        );
    }
}
