use crate::model::{FlagMeaning, Metric, Unit, Value};

pub(super) static TEMPERATURE: Metric =
    Metric::gauge("temperature_c", "Temperature", Unit::Celsius)
        .decimals(1)
        .published(3)
        .dead_band(1.0);
pub(super) static CRITICAL: Metric =
    Metric::gauge("critical_c", "Critical temperature", Unit::Celsius)
        .decimals(1)
        .published(3)
        .hidden();
pub(super) static MAX: Metric =
    Metric::gauge("max_c", "Highest allowed temperature", Unit::Celsius)
        .decimals(1)
        .published(3)
        .hidden();
static MIN: Metric = Metric::gauge("min_c", "Lowest allowed temperature", Unit::Celsius)
    .decimals(1)
    .published(3)
    .hidden();
static EMERGENCY: Metric = Metric::gauge("emergency_c", "Emergency temperature", Unit::Celsius)
    .decimals(1)
    .published(3)
    .hidden();
static LOW_CRITICAL: Metric =
    Metric::gauge("low_critical_c", "Critical low temperature", Unit::Celsius)
        .decimals(1)
        .published(3)
        .hidden();
static FAN: Metric = Metric::gauge("fan_rpm", "Speed", Unit::Rpm).dead_band(50.0);
static FAN_MIN: Metric = Metric::gauge("min_rpm", "Lowest allowed speed", Unit::Rpm).hidden();
static FAN_MAX: Metric = Metric::gauge("max_rpm", "Highest speed", Unit::Rpm).hidden();
static FAN_TARGET: Metric = Metric::gauge("target_rpm", "Wanted speed", Unit::Rpm)
    .dead_band(50.0)
    .hidden();
static PWM: Metric = Metric::gauge("pwm_pct", "Drive", Unit::Percent)
    .published(1)
    .dead_band(3.0)
    .diagnostic();
static VOLTAGE: Metric = Metric::gauge("voltage_v", "Voltage", Unit::Volt)
    .decimals(3)
    .hidden()
    .dead_band(0.1);
static VOLTAGE_MIN: Metric = Metric::gauge("min_v", "Lowest allowed voltage", Unit::Volt)
    .decimals(3)
    .hidden();
static VOLTAGE_MAX: Metric = Metric::gauge("max_v", "Highest allowed voltage", Unit::Volt)
    .decimals(3)
    .hidden();
static VOLTAGE_CRITICAL: Metric = Metric::gauge("critical_v", "Critical voltage", Unit::Volt)
    .decimals(3)
    .hidden();
static VOLTAGE_LOW: Metric = Metric::gauge("low_critical_v", "Critical low voltage", Unit::Volt)
    .decimals(3)
    .hidden();
static CURRENT: Metric = Metric::gauge("current_a", "Current", Unit::Ampere)
    .decimals(3)
    .hidden()
    .dead_band(0.5);
static CURRENT_MAX: Metric = Metric::gauge("max_a", "Highest allowed current", Unit::Ampere)
    .decimals(3)
    .hidden();
static CURRENT_CRITICAL: Metric = Metric::gauge("critical_a", "Critical current", Unit::Ampere)
    .decimals(3)
    .hidden();
static POWER: Metric = Metric::gauge("power_w", "Power", Unit::Watt)
    .decimals(3)
    .published(6)
    .hidden()
    .dead_band(2.0);
static AVERAGE: Metric = Metric::gauge("average_w", "Average power", Unit::Watt)
    .decimals(3)
    .published(6)
    .hidden()
    .dead_band(2.0);
static POWER_CAP: Metric = Metric::gauge("cap_w", "Power cap", Unit::Watt)
    .decimals(3)
    .published(6)
    .hidden();
static POWER_MAX: Metric = Metric::gauge("max_w", "Highest allowed power", Unit::Watt)
    .decimals(3)
    .published(6)
    .hidden();
static POWER_CRITICAL: Metric = Metric::gauge("critical_w", "Critical power", Unit::Watt)
    .decimals(3)
    .published(6)
    .hidden();
static ENERGY: Metric = Metric::total("energy_kwh", "Energy", Unit::KilowattHour)
    .decimals(6)
    .dead_band(0.001)
    .hidden();
static HUMIDITY: Metric = Metric::gauge("humidity_pct", "Humidity", Unit::Percent)
    .decimals(1)
    .published(3)
    .dead_band(1.0);

static FREQUENCY: Metric = Metric::gauge("frequency_mhz", "Clock", Unit::Megahertz)
    .dead_band(250.0)
    .hidden();
/// Boards tell it whether or not a switch is connected, so it is for those who look for it.
static INTRUSION: Metric = Metric::flag("opened", "Case opened", FlagMeaning::Plain).hidden();

