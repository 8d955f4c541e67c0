use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Owner;

/// What used the machine between two looks. Cheap to clone; clones share it: the collector
/// leaves it here at each tick, and the task that attributes watts takes it.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Mutex<Left>>);

#[derive(Debug, Default)]
struct Left {
    spent: Option<Spent>,
    clients: HashMap<u32, f64>,
    wants_disks: bool,
}

/// What was used between two looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spent {
    /// Processor time, s; where the cores' frequencies are known, weighted by them.
    pub cpu: Use,
    /// What went to and from disks, bytes.
    pub disk: Option<DiskUse>,
    /// Time of graphics cards, % of one.
    pub gpu: Option<Use>,
}

/// How the disks were used between two looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiskUse {
    /// How many of them were at work, on the mean: 2 if two always were. `None` if that is not
    /// known.
    pub busy: Option<f64>,
    /// Bytes that were read and written.
    pub bytes: Use,
}

/// One thing that can be used, and who used how much of it. Services never have more than there
/// was, nor processes more than their service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Use {
    /// By everything there is.
    pub total: f64,
    /// By each service, by name.
    pub services: BTreeMap<String, f64>,
    /// By each process, by its service (empty for none) and command.
    pub processes: BTreeMap<Owner, f64>,
}

impl Activity {
    fn left(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves what was spent since the last look, in place of what nobody has taken.
    pub fn leave(&self, spent: Spent) {
        self.left().spent = Some(spent);
    }

    /// Takes what was left; `None` if nothing was since the last time.
    pub fn take(&self) -> Option<Spent> {
        self.left().spent.take()
    }

    /// Asks for what goes to and from disks: it is known what they draw.
    pub fn want_disks(&self) {
        self.left().wants_disks = true;
    }

    /// Whether that was asked for.
    pub fn wants_disks(&self) -> bool {
        self.left().wants_disks
    }

    /// Leaves what the program of graphics cards said last: their use by process, %.
    pub fn leave_clients(&self, clients: HashMap<u32, f64>) {
        self.left().clients = clients;
    }

    /// What was left of graphics cards.
    pub fn clients(&self) -> HashMap<u32, f64> {
        self.left().clients.clone()
    }
}

/// What a service used and no process that lives explains is told as this process of it.
pub const SHORT_LIVED: &str = "short-lived";
/// Groups that are gone are remembered up to so many in all.
const FORGET: usize = 2000;

/// How much one control group has used so far. Several may be one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Its path.
    pub group: Arc<str>,
    /// What it is called; empty while it has no name.
    pub service: Arc<str>,
    /// What it has used since it began.
    pub used: f64,
}

/// How much one process has used so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Its number.
    pub pid: u32,
    /// When it began, in the kernel's ticks: a number that is used again is another process.
    pub start: u64,
    /// In which service it runs; empty for none.
    pub service: Arc<str>,
    /// Its command.
    pub command: Arc<str>,
    /// What it has used since it began.
    pub used: f64,
    /// What a unit of its use counts, 1 for what all have in common.
    pub weight: f64,
    /// Its service has no counter that holds it: what the service used is what its processes did.
    pub is_apart: bool,
}

/// Makes what lies between two looks out of counters that only grow, but for those that begin
/// anew.
#[derive(Debug, Default)]
pub struct Counters {
    total: Option<f64>,
    groups: HashMap<Arc<str>, f64>,
    processes: HashMap<(u32, u64), f64>,
    /// The begin of the youngest process of the last look.
    youngest: u64,
}

impl Counters {
    /// Takes in how much everything (`total`), each control group and each process has used so far;
    /// gives what lies between this look and the last, `None` at the first. A group that is
    /// new, or whose counter went back, began in between: all its use counts. Where services
    /// claim more than there was (they are read a moment later), each is cut alike, and so are
    /// processes within their service.
    pub fn look(&mut self, total: f64, groups: Vec<Counted>, processes: &[Tally]) -> Option<Use> {
        let before = self.total.replace(total);
        let last = std::mem::take(&mut self.groups);
        let mut used = Use {
            total: (total - before.unwrap_or(total)).max(0.0),
            ..Use::default()
        };
        for one in &groups {
            let last = last.get(&one.group).filter(|last| **last <= one.used);
            let grown = (one.used - last.copied().unwrap_or(0.0)).max(0.0);
            // It has no name yet: nobody's.
            if one.service.is_empty() {
                continue;
            }
            add(&mut used.services, &one.service, grown);
        }
        // One that cannot be read for a moment goes on where it was when it is back.
        if last.len() <= FORGET {
            self.groups = last;
        }
        let known = groups.into_iter().map(|one| (one.group, one.used));
        self.groups.extend(known);
        self.processes(&mut used, processes);
        used.settle(!processes.is_empty());
        before.is_some().then_some(used)
    }

