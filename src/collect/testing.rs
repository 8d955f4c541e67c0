//! What tests of collectors have in common.

use config::{File, FileFormat, Source as _};

use super::{Collect, CollectError, Entry};
use crate::config::{Problems, Section};
use crate::host::Host;
use crate::model::Reading;

/// The collector of `entry` with this table (TOML), and what is wrong with the table, a line each.
pub(super) fn built(entry: Entry, host: &Host, table: &str) -> (Box<dyn Collect>, String) {
    let table = File::from_str(table, FileFormat::Toml).collect().unwrap();
    let problems = Problems::default();
    let name = format!("collect.{}", entry.name);
    let collector = (entry.build)(host, Section::new(name, table.into(), &problems));
    let faults = problems.into_vec();
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    (collector, faults.join("\n"))
}

/// The collector of `entry` of which nothing is configured.
pub(super) fn plain(entry: Entry, host: &Host) -> Box<dyn Collect> {
    built(entry, host, "").0
}

/// Samples where collectors are sampled: on a thread of the runtime that may block.
pub(super) async fn sample(
    mut collector: Box<dyn Collect>,
) -> (Box<dyn Collect>, Result<Vec<Reading>, CollectError>) {
    let sampled = tokio::task::spawn_blocking(move || {
        let result = collector.sample();
        (collector, result)
    });
    sampled.await.unwrap()
}
