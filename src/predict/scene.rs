use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Area, Metric, Subject, Value};

/// What is known of one subject at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The subject.
    pub subject: &'a Arc<Subject>,
    /// Its figures.
    pub values: &'a [(&'static Metric, Value)],
}

impl Seen<'_> {
    /// A figure of it, if it is known.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.value(key)?.as_number()
    }

    /// A word of it, if it is known.
    pub(super) fn word(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            Value::Number(_) | Value::Flag(_) | Value::Moment(_) => None,
        }
    }

    /// Whether a flag of it is up.
    pub(super) fn is(&self, key: &str) -> bool {
        self.number(key) == Some(1.0)
    }

    /// Whether it is of the machine's health and its id begins so.
    pub(super) fn of(&self, prefix: &str) -> bool {
        self.subject.area == Area::Health && self.subject.id.starts_with(prefix)
    }

    fn value(&self, key: &str) -> Option<&Value> {
        let found = self.values.iter().find(|(metric, _)| metric.key == key);
        found.map(|(_, value)| value)
    }
}

/// What the temperatures of a part are held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Room {
    /// Sensors in the room.
    Air,
    /// The coolest sensor of the machine, which follows the room; its key.
    Coolest(String),
    /// Nothing: only what load adds can be told.
    Unknown,
}

/// Everything at one moment, once a minute.
pub(super) struct Scene<'a> {
    /// Days since 1970.
    pub(super) day: f64,
    /// Minutes since the look before.
    pub(super) minutes: f64,
    pub(super) seen: &'a [Seen<'a>],
    /// The use of the processor over the last minutes, %, while it does not change much.
    pub(super) load: Option<f64>,
    senses: &'a Senses,
}

/// A load is steady while it stays this near to its mean of the last minutes, %.
const STEADY: f64 = 12.0;
/// How much of the mean of the last minutes stays from one minute to the next.
const STAYS: f64 = 0.75;
/// No look stands for more minutes.
const LOOK: f64 = 30.0;
/// The same for the mean of some days.
const DAYS: f64 = 1.0 / 4_000.0;
/// A sensor of the machine follows the room only if it is cooler than the part by so much, °C.
const COOLER: f64 = 8.0;
/// Parts with a load of their own, by what their drivers are called.
const WORKS: [&str; 7] = [
    "amdgpu", "radeon", "nouveau", "nvidia", "i915", "-xe-", "gpu",
];
/// No more sensors are known.
const SENSORS: usize = 256;
/// The coolest sensor is not chosen by what a machine tells at its first looks.
const SETTLED: u32 = 60;

/// What is carried from minute to minute of the machine as a whole.
#[derive(Debug, Default)]
pub(super) struct Senses {
    mean: Option<f64>,
    /// The mean of each temperature over days, °C.
    temperatures: BTreeMap<String, Mean>,
    air: Option<f64>,
    hottest: Option<f64>,
    /// When it was last felt, and how often.
    last: Option<Timestamp>,
    looks: u32,
}

#[derive(Debug, Clone, Copy)]
struct Mean {
    degrees: f64,
    /// Minutes that are in it.
    minutes: f64,
    now: Option<f64>,
}

