use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;

use super::pool::{DEGRADED, HAS_ERRORS};
use super::program::{Answer, Program};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{ExecError, Host, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "lvm",
    period: Duration::from_secs(10),
    build,
};

/// How often `lvs` is asked.
const EVERY: Duration = Duration::from_mins(5);
/// An `lvs` that has not ended after this long is killed.
const LIMIT: Duration = Duration::from_secs(30);
const FIELDS: &str = "vg_name,lv_name,lv_layout,data_percent,metadata_percent,copy_percent,\
                      raid_sync_action,raid_mismatch_count,lv_health_status,vg_missing_pv_count";

static STATE: Metric = Metric::state("state", "State", &["ok", "syncing", "full", "degraded"]);
static FULLEST: Metric = Metric::gauge(
    "thin_used_pct",
    "Fullest of data and metadata",
    Unit::Percent,
)
.decimals(1)
.dead_band(0.5);
static DATA: Metric = Metric::gauge("data_used_pct", "Data", Unit::Percent)
    .decimals(1)
    .dead_band(0.5)
    .diagnostic();
static METADATA: Metric = Metric::gauge("metadata_used_pct", "Metadata", Unit::Percent)
    .decimals(1)
    .dead_band(0.5)
    .diagnostic();
static SYNCED: Metric = Metric::gauge("synced_pct", "In step", Unit::Percent)
    .decimals(1)
    .dead_band(1.0)
    .diagnostic();
static MISMATCHES: Metric =
    Metric::gauge("mismatched_regions", "Mismatches", Unit::None).diagnostic();
static MISSING: Metric =
    Metric::gauge("devices_failed", "Missing devices of its group", Unit::None).diagnostic();

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    let arguments = [
        "--reportformat",
        "json",
        "--units",
        "b",
        "--nosuffix",
        "-o",
        FIELDS,
    ];
    Box::new(Lvm {
        root: host.root.clone(),
        lvs: Program::new(host, "lvs", &arguments, EVERY, LIMIT),
        signs: Signs::default(),
        again: false,
        told: None,
    })
}

/// Thin pools and mirrored or RAID volumes of LVM: `pool-lvm-<group>-<volume>` each. `lvs` works
/// for root only (`packaging/homewatch-lvs.service`, `host.commands.lvs`); on a machine without LVM it is not even tried.
struct Lvm {
    root: Root,
    lvs: Program,
    signs: Signs,
    /// Whether `lvs` is asked once more after a change.
    again: bool,
    told: Option<Result<Vec<Reading>, CollectError>>,
}

impl Collect for Lvm {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let signs = Signs::of(&self.root);
        if signs.volumes.is_empty() {
            return Err(CollectError::Absent("no LVM".to_owned()));
        }
        if self.signs != signs {
            // What was written down is whole; anything else may be in the midst of a change.
            let is_whole = self.signs.differs_in_written_only(&signs);
            self.again |= !is_whole;
            self.signs = signs;
            self.lvs.hurry();
        }
        if let Some(answer) = self.lvs.poll() {
            self.told = Some(take(answer));
            // It may have begun before the change, or in the midst of it.
            if std::mem::take(&mut self.again) {
                self.lvs.hurry();
            }
        }
        self.told.clone().unwrap_or_else(|| Ok(Vec::new()))
    }
}

/// What costs a look only and changes when something of LVM does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Signs {
    /// The volumes that the kernel has mapped.
    volumes: Vec<String>,
    /// The kernel's block devices: one that is gone may have been part of a group.
    devices: Vec<OsString>,
    /// When LVM last wrote down how its groups are made, which it does at every change.
    changed: Option<SystemTime>,
    /// When root's timer last wrote down what `lvs` says.
    written: Option<SystemTime>,
}

impl Signs {
    fn of(root: &Root) -> Self {
        let entries = fs::read_dir(root.sys("block")).into_iter().flatten();
        let mut devices: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        devices.sort();
        let changed = |path: &str| {
            fs::metadata(root.path(Path::new(path)))
                .ok()?
                .modified()
                .ok()
        };
        Self {
            volumes: volumes(root),
            devices,
            changed: changed("/etc/lvm/backup"),
            written: changed("/run/homewatch-lvs/state.json"),
        }
    }

