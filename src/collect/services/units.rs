use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;

use super::busy::{Busy, CPU};
use super::failing::Failing;
use super::flap::Flap;
use crate::collect::errand::Errand;
use crate::collect::read::figure;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{ExecError, Host, Output};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "units",
    period: Duration::from_mins(1),
    build,
};

pub(super) static STATE: Metric = Metric::state(
    "state",
    "State",
    &[
        "active",
        "activating",
        "deactivating",
        "reloading",
        "refreshing",
        "maintenance",
        "inactive",
        "failed",
    ],
);
pub(super) static RESTARTS: Metric = Metric::total("restarts", "Restarts", Unit::None).diagnostic();
pub(super) static MEMORY: Metric = Metric::gauge("memory_bytes", "Memory", Unit::Byte)
    .dead_band(4e6)
    .diagnostic();
pub(super) static LOOPING: Metric = Metric::flag(
    "restart_loop",
    "Restarted again and again",
    FlagMeaning::Problem,
);
static FAILED: Metric = Metric::gauge("failed", "Failed units", Unit::None);

const LIMIT: Duration = Duration::from_secs(20);
/// Units that have failed once are told from then on; more than this are not.
const MOST: usize = 50;
/// Where units that fail are remembered.
const FAILING: &str = "units/failing";
const PROPERTIES: &str =
    "--property=Id,LoadState,ActiveState,SubState,Result,NRestarts,MemoryCurrent,CPUUsageNSec";

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let watch = section.texts("watch").unwrap_or_default();
    if watch
        .iter()
        .any(|name| name.is_empty() || name.starts_with('-'))
    {
        section.fault(
            "watch",
            "must be names of units such as \"jellyfin\" or \"nginx*\"",
        );
    }
    section.finish();
    let watch = watch.into_iter().map(|name| whole(&name)).collect();
    Box::new(Units {
        host: host.clone(),
        watch,
        failed: BTreeSet::new(),
        ever: BTreeSet::new(),
        failing: None,
        asking: Asking::Failed,
        errand: Errand::default(),
        subjects: HashMap::new(),
        flaps: HashMap::new(),
        busy: HashMap::new(),
        told: Vec::new(),
    })
}

