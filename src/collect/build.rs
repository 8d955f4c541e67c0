use std::collections::BTreeMap;

use config::Value;

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
        .map(|(name, mut collector)| (name, collector.sample()))
        .collect()
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
