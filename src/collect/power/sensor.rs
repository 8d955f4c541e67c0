use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::{micro, number};
use crate::host::KeptFile;
use crate::model::{Reading, Subject};
use crate::power::metrics::{ENERGY, SENSED};
use crate::power::{PowerSample, Scope, SourceKind};

/// More than this no sensor of a machine measures, W.
const MOST: f64 = 10_000.0;

/// One sensor of watts, or of energy from which watts follow.
pub(super) struct Sensor {
    pub(super) subject: Arc<Subject>,
    pub(super) kind: SourceKind,
    pub(super) scope: Scope,
    /// µW.
    pub(super) power: Option<KeptFile>,
    /// µJ.
    pub(super) energy: Option<KeptFile>,
    /// `active`, `suspended`, …: a device that sleeps is not woken.
    pub(super) status: Option<KeptFile>,
    pub(super) last: Option<i64>,
    /// J since this program started.
    pub(super) total: f64,
}

impl Sensor {
    /// Reads it; `None` if it is gone.
    pub(super) fn read(&mut self, lap: Option<Duration>, buffer: &mut Vec<u8>) -> Option<Reading> {
        if self.sleeps(buffer) {
            self.last = None;
            return Some(self.reading(None));
        }
        let counted = self.count(lap, buffer);
        let told = match self.power.as_mut().map(|file| number(file, buffer)) {
            Some(Ok(raw)) => Some(micro(raw)),
            Some(Err(error)) if is_gone(&error) => return None,
            // Busy, or asleep since a moment ago: not known now.
            Some(Err(_)) | None => None,
        };
        let watts = told
            .or(counted)
            .filter(|watts| (0.0..=MOST).contains(watts));
        Some(self.reading(watts))
    }

    fn sleeps(&mut self, buffer: &mut Vec<u8>) -> bool {
        let status = self.status.as_mut();
        status.is_some_and(|file| {
            file.read(buffer)
                .is_ok_and(|text| text.trim() == "suspended")
        })
    }

    /// Counts energy and returns the mean power since the last time. These counters have 64 bits:
    /// one that goes back was reset.
    fn count(&mut self, lap: Option<Duration>, buffer: &mut Vec<u8>) -> Option<f64> {
        let raw = number(self.energy.as_mut()?, buffer).ok()?;
        let last = self.last.replace(raw)?;
        let seconds = lap?.as_secs_f64();
        let joules = micro(raw - last);
        if !(0.0..=MOST * seconds).contains(&joules) {
            return None;
        }
        self.total += joules;
        Some(joules / seconds)
    }

    fn reading(&self, watts: Option<f64>) -> Reading {
        let energy = self.energy.as_ref().map(|_| self.total / 3.6e6);
        let mut reading = Reading::new(&self.subject)
            .with_known(&SENSED, watts)
            .with_known(&ENERGY, energy);
        reading.source = Some(self.kind.source());
        reading.detail = Some(PowerSample::detail(&self.scope, None));
        reading
    }
}

fn is_gone(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::NODEV | Errno::NOENT | Errno::NXIO))
}
