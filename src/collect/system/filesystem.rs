use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::mounts::{self, Mount};
use crate::collect::read::{figure, percent};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Memory, Root, is_shut_down};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit, slug};

/// 64 MiB: less is not worth a message.
const QUIET: f64 = 67_108_864.0;

static USED_PCT: Metric = Metric::gauge("used_pct", "Used", Unit::Percent)
    .decimals(1)
    .dead_band(0.5);
static FREE: Metric = Metric::gauge("free_bytes", "Free", Unit::Byte).dead_band(QUIET);
static USED: Metric = Metric::gauge("used_bytes", "In use", Unit::Byte)
    .dead_band(QUIET)
    .diagnostic();
static SIZE: Metric = Metric::gauge("size_bytes", "Size", Unit::Byte).diagnostic();
static INODES: Metric = Metric::gauge("inodes_used_pct", "Inodes used", Unit::Percent)
    .decimals(1)
    .dead_band(1.0)
    .diagnostic();
static ERRORS: Metric =
    Metric::gauge("errors", "Errors found by the kernel", Unit::None).diagnostic();
static ERROR_AT: Metric = Metric::moment("error_at", "Last error").diagnostic();
static READ_ONLY: Metric =
    Metric::flag("read_only", "Read-only", FlagMeaning::Problem).diagnostic();

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "filesystem",
    period: Duration::from_secs(30),
    build,
};

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let network = section.flag("network").unwrap_or(false);
    let exclude = section.texts("exclude").unwrap_or_default();
    section.finish();
    Box::new(Filesystem {
        root: host.root.clone(),
        memory: host.memory.clone(),
        network,
        exclude: exclude.into_iter().map(PathBuf::from).collect(),
        subjects: HashMap::new(),
    })
}

/// How full each filesystem is: `fs-<mount point>`, where `/` is `fs-root`.
struct Filesystem {
    root: Root,
    memory: Memory,
    network: bool,
    exclude: Vec<PathBuf>,
    subjects: HashMap<PathBuf, Arc<Subject>>,
}

impl Collect for Filesystem {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let mut mounts = mounts::read(&self.root, self.network)?;
        mounts.retain(|mount| !self.exclude.contains(&mount.point));
        Ok(mounts
            .iter()
            .filter_map(|mount| {
                let subject = self.subject(mount);
                let (mut reading, is_shut_down) = measure(&self.root, mount, &subject)?;
                let errors = self.tell_errors(mount, &mut reading);
                let is_stopped = is_shut_down
                    || self.has_failed(mount)
                    || errors.is_some_and(|errors| self.has_stopped(mount, errors));
                reading.push(&READ_ONLY, Some(mount.read_only || is_stopped));
                Some(reading)
            })
            .collect())
    }
}

impl Filesystem {
    /// Its subject; a second one of the same slug (`/mnt/a b` beside `/mnt/a-b`) is numbered.
    fn subject(&mut self, mount: &Mount) -> Arc<Subject> {
        if let Some(subject) = self.subjects.get(&mount.point) {
            return Arc::clone(subject);
        }
        let point = mount.point.display().to_string();
        let plain = match point.as_str() {
            "/" => "fs-root".to_owned(),
            other => format!("fs-{}", slug(other)),
        };
        let is_taken = |id: &str| self.subjects.values().any(|subject| subject.id == id);
        let mut id = plain.clone();
        let mut number = 1;
        while is_taken(&id) {
            number += 1;
            id = format!("{plain}-{number}");
        }
        let subject = Subject::of_host(Area::Health, &id, &point);
        self.subjects
            .insert(mount.point.clone(), Arc::clone(&subject));
        subject
    }

    /// ext4 keeps what errors it has met since it was last checked; no other filesystem of Linux
    /// tells them without being asked by root.
    fn tell_errors(&self, mount: &Mount, reading: &mut Reading) -> Option<u32> {
        if !mount.kind.starts_with("ext") {
            return None;
        }
        let device = mount.device(&self.root)?;
        let read = |file: &str| {
            let path = format!("fs/ext4/{device}/{file}");
            Root::read_trimmed(&self.root.sys(&path))
        };
        let errors = read("errors_count").and_then(|text| text.parse::<u32>().ok());
        reading.push(&ERRORS, errors.map(f64::from));
        let at = read("last_error_time").and_then(|text| text.parse().ok());
        let at = at
            .filter(|at| *at > 0)
            .and_then(|at| Timestamp::from_second(at).ok());
        reading.push(&ERROR_AT, at);
        errors
    }

