use std::time::Duration;

use crate::collect::read::{figure, need, percent};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Root};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "raid",
    period: Duration::from_secs(10),
    build,
};

static STATE: Metric = Metric::state("state", "State", STATES);
static DEGRADED: Metric = Metric::flag("degraded", "Degraded", FlagMeaning::Problem);
static LEVEL: Metric = Metric::text("level", "Level").diagnostic();
static DEVICES: Metric = Metric::gauge("devices", "Devices", Unit::None).diagnostic();
static UP: Metric = Metric::gauge("devices_up", "Devices that work", Unit::None).diagnostic();
static FAILED: Metric = Metric::gauge("devices_failed", "Failed devices", Unit::None).diagnostic();
static SPARES: Metric = Metric::gauge("spares", "Spares", Unit::None).diagnostic();
static PROGRESS: Metric = Metric::gauge("progress_pct", "Progress", Unit::Percent)
    .decimals(1)
    .dead_band(1.0);
static REMAINING: Metric = Metric::gauge("remaining_s", "Time to go", Unit::Second)
    .dead_band(300.0)
    .diagnostic();
static SPEED: Metric = Metric::gauge("sync_bytes_per_s", "Speed", Unit::BytePerSecond)
    .dead_band(10_485_760.0)
    .diagnostic();
static MISMATCHES: Metric =
    Metric::gauge("mismatched_sectors", "Mismatched sectors", Unit::None).diagnostic();

/// The words of `state`. `rebuilding` has a device missing until it is done; `resyncing` and
/// `checking` have all of them. `failed` has lost more than it can; `inactive` is not started.
const STATES: &[&str] = &[
    "ok",
    "checking",
    "resyncing",
    "rebuilding",
    "degraded",
    "failed",
    "inactive",
];

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Raid {
        root: host.root.clone(),
        file: host.root.keep_proc("mdstat"),
        buffer: Vec::new(),
    })
}

/// Linux software RAID (md): `raid-<array>` each, by `/proc/mdstat` and, for what a check found,
/// sysfs. Containers of a BIOS's RAID, which are no arrays themselves, are left out.
struct Raid {
    root: Root,
    file: KeptFile,
    buffer: Vec<u8>,
}

impl Collect for Raid {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let arrays = parse(need(&mut self.file, &mut self.buffer)?);
        Ok(arrays.iter().map(|array| tell(&self.root, array)).collect())
    }
}

fn tell(root: &Root, array: &Array<'_>) -> Reading {
    let name = array.name;
    let label = format!("RAID {name}");
    let subject = Subject::of_host(Area::Health, &format!("raid-{name}"), &label);
    let mismatches = root.sys(&format!("block/{name}/md/mismatch_cnt"));
    let mismatches = Root::read_trimmed(&mismatches).and_then(|text| text.parse().ok());
    let of = |number: Option<u64>| number.map(figure);
    let work = array.work.as_ref();
    Reading::new(&subject)
        .with(&STATE, array.state())
        .with(&DEGRADED, !array.is_whole())
        .with_known(&LEVEL, array.level)
        .with_known(&DEVICES, of(array.devices.map(|(all, _)| all)))
        .with_known(&UP, of(array.devices.map(|(_, up)| up)))
        .with(&FAILED, figure(array.failed))
        .with(&SPARES, figure(array.spares))
        .with_known(&PROGRESS, work.and_then(|work| work.progress))
        .with_known(
            &REMAINING,
            work.and_then(|work| work.minutes).map(|m| m * 60.0),
        )
        .with_known(
            &SPEED,
            work.and_then(|work| work.kib_per_s).map(|k| k * 1024.0),
        )
        .with_known(&MISMATCHES, of(mismatches))
}

/// One array of mdstat.
#[derive(Debug, Default, PartialEq)]
struct Array<'a> {
    name: &'a str,
    is_active: bool,
    /// The kernel has given it up.
    is_broken: bool,
    level: Option<&'a str>,
    /// How many it should have, and how many of them work.
    devices: Option<(u64, u64)>,
    failed: u64,
    spares: u64,
    work: Option<Work<'a>>,
    is_container: bool,
}

/// What is being done to all of an array.
#[derive(Debug, PartialEq)]
struct Work<'a> {
    what: &'a str,
    /// %; not known while it waits for another one.
    progress: Option<f64>,
    minutes: Option<f64>,
    kib_per_s: Option<f64>,
}

