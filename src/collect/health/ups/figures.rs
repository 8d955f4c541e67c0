use std::sync::Arc;

use super::Told;
use super::status::{STATES, Words};
use crate::model::{FlagMeaning, Metric, Reading, Subject, Unit};
use crate::power::metrics::{CHARGE, POWER};
use crate::power::{PowerSample, Scope, SourceKind};

pub(super) static STATE: Metric = Metric::state("state", "State", STATES);
pub(super) static LOST: Metric = Metric::flag(
    "lost_on_battery",
    "Lost while on battery",
    FlagMeaning::Problem,
);
static ON_BATTERY: Metric = Metric::flag("on_battery", "On battery", FlagMeaning::Problem);
static LOW: Metric = Metric::flag("low_battery", "Battery low", FlagMeaning::Problem);
static REPLACE: Metric = Metric::flag("replace_battery", "Replace battery", FlagMeaning::Problem);
static OVERLOAD: Metric = Metric::flag("overload", "Overload", FlagMeaning::Problem);
static ALARM: Metric = Metric::flag("alarm", "Alarm", FlagMeaning::Problem);
static CHARGING: Metric = Metric::flag("charging", "Charging", FlagMeaning::Running).diagnostic();
static REGULATION: Metric = Metric::state(
    "regulation",
    "Voltage regulation",
    &["none", "trim", "boost"],
)
.diagnostic();
static TOKENS: Metric = Metric::text("status", "Status words").diagnostic();
static ALARM_TEXT: Metric = Metric::text("alarm_text", "Alarm in its words").diagnostic();
static BEEPER: Metric = Metric::text("beeper", "Beeper").hidden();
static LOAD: Metric = Metric::gauge("load_pct", "Load", Unit::Percent).dead_band(2.0);
static RUNTIME: Metric =
    Metric::gauge("runtime_s", "Time on battery", Unit::Second).dead_band(60.0);
static BATTERY_V: Metric = Metric::gauge("battery_voltage_v", "Battery voltage", Unit::Volt)
    .decimals(1)
    .published(3)
    .dead_band(2.0)
    .diagnostic();
static INPUT_V: Metric = Metric::gauge("input_voltage_v", "Input voltage", Unit::Volt)
    .decimals(1)
    .published(3)
    .dead_band(2.0)
    .diagnostic();
static OUTPUT_V: Metric = Metric::gauge("output_voltage_v", "Output voltage", Unit::Volt)
    .decimals(1)
    .published(3)
    .dead_band(2.0)
    .diagnostic();
static INPUT_HZ: Metric = Metric::gauge("input_frequency_hz", "Input frequency", Unit::Hertz)
    .decimals(1)
    .published(3)
    .dead_band(0.2)
    .diagnostic();
static OUTPUT_HZ: Metric = Metric::gauge("output_frequency_hz", "Output frequency", Unit::Hertz)
    .decimals(1)
    .published(3)
    .dead_band(0.2)
    .diagnostic()
    .hidden();
static OUTPUT_A: Metric = Metric::gauge("output_current_a", "Output current", Unit::Ampere)
    .decimals(2)
    .published(3)
    .dead_band(0.1)
    .diagnostic();
static TEMPERATURE: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius)
    .decimals(1)
    .published(3)
    .dead_band(0.5);

/// VA become W by this where the UPS does not say how; common for small line-interactive ones.
const POWER_FACTOR: f64 = 0.7;
/// With more than this a battery is not empty, %.
const LITTLE: f64 = 20.0;
/// At less than this on its input there are no mains, V.
const NO_MAINS_V: f64 = 60.0;

/// What a look tells that others reckon with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look<'a> {
    told: &'a Told,
    pub(super) words: Words,
    /// It tests its battery while the mains are there.
    pub(super) testing: bool,
    /// It lives on its battery because the mains are out.
    pub(super) on_battery: bool,
    /// %.
    pub(super) charge: Option<f64>,
    /// As the UPS says, s.
    pub(super) runtime: Option<f64>,
    /// % of what it can bear.
    pub(super) load: Option<f64>,
    pub(super) watts: Option<f64>,
    /// How the watts were reckoned, if they were not measured.
    reckoned: Option<&'static str>,
}

