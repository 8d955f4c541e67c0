use super::mdstat::parse;
use super::*;
use crate::collect::testing::plain;
use crate::host::Clock;
use crate::model::Value;

/// State and whether it is degraded, of the one array in `text`.
fn stands(text: &str) -> (&'static str, Option<bool>) {
    let arrays = parse(text);
    assert_eq!(arrays.len(), 1, "{text}");
    (arrays[0].state(), arrays[0].is_degraded())
}

const RECOVERY: &str = "[=>..] recovery = 12.6% (126/1000) finish=1.5min speed=10K/sec";

/// Head, devices, work; the state, and whether it is degraded.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    (&'static str, Option<bool>),
);
const CASES: &[Case] = &[
    (
        "active raid1 sdb1[1] sda1[0]",
        "[2/2] [UU]",
        "",
        ("ok", Some(false)),
    ),
    (
        "active raid1 sdb1[1] sda1[0](F)",
        "[2/1] [_U]",
        "",
        ("degraded", Some(true)),
    ),
    (
        "active raid1 sdb1[1] sda1[0]",
        "[2/1] [_U]",
        RECOVERY,
        ("rebuilding", Some(true)),
    ),
    (
        "active raid1 sdb1[1] sda1[0]",
        "[2/1] [_U]",
        "recovery=DELAYED",
        ("rebuilding", Some(true)),
    ),
    (
        "active raid5 a[0] b[1] c[2]",
        "[3/3] [UUU]",
        "[>] reshape = 1% (1/100)",
        ("rebuilding", Some(false)),
    ),
    (
        "active raid1 a[0] b[1]",
        "[2/2] [UU]",
        "resync=PENDING",
        ("resyncing", Some(false)),
    ),
    (
        "active raid1 a[0] b[1]",
        "[2/2] [UU]",
        "[>] check = 1% (1/100)",
        ("checking", Some(false)),
    ),
    (
        "active raid1 a[0] b[1]",
        "[2/1] [U_]",
        "[>] check = 1% (1/100)",
        ("degraded", Some(true)),
    ),
    (
        "active raid5 a[0] b[1](F) c[2](F)",
        "[3/1] [U__]",
        "",
        ("failed", Some(true)),
    ),
    (
        "active raid6 a[0] b[1]",
        "[4/2] [UU__]",
        "",
        ("degraded", Some(true)),
    ),
    (
        "active raid6 a[0]",
        "[4/1] [U___]",
        "",
        ("failed", Some(true)),
    ),
    (
        "active raid10 a[0] b[1]",
        "[4/2] [U_U_]",
        "",
        ("degraded", Some(true)),
    ),
    (
        "active raid0 a[0] b[1]",
        "512k chunks",
        "",
        ("ok", Some(false)),
    ),
    (
        "broken raid0 a[0] b[1]",
        "512k chunks",
        "",
        ("failed", Some(true)),
    ),
    ("inactive sdd1[0](S)", "", "", ("inactive", None)),
    (
        "active (auto-read-only) raid1 a[0] b[1]",
        "[2/2] [UU]",
        "",
        ("ok", Some(false)),
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
    // One inside a container that was not started is an array, and in trouble.
    for inside in ["/md127/0", "-md127/0"] {
        let text = text.replace("imsm", inside);
        assert_eq!(parse(&text)[0].state(), "inactive", "{inside}");
    }
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
fn figures_that_cannot_be_are_left_out() {
    for (figures, want) in [
        (
            "(100/100) finish=0.0min speed=0K/sec",
            [Some(100.0), Some(0.0), Some(0.0)],
        ),
        ("(300/100) finish=-1min speed=-1K/sec", [None; 3]),
        ("(0/0) finish=NaNmin speed=infK/sec", [None; 3]),
    ] {
        let text =
            format!("md0 : active raid1 a[0]\n  1 blocks [2/1] [U_]\n  recovery = 9% {figures}");
        let arrays = parse(&text);
        let work = arrays[0].work.as_ref().unwrap();
        let told = [work.progress, work.minutes, work.kib_per_s];
        assert_eq!(told, want, "{figures}");
    }
}

#[test]
fn an_array_s_figures_are_told_and_a_machine_without_any_lacks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let md = dir.path().join("sys/block/md0/md");
    std::fs::create_dir_all(&md).unwrap();
    std::fs::create_dir_all(dir.path().join("proc")).unwrap();
    let host = Host::captured(dir.path(), Clock::Real);
    let mut raid = plain(ENTRY, &host);
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

#[test]
fn a_check_that_was_seen_to_end_has_an_age_and_bad_blocks_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let md = dir.path().join("sys/block/md0/md");
    for (device, list) in [("dev-sda", "100 8\n200 1\n"), ("dev-sdb", "")] {
        fs::create_dir_all(md.join(device)).unwrap();
        fs::write(md.join(device).join("bad_blocks"), list).unwrap();
    }
    fs::create_dir_all(dir.path().join("proc")).unwrap();
    fs::write(md.join("uuid"), "4a1c-77\n").unwrap();
    let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let host = Host::captured(dir.path(), Clock::set_to(start));
    let made = || plain(ENTRY, &host);
    let says = |work: &str| {
        let text =
            format!("md0 : active raid1 sdb[1] sda[0]\n      1 blocks [2/2] [UU]\n      {work}\n");
        fs::write(dir.path().join("proc/fresh"), text).unwrap();
        fs::rename(
            dir.path().join("proc/fresh"),
            dir.path().join("proc/mdstat"),
        )
        .unwrap();
    };
    let mut raid = made();
    let age = |raid: &mut Box<dyn Collect>, days: i64| {
        host.clock
            .set(start + jiff::SignedDuration::from_hours(24 * days));
        let reading = raid.sample().unwrap().remove(0);
        assert_eq!(
            reading.value("bad_blocks").and_then(Value::as_number),
            Some(9.0)
        );
        reading.value("scrub_age_s").and_then(Value::as_number)
    };
    says("");
    assert_eq!(age(&mut raid, 0), None);
    says("[>] check = 1% (1/100)");
    assert_eq!(age(&mut raid, 1), None);
    says("");
    assert_eq!(age(&mut raid, 2), Some(0.0));
    assert_eq!(age(&mut raid, 3), Some(86_400.0));
    let mut raid = made();
    assert_eq!(age(&mut raid, 4), Some(172_800.0));
}

/// A machine with these arrays in `mdstat`, in the boot `boot`.
struct Arrays {
    dir: tempfile::TempDir,
    host: Host,
    raid: Box<dyn Collect>,
}

impl Arrays {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("proc/sys/kernel/random")).unwrap();
        let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let host = Host::captured(dir.path(), Clock::set_to(start));
        let raid = plain(ENTRY, &host);
        let mut arrays = Self { dir, host, raid };
        arrays.boot("one");
        arrays
    }

    /// The machine, and with it homewatch, is started anew.
    fn boot(&mut self, id: &str) {
        let path = self.dir.path().join("proc/sys/kernel/random/boot_id");
        fs::write(path, id).unwrap();
        self.raid = plain(ENTRY, &self.host);
    }

    fn uuid(&self, name: &str, uuid: &str) {
        let folder = self.dir.path().join(format!("sys/block/{name}/md"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("uuid"), uuid).unwrap();
    }

    /// The kernel knows of no arrays at all.
    fn gone(&self) {
        fs::remove_file(self.dir.path().join("proc/mdstat")).unwrap();
    }

    /// What is told once these are all that run, so many minutes later.
    fn with(&mut self, names: &[&str], minutes: i64) -> Vec<(String, Value, Option<Value>)> {
        let now = self.host.clock.now() + jiff::SignedDuration::from_mins(minutes);
        self.host.clock.set(now);
        let line =
            |name: &&str| format!("{name} : active raid1 sdb[1]\n      1 blocks [2/1] [_U]\n");
        let text: String = names.iter().map(line).collect();
        fs::write(self.dir.path().join("proc/fresh"), text).unwrap();
        let (from, to) = ("proc/fresh", "proc/mdstat");
        fs::rename(self.dir.path().join(from), self.dir.path().join(to)).unwrap();
        self.told()
    }

    fn told(&mut self) -> Vec<(String, Value, Option<Value>)> {
        let readings = self.raid.sample().unwrap();
        let told = readings.iter().map(|reading| {
            let state = reading.value("state").unwrap().clone();
            let degraded = reading.value("degraded").cloned();
            (reading.subject.id.clone(), state, degraded)
        });
        told.collect()
    }
}

