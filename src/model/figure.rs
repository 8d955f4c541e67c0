use std::fmt;
use std::time::Duration;

use super::{Metric, Unit, spoken};

/// A number as it is, but an absurd one by its magnitude: nobody reads three hundred digits.
#[derive(Debug, Clone, Copy)]
pub struct Short(pub f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        let is_tiny = size > 0.0 && size < 1e-9 && f.precision().is_none();
        if self.0.is_finite() && (size >= 1e12 || is_tiny) {
            write!(f, "{:.1e}", self.0)
        } else {
            fmt::Display::fmt(&self.0, f)
        }
    }
}

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
            _ => format!("{} s", Short(value)),
        },
        unit => {
            let decimals = metric.map_or(2, |metric| usize::from(metric.decimals_of(value)));
            let number = format!("{:.decimals$}", Short(value));
            let currency = metric.and_then(Metric::currency).unwrap_or_default();
            match (currency.as_str(), unit.symbol()) {
                ("", "") => number,
                (currency, symbol) => format!("{number} {currency}{symbol}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_numbers_are_told_by_their_magnitude() {
        for (value, text) in [
            (0.0, "0"),
            (-12.5, "-12.5"),
            (999_999_999_999.0, "999999999999"),
            (1e308, "1.0e308"),
            (-2.5e13, "-2.5e13"),
            (3e-12, "3.0e-12"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(Short(value).to_string(), text);
        }
        assert_eq!(format!("{:.1} {:.1}", Short(3.26), Short(1e-15)), "3.3 0.0");
        assert_eq!(figure(None, 1e300), "1.0e300");
    }

    #[test]
    fn money_has_its_currency() {
        static COST: Metric = Metric::total("cost_eur", "Cost", Unit::Money).decimals(2);
        static PRICE: Metric = Metric::gauge("price_chf", "Price", Unit::MoneyPerKilowattHour);
        static PLAIN: Metric = Metric::gauge("spent", "Spent", Unit::Money).decimals(0);
        static ENERGY: Metric =
            Metric::gauge("energy_kwh", "Energy", Unit::KilowattHour).decimals(2);
        for (kwh, text) in [
            (0.0, "0.00 kWh"),
            (0.001_84, "0.0018 kWh"),
            (0.046, "0.046 kWh"),
            (0.5, "0.50 kWh"),
            (12.345, "12.35 kWh"),
            (1e-9, "0.000000 kWh"),
        ] {
            assert_eq!(figure(Some(&ENERGY), kwh), text);
            assert!(
                (ENERGY.round(kwh) - kwh).abs() <= (kwh * 0.05).max(1e-6),
                "{kwh}"
            );
        }
        assert_eq!(figure(Some(&COST), 0.0034), "0.0034 EUR");
        assert_eq!(figure(Some(&COST), 12.5), "12.50 EUR");
        assert!(figure(Some(&PRICE), 0.3).ends_with(" CHF/kWh"));
        assert_eq!(figure(Some(&PLAIN), 30.0), "30");
    }
}