    fn processes(&mut self, used: &mut Use, processes: &[Tally]) {
        let mut kept = HashMap::with_capacity(processes.len());
        for one in processes {
            let key = (one.pid, one.start);
            let last = self.processes.get(&key).copied();
            // Born since: all of it lies between. One that was only hidden is told from now on.
            let born = one.start >= self.youngest;
            let last = last.unwrap_or(if born { 0.0 } else { one.used });
            kept.insert(key, one.used);
            let grown = (one.used - last).max(0.0);
            if grown > 0.0 {
                if one.is_apart {
                    // By its bare use, as a counter would have told; its weight follows below.
                    add(&mut used.services, &one.service, grown);
                }
                let service = used.services.get_mut(&*one.service);
                // Its service is not known (any more): it runs in none.
                let lives_in = service.as_ref().map_or("", |_| &one.service);
                let owner = Owner {
                    service: lives_in.to_owned(),
                    command: one.command.to_string(),
                };
                if let Some(service) = service {
                    *service = (*service + grown * (one.weight - 1.0)).max(0.0);
                }
                *used.processes.entry(owner).or_insert(0.0) += grown * one.weight.max(0.0);
            }
        }
        self.processes = kept;
        let youngest = processes.iter().map(|one| one.start).max();
        self.youngest = youngest.unwrap_or(self.youngest);
    }
}

/// Adds so much to what `service` has used.
fn add(services: &mut BTreeMap<String, f64>, service: &str, used: f64) {
    if let Some(sum) = services.get_mut(service) {
        *sum += used;
    } else {
        services.insert(service.to_owned(), used);
    }
}

impl Use {
    /// Adds what `owner` used, and nobody else beside it.
    pub fn add(&mut self, owner: Owner, used: f64) {
        self.total += used;
        if !owner.service.is_empty() {
            *self.services.entry(owner.service.clone()).or_insert(0.0) += used;
        }
        *self.processes.entry(owner).or_insert(0.0) += used;
    }

    /// Cuts claims down to what there was; where processes can be seen at all, tells what none
    /// explains of a service as short-lived.
    fn settle(&mut self, can_see: bool) {
        let claimed: f64 = self.services.values().sum();
        if claimed > self.total {
            for used in self.services.values_mut() {
                *used *= self.total / claimed;
            }
        }
        let known: f64 = self.services.values().sum();
        let mut claims: BTreeMap<&str, f64> = BTreeMap::new();
        for (owner, used) in &self.processes {
            *claims.entry(&owner.service).or_insert(0.0) += used;
        }
        let nobody = (self.total - known).max(0.0);
        let cuts: BTreeMap<String, f64> = claims
            .iter()
            .map(|(service, claimed)| {
                let there_is = self.services.get(*service).copied().unwrap_or(nobody);
                let cut = if *claimed > there_is {
                    there_is / claimed
                } else {
                    1.0
                };
                ((*service).to_owned(), cut)
            })
            .collect();
        let mut rest = self.services.clone();
        for (owner, used) in &mut self.processes {
            *used *= cuts.get(&owner.service).copied().unwrap_or(1.0);
            if let Some(rest) = rest.get_mut(&owner.service) {
                *rest -= *used;
            }
        }
        for (service, used) in rest.into_iter().filter(|(_, used)| can_see && *used > 0.0) {
            let command = SHORT_LIVED.to_owned();
            let owner = Owner { service, command };
            *self.processes.entry(owner).or_insert(0.0) += used;
        }
    }
}

#[cfg(test)]
mod tests;
