mod counter;

use super::estimate::Estimate;
use super::stretches::{Point, between};
use super::*;

/// A reading stands for so long.
const SECONDS: f64 = 300.0;

/// Use and the processors' own watts, and nothing else.
fn inputs(usage_pct: f64, rapl_w: Option<f64>) -> Inputs {
    Inputs {
        usage_pct,
        rapl_w,
        extras: [None; EXTRAS],
    }
}

impl Learned {
    fn teach(&mut self, usage_pct: f64, rapl_w: Option<f64>, watts: f64) {
        self.learn(&inputs(usage_pct, rapl_w), watts, SECONDS, Plug::Own);
    }

    fn guess(&self, usage_pct: f64, rapl_w: Option<f64>) -> Option<Estimate> {
        self.at(&inputs(usage_pct, rapl_w))
    }
}

/// A repeatable source of evenly spread numbers in 0..1.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// About normal, of deviation 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

type Machine = fn(f64) -> f64;

/// Machines whose watts follow quite different curves, W by share of load.
const MACHINES: [(&str, Machine); 5] = [
    ("straight", |u| 20.0 + 50.0 * u),
    ("bent", |u| 31.0 + 64.0 * u.powf(0.8)),
    ("turbo", |u| 8.0 + 20.0 * u + 37.0 * u * u * u),
    ("step", |u| if u < 0.02 { 12.0 } else { 20.0 + 45.0 * u }),
    ("server", |u| 110.0 + 240.0 * (2.0 * u - u.powf(1.4))),
];

fn taught(machine: Machine, mean_load: Option<f64>, samples: usize) -> (Learned, f64) {
    let mut dice = Dice(7);
    let mut learned = Learned::default();
    let (mut inside, mut told) = (0.0, 0.0);
    for _ in 0..samples {
        let load = match mean_load {
            None => dice.roll(),
            Some(mean) => (-mean * dice.roll().max(1e-9).ln()).min(1.0),
        };
        let watts = machine(load) * (1.0 + 0.02 * dice.noise());
        if let Some(estimate) = learned.guess(load * 100.0, None) {
            told += 1.0;
            inside += f64::from((estimate.low_w()..=estimate.high_w()).contains(&watts));
        }
        learned.teach(load * 100.0, None, watts);
    }
    (learned, inside / told)
}

fn errors(learned: &Learned, machine: Machine) -> Vec<f64> {
    (0..=10)
        .map(|tenth| {
            let load = f64::from(tenth) / 10.0;
            let watts = learned.guess(load * 100.0, None).unwrap().watts;
            (watts / machine(load) - 1.0).abs()
        })
        .collect()
}

fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / f64::from(u32::try_from(figures.len()).unwrap())
}

#[test]
fn six_hundred_samples_of_any_load_teach_the_curve_to_two_percent() {
    for (name, machine) in MACHINES {
        let (learned, inside) = taught(machine, None, 600);
        let errors = errors(&learned, machine);
        assert!(mean(&errors) < 0.02, "{name}: {errors:?}");
        let close = errors.iter().filter(|error| **error <= 0.1).count();
        assert!(close >= 10, "{name}: {errors:?}");
        assert!(inside >= 0.9, "{name}: {inside} within the band");
    }
}

#[test]
fn a_machine_that_is_mostly_idle_teaches_it_to_five_percent() {
    let mut all = Vec::new();
    for (name, machine) in MACHINES {
        let (learned, inside) = taught(machine, Some(0.08), 600);
        assert!(inside >= 0.88, "{name}: {inside} within the band");
        all.extend(errors(&learned, machine));
        let idle = learned.idle_w().unwrap() / machine(0.0) - 1.0;
        assert!(idle.abs() < 0.35, "{name}: idle off by {idle}");
    }
    assert!(mean(&all) < 0.05, "{}", mean(&all));
}

#[test]
fn more_load_never_means_fewer_watts_and_what_was_not_seen_has_a_wide_band() {
    let mut dice = Dice(3);
    let mut learned = Learned::default();
    for _ in 0..400 {
        let load = 0.2 + 0.2 * dice.roll();
        learned.teach(load * 100.0, None, 40.0 + 5.0 * dice.noise());
    }
    let points: Vec<_> = (0..=100)
        .map(|usage| learned.guess(f64::from(usage), None).unwrap())
        .collect();
    for pair in points.windows(2) {
        assert!(pair[1].watts >= pair[0].watts - 1e-9, "{pair:?}");
    }
    assert!(points[0].watts > 0.0);
    assert!(
        points[100].band.width() > points[30].band.width() * 1.5,
        "{points:?}"
    );
    assert!(points[0].band.width() > points[30].band.width());
}

