//! What happens to machines and is no failure, or no longer is one: nothing is foreseen of it, and
//! what was foreseen is taken back.

use super::parts::used;
use super::{Lab, at, reading, seen};
use crate::host::Memory as Records;
use crate::model::Reading;
use crate::predict::cooling::Cooling;
use crate::predict::fan::Fan;
use crate::predict::foresight::{Foresight, Told};
use crate::predict::outlook::{Finding, Kind, Nearness};
use crate::predict::scene::days;
use crate::predict::tracker::Tracker;

/// A server with a sensor of its processor and one of its board, in a room that may have one.
#[derive(Clone, Copy)]
struct Server {
    /// What full load adds, °C.
    adds: f64,
    /// What the processor's sensor says too much, °C.
    off: f64,
    air: bool,
    board: Option<&'static str>,
}

const SERVER: Server = Server {
    adds: 40.0,
    off: 0.0,
    air: true,
    board: Some("temp-board"),
};

impl Server {
    fn tell(self, day: f64) -> Vec<Reading> {
        let load = if day.fract() < 0.5 { 5.0 } else { 95.0 };
        let die = 21.0 + 4.0 + self.adds * load / 100.0 + self.off;
        let mut all = vec![
            reading("cpu", [("usage_pct", load)]),
            reading("temp-coretemp", [("temperature_c", die)]),
        ];
        if self.air {
            all.push(reading("ambient-room", [("temperature_c", 21.0)]));
        }
        if let Some(board) = self.board {
            all.push(reading(board, [("temperature_c", 24.0)]));
        }
        all
    }
}

/// A whole watch over a machine, looked at every half hour.
struct Watch {
    memory: Records,
    foresight: Foresight,
    day: f64,
    /// What its clock is ahead, days.
    ahead: f64,
}

impl Watch {
    fn new() -> Self {
        let memory = Records::default();
        Self {
            foresight: Foresight::new(&memory),
            memory,
            day: 20_000.0,
            ahead: 0.0,
        }
    }

    fn days(&mut self, days: f64, tell: impl Fn(f64) -> Vec<Reading>) -> Told {
        let until = self.day + days;
        let mut told = Told::default();
        while self.day < until {
            self.day += 1.0 / 48.0;
            let now = at(self.day + self.ahead);
            self.foresight.take(now, &seen(&tell(self.day)));
            told = self.foresight.judge(now);
        }
        told
    }

    /// Off for some days.
    fn off(&mut self, days: f64) {
        self.foresight.keep();
        self.foresight = Foresight::new(&self.memory);
        self.day += days;
    }
}

fn foreseen(told: &Told) -> Vec<&str> {
    let stands = told.predictions.iter();
    let stands = stands.filter(|(one, _)| one.outlook != Nearness::Withdrawn);
    stands.map(|(one, _)| one.id.as_str()).collect()
}

fn missing<'a>(told: &'a Told, subject: &str, kind: Kind) -> Option<&'a str> {
    let mut outlooks = told.outlooks.iter();
    let found = outlooks.find(|one| one.subject == subject && one.kind == kind);
    found.unwrap().missing.as_deref()
}

const DIE: &str = "health/temp-coretemp";
const HOT: [&str; 1] = ["cooling-temp-coretemp"];

fn server(adds: f64) -> Server {
    Server { adds, ..SERVER }
}

#[test]
fn a_cooler_that_is_cleaned_is_told_no_more() {
    let mut watch = Watch::new();
    watch.days(20.0, |day| SERVER.tell(day));
    let told = watch.days(30.0, |day| server(55.0).tell(day));
    assert_eq!(foreseen(&told), HOT);
    let told = watch.days(7.0, |day| SERVER.tell(day));
    assert!(foreseen(&told).is_empty(), "{:?}", told.predictions);
    // Dust comes again.
    let told = watch.days(20.0, |day| server(55.0).tell(day));
    assert_eq!(foreseen(&told), HOT);
}

#[test]
fn a_sensor_that_says_more_at_every_load_is_another_sensor() {
    for air in [true, false] {
        let here = Server { air, ..SERVER };
        let mut watch = Watch::new();
        watch.days(20.0, |day| here.tell(day));
        let more = Server { off: 20.0, ..here };
        for _ in 0..20 {
            let told = watch.days(2.0, |day| more.tell(day));
            assert!(foreseen(&told).is_empty(), "{:?}", told.predictions);
        }
    }
}

