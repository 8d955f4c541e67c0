use std::collections::BTreeMap;
use std::time::Duration;

use config::Value;
use tokio::time::Instant;

use super::{CollectError, ENTRIES, Entry, Slot};
use crate::config::{Problems, Section, nearest};
use crate::host::Host;
use crate::model::Reading;

/// A collector's name and what it had to say.
pub type Sampled = (&'static str, Result<Vec<Reading>, CollectError>);

/// Builds every collector that is enabled. Faults of the `[collect.<name>]` tables, and tables
/// of no collector, go to `problems`.
pub fn build_all(host: &Host, tables: &BTreeMap<String, Value>, problems: &Problems) -> Vec<Slot> {
    build_from(ENTRIES, host, tables, problems)
}

/// The same from a list of the caller's own.
pub fn build_from(
    entries: &[Entry],
    host: &Host,
    tables: &BTreeMap<String, Value>,
    problems: &Problems,
) -> Vec<Slot> {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    for (name, table) in tables {
        if names.contains(&name.as_str()) {
            continue;
        }
        let text = match nearest(name, &names) {
            Some(near) => format!("is no collector; did you mean \"{near}\"?"),
            None => format!("is no collector; there are {}", names.join(", ")),
        };
        let origin = table.origin().unwrap_or("defaults");
        problems.add(origin, &format!("collect.{name}"), text);
    }
    let mut slots = Vec::with_capacity(entries.len());
    for entry in entries {
        let table = tables.get(entry.name).cloned().unwrap_or_default();
        // Read once for its faults, also when it is disabled.
        let (first, enabled) = build(entry, host, table.clone(), problems);
        drop(first);
        if enabled {
            let (entry, host) = (*entry, host.clone());
            slots.push(Slot::new(entry.name, entry.period, move || {
                build(&entry, &host, table.clone(), &Problems::default()).0
            }));
        }
    }
    slots
}

/// Builds those of `names` that are enabled, for whoever samples them on its own.
pub fn build_named(
    names: &[&str],
    host: &Host,
    tables: &BTreeMap<String, Value>,
) -> Vec<Box<dyn super::Collect>> {
    let unseen = Problems::default();
    let wanted = ENTRIES.iter().filter(|entry| names.contains(&entry.name));
    let built = wanted.map(|entry| {
        let table = tables.get(entry.name).cloned().unwrap_or_default();
        build(entry, host, table, &unseen)
    });
    built
        .filter_map(|(collector, enabled)| enabled.then_some(collector))
        .collect()
}

/// Samples every collector that is enabled once, one after the other, and tells what came of it.
/// Blocks.
pub fn sample_once(host: &Host, tables: &BTreeMap<String, Value>) -> Vec<Sampled> {
    let unseen = Problems::default();
    let built = ENTRIES.iter().filter_map(|entry| {
        let table = tables.get(entry.name).cloned().unwrap_or_default();
        let (collector, enabled) = build(entry, host, table, &unseen);
        enabled.then_some((entry.name, collector))
    });
    built
        .map(|(name, mut collector)| (name, patient(collector.as_mut())))
        .collect()
}

/// So long one sample must have taken to be called waiting for an outside program.
const WAITED: Duration = Duration::from_millis(250);
/// So often it is waited for: some ten seconds.
const AGAIN: u32 = 30;

/// A sample that has waited for an outside program in vain is taken again: a later one has its answer.
fn patient(collector: &mut dyn super::Collect) -> Result<Vec<Reading>, CollectError> {
    let mut left = AGAIN;
    loop {
        let began = Instant::now();
        let sampled = collector.sample();
        let waits = sampled.as_ref().is_ok_and(Vec::is_empty) && began.elapsed() >= WAITED;
        if !waits || left == 0 {
            return sampled;
        }
        left -= 1;
    }
}

fn build(
    entry: &Entry,
    host: &Host,
    table: Value,
    problems: &Problems,
) -> (Box<dyn super::Collect>, bool) {
    let mut section = Section::new(format!("collect.{}", entry.name), table, problems);
    let enabled = section.flag("enabled").unwrap_or(true);
    ((entry.build)(host, section), enabled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Clock, Exec};
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn whoever_samples_once_waits_for_slow_programs() {
        let dir = tempfile::tempdir().unwrap();
        let mapped = dir.path().join("sys/block/dm-0/dm");
        std::fs::create_dir_all(&mapped).unwrap();
        std::fs::write(mapped.join("uuid"), "LVM-x\n").unwrap();
        let row =
            r#"{"vg_name":"vg0","lv_name":"tp","lv_layout":"thin,pool","data_percent":"96.00"}"#;
        let script = dir.path().join("lvs");
        let text = format!("#!/bin/sh\nsleep 1\necho '{{\"report\":[{{\"lv\":[{row}]}}]}}'\n");
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut host = Host::captured(dir.path(), Clock::Real);
        host.exec = Exec::Real;
        let argv = vec![script.display().to_string()];
        host.commands = std::sync::Arc::new([("lvs".to_owned(), argv)].into());
        let off = |entry: &Entry| {
            let table = config::Map::from_iter([("enabled".to_owned(), Value::new(None, false))]);
            (entry.name.to_owned(), Value::new(None, table))
        };
        let others = ENTRIES.iter().filter(|entry| entry.name != "lvm");
        let tables = others.map(off).collect();
        let sampled = tokio::task::spawn_blocking(move || sample_once(&host, &tables));
        let sampled = sampled.await.unwrap();
        assert_eq!(sampled.len(), 1);
        let readings = sampled[0].1.as_ref().unwrap();
        assert_eq!(readings[0].subject.id, "pool-lvm-vg0-tp");
    }
}