impl Senses {
    /// Takes a minute in.
    pub(super) fn feel<'a>(&'a mut self, at: Timestamp, seen: &'a [Seen<'a>]) -> Scene<'a> {
        let since = self.last.replace(at);
        let since = since.map_or(60.0, |last| at.duration_since(last).as_secs_f64());
        let minutes = (since / 60.0).clamp(0.0, LOOK);
        let cpu = seen
            .iter()
            .find(|one| one.of("cpu") && one.subject.id == "cpu");
        let use_now = cpu.and_then(|cpu| cpu.number("usage_pct"));
        if let Some(now) = use_now {
            let mean = self.mean.unwrap_or(now);
            self.mean = Some(now + (mean - now) * STAYS.powf(minutes));
        }
        let steady = use_now.zip(self.mean);
        let load = steady.filter(|(now, mean)| (now - mean).abs() <= STEADY);
        for one in self.temperatures.values_mut() {
            one.now = None;
        }
        let (mut air, mut parts) = (Vec::new(), Vec::new());
        for one in seen {
            let Some(degrees) = one.number("temperature_c") else {
                continue;
            };
            if one.of("ambient-") {
                air.push(degrees);
            } else if one.of("temp-") {
                self.note(one.subject.key(), degrees);
                if is_processor(&one.subject.id) {
                    parts.push(degrees);
                }
            }
        }
        self.looks = self.looks.saturating_add(1);
        self.air = super::trend::median(air);
        self.hottest = parts.into_iter().reduce(f64::max);
        Scene {
            day: days(at),
            minutes,
            seen,
            load: load.map(|(_, mean)| mean),
            senses: self,
        }
    }

    fn note(&mut self, key: &str, degrees: f64) {
        if let Some(known) = self.temperatures.get_mut(key) {
            known.minutes += 1.0;
            known.degrees += (degrees - known.degrees) * DAYS.max(1.0 / known.minutes);
            known.now = Some(degrees);
        } else if self.temperatures.len() < SENSORS {
            let new = Mean {
                degrees,
                minutes: 1.0,
                now: Some(degrees),
            };
            self.temperatures.insert(key.to_owned(), new);
        }
    }
}

impl Scene<'_> {
    /// What the temperatures of `subject` are best held against if no sensor tells the room's; `None`
    /// in the first hour, when that cannot be told.
    pub(super) fn machine(&self, subject: &Subject) -> Option<Room> {
        (self.senses.looks >= SETTLED).then_some(())?;
        let all = &self.senses.temperatures;
        let own = all.get(subject.key()).map(|own| own.degrees);
        // What works by itself follows its work.
        let rest = all
            .iter()
            .filter(|(key, _)| !WORKS.iter().any(|word| key.contains(word)));
        let coolest = rest.min_by(|(_, a), (_, b)| a.degrees.total_cmp(&b.degrees));
        Some(match coolest.zip(own) {
            Some(((key, coolest), own)) if coolest.degrees + COOLER <= own => {
                Room::Coolest(key.clone())
            }
            _ => Room::Unknown,
        })
    }

    /// How warm `room` is now, °C; 0 where nothing is known of it.
    pub(super) fn degrees(&self, room: &Room) -> Option<f64> {
        match room {
            Room::Air => self.senses.air,
            Room::Coolest(key) => self.senses.temperatures.get(key)?.now,
            Room::Unknown => Some(0.0),
        }
    }

    /// The hottest of the processors, °C.
    pub(super) const fn hottest(&self) -> Option<f64> {
        self.senses.hottest
    }
}

/// Whether a temperature is a processor's, which fans are driven by.
pub(super) fn is_processor(id: &str) -> bool {
    [
        "temp-coretemp",
        "temp-k10temp",
        "temp-cpu",
        "temp-zenpower",
        "temp-soc",
    ]
    .iter()
    .any(|start| id.starts_with(start))
}

