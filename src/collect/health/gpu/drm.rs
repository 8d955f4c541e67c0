use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

use super::{Figures, reading};
use crate::collect::card::{self, DRIVERS};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Reading, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "gpu",
    period: Duration::from_secs(10),
    build,
};

/// Files that tell why an Intel card is slowed down, in i915's and in xe's folder, and whether that
/// is a trouble rather than a limit that is meant.
const REASONS: [(&str, &str, bool); 6] = [
    ("thermal", "too hot", true),
    ("prochot", "the board asks for it", true),
    ("ratl", "average temperature", true),
    ("vr_thermalert", "voltage regulator too hot", true),
    ("pl1", "power limit", false),
    ("pl2", "short power limit", false),
];

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Cards {
        root: host.root.clone(),
    })
}

/// AMD's and Intel's graphics cards by the kernel. One that sleeps is left asleep, and its figures
/// are not known; its temperatures and fans are told by its sensor chip.
struct Cards {
    root: Root,
}

impl Collect for Cards {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let entries = fs::read_dir(self.root.sys("class/drm"));
        let names = entries.into_iter().flatten().flatten();
        // Outputs are `card0-HDMI-A-1`.
        let names = names.filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let number: u32 = name.strip_prefix("card")?.parse().ok()?;
            Some((number, name))
        });
        let names: BTreeMap<u32, String> = names.collect();
        let cards: Vec<Reading> = names.values().filter_map(|name| self.card(name)).collect();
        if cards.is_empty() {
            return Err(CollectError::Absent(
                "no graphics card of AMD or Intel".to_owned(),
            ));
        }
        Ok(cards)
    }
}

impl Cards {
    fn card(&self, name: &str) -> Option<Reading> {
        let device = format!("class/drm/{name}/device");
        let folder = self.root.sys(&device);
        let uevent = Root::read_trimmed(&folder.join("uevent")).unwrap_or_default();
        let told = |key: &str| {
            let mut lines = uevent.lines().filter_map(|line| line.split_once('='));
            lines.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        let link = fs::read_link(folder.join("driver")).unwrap_or_default();
        let driver = link.file_name().map_or_else(
            || told("DRIVER").unwrap_or_default().into(),
            OsStr::to_string_lossy,
        );
        let (driver, maker) = DRIVERS.into_iter().find(|(known, _)| *known == driver)?;
        // Graphics that are no card have no slot, but a device of their own.
        let place = match told("PCI_SLOT_NAME") {
            Some(slot) => slug(slot),
            None => slug(
                &fs::canonicalize(folder)
                    .ok()?
                    .file_name()?
                    .to_string_lossy(),
            ),
        };
        let label = card::name(&self.root, &device, maker);
        let card = Card {
            root: &self.root,
            dir: format!("class/drm/{name}"),
        };
        let asleep = card.text("device/power/runtime_status");
        let figures = if asleep.as_deref() == Some("suspended") {
            Figures::default()
        } else {
            card.figures(driver)
        };
        Some(reading(&place, &label, maker, None, &figures))
    }
}

/// The folder of a card.
struct Card<'a> {
    root: &'a Root,
    dir: String,
}