    fn differs_in_written_only(&self, other: &Self) -> bool {
        let written = other.written;
        let same = Self {
            written,
            ..self.clone()
        };
        same == *other
    }
}

/// The mapped devices that are LVM's, in order.
fn volumes(root: &Root) -> Vec<String> {
    let entries = fs::read_dir(root.sys("block"))
        .into_iter()
        .flatten()
        .flatten();
    let uuids = entries.filter_map(|entry| Root::read_trimmed(&entry.path().join("dm/uuid")));
    let mut volumes: Vec<String> = uuids.filter(|uuid| uuid.starts_with("LVM-")).collect();
    volumes.sort();
    volumes
}

fn take(answer: Answer) -> Result<Vec<Reading>, CollectError> {
    let output = match answer {
        Ok(output) => output,
        Err(ExecError::Absent(program)) => {
            return Err(CollectError::Absent(format!("{program} is missing")));
        }
        Err(error) => return Err(CollectError::Transient(error.to_string())),
    };
    let json: Option<Json> = serde_json::from_slice(&output.stdout).ok();
    let rows = json
        .as_ref()
        .and_then(|json| json.pointer("/report/0/lv")?.as_array());
    let Some(rows) = rows.filter(|_| output.code == Some(0)) else {
        // That only root may ask is no fault of the machine.
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.trim().lines().last().unwrap_or("no answer").to_owned();
        let remedy = "packaging/homewatch-lvs.timer asks it as root for the service; where homewatch \
                      may gain rights, host.commands.lvs = [\"sudo\", \"-n\", \"/usr/sbin/lvs\"] \
                      with a rule of sudo does";
        // It is asked no more often for that.
        return Err(CollectError::Absent(format!(
            "lvs cannot tell ({line}): {remedy}"
        )));
    };
    Ok(rows.iter().filter_map(tell).collect())
}

