use super::{Lab, reading};
use crate::model::Reading;
use crate::predict::cooling::Cooling;
use crate::predict::outlook::Finding;

/// A machine that is idle for half of each day and works for the other half.
struct Machine {
    /// What load adds, °C, for all of it.
    adds: f64,
    /// The room, °C.
    room: f64,
    air: bool,
    board: bool,
}

impl Machine {
    fn tell(&self, day: f64) -> Vec<Reading> {
        let load = if day.fract() < 0.5 { 5.0 } else { 95.0 };
        let die = self.room + 12.0 + self.adds * load / 100.0;
        let mut all = processor(load, die, self.air.then_some(self.room));
        if self.board {
            let board = ("temperature_c", self.room + 6.0);
            all.push(reading("temp-board", [board]));
        }
        all
    }
}

/// A processor at a load, %, that is so hot, in a room, °C.
pub(super) fn processor(load: f64, die: f64, room: Option<f64>) -> Vec<Reading> {
    let mut all = vec![
        reading("cpu", [("usage_pct", load)]),
        reading(
            "temp-coretemp",
            [("temperature_c", die), ("critical_c", 100.0)],
        ),
    ];
    all.extend(room.map(|room| reading("ambient-room", [("temperature_c", room)])));
    all
}

/// The sensors beside the processor's own are told of the room only.
pub(super) fn lab() -> Lab<OfDie> {
    Lab::new()
}

/// Follows the processor alone.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct OfDie(Cooling);

impl crate::predict::tracker::Tracker for OfDie {
    const KIND: crate::predict::Kind = Cooling::KIND;

    fn wants(seen: &crate::predict::Seen<'_>) -> bool {
        Cooling::wants(seen) && seen.of("temp-coretemp")
    }

    fn take(&mut self, seen: &crate::predict::Seen<'_>, scene: &crate::predict::scene::Scene<'_>) {
        self.0.take(seen, scene);
    }

    fn rewind(&mut self, day: f64) {
        self.0.rewind(day);
    }

    fn judge(&self, now: jiff::Timestamp) -> Finding {
        self.0.judge(now)
    }
}

const MACHINE: Machine = Machine {
    adds: 40.0,
    room: 21.0,
    air: false,
    board: false,
};

#[test]
fn dust_is_told_with_figures_and_a_date_however_the_room_is_known() {
    for (air, board, above, sure) in [
        (true, false, "above the room", 95),
        (false, true, "above the machine's coolest sensor", 80),
        (false, false, "above the idle machine", 65),
    ] {
        let mut lab = lab();
        let machine = |adds: f64| Machine {
            adds,
            air,
            board,
            ..MACHINE
        };
        lab.days(10, |day| machine(40.0).tell(day));
        let missing = lab.missing();
        assert!(
            missing.contains("more days with at least 10 minutes"),
            "{missing}"
        );
        lab.days(10, |day| machine(40.0).tell(day));
        lab.is_clear();
        lab.days(120, |day| machine(40.0 + day / 8.0).tell(day));
        lab.restart();
        let case = lab.case();
        assert!(
            case.text.contains("at full load it gets 1"),
            "{}",
            case.text
        );
        assert!(case.evidence[0].what.contains(above), "{:?}", case.evidence);
        assert_eq!(case.evidence[3].figure, "100.0 °C");
        assert_eq!(case.confidence, sure, "{above}");
        assert!(!case.pressing);
        // 97 °C are some 15 °C away at an eighth of a degree a day.
        let (earliest, likely, latest) = lab.left();
        assert!((80.0..170.0).contains(&likely), "{likely}");
        assert!(earliest <= likely && likely <= latest);
    }
}

#[test]
fn where_the_room_is_not_known_dust_is_told_once_the_part_gets_hot() {
    let mut lab = lab();
    let machine = |adds: f64| Machine { adds, ..MACHINE };
    lab.days(20, |day| machine(12.0).tell(day));
    lab.days(12, |day| machine(17.0).tell(day));
    lab.is_clear();
    lab.days(60, |day| machine(17.0 + day / 3.0).tell(day));
    assert!(
        lab.case().evidence[0]
            .what
            .contains("above the idle machine")
    );
}

