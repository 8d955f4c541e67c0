use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::endurance::{self, Written};
use super::flash::Health;
use crate::collect::read::figure;
use crate::collect::{Collect, CollectError, Disk, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "mmc",
    period: Duration::from_mins(1),
    build,
};

static KIND: Metric = Metric::text("kind", "Kind").diagnostic();
static MADE: Metric = Metric::text("made", "Made").diagnostic();
static WRITTEN: Metric = Metric::total("counted_written_bytes", "Written since seen", Unit::Byte)
    .dead_band(104_857_600.0)
    .diagnostic();

/// The kernel counts in these.
const SECTOR: u64 = 512;
/// What was written is kept when it has grown by this, bytes: cards suffer from small writes.
const KEPT_EVERY: u64 = 64 << 20;

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Cards {
        host: host.clone(),
        counts: BTreeMap::new(),
    })
}

/// eMMC and SD cards: `disk-<disk>` each. eMMC tells its wear in steps of 10 %; an SD card tells
/// none, so it has no verdict, and its wear is estimated by what is written to it. That is counted
/// from the boot at which it was first seen.
struct Cards {
    host: Host,
    counts: BTreeMap<String, Count>,
}

impl Collect for Cards {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let root = self.host.root.clone();
        let entries = fs::read_dir(root.sys("block")).into_iter().flatten();
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut cards: Vec<String> = names
            .filter_map(|name| name.into_string().ok())
            .filter(|name| is_card(name))
            .collect();
        if cards.is_empty() {
            return Err(CollectError::Absent("no eMMC or SD card".to_owned()));
        }
        cards.sort();
        let boot = root.boot();
        let stats = Root::read(&root.proc("diskstats")).unwrap_or_default();
        let readings = cards.iter().map(|name| {
            let disk = Disk::identify(&root, name);
            let written = sectors_written(&stats, name).filter(|_| !boot.is_empty());
            let written = written.map(|sectors| {
                let count = self.count(&disk.id, &boot, sectors.saturating_mul(SECTOR));
                let size = Root::read_trimmed(&root.sys(&format!("block/{name}/size")));
                let sectors: u64 = size.and_then(|size| size.parse().ok()).unwrap_or_default();
                Written {
                    bytes: count.total,
                    since: count.since,
                    size: sectors.saturating_mul(SECTOR),
                }
            });
            let id = format!("disk-{}", disk.id);
            let subject = Subject::of_device(Area::Health, &id, &disk.label, disk.device.clone());
            let device = root.sys(&format!("block/{name}/device"));
            reading(&subject, &device, written, self.host.clock.now())
        });
        Ok(readings.collect())
    }
}

impl Cards {
    /// What was written since the card was first seen, the kernel's count of this boot being `now`.
    fn count(&mut self, id: &str, boot: &str, now: u64) -> Count {
        let key = format!("mmc/{id}");
        let memory = &self.host.memory;
        let count = match self.counts.get(id) {
            Some(count) => count.clone(),
            None => memory.get(&key).unwrap_or_else(|| Count {
                since: self.booted(),
                ..Count::default()
            }),
        };
        let next = count.after(boot, now);
        let kept: Count = memory.get(&key).unwrap_or_default();
        if kept.boot != next.boot || next.total.saturating_sub(kept.total) >= KEPT_EVERY {
            memory.put(&key, &next);
        }
        self.counts.insert(id.to_owned(), next.clone());
        next
    }

    /// When the machine was booted.
    fn booted(&self) -> Option<Timestamp> {
        let text = Root::read_trimmed(&self.host.root.proc("uptime"))?;
        let seconds = text.split('.').next()?.parse().ok()?;
        let up = SignedDuration::from_secs(seconds);
        self.host.clock.now().checked_sub(up).ok()
    }
}

/// What was written to a card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    /// In all, bytes.
    total: u64,
    /// What the kernel counted last, and in which boot.
    last: u64,
    boot: String,
    /// Since when it is counted, if that is known.
    #[serde(default)]
    since: Option<Timestamp>,
}

