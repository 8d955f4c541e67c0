//! Attribution: whether the parts make up the whole.

use std::collections::BTreeMap;
use std::time::Duration;

use homewatch::model::Source;
use homewatch::power::{Accounts, Draw, Ledger, Part, Spent, Terms, Use};

use crate::dice::Dice;

pub fn print() {
    let mut dice = Dice::new(3);
    let terms = Terms {
        services: 10,
        ..Terms::default()
    };
    let mut ledger = Ledger::new(terms, Accounts::default());
    let (mut worst_w, mut below, mut energy) = (0.0_f64, 0, 0.0);
    let mut told = 0.0;
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
        let draw = Draw {
            power_w,
            band_w: (power_w, power_w),
            idle_w: 15.0 + 20.0 * dice.roll(),
            source: Source::Meter,
            basis: None,
            doubt: None,
            dispute: None,
            energy_kwh: energy,
        };
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
        if look == 0 {
            told = energy;
        }
    }
    let accounts = serde_json::to_value(ledger.accounts()).unwrap();
    let booked = sum_of(&accounts);
    println!("\nattribution, 20000 looks at 60 services that come and go, with a graphics card");
    println!(
        "  worst of: sum of parts against the whole           {:.2e} %",
        worst_w * 100.0
    );
    println!("  parts below 0 or above the whole                   {below}");
    println!(
        "  energy of all accounts against the counter         {:.2e} %",
        (booked / (energy - told) - 1.0).abs() * 100.0
    );
}

/// Every `energy_kwh` in the record.
fn sum_of(record: &serde_json::Value) -> f64 {
    let serde_json::Value::Object(map) = record else {
        return 0.0;
    };
    map.iter()
        .map(|(key, value)| match value.as_f64() {
            Some(number) if key == "energy_kwh" => number,
            _ => sum_of(value),
        })
        .sum()
}
