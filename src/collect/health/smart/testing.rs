//! Self-tests as they are begun, ended, followed and told.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::scan::Found;
use super::selftest::{Length, Record};
use super::watch::Watched;
use super::{ENTRY, LIMIT, Running, Smart, Task};
use crate::host::{Errand, ExecError, Output};

/// A disk that tests itself shortly is asked this often.
const FOLLOW: Duration = Duration::from_mins(2);
/// And soon after the test has begun.
const FIRST: Duration = Duration::from_secs(15);
/// Why a test does not begin beside another one.
const ONE_AT_A_TIME: &str = "one disk is tested at a time";

/// The word that ends a test.
const ABORT: &str = "abort";

/// A test that is being begun, or ended.
pub(super) struct Begin {
    /// The id of its disk.
    id: String,
    /// `None` ends the one that runs.
    length: Option<Length>,
    /// Who asked for it; nobody if it was due.
    errand: Option<Errand>,
}

impl Begin {
    /// Whether `disk` is the one that is to test itself.
    pub(super) fn is_of(&self, disk: &Watched) -> bool {
        disk.id() == Some(self.id.as_str())
    }
}

impl Smart {
    /// The self-test that is to begin now, if any: one that was asked for, else one that is due.
    pub(super) fn next_test(&self) -> Option<Running> {
        let mut asked = None;
        for errand in self.host.desk.take(ENTRY.name) {
            match self.wanted(&errand) {
                Ok(found) if asked.is_none() => asked = Some((found, errand)),
                Ok(_) => errand.answer(Err(ONE_AT_A_TIME.to_owned())),
                Err(reason) => errand.answer(Err(reason)),
            }
        }
        if let Some(((disk, length), errand)) = asked {
            return self.begin(disk, length, Some(errand));
        }
        if !self.host.desk.is_calm() || self.busy().is_some() {
            return None;
        }
        let now = self.host.clock.now();
        // A disk that sleeps or cannot be read is not one to be tested unasked.
        let awake = |disk: &&Watched| disk.is_awake() && !self.is_asked(disk);
        let mut due = self.disks.iter().filter(awake).filter_map(|disk| {
            let record = self.record(disk.id()?);
            let length = self.schedule.due(&record, now, &self.zone)?;
            Some((disk, length))
        });
        let (disk, length) = due.next()?;
        self.begin(disk, Some(length), None)
    }

    /// Which disk and which test an errand means.
    fn wanted(&self, errand: &Errand) -> Result<(&Watched, Option<Length>), String> {
        if !self.schedule.by_command {
            let remedy = "collect.smart.selftest.command = true allows it";
            return Err(format!("not allowed by the configuration: {remedy}"));
        }
        let text = errand.text.as_deref().unwrap_or("short");
        let length = Length::parse(text);
        if length.is_none() && text != ABORT {
            return Err(format!("must be \"short\", \"long\" or \"{ABORT}\""));
        }
        let ids = || {
            let disks = self.disks.iter();
            disks.filter_map(|disk| Some((disk, disk.id()?)))
        };
        let target = errand.target.trim_start_matches("disk-");
        let mut meant = ids().filter(|(_, id)| id.strip_prefix("disk-") == Some(target));
        let Some((disk, id)) = meant.next() else {
            let all: Vec<&str> = ids().map(|(_, id)| id).collect();
            return Err(format!(
                "there is no such disk; there are {}",
                all.join(", ")
            ));
        };
        if self.is_asked(disk) {
            return Err(format!("{id} was asked something and has not answered yet"));
        }
        if length.is_none() {
            if !self.is_tested(disk) {
                return Err(format!("{id} does not test itself"));
            }
        } else if let Some(busy) = self.busy() {
            return Err(format!("{busy} still tests itself; {ONE_AT_A_TIME}"));
        }
        Ok((disk, length))
    }

    /// The disk that tests itself now, or is to begin.
    fn busy(&self) -> Option<&str> {
        let mut disks = self.disks.iter();
        disks
            .find(|disk| self.is_tested(disk))
            .and_then(Watched::id)
    }

    fn is_tested(&self, disk: &Watched) -> bool {
        let begun = disk
            .id()
            .is_some_and(|id| self.record(id).running.is_some());
        let mut aside = self.aside.iter();
        let is_to_begin = |one: &Running| matches!(&one.task, Task::Test(test) if test.is_of(disk));
        begun || aside.any(is_to_begin) || disk.tests_itself()
    }

