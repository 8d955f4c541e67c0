//! Attribution: whether the parts make up the whole.

use std::collections::BTreeMap;
use std::time::Duration;

use homewatch::model::Source;
use homewatch::power::{Accounts, Counted, Counters, Draw, Ledger, Part, Parts, Spent, Terms, Use};

use crate::dice::Dice;

pub fn print() {
    conserved();
    known();
}

fn conserved() {
    let mut dice = Dice::new(3);
    let terms = Terms {
        services: 10,
        ..Terms::default()
    };
    let mut ledger = Ledger::new(terms, Accounts::default());
    let (mut worst_w, mut worst_kwh, mut below, mut energy) = (0.0_f64, 0.0_f64, 0, 0.0);
    for look in 0..20_000_u64 {
        let power_w = 20.0 + 200.0 * dice.roll() * dice.roll();
        let total_s = 80.0 * dice.roll();
        let mut left = total_s;
        let services: BTreeMap<String, f64> = (0..60)
            .filter_map(|number| {
                // Services come and go.
                let spent = left * dice.roll() * 0.3;
                left -= spent;
                (dice.roll() < 0.9).then(|| (format!("service{number}"), spent))
            })
            .collect();
        energy += power_w * 10.0 / 3.6e6;
        let draw = drawn(power_w, 15.0 + 20.0 * dice.roll(), energy);
        let spent = (dice.roll() < 0.98).then_some(Spent {
            cpu: Use {
                total: total_s,
                services,
                ..Use::default()
            },
            ..Spent::default()
        });
        let graphics = (dice.roll() < 0.5).then(|| 60.0 * dice.roll());
        let up = Duration::from_secs(10 * look);
        let parts = ledger.step(up, &draw, spent.as_ref(), graphics, |kwh| kwh * 0.3);
        let services = parts.services.iter().map(|(_, part)| part);
        let all: Vec<&Part> = [&parts.idle, &parts.other]
            .into_iter()
            .chain(&parts.gpu)
            .chain(services)
            .collect();
        let sum: f64 = all.iter().map(|part| part.power_w).sum();
        worst_w = worst_w.max((sum / power_w - 1.0).abs());
        let odd = all
            .iter()
            .filter(|part| part.power_w < 0.0 || part.power_w > power_w * (1.0 + 1e-9));
        below += odd.count();
        let shares = ledger.shares();
        let booked = [&shares.idle, &shares.gpu, &shares.other].map(|one| one.energy_kwh);
        let of_services = shares.services.values().map(|one| one.energy_kwh);
        let booked = booked.into_iter().chain(of_services).sum::<f64>();
        // The first look has nothing to count from.
        if look > 0 {
            worst_kwh = worst_kwh.max((booked / (power_w * 10.0 / 3.6e6) - 1.0).abs());
        }
    }
    println!(
        "\nattribution (goal 0.1 % at every look), 20000 looks at 60 services that come and go, with a graphics card"
    );
    println!(
        "  worst of: sum of parts against the whole           {:.2e} %",
        worst_w * 100.0
    );
    println!("  parts below 0 or above the whole                   {below}");
    println!(
        "  worst of: energy booked against that of the counter {:.2e} %",
        worst_kwh * 100.0
    );
}

/// Services that use a known share of the processor: what each is told to draw beside what it is
/// known to. The kernel's whole is counted in hundredths of a second, groups are read some
/// milliseconds before it, and a third of the work is done by processes that live for a moment.
fn known() {
    const SHARES: [f64; 6] = [0.50, 0.25, 0.12, 0.06, 0.03, 0.04];
    const IDLE_W: f64 = 20.0;
    const MOVING_W: f64 = 50.0;
    let mut dice = Dice::new(6);
    let mut ledger = Ledger::new(
        Terms {
            services: SHARES.len(),
            ..Terms::default()
        },
        Accounts::default(),
    );
    let mut counters = Counters::default();
    let (mut had, mut all) = ([0.0; SHARES.len()], 0.0);
    let (mut worst_w, mut energy) = (0.0_f64, 0.0);
    let mut parts = Parts::default();
    for look in 0..2_000_u64 {
        // Eight cores, and how many of them are busy.
        let busy = 8.0 * (0.1 + 0.9 * dice.roll());
        all += 10.0 * busy;
        let early = 0.005 * dice.roll() * busy;
        let services = (0..SHARES.len()).map(|place| {
            had[place] += 10.0 * busy * SHARES[place];
            Counted {
                group: format!("system.slice/service{place}.service").into(),
                service: format!("service{place}").into(),
                used: had[place] - early * SHARES[place],
            }
        });
        let spent = counters.look((all * 100.0).floor() / 100.0, services.collect(), &[]);
        let power_w = IDLE_W + MOVING_W * busy / 8.0;
        energy += power_w * 10.0 / 3.6e6;
        let draw = drawn(power_w, IDLE_W, energy);
        let spent = spent.map(|cpu| Spent {
            cpu,
            ..Spent::default()
        });
        let up = Duration::from_secs(10 * look);
        parts = ledger.step(up, &draw, spent.as_ref(), None, |kwh| kwh * 0.3);
        // Once all of them are told one by one.
        for (name, part) in parts.services.iter().filter(|_| look > 10) {
            let place: usize = name.trim_start_matches("service").parse().unwrap();
            let truth = SHARES[place] * (power_w - IDLE_W);
            worst_w = worst_w.max((part.power_w / truth - 1.0).abs());
        }
    }
    let whole: f64 = parts
        .services
        .iter()
        .map(|(_, part)| part.account.energy_kwh)
        .sum();
    let off = parts.services.iter().map(|(name, part)| {
        let place: usize = name.trim_start_matches("service").parse().unwrap();
        (part.account.energy_kwh / whole / SHARES[place] - 1.0).abs()
    });
    println!(
        "\na known split of the processor between {} services of 3 to 50 %",
        SHARES.len()
    );
    println!(
        "  worst watts of a service at any look (goal 5 %)      {:.2} %",
        worst_w * 100.0
    );
    println!(
        "  worst energy of a service after {} looks           {:.3} %",
        2_000,
        off.fold(0.0, f64::max) * 100.0
    );
}

fn drawn(power_w: f64, idle_w: f64, energy_kwh: f64) -> Draw {
    Draw {
        power_w,
        band_w: (power_w, power_w),
        idle_w,
        idle_band_w: (idle_w, idle_w),
        never_below_pct: None,
        source: Source::Meter,
        basis: None,
        doubt: None,
        dispute: None,
        energy_kwh,
    }
}