/// The reading of a thin pool or a volume with copies; others have nothing to say.
fn tell(row: &Json) -> Option<Reading> {
    let text = |key: &str| row.get(key).and_then(Json::as_str).unwrap_or_default();
    let number = |key: &str| {
        text(key)
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite())
    };
    let (group, volume, layout) = (text("vg_name"), text("lv_name"), text("lv_layout"));
    let words: Vec<&str> = layout.split(',').collect();
    let is_thin = words.contains(&"thin") && words.contains(&"pool");
    let has_copies = words
        .iter()
        .any(|word| *word == "mirror" || word.starts_with("raid"));
    if group.is_empty() || volume.is_empty() || !(is_thin || has_copies) {
        return None;
    }
    let missing = number("vg_missing_pv_count");
    let health = text("lv_health_status");
    // How many devices its group lacks says nothing of a volume that has none of its own there.
    let degraded = ["partial", "refresh needed", "failed"].contains(&health);
    let is_full = health == "out_of_data" || health == "metadata_read_only";
    let synced = number("copy_percent").filter(|_| has_copies);
    let state = match (degraded, synced) {
        (true, _) => "degraded",
        (false, _) if is_full => "full",
        (false, Some(percent)) if percent < 100.0 => "syncing",
        (false, _) => "ok",
    };
    let mismatches = number("raid_mismatch_count");
    let (data, metadata) = (number("data_percent"), number("metadata_percent"));
    let (data, metadata) = (data.filter(|_| is_thin), metadata.filter(|_| is_thin));
    let fullest = data.into_iter().chain(metadata).reduce(f64::max);
    let id = format!("pool-lvm-{group}-{volume}");
    let subject = Subject::of_host(Area::Health, &id, &format!("LVM {group}/{volume}"));
    let has_errors = mismatches > Some(0.0) || health == "mismatches exist";
    Some(
        Reading::new(&subject)
            .with(&STATE, state)
            .with(&DEGRADED, degraded)
            .with(&HAS_ERRORS, has_errors)
            .with_known(&FULLEST, fullest)
            .with_known(&DATA, data)
            .with_known(&METADATA, metadata)
            .with_known(&SYNCED, synced)
            .with_known(&MISMATCHES, mismatches)
            .with_known(&MISSING, missing),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::collect::testing::{plain, sample};
    use crate::host::testing::put;
    use crate::host::{Clock, Exec};
    use crate::model::Value;
    use serde_json::json;

    fn reading(more: &Json) -> Option<Reading> {
        let mut row = json!({"vg_name": "vg0", "lv_name": "x", "lv_layout": "thin,pool",
            "data_percent": "40.00", "metadata_percent": "55.10", "copy_percent": "",
            "raid_sync_action": "", "raid_mismatch_count": "", "lv_health_status": "",
            "vg_missing_pv_count": "0"});
        for (key, value) in more.as_object().unwrap() {
            row[key] = value.clone();
        }
        tell(&row)
    }

    fn told(reading: &Reading, key: &str) -> Option<f64> {
        reading.value(key).and_then(Value::as_number)
    }

    #[test]
    fn a_thin_pool_tells_how_full_it_is() {
        let pool = reading(&json!({})).unwrap();
        assert_eq!(pool.subject.key(), "health/pool-lvm-vg0-x");
        assert_eq!(told(&pool, "thin_used_pct"), Some(55.1));
        assert_eq!(told(&pool, "data_used_pct"), Some(40.0));
        assert_eq!(told(&pool, "synced_pct"), None);
        let unknown = json!({"data_percent": "", "metadata_percent": "nan"});
        assert_eq!(told(&reading(&unknown).unwrap(), "thin_used_pct"), None);
    }

    #[test]
    fn how_a_volume_stands_follows_from_its_health_and_its_group() {
        for (more, state, errors) in [
            (json!({}), "ok", 0.0),
            (json!({"vg_missing_pv_count": "1"}), "ok", 0.0),
            (json!({"lv_health_status": "partial"}), "degraded", 0.0),
            (
                json!({"lv_health_status": "refresh needed"}),
                "degraded",
                0.0,
            ),
            (json!({"lv_health_status": "failed"}), "degraded", 0.0),
            // What lvs says of a pool that is full while another device of the group is away.
            (
                json!({"lv_health_status": "out_of_data", "vg_missing_pv_count": "1",
                    "data_percent": "100.00"}),
                "full",
                0.0,
            ),
            (
                json!({"lv_layout": "raid,raid1", "lv_health_status": "partial",
                    "copy_percent": "100.00", "vg_missing_pv_count": "1"}),
                "degraded",
                0.0,
            ),
            (json!({"lv_health_status": "mismatches exist"}), "ok", 1.0),
            (
                json!({"lv_layout": "raid,raid1", "copy_percent": "31.25"}),
                "syncing",
                0.0,
            ),
            (
                json!({"lv_layout": "mirror", "copy_percent": "100.00", "raid_mismatch_count": "128"}),
                "ok",
                1.0,
            ),
        ] {
            let reading = reading(&more).unwrap();
            assert_eq!(reading.value("state"), Some(&Value::from(state)), "{more}");
            assert_eq!(told(&reading, "has_errors"), Some(errors), "{more}");
        }
        for more in [
            json!({"lv_layout": "linear"}),
            json!({"lv_layout": "thin,sparse"}),
            json!({"vg_name": ""}),
            json!({"lv_name": 3}),
        ] {
            assert!(reading(&more).is_none(), "{more}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lvs_is_asked_only_where_there_is_lvm() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::captured(dir.path(), Clock::Real);
        let absent = |result: &Result<Vec<Reading>, CollectError>, text: &str| {
            let error = result.as_ref().err();
            let is_absent = |error: &&CollectError| matches!(error, CollectError::Absent(_));
            error
                .filter(is_absent)
                .is_some_and(|error| error.to_string().contains(text))
        };
        let sampled = sample(plain(ENTRY, &host)).await.1;
        assert!(absent(&sampled, "no LVM"), "{sampled:?}");
        let mapped = dir.path().join("sys/block/dm-0/dm");
        std::fs::create_dir_all(&mapped).unwrap();
        std::fs::create_dir_all(dir.path().join("exec")).unwrap();
        std::fs::write(mapped.join("uuid"), "LVM-x\n").unwrap();
        let sampled = sample(plain(ENTRY, &host)).await.1;
        assert!(absent(&sampled, "missing"), "{sampled:?}");
        let call = format!("lvs --reportformat json --units b --nosuffix -o {FIELDS}");
        let call = dir.path().join("exec").join(call);
        for (text, want) in [
            ("5\n", "only"),
            ("0\nno json", "lvs cannot tell"),
            ("5\n{\"report\": [{\"lv\": []}]}", "host.commands.lvs"),
        ] {
            std::fs::write(&call, text).unwrap();
            let sampled = sample(plain(ENTRY, &host)).await.1;
            assert!(absent(&sampled, want) || want == "only", "{sampled:?}");
            assert!(sampled.is_err());
        }
        let rows = json!([{"vg_name": "a", "lv_name": "b", "lv_layout": "thin,pool"}]);
        let text = json!({"report": [{"lv": rows}]});
        std::fs::write(&call, format!("0\n{text}")).unwrap();
        assert_eq!(sample(plain(ENTRY, &host)).await.1.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn volumes_that_come_are_asked_for_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::captured(dir.path(), Clock::Real);
        let volume = |number: u32| {
            let mapped = dir.path().join(format!("sys/block/dm-{number}/dm"));
            std::fs::create_dir_all(&mapped).unwrap();
            std::fs::write(mapped.join("uuid"), format!("LVM-{number}\n")).unwrap();
        };
        std::fs::create_dir_all(dir.path().join("exec")).unwrap();
        let call = format!("lvs --reportformat json --units b --nosuffix -o {FIELDS}");
        let call = dir.path().join("exec").join(call);
        let answer = |names: &[&str]| {
            let row =
                |name: &&str| json!({"vg_name": "a", "lv_name": name, "lv_layout": "raid,raid1"});
            let rows: Vec<Json> = names.iter().map(row).collect();
            std::fs::write(&call, format!("0\n{}", json!({"report": [{"lv": rows}]}))).unwrap();
        };
        let make = |path: &str| {
            if !dir.path().join(path).exists() {
                put(dir.path(), path, "");
            }
        };
        let mut lvm = plain(ENTRY, &host);
        volume(0);
        for (volumes, names, told) in [
            // Asked in the midst of a change, and once more.
            (1, &[] as &[&str], 0),
            (1, &["m"], 1),
            (2, &["m", "n"], 2),
            (2, &["m"], 1),
            // Nothing has changed: not before it is due.
            (2, &["m", "n"], 1),
            // Another disk, a change of a group, and what root's timer has written down anew.
            (3, &["m"], 1),
            (3, &["m", "n"], 2),
            (4, &["m"], 1),
            (4, &["m", "n"], 2),
            (5, &["m"], 1),
            (5, &["m", "n"], 1),
        ] {
            match volumes {
                3 => make("sys/block/sda/size"),
                4 => make("root/etc/lvm/backup/vg0"),
                5 => make("root/run/homewatch-lvs/state.json"),
                _ => volume(volumes),
            }
            answer(names);
            let (back, readings) = sample(lvm).await;
            lvm = back;
            assert_eq!(readings.unwrap().len(), told, "{volumes} {names:?}");
        }
    }

    #[tokio::test]
    async fn one_that_is_slow_or_cannot_be_run_fails_nothing_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let mapped = dir.path().join("sys/block/dm-0/dm");
        std::fs::create_dir_all(&mapped).unwrap();
        std::fs::write(mapped.join("uuid"), "LVM-x\n").unwrap();
        let mut host = Host::captured(dir.path(), Clock::Real);
        host.exec = Exec::Real;
        let with = |program: &str, host: &Host| {
            let mut host = host.clone();
            let argv = vec![program.to_owned()];
            host.commands = std::sync::Arc::new([("lvs".to_owned(), argv)].into());
            plain(ENTRY, &host)
        };
        let folder = dir.path().display().to_string();
        let (_, sampled) = sample(with(&folder, &host)).await;
        assert!(
            matches!(sampled, Err(CollectError::Transient(_))),
            "{sampled:?}"
        );
        let script = dir.path().join("slow");
        std::fs::write(&script, "#!/bin/sh\nexec sleep 5\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (_, sampled) = sample(with(&script.display().to_string(), &host)).await;
        assert_eq!(sampled.unwrap().len(), 0);
    }
}
