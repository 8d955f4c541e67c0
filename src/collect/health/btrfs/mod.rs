mod device;
mod scrub;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::pool::{
    DATA_ERRORS, DEGRADED, DEVICES, ERRORS, FAILED, HAS_ERRORS, lack, list, scrubbed,
};
use crate::collect::read::{figure, percent};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Clock, Host, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit, slug};
use device::{Device, devices, devinfo};
use scrub::Scrub;

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "btrfs",
    period: Duration::from_mins(1),
    build,
};

static STATE: Metric = Metric::state("state", "State", &["ok", "errors", "degraded"]);
static DATA: Metric = Metric::gauge("data_used_pct", "Data of what is allotted", Unit::Percent)
    .decimals(1)
    .dead_band(1.0)
    .diagnostic();
static METADATA: Metric = Metric::gauge(
    "metadata_used_pct",
    "Metadata of what is allotted",
    Unit::Percent,
)
.decimals(1)
.dead_band(1.0)
.diagnostic();
static UNALLOTTED: Metric = Metric::gauge("unallocated_bytes", "Not allotted", Unit::Byte)
    .dead_band(104_857_600.0)
    .diagnostic();

const REMEDY: &str = "sudo install -m 644 packaging/homewatch-btrfs.service packaging/homewatch-btrfs.timer \
                      /etc/systemd/system/ && sudo systemctl daemon-reload && sudo systemctl enable --now \
                      homewatch-btrfs.timer";
/// The kernel counts in these.
const SECTOR: u64 = 512;

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Btrfs {
        root: host.root.clone(),
        clock: host.clock.clone(),
    })
}

/// Btrfs filesystems that are mounted: `pool-btrfs-<label>` each, by sysfs, and what the last scrub
/// found by the record that `btrfs scrub` keeps of it, which only root may read
/// (`packaging/homewatch-btrfs.service` copies it).
struct Btrfs {
    root: Root,
    clock: Clock,
}

impl Collect for Btrfs {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let entries = fs::read_dir(self.root.sys("fs/btrfs"))
            .into_iter()
            .flatten();
        let mut uuids: Vec<String> = entries
            .flatten()
            .filter(|entry| {
                entry.path().join("allocation").is_dir() || devinfo(&entry.path()).is_dir()
            })
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        if uuids.is_empty() {
            return Err(CollectError::Absent("no Btrfs is mounted".to_owned()));
        }
        uuids.sort();
        let mut taken = BTreeSet::new();
        Ok(uuids
            .iter()
            .map(|uuid| self.tell(uuid, &mut taken))
            .collect())
    }
}

impl Btrfs {
    fn tell(&self, uuid: &str, taken: &mut BTreeSet<String>) -> Reading {
        let folder = self.root.sys(&format!("fs/btrfs/{uuid}"));
        let short = uuid.split('-').next().unwrap_or(uuid);
        let label = Root::read_trimmed(&folder.join("label"));
        let name = match label {
            Some(label) if taken.insert(slug(&label)) => label,
            Some(label) => format!("{label}-{short}"),
            None => short.to_owned(),
        };
        let id = format!("pool-btrfs-{name}");
        let subject = Subject::of_host(Area::Health, &id, &format!("Btrfs {name}"));
        let devices = devices(&folder);
        // Kernels before 5.6 tell neither what is missing nor what has gone wrong.
        let is_told = !devices.is_empty();
        let missing = devices.iter().filter(|device| device.missing).count();
        let missing = is_told.then_some(missing);
        let errors = devices
            .iter()
            .fold(0u64, |sum, one| sum.saturating_add(one.errors()));
        let (scrub, denied) = match Scrub::last(&self.root, uuid) {
            Ok(scrub) => (scrub, None),
            Err(why) => (None, Some(why)),
        };
        let lost = scrub.as_ref().map(|scrub| scrub.lost);
        let has_errors = is_told
            .then_some(errors > 0)
            .into_iter()
            .chain(lost.map(|lost| lost > 0))
            .reduce(|one, other| one || other);
        let state = match (missing, has_errors) {
            (Some(1..), _) => Some("degraded"),
            (_, Some(true)) => Some("errors"),
            (Some(0), _) => Some("ok"),
            (None, _) => None,
        };
        let count = if is_told {
            devices.len()
        } else {
            let entries = fs::read_dir(folder.join("devices"));
            entries.into_iter().flatten().flatten().count()
        };
        let number = |count: usize| u32::try_from(count).ok().map(f64::from);
        let mut reading = Reading::new(&subject)
            .with_known(&STATE, state)
            .with_known(&DEGRADED, missing.map(|count| count > 0))
            .with_known(&HAS_ERRORS, has_errors)
            .with_known(&ERRORS, is_told.then(|| figure(errors)))
            .with_known(&DATA_ERRORS, lost.map(figure))
            .with_known(&DEVICES, number(count))
            .with_known(&FAILED, missing.and_then(number))
            .with_known(&DATA, used(&folder, "data"))
            .with_known(&METADATA, used(&folder, "metadata"))
            .with_known(&UNALLOTTED, unallotted(&folder).map(figure));
        scrubbed(
            &mut reading,
            scrub.and_then(|scrub| scrub.ended),
            self.clock.now(),
        );
        list(
            &mut reading,
            "bad_devices",
            devices.iter().filter_map(Device::complaint).collect(),
        );
        if let Some(why) = denied {
            let what = format!("what the last scrub found is not known ({why})");
            lack(&mut reading, &what, REMEDY);
        }
        reading
    }
}

