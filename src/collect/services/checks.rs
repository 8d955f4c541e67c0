use std::fs;
use std::sync::Arc;
use std::time::Duration;

use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, Root};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit, glob, slug};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "checks",
    period: Duration::from_secs(30),
    build,
};

static RUNNING: Metric = Metric::flag("running", "Running", FlagMeaning::Running);
static COUNT: Metric = Metric::gauge("processes", "Processes", Unit::None).diagnostic();

/// A process that must be there.
struct Check {
    subject: Arc<Subject>,
    /// What the kernel calls it, at most 15 bytes.
    name: Option<String>,
    /// Its command line, arguments apart by blanks.
    command: Option<String>,
    least: u32,
}

/// Processes that must be there.
struct Checks {
    root: Root,
    checks: Vec<Check>,
}

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let tables = section.sections("process");
    let checks = tables
        .into_iter()
        .filter_map(|(id, table)| check(&id, table));
    let checks = checks.collect();
    section.finish();
    Box::new(Checks {
        root: host.root.clone(),
        checks,
    })
}

fn check(id: &str, mut section: Section<'_>) -> Option<Check> {
    if slug(id) != id {
        section.fault_here("must be called by lower-case letters, digits and '-'");
    }
    let name = section.text("name");
    let command = section.text("command");
    if name.is_none() && command.is_none() && !section.has("name") && !section.has("command") {
        section.fault_here("needs name or command; \"*\" stands for anything");
    }
    let least = section.integer("least", 1..=10_000).unwrap_or(1);
    section.finish();
    (name.is_some() || command.is_some()).then(|| Check {
        subject: Subject::of_host(
            Area::Health,
            &format!("check-{id}"),
            &format!("Process {id}"),
        ),
        name,
        command,
        least: u32::try_from(least).unwrap_or(1),
    })
}

impl Collect for Checks {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        if self.checks.is_empty() {
            return Err(CollectError::Absent(
                "no process is to be checked".to_owned(),
            ));
        }
        let entries = fs::read_dir(self.root.proc(""))
            .map_err(|error| CollectError::Transient(format!("/proc: {error}")))?;
        let mut counts = vec![0_u32; self.checks.len()];
        for entry in entries.flatten() {
            let pid = entry.file_name();
            let Some(pid) = pid
                .to_str()
                .filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
            else {
                continue;
            };
            // One that ends meanwhile is not there.
            let Some(name) = Root::read_trimmed(&self.root.proc(&format!("{pid}/comm"))) else {
                continue;
            };
            let mut command = None;
            for (check, count) in self.checks.iter().zip(&mut counts) {
                *count += u32::from(check.fits(&self.root, pid, &name, &mut command));
            }
        }
        let told = self.checks.iter().zip(&counts).map(|(check, count)| {
            Reading::new(&check.subject)
                .with(&RUNNING, *count >= check.least)
                .with(&COUNT, f64::from(*count))
        });
        Ok(told.collect())
    }
}

impl Check {
    fn fits(&self, root: &Root, pid: &str, name: &str, command: &mut Option<String>) -> bool {
        if !self.name.as_ref().is_none_or(|pattern| glob(pattern, name)) {
            return false;
        }
        let Some(pattern) = &self.command else {
            return true;
        };
        let line = command.get_or_insert_with(|| {
            let raw = Root::read(&root.proc(&format!("{pid}/cmdline"))).unwrap_or_default();
            // Slashes would end a pattern's star; here a command is one text.
            raw.trim_end_matches('\0')
                .replace('\0', " ")
                .replace('/', "\u{2215}")
        });
        glob(&pattern.replace('/', "\u{2215}"), line)
    }
}