#[test]
fn little_is_not_enough_and_nonsense_teaches_nothing() {
    let mut learned = Learned::default();
    for _ in 0..19 {
        learned.teach(10.0, Some(5.0), 30.0);
    }
    assert_eq!(learned.guess(10.0, Some(5.0)), None);
    assert_eq!((learned.idle_w(), learned.disk_w()), (None, None));
    let before = learned.clone();
    for (usage, watts) in [
        (f64::NAN, 30.0),
        (10.0, f64::NAN),
        (-1.0, 30.0),
        (101.0, 30.0),
        (10.0, 0.0),
        (10.0, -5.0),
        (10.0, f64::INFINITY),
        (10.0, 1e9),
    ] {
        learned.teach(usage, None, watts);
    }
    assert_eq!(learned, before);
    learned.teach(10.0, None, 30.0);
    assert!((learned.guess(10.0, None).unwrap().watts - 30.0).abs() < 1e-9);
}

#[test]
fn a_glitch_hardly_counts_and_a_change_of_the_machine_does() {
    let (mut learned, _) = taught(MACHINES[0].1, None, 600);
    let at_half = |learned: &Learned| learned.guess(50.0, None).unwrap().watts;
    let before = at_half(&learned);
    learned.teach(50.0, None, 3000.0);
    assert!((at_half(&learned) / before - 1.0).abs() < 0.02);
    // A graphics card was put in: 30 W more at any load.
    let mut dice = Dice(11);
    for _ in 0..300 {
        let load = dice.roll();
        let watts = MACHINES[0].1(load) + 30.0 + 0.5 * dice.noise();
        learned.teach(load * 100.0, None, watts);
    }
    let now = at_half(&learned);
    assert!((now / (before + 30.0) - 1.0).abs() < 0.05, "{before} {now}");
}