fn number(path: &Path) -> Option<u64> {
    Root::read_trimmed(path)?.parse().ok()
}

/// How much of what is allotted to data or metadata is used, %.
fn used(folder: &Path, what: &str) -> Option<f64> {
    let of = |file: &str| number(&folder.join("allocation").join(what).join(file));
    percent(of("bytes_used")?, of("total_bytes")?)
}

/// What of the devices is not allotted to anything, bytes. Without a device it cannot be known.
fn unallotted(folder: &Path) -> Option<u64> {
    let entries = fs::read_dir(folder.join("devices")).ok()?;
    let mut size = 0u64;
    for entry in entries.flatten() {
        let sectors = number(&entry.path().join("size"))?;
        size = size.checked_add(sectors.checked_mul(SECTOR)?)?;
    }
    let mut allotted = 0u64;
    for what in ["data", "metadata", "system"] {
        let total = number(&folder.join("allocation").join(what).join("disk_total"))?;
        allotted = allotted.checked_add(total)?;
    }
    size.checked_sub(allotted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::testing::put;
    use crate::model::Value;

    const UUID: &str = "2cc5d5e7-aa10-4c63-a435-07c49f731b09";
    const OTHER: &str = "9aa5d5e7-aa10-4c63-a435-07c49f731b09";

    struct Machine {
        dir: tempfile::TempDir,
        btrfs: Box<dyn Collect>,
    }

    impl Machine {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let clock = Clock::set_to("2026-12-06T00:00:00Z".parse().unwrap());
            let host = Host::captured(dir.path(), clock);
            let btrfs = plain(ENTRY, &host);
            Self { dir, btrfs }
        }

        fn file(&self, path: &str, text: &str) {
            put(self.dir.path(), path, text);
        }

        fn device(&self, uuid: &str, id: u32, missing: u32, corrupt: u32) {
            let folder = format!("sys/fs/btrfs/{uuid}/devinfo/{id}");
            self.file(&format!("{folder}/missing"), &format!("{missing}\n"));
            let stats = format!(
                "write_errs 0\nread_errs 0\nflush_errs 0\ncorruption_errs {corrupt}\ngeneration_errs 0\n"
            );
            self.file(&format!("{folder}/error_stats"), &stats);
        }

        fn scrub(&self, lines: &[&str]) {
            let lines = lines
                .iter()
                .map(|line| format!("{UUID}:1|read_errors:0|{line}\n"));
            let text: String = lines.collect();
            let path = format!("root/var/lib/btrfs/scrub.status.{UUID}");
            self.file(&path, &format!("scrub status:1\n{text}"));
        }

        fn only(&mut self) -> Reading {
            let mut readings = self.btrfs.sample().unwrap();
            assert_eq!(readings.len(), 1);
            readings.remove(0)
        }
    }

    fn number_of(reading: &Reading, key: &str) -> Option<f64> {
        reading.value(key).and_then(Value::as_number)
    }

    #[test]
    fn an_old_kernel_tells_the_allotment_and_nothing_of_devices() {
        let mut machine = Machine::new();
        machine.file(&format!("sys/fs/btrfs/{UUID}/label"), "old\n");
        let data = format!("sys/fs/btrfs/{UUID}/allocation/data");
        machine.file(&format!("{data}/bytes_used"), "20\n");
        machine.file(&format!("{data}/total_bytes"), "80\n");
        machine.file(&format!("sys/fs/btrfs/{UUID}/devices/sda/size"), "2\n");
        let reading = machine.only();
        for (key, want) in [
            ("devices", Some(1.0)),
            ("data_used_pct", Some(25.0)),
            ("degraded", None),
            ("devices_failed", None),
            ("errors", None),
            ("has_errors", None),
        ] {
            assert_eq!(number_of(&reading, key), want, "{key}");
        }
        assert_eq!(reading.value("state"), None);
        // What the last scrub could not mend is known all the same.
        machine.scrub(&["uncorrectable_errors:3|t_start:1795703015|duration:0|finished:1"]);
        let reading = machine.only();
        assert_eq!(reading.value("state"), Some(&Value::from("errors")));
        assert_eq!(number_of(&reading, "degraded"), None);
    }

    #[test]
    fn a_filesystem_tells_its_devices_errors_and_allotment() {
        let mut machine = Machine::new();
        machine.file("sys/fs/btrfs/features/x", "1");
        machine.file(&format!("sys/fs/btrfs/{UUID}/label"), "pool\n");
        machine.device(UUID, 1, 0, 0);
        machine.device(UUID, 2, 0, 0);
        for (what, used, total) in [("data", 20, 60), ("metadata", 1, 10), ("system", 0, 2)] {
            let folder = format!("sys/fs/btrfs/{UUID}/allocation/{what}");
            machine.file(&format!("{folder}/bytes_used"), &used.to_string());
            machine.file(&format!("{folder}/total_bytes"), &total.to_string());
            machine.file(&format!("{folder}/disk_total"), &(total * 2).to_string());
        }
        for name in ["sda", "sdb"] {
            machine.file(&format!("sys/fs/btrfs/{UUID}/devices/{name}/size"), "2\n");
        }
        let reading = machine.only();
        assert_eq!(reading.subject.key(), "health/pool-btrfs-pool");
        assert_eq!(reading.value("state"), Some(&Value::from("ok")));
        for (key, want) in [
            ("degraded", Some(0.0)),
            ("has_errors", Some(0.0)),
            ("devices", Some(2.0)),
            ("devices_failed", Some(0.0)),
            ("unallocated_bytes", Some(1904.0)),
            ("metadata_used_pct", Some(10.0)),
            ("data_errors", None),
            ("scrub_age_s", None),
        ] {
            assert_eq!(number_of(&reading, key), want, "{key}");
        }
        assert!(reading.detail.is_none());
        // A device that is away is not measured, and neither is the whole.
        machine.file(&format!("sys/fs/btrfs/{UUID}/devices/sdb/size"), "");
        assert_eq!(number_of(&machine.only(), "unallocated_bytes"), None);
    }

    #[test]
    fn errors_and_missing_devices_are_told_by_device() {
        let mut machine = Machine::new();
        machine.device(UUID, 1, 0, 7);
        let reading = machine.only();
        assert_eq!(reading.subject.key(), "health/pool-btrfs-2cc5d5e7");
        assert_eq!(reading.value("state"), Some(&Value::from("errors")));
        assert_eq!(number_of(&reading, "errors"), Some(7.0));
        machine.device(UUID, 2, 1, 0);
        let reading = machine.only();
        assert_eq!(reading.value("state"), Some(&Value::from("degraded")));
        let detail = reading.detail.unwrap();
        assert_eq!(
            detail["bad_devices"],
            serde_json::json!(["device 1: corruption_errs 7", "device 2: missing"])
        );
    }

    #[test]
    fn the_last_scrub_is_known_by_its_record() {
        let mut machine = Machine::new();
        machine.device(UUID, 1, 0, 0);
        let done = "uncorrectable_errors:0|t_start:1795703015|duration:3600|canceled:0|finished:1";
        machine.scrub(&[
            done,
            "uncorrectable_errors:0|t_start:1795703015|duration:60|finished:1",
        ]);
        let reading = machine.only();
        assert_eq!(number_of(&reading, "data_errors"), Some(0.0));
        // 2026-11-26T14:23:35 and an hour, to 2026-12-06.
        assert_eq!(number_of(&reading, "scrub_age_s"), Some(808_585.0));
        machine.scrub(&["uncorrectable_errors:2|t_start:1795703015|duration:3|finished:0"]);
        let reading = machine.only();
        assert_eq!(number_of(&reading, "data_errors"), Some(2.0));
        assert_eq!(number_of(&reading, "scrub_age_s"), None);
        assert_eq!(reading.value("state"), Some(&Value::from("errors")));
        machine.scrub(&["half a li"]);
        assert_eq!(number_of(&machine.only(), "data_errors"), None);
    }

    #[test]
    fn a_record_that_only_root_may_read_is_read_from_its_copy_or_told_with_the_remedy() {
        let mut machine = Machine::new();
        machine.device(UUID, 1, 0, 0);
        assert!(machine.only().detail.is_none(), "it was never scrubbed");
        // Nobody, not even root, reads a folder as a file.
        let place = format!("root/var/lib/btrfs/scrub.status.{UUID}");
        fs::create_dir_all(machine.dir.path().join(&place)).unwrap();
        let detail = machine.only().detail.unwrap();
        assert!(detail["log"].as_str().unwrap().contains("scrub.status"));
        assert!(detail["remedy"].is_string());
        let line = "uncorrectable_errors:0|t_start:1795703015|duration:9|finished:1";
        let copy = format!("root/run/homewatch-btrfs/scrub.status.{UUID}");
        machine.file(&copy, &format!("scrub status:1\n{UUID}:1|{line}\n"));
        let reading = machine.only();
        assert!(reading.detail.is_none());
        assert!(reading.value("scrubbed").is_some());
    }

    #[test]
    fn two_of_one_label_are_told_apart_and_a_machine_without_any_lacks_nothing() {
        let mut machine = Machine::new();
        assert!(matches!(
            machine.btrfs.sample(),
            Err(CollectError::Absent(_))
        ));
        for uuid in [UUID, OTHER] {
            machine.device(uuid, 1, 0, 0);
            machine.file(&format!("sys/fs/btrfs/{uuid}/label"), "data");
        }
        let readings = machine.btrfs.sample().unwrap();
        let ids: Vec<_> = readings.iter().map(|one| one.subject.id.as_str()).collect();
        assert_eq!(ids, ["pool-btrfs-data", "pool-btrfs-data-9aa5d5e7"]);
    }
}
