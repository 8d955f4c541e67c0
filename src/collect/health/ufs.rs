use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::flash::Health;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Device, Reading, Subject, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "ufs",
    period: Duration::from_mins(10),
    build,
};

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Ufs {
        root: host.root.clone(),
    })
}

/// UFS, the flash memory of tablets and small computers: `disk-ufs-<controller>` each, by what its
/// controller says of its health. The kernel shows several disks of it, which wear as one.
struct Ufs {
    root: Root,
}

impl Collect for Ufs {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let entries = fs::read_dir(self.root.sys("block")).into_iter().flatten();
        let controllers = entries.flatten().filter_map(|entry| {
            let disk = fs::canonicalize(entry.path().join("device")).ok()?;
            let controller = controller(&disk)?;
            Some((controller, disk))
        });
        let controllers: BTreeMap<PathBuf, PathBuf> = controllers.collect();
        if controllers.is_empty() {
            return Err(CollectError::Absent("no UFS".to_owned()));
        }
        Ok(controllers
            .iter()
            .map(|(at, disk)| tell(at, disk))
            .collect())
    }
}

/// The folder above the disk's that tells of its health.
fn controller(disk: &Path) -> Option<PathBuf> {
    let mut above = disk.ancestors();
    let found = above.find(|folder| folder.join("health_descriptor").is_dir())?;
    Some(found.to_owned())
}

fn tell(controller: &Path, disk: &Path) -> Reading {
    let name = controller.file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let id = format!("disk-ufs-{}", slug(&name));
    let model = Root::read_trimmed(&disk.join("model"));
    let label = match &model {
        Some(model) => format!("{model} (UFS {name})"),
        None => format!("UFS {name}"),
    };
    let device = Device::Part {
        id: id.clone(),
        name: model.clone().unwrap_or_else(|| label.clone()),
        manufacturer: Root::read_trimmed(&disk.join("vendor")),
        model,
        serial: None,
    };
    let read = |file: &str| Root::read_trimmed(&controller.join("health_descriptor").join(file));
    let steps = ["a", "b"].into_iter();
    let steps: Vec<String> = steps
        .filter_map(|kind| read(&format!("life_time_estimation_{kind}")))
        .collect();
    let health = Health::of(Some(&steps.join(" ")), read("eol_info").as_deref());
    let mut reading = Reading::new(&Subject::of_device(Area::Health, &id, &label, device));
    health.tell(&mut reading);
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::host::testing::put;
    use crate::model::Value;

    #[test]
    fn a_controller_tells_the_health_of_all_its_disks_once() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::captured(dir.path(), Clock::Real);
        let mut ufs = plain(ENTRY, &host);
        assert!(matches!(ufs.sample(), Err(CollectError::Absent(_))));
        let sys = dir.path().join("sys");
        let put = |path: &str, text: &str| put(&sys, path, text);
        let soc = "devices/platform/soc";
        for (name, place, model) in [
            ("sda", "1d84000.ufshc/host0/0:0:0:0", "KLUEG8UHDB-C2E1\n"),
            ("sdb", "1d84000.ufshc/host0/0:0:0:1", "KLUEG8UHDB-C2E1\n"),
            ("sdc", "1d94000.ufshc/host1/1:0:0:0", ""),
            ("sdd", "usb/host2/2:0:0:0", "Stick"),
        ] {
            put(&format!("{soc}/{place}/model"), model);
            fs::create_dir_all(sys.join("block").join(name)).unwrap();
            let device = sys.join("block").join(name).join("device");
            std::os::unix::fs::symlink(sys.join(soc).join(place), device).unwrap();
        }
        let health = format!("{soc}/1d84000.ufshc/health_descriptor");
        put(&format!("{health}/eol_info"), "0x02\n");
        put(&format!("{health}/life_time_estimation_a"), "0x03\n");
        put(&format!("{health}/life_time_estimation_b"), "0x0A\n");
        fs::create_dir_all(sys.join(soc).join("1d94000.ufshc/health_descriptor")).unwrap();
        let readings = ufs.sample().unwrap();
        let labels: Vec<_> = readings.iter().map(|one| &*one.subject.label).collect();
        let want = ["KLUEG8UHDB-C2E1 (UFS 1d84000.ufshc)", "UFS 1d94000.ufshc"];
        assert_eq!(labels, want);
        assert_eq!(readings[0].subject.key(), "health/disk-ufs-1d84000-ufshc");
        for (key, want) in [
            ("verdict", Value::from("warning")),
            ("wear_pct", Value::Number(90.0)),
            ("wear_most_pct", Value::Number(100.0)),
            ("reserve", Value::from("warning")),
        ] {
            assert_eq!(readings[0].value(key), Some(&want), "{key}");
        }
        assert!(readings[1].values.is_empty(), "it tells nothing");
    }
}
