//! Jobs and backups that must have been done lately. A job tells that it is done by `cmd/job/<name>`
//! (MQTT, or `POST /api/v1/control/job/<name>`), or leaves a file whose age tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::Value as Table;
use serde::{Deserialize, Serialize};

use crate::collect::{Collect, CollectError, Entry};
use crate::config::{Problems, Section};
use crate::host::Host;
use crate::model::{Area, Metric, Order, Reading, Subject, Timestamp, Unit, glob, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "jobs",
    period: Duration::from_secs(30),
    build,
};

static STATE: Metric = Metric::state(
    "state",
    "State",
    &["ok", "running", "failed", "overdue", "waiting"],
);
static LAST: Metric = Metric::moment("last_done", "Last done");
static AGE: Metric = Metric::gauge("age_s", "Time since it was done", Unit::Second)
    .dead_band(300.0)
    .diagnostic();
static SIZE: Metric = Metric::gauge("size_bytes", "Size", Unit::Byte).diagnostic();

/// What a job says of itself.
const DONE: [&str; 5] = ["", "ok", "done", "success", "finished"];
const FAILED: [&str; 4] = ["failed", "fail", "failure", "error"];
const BEGUN: [&str; 3] = ["start", "started", "running"];
/// The longest message of a job that is kept, characters.
const LONGEST: usize = 200;

/// What is remembered of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Said {
    /// When it was looked for the first time.
    first: Option<Timestamp>,
    done: Option<Timestamp>,
    failed: Option<Timestamp>,
    begun: Option<Timestamp>,
    message: Option<String>,
}

/// A job that is expected.
struct Job {
    id: String,
    subject: Arc<Subject>,
    every: Duration,
    grace: Duration,
    file: Option<PathBuf>,
    min_size: u64,
}

/// Every job that is expected.
struct Jobs {
    host: Host,
    jobs: Vec<Job>,
}

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let tables = section.sections("expect");
    let jobs = tables.into_iter().filter_map(|(id, table)| job(id, table));
    let jobs = jobs.collect();
    section.finish();
    Box::new(Jobs {
        host: host.clone(),
        jobs,
    })
}

fn job(id: String, mut section: Section<'_>) -> Option<Job> {
    if slug(&id) != id {
        section.fault_here("must be called by lower-case letters, digits and '-'");
    }
    let (minute, year) = (Duration::from_mins(1), Duration::from_hours(366 * 24));
    let every = section.duration("every", minute..=year);
    let grace = section.duration("grace", Duration::ZERO..=year);
    let label = section.text("label").unwrap_or_else(|| id.clone());
    let file = section.parsed(
        "file",
        "an absolute path; \"*\" may stand in its last part",
        |text| {
            Some(PathBuf::from(text))
                .filter(|path| path.is_absolute() && path.file_name().is_some())
        },
    );
    let min_size = section.size("min_size", 0..=u64::MAX / 4).unwrap_or(0);
    if !section.has("every") {
        section.fault("every", "is missing");
    }
    section.finish();
    let every = every?;
    Some(Job {
        subject: Subject::of_host(Area::Health, &format!("job-{id}"), &format!("Job {label}")),
        id,
        grace: grace.unwrap_or(every / 4),
        every,
        file,
        min_size,
    })
}

/// The names of the jobs that the table `[collect.jobs]` expects.
pub fn names(tables: &BTreeMap<String, Table>) -> Vec<String> {
    let unseen = Problems::default();
    let table = tables.get(ENTRY.name).cloned().unwrap_or_default();
    let mut section = Section::new("collect.jobs".to_owned(), table, &unseen);
    section.section("expect").keys()
}