#[test]
fn without_its_room_sensor_a_machine_is_held_against_itself() {
    let mut watch = Watch::new();
    watch.days(20.0, |day| SERVER.tell(day));
    watch.days(30.0, |day| server(55.0).tell(day));
    let lost = |adds: f64| Server {
        air: false,
        ..server(adds)
    };
    let told = watch.days(10.0, |day| lost(55.0).tell(day));
    assert_eq!(foreseen(&told), HOT);
    let (one, _) = &told.predictions[0];
    let what = &one.evidence[0].what;
    assert!(what.contains("coolest sensor"), "{what}");
    assert!(one.confidence_pct <= 80, "{one:?}");
    // What it was held against last is no evidence once it is cleaned.
    let told = watch.days(7.0, |day| lost(40.0).tell(day));
    assert!(foreseen(&told).is_empty(), "{:?}", told.predictions);
    // A new kernel calls the board by another name: it is learnt anew, and says so.
    let other = Server {
        board: Some("temp-other"),
        ..lost(40.0)
    };
    let told = watch.days(5.0, |day| other.tell(day));
    let missing = missing(&told, DIE, Kind::Cooling);
    assert!(
        missing.is_some_and(|text| text.contains("more days")),
        "{missing:?}"
    );
    let told = watch.days(30.0, |day| other.tell(day));
    assert!(foreseen(&told).is_empty(), "{:?}", told.predictions);
}

#[test]
fn what_a_new_kernel_calls_by_another_name_is_a_new_part() {
    let mut watch = Watch::new();
    watch.days(20.0, |day| SERVER.tell(day));
    watch.days(20.0, |day| server(55.0).tell(day));
    watch.off(0.01);
    let renamed = |day: f64| {
        let mut all = server(55.0).tell(day);
        all[1] = reading("temp-k10temp-tctl", [("temperature_c", 80.0)]);
        all
    };
    let told = watch.days(2.0, renamed);
    assert!(told.predictions.is_empty(), "{:?}", told.predictions);
    let missing = missing(&told, "health/temp-k10temp-tctl", Kind::Cooling);
    assert!(missing.is_some(), "it is too young to speak of");
}

#[test]
fn three_months_off_are_no_age_and_what_was_foreseen_is_seen_anew() {
    for (adds, want) in [(40.0, &[][..]), (55.0, &HOT[..])] {
        let mut watch = Watch::new();
        watch.days(20.0, |day| SERVER.tell(day));
        let told = watch.days(20.0, |day| server(adds).tell(day));
        assert_eq!(foreseen(&told), want);
        watch.off(90.0);
        let told = watch.days(1.0, |day| server(adds).tell(day));
        assert!(
            foreseen(&told).is_empty(),
            "what it is now is not known yet"
        );
        let missing = missing(&told, DIE, Kind::Cooling);
        assert!(
            missing.is_some_and(|text| text.starts_with("3 more days")),
            "{missing:?}"
        );
        let told = watch.days(6.0, |day| server(adds).tell(day));
        assert_eq!(foreseen(&told), want, "what was learnt holds");
    }
}

#[test]
fn a_clock_that_is_wrong_for_hours_after_a_boot_changes_nothing() {
    for ahead in [-19_990.0, 700.0, -0.5] {
        let mut watch = Watch::new();
        watch.days(20.0, |day| SERVER.tell(day));
        let told = watch.days(20.0, |day| server(55.0).tell(day));
        let before = told.predictions[0].0.clone();
        watch.off(0.1);
        watch.ahead = ahead;
        let told = watch.days(0.4, |day| server(55.0).tell(day));
        let (one, _) = &told.predictions[0];
        assert_eq!((one.outlook, one.since), (before.outlook, before.since));
        assert!((days(one.since) - watch.day).abs() < 50.0, "{one:?}");
        watch.ahead = 0.0;
        let told = watch.days(7.0, |day| server(55.0).tell(day));
        assert_eq!(foreseen(&told), HOT, "{ahead}");
        let told = watch.days(8.0, |day| SERVER.tell(day));
        assert!(foreseen(&told).is_empty(), "{ahead}: it is cleaned");
    }
}

