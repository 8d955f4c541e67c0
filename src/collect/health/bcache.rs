use std::fs;
use std::path::Path;
use std::time::Duration;

use super::pool::{DEGRADED, ERRORS, HAS_ERRORS};
use crate::collect::read::figure;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "bcache",
    period: Duration::from_mins(1),
    build,
};

static STATE: Metric = Metric::state("state", "State", STATES);
static DIRTY: Metric = Metric::gauge("dirty_bytes", "Not yet written back", Unit::Byte)
    .dead_band(104_857_600.0)
    .diagnostic();
static HITS: Metric = Metric::gauge("hit_pct", "Hits", Unit::Percent)
    .dead_band(1.0)
    .diagnostic();
static AVAILABLE: Metric =
    Metric::gauge("cache_available_pct", "Cache available", Unit::Percent).diagnostic();

/// The words of `state`; `inconsistent` means that the cache was lost with data in it.
const STATES: &[&str] = &["no_cache", "clean", "dirty", "inconsistent"];

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Bcache {
        root: host.root.clone(),
    })
}

/// Disks with a cache before them (bcache): `pool-bcache-<device>` each, by sysfs.
struct Bcache {
    root: Root,
}

impl Collect for Bcache {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let entries = fs::read_dir(self.root.sys("block"))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().join("bcache/state").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with("bcache"))
            .collect();
        if names.is_empty() {
            return Err(CollectError::Absent("no bcache".to_owned()));
        }
        names.sort();
        let block = |name: &String| tell(name, &self.root.sys(&format!("block/{name}/bcache")));
        Ok(names.iter().map(block).collect())
    }
}

fn tell(name: &str, folder: &Path) -> Reading {
    let read = |file: &str| Root::read_trimmed(&folder.join(file));
    let number = |file: &str| read(file)?.parse::<u64>().ok();
    let said = read("state").map(|state| state.replace(' ', "_"));
    let state = said.and_then(|said| STATES.iter().find(|word| **word == said).copied());
    // A cache that has failed is let go of, while the kernel goes on to call the disk clean.
    let has_cache = folder.join("cache").exists();
    let state = state.map(|state| match state {
        "clean" | "dirty" if !has_cache => "no_cache",
        state => state,
    });
    let errors = [number("io_errors"), cache_errors(&folder.join("cache"))];
    let errors = errors.into_iter().flatten().reduce(u64::saturating_add);
    let id = format!("pool-bcache-{name}");
    let subject = Subject::of_host(Area::Health, &id, &format!("Cached disk {name}"));
    let hits =
        number("stats_day/cache_hit_ratio").or_else(|| number("stats_total/cache_hit_ratio"));
    Reading::new(&subject)
        .with_known(&STATE, state)
        .with_known(&DEGRADED, state.map(|state| state == "inconsistent"))
        .with_known(&HAS_ERRORS, errors.map(|errors| errors > 0))
        .with_known(&ERRORS, errors.map(figure))
        .with_known(&DIRTY, read("dirty_data").as_deref().and_then(bytes))
        .with_known(&HITS, hits.map(figure))
        .with_known(
            &AVAILABLE,
            number("cache/cache_available_percent").map(figure),
        )
}

/// What the devices of a cache set have counted.
fn cache_errors(set: &Path) -> Option<u64> {
    let entries = fs::read_dir(set).ok()?.flatten();
    let counts = entries
        .filter(|entry| {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("cache"));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        })
        .filter_map(|entry| {
            Root::read_trimmed(&entry.path().join("io_errors"))?
                .parse()
                .ok()
        });
    counts.reduce(u64::saturating_add)
}

/// `1.2G`, `512`, `0.0k`.
fn bytes(text: &str) -> Option<f64> {
    let end = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let scale = match unit {
        "" => 0,
        "k" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some((number * 1024f64.powi(scale)).round())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::plain;
    use crate::host::Clock;
    use crate::host::testing::put;
    use crate::model::Value;

    #[test]
    fn a_cached_disk_tells_its_state_and_the_errors_of_its_cache() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::captured(dir.path(), Clock::Real);
        let mut bcache = plain(ENTRY, &host);
        assert!(matches!(bcache.sample(), Err(CollectError::Absent(_))));
        let file = |path: &str, text: &str| put(&dir.path().join("sys/block"), path, text);
        // The disk below has the same files.
        file("sda/bcache/state", "clean");
        // Its cache has failed.
        file("bcache0/bcache/state", "clean");
        let reading = bcache.sample().unwrap().remove(0);
        assert_eq!(reading.value("state"), Some(&Value::from("no_cache")));
        fs::create_dir_all(dir.path().join("sys/block/bcache0/bcache/cache")).unwrap();
        for (state, want, degraded) in [
            ("no cache", Some("no_cache"), Some(0.0)),
            ("clean", Some("clean"), Some(0.0)),
            ("dirty", Some("dirty"), Some(0.0)),
            ("inconsistent", Some("inconsistent"), Some(1.0)),
            ("?", None, None),
        ] {
            file("bcache0/bcache/state", state);
            let reading = bcache.sample().unwrap().remove(0);
            assert_eq!(reading.value("state"), want.map(Value::from).as_ref());
            let told = reading.value("degraded").and_then(Value::as_number);
            assert_eq!(told, degraded);
            assert!(reading.value("has_errors").is_none());
        }
        file("bcache0/bcache/dirty_data", "1.5M");
        file("bcache0/bcache/io_errors", "1");
        file("bcache0/bcache/cache/cache0/io_errors", "2");
        file("bcache0/bcache/cache/cache_available_percent", "97");
        file("bcache0/bcache/stats_total/cache_hit_ratio", "88");
        let readings = bcache.sample().unwrap();
        assert_eq!(readings.len(), 1);
        assert_eq!(readings[0].subject.key(), "health/pool-bcache-bcache0");
        for (key, want) in [
            ("errors", 3.0),
            ("has_errors", 1.0),
            ("dirty_bytes", 1_572_864.0),
            ("hit_pct", 88.0),
            ("cache_available_pct", 97.0),
        ] {
            let told = readings[0].value(key).and_then(Value::as_number);
            assert_eq!(told, Some(want), "{key}");
        }
    }

    #[test]
    fn amounts_are_read_as_the_kernel_writes_them() {
        for (text, want) in [
            ("0.0k", Some(0.0)),
            ("512", Some(512.0)),
            ("2.0T", Some(2_199_023_255_552.0)),
            ("1G", Some(1_073_741_824.0)),
            ("1X", None),
            ("k", None),
        ] {
            assert_eq!(bytes(text), want, "{text}");
        }
    }
}
