use std::time::Duration;

use super::{Metric, Unit, spoken};

/// A figure as people write it: `94.0 °C`, `1.5 GiB`, `250 Mbit/s`.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other units are written as they are, new ones too"
)]
pub fn figure(metric: Option<&Metric>, value: f64) -> String {
    let unit = metric.map_or(Unit::None, |metric| metric.unit);
    match unit {
        Unit::Byte | Unit::BytePerSecond => scaled(
            value,
            1024.0,
            &["B", "KiB", "MiB", "GiB", "TiB", "PiB"],
            unit,
        ),
        Unit::BitPerSecond => scaled(
            value,
            1000.0,
            &["bit", "kbit", "Mbit", "Gbit", "Tbit"],
            unit,
        ),
        Unit::Second if value >= 0.0 => match Duration::try_from_secs_f64(value) {
            Ok(duration) if value >= 1.0 => spoken(duration),
            _ => format!("{value} s"),
        },
        unit => {
            let decimals = metric.map_or(2, |metric| usize::from(metric.decimals));
            let number = format!("{value:.decimals$}");
            match unit.symbol() {
                "" => number,
                symbol => format!("{number} {symbol}"),
            }
        }
    }
}

fn scaled(value: f64, step: f64, units: &[&str], unit: Unit) -> String {
    let mut rest = value;
    let mut index = 0;
    while rest.abs() >= step && index + 1 < units.len() {
        rest /= step;
        index += 1;
    }
    let decimals = usize::from(index > 0);
    let name = units.get(index).copied().unwrap_or_default();
    let per = if matches!(unit, Unit::BytePerSecond | Unit::BitPerSecond) {
        "/s"
    } else {
        ""
    };
    format!("{rest:.decimals$} {name}{per}")
}