impl Card<'_> {
    fn text(&self, file: &str) -> Option<String> {
        Root::read_trimmed(&self.root.sys(&format!("{}/{file}", self.dir)))
    }

    fn number(&self, file: &str) -> Option<f64> {
        let number: f64 = self.text(file)?.parse().ok()?;
        Some(number).filter(|number| (0.0..1e15).contains(number))
    }

    fn figures(&self, driver: &str) -> Figures {
        let link = |file: &str| self.number(&format!("device/{file}"));
        let mut figures = Figures {
            load: link("gpu_busy_percent").filter(|load| *load <= 100.0),
            memory_used: link("mem_info_vram_used"),
            memory_total: link("mem_info_vram_total"),
            lanes: link("current_link_width").filter(|lanes| (1.0..=32.0).contains(lanes)),
            generation: self
                .text("device/current_link_speed")
                .as_deref()
                .and_then(generation),
            ..Figures::default()
        };
        match driver {
            "amdgpu" => {
                figures.clock = self.level("device/pp_dpm_sclk");
                figures.memory_clock = self.level("device/pp_dpm_mclk");
                let [corrected, uncorrected] = self.errors();
                figures.corrected = corrected;
                figures.uncorrected = uncorrected;
            }
            "i915" => {
                figures.clock = (self.number("gt/gt0/rps_act_freq_mhz"))
                    .or_else(|| self.number("gt_act_freq_mhz"));
                figures.throttle = self.throttle("gt/gt0", "throttle_reason_");
            }
            "xe" => {
                figures.clock = self.number("device/tile0/gt0/freq0/act_freq");
                figures.throttle = self.throttle("device/tile0/gt0/freq0/throttle", "reason_");
            }
            _ => {}
        }
        figures
    }

    /// The level that is in force, MHz: `1: 1200Mhz *`.
    fn level(&self, file: &str) -> Option<f64> {
        let text = self.text(file)?;
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_suffix('*'))?;
        let (_, speed) = line.split_once(':')?;
        let digits = speed.trim().to_ascii_lowercase();
        digits.trim_end_matches("mhz").trim().parse().ok()
    }

    /// Errors of the memory: `ue: 0` and `ce: 3`, a line each.
    fn errors(&self) -> [Option<f64>; 2] {
        let text = self.text("device/ras/umc_err_count").unwrap_or_default();
        let of = |word: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            let (_, count) = lines.find(|(name, _)| name.trim() == word)?;
            count.trim().parse().ok()
        };
        [of("ce"), of("ue")]
    }

    fn throttle(&self, dir: &str, start: &str) -> Option<(Vec<&'static str>, bool)> {
        self.text(&format!("{dir}/{start}status"))
            .or_else(|| self.text(&format!("{dir}/status")))?;
        let mut reasons = Vec::new();
        let mut trouble = false;
        for (file, reason, is_trouble) in REASONS {
            if self.text(&format!("{dir}/{start}{file}")).as_deref() == Some("1") {
                reasons.push(reason);
                trouble |= is_trouble;
            }
        }
        Some((reasons, trouble))
    }
}

