use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use tokio::time::Instant;

use super::busy::{Busy, CPU};
use super::engine::{self, Inspected, Listed};
use super::failing::Failing;
use super::flap::Flap;
use super::units::{LOOPING, MEMORY, RESTARTS};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Value, glob, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "containers",
    period: Duration::from_secs(30),
    build,
};

static STATE: Metric = Metric::state(
    "state",
    "State",
    &[
        "created",
        "running",
        "paused",
        "restarting",
        "removing",
        "stopping",
        "stopped",
        "exited",
        "dead",
        "removed",
        "unknown",
    ],
);
static HEALTH: Metric = Metric::state(
    "health",
    "Health check",
    &["healthy", "unhealthy", "starting", "none"],
);
/// The word of [`HEALTH`] for a container that does not run.
const NOT_CHECKED: &str = "none";
static FAILED: Metric = Metric::flag("failed", "Failed", FlagMeaning::Problem);
static OOM: Metric = Metric::flag(
    "out_of_memory",
    "Killed for lack of memory",
    FlagMeaning::Problem,
)
.diagnostic();

/// Where engines have their sockets.
const SOCKETS: [&str; 3] = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/podman/podman.sock",
];
/// More containers than this are not told.
const MOST: usize = 100;
/// So many are asked for more at a sample; the others have their turn at the next.
const AT_ONCE: usize = 8;
/// Everything is asked anew after so many samples, also if nothing has changed.
const ANEW: u32 = 10;
/// Where the names of all containers are left, by id, for whoever meets only the ids.
pub(in crate::collect) const NAMES: &str = "containers/names";
/// Where containers that are in trouble are remembered.
const FAILING: &str = "containers/failing";
/// Ends that somebody wanted: 0, and 128 with the signals INT, KILL and TERM.
const WANTED: [i64; 4] = [0, 130, 137, 143];

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let socket = section.path("socket");
    let ignore = section.texts("ignore").unwrap_or_default();
    section.finish();
    Box::new(Containers {
        host: host.clone(),
        socket,
        ignore,
        known: BTreeMap::new(),
        failing: None,
        names: None,
    })
}

/// The containers of Docker or Podman.
struct Containers {
    host: Host,
    socket: Option<PathBuf>,
    ignore: Vec<String>,
    known: BTreeMap<String, Known>,
    /// Those in trouble; what is remembered is taken up at the first answer.
    failing: Option<Failing>,
    /// What was left in [`NAMES`] last.
    names: Option<BTreeMap<String, String>>,
}

/// What is known of a container.
struct Known {
    subject: Arc<Subject>,
    inspected: Option<Inspected>,
    /// The state and health for which that holds.
    of: (String, Option<&'static str>),
    samples: u32,
    flap: Flap,
    busy: Busy,
}

impl Collect for Containers {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let socket = self.find()?;
        let until = Instant::now() + engine::PATIENCE;
        let listed = engine::list(&socket, until).map_err(|error| refused(&socket, &error))?;
        let names = listed
            .iter()
            .map(|one| (one.id.clone(), one.name().to_owned()));
        let names: BTreeMap<String, String> = names.collect();
        if self.names.as_ref() != Some(&names) {
            self.host.memory.put(NAMES, &names);
            self.names = Some(names);
        }
        let here: BTreeSet<String> = listed.iter().map(|one| one.name().to_owned()).collect();
        let wanted: Vec<Listed> = listed
            .into_iter()
            .filter(|one| !self.ignore.iter().any(|pattern| glob(pattern, one.name())))
            .take(MOST)
            .collect();
        self.known
            .retain(|id, _| wanted.iter().any(|one| one.id == *id));
        let mut turns = AT_ONCE;
        let readings = wanted.iter().map(|one| {
            let known = self
                .known
                .entry(one.id.clone())
                .or_insert_with(|| Known::new(one));
            known.ask((&socket, until), one, &mut turns);
            known.reading(one, &self.host.root)
        });
        let mut readings: Vec<Reading> = readings.collect();
        let failing = self
            .failing
            .get_or_insert_with(|| Failing::remembered(FAILING, &self.host));
        // Whoever was in trouble and is not listed any more was removed.
        let names = failing.names().filter(|name| !here.contains(*name));
        let gone: Vec<String> = names.cloned().collect();
        let names = wanted.iter().map(Listed::name);
        let seen = names.zip(readings.iter().map(is_in_trouble));
        let removed_now = gone.iter().map(|name| (name.as_str(), false));
        failing.see(FAILING, seen.chain(removed_now), &self.host);
        readings.extend(gone.iter().map(|name| removed(name)));
        Ok(readings)
    }
}

impl Containers {
    fn find(&self) -> Result<PathBuf, CollectError> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let mut places = SOCKETS
            .iter()
            .map(|place| self.host.root.path(Path::new(place)));
        places
            // Podman's folder is closed to all but root, which does not mean that it is not there.
            .find(|place| !matches!(place.try_exists(), Ok(false)))
            .ok_or_else(|| CollectError::Absent("no Docker or Podman".to_owned()))
    }
}

