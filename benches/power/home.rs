//! Simulated homes: a plug teaches for two days, is taken away, and a day is estimated.

use homewatch::power::{NodePower, Scope, SourceKind, Work};

use crate::dice::Dice;
use crate::machine::Machine;
use crate::rig::{Rig, Score, TICK, head, sample, work};

const DAY: u64 = 86_400 / TICK;

/// What a home is like.
#[derive(Clone, Copy)]
struct Home {
    name: &'static str,
    /// How the plug is declared.
    scope: fn() -> Scope,
    /// Seconds between its readings, and by how many they come late.
    every: u64,
    lag: u64,
    /// A lamp on the same plug, W; it is on for a fifth of the time.
    lamp_w: f64,
    /// Whether clock, disks, network and a graphics card matter, and are known.
    extras: bool,
    known: bool,
    /// Whether the processor tells its own watts.
    rapl: bool,
    /// What is added to the machine after the first day, W.
    added_w: f64,
}

const PLAIN: Home = Home {
    name: "a plug that speaks every 10 s",
    scope: || Scope::Host,
    every: 10,
    lag: 0,
    lamp_w: 0.0,
    extras: false,
    known: false,
    rapl: false,
    added_w: 0.0,
};

pub fn print(machines: &[Machine]) {
    let homes = [
        PLAIN,
        Home {
            name: "every 60 s",
            every: 60,
            ..PLAIN
        },
        Home {
            name: "every 300 s",
            every: 300,
            ..PLAIN
        },
        Home {
            name: "30 s late",
            lag: 30,
            ..PLAIN
        },
        Home {
            name: "a lamp on the plug, which is said to be the machine's own",
            lamp_w: 12.0,
            ..PLAIN
        },
        Home {
            name: "a lamp on the plug, which is said to have more on it",
            scope: || Scope::Shared,
            lamp_w: 12.0,
            ..PLAIN
        },
        Home {
            name: "clock, disks, network, graphics matter, unknown",
            extras: true,
            ..PLAIN
        },
        Home {
            name: "clock, disks, network, graphics matter, known",
            extras: true,
            known: true,
            ..PLAIN
        },
        Home {
            name: "the same, and the processor's own watts",
            extras: true,
            known: true,
            rapl: true,
            ..PLAIN
        },
        Home {
            name: "15 W more after a day (a disk was put in)",
            added_w: 15.0,
            ..PLAIN
        },
    ];
    head("simulated homes: two days with a plug (1 % noise, whole watts), then a day without");
    for home in homes {
        let mut score = Score::default();
        for (seed, machine) in machines.iter().step_by(12).enumerate() {
            live(&home, machine, seed as u64, &mut score);
        }
        score.line(home.name);
    }
}

/// What a machine does, from tick to tick.
struct Life {
    dice: Dice,
    /// The load that jobs make until a tick.
    job: (f64, u64),
    clock: f64,
    disks: f64,
    network: f64,
    graphics: f64,
    lamp: (bool, u64),
}

impl Life {
    /// The load at `tick`.
    fn step(&mut self, tick: u64) -> f64 {
        let dice = &mut self.dice;
        if tick >= self.job.1 {
            let busy = dice.roll() < 0.25;
            let load = if busy { dice.roll() } else { 0.0 };
            let time = if busy { 90.0 } else { 240.0 };
            self.job = (load, tick + 2 + (dice.roll() * time) as u64);
            self.clock = 0.7 + 0.3 * dice.roll();
            self.disks = if dice.roll() < 0.3 { dice.roll() } else { 0.0 };
            self.network = if dice.roll() < 0.3 { dice.roll() } else { 0.0 };
            self.graphics = if dice.roll() < 0.2 { dice.roll() } else { 0.0 };
        }
        if tick >= self.lamp.1 {
            let on = dice.roll() < 0.2;
            self.lamp = (on, tick + 60 + (dice.roll() * 600.0) as u64);
        }
        let noise = 0.02 + 0.01 * dice.noise().abs();
        (self.job.0 + noise).clamp(0.0, 1.0)
    }
}

fn live(home: &Home, machine: &Machine, seed: u64, score: &mut Score) {
    let mut rig = Rig::new(NodePower::new(None, 0.0));
    let mut life = Life {
        dice: Dice::new(100 + seed),
        job: (0.0, 0),
        clock: 1.0,
        disks: 0.0,
        network: 0.0,
        graphics: 0.0,
        lamp: (false, 0),
    };
    let mut past: Vec<f64> = Vec::new();
    // Its idle watts differ by machine; what is beside the processor goes with its size.
    let size = machine.idle() / 40.0;
    for tick in 0..3 * DAY {
        let load = life.step(tick);
        let mut watts = machine.watts(load);
        let mut now = work(load);
        let mut inside = Vec::new();
        if home.extras {
            let moving = watts - machine.idle();
            watts = machine.idle() + moving * (0.6 + 0.4 * life.clock);
            let processor = 3.0 * size + 0.75 * (watts - machine.idle());
            watts += size * (8.0 * life.disks + 4.0 * life.network + 60.0 * life.graphics);
            if home.known {
                now = Work {
                    frequency_mhz: Some(3500.0 * life.clock),
                    disks_pct: Some(100.0 * life.disks),
                    network_bytes_per_s: Some(1e8 * life.network),
                    ..now
                };
                let card = size * (5.0 + 54.0 * life.graphics);
                let card = sample(SourceKind::Gpu, Scope::Gpu("a".to_owned()), card);
                inside.push(card);
            }
            if home.rapl {
                inside.push(sample(SourceKind::Rapl, Scope::Package(0), processor));
            }
        }
        if tick > DAY {
            watts += home.added_w;
        }
        let lamp = if life.lamp.0 { home.lamp_w } else { 0.0 };
        past.push(watts + lamp);
        let taught = tick < 2 * DAY;
        let plug = taught.then(|| {
            // Told at its own times, of what was drawn some time before.
            let told = tick * TICK / home.every * home.every / TICK;
            let of = told.saturating_sub(home.lag / TICK) as usize;
            let heard = past[of] * (1.0 + 0.01 * noise_of(told));
            ((home.scope)(), heard.round(), (tick - told) * TICK)
        });
        let draw = rig.look_at(&now, plug, &inside);
        if let Some(draw) = draw.filter(|_| !taught) {
            score.note_draw(&draw, watts);
        }
    }
}

/// The same for one reading however often it is looked at.
fn noise_of(reading: u64) -> f64 {
    Dice::new(reading + 1).noise()
}
