use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::figures::{Plight, reading};
use super::known::Known;
use super::log::Test;
use super::report::Report;
use super::scan::{Found, subject_of};
use super::selftest;
use super::trend::Trend;
use super::verdict::{Growth, Level, Verdict};
use super::{RETRY, way};
use crate::collect::health::chip::Chip;
use crate::host::{ExecError, Host, Memory, Output, Remnant, Root};
use crate::model::{Reading, Subject, slug, spoken};

/// What a disk is judged with.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) memory: Memory,
    /// What is known of disks, by id.
    pub(super) known: BTreeMap<String, Known>,
    pub(super) now: Timestamp,
    /// Whether commands may test disks.
    pub(super) by_command: bool,
    /// The disks whose temperature a driver of the kernel tells, by the id of their subject.
    pub(super) felt: BTreeSet<String>,
}

impl Bench {
    /// With what the host remembers.
    pub(super) fn new(host: &Host, known: BTreeMap<String, Known>, by_command: bool) -> Self {
        Self {
            memory: host.memory.clone(),
            known,
            now: host.clock.now(),
            by_command,
            felt: felt(&host.root),
        }
    }

    fn known(&self, subject: &Subject) -> Known {
        let id = subject.id.strip_prefix("disk-").unwrap_or(&subject.id);
        self.known.get(id).cloned().unwrap_or_default()
    }
}

/// The disks whose temperature a driver of the kernel tells.
fn felt(root: &Root) -> BTreeSet<String> {
    let chips = Chip::all(root).unwrap_or_default();
    let disks = chips.iter().filter_map(|chip| chip.disk(root));
    disks.map(|disk| format!("disk-{}", disk.id)).collect()
}

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
    /// It has not answered the last time.
    hangs: bool,
    /// The last time there was no answer, or none that was whole.
    mute: bool,
    /// What was remembered is taken up with the first report.
    trend: Option<Trend>,
    told: Option<Reading>,
    /// The last smartctl about it that was killed, until it has ended.
    left: Option<Left>,
}