    /// Whether an F2FS has met an error after which it takes no more writes.
    fn has_failed(&self, mount: &Mount) -> bool {
        /// `CP_ERROR_FLAG`, as the kernel documents it.
        const FAILED: u32 = 0x8;
        let device = mount.device(&self.root).filter(|_| mount.kind == "f2fs");
        let status = device.and_then(|device| {
            let path = format!("fs/f2fs/{device}/stat/cp_status");
            let text = Root::read_trimmed(&self.root.sys(&path))?;
            u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
        });
        status.is_some_and(|bits| bits & FAILED != 0)
    }

    /// Whether an ext4 with so many `errors` takes no more writes because of one of them. Since 2024
    /// kernels go on to call it writable then (6.1 and 6.12 among them; later ones say
    /// `emergency_ro`), so it follows from a new error and from what it is to do on one.
    fn has_stopped(&self, mount: &Mount, errors: u32) -> bool {
        let key = format!("filesystem/{}", mount.point.display());
        let boot = self.root.boot();
        let is_same = |began: &Began| began.boot == boot && began.mount == mount.number;
        let began = self
            .memory
            .get(&key)
            .filter(is_same)
            .filter(|began| began.errors <= errors);
        let Some(began) = began else {
            let mount = mount.number.clone();
            self.memory.put(
                &key,
                &Began {
                    boot,
                    mount,
                    errors,
                },
            );
            return false;
        };
        let options = mount.device(&self.root).map(|device| {
            let path = self.root.proc(&format!("fs/ext4/{device}/options"));
            Root::read(&path).unwrap_or_default()
        });
        let stops =
            options.is_some_and(|text| text.lines().any(|line| line == "errors=remount-ro"));
        stops && errors > began.errors
    }
}

/// How many errors an ext4 had when a mount of it was first seen.
#[derive(Serialize, Deserialize)]
struct Began {
    boot: String,
    mount: String,
    errors: u32,
}

