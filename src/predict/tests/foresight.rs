use super::{at, judged, reading, seen};
use crate::host::Memory;
use crate::model::Reading;
use crate::predict::{Foresight, Nearness, Told};

/// A machine that is judged every ten minutes.
struct Watch {
    memory: Memory,
    foresight: Foresight,
    day: f64,
}

impl Watch {
    fn new() -> Self {
        let memory = Memory::default();
        Self {
            foresight: Foresight::new(&memory),
            memory,
            day: 20_000.0,
        }
    }

    fn step(&mut self, minutes: f64, readings: &[Reading]) -> Told {
        self.day += minutes / 1_440.0;
        self.foresight.take(at(self.day), &seen(readings));
        self.foresight.judge(at(self.day))
    }

    fn hours(&mut self, hours: u32, readings: &[Reading]) -> Told {
        (0..hours)
            .map(|_| self.step(60.0, readings))
            .last()
            .unwrap()
    }

    fn restart(&mut self) {
        self.foresight.keep();
        let kept = self.memory.take_changes().into_iter();
        let kept = kept.filter_map(|(key, record)| Some((key, record?)));
        self.memory = Memory::new(kept);
        self.foresight = Foresight::new(&self.memory);
    }
}

fn memory(errors: f64) -> [Reading; 1] {
    [reading("memory-errors", [("corrected_errors", errors)])]
}

fn worn(percent: f64) -> [Reading; 1] {
    [reading(
        "disk-a",
        [("wear_pct", percent), ("power_on_hours", 24_000.0)],
    )]
}

#[test]
fn what_is_too_young_says_what_is_missing_and_what_is_well_says_so() {
    let mut watch = Watch::new();
    let told = watch.step(10.0, &memory(0.0));
    assert!(told.predictions.is_empty());
    assert_eq!(
        told.outlooks[0].missing.as_deref(),
        Some("3 days of watching it")
    );
    let told = watch.hours(80, &memory(0.0));
    let outlook = &told.outlooks[0];
    assert_eq!((outlook.missing.as_ref(), outlook.due), (None, None));
    assert_eq!(outlook.subject, "health/memory-errors");
    // What is not here any more is not spoken of.
    let told = watch.hours(30, &[]);
    assert!(told.outlooks.is_empty());
}

