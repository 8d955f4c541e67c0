use std::collections::BTreeMap;
use std::time::Duration;

use config::{Value as Table, ValueKind};

use crate::bus::State;
use crate::collect::{self, Collect};
use crate::host::Host;
use crate::model::{Reading, Timestamp, Value, glob};

/// The collectors whose sensors are read here as often as fans are set, and not only at each tick.
const OWN: [&str; 2] = ["hwmon", "thermal"];
/// Others are believed for this long after they were read.
const OLDEST: Duration = Duration::from_mins(5);

/// The temperatures that fans go by.
pub(super) struct Temperatures {
    patterns: Vec<String>,
    own: Vec<Box<dyn Collect>>,
    known: BTreeMap<String, f64>,
}

impl Temperatures {
    /// Those whose subject's id is like one of `patterns`.
    pub(super) fn new(
        patterns: Vec<String>,
        host: &Host,
        tables: &BTreeMap<String, Table>,
    ) -> Self {
        // Once for their names: sensors that no fan goes by are then left alone.
        let fits = |id: &str| patterns.iter().any(|pattern| glob(pattern, id));
        let mut ids = Vec::new();
        for mut collector in collect::build_named(&OWN, host, &BTreeMap::new()) {
            ids.extend(subjects(&collector.sample().unwrap_or_default()));
        }
        let ignored: Vec<Table> = ids
            .into_iter()
            .filter(|id| !fits(id))
            .map(|id| Table::new(None, id))
            .collect();
        let mut tables = tables.clone();
        let hwmon = tables.entry("hwmon".to_owned()).or_default();
        let mut table = config::Map::new();
        if let ValueKind::Table(given) = &hwmon.kind {
            table.clone_from(given);
        }
        table.insert("ignore".to_owned(), Table::new(None, ignored));
        *hwmon = Table::new(None, table);
        let own = collect::build_named(&OWN, host, &tables);
        Self {
            patterns,
            own,
            known: BTreeMap::new(),
        }
    }

    /// Reads them; what others have read is in `state`.
    pub(super) fn read(&mut self, state: &State, now: Timestamp) {
        self.known.clear();
        for collector in &mut self.own {
            // One that fails has no temperatures now, which is all that counts here.
            for reading in collector.sample().unwrap_or_default() {
                if let Some(warm) = temperature(&reading.values) {
                    self.known.insert(reading.subject.id.clone(), warm);
                }
            }
        }
        let all = self.patterns.iter();
        if all.clone().all(|pattern| self.of(pattern).is_some()) {
            return;
        }
        for other in state.subjects() {
            let age = now.duration_since(other.at).unsigned_abs();
            let fresh = other.available && age <= OLDEST && !OWN.contains(&other.collector);
            let id = &other.subject.id;
            if fresh
                && all.clone().any(|pattern| glob(pattern, id))
                && let Some(warm) = temperature(&other.values)
            {
                self.known.insert(id.clone(), warm);
            }
        }
    }

    fn of(&self, pattern: &str) -> Option<f64> {
        let fitting = self.known.iter().filter(|(id, _)| glob(pattern, id));
        fitting.map(|(_, warm)| *warm).reduce(f64::max)
    }

    /// The hottest of those like `patterns`, °C; `None` if one pattern has none at all.
    pub(super) fn hottest(&self, patterns: &[String]) -> Option<f64> {
        let each: Option<Vec<f64>> = patterns.iter().map(|pattern| self.of(pattern)).collect();
        each?.into_iter().reduce(f64::max)
    }
}

fn subjects(readings: &[Reading]) -> impl Iterator<Item = String> {
    readings.iter().map(|reading| reading.subject.id.clone())
}

fn temperature(values: &[(&'static crate::model::Metric, Value)]) -> Option<f64> {
    let (_, value) = values
        .iter()
        .find(|(metric, _)| metric.key == "temperature_c")?;
    value.as_number()
}
