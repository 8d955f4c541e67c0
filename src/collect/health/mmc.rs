use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::smart::{Level, Verdict, WEAR, judged};
use crate::collect::read::figure;
use crate::collect::{Collect, CollectError, Disk, Entry};
use crate::config::Section;
use crate::host::{Host, Memory, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "mmc",
    period: Duration::from_mins(1),
    build,
};

static WEAR_MOST: Metric =
    Metric::gauge("wear_most_pct", "Wear at most", Unit::Percent).diagnostic();
static RESERVE: Metric = Metric::state("reserve", "Spare blocks", RESERVES).diagnostic();
static KIND: Metric = Metric::text("kind", "Kind").diagnostic();
static MADE: Metric = Metric::text("made", "Made").diagnostic();
static WRITTEN: Metric = Metric::total("counted_written_bytes", "Written since seen", Unit::Byte)
    .dead_band(104_857_600.0)
    .diagnostic();

/// The words of `reserve`: 80 % of the spare blocks are used up at `warning`, 90 % at `urgent`
/// (JEDEC JESD84-B51, `PRE_EOL_INFO`).
const RESERVES: &[&str] = &["normal", "warning", "urgent"];
/// The kernel counts in these.
const SECTOR: u64 = 512;
/// What was written is kept when it has grown by this, bytes: cards suffer from small writes.
const KEPT_EVERY: u64 = 64 << 20;

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Cards {
        root: host.root.clone(),
        memory: host.memory.clone(),
        counts: BTreeMap::new(),
    })
}

/// eMMC and SD cards: `disk-<disk>` each. eMMC tells its wear in steps of 10 %; an SD card tells
/// none, so it has no verdict. What is written to them is counted from when they were first seen.
struct Cards {
    root: Root,
    memory: Memory,
    counts: BTreeMap<String, Count>,
}

impl Collect for Cards {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let entries = fs::read_dir(self.root.sys("block")).into_iter().flatten();
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut cards: Vec<String> = names
            .filter_map(|name| name.into_string().ok())
            .filter(|name| is_card(name))
            .collect();
        if cards.is_empty() {
            return Err(CollectError::Absent("no eMMC or SD card".to_owned()));
        }
        cards.sort();
        let boot = Root::read_trimmed(&self.root.proc("sys/kernel/random/boot_id"));
        let stats = Root::read(&self.root.proc("diskstats")).unwrap_or_default();
        let readings = cards.iter().map(|name| {
            let disk = Disk::identify(&self.root, name);
            let written = sectors_written(&stats, name).zip(boot.as_deref());
            let total = written.map(|(sectors, boot)| {
                let now = sectors.saturating_mul(SECTOR);
                self.count(&disk.id, boot, now)
            });
            tell(&self.root, name, &disk, total)
        });
        Ok(readings.collect())
    }
}

impl Cards {
    /// Bytes written since the card was first seen, the kernel's count of this boot being `now`.
    fn count(&mut self, id: &str, boot: &str, now: u64) -> u64 {
        let key = format!("mmc/{id}");
        let count = match self.counts.get(id) {
            Some(count) => count.clone(),
            None => self.memory.get(&key).unwrap_or_default(),
        };
        let next = count.after(boot, now);
        let kept: Count = self.memory.get(&key).unwrap_or_default();
        if kept.boot != next.boot || next.total.saturating_sub(kept.total) >= KEPT_EVERY {
            self.memory.put(&key, &next);
        }
        let total = next.total;
        self.counts.insert(id.to_owned(), next);
        total
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

fn tell(root: &Root, name: &str, disk: &Disk, total: Option<u64>) -> Reading {
    let id = format!("disk-{}", disk.id);
    let subject = Subject::of_device(Area::Health, &id, &disk.label, disk.device.clone());
    reading(&subject, &root.sys(&format!("block/{name}/device")), total)
}

fn reading(subject: &Arc<Subject>, device: &Path, total: Option<u64>) -> Reading {
    let read = |file: &str| Root::read_trimmed(&device.join(file));
    let life = read("life_time").as_deref().and_then(life);
    let reserve = read("pre_eol_info").as_deref().and_then(step);
    let reserve = reserve
        .and_then(|step| step.checked_sub(1))
        .filter(|place| *place < RESERVES.len());
    let kind = read("type").map(|kind| {
        if kind == "MMC" {
            "eMMC".to_owned()
        } else {
            kind
        }
    });
    let mut reading = Reading::new(subject);
    if life.is_some() || reserve.is_some() {
        let verdict = judge(life, reserve.unwrap_or_default());
        judged(&mut reading, &verdict);
    }
    reading
        .with_known(&WEAR, life.map(|(least, _)| figure(least)))
        .with_known(&WEAR_MOST, life.map(|(_, most)| figure(most)))
        .with_known(
            &RESERVE,
            reserve.and_then(|place| RESERVES.get(place).copied()),
        )
        .with_known(&KIND, kind.as_deref())
        .with_known(&MADE, read("date").as_deref())
        .with_known(&WRITTEN, total.map(figure))
}

/// How the card stands: its wear in % from and to, and the place of its reserve in [`RESERVES`].
fn judge(life: Option<(u64, u64)>, reserve: usize) -> Verdict {
    let mut found = Vec::new();
    match reserve {
        0 => {}
        1 => found.push((
            Level::Warning,
            "80 % of its spare blocks are used up".to_owned(),
        )),
        _ => found.push((
            Level::Failing,
            "90 % of its spare blocks are used up".to_owned(),
        )),
    }
    match life {
        Some((100.., _)) => {
            found.push((Level::Warning, "its rated life is used up".to_owned()));
        }
        Some((least @ 90.., _)) => {
            found.push((
                Level::Watch,
                format!("{least} % of its rated life are used up"),
            ));
        }
        _ => {}
    }
    Verdict::by(found)
}

/// `0x01`
fn step(text: &str) -> Option<usize> {
    usize::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// `0x01 0x02`: two kinds of blocks; 1 is 0–10 % of the life, … 11 is more than all of it. The
/// worse counts.
fn life(text: &str) -> Option<(u64, u64)> {
    let steps = text.split_ascii_whitespace().filter_map(step);
    match steps.max()? {
        step @ 1..=10 => {
            let most = u64::try_from(step).ok()? * 10;
            Some((most - 10, most))
        }
        11 => Some((100, 100)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;
    use crate::host::Clock;
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
            let cards = made(&host);
            Self { dir, host, cards }
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
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

    fn made(host: &Host) -> Box<dyn Collect> {
        let problems = Problems::default();
        let table = config::Value::default();
        build(
            host,
            Section::new("collect.mmc".to_owned(), table, &problems),
        )
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
        machine.cards = made(&machine.host);
        machine.wrote("b", 130 * mib);
        let told = machine.told("counted_written_bytes").unwrap();
        assert_eq!(told.as_number(), Some(f64::from(460 << 20)));
        machine.file("proc/diskstats", "179 0 mmcblk0 1 1\n");
        assert_eq!(machine.told("counted_written_bytes"), None);
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
