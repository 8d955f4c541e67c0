use std::path::Path;
use std::time::Duration;

use config::{File, FileFormat, Source as _, Value, ValueKind};

use super::machine::{CONTROLS, Controls};
use crate::config::{Problem, Problems, Section};

/// What happens in the simulated home, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// How much faster the scenario's clock runs than the real one.
    speed: f64,
    /// After this long (on the scenario's clock) it begins again; zero means never.
    repeat: Duration,
    events: Vec<Event>,
}

#[derive(Debug, Clone, PartialEq)]
struct Event {
    at: Duration,
    over: Duration,
    control: &'static str,
    value: f64,
}

/// The built-in day: a quiet home server, a backup at night, a disk that gets hot when its fan
/// stalls, a filesystem that fills up, a sensor that fails, and everything back to normal.
const BUILT_IN: &str = include_str!("day.toml");

const DAY: Duration = Duration::from_hours(24);

/// Reads the scenario in `file`, or the built-in one; on failure every fault.
pub fn read(file: Option<&Path>) -> Result<Scenario, Vec<Problem>> {
    let problems = Problems::default();
    let (origin, text) = match file {
        None => ("built-in scenario".to_owned(), Ok(BUILT_IN.to_owned())),
        Some(path) => {
            let read = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
            let text = read.and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| "is no UTF-8 text".to_owned())
            });
            (path.display().to_string(), text)
        }
    };
    let table = text.and_then(|text| {
        text.parse::<toml::Table>()
            .map_err(|error| format!("is not valid TOML\n{error}"))?;
        File::from_str(&text, FileFormat::Toml)
            .collect()
            .map_err(|error| error.to_string())
    });
    match table {
        Ok(table) => {
            let root = Value::new(Some(&origin), ValueKind::Table(table));
            let scenario = Scenario::from_section(Section::root(root, &problems));
            let problems = problems.into_vec();
            if problems.is_empty() {
                Ok(scenario)
            } else {
                Err(problems)
            }
        }
        Err(text) => {
            problems.add(&origin, "", text);
            Err(problems.into_vec())
        }
    }
}

impl Scenario {
    fn from_section(mut section: Section<'_>) -> Self {
        let speed = section.number("speed", 0.01..=10_000.0).unwrap_or(1.0);
        let repeat = section
            .duration("repeat", Duration::ZERO..=DAY * 365)
            .unwrap_or_default();
        let mut events = Vec::new();
        for (_, mut event) in section.sections("event") {
            let at = event.duration("at", Duration::ZERO..=DAY * 365);
            let over = event
                .duration("over", Duration::ZERO..=DAY * 365)
                .unwrap_or_default();
            if at.is_none() && !event.has("at") {
                event.fault("at", "must be given: when it begins, such as \"90s\"");
            }
            let mut set = event.section("set");
            for control in CONTROLS {
                if let Some(value) = set.number(control.name, control.range.clone()) {
                    let at = at.unwrap_or_default();
                    events.push(Event {
                        at,
                        over,
                        control: control.name,
                        value,
                    });
                }
            }
            set.finish();
            event.finish();
        }
        section.finish();
        events.sort_by_key(|event| event.at);
        Self {
            speed,
            repeat,
            events,
        }
    }

    /// Sets what holds `elapsed` (real time) after the start.
    pub(super) fn apply(&self, elapsed: Duration, controls: &mut Controls) {
        let mut now = elapsed.mul_f64(self.speed);
        if !self.repeat.is_zero() {
            now = Duration::from_secs_f64(now.as_secs_f64() % self.repeat.as_secs_f64());
        }
        *controls = Controls::default();
        for event in self.events.iter().filter(|event| event.at <= now) {
            let from = controls.get(event.control);
            let done = if event.over.is_zero() {
                1.0
            } else {
                (now.saturating_sub(event.at).as_secs_f64() / event.over.as_secs_f64()).min(1.0)
            };
            controls.set(event.control, from + (event.value - from) * done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Scenario, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.toml");
        std::fs::write(&file, text).unwrap();
        read(Some(&file)).map_err(|list| list.iter().map(|p| p.text.clone()).collect())
    }

    #[test]
    fn the_built_in_day_has_no_fault_and_gets_a_disk_hot() {
        let scenario = read(None).unwrap();
        let mut hottest: f64 = 0.0;
        let mut controls = Controls::default();
        for minute in 0..24 {
            scenario.apply(Duration::from_secs(minute * 60), &mut controls);
            hottest = hottest.max(controls.get("disk_temperature_c"));
        }
        assert!(hottest > 60.0, "{hottest}");
    }

    #[test]
    fn values_move_over_time_and_later_events_win() {
        let scenario = parse(
            "speed = 2\n[event.a]\nat = \"10s\"\nover = \"10s\"\nset = { cpu_pct = 90 }\n\
             [event.b]\nat = \"40s\"\nset = { cpu_pct = 5 }\n",
        )
        .unwrap();
        let mut controls = Controls::default();
        let mut at = |seconds| {
            scenario.apply(Duration::from_secs(seconds), &mut controls);
            controls.get("cpu_pct")
        };
        let start = at(0);
        assert!((at(10) - 90.0).abs() < 1e-9);
        assert!((at(7) - (start + (90.0 - start) * 0.4)).abs() < 1e-9);
        assert!((at(20) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn every_fault_of_a_scenario_is_told_at_once() {
        let faults = parse("sped = 1\n[event.a]\nset = { cpu_pct = 900, gpu = 1 }\n").unwrap_err();
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(parse("x = [").unwrap_err()[0].contains("not valid TOML"));
        assert!(
            read(Some(Path::new("/nowhere/x.toml"))).unwrap_err()[0]
                .text
                .contains("cannot")
        );
    }
}