impl Array<'_> {
    fn missing(&self) -> u64 {
        self.devices.map_or(0, |(all, up)| all.saturating_sub(up))
    }

    /// Whether every device that it should have works.
    fn is_whole(&self) -> bool {
        self.is_active && !self.is_broken && self.missing() == 0
    }

    /// Whether more is lost than its level can lose. Of RAID 10 that depends on which.
    fn is_lost(&self) -> bool {
        let (all, up) = self.devices.unwrap_or_default();
        let spare = match self.level {
            Some("raid4" | "raid5") => 1,
            Some("raid6") => 2,
            Some("raid1" | "raid10") => all.saturating_sub(1),
            _ => 0,
        };
        self.is_broken || all.saturating_sub(up) > spare
    }

    fn state(&self) -> &'static str {
        let what = self.work.as_ref().map(|work| work.what);
        match what {
            _ if self.is_lost() => "failed",
            _ if !self.is_active => "inactive",
            Some("recovery" | "reshape" | "resync") if self.missing() > 0 => "rebuilding",
            _ if self.missing() > 0 => "degraded",
            Some("check" | "repair") => "checking",
            Some("recovery" | "reshape") => "rebuilding",
            Some("resync") => "resyncing",
            _ => "ok",
        }
    }
}

fn parse(text: &str) -> Vec<Array<'_>> {
    let mut arrays: Vec<Array<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(array) = head(line) {
            arrays.push(array);
        } else if line.starts_with([' ', '\t'])
            && let Some(array) = arrays.last_mut()
        {
            array.is_container |= line.contains("super external:") && !array.is_active;
            array.devices = array.devices.or_else(|| devices(line));
            array.work = array.work.take().or_else(|| work(line));
        }
    }
    arrays.retain(|array| !array.is_container);
    arrays
}

/// `md0 : active (auto-read-only) raid1 sdb1[1] sda1[0](F)`.
fn head(line: &str) -> Option<Array<'_>> {
    let (name, rest) = line.split_once(" : ")?;
    if !name.starts_with("md") || name.contains(' ') {
        return None;
    }
    let mut words = rest
        .split_ascii_whitespace()
        .filter(|word| !word.starts_with('('));
    let state = words.next()?;
    let mut array = Array {
        name,
        is_active: state != "inactive",
        is_broken: state == "broken",
        ..Array::default()
    };
    for word in words {
        let Some((_, marks)) = word.split_once('[') else {
            array.level = array.level.or(Some(word));
            continue;
        };
        array.failed += u64::from(marks.contains("(F)"));
        array.spares += u64::from(marks.contains("(S)"));
    }
    Some(array)
}

/// `… [3/2] [U_U]`: how many there should be, and how many work.
fn devices(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    words.find_map(|word| {
        let (all, up) = word.strip_prefix('[')?.strip_suffix(']')?.split_once('/')?;
        Some((all.parse().ok()?, up.parse().ok()?))
    })
}