/// Days since 1970.
pub(super) fn days(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64() / 86_400.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Reading, Unit};

    static DEGREES: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius);
    static USAGE: Metric = Metric::gauge("usage_pct", "Usage", Unit::Percent);
    static WORD: Metric = Metric::state("state", "State", &["on", "off"]);

    fn reading(id: &str, metric: &'static Metric, value: impl Into<Value>) -> Reading {
        Reading::new(&Subject::of_host(Area::Health, id, id)).with(metric, value)
    }

    fn all(readings: &[Reading]) -> Vec<Seen<'_>> {
        readings
            .iter()
            .map(|reading| Seen {
                subject: &reading.subject,
                values: &reading.values,
            })
            .collect()
    }

    #[test]
    fn what_is_known_of_a_subject_is_found_by_its_key() {
        let on = [reading("ups-a", &WORD, "on"), reading("cpu", &USAGE, 1.0)];
        let seen = all(&on);
        assert_eq!(
            (seen[0].word("state"), seen[0].word("x")),
            (Some("on"), None)
        );
        assert_eq!(seen[0].number("state"), None);
        assert_eq!(seen[1].word("usage_pct"), None);
        assert!(seen[1].is("usage_pct") && !seen[0].is("state"));
        assert!(seen[0].of("ups-") && !seen[0].of("fs-"));
    }

    #[test]
    fn a_load_that_jumps_is_no_load_to_compare_at() {
        let mut senses = Senses::default();
        let mut at = Timestamp::UNIX_EPOCH;
        assert_eq!(senses.feel(at, &[]).load, None);
        let mut feel = |load: f64| {
            at = at.checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
            let on = [reading("cpu", &USAGE, load)];
            senses.feel(at, &all(&on)).load
        };
        assert_eq!(feel(10.0), Some(10.0));
        assert_eq!(feel(90.0), None, "it has just risen");
        let settled = std::iter::repeat_with(|| feel(90.0)).take(10).flatten();
        assert!(settled.last().unwrap() > 85.0);
    }

    #[test]
    fn temperatures_are_held_against_the_room_as_well_as_it_is_known() {
        let mut senses = Senses::default();
        let at = Timestamp::UNIX_EPOCH;
        let cpu = reading("temp-coretemp", &DEGREES, 60.0);
        let board = reading("temp-nct6798-systin", &DEGREES, 31.0);
        let air = [20.0, 21.0, 40.0].map(|degrees| reading("ambient-x", &DEGREES, degrees));
        let (subject, coolest) = (&cpu.subject, &board.subject);
        let alone = [cpu.clone()];
        let seen = all(&alone);
        let scene = senses.feel(at, &seen);
        assert_eq!(scene.machine(subject), None, "it is too early");
        assert_eq!(scene.hottest(), Some(60.0));
        for _ in 0..60 {
            senses.feel(at, &seen);
        }
        let scene = senses.feel(at, &seen);
        assert_eq!(scene.machine(subject), Some(Room::Unknown));
        assert_eq!(scene.degrees(&Room::Unknown), Some(0.0));
        let two = [cpu.clone(), board.clone()];
        let both = all(&two);
        let scene = senses.feel(at, &both);
        let room = Room::Coolest(coolest.key().to_owned());
        assert_eq!(scene.machine(subject), Some(room.clone()));
        assert_eq!(scene.degrees(&room), Some(31.0));
        assert_eq!(
            scene.machine(coolest),
            Some(Room::Unknown),
            "it is the coolest"
        );
        let card = reading("temp-amdgpu-edge", &DEGREES, 25.0);
        let three = [cpu.clone(), board.clone(), card];
        let with_card = all(&three);
        for _ in 0..3 {
            senses.feel(at, &with_card);
        }
        let scene = senses.feel(at, &with_card);
        assert_eq!(
            scene.machine(subject),
            Some(room.clone()),
            "a card has a load of its own"
        );
        let never = scene.machine(&air[0].subject);
        assert_eq!(never, Some(Room::Unknown), "it was never seen");
        let scene = senses.feel(at, &seen);
        assert_eq!(scene.degrees(&room), None, "the coolest says nothing now");
        assert_eq!(scene.degrees(&Room::Coolest("x".to_owned())), None);
        let many: Vec<_> = air.into_iter().chain(two.clone()).collect();
        let seen = all(&many);
        let scene = senses.feel(at, &seen);
        assert_eq!(scene.degrees(&Room::Air), Some(21.0));
        let noisy: Vec<_> = (0..300)
            .map(|n| reading(&format!("temp-{n}"), &DEGREES, 40.0))
            .collect();
        senses.feel(at, &all(&noisy));
        assert_eq!(senses.temperatures.len(), SENSORS);
    }
}
