//! Machines whose watts at each load are known.

use crate::dice::Dice;

/// The usual way from idle to full load, as in the program.
pub const SHAPE: [f64; 11] = [
    0.0, 0.162, 0.240, 0.314, 0.391, 0.471, 0.560, 0.657, 0.764, 0.885, 1.0,
];

/// Watts at 0, 10 … 100 % load.
#[derive(Clone)]
pub struct Machine(pub [f64; 11]);

impl Machine {
    /// Watts at a load (0–1), on straight lines between the measured ones.
    pub fn watts(&self, load: f64) -> f64 {
        on(&self.0, load)
    }

    pub fn idle(&self) -> f64 {
        self.0[0]
    }

    pub fn max(&self) -> f64 {
        self.0[10]
    }
}

/// A value of eleven at 0–1, on straight lines.
pub fn on(points: &[f64; 11], load: f64) -> f64 {
    let place = load.clamp(0.0, 1.0) * 10.0;
    let from = (place.floor() as usize).min(9);
    points[from] + (points[from + 1] - points[from]) * (place - from as f64)
}

/// Machines with measured curves from a CSV with columns `w0`, `w10` … `w100`.
pub fn measured(file: &str) -> Vec<Machine> {
    let text = std::fs::read_to_string(file).expect("the file of measured curves");
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let columns: Vec<usize> = (0..=10)
        .map(|tenth| {
            let name = format!("w{}", tenth * 10);
            // Counted from the end: texts before may hold commas.
            head.len()
                - head
                    .iter()
                    .position(|cell| *cell == name)
                    .expect("its column")
        })
        .collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let watts = |column: &usize| cells[cells.len() - column].trim().parse().unwrap();
            let points: Vec<f64> = columns.iter().map(watts).collect();
            Machine(points.try_into().unwrap())
        })
        .collect()
}

/// Machines of many forms: straight, bent, with turbo, with a step when they wake, of 4 to 600 W.
pub fn invented(count: usize) -> Vec<Machine> {
    let mut dice = Dice::new(11);
    (0..count)
        .map(|_| {
            let idle = 4.0 * (5.0 * dice.roll()).exp2().powf(1.2);
            let ratio = 1.7 + 5.2 * dice.roll();
            let (bend, step, turbo) = (
                0.6 + 0.8 * dice.roll(),
                0.15 * dice.roll(),
                0.3 * dice.roll(),
            );
            let mut points = [0.0; 11];
            for (tenth, point) in points.iter_mut().enumerate() {
                let load = tenth as f64 / 10.0;
                let wakes = if load > 0.0 { step } else { 0.0 };
                let rest = 1.0 - step - turbo;
                let share = wakes + rest * load.powf(bend) + turbo * load.powi(3);
                *point = idle * (1.0 + (ratio - 1.0) * share);
            }
            Machine(points)
        })
        .collect()
}
