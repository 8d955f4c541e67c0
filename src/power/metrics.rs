//! The figures of everything that measures power, declared once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::price::Basis;
use crate::model::{FlagMeaning, Metric, Unit};

const WATTS: Metric = Metric::gauge("power_w", "Power", Unit::Watt)
    .decimals(1)
    .dead_band(0.5);
pub(crate) static POWER: Metric = WATTS;
/// The same, as a sensor or a meter says it.
pub(crate) static SENSED: Metric = WATTS.published(3);
pub(crate) static LOW: Metric = Metric::gauge("power_low_w", "Power at least", Unit::Watt)
    .decimals(1)
    .dead_band(1.0)
    .diagnostic();
pub(crate) static HIGH: Metric = Metric::gauge("power_high_w", "Power at most", Unit::Watt)
    .decimals(1)
    .dead_band(1.0)
    .diagnostic();
pub(crate) static IDLE: Metric = Metric::gauge("idle_w", "Power when idle", Unit::Watt)
    .decimals(1)
    .dead_band(1.0)
    .diagnostic();
pub(crate) static IDLE_LOW: Metric =
    Metric::gauge("idle_low_w", "Power when idle at least", Unit::Watt)
        .decimals(1)
        .dead_band(2.0)
        .hidden();
pub(crate) static IDLE_HIGH: Metric =
    Metric::gauge("idle_high_w", "Power when idle at most likely", Unit::Watt)
        .decimals(1)
        .dead_band(2.0)
        .hidden();
pub(crate) static ENERGY: Metric = Metric::total("energy_kwh", "Energy", Unit::KilowattHour)
    .decimals(4)
    .dead_band(0.001);
pub(crate) static RETURNED: Metric =
    Metric::total("returned_kwh", "Returned energy", Unit::KilowattHour)
        .decimals(4)
        .dead_band(0.001);
pub(crate) static VOLTAGE: Metric = Metric::gauge("voltage_v", "Voltage", Unit::Volt)
    .decimals(1)
    .published(3)
    .dead_band(2.0)
    .diagnostic();
pub(crate) static CURRENT: Metric = Metric::gauge("current_a", "Current", Unit::Ampere)
    .decimals(3)
    .dead_band(0.02)
    .diagnostic();
pub(crate) static APPARENT: Metric =
    Metric::gauge("apparent_va", "Apparent power", Unit::VoltAmpere)
        .decimals(1)
        .published(3)
        .dead_band(2.0)
        .diagnostic();
pub(crate) static REACTIVE: Metric = Metric::gauge("reactive_var", "Reactive power", Unit::Var)
    .decimals(1)
    .published(3)
    .dead_band(2.0)
    .diagnostic();
pub(crate) static FACTOR: Metric = Metric::gauge("power_factor", "Power factor", Unit::None)
    .decimals(2)
    .published(3)
    .dead_band(0.05)
    .diagnostic();
pub(crate) static FREQUENCY: Metric = Metric::gauge("frequency_hz", "Frequency", Unit::Hertz)
    .decimals(2)
    .published(3)
    .dead_band(0.1)
    .diagnostic();
pub(crate) static RELAY: Metric =
    Metric::flag("relay", "Outlet", FlagMeaning::Running).diagnostic();
pub(crate) static FAULT: Metric = Metric::flag("fault", "Fault", FlagMeaning::Problem).diagnostic();
pub(crate) static MEASURED: Metric = Metric::moment("measured_at", "Last reading").hidden();
pub(crate) static USAGE: Metric = Metric::gauge("usage_pct", "Usage", Unit::Percent)
    .decimals(0)
    .dead_band(5.0);
pub(crate) static LIMIT: Metric = Metric::gauge("limit_w", "Power limit", Unit::Watt)
    .decimals(0)
    .hidden();
pub(crate) static CHARGE: Metric = Metric::gauge("charge_pct", "Charge", Unit::Percent);
pub(crate) static BATTERY: Metric = Metric::state(
    "state",
    "State",
    &["charging", "discharging", "full", "idle", "unknown"],
);

/// A service's watts, of which tenths matter.
pub(crate) static SHARE: Metric = Metric::gauge("power_w", "Power", Unit::Watt)
    .decimals(2)
    .dead_band(0.25);
