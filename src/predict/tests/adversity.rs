//! What happens to machines and is no failure, or no longer is one: nothing is foreseen of it, and
//! what was foreseen is taken back.

use super::{Lab, at, reading, seen};
use crate::host::Memory as Records;
use crate::model::Reading;
use crate::predict::battery::Battery;
use crate::predict::cooling::Cooling;
use crate::predict::disk::Disk;
use crate::predict::fan::Fan;
use crate::predict::foresight::{Foresight, Told};
use crate::predict::memory::Memory;
use crate::predict::outlook::{Finding, Kind, Nearness};
use crate::predict::scene::days;
use crate::predict::space::Space;
use crate::predict::tracker::Tracker;
use crate::predict::wear::Wear;

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
fn a_disk_or_an_ssd_in_the_place_of_another_is_a_new_one() {
    let bad = |count: f64, hours: f64| {
        vec![reading(
            "disk-a",
            [
                ("reallocated", count),
                ("pending", 2.0),
                ("power_on_hours", hours),
            ],
        )]
    };
    for (count, hours) in [(0.0, 30_300.0), (30.0, 5.0)] {
        let mut lab = Lab::<Disk>::new();
        lab.days(12, |day| bad((day * 2.0).floor(), 30_000.0 + day * 24.0));
        lab.case();
        lab.days(1, |day| bad(count, hours + day * 24.0));
        assert_eq!(lab.missing(), "3 days of watching it");
        lab.days(6, |_| bad(count, hours + 24.0));
        lab.is_clear();
    }
    let worn = |percent: f64, hours: f64| {
        vec![reading(
            "disk-s",
            [("wear_pct", percent.floor()), ("power_on_hours", hours)],
        )]
    };
    let mut lab = Lab::<Wear>::new();
    lab.days(20, |_| worn(92.0, 30_000.0));
    lab.case();
    lab.days(3, |_| worn(1.0, 500.0));
    lab.missing();
    // The age that counts is its own: a percent in fifty days is five years.
    lab.days(30, |_| worn(1.0, 500.0));
    let Finding::Clear(Some(due)) = lab.finding() else {
        panic!("{:?}", lab.finding());
    };
    let years = (days(due.likely) - lab.day) / 365.0;
    assert!((10.0..20.0).contains(&years), "{years}");
}

#[test]
fn half_an_answer_of_a_disk_is_no_growth() {
    let mut lab = Lab::<Disk>::new();
    let tell = |day: f64| {
        if (day * 4.0).floor() % 2.0 == 0.0 {
            vec![reading("disk-a", [("reallocated", 40.0), ("pending", 9.0)])]
        } else {
            vec![reading("disk-a", [("reallocated", 40.0)])]
        }
    };
    lab.days(30, tell);
    lab.is_clear();
}

#[test]
fn a_leap_of_wear_after_months_is_no_pace() {
    let worn = |percent: f64| {
        vec![reading(
            "disk-s",
            [("wear_pct", percent), ("power_on_hours", 20_000.0)],
        )]
    };
    let mut lab = Lab::<Wear>::new();
    lab.days(200, |_| worn(20.0));
    lab.days(1, |_| worn(26.0));
    lab.days(9, |_| worn(33.0));
    for _ in 0..20 {
        lab.days(5, |_| worn(33.0));
        assert!(
            !matches!(lab.finding(), Finding::Foreseen(_)),
            "{:?}",
            lab.finding()
        );
    }
}

