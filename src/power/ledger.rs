//! Who the watts of this machine are for, and what each has used up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::roll::{Entry, Roll};
use super::shares::{Above, Watts};
use super::{Draw, Gap, Owner, Shares, Spent};

/// What one of the parts has used up since its account was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Energy, kWh; only grows.
    pub energy_kwh: f64,
    /// What that energy cost, in the owner's currency.
    pub cost: f64,
}

impl Account {
    pub(super) fn add(&mut self, energy_kwh: f64, cost: f64) {
        self.energy_kwh += energy_kwh;
        self.cost += cost;
    }

    pub(super) fn is_sane(&self) -> bool {
        self.energy_kwh.is_finite() && self.energy_kwh >= 0.0 && self.cost.is_finite()
    }
}

/// A part of the machine's watts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part {
    /// What it draws now, W.
    pub power_w: f64,
    /// What it has used up.
    pub account: Account,
}

/// The watts of the machine, each in one part only: their sum is what the machine draws.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts {
    /// What would flow with nothing to do.
    pub idle: Part,
    /// What graphics cards draw above the least they were seen with and no service is known for;
    /// `None` without any.
    pub gpu: Option<Part>,
    /// The services that are told one by one, by name.
    pub services: Vec<(String, Part)>,
    /// All else: other services, the kernel, what has just ended.
    pub other: Part,
    /// The processes that are told one by one; they are parts of services, or of `other`.
    pub processes: Vec<(Owner, Part)>,
}

/// Whom a [`Ledger`] tells one by one, and what it knows of this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// So many services.
    pub services: usize,
    /// So many processes.
    pub processes: usize,
    /// What a disk at full work draws above one at rest, W, where that is known beforehand.
    pub disk_w: Option<f64>,
    /// Of what lies further apart the shares of the last look tell nothing.
    pub gap: Gap,
}

/// Splits watts and keeps the accounts.
///
/// Idle watts are nobody's. Of what is drawn above them graphics cards and, where it is known
/// what they draw, disks have their own part, shared out by who used them; the rest is shared out
/// by processor time. Energy is shared out by the watts since it was last counted, since a meter's
/// own counter moves in steps.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    terms: Terms,
    idle: Account,
    gpu: Account,
    other: Account,
    services: Roll<String>,
    processes: Roll<Owner>,
    /// What a meter has taught of disks, W; what is known beforehand goes before it.
    disk_w: Option<f64>,
    last: Option<(Duration, f64)>,
    /// Joules by part since energy was last counted.
    waiting: Watts,
    /// What the last look gave to each.
    shares: Shares,
}

/// The accounts, as they are kept over restarts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    idle: Account,
    gpu: Account,
    other: Account,
    services: BTreeMap<String, Entry>,
    told: BTreeSet<String>,
    processes: Roll<Owner>,
}

impl Ledger {
    /// Goes on from what was kept.
    pub fn new(terms: Terms, kept: Accounts) -> Self {
        let sane = |account: Account| {
            if account.is_sane() {
                account
            } else {
                Account::default()
            }
        };
        let services = Roll {
            accounts: kept.services,
            told: kept.told,
        };
        Self {
            terms,
            idle: sane(kept.idle),
            gpu: sane(kept.gpu),
            other: sane(kept.other),
            services: services.checked(terms.services),
            processes: kept.processes.checked(terms.processes),
            ..Self::default()
        }
    }

    /// The accounts, to be kept.
    pub fn accounts(&self) -> Accounts {
        Accounts {
            idle: self.idle,
            gpu: self.gpu,
            other: self.other,
            services: self.services.accounts.clone(),
            told: self.services.told.clone(),
            processes: self.processes.clone(),
        }
    }

    /// Takes in what a meter has taught about a disk at full work, W.
    pub const fn learn_disk_w(&mut self, watts: Option<f64>) {
        self.disk_w = watts;
    }

    /// Whether disks have a part of their own.
    pub fn has_disks(&self) -> bool {
        self.disk_w().is_some()
    }

    fn disk_w(&self) -> Option<f64> {
        self.terms.disk_w.or(self.disk_w)
    }

