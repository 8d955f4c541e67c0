//! What is told of idle and of work on machines that never rest, whose load changes for good, or
//! that change themselves.

use super::*;
use crate::power::{Kind, SourceKind};

/// Repeatable noise.
struct Dice(u64);

impl Dice {
    /// About normal, of deviation 1.
    fn noise(&mut self) -> f64 {
        let mut roll = || {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
        };
        (0..12).map(|_| roll()).sum::<f64>() - 6.0
    }
}

/// A machine of four threads: W with nothing to do, and what a share of load adds.
#[derive(Clone, Copy)]
struct Machine {
    idle_w: f64,
    work: fn(f64) -> f64,
}

/// Many disks, and 20 W a busy core.
const STORAGE: Machine = Machine {
    idle_w: 300.0,
    work: |load| 80.0 * load,
};
/// A small server whose curve is bent.
const SMALL: Machine = Machine {
    idle_w: 31.0,
    work: |load| 64.0 * load.powf(0.8),
};

#[derive(Clone, Copy)]
struct Life {
    name: &'static str,
    machine: Machine,
    /// Days at this pace.
    days: f64,
    /// The load on a day, and how far it is off from look to look.
    load: fn(f64) -> f64,
    noise: f64,
    /// What the machine itself draws more since it was new, W.
    more_w: fn(f64) -> f64,
    /// From this day on what is told must be right again.
    right: f64,
    /// Watts for work may be off by such a share of them, beside 3 % of the machine's.
    off: f64,
}

const STEADY: Life = Life {
    name: "never idle",
    machine: STORAGE,
    days: 3.0,
    load: |_| 0.5,
    noise: 0.0,
    more_w: |_| 0.0,
    right: 0.0,
    off: 0.75,
};

/// Lives it at a tick of so many seconds.
fn live(life: &Life, tick: u64) -> Option<String> {
    let mut node = NodePower::new(None, 0.0);
    node.assume(Prior::of(&Kind::default(), 4.0));
    let mut dice = Dice(3);
    #[expect(clippy::cast_precision_loss, reason = "a few days")]
    let day = |at: u64| at as f64 / 86_400.0;
    let mut at = tick;
    let mut odd = None;
    while day(at) < life.days {
        let now = day(at);
        let load = ((life.load)(now) + life.noise * dice.noise()).clamp(0.0, 1.0);
        let work_w = (life.machine.work)(load);
        let idle_w = life.machine.idle_w + (life.more_w)(now);
        let watts = (idle_w + work_w) * (1.0 + 0.002 * dice.noise());
        let sample = PowerSample {
            source_id: "plug".to_owned(),
            label: "plug".to_owned(),
            kind: SourceKind::Meter,
            scope: Scope::Host,
            at: jiff::Timestamp::from_second(i64::try_from(at).unwrap()).unwrap(),
            age: Duration::from_secs(3),
            power_w: Some(watts),
            energy_kwh: None,
            suspect: None,
        };
        let usage = Work {
            usage_pct: Some(load * 100.0),
            ..Work::default()
        };
        let draw = node
            .step(Duration::from_secs(at), &[sample], &usage)
            .unwrap();
        let told = draw.power_w - draw.idle_w;
        let (low, high) = draw.idle_band_w;
        let what = format!(
            "{} of {} W, tick {tick}, day {now:.2}: {load:.2} cost {told:.1}, true {work_w:.1}, \
             idle {:.1} in {low:.1} to {high:.1}",
            life.name, life.machine.idle_w, draw.idle_w
        );
        let sane = low <= draw.idle_w && draw.idle_w <= high && high <= draw.power_w;
        let off = work_w * life.off + 0.03 * watts;
        let near = (told - work_w).abs() <= off;
        let within = (low - 0.01 * watts..=high + 0.01 * watts).contains(&idle_w);
        let is_odd = !sane || told <= 0.0 && load > 0.0 || now >= life.right && !(near && within);
        odd = odd.or(is_odd.then_some(what));
        at += tick;
    }
    odd
}