/// The figures of one filesystem, and whether the kernel has shut it down; `None` if it is not to be
/// reached from here.
fn measure(root: &Root, mount: &Mount, subject: &Arc<Subject>) -> Option<(Reading, bool)> {
    let mut detail = Map::from_iter([
        ("mount".to_owned(), mount.point.display().to_string().into()),
        ("filesystem".to_owned(), mount.kind.clone().into()),
    ]);
    let space = match root.space(&mount.point) {
        Ok(space) => space,
        Err(error) if is_shut_down(&error) => {
            let text = "the kernel has shut it down after an error: unmount it, check its disk and \
                        repair it";
            detail.insert("trouble".to_owned(), text.into());
            let mut reading = Reading::new(subject);
            reading.detail = Some(detail);
            return Some((reading, true));
        }
        Err(error) => {
            let point = mount.point.display();
            tracing::debug!(%point, source = mount.source, "cannot be measured: {error}");
            return None;
        }
    };
    let unit = space.block_size;
    let size = space.blocks.saturating_mul(unit);
    let used = size.saturating_sub(space.blocks_free.saturating_mul(unit));
    let free = space.blocks_available.saturating_mul(unit);
    let inodes = space.inodes.saturating_sub(space.inodes_free);
    let mut reading = Reading::new(subject)
        // As df counts: what root may use on top is neither used nor free.
        .with_known(&USED_PCT, percent(used, used.saturating_add(free)))
        .with(&FREE, figure(free))
        .with(&USED, figure(used))
        .with(&SIZE, figure(size))
        .with_known(&INODES, percent(inodes, space.inodes));
    reading.detail = Some(detail);
    Some((reading, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::host::testing::put;
    use crate::model::Value;

    #[test]
    fn the_errors_that_ext4_has_met_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| put(dir.path(), path, text);
        std::fs::create_dir_all(dir.path().join("root/mnt")).unwrap();
        file(
            "proc/1/mountinfo",
            "22 1 8:1 / / rw - ext4 /dev/root rw\n23 22 0:9 / /mnt rw - ext4 none rw\n",
        );
        file("sys/dev/block/8:1/uevent", "MAJOR=8\nDEVNAME=sda1\n");
        let host = Host::captured(dir.path(), Clock::Real);
        let mut filesystems = plain(ENTRY, &host);
        for (count, time, want, at) in [
            ("0", "0", Some(0.0), None),
            (
                "3",
                "1790000000",
                Some(3.0),
                Timestamp::from_second(1_790_000_000).ok(),
            ),
            ("x", "", None, None),
        ] {
            file("sys/fs/ext4/sda1/errors_count", count);
            file("sys/fs/ext4/sda1/last_error_time", time);
            let readings = filesystems.sample().unwrap();
            let errors = readings[0].value("errors").and_then(Value::as_number);
            assert_eq!(errors, want);
            assert_eq!(readings[0].value("error_at").cloned(), at.map(Value::from));
            assert!(readings[1].value("errors").is_none(), "without a device");
        }
    }

    #[test]
    fn a_filesystem_that_the_kernel_has_shut_down_is_read_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| put(dir.path(), path, text);
        file(
            "proc/1/mountinfo",
            "22 1 8:1 / /a rw - xfs /dev/sda1 rw\n23 1 8:2 / /b rw - f2fs /dev/sda2 rw\n",
        );
        let space = r#"{"block_size":4096,"blocks":100,"blocks_free":50,"blocks_available":50,
            "inodes":0,"inodes_free":0}"#;
        let host = Host::captured(dir.path(), Clock::Real);
        let mut filesystems = plain(ENTRY, &host);
        for (xfs, status, want) in [
            (space, "0x45", [false, false]),
            ("null", "0x5", [true, false]),
            (space, "0x4d", [false, true]),
            (space, "what", [false, false]),
        ] {
            file(
                "root/.homewatch/statvfs.json",
                &format!(r#"{{"/a": {xfs}, "/b": {space}}}"#),
            );
            file("sys/fs/f2fs/sda2/stat/cp_status", status);
            let readings = filesystems.sample().unwrap();
            let told = readings.iter().map(|reading| reading.value("read_only"));
            let want = want.map(Value::from);
            assert!(told.eq(want.iter().map(Some)), "{readings:?}");
            let trouble = readings[0].detail.as_ref().unwrap().get("trouble");
            assert_eq!(trouble.is_some(), xfs == "null");
            assert_eq!(readings[0].value("used_pct").is_some(), xfs != "null");
        }
    }

    #[test]
    fn an_ext4_that_takes_no_more_writes_after_an_error_is_read_only_whatever_the_kernel_calls_it()
    {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| put(dir.path(), path, text);
        std::fs::create_dir_all(dir.path().join("root")).unwrap();
        file("sys/dev/block/254:0/uevent", "MAJOR=254\nDEVNAME=dm-0\n");
        file("proc/sys/kernel/random/boot_id", "a\n");
        let host = Host::captured(dir.path(), Clock::Real);
        let sample = |mount: u32, errors: u32, behaviour: &str| {
            let line = format!("{mount} 1 254:0 / / rw - ext4 /dev/mapper/x rw\n");
            file("proc/1/mountinfo", &line);
            let options = format!("rw\nbsddf\nerrors={behaviour}\ncommit=5\n");
            file("proc/fs/ext4/dm-0/options", &options);
            file("sys/fs/ext4/dm-0/errors_count", &errors.to_string());
            // Each time by a homewatch that has just begun.
            let readings = plain(ENTRY, &host).sample().unwrap();
            readings[0].value("read_only").cloned()
        };
        for (mount, errors, behaviour, want) in [
            // Errors of before this mount stop nothing.
            (22, 2, "remount-ro", false),
            (22, 2, "remount-ro", false),
            (22, 6, "remount-ro", true),
            (22, 6, "continue", false),
            (22, 7, "remount-ro", true),
            (23, 7, "remount-ro", false),
            (23, 0, "remount-ro", false),
            (23, 1, "remount-ro", true),
        ] {
            let told = sample(mount, errors, behaviour);
            assert_eq!(
                told,
                Some(Value::from(want)),
                "{mount} {errors} {behaviour}"
            );
        }
    }
}