/// Takes in what a job says of itself, which is told at once; gives back what was understood.
///
/// # Errors
/// In words what is wrong with it, and what would be right.
pub fn say(
    host: &Host,
    known: &[String],
    order: &Order,
    now: Timestamp,
) -> Result<&'static str, String> {
    let id = &order.target;
    if !known.contains(id) {
        return Err(if known.is_empty() {
            "no job is expected; name it in collect.jobs.expect".to_owned()
        } else {
            format!(
                "no job \"{id}\" is expected; there are {}",
                known.join(", ")
            )
        });
    }
    let field = |key: &str| order.fields.get(key).and_then(serde_json::Value::as_str);
    let told = order.text.as_deref().or_else(|| field("state"));
    // A message of other words may tell of a failure: what is not understood is not taken for done.
    let other = serde_json::Value::Object(order.fields.clone()).to_string();
    let silence = if order.fields.is_empty() { "" } else { &other };
    let word = told.unwrap_or(silence).trim().to_lowercase();
    let mut said: Said = host.memory.get(&key(id)).unwrap_or_default();
    let meant = if DONE.contains(&&*word) {
        (said.done, said.begun) = (Some(now), None);
        "ok"
    } else if FAILED.contains(&&*word) {
        (said.failed, said.begun) = (Some(now), None);
        "failed"
    } else if BEGUN.contains(&&*word) {
        said.begun = Some(now);
        "running"
    } else {
        let must = "ok, failed or start, or {\"state\":\"failed\",\"message\":\"…\"}";
        return Err(format!("({word:.40}) must be {must}"));
    };
    let message = field("message").map(|text| text.chars().take(LONGEST).collect());
    said.message = message;
    host.memory.put_now(&key(id), &said);
    host.desk.hurry(ENTRY.name);
    Ok(meant)
}

fn key(id: &str) -> String {
    format!("job/{id}")
}

impl Collect for Jobs {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        if self.jobs.is_empty() {
            return Err(CollectError::Absent("no job is expected".to_owned()));
        }
        let now = self.host.clock.now();
        Ok(self
            .jobs
            .iter()
            .map(|job| job.reading(&self.host, now))
            .collect())
    }
}

impl Job {
    fn reading(&self, host: &Host, now: Timestamp) -> Reading {
        let mut said: Said = host.memory.get(&key(&self.id)).unwrap_or_default();
        if said.first.is_none() {
            said.first = Some(now);
            host.memory.put(&key(&self.id), &said);
        }
        let newest = self
            .file
            .as_ref()
            .and_then(|file| newest(&host.root.path(file)));
        let whole = newest.filter(|(_, size)| *size >= self.min_size);
        let done = said.done.max(whole.map(|(at, _)| at));
        let mut reading = Reading::new(&self.subject);
        reading.push(&STATE, Some(self.state(&said, done, now)));
        reading.push(&LAST, done);
        let age = done.map(|done| now.duration_since(done).as_secs_f64().max(0.0));
        reading.push(&AGE, age.map(f64::floor));
        #[expect(clippy::cast_precision_loss, reason = "no file has 2^53 bytes")]
        reading.push(&SIZE, newest.map(|(_, size)| size as f64));
        let message = said.message.map(|text| ("message".to_owned(), text.into()));
        reading.detail = message.map(|message| std::iter::once(message).collect());
        reading
    }

    fn state(&self, said: &Said, done: Option<Timestamp>, now: Timestamp) -> &'static str {
        let since =
            |from: Option<Timestamp>| from.map(|from| now.duration_since(from).unsigned_abs());
        let late = self.every + self.grace;
        if said.failed.is_some() && said.failed > done {
            return "failed";
        }
        // One that was begun and is not heard of again is overdue like any other.
        match (since(said.begun), since(done), since(said.first)) {
            (Some(begun), _, _) if begun <= late => "running",
            (_, Some(age), _) if age <= late => "ok",
            (_, None, Some(waited)) if waited <= late => "waiting",
            _ => "overdue",
        }
    }
}

/// When the newest file like `path` was changed, and its size. A pattern is in its last part only.
fn newest(path: &Path) -> Option<(Timestamp, u64)> {
    let pattern = path.file_name()?.to_str()?;
    let told = |path: &Path| {
        let told = fs::metadata(path).ok()?;
        let at = Timestamp::try_from(told.modified().ok()?).ok()?;
        Some((at, told.len()))
    };
    if !pattern.contains('*') {
        return told(path);
    }
    let entries = fs::read_dir(path.parent()?).ok()?.flatten();
    let fitting = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| glob(pattern, name))
    });
    fitting.filter_map(|entry| told(&entry.path())).max()
}