impl<'a> Look<'a> {
    /// What `told` says. One that `was` on its battery still is unless it says something else: some
    /// tell nothing but that they shut down.
    pub(super) fn of(told: &'a Told, words: Words, was: bool) -> Self {
        let figure = |name: &str, least: f64, most: f64| figure(told, name, least, most);
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
        let result = told.text("ups.test.result").unwrap_or_default();
        let runs = result.to_lowercase().contains("in progress");
        let mains = figure("input.voltage", 0.0, 1000.0).is_none_or(|volts| volts > NO_MAINS_V);
        let testing = mains && (words.has("CAL") || words.has("TEST") || runs);
        let elsewhere = ["OL", "BYPASS", "OFF"].iter().any(|word| words.has(word));
        Self {
            on_battery: words.has("OB") && !testing || was && !words.has("OB") && !elsewhere,
            testing,
            charge: figure("battery.charge", 0.0, 100.0),
            runtime: figure("battery.runtime", 0.0, 604_800.0),
            load,
            watts,
            reckoned,
            told,
            words,
        }
    }

    /// Everything that is told, about `subject`. It `feeds` this machine alone, or not.
    pub(super) fn tell(&self, subject: &Arc<Subject>, status: &str, feeds: bool) -> Reading {
        let figure = |name: &str, least: f64, most: f64| figure(self.told, name, least, most);
        let text = |name: &str| self.told.text(name).filter(|text| !text.is_empty());
        let state = self.words.state(self.testing);
        // Where nothing is said of the power, a word that is not there denies nothing.
        let is_told = state != "unknown";
        let is = |word: &str| {
            let is = self.words.has(word);
            (is || is_told).then_some(is)
        };
        // Zero is what those without a sensor say, of a frequency as of a temperature.
        let heat = |name: &str| figure(name, -40.0, 120.0).filter(|heat| heat.abs() > 0.0);
        let hertz = |name: &str| figure(name, 1.0, 500.0);
        // A battery that is far from empty and lasts no second is of a UPS that does not know.
        let is_low = self.words.has("LB") || self.charge.is_none_or(|charge| charge <= LITTLE);
        let is_empty = self.on_battery && is_low;
        let runtime = self.runtime.filter(|s| *s > 0.0 || is_empty);
        let mut reading = Reading::new(subject)
            // What there is room for on a phone comes first.
            .with(&STATE, state)
            .with_known(&CHARGE, self.charge)
            .with_known(&RUNTIME, runtime)
            .with_known(&LOAD, self.load)
            .with_known(&POWER, self.watts)
            .with(&ON_BATTERY, self.on_battery)
            .with_known(&LOW, is("LB"))
            .with_known(&REPLACE, is("RB"))
            .with_known(&OVERLOAD, is("OVER"))
            .with_known(&ALARM, is("ALARM"))
            .with(&LOST, false)
            .with_known(&CHARGING, is("CHRG"))
            .with(&REGULATION, self.words.regulation())
            .with(&TOKENS, status)
            .with_known(&ALARM_TEXT, text("ups.alarm").filter(|text| *text != "0"))
            .with_known(&BEEPER, text("ups.beeper.status"))
            .with_known(&BATTERY_V, figure("battery.voltage", 0.5, 1000.0))
            .with_known(&INPUT_V, figure("input.voltage", 0.0, 1000.0))
            .with_known(&OUTPUT_V, figure("output.voltage", 0.0, 1000.0))
            .with_known(&INPUT_HZ, hertz("input.frequency"))
            .with_known(&OUTPUT_HZ, hertz("output.frequency"))
            .with_known(&OUTPUT_A, figure("output.current", 0.0, 1000.0))
            .with_known(
                &TEMPERATURE,
                heat("ups.temperature").or_else(|| heat("battery.temperature")),
            );
        if self.watts.is_some() {
            let scope = if feeds { Scope::Host } else { Scope::Apart };
            reading.source = Some(SourceKind::Ups.source());
            reading.detail = Some(PowerSample::detail(&scope, self.reckoned));
        }
        reading
    }
}

/// A figure within what can be.
pub(super) fn figure(told: &Told, name: &str, least: f64, most: f64) -> Option<f64> {
    let figure: f64 = told.text(name)?.trim().parse().ok()?;
    (least..=most).contains(&figure).then_some(figure)
}