/// The same of a process: for those who look closer.
pub(crate) static PROCESS: Metric = Metric::gauge("power_w", "Power", Unit::Watt)
    .decimals(2)
    .dead_band(0.25)
    .diagnostic();
pub(crate) static PROCESS_ENERGY: Metric =
    Metric::total("energy_kwh", "Energy", Unit::KilowattHour)
        .decimals(4)
        .dead_band(0.001)
        .hidden();
/// How the machine's watts go with what it does: Pearson's coefficient, and by how much they
/// follow.
pub(crate) static TIES: [(Metric, Metric); 4] = [
    (
        Metric::gauge("cpu_correlation", "Watts with processor", Unit::None)
            .decimals(2)
            .dead_band(0.05)
            .hidden(),
        Metric::gauge("cpu_lag_s", "Watts after processor", Unit::Second).hidden(),
    ),
    (
        Metric::gauge("graphics_correlation", "Watts with graphics", Unit::None)
            .decimals(2)
            .dead_band(0.05)
            .hidden(),
        Metric::gauge("graphics_lag_s", "Watts after graphics", Unit::Second).hidden(),
    ),
    (
        Metric::gauge("disk_correlation", "Watts with disks", Unit::None)
            .decimals(2)
            .dead_band(0.05)
            .hidden(),
        Metric::gauge("disk_lag_s", "Watts after disks", Unit::Second).hidden(),
    ),
    (
        Metric::gauge("network_correlation", "Watts with network", Unit::None)
            .decimals(2)
            .dead_band(0.05)
            .hidden(),
        Metric::gauge("network_lag_s", "Watts after network", Unit::Second).hidden(),
    ),
];
pub(crate) static TODAY: Metric =
    Metric::gauge("energy_today_kwh", "Energy today", Unit::KilowattHour)
        .decimals(3)
        .dead_band(0.005);
pub(crate) static MONTH: Metric =
    Metric::gauge("energy_month_kwh", "Energy this month", Unit::KilowattHour)
        .decimals(2)
        .dead_band(0.05);

pub(crate) static CO2: Metric = Metric::total("co2_kg", "CO₂", Unit::Kilogram)
    .decimals(3)
    .dead_band(0.01);
pub(crate) static CO2_TODAY: Metric = Metric::gauge("co2_today_kg", "CO₂ today", Unit::Kilogram)
    .decimals(3)
    .dead_band(0.01);
pub(crate) static CO2_MONTH: Metric =
    Metric::gauge("co2_month_kg", "CO₂ this month", Unit::Kilogram)
        .decimals(2)
        .dead_band(0.05);
pub(crate) static CO2_NOW: Metric =
    Metric::gauge("co2_g_per_kwh", "CO₂ of a kWh", Unit::GramPerKilowattHour)
        .decimals(0)
        .dead_band(2.0)
        .diagnostic();
pub(crate) static BASIS: Metric =
    Metric::state("price_basis", "Origin of the price", Basis::WORDS).diagnostic();
pub(crate) static CHEAPEST_AT: Metric =
    Metric::moment("cheapest_at", "Begin of the cheapest hours");
pub(crate) static RETURNED_TODAY: Metric = Metric::gauge(
    "returned_today_kwh",
    "Returned energy today",
    Unit::KilowattHour,
)
.decimals(3)
.dead_band(0.005);

pub(crate) static STANDBY: Metric =
    Metric::gauge("standby_limit_w", "Power when idle at most", Unit::Watt)
        .decimals(1)
        .hidden();
pub(crate) static USED_PCT: Metric = Metric::gauge("used_pct", "Used share", Unit::Percent)
    .decimals(1)
    .dead_band(0.5);
pub(crate) static FORECAST_PCT: Metric =
    Metric::gauge("forecast_pct", "Forecast share", Unit::Percent)
        .decimals(0)
        .dead_band(1.0);
pub(crate) static USED_KWH: Metric = Metric::gauge("used_kwh", "Used", Unit::KilowattHour)
    .decimals(2)
    .dead_band(0.05);
pub(crate) static FORECAST_KWH: Metric =
    Metric::gauge("forecast_kwh", "Forecast", Unit::KilowattHour)
        .decimals(2)
        .dead_band(0.05);