#[test]
fn wear_that_becomes_fast_after_a_year_is_told_in_time() {
    let worn = |percent: f64| vec![reading("disk-s", [("wear_pct", percent.floor())])];
    let mut lab = Lab::<Wear>::new();
    lab.days(300, |day| worn(10.0 + day / 60.0));
    // From 15 % on a percent a day: 85 days.
    lab.days(50, |day| worn(15.0 + day));
    let (_, likely, _) = lab.left();
    assert!((25.0..45.0).contains(&likely), "{likely}");
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

fn used(tib: f64, size: f64) -> Vec<Reading> {
    let (used, size) = (tib * 1e12, size * 1e12);
    vec![reading(
        "fs-srv",
        [("used_bytes", used), ("free_bytes", size - used)],
    )]
}

#[test]
fn backups_that_are_cleared_weekly_have_no_date_at_any_time_of_the_week() {
    let mut lab = Lab::<Space>::new();
    for week in 0..20 {
        for _ in 0..7 {
            lab.days(1, |day| {
                used(3.0 + ((lab_day(week, day)) % 7.0) * 0.13, 4.0)
            });
            assert!(
                !matches!(lab.finding(), Finding::Foreseen(_)),
                "{:?}",
                lab.finding()
            );
        }
    }
}

/// The day of a lab whose weeks begin anew.
fn lab_day(week: u32, day: f64) -> f64 {
    f64::from(week) * 7.0 + day
}

#[test]
fn a_slow_growth_is_told_in_its_last_months_until_there_is_more_room() {
    let mut lab = Lab::<Space>::new();
    let grows = |from: f64, size: f64| move |day: f64| used(3.0 + (from + day) * 0.004, size);
    lab.days(120, grows(0.0, 4.0));
    lab.is_clear();
    lab.days(60, grows(120.0, 4.0));
    let (_, likely, _) = lab.left();
    assert!((60.0..80.0).contains(&likely), "{likely}");
    lab.days(1, grows(180.0, 8.0));
    lab.is_clear();
}

#[test]
fn what_was_full_and_was_cleared_by_hand_is_told_when_it_fills_again() {
    let mut lab = Lab::<Space>::new();
    lab.days(45, |day| used((2.2 + day * 0.04).min(3.99), 4.0));
    lab.case();
    lab.days(1, |_| used(2.2, 4.0));
    lab.days(2, |_| used(2.2, 4.0));
    lab.is_clear();
    lab.days(40, |day| used(2.2 + day * 0.04, 4.0));
    lab.case();
    // Again and again is a habit.
    lab.days(3, |_| used(2.2, 4.0));
    lab.days(40, |day| used(2.2 + day * 0.04, 4.0));
    lab.is_clear();
}

#[test]
fn a_battery_of_two_discharges_has_no_trend_but_an_end() {
    let health = |percent: f64| vec![reading("ups-a", [("battery_health_pct", percent)])];
    let mut lab = Lab::<Battery>::new();
    lab.days(70, |_| health(95.0));
    lab.days(70, |_| health(82.0));
    lab.is_clear();
    lab.days(21, |_| health(55.0));
    let case = lab.case();
    assert!(case.pressing && case.due.is_none(), "{case:?}");
    // A new one is in.
    lab.days(8, |_| health(100.0));
    lab.missing();
    // It needs no ten weeks to see that one is worn.
    let mut lab = Lab::<Battery>::new();
    lab.days(22, |_| health(40.0));
    assert_eq!(lab.case().evidence[0].figure, "40 %");
}

#[test]
fn what_a_ups_carries_more_is_no_age_of_its_battery() {
    for bend in [1.0_f64, 1.3] {
        let ups = |more: f64| {
            move |day: f64| {
                let load = 20.0 + more + 10.0 * (day * 6.0).sin();
                let runtime = 1_800.0 * (50.0 / load).powf(bend);
                vec![reading(
                    "ups-a",
                    [
                        ("charge_pct", 100.0),
                        ("load_pct", load),
                        ("runtime_s", runtime),
                    ],
                )]
            }
        };
        let mut lab = Lab::<Battery>::new();
        lab.days(100, ups(0.0));
        for step in 1..=12_u32 {
            lab.days(14, ups(f64::from(step) * 4.0));
            assert!(
                !matches!(lab.finding(), Finding::Foreseen(_)),
                "{:?}",
                lab.finding()
            );
        }
    }
}

#[test]
fn memory_errors_in_one_burst_are_none_and_a_module_that_is_replaced_is_told_no_more() {
    let errors = |count: f64| {
        vec![reading(
            "memory-errors",
            [("corrected_errors", count.floor())],
        )]
    };
    let mut lab = Lab::<Memory>::new();
    lab.days(10, |_| errors(0.0));
    lab.days(1, |day| errors(day * 900.0));
    lab.days(10, |_| errors(900.0));
    lab.is_clear();
    lab.days(9, |day| errors(900.0 + day * 2.0));
    lab.case();
    lab.days(6, |_| errors(0.0));
    lab.is_clear();
    // A single one much later is not the former trouble.
    lab.days(3, |_| errors(1.0));
    lab.is_clear();
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
