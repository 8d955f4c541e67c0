use std::io;
use std::sync::Arc;

use rustix::io::Errno;
use serde_json::Map;

use crate::collect::read::figure;
use crate::host::KeptFile;
use crate::model::{FlagMeaning, Metric, Reading, Subject, Unit};

pub(super) static TEMPERATURE: Metric =
    Metric::gauge("temperature_c", "Temperature", Unit::Celsius)
        .decimals(1)
        .dead_band(1.0);
pub(super) static CRITICAL: Metric =
    Metric::gauge("critical_c", "Critical temperature", Unit::Celsius)
        .decimals(1)
        .hidden();
pub(super) static MAX: Metric =
    Metric::gauge("max_c", "Highest allowed temperature", Unit::Celsius)
        .decimals(1)
        .hidden();
pub(super) static FAN: Metric = Metric::gauge("fan_rpm", "Speed", Unit::Rpm).dead_band(50.0);
pub(super) static FAN_MIN: Metric =
    Metric::gauge("min_rpm", "Lowest allowed speed", Unit::Rpm).hidden();
pub(super) static PWM: Metric = Metric::gauge("pwm_pct", "Drive", Unit::Percent)
    .dead_band(3.0)
    .diagnostic();
pub(super) static ALARM: Metric =
    Metric::flag("alarm", "Chip's alarm", FlagMeaning::Problem).diagnostic();
pub(super) static FAULT: Metric =
    Metric::flag("fault", "Sensor fault", FlagMeaning::Problem).diagnostic();

/// So many failed reads in a row are a fault; fewer are a driver that was busy.
const PATIENCE: u32 = 3;

/// What a sensor measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// In thousandths of a degree Celsius.
    Temperature,
    /// In revolutions per minute.
    Fan,
}

/// One sensor.
#[derive(Debug)]
pub(super) struct Sensor {
    subject: Arc<Subject>,
    quantity: Quantity,
    input: KeptFile,
    pwm: Option<KeptFile>,
    /// The chip's own judgements: limits that are passed.
    alarms: Vec<KeptFile>,
    /// The chip says that the sensor is broken or not connected.
    fault: Option<KeptFile>,
    limits: Vec<(&'static Metric, f64)>,
    failures: u32,
}

impl Sensor {
    /// A sensor with nothing but its input.
    pub(super) fn new(subject: Arc<Subject>, quantity: Quantity, input: KeptFile) -> Self {
        Self {
            subject,
            quantity,
            input,
            pwm: None,
            alarms: Vec::new(),
            fault: None,
            limits: Vec::new(),
            failures: 0,
        }
    }

    /// Adds the drive of a fan, 0 to 255.
    pub(super) fn drive(mut self, file: Option<KeptFile>) -> Self {
        self.pwm = file;
        self
    }

    /// Adds the chip's own judgements.
    pub(super) fn judged(mut self, alarms: Vec<KeptFile>, fault: Option<KeptFile>) -> Self {
        self.alarms = alarms;
        self.fault = fault;
        self
    }

    /// Adds a limit in the kernel's unit; one that cannot be meant is left out.
    pub(super) fn limit(mut self, metric: &'static Metric, raw: Option<i64>) -> Self {
        let meant = raw.filter(|raw| *raw > 0);
        if let Some(Ok(value)) = meant.map(|raw| self.quantity.check(raw)) {
            self.limits.push((metric, value));
        }
        self
    }

    /// The subject.
    pub(super) const fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    /// Reads it; `None` if there is nothing to measure (a radio that is off, a probe that is not
    /// plugged in). A value that cannot be is told as a fault and left out.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Option<Reading> {
        let value = match number(&mut self.input, buffer) {
            Ok(raw) => self.quantity.check(raw),
            Err(error) if is_nothing_there(&error) => return None,
            Err(error) => Err(format!("cannot be read: {error}")),
        };
        let own = (self.fault.as_mut()).and_then(|file| number(file, buffer).ok());
        let value = match own {
            Some(1) => Err("the chip says that the sensor is broken or not connected".to_owned()),
            _ => value,
        };
        self.failures = match &value {
            Ok(_) => 0,
            Err(_) => self.failures.saturating_add(1),
        };
        let mut reading = Reading::new(&self.subject);
        let metric = match self.quantity {
            Quantity::Temperature => &TEMPERATURE,
            Quantity::Fan => &FAN,
        };
        reading.push(metric, value.as_ref().ok().copied());
        reading.push(&FAULT, Some(self.failures >= PATIENCE));
        if let (Err(text), true) = (value, self.failures >= PATIENCE) {
            if self.failures == PATIENCE {
                tracing::warn!(sensor = self.subject.key(), "{text}");
            }
            let detail = [("fault_text".to_owned(), text.into())];
            reading.detail = Some(Map::from_iter(detail));
        }
        let drive = self.pwm.as_mut().and_then(|file| number(file, buffer).ok());
        let drive = drive.and_then(|raw| u8::try_from(raw).ok());
        reading.push(&PWM, drive.map(|raw| figure(u64::from(raw)) / 2.55));
        if !self.alarms.is_empty() {
            let mut states = self.alarms.iter_mut().map(|file| number(file, buffer).ok());
            reading.push(&ALARM, Some(states.any(|state| state == Some(1))));
        }
        reading.values.extend(
            self.limits
                .iter()
                .map(|(metric, value)| (*metric, (*value).into())),
        );
        Some(reading)
    }
}

impl Quantity {
    /// The value in the metric's unit, or why it cannot be. −128, 127 and 0 K are what chips
    /// say when nothing is connected; so is the largest number of a fan's counter.
    pub(super) fn check(self, raw: i64) -> Result<f64, String> {
        let small = i32::try_from(raw).map_or(f64::NAN, f64::from);
        match self {
            Self::Temperature if raw > -55_000 && raw < 127_000 => Ok(small / 1000.0),
            Self::Temperature => Err(format!(
                "reads {raw} thousandths of a degree, which cannot be"
            )),
            Self::Fan if (0..=30_000).contains(&raw) => Ok(small),
            Self::Fan => Err(format!("reads {raw} rpm, which cannot be")),
        }
    }
}

/// The whole number in a file of one line.
pub(super) fn number(file: &mut KeptFile, buffer: &mut Vec<u8>) -> io::Result<i64> {
    let text = file.read(buffer)?.trim();
    text.parse().map_err(|_| {
        let start: String = text.chars().take(20).collect();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("\"{start}\" is no number"),
        )
    })
}

/// Whether the driver says that there is nothing to measure now, or the sensor itself is gone.
fn is_nothing_there(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        code,
        Some(Errno::NODATA | Errno::NXIO | Errno::NETDOWN | Errno::NODEV | Errno::NOENT)
    )
}