#[test]
fn an_array_that_somebody_stops_is_told_to_be_stopped_and_then_forgotten() {
    let row = |id: &str, state: &str, degraded: bool| {
        (
            id.to_owned(),
            Value::from(state),
            Some(Value::Flag(degraded)),
        )
    };
    let (runs, stopped) = (
        row("raid-md0", "degraded", true),
        row("raid-md0", "stopped", false),
    );
    let other = row("raid-md1", "degraded", true);
    let mut arrays = Arrays::new();
    assert_eq!(
        arrays.with(&["md0", "md1"], 0),
        [runs.clone(), other.clone()]
    );
    assert_eq!(arrays.with(&["md1"], 1), [other.clone(), stopped.clone()]);
    // Also if homewatch is started anew meanwhile.
    arrays.raid = plain(ENTRY, &arrays.host);
    assert_eq!(arrays.with(&["md1"], 1), [other.clone(), stopped]);
    assert_eq!(arrays.with(&["md1"], 10), std::slice::from_ref(&other));
    // One that is started again is like any other.
    assert_eq!(
        arrays.with(&["md0"], 1),
        [runs.clone(), row("raid-md1", "stopped", false)]
    );
    assert_eq!(arrays.with(&["md0", "md1"], 1), [runs.clone(), other]);
    // After a boot nobody has stopped it: it was not found.
    arrays.boot("two");
    let missing = |id: &str| (id.to_owned(), Value::from("missing"), None);
    assert_eq!(arrays.with(&["md0"], 1), [runs, missing("raid-md1")]);
}

