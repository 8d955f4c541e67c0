//! The health of graphics cards: `gpu-<place>` each, by what its maker's driver tells. NVIDIA's are
//! told by the collector of their power, which asks their program once for both.

pub(in crate::collect) mod drm;

use std::ops::RangeInclusive;

use super::quantity::TEMPERATURE;
use crate::collect::card::card;
use crate::model::{Area, Device, FlagMeaning, Metric, Reading, Subject, Unit};

static MEMORY_TEMPERATURE: Metric =
    Metric::gauge("memory_temperature_c", "Memory temperature", Unit::Celsius)
        .decimals(1)
        .published(3)
        .dead_band(1.0)
        .diagnostic();
static LOAD: Metric = Metric::gauge("usage_pct", "Load", Unit::Percent)
    .decimals(0)
    .dead_band(5.0);
static FAN: Metric = Metric::gauge("fan_pct", "Fan", Unit::Percent)
    .decimals(0)
    .dead_band(5.0)
    .diagnostic();
static CLOCK: Metric = Metric::gauge("clock_mhz", "Clock", Unit::Megahertz)
    .dead_band(100.0)
    .diagnostic();
static MEMORY_CLOCK: Metric = Metric::gauge("memory_clock_mhz", "Memory clock", Unit::Megahertz)
    .dead_band(100.0)
    .hidden();
static MEMORY_PCT: Metric = Metric::gauge("memory_used_pct", "Memory used", Unit::Percent)
    .decimals(0)
    .dead_band(2.0);
static MEMORY_USED: Metric = Metric::gauge("memory_used_bytes", "Memory in use", Unit::Byte)
    .dead_band(67_108_864.0)
    .diagnostic();
static MEMORY_TOTAL: Metric =
    Metric::gauge("memory_total_bytes", "Memory", Unit::Byte).diagnostic();
static THROTTLED: Metric = Metric::flag("throttled", "Throttled", FlagMeaning::Problem);
static REASON: Metric = Metric::text("throttle_reason", "Throttle reason").diagnostic();
static CORRECTED: Metric =
    Metric::total("ecc_corrected", "Corrected memory errors", Unit::None).diagnostic();
static UNCORRECTED: Metric =
    Metric::total("ecc_uncorrected", "Uncorrectable memory errors", Unit::None).diagnostic();
static GENERATION: Metric =
    Metric::gauge("pcie_generation", "PCIe generation", Unit::None).hidden();
static WIDTH: Metric = Metric::gauge("pcie_lanes", "PCIe lanes", Unit::None).diagnostic();

/// Percent that can be.
const SHARE: RangeInclusive<f64> = 0.0..=100.0;
/// Temperatures that can be, °C.
const DEGREES: RangeInclusive<f64> = -40.0..=150.0;

/// What is known of a card.
#[derive(Debug, Default, PartialEq)]
pub(in crate::collect) struct Figures {
    /// °C.
    pub(in crate::collect) temperature: Option<f64>,
    /// °C.
    pub(in crate::collect) memory_temperature: Option<f64>,
    /// Percent.
    pub(in crate::collect) load: Option<f64>,
    /// Percent.
    pub(in crate::collect) fan: Option<f64>,
    /// MHz.
    pub(in crate::collect) clock: Option<f64>,
    /// MHz.
    pub(in crate::collect) memory_clock: Option<f64>,
    /// Bytes.
    pub(in crate::collect) memory_used: Option<f64>,
    /// Bytes.
    pub(in crate::collect) memory_total: Option<f64>,
    /// Why it is slowed down, and whether that is a trouble; empty if it is not.
    pub(in crate::collect) throttle: Option<(Vec<&'static str>, bool)>,
    /// Since the driver was loaded.
    pub(in crate::collect) corrected: Option<f64>,
    /// Since the driver was loaded.
    pub(in crate::collect) uncorrected: Option<f64>,
    /// Of the link as it is now; it is lowered while there is nothing to do.
    pub(in crate::collect) generation: Option<f64>,
    /// Of the link as it is now.
    pub(in crate::collect) lanes: Option<f64>,
}

/// What is told of the card at `place`; `uuid` is what its maker knows it by. Figures that cannot be
/// are left out.
pub(in crate::collect) fn reading(
    place: &str,
    name: &str,
    maker: &str,
    uuid: Option<&str>,
    figures: &Figures,
) -> Reading {
    let mut device = card(place, name, Some(maker));
    if let Device::Part { serial, .. } = &mut device {
        *serial = uuid.map(str::to_owned);
    }
    let subject = Subject::of_device(Area::Health, &format!("gpu-{place}"), name, device);
    let mut reading = Reading::new(&subject);
    let share = figures.memory_used.zip(figures.memory_total);
    let share = share.filter(|(_, total)| *total > 0.0);
    let within = |figure: Option<f64>, range: RangeInclusive<f64>| {
        figure.filter(|figure| range.contains(figure))
    };
    let share = share.map(|(used, total)| used / total * 100.0);
    for (metric, value) in [
        (&TEMPERATURE, within(figures.temperature, DEGREES)),
        (
            &MEMORY_TEMPERATURE,
            within(figures.memory_temperature, DEGREES),
        ),
        (&LOAD, within(figures.load, SHARE)),
        (&FAN, within(figures.fan, SHARE)),
        (&CLOCK, figures.clock),
        (&MEMORY_CLOCK, figures.memory_clock),
        (&MEMORY_PCT, within(share, SHARE)),
        (&MEMORY_USED, figures.memory_used),
        (&MEMORY_TOTAL, figures.memory_total),
        (&CORRECTED, figures.corrected),
        (&UNCORRECTED, figures.uncorrected),
        (&GENERATION, figures.generation),
        (&WIDTH, figures.lanes),
    ] {
        reading.push(metric, value);
    }
    if let Some((reasons, trouble)) = &figures.throttle {
        reading.push(&THROTTLED, Some(*trouble));
        let text = if reasons.is_empty() {
            "none".to_owned()
        } else {
            reasons.join(", ")
        };
        reading.push(&REASON, Some(text.as_str()));
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    #[test]
    fn figures_that_cannot_be_are_left_out() {
        const KEYS: [&str; 5] = [
            "temperature_c",
            "memory_temperature_c",
            "usage_pct",
            "fan_pct",
            "memory_used_pct",
        ];
        for (degrees, share, can_be) in [
            (-40.0, 0.0, true),
            (150.0, 100.0, true),
            (151.0, 101.0, false),
            (-41.0, -1.0, false),
            (f64::NAN, f64::NAN, false),
        ] {
            let figures = Figures {
                temperature: Some(degrees),
                memory_temperature: Some(degrees),
                load: Some(share),
                fan: Some(share),
                memory_used: Some(share),
                memory_total: Some(100.0),
                ..Figures::default()
            };
            let told = reading("0000-01-00-0", "Card", "Maker", None, &figures);
            let want = can_be.then_some([degrees, degrees, share, share, share]);
            for (place, key) in KEYS.into_iter().enumerate() {
                let figure = told.value(key).and_then(Value::as_number);
                assert_eq!(figure, want.map(|want| want[place]), "{key} {degrees}");
            }
        }
    }
}