    fn record(&self, id: &str) -> Record {
        let kept = self.host.memory.get(&format!("selftest/{id}"));
        kept.unwrap_or_default()
    }

    fn keep(&self, id: &str, record: &Record) {
        self.host.memory.put_now(&format!("selftest/{id}"), record);
    }

    fn begin(
        &self,
        disk: &Watched,
        length: Option<Length>,
        errand: Option<Errand>,
    ) -> Option<Running> {
        let id = disk.id()?.to_owned();
        let Found { name, kind, .. } = &disk.found;
        let mut argv = self.host.command("smartctl");
        argv.push("--json".to_owned());
        if errand.is_none() {
            argv.extend(["-n", "standby,3"].map(str::to_owned));
        }
        argv.extend(["-d", kind].map(str::to_owned));
        match length {
            Some(length) => argv.extend(["-t", length.as_str()].map(str::to_owned)),
            None => argv.push("-X".to_owned()),
        }
        argv.push(name.clone());
        let begin = Begin { id, length, errand };
        Some(self.start(Task::Test(begin), argv, LIMIT))
    }

    /// Takes the answer to a test that was to begin.
    pub(super) fn begun(&mut self, begin: Begin, answer: &Result<Output, ExecError>) {
        let refused = refusal(answer);
        let Begin { id, length, .. } = begin;
        let word = length.map_or(ABORT, Length::as_str);
        let state = if let Some(length) = length {
            self.note(&id, length, refused.as_deref());
            "begun"
        } else {
            // What came of the test is told when the disk is asked, as of any other end.
            self.ask_again(&id, FIRST);
            "aborted"
        };
        if let Some(errand) = begin.errand {
            errand.answer(match refused {
                None => Ok(json!({"disk": id, "test": word, "state": state})),
                Some(reason) => Err(reason),
            });
        }
    }

    /// Notes that a test has begun, or why it has not.
    fn note(&mut self, id: &str, length: Length, refused: Option<&str>) {
        let now = self.host.clock.now();
        let mut record = self.record(id);
        let word = length.as_str();
        if let Some(reason) = refused {
            record.fail(now);
            tracing::info!(disk = id, "a {word} self-test has not begun: {reason}");
        } else {
            record.begin(length, now);
            tracing::info!(disk = id, "a {word} self-test has begun");
            self.ask_again(id, FIRST);
        }
        self.keep(id, &record);
    }

    fn ask_again(&mut self, id: &str, later: Duration) {
        for disk in self.disks.iter_mut().filter(|disk| disk.id() == Some(id)) {
            disk.due = Instant::now() + later;
        }
    }

    /// Follows a test after the disk at `place` was asked; tells of one that has ended.
    pub(super) fn follow(&mut self, place: usize) {
        let disk = self.disks.get(place).filter(|disk| disk.is_awake());
        let Some((disk, id)) = disk.and_then(|disk| Some((disk, disk.id()?.to_owned()))) else {
            return;
        };
        let mut record = self.record(&id);
        let begun = record.running;
        let Some(length) = record.see(disk.tests_itself(), self.host.clock.now()) else {
            if begun.is_some_and(|(length, _)| length == Length::Short) {
                self.ask_again(&id, FOLLOW);
            }
            return;
        };
        let last = disk.last_test();
        let told = [
            ("disk", Some(id.as_str())),
            ("test", Some(length.as_str())),
            ("result", last.map(|last| last.ending.as_str())),
            ("says", last.map(|last| last.said.as_str())),
        ];
        let told = told
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), text?.into())));
        let told = serde_json::Value::Object(told.collect());
        self.keep(&id, &record);
        self.host.desk.tell("selftest", told);
    }
}

/// Why a test has not begun, if so.
pub(super) fn refusal(answer: &Result<Output, ExecError>) -> Option<String> {
    let output = match answer {
        Ok(output) => output,
        Err(error) => return Some(error.to_string()),
    };
    // The bits above tell of the disk's health, not of this command.
    if output.code.is_some_and(|code| code % 8 == 0) {
        return None;
    }
    let report = super::report::Report::parse(output.code, &output.stdout);
    let said = report.map(|report| match report.errors.first() {
        _ if report.asleep => "it sleeps and is not woken".to_owned(),
        Some(error) => error.clone(),
        None => format!("smartctl ended with exit status {}", report.exit),
    });
    Some(said.unwrap_or_else(|reason| reason))
}
