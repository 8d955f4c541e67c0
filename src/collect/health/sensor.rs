use std::io;
use std::sync::Arc;

use rustix::io::Errno;
use serde_json::Map;
use tokio::time::Instant;

use super::belief::Belief;
use super::quantity::{CRITICAL, Quantity};
use crate::host::KeptFile;
use crate::model::{FlagMeaning, Metric, Reading, Subject};

static ALARM: Metric = Metric::flag("alarm", "Chip's alarm", FlagMeaning::Problem).diagnostic();
static FAULT: Metric = Metric::flag("fault", "Sensor fault", FlagMeaning::Problem).diagnostic();
/// The same of sensors that few look at.
static QUIET_ALARM: Metric = Metric::flag("alarm", "Chip's alarm", FlagMeaning::Problem).hidden();
static QUIET_FAULT: Metric = Metric::flag("fault", "Sensor fault", FlagMeaning::Problem).hidden();

/// No critical temperature is below this, thousandths of a degree.
const LEAST_CRITICAL: i64 = 40_000;
/// So many failed reads in a row are a fault; fewer are a driver that was busy.
const PATIENCE: u32 = 3;

/// One sensor.
#[derive(Debug)]
pub(super) struct Sensor {
    subject: Arc<Subject>,
    quantity: Quantity,
    /// Some chips tell an alarm and no figure.
    input: Option<KeptFile>,
    /// What is told besides.
    besides: Vec<(&'static Metric, Quantity, KeptFile)>,
    /// The chip's own judgements: limits that are passed.
    alarms: Vec<KeptFile>,
    /// The chip says that the sensor is broken or not connected.
    fault: Option<KeptFile>,
    limits: Vec<(&'static Metric, f64)>,
    belief: Belief,
    failures: u32,
}

impl Sensor {
    /// A sensor with nothing but its input.
    pub(super) fn new(subject: Arc<Subject>, quantity: Quantity, input: Option<KeptFile>) -> Self {
        Self {
            subject,
            quantity,
            input,
            besides: Vec::new(),
            alarms: Vec::new(),
            fault: None,
            limits: Vec::new(),
            belief: Belief::default(),
            failures: 0,
        }
    }

    /// Adds a figure that is told besides, if there is one.
    pub(super) fn besides(
        mut self,
        metric: &'static Metric,
        quantity: Quantity,
        file: Option<KeptFile>,
    ) -> Self {
        self.besides
            .extend(file.map(|file| (metric, quantity, file)));
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
        let is_critical = metric.key == CRITICAL.key;
        let meant = raw.filter(|raw| match self.quantity {
            // Some firmware calls 20 °C critical; nothing in a machine is made to stop there.
            Quantity::Temperature if is_critical => *raw >= LEAST_CRITICAL,
            Quantity::Voltage | Quantity::Current => *raw != 0,
            Quantity::Temperature
            | Quantity::Fan
            | Quantity::Drive
            | Quantity::Power
            | Quantity::Energy
            | Quantity::Humidity
            | Quantity::Frequency
            | Quantity::Intrusion => *raw > 0,
        });
        if let Some(Ok(value)) = meant.map(|raw| self.quantity.check(raw)) {
            self.limits.push((metric, value));
        }
        self
    }

    /// Goes on with what the same sensor has shown of itself before, by another file.
    pub(super) fn follow(&mut self, old: Self) {
        self.belief = old.belief;
        self.failures = old.failures;
    }

    /// The subject.
    pub(super) const fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    /// Reads it; `None` if there is nothing to measure (a radio that is off, a probe that is not
    /// plugged in). A value that cannot be, or cannot be believed, is told as a fault and left
    /// out; one that the driver has not ready is left out.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Option<Reading> {
        let mut reading = Reading::new(&self.subject);
        if let Some(input) = &mut self.input {
            let raw = number(input, buffer);
            if raw.as_ref().is_err_and(is_nothing_there) {
                return None;
            }
            let own = (self.fault.as_mut()).and_then(|file| number(file, buffer).ok());
            let value = self.judge(raw, own == Some(1), Instant::now());
            self.tell(&mut reading, value);
        }
        for (metric, quantity, file) in &mut self.besides {
            let value = number(file, buffer).ok();
            reading.push(metric, value.and_then(|raw| quantity.check(raw).ok()));
        }
        if !self.alarms.is_empty() {
            let told = if self.is_quiet() {
                &QUIET_ALARM
            } else {
                &ALARM
            };
            let mut states = self.alarms.iter_mut().map(|file| number(file, buffer).ok());
            reading.push(told, Some(states.any(|state| state == Some(1))));
        }
        reading.values.extend(
            self.limits
                .iter()
                .map(|(metric, value)| (*metric, (*value).into())),
        );
        Some(reading)
    }

    /// The figure, or why there is none that can be believed.
    fn judge(&mut self, raw: io::Result<i64>, broken: bool, now: Instant) -> Result<f64, String> {
        if broken {
            return Err("the chip says that the sensor is broken or not connected".to_owned());
        }
        let raw = raw.map_err(|error| format!("cannot be read: {error}"))?;
        let value = self.quantity.check(raw)?;
        self.belief.take(self.quantity, value, now)
    }

    /// Adds the figure, or after some patience why there is none.
    fn tell(&mut self, reading: &mut Reading, value: Result<f64, String>) {
        self.failures = match &value {
            Ok(_) => 0,
            Err(_) => self.failures.saturating_add(1),
        };
        let is_fault = self.failures >= PATIENCE;
        let figure = value.as_ref().ok();
        reading.push(
            self.quantity.metric(),
            figure.map(|figure| self.quantity.told(*figure)),
        );
        let fault = if self.is_quiet() {
            &QUIET_FAULT
        } else {
            &FAULT
        };
        reading.push(fault, Some(is_fault));
        if let (Err(text), true) = (value, is_fault) {
            if self.failures == PATIENCE {
                tracing::warn!(sensor = self.subject.key(), "{text}");
            }
            let detail = [("fault_text".to_owned(), text.into())];
            reading.detail = Some(Map::from_iter(detail));
        }
    }

    /// Whether its figures are told for those who look for them only.
    const fn is_quiet(&self) -> bool {
        !matches!(
            self.quantity,
            Quantity::Temperature | Quantity::Fan | Quantity::Humidity
        ) && self.input.is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::health::quantity::MAX;
    use crate::model::Area;

    #[test]
    fn a_limit_that_nothing_is_made_for_is_none() {
        let subject = Subject::of_host(Area::Health, "temp-x", "x");
        for (metric, raw, want) in [
            (&CRITICAL, 20_800, None),
            (&CRITICAL, 0, None),
            (&CRITICAL, -273_150, None),
            (&CRITICAL, 255_000, None),
            (&CRITICAL, 84_850, Some(84.85)),
            (&MAX, 30_000, Some(30.0)),
        ] {
            let sensor = Sensor::new(Arc::clone(&subject), Quantity::Temperature, None);
            let sensor = sensor.limit(metric, Some(raw));
            let limit = sensor.limits.first().map(|(_, limit)| *limit);
            assert_eq!(limit, want, "{raw}");
        }
    }

    #[test]
    fn a_driver_that_is_busy_or_broken_has_patience_and_then_a_fault() {
        let subject = Subject::of_host(Area::Health, "temp-x", "x");
        for (error, said) in [(Errno::AGAIN, "temporarily"), (Errno::IO, "Input/output")] {
            let mut sensor = Sensor::new(Arc::clone(&subject), Quantity::Temperature, None);
            for fault in [false, false, true] {
                let mut reading = Reading::new(&subject);
                let value = sensor.judge(Err(error.into()), false, Instant::now());
                sensor.tell(&mut reading, value);
                assert_eq!(reading.value("temperature_c"), None);
                assert_eq!(reading.value("fault"), Some(&fault.into()));
                let text = reading
                    .detail
                    .map(|detail| detail["fault_text"].to_string());
                assert_eq!(text.is_some_and(|text| text.contains(said)), fault);
            }
            let mut reading = Reading::new(&subject);
            let value = sensor.judge(Ok(40_000), false, Instant::now());
            sensor.tell(&mut reading, value);
            assert_eq!(reading.value("temperature_c"), Some(&40.0.into()));
            assert_eq!(reading.value("fault"), Some(&false.into()));
        }
    }
}