/// A smartctl that was killed.
#[derive(Debug)]
struct Left {
    remnant: Remnant,
    /// Whether it was said that the disk is not asked for that.
    is_said: bool,
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
            hangs: false,
            mute: false,
            trend: None,
            told: None,
            left: None,
        }
    }

    /// A smartctl about it has ended; `left` is one that was killed.
    pub(super) fn leave(&mut self, left: Option<Remnant>) {
        self.left = left.map(|remnant| Left {
            remnant,
            is_said: false,
        });
    }

    /// Looks whether one that was killed has ended. That it has not is said once, when the disk is due.
    pub(super) fn look_back(&mut self, now: Instant) {
        self.left.take_if(|left| !left.remnant.is_there());
        let is_due = self.due <= now;
        if let Some(left) = self.left.as_mut().filter(|left| is_due && !left.is_said) {
            left.is_said = true;
            let name = &self.found.name;
            tracing::warn!(
                "{name} is not asked: the last smartctl cannot be ended, it waits in the kernel"
            );
        }
    }

    /// Whether one that was killed had not ended when it was looked for.
    pub(super) const fn is_held(&self) -> bool {
        self.left.is_some()
    }

    /// Whether this is what `found` and `subject` are about.
    pub(super) fn is(&self, found: &Found, subject: Option<&Arc<Subject>>) -> bool {
        let same = self.found.is(found);
        same && subject.is_none_or(|subject| self.subject.as_ref() == Some(subject))
    }

    /// Whether it is the disk of `found` and `subject`, by another way.
    pub(super) fn is_like(&self, found: &Found, subject: Option<&Arc<Subject>>) -> bool {
        subject.is_some() && self.found.is_like(found) && self.subject.as_ref() == subject
    }

    /// What is told of it; nothing before it was asked.
    pub(super) const fn told(&self) -> Option<&Reading> {
        self.told.as_ref()
    }

    /// How it stands; nothing before it was read.
    pub(super) const fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// How much what is told of it weighs against what another way to the same disk tells.
    pub(super) fn weight(&self) -> Option<Level> {
        let level = self.verdict.as_ref().map(|verdict| verdict.level);
        level.filter(|level| *level != Level::Unreadable)
    }

    /// Its id as it is published, once it has one.
    pub(super) fn id(&self) -> Option<&str> {
        let told = self.told.as_ref()?;
        Some(told.subject.id.as_str())
    }

    /// Whether it was read the last time, and did not sleep.
    pub(super) fn is_awake(&self) -> bool {
        let is_read = |verdict: &Verdict| verdict.level != Level::Unreadable;
        let answers = !self.asleep && !self.hangs;
        answers && self.report.is_some() && self.verdict.as_ref().is_some_and(is_read)
    }

    /// Whether it said the last time that it tests itself.
    pub(super) fn tests_itself(&self) -> bool {
        let running = |report: &Report| report.log.running.is_some();
        self.report.as_ref().is_some_and(running)
    }

    /// Its newest self-test.
    pub(super) fn last_test(&self) -> Option<&Test> {
        self.report.as_ref()?.log.tests.first()
    }

    /// The scan could not open it.
    pub(super) fn refused(&mut self, error: &str, bench: &Bench) {
        self.hangs = false;
        self.judge(Err(error.to_owned()), bench);
    }

    /// Takes the answer to the question how it stands; tells when it is to be asked again if that is
    /// soon, to make sure.
    pub(super) fn take(
        &mut self,
        answer: &Result<Output, ExecError>,
        bench: &Bench,
    ) -> Option<Duration> {
        self.hangs = matches!(answer, Err(ExecError::TimeOut { .. }));
        let report = match answer {
            Ok(output) => Report::parse(output.code, &output.stdout),
            Err(ExecError::TimeOut { limit, .. }) => {
                Err(format!("it has not answered within {}", spoken(*limit)))
            }
            Err(error) => Err(error.to_string()),
        };
        let told = report
            .as_ref()
            .ok()
            .and_then(|report| report.way.as_deref());
        way::learn(&mut self.found, told);
        let is_mute = report.is_err();
        let was_mute = std::mem::replace(&mut self.mute, is_mute);
        self.judge(report, bench);
        (is_mute && !was_mute).then_some(RETRY)
    }

    fn judge(&mut self, report: Result<Report, String>, bench: &Bench) {
        self.asleep = report.as_ref().is_ok_and(|report| report.asleep);
        let fresh = match report {
            // What is known of it stays true while it sleeps.
            Ok(report) if report.asleep => None,
            Ok(report) => Some(Ok(report)),
            Err(reason) => Some(Err(reason)),
        };
        let told = match &fresh {
            Some(Ok(report)) => Some(report),
            _ => self.report.as_ref(),
        };
        let (model, serial) = match told {
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
        let verdict = match fresh {
            Some(Ok(report)) => {
                let growth = self.growth(&report, &subject, bench);
                let verdict = Verdict::of(&report, growth, &bench.known(&subject));
                self.report = Some(report);
                Some(verdict)
            }
            Some(Err(reason)) => Some(Verdict::unreadable(reason)),
            None => None,
        };
        if let Some(fresh) = verdict {
            let known = self.verdict.take();
            self.verdict = Some(after(known, fresh));
        }
        let (report, verdict) = (self.report.as_ref(), self.verdict.as_ref());
        let mut told = reading(
            &subject,
            report,
            verdict,
            Plight {
                asleep: self.asleep,
                hangs: self.hangs,
                is_felt: bench.felt.contains(&subject.id),
            },
        );
        if bench.by_command {
            told.offers = selftest::offers(&subject.id);
        }
        self.told = Some(told);
    }

    /// What has grown, over restarts as well.
    fn growth(&mut self, report: &Report, subject: &Subject, bench: &Bench) -> Growth {
        let who = report.serial.as_deref().unwrap_or(&subject.id);
        // Those of one bridge or controller may all have its serial number.
        let place = self.found.place_behind().unwrap_or_default();
        let key = format!("smart/{}", slug(&format!("{who} {place}")));
        let remembered = || bench.memory.get(&key).unwrap_or_default();
        let trend = self.trend.get_or_insert_with(remembered);
        let growth = trend.growth(report.counts, bench.now);
        bench.memory.put(&key, trend);
        growth
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