#[test]
fn a_prediction_is_announced_when_it_holds_kept_over_a_restart_and_withdrawn_when_it_is_over() {
    let mut watch = Watch::new();
    for day in 0..6_u32 {
        watch.hours(24, &memory(f64::from(day) * 3.0));
    }
    let told = watch.step(10.0, &memory(15.0));
    let (first, subject) = told.predictions[0].clone();
    assert_eq!(first.id, "memory-memory-errors");
    assert_eq!(
        (first.outlook, subject.key()),
        (Nearness::Near, "health/memory-errors")
    );
    assert_eq!((first.lead_days, first.kind.as_str()), (3, "memory"));
    watch.restart();
    let told = watch.step(10.0, &memory(15.0));
    assert_eq!(told.predictions[0].0.since, first.since, "announced once");
    // Five days without an error where one came each day, and the patience of 36 hours.
    watch.hours(3 * 24, &memory(15.0));
    assert_eq!(watch.step(10.0, &memory(15.0)).predictions.len(), 1);
    let mut seen = Vec::new();
    for _ in 0..120 {
        let told = watch.hours(1, &memory(15.0));
        let now = told.predictions.first().map(|(one, _)| one.outlook);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    assert_eq!(
        seen,
        [Some(Nearness::Near), Some(Nearness::Withdrawn), None]
    );
}

#[test]
fn what_holds_for_a_moment_only_is_not_announced_but_a_fan_that_stands_is_at_once() {
    let mut watch = Watch::new();
    watch.hours(14 * 24 + 1, &worn(94.0));
    let told = watch.step(10.0, &worn(94.0));
    assert!(told.predictions.is_empty(), "{:?}", told.predictions);
    watch.step(10.0, &worn(94.0));
    let told = watch.step(10.0, &worn(94.0));
    let (one, _) = &told.predictions[0];
    assert_eq!(one.outlook, Nearness::Distant, "{one:?}");
    let fan = |rpm: f64| [reading("fan-a", [("fan_rpm", rpm), ("pwm_pct", 60.0)])];
    let slow = [reading("fan-a", [("fan_rpm", 500.0), ("pwm_pct", 30.0)])];
    let mut watch = Watch::new();
    watch.hours(40, &slow);
    for _ in 0..9 {
        assert!(watch.step(1.0, &fan(0.0)).predictions.is_empty());
    }
    let told = watch.step(1.0, &fan(0.0));
    assert_eq!(told.predictions[0].0.outlook, Nearness::Near);
    // Patience with a fan is half a day.
    let told = watch.hours(13, &fan(900.0));
    assert_eq!(told.predictions[0].0.outlook, Nearness::Withdrawn);
}

#[test]
fn the_risk_of_an_array_is_withdrawn_as_soon_as_it_is_whole() {
    let mut watch = Watch::new();
    let array = |degraded: f64| {
        let disk = reading("disk-a", [("power_on_hours", 9e3)]);
        [
            reading("raid-md0", [("degraded", degraded)]),
            judged(disk, "failing"),
        ]
    };
    for (degraded, want) in [(1.0, Nearness::Near), (0.0, Nearness::Withdrawn)] {
        let told = watch.step(10.0, &array(degraded)).predictions;
        let raid = told.iter().find(|(one, _)| one.id == "raid-raid-md0");
        assert_eq!(raid.unwrap().0.outlook, want);
    }
}

#[test]
fn the_nearest_comes_first_and_what_is_near_does_not_waver() {
    let mut watch = Watch::new();
    let disks = |percent: f64| {
        let old =
            |id: &str, wear: f64| reading(id, [("wear_pct", wear), ("power_on_hours", 24_000.0)]);
        [old("disk-a", 86.0), old("disk-b", percent)]
    };
    let told = watch.hours(24 * 15, &disks(97.5));
    let ids: Vec<_> = told
        .predictions
        .iter()
        .map(|(one, _)| one.id.as_str())
        .collect();
    assert_eq!(ids, ["wear-disk-b", "wear-disk-a"]);
    let near: Vec<_> = told
        .predictions
        .iter()
        .map(|(one, _)| one.outlook)
        .collect();
    assert_eq!(near, [Nearness::Near, Nearness::Distant]);
    assert!(told.predictions[0].0.due.unwrap().likely > at(watch.day + 20.0));
    // It turns out to be 40 days.
    let slower = |hours: f64| {
        [reading(
            "disk-b",
            [("wear_pct", 97.5), ("power_on_hours", hours)],
        )]
    };
    let told = watch.hours(24 * 300, &slower(24_000.0));
    assert_eq!(told.predictions[0].0.outlook, Nearness::Near);
}

#[test]
fn parts_are_bounded_forgotten_when_they_are_gone_and_remembered_when_they_come_back() {
    let many: Vec<_> = (0..200)
        .map(|n| reading(&format!("disk-{n}"), [("pending", 0.0)]))
        .collect();
    let mut watch = Watch::new();
    let told = watch.step(10.0, &many);
    assert_eq!(told.outlooks.len(), 128);
    watch.restart();
    // In this run only one of them is here; of the others no more than so many are kept.
    watch.step(10.0, &many[150..151]);
    watch.restart();
    watch.step(10.0, &many[..1]);
    let told = watch.hours(3 * 24, &many[..1]);
    assert_eq!(
        told.outlooks[0].missing, None,
        "its first day was remembered"
    );
    watch.foresight.keep();
    assert!(watch.memory.keys("predict/disk/").len() <= 130);
    // 60 days later it is forgotten.
    let one = many[..1].to_vec();
    assert!(!watch.memory.keys("predict/disk/health/disk-0").is_empty());
    watch.hours(24 * 61, &[]);
    watch.foresight.keep();
    let known = watch
        .memory
        .get::<serde_json::Value>("predict/disk/health/disk-0");
    assert!(known.is_none(), "{known:?}");
    watch.step(10.0, &one);
}

#[test]
fn a_subject_that_is_made_anew_is_the_same_part() {
    let mut watch = Watch::new();
    watch.step(10.0, &worn(3.0));
    let told = watch.step(10.0, &worn(3.0));
    assert_eq!(told.outlooks.len(), 1);
}