static TEMPERATURES: [(&str, &Metric); 5] = [
    ("crit", &CRITICAL),
    ("max", &MAX),
    ("min", &MIN),
    ("emergency", &EMERGENCY),
    ("lcrit", &LOW_CRITICAL),
];
static FANS: [(&str, &Metric); 2] = [("min", &FAN_MIN), ("max", &FAN_MAX)];
static VOLTAGES: [(&str, &Metric); 4] = [
    ("min", &VOLTAGE_MIN),
    ("max", &VOLTAGE_MAX),
    ("crit", &VOLTAGE_CRITICAL),
    ("lcrit", &VOLTAGE_LOW),
];
static CURRENTS: [(&str, &Metric); 2] = [("max", &CURRENT_MAX), ("crit", &CURRENT_CRITICAL)];
static POWERS: [(&str, &Metric); 3] = [
    ("cap", &POWER_CAP),
    ("max", &POWER_MAX),
    ("crit", &POWER_CRITICAL),
];

/// What a sensor measures, with the scale of the kernel's hwmon interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quantity {
    /// In thousandths of a degree Celsius.
    Temperature,
    /// In revolutions per minute.
    Fan,
    /// The drive of a fan, 0 to 255.
    Drive,
    /// In thousandths of a volt.
    Voltage,
    /// In thousandths of an ampere.
    Current,
    /// In millionths of a watt.
    Power,
    /// In millionths of a joule.
    Energy,
    /// In thousandths of a percent.
    Humidity,
    /// In hertz.
    Frequency,
    /// 1 since the case was opened.
    Intrusion,
}

/// What the name of a file says that holds what a sensor measures.
pub(super) type Named = (Quantity, u32, &'static str);

impl Quantity {
    /// `temp3_input` → the third temperature, its property `input`. Alarms count as well: some
    /// chips tell an alarm and no figure.
    pub(super) fn of_file(name: &str) -> Option<Named> {
        let (stem, property) = name.split_once('_').unwrap_or((name, ""));
        let digits = stem.find(|c: char| c.is_ascii_digit())?;
        let (word, index) = stem.split_at_checked(digits)?;
        let (quantity, allowed): (_, &[&'static str]) = match word {
            "temp" => (Self::Temperature, &["input"]),
            "fan" => (Self::Fan, &["input"]),
            "pwm" => (Self::Drive, &[""]),
            "in" => (Self::Voltage, &["input"]),
            "cpu" => (Self::Voltage, &["vid"]),
            "curr" => (Self::Current, &["input"]),
            "power" => (Self::Power, &["input", "average"]),
            "energy" => (Self::Energy, &["input"]),
            "humidity" => (Self::Humidity, &["input"]),
            "freq" => (Self::Frequency, &["input"]),
            "intrusion" => (Self::Intrusion, &[]),
            _ => return None,
        };
        let all = allowed.iter().chain(ALARMS);
        let property = all.copied().find(|known| *known == property)?;
        Some((quantity, index.parse().ok()?, property))
    }

    /// How the subject begins.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Temperature => "temp",
            Self::Fan => "fan",
            Self::Drive => "pwm",
            Self::Voltage => "voltage",
            Self::Current => "current",
            Self::Power => "power",
            Self::Energy => "energy",
            Self::Humidity => "humidity",
            Self::Frequency => "clock",
            Self::Intrusion => "intrusion",
        }
    }

    /// The metric of its figure.
    pub(super) const fn metric(self) -> &'static Metric {
        match self {
            Self::Temperature => &TEMPERATURE,
            Self::Fan => &FAN,
            Self::Drive => &PWM,
            Self::Voltage => &VOLTAGE,
            Self::Current => &CURRENT,
            Self::Power => &POWER,
            Self::Energy => &ENERGY,
            Self::Humidity => &HUMIDITY,
            Self::Frequency => &FREQUENCY,
            Self::Intrusion => &INTRUSION,
        }
    }

    /// Its limits, which are read once: the ends of their files' names, and their metrics.
    pub(super) const fn limits(self) -> &'static [(&'static str, &'static Metric)] {
        match self {
            Self::Temperature => &TEMPERATURES,
            Self::Fan => &FANS,
            Self::Voltage => &VOLTAGES,
            Self::Current => &CURRENTS,
            Self::Power => &POWERS,
            Self::Drive | Self::Energy | Self::Humidity | Self::Frequency | Self::Intrusion => &[],
        }
    }

    /// What is read besides at every tick: the end of the file's name, and its metric.
    pub(super) const fn besides(self) -> Option<(&'static str, &'static Metric)> {
        match self {
            Self::Fan => Some(("target", &FAN_TARGET)),
            Self::Power => Some(("average", &AVERAGE)),
            Self::Temperature
            | Self::Drive
            | Self::Voltage
            | Self::Current
            | Self::Energy
            | Self::Humidity
            | Self::Frequency
            | Self::Intrusion => None,
        }
    }

    /// The value in the metric's unit, or why it cannot be. −128, 127 and 0 K are what chips
    /// say when nothing is connected; so is the largest number of a fan's counter.
    pub(super) fn check(self, raw: i64) -> Result<f64, String> {
        let value = plain(raw);
        let (range, value, unit) = match self {
            Self::Temperature => (-54_999..=126_999, value / 1000.0, "thousandths of a degree"),
            Self::Fan => (0..=30_000, value, "rpm"),
            Self::Drive => (0..=255, value / 2.55, "of 255"),
            Self::Voltage => (-1_000_000..=1_000_000, value / 1000.0, "mV"),
            Self::Current => (-1_000_000..=1_000_000, value / 1000.0, "mA"),
            Self::Power => (0..=100_000_000_000, value / 1e6, "µW"),
            Self::Energy => (0..=i64::MAX, value / 3.6e12, "µJ"),
            Self::Humidity => (0..=100_000, value / 1000.0, "thousandths of a percent"),
            Self::Frequency => (0..=100_000_000_000, value / 1e6, "Hz"),
            Self::Intrusion => (0..=1, value, "of 1"),
        };
        if range.contains(&raw) {
            Ok(value)
        } else {
            Err(format!("reads {raw} {unit}, which cannot be"))
        }
    }

    /// A checked figure as its metric tells it.
    pub(super) fn told(self, figure: f64) -> Value {
        match self {
            Self::Intrusion => (figure > 0.5).into(),
            Self::Temperature
            | Self::Fan
            | Self::Drive
            | Self::Voltage
            | Self::Current
            | Self::Power
            | Self::Energy
            | Self::Humidity
            | Self::Frequency => figure.into(),
        }
    }

    /// Whether an alarm of the chip is the figure itself.
    pub(super) const fn is_alarm(self) -> bool {
        matches!(self, Self::Intrusion)
    }
}

