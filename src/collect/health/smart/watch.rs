use std::sync::Arc;

use tokio::time::Instant;

use super::figures::reading;
use super::report::Report;
use super::scan::{Found, subject_of};
use super::trend::Trend;
use super::verdict::{Level, Verdict};
use crate::host::{ExecError, Output};
use crate::model::{Reading, Subject};

/// One disk, what is known of it, and when it is asked next.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) found: Found,
    pub(super) due: Instant,
    /// Of a disk that only its report can name: not before the first.
    subject: Option<Arc<Subject>>,
    report: Option<Report>,
    verdict: Option<Verdict>,
    asleep: bool,
    trend: Trend,
    told: Option<Reading>,
}

impl Watched {
    /// A disk that was found and has not been asked.
    pub(super) fn new(found: Found, subject: Option<Arc<Subject>>, due: Instant) -> Self {
        Self {
            found,
            due,
            subject,
            report: None,
            verdict: None,
            asleep: false,
            trend: Trend::default(),
            told: None,
        }
    }

    /// Whether this is what `found` and `subject` are about.
    pub(super) fn is(&self, found: &Found, subject: Option<&Arc<Subject>>) -> bool {
        let same = (&self.found.name, &self.found.kind) == (&found.name, &found.kind);
        same && subject.is_none_or(|subject| self.subject.as_ref() == Some(subject))
    }

    /// What is told of it; nothing before it was asked.
    pub(super) const fn told(&self) -> Option<&Reading> {
        self.told.as_ref()
    }

    /// The scan could not open it.
    pub(super) fn refused(&mut self, error: &str) {
        self.judge(Err(error.to_owned()), Instant::now());
    }

    /// Takes the answer to the question how it stands.
    pub(super) fn take(&mut self, answer: &Result<Output, ExecError>, now: Instant) {
        let report = match answer {
            Ok(output) => Report::parse(output.code, &output.stdout),
            Err(error) => Err(error.to_string()),
        };
        self.judge(report, now);
    }

    fn judge(&mut self, report: Result<Report, String>, now: Instant) {
        self.asleep = report.as_ref().is_ok_and(|report| report.asleep);
        let fresh = match report {
            // What is known of it stays true while it sleeps.
            Ok(report) if report.asleep => None,
            Ok(report) => {
                let growth = self.trend.growth(&report, now);
                let verdict = Verdict::of(&report, growth);
                self.report = Some(report);
                Some(verdict)
            }
            Err(reason) => Some(Verdict::unreadable(reason)),
        };
        if let Some(fresh) = fresh {
            let known = self.verdict.take();
            self.verdict = Some(after(known, fresh));
        }
        let (model, serial) = match &self.report {
            Some(report) => (report.model.as_deref(), report.serial.as_deref()),
            None => (None, None),
        };
        let subject = match &self.subject {
            Some(subject) => Arc::clone(subject),
            None => subject_of(&self.found, model, serial),
        };
        if serial.is_some() {
            self.subject = Some(Arc::clone(&subject));
        }
        let (report, verdict) = (self.report.as_ref(), self.verdict.as_ref());
        self.told = Some(reading(&subject, report, verdict, self.asleep));
    }
}

/// A disk that was going bad and now cannot be read has not become better.
fn after(known: Option<Verdict>, fresh: Verdict) -> Verdict {
    let was_bad = |known: &Verdict| matches!(known.level, Level::Warning | Level::Failing);
    match known.filter(was_bad) {
        Some(mut known) if fresh.level == Level::Unreadable => {
            let note = fresh
                .reasons
                .into_iter()
                .map(|text| format!("not read since: {text}"));
            known
                .reasons
                .retain(|reason| !reason.starts_with("not read since: "));
            known.reasons.extend(note);
            known
        }
        _ => fresh,
    }
}