pub(crate) static LIMIT_KWH: Metric = Metric::gauge("limit_kwh", "Limit", Unit::KilowattHour)
    .decimals(2)
    .hidden();
pub(crate) static USUAL: Metric =
    Metric::gauge("usual_day_kwh", "Usual energy of a day", Unit::KilowattHour)
        .decimals(3)
        .dead_band(0.005)
        .diagnostic();
pub(crate) static OF_USUAL: Metric =
    Metric::gauge("of_usual_pct", "Today's share of the usual", Unit::Percent)
        .decimals(0)
        .dead_band(2.0)
        .diagnostic();

/// Figures in the owner's currency, whose code ends their keys.
pub(crate) struct MoneyMetrics {
    pub(crate) price: Metric,
    pub(crate) next: Metric,
    pub(crate) cheapest: Metric,
    pub(crate) standing: Metric,
    pub(crate) standing_month: Metric,
    pub(crate) total_month: Metric,
    pub(crate) earned: Metric,
    pub(crate) earned_today: Metric,
    pub(crate) earned_month: Metric,
    pub(crate) used: Metric,
    pub(crate) forecast: Metric,
    pub(crate) limit: Metric,
    pub(crate) cost: Metric,
    /// The same of a process.
    pub(crate) process: Metric,
    pub(crate) today: Metric,
    pub(crate) month: Metric,
}

/// The figures in `currency` (an ISO 4217 code). They live as long as the program, which knows
/// one currency, or two when it is changed by a reload.
pub(crate) fn money(currency: &str) -> &'static MoneyMetrics {
    static KNOWN: Mutex<BTreeMap<String, &'static MoneyMetrics>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metrics) = known.get(currency) {
        return metrics;
    }
    let code = currency.to_ascii_lowercase();
    let key = |what: &str| -> &'static str { format!("{what}_{code}").leak() };
    let metrics: &'static MoneyMetrics = Box::leak(Box::new(MoneyMetrics {
        price: Metric::gauge(key("price"), "Price per kWh", Unit::MoneyPerKilowattHour).decimals(4),
        next: Metric::gauge(
            key("price_next"),
            "Price per kWh in the next hour",
            Unit::MoneyPerKilowattHour,
        )
        .decimals(4),
        cheapest: Metric::gauge(
            key("price_cheapest"),
            "Price per kWh in the cheapest hours",
            Unit::MoneyPerKilowattHour,
        )
        .decimals(4),
        standing: Metric::total(key("standing"), "Standing charge", Unit::Money).decimals(3),
        standing_month: Metric::gauge(
            key("standing_month"),
            "Standing charge this month",
            Unit::Money,
        )
        .decimals(2),
        total_month: Metric::gauge(
            key("total_month"),
            "Cost and standing charge this month",
            Unit::Money,
        )
        .decimals(2)
        .dead_band(0.01),
        earned: Metric::total(key("earned"), "Earned by feeding in", Unit::Money)
            .decimals(4)
            .dead_band(0.001),
        earned_today: Metric::gauge(key("earned_today"), "Earned today", Unit::Money)
            .decimals(3)
            .dead_band(0.005),
        used: Metric::gauge(key("used"), "Used", Unit::Money)
            .decimals(2)
            .dead_band(0.01),
        forecast: Metric::gauge(key("forecast"), "Forecast", Unit::Money)
            .decimals(2)
            .dead_band(0.01),
        limit: Metric::gauge(key("limit"), "Limit", Unit::Money)
            .decimals(2)
            .hidden(),
        earned_month: Metric::gauge(key("earned_month"), "Earned this month", Unit::Money)
            .decimals(2)
            .dead_band(0.01),
        cost: Metric::total(key("cost"), "Cost", Unit::Money)
            .decimals(4)
            .dead_band(0.001),
        process: Metric::total(key("cost"), "Cost", Unit::Money)
            .decimals(4)
            .dead_band(0.001)
            .hidden(),
        today: Metric::gauge(key("cost_today"), "Cost today", Unit::Money)
            .decimals(3)
            .dead_band(0.005),
        month: Metric::gauge(key("cost_month"), "Cost this month", Unit::Money)
            .decimals(2)
            .dead_band(0.01),
    }));
    known.insert(currency.to_owned(), metrics);
    metrics
}
