use std::sync::Arc;

use super::Told;
use crate::model::{Area, Device, FlagMeaning, Metric, Reading, Subject, Unit, slug};
use crate::power::metrics::{CHARGE, POWER};
use crate::power::{PowerSample, Scope, SourceKind};

/// The words of `state`, the gravest that applies. `shutting_down` is NUT's forced shutdown;
/// `off` feeds nothing; `unknown` says nothing that is known; `lost` cannot be asked.
const STATES: &[&str] = &[
    "on_mains",
    "on_battery",
    "low_battery",
    "shutting_down",
    "bypass",
    "off",
    "unknown",
    "lost",
];
static STATE: Metric = Metric::state("state", "State", STATES);
static ON_BATTERY: Metric = Metric::flag("on_battery", "On battery", FlagMeaning::Problem);
static LOW: Metric = Metric::flag("low_battery", "Battery low", FlagMeaning::Problem);
static REPLACE: Metric = Metric::flag("replace_battery", "Replace battery", FlagMeaning::Problem);
static OVERLOAD: Metric = Metric::flag("overload", "Overload", FlagMeaning::Problem);
static LOST: Metric = Metric::flag(
    "lost_on_battery",
    "Lost while on battery",
    FlagMeaning::Problem,
);
static LOAD: Metric = Metric::gauge("load_pct", "Load", Unit::Percent).dead_band(2.0);
static RUNTIME: Metric =
    Metric::gauge("runtime_s", "Time on battery", Unit::Second).dead_band(60.0);
static BATTERY_V: Metric = Metric::gauge("battery_voltage_v", "Battery voltage", Unit::Volt)
    .decimals(1)
    .dead_band(2.0)
    .diagnostic();
static INPUT_V: Metric = Metric::gauge("input_voltage_v", "Input voltage", Unit::Volt)
    .decimals(1)
    .dead_band(2.0)
    .diagnostic();
static OUTPUT_V: Metric = Metric::gauge("output_voltage_v", "Output voltage", Unit::Volt)
    .decimals(1)
    .dead_band(2.0)
    .diagnostic();
static TEMPERATURE: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius)
    .decimals(1)
    .dead_band(0.5);
static TOKENS: Metric = Metric::text("status", "Status words").diagnostic();

/// VA become W by this where the UPS does not say how; common for small line-interactive ones.
const POWER_FACTOR: f64 = 0.7;

/// What stays known of a UPS that is lost.
pub(super) struct Known {
    subject: Arc<Subject>,
    on_battery: bool,
}

impl Known {
    /// The reading while nothing can be known of it.
    pub(super) fn lost(&self, reason: &str) -> Reading {
        let mut reading = Reading::new(&self.subject)
            .with(&STATE, "lost")
            .with(&LOST, self.on_battery);
        let mut detail = serde_json::Map::new();
        detail.insert("reason".to_owned(), reason.into());
        reading.detail = Some(detail);
        reading
    }
}

/// What is told of a UPS, and what is to be remembered. It `feeds` this machine alone, or not.
pub(super) fn tell(told: &Told, known: Option<Known>, feeds: bool) -> (Known, Reading) {
    let text = |name: &str| told.variables.get(name).map(String::as_str);
    if let Some(reason) = &told.lost {
        let known = known.unwrap_or_else(|| Known {
            subject: subject(told),
            on_battery: false,
        });
        let reading = known.lost(reason);
        return (known, reading);
    }
    let status = text("ups.status").unwrap_or_default();
    let is = |word: &str| status.split_whitespace().any(|own| own == word);
    let on_battery = is("OB");
    let figure = |name: &str, least: f64, most: f64| {
        let figure: f64 = text(name)?.trim().parse().ok()?;
        (least..=most).contains(&figure).then_some(figure)
    };
    let charge = figure("battery.charge", 0.0, 100.0);
    let runtime = figure("battery.runtime", 0.0, 604_800.0);
    // A full battery that lasts no second is a UPS that does not know.
    let runtime = runtime.filter(|seconds| *seconds > 0.0 || on_battery);
    let load = figure("ups.load", 0.0, 200.0);
    let of_load = |name: &str| Some(load? / 100.0 * figure(name, 1.0, 100_000.0)?);
    let (watts, reckoned) = match figure("ups.realpower", 0.0, 100_000.0) {
        Some(watts) => (Some(watts), None),
        None => match of_load("ups.realpower.nominal") {
            Some(watts) => (
                Some(watts),
                Some("reckoned from the load and the nominal watts"),
            ),
            None => (
                of_load("ups.power.nominal").map(|va| va * POWER_FACTOR),
                Some("reckoned from the load, the nominal VA and a power factor of 0.7"),
            ),
        },
    };
    let known = Known {
        subject: known.map_or_else(|| subject(told), |known| known.subject),
        on_battery,
    };
    let mut reading = Reading::new(&known.subject)
        .with(&STATE, state(is))
        .with(&ON_BATTERY, on_battery)
        .with(&LOW, is("LB"))
        .with(&REPLACE, is("RB"))
        .with(&OVERLOAD, is("OVER"))
        .with(&LOST, false)
        .with(&TOKENS, status)
        .with_known(&CHARGE, charge)
        .with_known(&LOAD, load)
        .with_known(&RUNTIME, runtime)
        .with_known(&POWER, watts)
        .with_known(&BATTERY_V, figure("battery.voltage", 0.5, 1000.0))
        .with_known(&INPUT_V, figure("input.voltage", 0.0, 1000.0))
        .with_known(&OUTPUT_V, figure("output.voltage", 0.0, 1000.0));
    let heat = figure("ups.temperature", -40.0, 120.0);
    reading.push(
        &TEMPERATURE,
        heat.or_else(|| figure("battery.temperature", -40.0, 120.0)),
    );
    if watts.is_some() {
        let scope = if feeds { Scope::Host } else { Scope::Apart };
        reading.source = Some(SourceKind::Ups.source());
        reading.detail = Some(PowerSample::detail(&scope, reckoned));
    }
    (known, reading)
}

fn state(is: impl Fn(&str) -> bool) -> &'static str {
    let words = [
        ("FSD", "shutting_down"),
        ("LB", "low_battery"),
        ("OB", "on_battery"),
        ("OFF", "off"),
        ("BYPASS", "bypass"),
        ("OL", "on_mains"),
    ];
    let gravest = words.iter().find(|(word, _)| is(word));
    gravest.map_or("unknown", |(_, state)| state)
}

fn subject(told: &Told) -> Arc<Subject> {
    let id = format!("ups-{}", slug(&told.name));
    let label = told
        .label
        .clone()
        .unwrap_or_else(|| format!("UPS {}", told.name));
    let first = |names: [&str; 2]| {
        let texts = names.iter().filter_map(|name| told.variables.get(*name));
        let mut texts = texts
            .map(|text| text.trim())
            .filter(|text| !text.is_empty());
        texts.next().map(str::to_owned)
    };
    let device = Device::Part {
        id: id.clone(),
        name: label.clone(),
        manufacturer: first(["device.mfr", "ups.mfr"]),
        model: first(["device.model", "ups.model"]),
        serial: first(["device.serial", "ups.serial"]),
    };
    Subject::of_device(Area::Health, &id, &label, device)
}