pub(super) fn refused(socket: &Path, error: &io::Error) -> CollectError {
    let place = socket.display();
    let kind = error.kind();
    if kind == io::ErrorKind::PermissionDenied {
        let remedy = if socket.ends_with("podman.sock") {
            "sudo install -m 644 -D packaging/podman.conf /etc/systemd/system/podman.socket.d/homewatch.conf \
             && sudo systemctl daemon-reload && sudo systemctl restart podman.socket homewatch"
        } else {
            "sudo usermod -aG docker homewatch && sudo systemctl restart homewatch"
        };
        return CollectError::Absent(format!(
            "{place} may not be opened; whoever may can do everything on this machine. If homewatch \
             shall: {remedy}"
        ));
    }
    if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&kind) {
        return CollectError::Transient(format!("{place} does not answer in time"));
    }
    // Its socket outlives an engine that is not started.
    if [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound].contains(&kind) {
        return CollectError::Absent(format!("nobody answers at {place}"));
    }
    CollectError::Transient(format!("{place}: {error}"))
}

fn subject(name: &str) -> Arc<Subject> {
    let id = format!("container-{}", slug(name));
    Subject::of_host(Area::Health, &id, &format!("Container {name}"))
}

fn is_in_trouble(reading: &Reading) -> bool {
    let is = |metric: &Metric, value: Value| reading.value(metric.key) == Some(&value);
    is(&FAILED, Value::Flag(true))
        || is(&LOOPING, Value::Flag(true))
        || is(&HEALTH, Value::from("unhealthy"))
}

/// A container that was in trouble and has been removed: nothing is wrong with it any more.
fn removed(name: &str) -> Reading {
    Reading::new(&subject(name))
        .with(&STATE, "removed")
        .with(&HEALTH, NOT_CHECKED)
        .with(&FAILED, false)
        .with(&OOM, false)
        .with(&LOOPING, false)
}

impl Known {
    fn new(listed: &Listed) -> Self {
        Self {
            subject: subject(listed.name()),
            inspected: None,
            of: (String::new(), None),
            samples: 0,
            flap: Flap::default(),
            busy: Busy::default(),
        }
    }

    /// Asks for more where something has changed, or it has been long.
    fn ask(&mut self, (socket, until): (&Path, Instant), listed: &Listed, turns: &mut usize) {
        let now = (listed.state.clone(), listed.health());
        self.samples += 1;
        // Podman's list does not tell of health checks: those who have one are asked each time.
        let health = self.inspected.as_ref().and_then(|one| one.state.health());
        let is_silent = listed.health().is_none() && health.is_some();
        let due = now != self.of || self.samples >= ANEW || is_silent;
        if !due || *turns == 0 {
            return;
        }
        *turns -= 1;
        // One that is gone between the two questions is not listed the next time.
        if let Ok(inspected) = engine::inspect(socket, until, &listed.id) {
            self.inspected = Some(inspected);
            self.of = now;
            self.samples = 0;
        }
    }

    fn reading(&mut self, listed: &Listed, root: &Root) -> Reading {
        let mut reading = Reading::new(&self.subject).with(&STATE, listed.state.as_str());
        let told = || self.inspected.as_ref()?.state.health();
        // One that has ended is not checked any more, whatever its last check said.
        let health = listed.health().or_else(told);
        let is_checked = listed.state == "running";
        let health = health.map(|said| if is_checked { said } else { NOT_CHECKED });
        reading.push(&HEALTH, health);
        reading.push(&MEMORY, memory(root, &listed.id));
        reading.push(&CPU, self.busy.pct(processor_time(root, &listed.id)));
        if let Some(inspected) = &self.inspected {
            // One that could not be started stays "created", with a code.
            let ended = matches!(listed.state.as_str(), "exited" | "stopped" | "created");
            let code = inspected.state.exit_code;
            let oom = inspected.state.oom_killed;
            let failed = listed.state == "dead" || (ended && (oom || !WANTED.contains(&code)));
            let restarts = f64::from(inspected.restarts);
            reading.push(&FAILED, Some(failed));
            reading.push(&OOM, Some(oom));
            reading.push(&RESTARTS, Some(restarts));
            let looping = self.flap.is_looping(restarts);
            reading.push(&LOOPING, Some(looping));
            if ended {
                let detail = [("exit_code".to_owned(), code.into())];
                reading.detail = Some(Map::from_iter(detail));
            }
        }
        let detail = reading.detail.get_or_insert_with(Map::new);
        detail.insert("image".to_owned(), listed.image.clone().into());
        reading
    }
}

/// What it takes of memory, by its control group; engines answer that far more slowly.
fn memory(root: &Root, id: &str) -> Option<f64> {
    in_group(
        root,
        id,
        "memory",
        "memory.current",
        "memory.usage_in_bytes",
    )?
    .parse()
    .ok()
}

/// The processor time that it has used, in nanoseconds.
fn processor_time(root: &Root, id: &str) -> Option<u64> {
    let text = in_group(root, id, "cpuacct", "cpu.stat", "cpuacct.usage")?;
    let microseconds = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "));
    match microseconds {
        Some(microseconds) => microseconds.parse::<u64>().ok()?.checked_mul(1_000),
        None => text.parse().ok(),
    }
}

/// What a file of a container's control group says: `file` in version 2, `old` of a `controller`
/// in version 1.
fn in_group(root: &Root, id: &str, controller: &str, file: &str, old: &str) -> Option<String> {
    let places = [
        format!("system.slice/docker-{id}.scope/{file}"),
        format!("docker/{id}/{file}"),
        format!("machine.slice/libpod-{id}.scope/{file}"),
        format!("{controller}/docker/{id}/{old}"),
    ];
    places
        .iter()
        .find_map(|place| Root::read_trimmed(&root.sys(&format!("fs/cgroup/{place}"))))
}
