//! The health of disks by `smartctl --json` (smartmontools 7.0 or later): `disk-<disk>` each.
//!
//! One smartctl runs at a time, and a sample never waits for it for longer than a moment: it is left
//! running and taken in by the next sample. One that takes long, as a disk that hangs makes it, is set
//! aside so that the other disks have their turn, and killed after a minute. One that cannot be killed,
//! since it waits in the kernel, is let be, and its disk is not asked before it has ended. A
//! disk that sleeps is not woken: it is always asked with `-n standby` and the type that the
//! scan found. The scan is done at the start and when the kernel's list of disks has changed. It opens
//! every disk, so one disk that hangs holds it up: then the disks are listed without opening them.

mod figures;
mod judge;
mod known;
mod log;
mod orders;
mod report;
mod scan;
mod selftest;
mod testing;
mod trend;
mod verdict;
mod watch;
mod way;

#[cfg(test)]
mod tests;

pub(in crate::collect::health) use figures::{WEAR, judged};
pub(in crate::collect::health) use verdict::{Level, Verdict};
pub use verdict::{NO_SMART, UNREADABLE};

pub use judge::{Judge, Opinion};
pub use orders::{run, takes_orders, tests_are_scheduled};
pub use scan::{
    Found, also, ask_command, is_virtual, kernel_disks, key, list_command, may_tell, parse_scan,
    scan_command,
};
pub use way::unopened;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::poll_immediate;
use jiff::tz::TimeZone;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::zone::zone;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{ExecError, Host, Output, Remnant};
use crate::model::Reading;
use known::Known;
use selftest::Schedule;
use testing::Begin;
use watch::{Bench, Watched};

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "smart",
    period: Duration::from_secs(10),
    build,
};

/// A disk is asked this often unless the configuration says otherwise, and never more often.
const EVERY: Duration = Duration::from_mins(30);
/// The rarest.
const RAREST: Duration = Duration::from_hours(7 * 24);
/// After the first round the disks are asked this far apart.
const APART: Duration = Duration::from_mins(1);
/// So long a sample waits for all that it starts: less than the shortest tick.
const WAIT: Duration = Duration::from_millis(400);
/// A smartctl that runs for so long is set aside: a disk takes a second at most.
const SLOW: Duration = Duration::from_secs(2);
/// A scan that opens the disks and runs for so long is set aside.
const SCAN_SLOW: Duration = Duration::from_secs(5);
/// A list of the disks, none of which is opened, takes no longer than this.
const LIST_LIMIT: Duration = Duration::from_secs(10);
/// So many at most are set aside: who asks more disks that hang than this waits with them.
const ASIDE: usize = 3;
/// A smartctl that has not ended after this long is killed.
const LIMIT: Duration = Duration::from_mins(1);
/// A disk that has not answered is asked again so soon: only one that hangs twice is told as such.
const RETRY: Duration = Duration::from_mins(5);
/// What puts smartctl there.
pub const MISSING: &str = "sudo apt install smartmontools";

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    Box::new(Smart::new(host, section))
}

impl Smart {
    fn new(host: &Host, mut section: Section<'_>) -> Self {
        let every = section.duration("every", EVERY..=RAREST).unwrap_or(EVERY);
        let also = section.texts("also").unwrap_or_default();
        let also = also.iter().filter_map(|text| {
        let found = scan::by_hand(text);
        if found.is_none() {
            let must =
                "must be a device and how smartctl speaks to it, such as \"/dev/sda megaraid,4\"";
            section.fault("also", format!("(\"{text}\") {must}"));
        }
        found
    });
        let also = also.collect();
        let known = known::read(&mut section);
        let schedule = Schedule::read(section.section("selftest"));
        section.finish();
        Self {
            host: host.clone(),
            every,
            also,
            known,
            schedule,
            zone: zone(&host.root),
            scanned: None,
            unopened: None,
            scan_left: None,
            failed: None,
            disks: Vec::new(),
            running: None,
            aside: Vec::new(),
        }
    }
}

struct Smart {
    host: Host,
    every: Duration,
    /// Disks that no scan finds.
    also: Vec<Found>,
    known: BTreeMap<String, Known>,
    schedule: Schedule,
    zone: TimeZone,
    /// The kernel's disks at the last scan that succeeded.
    scanned: Option<Vec<String>>,
    /// The kernel's disks when a scan that opens them has hung: one of them hangs.
    unopened: Option<Vec<String>>,
    /// A scan that was killed, until it has ended.
    scan_left: Option<Remnant>,
    /// Why there has been no scan since: told until one succeeds, for a scan that hangs takes a while.
    failed: Option<CollectError>,
    disks: Vec<Watched>,
    running: Option<Running>,
    /// Those that take long.
    aside: Vec<Running>,
}

/// A smartctl that runs. It goes on by itself between two samples.
struct Running {
    task: Task,
    since: Instant,
    answer: Pin<Box<dyn Future<Output = Result<Output, ExecError>> + Send>>,
}