/// `8.0 GT/s PCIe` → the third generation.
fn generation(speed: &str) -> Option<f64> {
    const SPEEDS: [(&str, f64); 6] = [
        ("2.5", 1.0),
        ("5", 2.0),
        ("8", 3.0),
        ("16", 4.0),
        ("32", 5.0),
        ("64", 6.0),
    ];
    let word = speed.split(' ').next()?.trim_end_matches(".0");
    let (_, generation) = SPEEDS.into_iter().find(|(known, _)| *known == word)?;
    Some(generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::model::{Device, Value};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// A card of `driver` with these files in its folder.
    fn card(dir: &Path, number: u32, driver: &str, files: &[(&str, &str)]) {
        let real = dir.join(format!("sys/devices/pci0000:00/0000:0{number}:00.0"));
        let drivers = dir.join(format!("sys/bus/pci/drivers/{driver}"));
        let folder = dir.join(format!("sys/class/drm/card{number}"));
        for path in [&real, &drivers, &folder] {
            fs::create_dir_all(path).unwrap();
        }
        symlink(&drivers, real.join("driver")).unwrap();
        symlink(&real, folder.join("device")).unwrap();
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn figure(reading: &Reading, key: &str) -> Option<f64> {
        reading.value(key).and_then(Value::as_number)
    }

    const AMD: [(&str, &str); 9] = [
        ("device/gpu_busy_percent", "37\n"),
        ("device/mem_info_vram_used", "2147483648\n"),
        ("device/mem_info_vram_total", "8589934592\n"),
        ("device/pp_dpm_sclk", "0: 500Mhz\n1: 2105Mhz *\n"),
        ("device/pp_dpm_mclk", "what *\n"),
        ("device/current_link_speed", "16.0 GT/s PCIe\n"),
        ("device/current_link_width", "16\n"),
        ("device/ras/umc_err_count", "ue: 0\nce: 3\n"),
        ("device/product_name", "Radeon RX 6600\n"),
    ];

    fn cards(dir: &Path) -> Box<dyn Collect> {
        plain(ENTRY, &Host::captured(dir, Clock::Real))
    }

    #[test]
    fn cards_are_told_by_their_drivers() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let mut cards = cards(dir);
        assert!(matches!(cards.sample(), Err(CollectError::Absent(_))));
        card(dir, 3, "amdgpu", &AMD);
        card(
            dir,
            0,
            "i915",
            &[
                ("gt_act_freq_mhz", "1150\n"),
                ("gt/gt0/throttle_reason_status", "1\n"),
                ("gt/gt0/throttle_reason_thermal", "1\n"),
                ("gt/gt0/throttle_reason_pl1", "1\n"),
                ("device/current_link_speed", "Unknown\n"),
            ],
        );
        card(
            dir,
            1,
            "xe",
            &[
                ("device/tile0/gt0/freq0/act_freq", "2400\n"),
                ("device/tile0/gt0/freq0/throttle/status", "0\n"),
            ],
        );
        card(
            dir,
            2,
            "radeon",
            &[("device/power/runtime_status", "active\n")],
        );
        let asleep = [("device/power/runtime_status", "suspended\n"), AMD[0]];
        card(dir, 4, "amdgpu", &asleep);
        card(dir, 5, "simpledrm", &[]);
        fs::create_dir_all(dir.join("sys/class/drm/card3-HDMI-A-1")).unwrap();
        let readings = cards.sample().unwrap();
        let ids: Vec<_> = readings.iter().map(|one| one.subject.id.as_str()).collect();
        let place = |number| format!("gpu-0000-0{number}-00-0");
        assert_eq!(ids, [0, 1, 2, 3, 4].map(place));
        assert_eq!(figure(&readings[0], "clock_mhz"), Some(1150.0));
        assert_eq!(figure(&readings[0], "throttled"), Some(1.0));
        assert_eq!(
            readings[0].value("throttle_reason"),
            Some(&Value::from("too hot, power limit"))
        );
        assert_eq!(figure(&readings[1], "clock_mhz"), Some(2400.0));
        assert_eq!(
            readings[1].value("throttle_reason"),
            Some(&Value::from("none"))
        );
        for (key, want) in [
            ("usage_pct", Some(37.0)),
            ("memory_used_pct", Some(25.0)),
            ("clock_mhz", Some(2105.0)),
            ("memory_clock_mhz", None),
            ("pcie_generation", Some(4.0)),
            ("pcie_lanes", Some(16.0)),
            ("ecc_corrected", Some(3.0)),
            ("ecc_uncorrected", Some(0.0)),
            ("throttled", None),
        ] {
            assert_eq!(figure(&readings[3], key), want, "{key}");
        }
        assert!(
            matches!(&readings[3].subject.device, Device::Part { name, .. } if name == "Radeon RX 6600")
        );
        assert!(readings[2].values.is_empty() && readings[4].values.is_empty());
    }

    #[test]
    fn cards_are_known_by_their_slots_also_where_links_were_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for (number, driver) in [(0, "amdgpu"), (1, "i915")] {
            let folder = dir.join(format!("sys/class/drm/card{number}/device"));
            fs::create_dir_all(&folder).unwrap();
            let text =
                format!("DRIVER={driver}\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:0{number}:00.0\n");
            fs::write(folder.join("uevent"), text).unwrap();
        }
        let readings = cards(dir).sample().unwrap();
        let keys: Vec<&str> = readings.iter().map(|one| one.subject.key()).collect();
        assert_eq!(keys, ["health/gpu-0000-00-00-0", "health/gpu-0000-01-00-0"]);
    }

    #[test]
    fn a_card_whose_driver_is_unloaded_is_gone_and_comes_back_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let mut cards = cards(dir);
        card(dir, 1, "amdgpu", &AMD);
        card(dir, 2, "i915", &[("gt_act_freq_mhz", "300\n")]);
        assert_eq!(cards.sample().unwrap().len(), 2);
        // The device stays, without a driver; what the driver showed of it goes.
        fs::remove_file(dir.join("sys/devices/pci0000:00/0000:01:00.0/driver")).unwrap();
        let left = cards.sample().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(figure(&left[0], "clock_mhz"), Some(300.0));
        fs::remove_dir_all(dir.join("sys/class/drm")).unwrap();
        assert!(matches!(cards.sample(), Err(CollectError::Absent(_))));
        card(dir, 3, "amdgpu", &AMD);
        assert_eq!(figure(&cards.sample().unwrap()[0], "usage_pct"), Some(37.0));
    }
}
