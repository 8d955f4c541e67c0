//! Utilisation to watts: every model beside the straight line and Fan's formula.

use homewatch::power::{Curve, NodePower};

use crate::dice::Dice;
use crate::machine::{Machine, SHAPE, on};
use crate::rig::{Rig, Score, head, work};
use homewatch::power::Scope;

/// The loads at which models are scored: the inner points.
const INNER: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

pub fn print(machines: &[Machine], kind: &str) {
    head(&format!(
        "watts by use, {} machines with {kind} curves, at 10 to 90 % load",
        machines.len()
    ));
    scaled(machines, "Fan's formula, idle and max given", |load| {
        2.0 * load - load.powf(1.4)
    });
    scaled(machines, "straight line, idle and max given", |load| load);
    scaled(machines, "mean shape, idle and max given", |load| {
        on(&SHAPE, load)
    });
    given(machines);
    through(machines, "straight through 0, 50, 100 %", &[0.0, 0.5, 1.0]);
    through(
        machines,
        "straight through 0, 10, 30, 60, 100 %",
        &[0.0, 0.1, 0.3, 0.6, 1.0],
    );
    guided(machines, &[0.0, 0.1, 0.3, 0.6, 1.0]);
    head("the same, learned from 600 readings with 2 % noise");
    for (name, mean) in [("uniform load", None), ("mostly idle (8 %)", Some(0.08))] {
        fitted(machines, name, mean);
        learned(machines, name, mean);
    }
}

fn scaled(machines: &[Machine], name: &str, shape: fn(f64) -> f64) {
    let mut score = Score::default();
    for machine in machines {
        for load in INNER {
            let told = machine.idle() + (machine.max() - machine.idle()) * shape(load);
            score.note(told, machine.watts(load));
        }
    }
    score.line(name);
}

/// This program's, with `[power.host]` in the configuration.
fn given(machines: &[Machine]) {
    let mut score = Score::default();
    for machine in machines {
        let curve = Curve {
            idle_w: machine.idle(),
            max_w: machine.max(),
        };
        let mut rig = Rig::new(NodePower::new(Some(curve), 0.0));
        for load in INNER {
            let draw = rig.look(&work(load), None).unwrap();
            score.note_draw(&draw, machine.watts(load));
        }
    }
    score.line("homewatch: idle_w and max_w given");
}

fn through(machines: &[Machine], name: &str, points: &[f64]) {
    let mut score = Score::default();
    for machine in machines {
        for load in INNER {
            if points.contains(&load) {
                continue;
            }
            let after = points.iter().position(|point| *point >= load).unwrap();
            let (from, to) = (points[after - 1], points[after]);
            let (low, high) = (machine.watts(from), machine.watts(to));
            let told = low + (high - low) * (load - from) / (to - from);
            score.note(told, machine.watts(load));
        }
    }
    score.line(name);
}

/// This program's guided calibration through such points, each measured to 0.5 %.
fn guided(machines: &[Machine], loads: &[f64]) {
    let mut score = Score::default();
    let mut dice = Dice::new(5);
    for machine in machines {
        let points: Vec<(f64, f64)> = loads
            .iter()
            .map(|load| {
                let off = 1.0 + 0.005 * dice.noise();
                (load * 100.0, machine.watts(*load) * off)
            })
            .collect();
        let mut rig = Rig::new(NodePower::new(None, 0.0));
        rig.node
            .calibrate(&points, homewatch::power::BETWEEN_POINTS);
        for load in INNER {
            let draw = rig.look(&work(load), None).unwrap();
            score.note_draw(&draw, machine.watts(load));
        }
    }
    let loads: Vec<String> = loads
        .iter()
        .map(|load| format!("{:.0}", load * 100.0))
        .collect();
    score.line(&format!("homewatch: guided through {} %", loads.join(", ")));
}

/// The load of a reading, and what the meter says.
fn readings(machine: &Machine, mean: Option<f64>, dice: &mut Dice) -> Vec<(f64, f64)> {
    (0..600)
        .map(|_| {
            let load = dice.load(mean);
            let watts = machine.watts(load) * (1.0 + 0.02 * dice.noise());
            (load, watts)
        })
        .collect()
}

/// The loads of the inner points that lie in what was seen.
fn seen(readings: &[(f64, f64)]) -> Vec<f64> {
    let most = readings.iter().map(|(load, _)| *load).fold(0.0, f64::max);
    INNER.into_iter().filter(|load| *load <= most).collect()
}

/// A straight line of least squares through the readings.
fn fitted(machines: &[Machine], name: &str, mean: Option<f64>) {
    let mut score = Score::default();
    let mut dice = Dice::new(7);
    for machine in machines {
        let readings = readings(machine, mean, &mut dice);
        let count = readings.len() as f64;
        let x = readings.iter().map(|(load, _)| load).sum::<f64>() / count;
        let y = readings.iter().map(|(_, watts)| watts).sum::<f64>() / count;
        let (mut xx, mut xy) = (0.0, 0.0);
        for (load, watts) in &readings {
            xx += (load - x) * (load - x);
            xy += (load - x) * (watts - y);
        }
        for load in INNER {
            score.note(y + xy / xx * (load - x), machine.watts(load));
        }
    }
    score.line(&format!("straight line fitted, {name}"));
}

/// This program's.
fn learned(machines: &[Machine], name: &str, mean: Option<f64>) {
    let (mut all, mut near) = (Score::default(), Score::default());
    let mut dice = Dice::new(7);
    for machine in machines {
        let mut rig = Rig::new(NodePower::new(None, 0.0));
        let readings = readings(machine, mean, &mut dice);
        for (load, watts) in &readings {
            // Twice the same load: only what is steady is learnt.
            rig.look(&work(*load), None);
            rig.look(&work(*load), Some((Scope::Host, *watts, 0)));
        }
        let seen = seen(&readings);
        for load in INNER {
            let draw = rig.look(&work(load), None).unwrap();
            all.note_draw(&draw, machine.watts(load));
            if seen.contains(&load) {
                near.note_draw(&draw, machine.watts(load));
            }
        }
    }
    all.line(&format!("homewatch: learned, {name}"));
    near.line(&format!("homewatch: learned, {name}, in the seen range"));
}
