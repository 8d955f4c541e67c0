use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::collect::errand::Errand;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{ExecError, Host, Output, Root};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "updates",
    period: Duration::from_mins(10),
    build,
};

static PENDING: Metric = Metric::gauge("pending", "Updates", Unit::None);
static SECURITY: Metric = Metric::gauge("security", "Security updates", Unit::None);
static REBOOT: Metric = Metric::flag("reboot_required", "Restart needed", FlagMeaning::Problem);

static SUBJECT: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Health, "updates", "Updates"));

/// The package manager is asked this often: it is a second of work.
const EVERY: Duration = Duration::from_hours(12);
const LIMIT: Duration = Duration::from_mins(2);

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Updates {
        host: host.clone(),
        errand: Errand::default(),
        asked: None,
        counts: None,
    })
}

/// Updates that wait, by what the package manager knew at its last own look, and whether the machine
/// wants a restart. Nothing is fetched or changed.
struct Updates {
    host: Host,
    errand: Errand,
    asked: Option<Instant>,
    counts: Option<(u32, Option<u32>)>,
}

/// A package manager.
struct Manager {
    /// Where its database is.
    place: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// Exit codes that mean an answer.
    codes: &'static [i32],
    count: fn(&str) -> (u32, Option<u32>),
}

const MANAGERS: [Manager; 4] = [
    Manager {
        place: "/var/lib/dpkg/status",
        program: "apt-get",
        // A rehearsal; without the lock it disturbs no real run.
        arguments: &["-s", "-o", "Debug::NoLocking=true", "dist-upgrade"],
        codes: &[0],
        count: apt,
    },
    Manager {
        place: "/var/lib/pacman/local",
        program: "pacman",
        arguments: &["-Qu"],
        // 1 without any updates.
        codes: &[0, 1],
        count: lines,
    },
    Manager {
        place: "/lib/apk/db/installed",
        program: "apk",
        arguments: &["list", "--upgradable"],
        codes: &[0],
        count: lines,
    },
    Manager {
        place: "/usr/bin/dnf",
        program: "dnf",
        arguments: &["--quiet", "--cacheonly", "check-update"],
        // 100 if there are updates.
        codes: &[0, 100],
        count: dnf,
    },
];

impl Collect for Updates {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let root = &self.host.root;
        let manager = MANAGERS
            .iter()
            .find(|manager| root.path(Path::new(manager.place)).exists());
        let due = self.asked.is_none_or(|asked| asked.elapsed() >= EVERY);
        let mut trouble = None;
        if let Some(manager) = manager.filter(|_| due) {
            let argv = || {
                let mut argv = self.host.command(manager.program);
                argv.extend(manager.arguments.iter().map(|&word| word.to_owned()));
                argv
            };
            if let Some(answer) = self.errand.run(&self.host, argv, LIMIT)? {
                self.asked = Some(Instant::now());
                match count(manager, answer) {
                    Ok(counts) => self.counts = counts,
                    Err(error) => trouble = Some(error),
                }
            }
        }
        let reboot = reboot(root);
        if manager.is_none() && reboot.is_none() {
            let none = "no package manager that is known here";
            return Err(CollectError::Lacking(none.to_owned()));
        }
        if let Some(trouble) = trouble {
            return Err(CollectError::Transient(trouble));
        }
        let mut reading = Reading::new(&SUBJECT);
        reading.push(&PENDING, self.counts.map(|(all, _)| f64::from(all)));
        let security = self.counts.and_then(|(_, security)| security);
        reading.push(&SECURITY, security.map(f64::from));
        reading.push(&REBOOT, reboot);
        Ok(vec![reading])
    }
}

type Counts = Option<(u32, Option<u32>)>;

fn count(manager: &Manager, answer: Result<Output, ExecError>) -> Result<Counts, String> {
    let output = match answer {
        Ok(output) => output,
        // Its database is here, it is not: a container that sees its host's files.
        Err(ExecError::Absent(_)) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if output
        .code
        .is_some_and(|code| manager.codes.contains(&code))
    {
        return Ok(Some((manager.count)(&text)));
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let line = error.lines().next().unwrap_or("no word of why").to_owned();
    Err(format!("{}: {line}", manager.program))
}

/// `Inst openssl [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])`
fn apt(text: &str) -> (u32, Option<u32>) {
    let all = text.lines().filter(|line| line.starts_with("Inst "));
    let safe = all
        .clone()
        .filter(|line| line.to_lowercase().contains("-security"));
    (number(all.count()), Some(number(safe.count())))
}

fn lines(text: &str) -> (u32, Option<u32>) {
    let all = text.lines().filter(|line| !line.trim().is_empty());
    (number(all.count()), None)
}

/// `name.arch  version  repository`; what is obsoleted stands below and is none.
fn dnf(text: &str) -> (u32, Option<u32>) {
    let all = text
        .lines()
        .take_while(|line| !line.starts_with("Obsoleting"));
    let all = all.filter(|line| line.split_whitespace().count() == 3);
    (number(all.count()), None)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether the system says that it wants a restart, or its kernel's modules are gone, as after an
/// update of a kernel that keeps no old one. `None` where neither can be told.
fn reboot(root: &Root) -> Option<bool> {
    let flag = ["/run/reboot-required", "/var/run/reboot-required"]
        .iter()
        .any(|place| root.path(Path::new(place)).exists());
    if flag {
        return Some(true);
    }
    let release = Root::read_trimmed(&root.proc("sys/kernel/osrelease"))?;
    let modules = root.path(Path::new("/lib/modules"));
    // A machine without any modules (a container, a kernel in one piece) tells nothing.
    let some = std::fs::read_dir(&modules).ok()?.flatten().next().is_some();
    some.then(|| !modules.join(release).exists())
}