#[test]
fn an_array_that_is_not_there_after_a_boot_is_missing_until_it_is_seen() {
    let states = |told: Vec<(String, Value, Option<Value>)>| {
        let told = told
            .into_iter()
            .map(|(id, state, _)| format!("{id} {state:?}"));
        let told: Vec<String> = told.filter(|one| one.contains("missing")).collect();
        told.join(" ")
    };
    let mut arrays = Arrays::new();
    let day = 24 * 60;
    arrays.with(&["md0", "md1"], 0);
    // What is stopped by somebody is not missing after the next boot.
    arrays.with(&["md0"], 1);
    arrays.boot("two");
    arrays.gone();
    let missing = "raid-md0 Text(\"missing\")";
    assert_eq!(states(arrays.told()), missing, "also without any driver");
    assert_eq!(states(arrays.with(&[], 29 * day)), missing);
    arrays.boot("three");
    assert_eq!(states(arrays.with(&[], 0)), missing);
    assert_eq!(
        states(arrays.with(&[], day)),
        "",
        "nobody misses it any more"
    );
    arrays.gone();
    assert!(arrays.raid.sample().is_err());
    // It comes late, as itself or under another name.
    for name in ["md0", "md127"] {
        arrays.with(&["md0"], 0);
        arrays.boot(name);
        assert_eq!(states(arrays.with(&[], 0)), missing);
        assert_eq!(states(arrays.with(&[name], 1)), "");
        assert_eq!(states(arrays.with(&[], 1)), "", "it was stopped");
    }
    // By its UUID it is known under any name.
    arrays.uuid("md0", "a");
    arrays.with(&["md0"], 0);
    arrays.boot("last");
    arrays.uuid("md9", "b");
    assert_eq!(states(arrays.with(&["md9"], 0)), missing);
    arrays.uuid("md8", "a");
    assert_eq!(states(arrays.with(&["md9", "md8"], 0)), "");
}