enum Task {
    /// Looks for disks and opens each; holds the kernel's list from before.
    Scan(Vec<String>),
    /// Looks for disks and opens none.
    List(Vec<String>),
    /// Asks this disk.
    Disk(Found),
    /// Begins a self-test.
    Test(Begin),
}

impl Collect for Smart {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let handle =
            Handle::try_current().map_err(|error| CollectError::Transient(error.to_string()))?;
        let now = Instant::now();
        self.scan_left.take_if(|left| !left.is_there());
        for disk in &mut self.disks {
            disk.look_back(now);
        }
        self.set_aside(now);
        for mut slow in std::mem::take(&mut self.aside) {
            match handle.block_on(poll_immediate(&mut slow.answer)) {
                Some(answer) => self.hear(slow.task, answer),
                None => self.aside.push(slow),
            }
        }
        let until = now + WAIT;
        while Instant::now() < until {
            let Some(mut running) = self.running.take().or_else(|| self.next()) else {
                break;
            };
            let polled = async { timeout_at(until, &mut running.answer).await };
            match handle.block_on(polled) {
                Ok(answer) => self.hear(running.task, answer),
                Err(_) => self.running = Some(running),
            }
            if self.failed.is_some() {
                break;
            }
        }
        // What it says, and whoever is next, need not wait until this is due.
        let is_fresh = |one: &Running| one.since.elapsed() < ENTRY.period;
        if self.failed.is_none() && self.running.as_ref().is_some_and(is_fresh) {
            self.host.desk.hurry(ENTRY.name);
        }
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        Ok(self.told())
    }
}

/// The disks that a scan has opened; `None` if it hangs.
fn opened(answer: Result<Output, ExecError>) -> Result<Option<Vec<Found>>, CollectError> {
    match answer {
        Ok(output) => {
            let found = parse_scan(&output.stdout).map_err(CollectError::Broken)?;
            Ok(Some(found))
        }
        Err(ExecError::TimeOut { .. }) => Ok(None),
        Err(error) => Err(CollectError::Transient(error.to_string())),
    }
}

impl Smart {
    /// What is told of each disk. One by two ways is one disk, and so are two of one serial number: then
    /// the worst is told, so that no failure hides behind the other way. One that cannot be read, as a
    /// way that is cut, gives way to one that can.
    fn told(&self) -> Vec<Reading> {
        let mut told: Vec<&Watched> = Vec::new();
        for disk in self.disks.iter().filter(|disk| disk.told().is_some()) {
            let mut others = told.iter_mut();
            match others.find(|other| other.id() == disk.id()) {
                Some(other) if other.weight() < disk.weight() => *other = disk,
                Some(_) => {}
                None => told.push(disk),
            }
        }
        told.into_iter()
            .filter_map(Watched::told)
            .cloned()
            .collect()
    }

    /// Lets the others have their turn, if the disk that is asked, or the scan, takes long.
    fn set_aside(&mut self, now: Instant) {
        let has_room = self.aside.len() < ASIDE;
        let is_slow = |one: &mut Running| match one.task {
            Task::Disk(_) | Task::Test(_) => has_room && now >= one.since + SLOW,
            Task::Scan(_) => has_room && now >= one.since + SCAN_SLOW,
            Task::List(_) => false,
        };
        if let Some(slow) = self.running.take_if(is_slow) {
            if let Task::Scan(kernel) = &slow.task {
                self.unopened = Some(kernel.clone());
            }
            self.aside.push(slow);
        }
    }

    /// Whether a smartctl about the disk is under way, or hangs in the kernel for good: another one would
    /// hang beside it.
    fn is_asked(&self, disk: &Watched) -> bool {
        let mut aside = self.aside.iter();
        disk.is_held()
            || aside.any(|one| match &one.task {
                Task::Disk(found) => disk.found.is_like(found),
                Task::Test(begin) => begin.is_of(disk),
                Task::Scan(_) | Task::List(_) => false,
            })
    }

    /// Whether a scan that opens the disks hangs.
    fn scan_hangs(&self) -> bool {
        let mut aside = self.aside.iter();
        self.scan_left.is_some() || aside.any(|one| matches!(one.task, Task::Scan(_)))
    }

    /// What is due now.
    fn next(&self) -> Option<Running> {
        let kernel = kernel_disks(&self.host.root);
        if self.scanned.as_ref() != Some(&kernel) {
            let opens_none = self.unopened.as_ref() == Some(&kernel) || self.scan_hangs();
            return Some(if opens_none {
                self.start(Task::List(kernel), list_command(&self.host), LIST_LIMIT)
            } else {
                self.start(Task::Scan(kernel), scan_command(&self.host), LIMIT)
            });
        }
        let now = Instant::now();
        if let Some(test) = self.next_test() {
            return Some(test);
        }
        let due = self
            .disks
            .iter()
            .filter(|disk| disk.due <= now && !self.is_asked(disk));
        let disk = due.min_by_key(|disk| disk.due)?;
        let argv = ask_command(&self.host, &disk.found);
        Some(self.start(Task::Disk(disk.found.clone()), argv, LIMIT))
    }