#[test]
fn what_is_kept_is_read_back_and_what_makes_no_sense_is_not() {
    let (learned, _) = taught(MACHINES[1].1, None, 100);
    let text = serde_json::to_string(&learned).unwrap();
    let back: Learned = serde_json::from_str(&text).unwrap();
    let (one, two) = (back.clone().checked(), learned);
    assert!(
        (one.guess(30.0, None).unwrap().watts - two.guess(30.0, None).unwrap().watts).abs() < 1e-9
    );
    let mut few = back.clone();
    few.stretches.truncate(3);
    let mut below = back.clone();
    below.stretches[0].watts = -1.0;
    let mut wide = back.clone();
    wide.by_usage = serde_json::from_str(r#"{"samples":1,"usual":50.0}"#).unwrap();
    let mut endless = back;
    endless.usual.add(&[Some(f64::INFINITY); EXTRAS], 1.0);
    for odd in [few, below, wide, endless] {
        assert_eq!(odd.checked(), Learned::default());
    }
}

#[test]
fn between_points_watts_follow_the_usual_shape_and_end_at_the_last() {
    let point = |usage_pct, watts| Point {
        usage_pct,
        watts,
        weight: 1.0,
        clock: None,
    };
    let at = |points: &[Point], usage| between(points, usage, |point| Some(point.watts));
    let points = [point(0.0, 10.0), point(100.0, 20.0), point(100.0, 30.0)];
    for (usage, watts) in [(0.0, 10.0), (10.0, 11.62), (100.0, 20.0), (101.0, 30.0)] {
        let told = at(&points, usage).unwrap();
        assert!((told - watts).abs() < 1e-9, "{usage}: {told}");
    }
    let same = [point(5.0, 1.0), point(5.0, 2.0)];
    assert_eq!(at(&same, 5.0), Some(1.0));
    assert_eq!(at(&[], 5.0), None);
    assert_eq!(between(&points, 5.0, |point| point.clock), None);
}

#[test]
fn one_load_alone_teaches_its_own_watts_and_leaves_the_rest_wide_open() {
    let mut learned = Learned::default();
    for _ in 0..600 {
        learned.teach(10.0, None, 20.0);
    }
    let seen = learned.guess(10.0, None).unwrap();
    assert!((seen.watts - 20.0).abs() < 0.1, "{seen:?}");
    let busy = learned.guess(100.0, None).unwrap();
    let idle = learned.guess(0.0, None).unwrap();
    assert!(busy.watts > 25.0 && idle.watts < 20.0, "{busy:?} {idle:?}");
    assert!(
        busy.band.width() > 2.0 * seen.band.width(),
        "{busy:?} {seen:?}"
    );
}

/// What a machine of 30 W draws beside half a watt for each percent of use.
fn beside(inputs: &Inputs) -> f64 {
    let [clock, disks, network, graphics] = inputs.extras.map(Option::unwrap);
    30.0 + 0.5 * inputs.usage_pct + 8.0 * clock + 7.0 * disks + 4.0 * network + 1.2 * graphics
}

fn any(dice: &mut Dice) -> Inputs {
    let usage_pct = 100.0 * dice.roll();
    let ghz = 2.0 + 2.0 * dice.roll();
    Inputs {
        usage_pct,
        rapl_w: Some(4.0 + 0.4 * usage_pct),
        extras: [
            Some(ghz * usage_pct / 100.0),
            Some(dice.roll()),
            Some(dice.roll()),
            Some(5.0 + 40.0 * dice.roll()),
        ],
    }
}

#[test]
fn clock_disks_network_and_graphics_are_learnt_apart() {
    let mut dice = Dice(17);
    let mut learned = Learned::default();
    for _ in 0..2000 {
        let inputs = any(&mut dice);
        let watts = beside(&inputs);
        learned.learn(&inputs, watts + 0.2 * dice.noise(), SECONDS, Plug::Own);
    }
    let slopes = learned.extras.solve(&SLOPES);
    for (slope, truth) in slopes.iter().zip([8.0, 7.0, 4.0, 1.2]) {
        assert!((slope / truth - 1.0).abs() < 0.1, "{slopes:?}");
    }
    let (mut by_usage, mut by_counter) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let inputs = any(&mut dice);
        let truth = beside(&inputs);
        by_usage.push((learned.by_usage(&inputs).unwrap().watts / truth - 1.0).abs());
        by_counter.push((learned.by_counter(&inputs).unwrap().watts / truth - 1.0).abs());
    }
    assert!(mean(&by_usage) < 0.02, "{}", mean(&by_usage));
    assert!(mean(&by_counter) < 0.08, "{}", mean(&by_counter));
    assert!((learned.disk_w().unwrap() / 7.0 - 1.0).abs() < 0.1);
    // Idle with the card at rest and disks and network still.
    let idle = learned.idle_w().unwrap();
    assert!((idle / 36.0 - 1.0).abs() < 0.1, "{idle}");
    // What is not known meanwhile is as usual.
    let blind = learned.at(&inputs(50.0, None)).unwrap();
    assert!((40.0..120.0).contains(&blind.watts), "{blind:?}");
}

#[test]
fn a_lamp_on_the_plug_hardly_raises_what_is_learnt_and_its_absence_lowers_it() {
    let mut dice = Dice(23);
    let mut learned = Learned::default();
    let mut on = true;
    for sample in 0..3000_u32 {
        if sample % 100 == 0 {
            on = sample < 300 || dice.roll() < 0.3;
        }
        let usage = 40.0 * dice.roll();
        let lamp = if on { 40.0 } else { 0.0 };
        let watts = 30.0 + 0.5 * usage + lamp;
        learned.learn(&inputs(usage, None), watts, SECONDS, Plug::Shared);
    }
    for usage in [2.0, 20.0, 38.0] {
        let told = learned.guess(usage, None).unwrap().watts;
        let truth = 30.0 + 0.5 * usage;
        assert!((told / truth - 1.0).abs() < 0.05, "{usage}: {told}");
    }
}

#[test]
fn a_guided_calibration_replaces_what_was_known_and_goes_on_learning() {
    let points = [
        (1.0, 20.0),
        (10.0, 28.0),
        (30.0, 40.0),
        (60.0, 55.0),
        (99.0, 80.0),
    ];
    let mut learned = Learned::calibrated(&points, BETWEEN_POINTS).unwrap();
    for (usage, watts) in points {
        let told = learned.guess(usage, None).unwrap();
        assert!((told.watts / watts - 1.0).abs() < 0.02, "{usage}: {told:?}");
        assert!((told.band.widest() - BETWEEN_POINTS).abs() < 3e-3);
    }
    for _ in 0..400 {
        learned.teach(20.0, None, 36.0);
        let band = learned.guess(20.0, None).unwrap().band;
        assert!(band.widest() < 0.2, "{band:?}");
    }
    let told = learned.guess(20.0, None).unwrap().watts;
    assert!((told - 36.0).abs() < 0.5, "{told}");
    assert_eq!(Learned::calibrated(&points[..1], BETWEEN_POINTS), None);
}