#[test]
fn dust_that_comes_bit_by_bit_never_becomes_the_usual() {
    let mut lab = lab();
    let machine = |adds: f64| Machine {
        adds,
        air: true,
        ..MACHINE
    };
    lab.days(20, |day| machine(30.0).tell(day));
    // Somewhat more, for as long as it takes to be sure that it stays; and again.
    lab.days(60, |day| machine(33.0).tell(day));
    lab.days(20, |day| machine(38.0).tell(day));
    assert!(lab.case().text.contains("cooled worse"));
}

#[test]
fn a_summer_is_no_dust() {
    for (air, board) in [(true, false), (false, true), (false, false)] {
        let mut lab = lab();
        let machine = |day: f64| Machine {
            room: 20.0 + 6.0 * (day / 58.0).sin(),
            air,
            board,
            ..MACHINE
        };
        for month in 0..12_u32 {
            lab.days(30, |day| machine(day + f64::from(month) * 30.0).tell(day));
            assert!(
                !matches!(lab.finding(), Finding::Foreseen(_)),
                "{:?}",
                lab.finding()
            );
        }
    }
}

#[test]
fn a_slower_fan_in_a_cool_room_is_no_dust_where_the_room_is_not_known() {
    let mut lab = lab();
    lab.days(20, |day| MACHINE.tell(day));
    let winter = Machine {
        adds: 50.0,
        room: 13.0,
        ..MACHINE
    };
    lab.days(20, |day| winter.tell(day));
    lab.is_clear();
}

#[test]
fn what_is_near_its_limit_presses_and_without_a_trend_there_is_no_date() {
    let mut lab = lab();
    let machine = |adds: f64| Machine {
        adds,
        air: true,
        ..MACHINE
    };
    lab.days(20, |day| machine(40.0).tell(day));
    lab.days(10, |day| machine(66.0).tell(day));
    let case = lab.case();
    assert!(case.pressing, "{case:?}");
    assert_eq!((case.due, case.confidence), (None, 85));
    let mut lab = self::lab();
    lab.days(20, |day| machine(40.0).tell(day));
    lab.days(10, |day| machine(48.5).tell(day));
    assert_eq!(lab.case().confidence, 75, "it is hardly worse");
}

#[test]
fn a_new_cooler_and_a_new_sensor_in_the_room_are_learnt_anew() {
    let mut lab = lab();
    lab.days(20, |day| MACHINE.tell(day));
    lab.is_clear();
    let better = Machine {
        adds: 25.0,
        ..MACHINE
    };
    lab.days(9, |day| better.tell(day));
    lab.missing();
    lab.days(20, |day| better.tell(day));
    lab.is_clear();
    let sensed = Machine {
        air: true,
        ..better
    };
    // Until the sensor is known as well, what was learnt without it holds; and so it does afterwards.
    lab.days(20, |day| sensed.tell(day));
    lab.is_clear();
    lab.days(20, |day| better.tell(day));
    lab.is_clear();
}

#[test]
fn what_does_not_follow_the_load_is_watched_in_peace() {
    let mut lab = lab();
    let flat = Machine {
        adds: 2.0,
        air: true,
        ..MACHINE
    };
    lab.days(20, |day| flat.tell(day));
    lab.is_clear();
    let silent = [reading("temp-coretemp", [("critical_c", 100.0)])];
    lab.days(1, |_| silent.to_vec());
    lab.is_clear();
    let disk = reading("temp-disk-a", [("temperature_c", 40.0)]);
    let seen = super::seen(std::slice::from_ref(&disk));
    assert!(!<Cooling as crate::predict::tracker::Tracker>::wants(
        &seen[0]
    ));
}

#[test]
fn light_and_middling_loads_are_called_so() {
    for (load, want) in [
        (25.0, "at a light load"),
        (50.0, "at a middling load"),
        (75.0, "at a high load"),
    ] {
        let mut lab = lab();
        let tell = |adds: f64| {
            move |_: f64| {
                vec![
                    reading("cpu", [("usage_pct", load)]),
                    reading("temp-coretemp", [("temperature_c", 20.0 + adds)]),
                    reading("ambient-room", [("temperature_c", 20.0)]),
                ]
            }
        };
        lab.days(20, tell(30.0));
        lab.days(10, tell(40.0));
        assert!(lab.case().text.contains(want), "{:?}", lab.case());
    }
    // Idle all the time, and hotter all the same.
    let mut lab = lab();
    let tell = |above: f64| {
        move |_: f64| {
            vec![
                reading("cpu", [("usage_pct", 3.0)]),
                reading("temp-coretemp", [("temperature_c", 20.0 + above)]),
                reading("ambient-room", [("temperature_c", 20.0)]),
            ]
        }
    };
    lab.days(20, tell(30.0));
    lab.days(10, tell(40.0));
    assert!(
        lab.case().text.contains("idle it gets 10 °C hotter"),
        "{:?}",
        lab.case()
    );
}