impl Count {
    /// The kernel counts from 0 at every boot, and for a card that was put in again.
    fn after(&self, boot: &str, now: u64) -> Self {
        let grown = match now.checked_sub(self.last) {
            Some(grown) if self.boot == boot => grown,
            _ => now,
        };
        Self {
            total: self.total.saturating_add(grown),
            last: now,
            boot: boot.to_owned(),
            since: self.since,
        }
    }
}

/// Whether this is a whole card; eMMC has boot and other areas beside it (`mmcblk0boot0`).
fn is_card(name: &str) -> bool {
    let number = name.strip_prefix("mmcblk").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// `179 0 mmcblk0 reads merged sectors ms writes merged SECTORS …`
fn sectors_written(stats: &str, name: &str) -> Option<u64> {
    let mut lines = stats.lines().map(str::split_ascii_whitespace);
    lines.find_map(|mut words| (words.nth(2) == Some(name)).then(|| words.nth(6)?.parse().ok())?)
}

fn reading(
    subject: &Arc<Subject>,
    device: &Path,
    written: Option<Written>,
    now: Timestamp,
) -> Reading {
    let read = |file: &str| Root::read_trimmed(&device.join(file));
    let health = Health::of(
        read("life_time").as_deref(),
        read("pre_eol_info").as_deref(),
    );
    let kind = read("type").map(|kind| {
        if kind == "MMC" {
            "eMMC".to_owned()
        } else {
            kind
        }
    });
    let mut reading = Reading::new(subject);
    health.tell(&mut reading);
    if let Some(written) = written.filter(|_| !health.is_known()) {
        endurance::tell(&mut reading, written, now);
    }
    reading
        .with_known(&KIND, kind.as_deref())
        .with_known(&MADE, read("date").as_deref())
        .with_known(&WRITTEN, written.map(|written| figure(written.bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::host::testing::put;
    use crate::model::Value;

    struct Machine {
        dir: tempfile::TempDir,
        host: Host,
        cards: Box<dyn Collect>,
    }

    impl Machine {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let host = Host::captured(dir.path(), Clock::Real);
            let cards = plain(ENTRY, &host);
            Self { dir, host, cards }
        }

        fn file(&self, path: &str, text: &str) {
            put(self.dir.path(), path, text);
        }

        fn card(&self, file: &str, text: &str) {
            self.file(&format!("sys/block/mmcblk0/device/{file}"), text);
        }

        /// What has been written since the boot of this name, in sectors.
        fn wrote(&self, boot: &str, sectors: u64) {
            self.file("proc/sys/kernel/random/boot_id", boot);
            let line = format!(
                "179 1 mmcblk0p1 1 1 1 1 1 1 7 1\n179 0 mmcblk0 1 1 1 1 1 1 {sectors} 1 0\n"
            );
            self.file("proc/diskstats", &line);
        }

        fn told(&mut self, key: &str) -> Option<Value> {
            let readings = self.cards.sample().unwrap();
            assert_eq!(readings.len(), 1);
            assert_eq!(readings[0].subject.key(), "health/disk-0x1234");
            readings[0].value(key).cloned()
        }
    }

    #[test]
    fn emmc_tells_its_wear_in_steps_and_is_judged_by_it() {
        for (life, reserve, want) in [
            ("0x01 0x01", "0x01", (Some((0.0, 10.0)), Some("ok"))),
            ("0x03 0x05", "0x01", (Some((40.0, 50.0)), Some("ok"))),
            ("0x0a 0x01", "0x01", (Some((90.0, 100.0)), Some("watch"))),
            ("0x01 0x0b", "0x01", (Some((100.0, 100.0)), Some("warning"))),
            ("0x01 0x01", "0x02", (Some((0.0, 10.0)), Some("warning"))),
            ("0x0b 0x01", "0x03", (Some((100.0, 100.0)), Some("failing"))),
            ("0x00 0x00", "0x01", (None, Some("ok"))),
            ("0x02", "0x00", (Some((10.0, 20.0)), Some("ok"))),
            ("0x00 0x00", "0x00", (None, None)),
            ("nonsense", "", (None, None)),
            ("0xff 0x01", "0x09", (None, None)),
        ] {
            let mut machine = Machine::new();
            machine.card("serial", "0x1234\n");
            machine.card("life_time", life);
            machine.card("pre_eol_info", reserve);
            let number = |value: Option<Value>| value.and_then(|value| value.as_number());
            let wear = number(machine.told("wear_pct")).zip(number(machine.told("wear_most_pct")));
            let verdict = machine.told("verdict");
            assert_eq!(
                (wear, verdict),
                (want.0, want.1.map(Value::from)),
                "{life} {reserve}"
            );
        }
    }

    #[test]
    fn an_sd_card_tells_what_it_is_and_no_verdict() {
        let mut machine = Machine::new();
        for (file, text) in [("serial", "0x1234"), ("type", "SD"), ("date", "07/2023")] {
            machine.card(file, text);
        }
        assert_eq!(machine.told("kind"), Some(Value::from("SD")));
        assert_eq!(machine.told("made"), Some(Value::from("07/2023")));
        assert_eq!(machine.told("verdict"), None);
        assert_eq!(machine.told("counted_written_bytes"), None);
        machine.card("type", "MMC");
        assert_eq!(machine.told("kind"), Some(Value::from("eMMC")));
    }

    #[test]
    fn what_is_written_is_counted_over_boots_and_restarts() {
        let mut machine = Machine::new();
        machine.card("serial", "0x1234");
        let mib = 2048;
        for (boot, sectors, mebibytes) in [
            ("a", 100 * mib, 100),
            ("a", 130 * mib, 130),
            ("b", 200 * mib, 330),
            // Taken out and put in again.
            ("b", 20 * mib, 350),
            ("b", 120 * mib, 450),
        ] {
            machine.wrote(boot, sectors);
            let told = machine.told("counted_written_bytes").unwrap();
            assert_eq!(told.as_number(), Some(f64::from(mebibytes << 20)));
        }
        // Started anew in the same boot.
        machine.cards = plain(ENTRY, &machine.host);
        machine.wrote("b", 130 * mib);
        let told = machine.told("counted_written_bytes").unwrap();
        assert_eq!(told.as_number(), Some(f64::from(460 << 20)));
        assert_eq!(
            machine.told("estimated_wear_pct"),
            None,
            "its size is not known"
        );
        machine.file("sys/block/mmcblk0/size", "62521344\n");
        let told = machine.told("estimated_wear_pct").unwrap();
        assert!(
            (told.as_number().unwrap() - 0.006_03).abs() < 1e-4,
            "{told:?}"
        );
        machine.file("proc/diskstats", "179 0 mmcblk0 1 1\n");
        assert_eq!(machine.told("counted_written_bytes"), None);
    }

    #[test]
    fn the_end_of_a_card_without_registers_is_estimated_by_what_is_written() {
        let mut machine = Machine::new();
        machine.card("serial", "0x1234");
        machine.file("sys/block/mmcblk0/size", "62521344\n");
        // It was booted a hundred days ago, and a tenth of what it bears was written.
        machine.file("proc/uptime", "8640000.25 1.0\n");
        machine.wrote("a", 62_521_344 * 25);
        let wear = machine.told("estimated_wear_pct").unwrap();
        assert!((wear.as_number().unwrap() - 10.0).abs() < 1e-6);
        assert!(machine.told("estimated_end").is_some());
        machine.cards = plain(ENTRY, &machine.host);
        assert!(machine.told("estimated_end").is_some(), "it is remembered");
        // Its registers are no estimate.
        machine.card("life_time", "0x02 0x01");
        assert_eq!(machine.told("estimated_wear_pct"), None);
        assert!(machine.told("wear_pct").is_some());
    }

    #[test]
    fn only_whole_cards_are_cards_and_a_machine_without_any_lacks_nothing() {
        for (name, is) in [
            ("mmcblk0", true),
            ("mmcblk12", true),
            ("mmcblk0boot0", false),
            ("mmcblk0rpmb", false),
            ("mmcblk", false),
            ("sda", false),
        ] {
            assert_eq!(is_card(name), is, "{name}");
        }
        let mut machine = Machine::new();
        let absent = machine.cards.sample();
        assert!(matches!(absent, Err(CollectError::Absent(_))));
    }
}