#[test]
fn a_load_that_nobody_knows_of_and_that_comes_and_goes_is_within_the_band() {
    let mut widths = Vec::new();
    for unknown_w in [0.0, 25.0] {
        let mut dice = Dice(29);
        // 35 minutes in every three hours.
        let mut life = |sample: u32| {
            let on = if (sample / 7).is_multiple_of(5) {
                unknown_w
            } else {
                0.0
            };
            let usage = 60.0 * dice.roll();
            let noise = 1.0 + 0.005 * dice.noise();
            (usage, (30.0 + 0.5 * usage + on) * noise)
        };
        let mut learned = Learned::default();
        for sample in 0..3000 {
            let (usage, watts) = life(sample);
            learned.teach(usage, None, watts);
        }
        // And then the meter is gone.
        let (mut inside, mut width) = (0.0, 0.0);
        for sample in 0..1000 {
            let (usage, watts) = life(sample);
            let told = learned.guess(usage, None).unwrap();
            inside += f64::from((told.low_w()..=told.high_w()).contains(&watts));
            width += told.band.width();
        }
        assert!(inside >= 900.0, "{unknown_w}: {inside} of 1000");
        widths.push(width / 1000.0);
    }
    assert!(
        widths[0] < 0.05 && widths[1] > 4.0 * widths[0],
        "{widths:?}"
    );
}

#[test]
fn a_change_moves_what_was_learnt_at_loads_that_were_not_seen_since() {
    let (mut learned, _) = taught(MACHINES[0].1, None, 600);
    for _ in 0..150 {
        learned.teach(0.0, None, 35.0);
    }
    for load in [0.0, 0.5, 1.0] {
        let told = learned.guess(100.0 * load, None).unwrap().watts;
        let truth = MACHINES[0].1(load) + 15.0;
        assert!((told / truth - 1.0).abs() < 0.05, "{load}: {told}");
    }
}

#[test]
fn what_lies_between_two_loads_far_apart_is_as_open_as_machines_differ_there() {
    // Nothing to do, or all hands full: how it goes in between was never seen.
    let mut learned = Learned::default();
    for sample in 0..2000 {
        let (usage, watts) = if sample % 4 == 0 {
            (95.0, 74.0)
        } else {
            (1.0, 20.5)
        };
        learned.teach(usage, None, watts);
    }
    for (usage, least, most) in [(1.0, 20.5, 20.5), (30.0, 34.0, 46.0), (50.0, 42.0, 57.0)] {
        let told = learned.guess(usage, None).unwrap();
        assert!(told.low_w() <= least && most <= told.high_w(), "{told:?}");
    }
    let width = |usage| learned.guess(usage, None).unwrap().band.width();
    assert!(width(1.0) < 0.03 && width(95.0) < 0.03);
    assert!(width(5.0) < width(50.0));
}

#[test]
fn idle_is_told_as_openly_as_the_meter_rounds_and_as_what_comes_and_goes_is_unknown() {
    let idle = |watts: fn(u32) -> f64| {
        let mut learned = Learned::default();
        for sample in 0..3000 {
            learned.teach(f64::from(sample % 3), None, watts(sample));
        }
        learned.idle(None).unwrap()
    };
    let holds = |idle: Idle, watts: f64| (idle.band.0..=idle.band.1).contains(&watts);
    // A board of 4.4 W on a plug of whole watts, a machine of 43 W on one of tens.
    assert!(holds(idle(|_| 4.0), 4.4));
    assert!(holds(idle(|n| if n % 3 == 0 { 50.0 } else { 40.0 }), 45.0));
    // Disks that are at rest for two thirds of the time.
    let disks = idle(|n| if n % 300 < 100 { 54.5 } else { 30.5 });
    assert!(holds(disks, 30.0) && holds(disks, 54.0), "{disks:?}");
}