/// A machine that works on every third day alone, for some hours, in a room that nobody knows.
fn seldom(adds: f64, room: f64) -> impl Fn(f64) -> Vec<Reading> {
    move |day| {
        let works = day.rem_euclid(3.0) < 0.5;
        let load = if works { 95.0 } else { 5.0 };
        let die = room + 12.0 + adds * load / 100.0;
        vec![
            reading("cpu", [("usage_pct", load)]),
            reading("temp-coretemp", [("temperature_c", die)]),
        ]
    }
}

#[test]
fn dust_is_told_of_a_machine_that_seldom_works() {
    let mut lab = lab();
    lab.days(12, seldom(40.0, 20.0));
    lab.missing();
    lab.days(12, seldom(40.0, 20.0));
    lab.is_clear();
    // Winter comes meanwhile: the part is hardly hotter, yet load adds half as much again.
    for week in 1..=18_u32 {
        let month = f64::from(week) / 4.5;
        lab.days(7, seldom(40.0 + month * 6.0, 20.0 - month * 4.5));
    }
    let case = lab.case();
    assert!(case.text.contains("at full load"), "{}", case.text);
    assert!(case.evidence[0].what.contains("above the idle machine"));
}

#[test]
fn a_summer_is_no_excuse_for_what_load_adds() {
    for (room, adds, told) in [(20.0, 47.0, false), (33.0, 47.0, true), (33.0, 42.0, false)] {
        let mut lab = lab();
        lab.days(45, seldom(40.0, 20.0));
        lab.days(24, seldom(adds, room));
        let is_told = matches!(lab.finding(), Finding::Foreseen(_));
        assert_eq!(is_told, told, "{room} {adds}: {:?}", lab.finding());
    }
}

#[test]
fn a_machine_that_is_never_idle_any_more_is_learnt_anew() {
    let mut lab = lab();
    lab.days(24, seldom(40.0, 20.0));
    lab.is_clear();
    let busy = |adds: f64| {
        move |day: f64| {
            let load = if day.fract() < 0.5 { 30.0 } else { 95.0 };
            vec![
                reading("cpu", [("usage_pct", load)]),
                reading("temp-coretemp", [("temperature_c", 32.0 + load * adds)]),
            ]
        }
    };
    lab.days(20, busy(0.4));
    lab.is_clear();
    lab.days(40, busy(0.55));
    assert!(lab.case().text.contains("at full load"), "{:?}", lab.case());
}

#[test]
fn what_was_learnt_of_a_machine_holds_when_it_is_never_idle_any_more() {
    let mut lab = lab();
    let tell = |usual: f64, adds: f64| {
        move |day: f64| {
            let load = match day.fract() {
                part if part < 0.3 => usual,
                part if part < 0.6 => 25.0,
                _ => 95.0,
            };
            vec![
                reading("cpu", [("usage_pct", load)]),
                reading("temp-coretemp", [("temperature_c", 32.0 + load * adds)]),
            ]
        }
    };
    lab.days(24, tell(5.0, 0.4));
    lab.is_clear();
    lab.days(20, tell(25.0, 0.4));
    lab.is_clear();
    lab.days(30, tell(25.0, 0.58));
    let case = lab.case();
    let above = "at first, above what it has at a light load, at full load";
    assert_eq!(case.evidence[0].what, above);
}

#[test]
fn what_was_remembered_in_another_form_is_learnt_anew() {
    let mut lab = lab();
    lab.days(24, seldom(40.0, 20.0));
    lab.is_clear();
    let mut kept = serde_json::to_value(&lab.tracker).unwrap();
    let kept = kept.as_object_mut().unwrap();
    let machine = kept.remove("machine").unwrap();
    kept.insert("room".to_owned(), machine["room"].clone());
    kept.insert("above".to_owned(), machine["above"].clone());
    let kept = serde_json::Value::Object(kept.clone());
    lab.tracker = serde_json::from_value(kept).unwrap();
    lab.days(1, seldom(40.0, 20.0));
    lab.missing();
}