/// Ends of the names of files that tell that a limit is passed.
pub(super) const ALARMS: &[&str] = &[
    "alarm",
    "crit_alarm",
    "max_alarm",
    "min_alarm",
    "lcrit_alarm",
    "emergency_alarm",
    "cap_alarm",
];

/// A whole number of the kernel's as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers above 2^53 lose less than one part in 10^15"
)]
const fn plain(raw: i64) -> f64 {
    raw as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_s_name_says_what_it_holds() {
        for (name, want) in [
            ("temp3_input", Some((Quantity::Temperature, 3, "input"))),
            ("fan12_input", Some((Quantity::Fan, 12, "input"))),
            ("pwm2", Some((Quantity::Drive, 2, ""))),
            (
                "in0_lcrit_alarm",
                Some((Quantity::Voltage, 0, "lcrit_alarm")),
            ),
            ("cpu0_vid", Some((Quantity::Voltage, 0, "vid"))),
            ("curr1_input", Some((Quantity::Current, 1, "input"))),
            ("power1_average", Some((Quantity::Power, 1, "average"))),
            ("energy9_input", Some((Quantity::Energy, 9, "input"))),
            ("humidity1_input", Some((Quantity::Humidity, 1, "input"))),
            ("freq1_input", Some((Quantity::Frequency, 1, "input"))),
            ("intrusion0_alarm", Some((Quantity::Intrusion, 0, "alarm"))),
            ("intrusion0_beep", None),
            ("temp1_max", None),
            ("pwm1_enable", None),
            ("in_input", None),
            ("in99999999999_input", None),
            ("name", None),
            ("", None),
        ] {
            assert_eq!(Quantity::of_file(name), want, "{name}");
        }
    }

    #[test]
    fn figures_have_the_kernel_s_scale_and_what_cannot_be_is_none() {
        for (quantity, raw, want) in [
            (Quantity::Temperature, 45_500, Some(45.5)),
            (Quantity::Temperature, -128_000, None),
            (Quantity::Temperature, 127_000, None),
            (Quantity::Temperature, -273_150, None),
            (Quantity::Temperature, i64::MAX, None),
            (Quantity::Fan, 1200, Some(1200.0)),
            (Quantity::Fan, 65_535, None),
            (Quantity::Drive, 255, Some(100.0)),
            (Quantity::Drive, 256, None),
            (Quantity::Voltage, 1_096, Some(1.096)),
            (Quantity::Voltage, -12_016, Some(-12.016)),
            (Quantity::Voltage, 4_294_967_295, None),
            (Quantity::Current, 2_500, Some(2.5)),
            (Quantity::Power, 23_456_789, Some(23.456_789)),
            (Quantity::Power, -1, None),
            (Quantity::Energy, 3_600_000_000_000, Some(1.0)),
            (Quantity::Humidity, 41_200, Some(41.2)),
            (Quantity::Humidity, 100_001, None),
            (Quantity::Frequency, 2_105_000_000, Some(2105.0)),
            (Quantity::Frequency, -1, None),
            (Quantity::Intrusion, 1, Some(1.0)),
            (Quantity::Intrusion, 2, None),
        ] {
            assert_eq!(quantity.check(raw).ok(), want, "{quantity:?} {raw}");
        }
    }
}