#[test]
fn a_clock_that_was_ahead_for_years_is_believed_when_it_is_set_right() {
    let full = |day: f64| {
        let used = 500e9 + (day - 20_000.0).max(0.0) * 4e9;
        let mut all = SERVER.tell(day);
        all.push(reading(
            "fs-srv",
            [("used_bytes", used), ("free_bytes", 1e12 - used)],
        ));
        all.push(reading(
            "ups-a",
            [("battery_health_pct", 100.0 - (day - 20_000.0) / 3.0)],
        ));
        all.push(reading(
            "memory-errors",
            [("corrected_errors", ((day - 20_000.0) * 3.0).floor())],
        ));
        all.push(reading(
            "disk-a",
            [
                ("pending", (day - 20_000.0).floor()),
                ("wear_pct", (day - 19_980.0).floor()),
            ],
        ));
        all.push(reading("fan-a", [("fan_rpm", 900.0), ("pwm_pct", 40.0)]));
        all
    };
    let mut watch = Watch::new();
    watch.ahead = 700.0;
    watch.days(30.0, full);
    watch.ahead = 0.0;
    let told = watch.days(75.0, full);
    let mut all = foreseen(&told);
    all.sort_unstable();
    let want = [
        "battery-ups-a",
        "disk-disk-a",
        "memory-memory-errors",
        "space-fs-srv",
        "wear-disk-a",
    ];
    assert_eq!(all, want);
    for (one, _) in &told.predictions {
        assert!(days(one.since) <= watch.day, "{one:?}");
    }
}

#[test]
fn another_fan_is_accepted_after_some_weeks_and_one_that_is_as_before_at_once() {
    let turns = |share: f64| {
        move |day: f64| {
            let drive = if day.fract() < 0.5 { 30.0 } else { 60.0 };
            vec![reading(
                "fan-a",
                [("fan_rpm", drive * 20.0 * share), ("pwm_pct", drive)],
            )]
        }
    };
    let mut lab = Lab::<Fan>::new();
    lab.days(20, turns(1.0));
    for week in 1..=8_u32 {
        lab.days(7, turns(1.0 - f64::from(week) * 0.02));
    }
    lab.case();
    lab.days(6, turns(1.0));
    lab.is_clear();
    // A slower one: at first it is told, for it may be a bearing.
    lab.days(20, turns(0.75));
    lab.case();
    lab.days(70, turns(0.75));
    assert!(
        !matches!(lab.finding(), Finding::Foreseen(_)),
        "{:?}",
        lab.finding()
    );
}

#[test]
fn a_quieter_fan_curve_is_accepted_after_some_weeks() {
    let mut watch = Watch::new();
    watch.days(60.0, |day| SERVER.tell(day));
    let told = watch.days(100.0, |day| server(48.0).tell(day));
    assert!(foreseen(&told).is_empty(), "{:?}", told.predictions);
    // But not where it is too hot.
    let mut watch = Watch::new();
    watch.days(60.0, |day| SERVER.tell(day));
    let told = watch.days(100.0, |day| server(66.0).tell(day));
    assert_eq!(foreseen(&told), HOT);
}

#[test]
fn of_days_nothing_is_said_but_that_it_is_too_early() {
    let mut watch = Watch::new();
    let told = watch.days(2.0, |day| {
        let mut all = server(55.0).tell(day);
        all.extend(used(3.9, 4.0));
        all.push(reading("fan-a", [("fan_rpm", 900.0), ("pwm_pct", 40.0)]));
        all.push(reading("ups-a", [("battery_health_pct", 80.0)]));
        all.push(reading(
            "disk-a",
            [("reallocated", 9.0), ("wear_pct", 50.0)],
        ));
        all.push(reading("memory-errors", [("corrected_errors", 3.0)]));
        all
    });
    assert!(told.predictions.is_empty(), "{:?}", told.predictions);
    for outlook in &told.outlooks {
        assert!(outlook.missing.is_some(), "{outlook:?}");
    }
    assert_eq!(told.outlooks.len(), 8);
}

#[test]
fn every_tracker_takes_a_clock_that_goes_back() {
    fn goes_back<T: Tracker>(tell: impl Fn(f64) -> Vec<Reading>) {
        let mut lab = Lab::<T>::new();
        lab.days(20, &tell);
        lab.day -= 1_000.0;
        lab.tracker.rewind(lab.day);
        lab.days(20, &tell);
        lab.finding();
    }
    goes_back::<Cooling>(|day| SERVER.tell(day));
    goes_back::<crate::predict::raid::Raid>(|_| vec![reading("raid-md0", [("degraded", 1.0)])]);
}