    fn start(&self, task: Task, argv: Vec<String>, limit: Duration) -> Running {
        let exec = self.host.exec.clone();
        let answer = Box::pin(async move { exec.run(&argv, limit).await });
        Running {
            task,
            since: Instant::now(),
            answer,
        }
    }

    fn hear(&mut self, task: Task, answer: Result<Output, ExecError>) {
        if let Err(error) = self.take(task, answer) {
            self.scanned = None;
            self.failed = Some(error);
        }
    }

    fn take(&mut self, task: Task, answer: Result<Output, ExecError>) -> Result<(), CollectError> {
        if let Err(ExecError::Absent(program)) = &answer {
            self.disks.clear();
            return Err(CollectError::Absent(format!(
                "{program} is missing: {MISSING}"
            )));
        }
        let now = Instant::now();
        let bench = Bench::new(&self.host, self.known.clone(), self.schedule.by_command);
        let left = match &answer {
            Err(ExecError::TimeOut { left, .. }) => *left,
            Ok(_) | Err(_) => None,
        };
        match task {
            Task::Scan(kernel) => match opened(answer) {
                Ok(Some(found)) => {
                    way::remember(&self.host, &found);
                    self.found(found, kernel, now, &bench);
                }
                Ok(None) => (self.unopened, self.scan_left) = (Some(kernel), left),
                // Nobody waits for it any more if the disks were listed meanwhile.
                Err(_) if self.scanned.as_ref() == Some(&kernel) => {}
                Err(error) => return Err(error),
            },
            Task::List(kernel) => {
                let found = way::unopened(&self.host, answer);
                tracing::info!("smartctl --scan-open takes long: each disk is asked by itself");
                self.found(found, kernel, now, &bench);
            }
            Task::Test(begin) => {
                let mut disks = self.disks.iter_mut();
                if let Some(disk) = disks.find(|disk| begin.is_of(disk)) {
                    disk.leave(left);
                }
                self.begun(begin, &answer);
            }
            Task::Disk(found) => {
                // One that was removed meanwhile is no longer of interest.
                let mut disks = self.disks.iter();
                let place = disks.position(|disk| disk.found.is(&found));
                let mut disks = self.disks.iter();
                let place = place.or_else(|| disks.position(|disk| disk.found.is_like(&found)));
                let place = place.unwrap_or(usize::MAX);
                for disk in self.disks.iter_mut().skip(place).take(1) {
                    // Asked together at the start, apart from each other later.
                    let first = disk.told().is_none();
                    let place = u32::try_from(place).unwrap_or_default();
                    let apart = if first {
                        APART.saturating_mul(place)
                    } else {
                        Duration::ZERO
                    };
                    let again = disk.take(&answer, &bench);
                    disk.leave(left);
                    disk.due = now + again.unwrap_or(self.every + apart);
                }
                self.follow(place);
            }
        }
        Ok(())
    }

    /// Takes the disks that a scan has found, beside those that the configuration names.
    fn found(&mut self, mut found: Vec<Found>, kernel: Vec<String>, now: Instant, bench: &Bench) {
        let is_new = |one: &&Found| !found.iter().any(|other| other.is(one));
        let also: Vec<Found> = self.also.iter().filter(is_new).cloned().collect();
        found.extend(also);
        if found.is_empty() && kernel.iter().any(|name| may_tell(name)) {
            tracing::info!("smartctl finds no disk; homewatch doctor tells the remedy");
        }
        self.meet(found, now, bench);
        self.scanned = Some(kernel);
        self.failed = None;
    }

    /// Takes the result of a scan in; what is known of a disk that stays is kept.
    fn meet(&mut self, found: Vec<Found>, now: Instant, bench: &Bench) {
        let mut known = std::mem::take(&mut self.disks);
        for found in found {
            let subject = scan::subject(&self.host.root, &found);
            let subject = subject.as_ref();
            let exact = known.iter().position(|disk| disk.is(&found, subject));
            let like = || known.iter().position(|disk| disk.is_like(&found, subject));
            let place = exact.or_else(like);
            let mut disk = match place {
                Some(place) => known.remove(place),
                None => Watched::new(found.clone(), subject.cloned(), now),
            };
            disk.found.kind.clone_from(&found.kind);
            if let Some(error) = &found.error {
                disk.refused(error, bench);
                // A disk that has just been met may not have its rights yet, as while a machine starts.
                let soon = place.is_none();
                disk.due = now + if soon { APART } else { self.every };
            }
            self.disks.push(disk);
        }
    }
}