#[test]
fn work_has_its_watts_on_machines_that_never_rest_and_after_the_load_has_changed_for_good() {
    let mut odd = Vec::new();
    let lives = [
        STEADY,
        Life {
            name: "never idle, moving",
            noise: 0.03,
            right: 0.5,
            off: 0.4,
            ..STEADY
        },
        Life {
            name: "load up for good",
            load: |day| if day < 1.5 { 0.05 } else { 0.5 },
            right: 1.5,
            off: 0.35,
            ..STEADY
        },
        Life {
            name: "load down for good",
            load: |day| if day < 1.5 { 0.75 } else { 0.25 },
            right: 1.6,
            off: 0.45,
            ..STEADY
        },
        Life {
            name: "load up after idle",
            load: |day| if day < 1.0 { 0.01 } else { 0.6 },
            noise: 0.005,
            right: 1.0,
            off: 0.3,
            ..STEADY
        },
        Life {
            name: "a load by day",
            load: |day| if day.fract() < 0.5 { 0.1 } else { 0.4 },
            noise: 0.01,
            right: 1.0,
            off: 0.75,
            ..STEADY
        },
    ];
    for life in lives {
        for machine in [STORAGE, SMALL] {
            odd.extend(live(&Life { machine, ..life }, 60));
        }
    }
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn looks_ten_seconds_apart_tell_the_same_within_minutes() {
    let up = Life {
        name: "load up for good",
        load: |day| if day < 0.05 { 0.05 } else { 0.5 },
        days: 0.1,
        right: 0.05,
        off: 0.35,
        ..STEADY
    };
    let down = Life {
        name: "load down for good",
        load: |day| if day < 0.05 { 0.75 } else { 0.25 },
        right: 0.055,
        off: 0.45,
        ..up
    };
    let steady = Life {
        days: 0.1,
        ..STEADY
    };
    let moving = Life {
        name: "never idle, moving",
        noise: 0.03,
        ..steady
    };
    let mut odd = Vec::new();
    for life in [up, down, steady, moving] {
        for machine in [STORAGE, SMALL] {
            odd.extend(live(&Life { machine, ..life }, 10));
        }
    }
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn looks_an_hour_apart_tell_the_same() {
    let mut odd = Vec::new();
    for machine in [STORAGE, SMALL] {
        for life in [
            Life {
                days: 24.0,
                ..STEADY
            },
            Life {
                name: "load up for good",
                load: |day| if day < 17.0 { 0.05 } else { 0.5 },
                days: 24.0,
                off: 0.35,
                right: 17.0,
                ..STEADY
            },
            Life {
                name: "weekly",
                load: |day| {
                    if (day / 7.0).fract() < 5.0 / 7.0 {
                        0.5
                    } else {
                        0.1
                    }
                },
                noise: 0.02,
                days: 40.0,
                off: 0.35,
                right: 7.5,
                ..STEADY
            },
        ] {
            odd.extend(live(&Life { machine, ..life }, 3600));
        }
    }
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn what_the_machine_itself_draws_more_or_less_is_noticed_at_a_load_that_was_known() {
    let lives = [
        Life {
            name: "30 W more",
            more_w: |day| if day < 1.5 { 0.0 } else { 30.0 },
            right: 2.2,
            ..STEADY
        },
        Life {
            name: "30 W less",
            more_w: |day| if day < 1.5 { 0.0 } else { -30.0 },
            right: 2.2,
            ..STEADY
        },
        Life {
            name: "30 W more at another load than it was known at",
            load: |day| if day < 1.0 { 0.05 } else { 0.5 },
            more_w: |day| if day < 2.0 { 0.0 } else { 30.0 },
            right: 2.7,
            days: 3.5,
            off: 0.4,
            ..STEADY
        },
        Life {
            name: "30 W less together with a new load",
            load: |day| if day < 1.5 { 0.05 } else { 0.3 },
            more_w: |day| if day < 1.5 { 0.0 } else { -30.0 },
            right: 2.2,
            off: 1.2,
            ..STEADY
        },
        Life {
            name: "more from day to day",
            load: |day| if day < 1.0 { 0.05 } else { 0.5 },
            more_w: |day| 2.0 * (day - 1.0).max(0.0),
            right: 2.0,
            days: 12.0,
            off: 0.35,
            ..STEADY
        },
    ];
    let odd: Vec<_> = lives.iter().filter_map(|life| live(life, 60)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}