/// `jellyfin` is `jellyfin.service`.
fn whole(name: &str) -> String {
    if name.contains('.') {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// systemd's units: those that have failed, and those that are watched by name.
struct Units {
    host: Host,
    watch: Vec<String>,
    /// Those that have failed now.
    failed: BTreeSet<String>,
    /// Those that have failed, lately or since the start, or were told since then: how they go on is told as well.
    ever: BTreeSet<String>,
    /// Those that fail or did lately; what is remembered is taken up at the first answer.
    failing: Option<Failing>,
    asking: Asking,
    errand: Errand,
    subjects: HashMap<String, Arc<Subject>>,
    flaps: HashMap<String, Flap>,
    busy: HashMap<String, Busy>,
    told: Vec<Reading>,
}

#[derive(Clone, Copy)]
enum Asking {
    /// Which units have failed.
    Failed,
    /// How those stand that are told one by one.
    Each,
}

impl Collect for Units {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        loop {
            let (asking, argv) = (self.asking, self.argv());
            let Some(answer) = self.errand.run(&self.host, || argv, LIMIT)? else {
                return Ok(self.told.clone());
            };
            self.asking = Asking::Failed;
            let text = said(answer)?;
            match asking {
                Asking::Failed => {
                    self.failed = failed(&text);
                    if self.failing.is_none() {
                        let failing = Failing::remembered(FAILING, &self.host);
                        self.ever.extend(failing.names().take(MOST).cloned());
                        self.failing = Some(failing);
                    }
                    let room = MOST.saturating_sub(self.ever.len());
                    let new: Vec<_> = self
                        .failed
                        .difference(&self.ever)
                        .take(room)
                        .cloned()
                        .collect();
                    self.ever.extend(new);
                    if self.watch.is_empty() && self.ever.is_empty() {
                        self.told = vec![self.all()];
                        return Ok(self.told.clone());
                    }
                    self.asking = Asking::Each;
                }
                Asking::Each => {
                    let mut told = vec![self.all()];
                    let mut seen = BTreeSet::new();
                    for unit in blocks(&text) {
                        // One that is watched and has failed is asked for twice.
                        let id = unit.get("Id").copied().unwrap_or_default();
                        let reading = seen.insert(id).then(|| self.one(&unit)).flatten();
                        // systemd finds no unit by a pattern any more once it has put it away.
                        if reading.is_some() && self.ever.len() < MOST {
                            self.ever.insert(id.to_owned());
                        }
                        told.extend(reading);
                    }
                    let names = seen.into_iter().map(|id| (id, self.failed.contains(id)));
                    if let Some(failing) = &mut self.failing {
                        failing.see(FAILING, names, &self.host);
                    }
                    self.told = told;
                    return Ok(self.told.clone());
                }
            }
        }
    }
}

impl Units {
    fn argv(&self) -> Vec<String> {
        let mut argv = self.host.command("systemctl");
        let words: &[&str] = match self.asking {
            Asking::Failed => &[
                "list-units",
                "--state=failed",
                "--plain",
                "--no-legend",
                "--full",
            ],
            Asking::Each => &["show", PROPERTIES, "--"],
        };
        argv.extend(words.iter().map(|&word| word.to_owned()));
        if let Asking::Each = self.asking {
            let names = self.watch.iter().chain(&self.ever);
            argv.extend(names.cloned());
        }
        argv
    }

    fn all(&mut self) -> Reading {
        let subject = self
            .subjects
            .entry(String::new())
            .or_insert_with(|| Subject::of_host(Area::Health, "units", "Services"));
        let count = u32::try_from(self.failed.len()).unwrap_or(u32::MAX);
        let mut reading = Reading::new(subject).with(&FAILED, f64::from(count));
        let names: Vec<_> = self.failed.iter().map(|name| plain(name)).collect();
        reading.detail = Some(Map::from_iter([("failed_units".to_owned(), names.into())]));
        reading
    }

    fn one(&mut self, unit: &BTreeMap<&str, &str>) -> Option<Reading> {
        let id = *unit.get("Id")?;
        // A name that is watched and not (or no longer) there is no unit. One that has failed and was
        // then cleared away (`systemctl reset-failed`) has not failed any more.
        if unit.get("LoadState") == Some(&"not-found") && !self.ever.contains(id) {
            return None;
        }
        let name = plain(id);
        let subject = self.subjects.entry(id.to_owned()).or_insert_with(|| {
            let topic = format!("unit-{}", slug(name));
            Subject::of_host(Area::Health, &topic, &format!("Service {name}"))
        });
        let mut reading = Reading::new(subject);
        reading.push(&STATE, unit.get("ActiveState").copied());
        // 2^64 - 1 is systemd's word for "not accounted".
        let number = |key: &str| unit.get(key)?.parse().ok().filter(|it| *it < u64::MAX);
        reading.push(&MEMORY, number("MemoryCurrent").map(figure));
        let busy = self.busy.entry(id.to_owned()).or_default();
        reading.push(&CPU, busy.pct(number("CPUUsageNSec")));
        if let Some(count) = number("NRestarts").map(figure) {
            let flap = self.flaps.entry(id.to_owned()).or_default();
            reading.push(&RESTARTS, Some(count));
            reading.push(&LOOPING, Some(flap.is_looping(count)));
        }
        let words = [("sub_state", "SubState"), ("result", "Result")];
        let detail = words.iter().filter_map(|(key, from)| {
            let word = unit.get(from).filter(|word| !word.is_empty())?;
            Some(((*key).to_owned(), (*word).into()))
        });
        reading.detail = Some(detail.collect());
        Some(reading)
    }
}

/// What systemctl printed, or why it is of no use.
fn said(answer: Result<Output, ExecError>) -> Result<String, CollectError> {
    let output = match answer {
        Ok(output) => output,
        Err(ExecError::Absent(program)) => {
            return Err(CollectError::Lacking(format!("no {program}")));
        }
        Err(error) => return Err(CollectError::Transient(error.to_string())),
    };
    if output.code == Some(0) {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().next().unwrap_or("systemctl failed").to_owned();
    if line.contains("not been booted with systemd") || line.contains("Failed to connect to bus") {
        return Err(CollectError::Lacking(
            "systemd does not run here".to_owned(),
        ));
    }
    Err(CollectError::Transient(line))
}

/// The first words of `list-units --plain`.
fn failed(text: &str) -> BTreeSet<String> {
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| name.contains('.') && !is_health_check(name));
    names.map(str::to_owned).collect()
}

/// Podman's health checks are units called by the container's id, some with more behind it: they fail
/// whenever a container is unhealthy, which is told of the container.
fn is_health_check(name: &str) -> bool {
    let id = name.split(['-', '.']).next().unwrap_or(name);
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The units of `show`: lines `Key=value`, units apart by an empty line.
fn blocks(text: &str) -> Vec<BTreeMap<&str, &str>> {
    text.split("\n\n")
        .map(|block| {
            block
                .lines()
                .filter_map(|line| line.split_once('='))
                .collect()
        })
        .filter(|block: &BTreeMap<&str, &str>| !block.is_empty())
        .collect()
}

fn plain(name: &str) -> &str {
    name.strip_suffix(".service").unwrap_or(name)
}