/// `[=>…]  recovery = 12.6% (370/2930) finish=127.5min speed=33440K/sec`, or `resync=DELAYED`.
fn work(line: &str) -> Option<Work<'_>> {
    const WORKS: [&str; 5] = ["recovery", "resync", "reshape", "check", "repair"];
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let what = WORKS.into_iter().find(|what| {
        let is = |word: &&str| word.split('=').next() == Some(what);
        words.iter().any(is)
    })?;
    let after = |key: &str, end: &str| {
        let found = words
            .iter()
            .find_map(|word| word.strip_prefix(key)?.strip_suffix(end));
        found.and_then(|number| number.parse::<f64>().ok())
    };
    // The kernel's percentage has one digit; its blocks are exact.
    let blocks = words.iter().find_map(|word| {
        let (done, all) = word.strip_prefix('(')?.strip_suffix(')')?.split_once('/')?;
        percent(done.parse().ok()?, all.parse().ok()?)
    });
    Some(Work {
        what,
        progress: blocks,
        minutes: after("finish=", "min"),
        kib_per_s: after("speed=", "K/sec"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Clock;
    use crate::model::Value;

    /// State and whether it is degraded, of the one array in `text`.
    fn stands(text: &str) -> (&'static str, bool) {
        let arrays = parse(text);
        assert_eq!(arrays.len(), 1, "{text}");
        (arrays[0].state(), !arrays[0].is_whole())
    }

    const RECOVERY: &str = "[=>..] recovery = 12.6% (126/1000) finish=1.5min speed=10K/sec";

    /// Head, devices, work; the state, and whether it is degraded.
    type Case = (
        &'static str,
        &'static str,
        &'static str,
        (&'static str, bool),
    );
    const CASES: &[Case] = &[
        (
            "active raid1 sdb1[1] sda1[0]",
            "[2/2] [UU]",
            "",
            ("ok", false),
        ),
        (
            "active raid1 sdb1[1] sda1[0](F)",
            "[2/1] [_U]",
            "",
            ("degraded", true),
        ),
        (
            "active raid1 sdb1[1] sda1[0]",
            "[2/1] [_U]",
            RECOVERY,
            ("rebuilding", true),
        ),
        (
            "active raid1 sdb1[1] sda1[0]",
            "[2/1] [_U]",
            "recovery=DELAYED",
            ("rebuilding", true),
        ),
        (
            "active raid5 a[0] b[1] c[2]",
            "[3/3] [UUU]",
            "[>] reshape = 1% (1/100)",
            ("rebuilding", false),
        ),
        (
            "active raid1 a[0] b[1]",
            "[2/2] [UU]",
            "resync=PENDING",
            ("resyncing", false),
        ),
        (
            "active raid1 a[0] b[1]",
            "[2/2] [UU]",
            "[>] check = 1% (1/100)",
            ("checking", false),
        ),
        (
            "active raid1 a[0] b[1]",
            "[2/1] [U_]",
            "[>] check = 1% (1/100)",
            ("degraded", true),
        ),
        (
            "active raid5 a[0] b[1](F) c[2](F)",
            "[3/1] [U__]",
            "",
            ("failed", true),
        ),
        (
            "active raid6 a[0] b[1]",
            "[4/2] [UU__]",
            "",
            ("degraded", true),
        ),
        ("active raid6 a[0]", "[4/1] [U___]", "", ("failed", true)),
        (
            "active raid10 a[0] b[1]",
            "[4/2] [U_U_]",
            "",
            ("degraded", true),
        ),
        ("active raid0 a[0] b[1]", "512k chunks", "", ("ok", false)),
        (
            "broken raid0 a[0] b[1]",
            "512k chunks",
            "",
            ("failed", true),
        ),
        ("inactive sdd1[0](S)", "", "", ("inactive", true)),
        (
            "active (auto-read-only) raid1 a[0] b[1]",
            "[2/2] [UU]",
            "",
            ("ok", false),
        ),
    ];

    #[test]
    fn how_an_array_stands_follows_from_its_level_and_what_is_missing() {
        let lines = |head: &str, devices: &str, work: &str| {
            format!("md0 : {head}\n      1024 blocks super 1.2 {devices}\n      {work}\n      \n")
        };
        for &(head, devices, work, want) in CASES {
            let text = lines(head, devices, work);
            assert_eq!(stands(&text), want, "{text}");
            assert!(STATES.contains(&want.0));
        }
    }

    #[test]
    fn only_arrays_are_arrays() {
        let text = "Personalities : [raid1]\nmd127 : inactive sda[1](S) sdb[0](S)\n      \
                    5 blocks super external:imsm\n\nunused devices: <none>\n";
        assert_eq!(parse(text), []);
        for text in [
            "",
            "      [2/1] [U_]",
            "md0 : ",
            "md0 has : a blank",
            "garbage \u{fffd}",
        ] {
            assert_eq!(parse(text), [], "{text}");
        }
        // Half a line is told as far as it goes.
        let arrays =
            parse("md0 : active raid1 a[0]\n   1 blocks [2/x] [U\n  recovery = (1/0) finish=x");
        assert_eq!((arrays[0].devices, arrays[0].state()), (None, "rebuilding"));
        let work = arrays[0].work.as_ref().unwrap();
        assert_eq!(
            (work.progress, work.minutes, work.kib_per_s),
            (None, None, None)
        );
    }

    #[test]
    fn an_array_s_figures_are_told_and_a_machine_without_any_lacks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let md = dir.path().join("sys/block/md0/md");
        std::fs::create_dir_all(&md).unwrap();
        std::fs::create_dir_all(dir.path().join("proc")).unwrap();
        let problems = crate::config::Problems::default();
        let table = config::Value::default();
        let section = Section::new("collect.raid".to_owned(), table, &problems);
        let host = Host::captured(dir.path(), Clock::Real);
        let mut raid = build(&host, section);
        assert!(matches!(raid.sample(), Err(CollectError::Absent(_))));
        std::fs::write(md.join("mismatch_cnt"), "128\n").unwrap();
        let text = "md0 : active raid5 sdd1[4](S) sdc1[3] sdb1[1] sda1[0](F)\n      \
                    1 blocks level 5, 512k chunk, algorithm 2 [3/2] [_UU]\n      \
                    [==>...]  recovery = 12.6% (126/1000) finish=2.5min speed=2K/sec\n";
        std::fs::write(dir.path().join("proc/mdstat"), text).unwrap();
        let readings = raid.sample().unwrap();
        assert_eq!(readings.len(), 1);
        assert_eq!(readings[0].subject.key(), "health/raid-md0");
        for (key, want) in [
            ("degraded", 1.0),
            ("devices", 3.0),
            ("devices_up", 2.0),
            ("devices_failed", 1.0),
            ("spares", 1.0),
            ("progress_pct", 12.6),
            ("remaining_s", 150.0),
            ("sync_bytes_per_s", 2048.0),
            ("mismatched_sectors", 128.0),
        ] {
            assert_eq!(
                readings[0].value(key).and_then(Value::as_number),
                Some(want),
                "{key}"
            );
        }
        assert_eq!(readings[0].value("state"), Some(&Value::from("rebuilding")));
        assert_eq!(readings[0].value("level"), Some(&Value::from("raid5")));
    }
}