    /// Takes in what the machine draws at the monotonic time `up`, what was used since the last
    /// look, what graphics cards draw above idle, and what `energy_kwh` that were counted since then cost.
    pub fn step(
        &mut self,
        up: Duration,
        draw: &Draw,
        spent: Option<&Spent>,
        graphics_w: Option<f64>,
        cost_of: impl FnOnce(f64) -> f64,
    ) -> Parts {
        let disks = spent.and_then(|spent| spent.disk.as_ref());
        let above = Above {
            gpu: graphics_w.unwrap_or(0.0),
            disk: disks.and_then(|disks| disks.busy).unwrap_or(0.0) * self.disk_w().unwrap_or(0.0),
        };
        let watts = Watts::split(draw, spent, above);
        let last = self.last.replace((up, draw.energy_kwh));
        self.shares = Shares::of(draw.power_w, &watts);
        if let Some((then, before)) = last {
            let gap = up.saturating_sub(then);
            if !self.terms.gap.is(gap) {
                let seconds = gap.as_secs_f64();
                self.shares.seconds = seconds;
                self.waiting.add(&watts, seconds);
                let terms = self.terms;
                // Of a process that does nothing it is not known whether it has ended.
                let lives =
                    |name: &String| spent.is_none_or(|spent| spent.cpu.services.contains_key(name));
                self.services
                    .rank(&watts.services, lives, seconds, terms.services);
                self.processes
                    .rank(&watts.processes, |_| true, seconds, terms.processes);
            }
            let counted = (draw.energy_kwh - before).max(0.0);
            if counted > 0.0 {
                let known = !self.terms.gap.is(gap);
                let cost = cost_of(counted);
                self.book(counted, cost, known);
            }
        }
        self.parts(&watts, graphics_w.is_some())
    }

    /// Books what was drawn while nobody watched, kWh, and its cost: nobody knows for whom.
    pub fn make_up(&mut self, energy_kwh: f64, cost: f64) {
        self.other.add(energy_kwh, cost);
        if let Some((_, counted)) = &mut self.last {
            *counted += energy_kwh;
        }
    }

    /// What the last look gave to each of the parts.
    pub const fn shares(&self) -> &Shares {
        &self.shares
    }

    /// Books energy; who it was for is not known after a gap.
    fn book(&mut self, energy_kwh: f64, cost: f64, known: bool) {
        let waiting = std::mem::take(&mut self.waiting);
        let whole = waiting.sum();
        self.shares.energy_kwh = energy_kwh;
        if !known || whole <= 0.0 {
            self.shares.other.energy_kwh = energy_kwh;
            self.other.add(energy_kwh, cost);
            return;
        }
        let share = |joules: f64| (energy_kwh * joules / whole, cost * joules / whole);
        for (account, given, joules) in [
            (&mut self.idle, &mut self.shares.idle, waiting.idle),
            (&mut self.gpu, &mut self.shares.gpu, waiting.gpu),
            (&mut self.other, &mut self.shares.other, waiting.other),
        ] {
            let (energy, cost) = share(joules);
            given.energy_kwh = energy;
            account.add(energy, cost);
        }
        for (name, joules) in waiting.services {
            let (energy, cost) = share(joules);
            if !self.services.told.contains(&name) {
                self.other.add(energy, cost);
            }
            self.services.book(&name, energy, cost);
            let given = self.shares.services.entry(name).or_default();
            given.energy_kwh = energy;
        }
        for (owner, joules) in waiting.processes {
            let (energy, cost) = share(joules);
            self.processes.book(&owner, energy, cost);
            let given = self.shares.processes.entry(owner).or_default();
            given.energy_kwh = energy;
        }
    }

    fn parts(&self, watts: &Watts, has_gpu: bool) -> Parts {
        let part = |power_w, account| Part { power_w, account };
        let mut other_w = watts.other;
        for (name, watts) in &watts.services {
            if !self.services.told.contains(name) {
                other_w += watts;
            }
        }
        let services = self.services.told().map(|(name, account)| {
            let power_w = watts.services.get(name).copied().unwrap_or(0.0);
            (name.clone(), part(power_w, account))
        });
        let processes = self.processes.told().map(|(owner, account)| {
            let power_w = watts.processes.get(owner).copied().unwrap_or(0.0);
            (owner.clone(), part(power_w, account))
        });
        Parts {
            idle: part(watts.idle, self.idle),
            gpu: has_gpu.then(|| part(watts.gpu, self.gpu)),
            services: services.collect(),
            other: part(other_w, self.other),
            processes: processes.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
