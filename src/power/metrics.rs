//! The figures of everything that measures power, declared once.

use crate::model::{FlagMeaning, Metric, Unit};

pub(crate) static POWER: Metric = Metric::gauge("power_w", "Power", Unit::Watt)
    .decimals(1)
    .dead_band(0.5);
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
pub(crate) static ENERGY: Metric = Metric::total("energy_kwh", "Energy", Unit::KilowattHour)
    .decimals(4)
    .dead_band(0.001);
pub(crate) static RETURNED: Metric =
    Metric::total("returned_kwh", "Returned energy", Unit::KilowattHour)
        .decimals(4)
        .dead_band(0.001);
pub(crate) static VOLTAGE: Metric = Metric::gauge("voltage_v", "Voltage", Unit::Volt)
    .decimals(1)
    .dead_band(2.0)
    .diagnostic();
pub(crate) static CURRENT: Metric = Metric::gauge("current_a", "Current", Unit::Ampere)
    .decimals(3)
    .dead_band(0.02)
    .diagnostic();
pub(crate) static APPARENT: Metric =
    Metric::gauge("apparent_va", "Apparent power", Unit::VoltAmpere)
        .decimals(1)
        .dead_band(2.0)
        .diagnostic();
pub(crate) static REACTIVE: Metric = Metric::gauge("reactive_var", "Reactive power", Unit::Var)
    .decimals(1)
    .dead_band(2.0)
    .diagnostic();
pub(crate) static FACTOR: Metric = Metric::gauge("power_factor", "Power factor", Unit::None)
    .decimals(2)
    .dead_band(0.05)
    .diagnostic();
pub(crate) static FREQUENCY: Metric = Metric::gauge("frequency_hz", "Frequency", Unit::Hertz)
    .decimals(2)
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
