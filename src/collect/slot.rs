use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::{Collect, CollectError};
use crate::model::Reading;

/// A thing that is not here is looked for again after this long.
const ABSENT_PAUSE: Duration = Duration::from_mins(1);
/// The same where looking for it costs more than a look.
const LACKING_PAUSE: Duration = Duration::from_mins(10);
/// The longest pause before a failed collector is asked again.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// One collector in its place: how to build it, when it is due, how it fares.
pub struct Slot {
    name: &'static str,
    period: Duration,
    make: Box<dyn Fn() -> Box<dyn Collect> + Send + Sync>,
    /// `None` while it is being sampled, or is stuck.
    collector: Option<Box<dyn Collect>>,
    due: Option<Instant>,
    /// When its last sample began.
    looked: Option<Instant>,
    failures: u32,
    error: Option<String>,
    /// What two things were found to be called.
    twins: BTreeSet<String>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("name", &self.name)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl Slot {
    /// The collector that `make` builds, now and after each crash; `period` is the least time
    /// between two samples, zero for every tick.
    pub fn new(
        name: &'static str,
        period: Duration,
        make: impl Fn() -> Box<dyn Collect> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            period,
            collector: Some(make()),
            make: Box::new(make),
            due: None,
            looked: None,
            failures: 0,
            error: None,
            twins: BTreeSet::new(),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// At least this long lies between two samples; zero means every tick.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// Whether it is sampled at every tick, as what only reads small files is.
    pub(super) const fn is_prompt(&self) -> bool {
        self.period.is_zero()
    }

    /// Why it fails now.
    pub(super) const fn is_failing(&self) -> bool {
        self.error.is_some()
    }

    /// To be sampled as soon as it can be, whenever it would be due.
    pub(super) const fn hurry(&mut self) {
        (self.due, self.looked) = (None, None);
    }

    /// Its last sample began then.
    pub(super) const fn looked_at(&mut self, at: Instant) {
        self.looked = Some(at);
    }

    /// Hands the collector out if it is due at the tick `now`. Ticks are not exact to the
    /// millisecond, so half a tick early is due as well; but not if it has looked less than `apart`
    /// ago: what it told then still holds.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        interval: Duration,
        apart: Duration,
    ) -> Option<Box<dyn Collect>> {
        if self.looked.is_some_and(|at| at.elapsed() < apart) {
            return None;
        }
        if self.due.is_some_and(|due| now + interval / 2 < due) {
            return None;
        }
        self.collector.take()
    }

    /// Takes it back; `None` after a crash: then it is built anew.
    pub(super) fn put_back(&mut self, collector: Option<Box<dyn Collect>>) {
        self.collector = Some(collector.unwrap_or_else(|| (self.make)()));
    }

    /// Takes the result of the tick `now` in and returns what the batch is told.
    pub(super) fn judge(
        &mut self,
        result: Result<Vec<Reading>, CollectError>,
        now: Instant,
        interval: Duration,
    ) -> Result<Vec<Reading>, String> {
        match result {
            Ok(readings) => {
                self.recover();
                self.due = (!self.period.is_zero()).then(|| now + self.period);
                Ok(self.once(readings))
            }
            Err(CollectError::Absent(what)) => {
                self.is_away(&what, now + ABSENT_PAUSE);
                Ok(Vec::new())
            }
            Err(CollectError::Lacking(what)) => {
                self.is_away(&what, now + LACKING_PAUSE);
                Ok(Vec::new())
            }
            Err(CollectError::Transient(text) | CollectError::Broken(text)) => {
                let doublings = self.failures.min(16);
                let pause = interval.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
                self.due = Some(now + pause.max(interval));
                self.failures += 1;
                if self.error.is_none() {
                    tracing::warn!(collector = self.name, "{text}");
                }
                self.error = Some(text.clone());
                Err(text)
            }
        }
    }

    /// One reading of each subject, the first: two disks may have one serial number, and figures that come
    /// now from the one and now from the other are of neither.
    fn once(&mut self, mut readings: Vec<Reading>) -> Vec<Reading> {
        let names: HashSet<&str> = readings.iter().map(|one| one.subject.key()).collect();
        if names.len() == readings.len() {
            return readings;
        }
        let mut seen = HashSet::new();
        readings.retain(|reading| {
            let subject = &reading.subject;
            let is_first = seen.insert(subject.key().to_owned());
            if !is_first && self.twins.insert(subject.key().to_owned()) {
                let told = "two things have this name: only the first of them is told";
                tracing::warn!(collector = self.name, subject = subject.key(), "{told}");
            }
            is_first
        });
        readings
    }

    fn is_away(&mut self, what: &str, again: Instant) {
        tracing::debug!(collector = self.name, "not here: {what}");
        self.recover();
        self.due = Some(again);
    }

    fn recover(&mut self) {
        self.failures = 0;
        if self.error.take().is_some() {
            tracing::info!(collector = self.name, "works again");
        }
    }
}
