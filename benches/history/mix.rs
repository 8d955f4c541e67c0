//! A made-up home: 300 series of the kinds that a monitor has.

use std::sync::{Arc, LazyLock};

use homewatch::model::{Area, Batch, Metric, Outcome, Reading, Subject, Timestamp, Unit};

use super::powercut::Random;

static TEMPERATURE: Metric = Metric::gauge("t_c", "Temperature", Unit::Celsius).decimals(1);
static POWER: Metric = Metric::gauge("p_w", "Power", Unit::Watt).decimals(1);
static RATE: Metric = Metric::gauge("r_bytes_per_s", "Rate", Unit::BytePerSecond);
static COUNTER: Metric = Metric::total("c_bytes", "Counter", Unit::Byte);
static PERCENT: Metric = Metric::gauge("u_pct", "Usage", Unit::Percent).decimals(1);
static MEMORY: Metric = Metric::gauge("m_bytes", "Memory", Unit::Byte);
static PING: Metric = Metric::gauge("rtt_ms", "Ping", Unit::Millisecond).decimals(2);
static CONSTANT: Metric = Metric::gauge("k_bytes", "Constant", Unit::Byte);

/// Kinds and how many series of each.
static KINDS: [(&Metric, usize); 8] = [
    (&TEMPERATURE, 40),
    (&POWER, 40),
    (&RATE, 40),
    (&COUNTER, 60),
    (&PERCENT, 50),
    (&MEMORY, 30),
    (&PING, 20),
    (&CONSTANT, 20),
];

static SUBJECTS: LazyLock<Vec<Arc<Subject>>> = LazyLock::new(|| {
    (0..300)
        .map(|n| Subject::of_host(Area::Health, &format!("s{n}"), "S"))
        .collect()
});

/// The first tick.
pub(crate) const START: i64 = 1_767_225_600;
/// Seconds between ticks.
pub(crate) const STEP: i64 = 10;
/// A series with a power draw.
pub(crate) const SERIES: &str = "health/s45/p_w";

#[derive(Debug, Clone, Copy)]
struct Line {
    base: f64,
    x: f64,
    on: bool,
}

/// Makes the ticks one after the other.
#[derive(Debug)]
pub(crate) struct Mix {
    random: Random,
    lines: Vec<Line>,
    tick: i64,
}

fn uniform(random: &mut Random) -> f64 {
    f64::from(u32::try_from(random.below(1 << 30)).unwrap_or(0)) / f64::from(1 << 30)
}

fn gauss(random: &mut Random) -> f64 {
    let sum: f64 = (0..6).map(|_| uniform(random)).sum();
    (sum - 3.0) * 2_f64.sqrt()
}

fn exponential(random: &mut Random, mean: f64) -> f64 {
    -(1.0 - uniform(random)).ln() * mean
}

impl Mix {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut lines = Vec::new();
        for (metric, count) in KINDS {
            for _ in 0..count {
                let u = uniform(&mut random);
                let base = match metric.key {
                    "t_c" => 18.0 + 42.0 * u,
                    "p_w" => 2.0 + 1_498.0 * u,
                    "m_bytes" => (65_536.0 + 458_752.0 * u).floor(),
                    "rtt_ms" => 0.3 + 29.7 * u,
                    "u_pct" => 0.0,
                    _ => (u * 1e11).floor(),
                };
                let on = uniform(&mut random) < 0.5;
                let x = if metric.key == "u_pct" { 39.0 * u } else { 0.0 };
                lines.push(Line { base, x, on });
            }
        }
        Self {
            random,
            lines,
            tick: 0,
        }
    }

    /// The next tick.
    pub(crate) fn next(&mut self) -> Batch {
        let kinds = KINDS
            .iter()
            .flat_map(|(metric, count)| std::iter::repeat_n(*metric, *count));
        let mut readings = Vec::with_capacity(SUBJECTS.len());
        let second = self.tick * STEP;
        for ((line, metric), subject) in self.lines.iter_mut().zip(kinds).zip(SUBJECTS.iter()) {
            let value = step(&mut self.random, line, metric, second);
            readings.push(Reading::new(subject).with(metric, value));
        }
        self.tick += 1;
        Batch {
            at: Timestamp::from_millisecond((START + second) * 1_000).unwrap_or_default(),
            outcomes: vec![Outcome {
                collector: "mix",
                result: Ok(readings),
            }],
        }
    }
}

fn step(random: &mut Random, line: &mut Line, metric: &Metric, second: i64) -> f64 {
    match metric.key {
        "t_c" => {
            line.x = 0.98 * line.x + 0.05 * gauss(random);
            let day = f64::from(i32::try_from(second % 86_400).unwrap_or(0)) / 86_400.0;
            line.base + 2.0 * (day * std::f64::consts::TAU).sin() + line.x
        }
        "p_w" => {
            if random.below(360) == 0 {
                line.on = !line.on;
            }
            if line.on {
                line.base * (1.0 + 0.004 * gauss(random))
            } else {
                0.0
            }
        }
        "r_bytes_per_s" => {
            let mean = if uniform(random) < 0.9 { 2e3 } else { 5e5 };
            exponential(random, mean).floor()
        }
        "c_bytes" => {
            if !(line.on && uniform(random) < 0.9) {
                line.base += exponential(random, 2e4).floor();
            }
            line.base
        }
        "u_pct" => {
            line.x = 0.9 * line.x + 3.0 * uniform(random) + 0.4 * gauss(random);
            line.x = line.x.clamp(0.0, 100.0);
            line.x
        }
        "m_bytes" => {
            if uniform(random) < 0.8 {
                line.base += (40.0 * gauss(random)).trunc();
            }
            line.base * 4_096.0
        }
        "rtt_ms" => line.base + exponential(random, 0.4),
        _ => line.base,
    }
}
