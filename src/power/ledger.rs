//! Who the watts of this machine are for, and what each has used up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Draw, Spent};

/// Longer than this between two looks and the shares of the last one tell nothing of it.
const LONGEST_GAP: Duration = Duration::from_mins(5);
/// Accounts are kept for so many services; of more the least busy ones are closed.
const ACCOUNTS: usize = 64;
/// A service's rank follows its watts with this time constant, s: half an hour.
const RANK: f64 = 1800.0;
/// Who is told makes room only for one that draws so much more, in its place and in W.
const MARGIN: (f64, f64) = (1.3, 0.1);

/// What one of the parts has used up since its account was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Energy, kWh; only grows.
    pub energy_kwh: f64,
    /// What that energy cost, in the owner's currency.
    pub cost: f64,
}

impl Account {
    fn add(&mut self, energy_kwh: f64, cost: f64) {
        self.energy_kwh += energy_kwh;
        self.cost += cost;
    }

    fn is_sane(&self) -> bool {
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
    /// What graphics cards draw above the least they were seen with; `None` without any.
    pub gpu: Option<Part>,
    /// The services that are told one by one, by name.
    pub services: Vec<(String, Part)>,
    /// All else that uses the processor: other services, the kernel, what has just ended.
    pub other: Part,
}

/// Splits watts by processor time and keeps the accounts.
///
/// Idle watts are nobody's. What is drawn above them is shared out by processor time, after what
/// graphics cards draw was taken off. Energy is shared out by the watts since it was last
/// counted, since a meter's own counter moves in steps.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    top: usize,
    idle: Account,
    gpu: Account,
    other: Account,
    services: BTreeMap<String, Service>,
    /// Those that are told one by one.
    told: BTreeSet<String>,
    /// The least that graphics cards were seen with, W.
    gpu_floor: Option<f64>,
    last: Option<(Duration, f64)>,
    /// Joules by part since energy was last counted.
    waiting: Watts,
    /// What the last look gave to each.
    shares: Shares,
}

/// What one look gave to each of the parts, all services one by one. The energies of `idle`,
/// `gpu`, `other` and `services` add up to that of the machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shares {
    /// What the machine draws, W.
    pub power_w: f64,
    /// For how long that stands, s; 0 at the first look and after a gap.
    pub seconds: f64,
    /// What was counted since the last look, kWh.
    pub energy_kwh: f64,
    /// What flows with nothing to do.
    pub idle: Given,
    /// What graphics cards draw above their least.
    pub gpu: Given,
    /// What no service is known for.
    pub other: Given,
    /// Each service, by name.
    pub services: BTreeMap<String, Given>,
    /// Each process, by its service and command; those of a service add up to it.
    pub processes: BTreeMap<Owner, Given>,
}

/// Processes of one command in one service. As text, and where it is kept, `service/command`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Owner {
    /// The service; empty for what runs in none.
    pub service: String,
    /// The command.
    pub command: String,
}

impl From<String> for Owner {
    fn from(text: String) -> Self {
        // No service has a slash in its name, a command may.
        let (service, command) = text.split_once('/').unwrap_or(("", &text));
        Self {
            service: service.to_owned(),
            command: command.to_owned(),
        }
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        format!("{}/{}", owner.service, owner.command)
    }
}

/// What one look gave to one part.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Given {
    /// What it draws now, W.
    pub power_w: f64,
    /// What of the energy that was counted since the last look was for it, kWh.
    pub energy_kwh: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Service {
    #[serde(flatten)]
    account: Account,
    /// What it draws in the long run, W.
    rank_w: f64,
}

/// The accounts, as they are kept over restarts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    idle: Account,
    gpu: Account,
    other: Account,
    services: BTreeMap<String, Service>,
    told: BTreeSet<String>,
}

/// A figure for each part.
#[derive(Debug, Clone, Default)]
struct Watts {
    idle: f64,
    gpu: f64,
    other: f64,
    services: BTreeMap<String, f64>,
}

impl Watts {
    fn split(draw: &Draw, spent: Option<&Spent>, gpu_w: f64) -> Self {
        let idle = draw.idle_w.clamp(0.0, draw.power_w);
        let above = draw.power_w - idle;
        let gpu = gpu_w.clamp(0.0, above);
        let rest = above - gpu;
        let Some(spent) = spent else {
            return Self {
                idle,
                gpu,
                other: rest,
                services: BTreeMap::new(),
            };
        };
        if spent.total_s <= 0.0 {
            // Nobody did anything: then it is no more than idle.
            return Self {
                idle: idle + rest,
                gpu,
                ..Self::default()
            };
        }
        let shares = spent.services.iter();
        let services: BTreeMap<_, _> = shares
            .map(|(name, own)| (name.clone(), rest * (own / spent.total_s).clamp(0.0, 1.0)))
            .collect();
        let known: f64 = services.values().sum();
        Self {
            idle,
            gpu,
            other: (rest - known).max(0.0),
            services,
        }
    }

    fn sum(&self) -> f64 {
        self.idle + self.gpu + self.other + self.services.values().sum::<f64>()
    }

    fn add(&mut self, watts: &Self, seconds: f64) {
        self.idle += watts.idle * seconds;
        self.gpu += watts.gpu * seconds;
        self.other += watts.other * seconds;
        for (name, watts) in &watts.services {
            *self.services.entry(name.clone()).or_insert(0.0) += watts * seconds;
        }
    }
}

impl Shares {
    fn of(power_w: f64, watts: &Watts) -> Self {
        let given = |power_w| Given {
            power_w,
            energy_kwh: 0.0,
        };
        let services = watts.services.iter();
        Self {
            power_w,
            seconds: 0.0,
            energy_kwh: 0.0,
            idle: given(watts.idle),
            gpu: given(watts.gpu),
            other: given(watts.other),
            services: services
                .map(|(name, watts)| (name.clone(), given(*watts)))
                .collect(),
            processes: BTreeMap::new(),
        }
    }
}

impl Ledger {
    /// Goes on from what was kept; `top` services are told one by one.
    pub fn new(top: usize, kept: Accounts) -> Self {
        let mut services = kept.services;
        services.retain(|_, service| {
            service.account.is_sane() && service.rank_w.is_finite() && service.rank_w >= 0.0
        });
        let sane = |account: Account| {
            if account.is_sane() {
                account
            } else {
                Account::default()
            }
        };
        let mut told = kept.told;
        told.retain(|name| services.contains_key(name));
        while told.len() > top {
            told.pop_last();
        }
        Self {
            top,
            idle: sane(kept.idle),
            gpu: sane(kept.gpu),
            other: sane(kept.other),
            services,
            told,
            ..Self::default()
        }
    }

    /// The accounts, to be kept.
    pub fn accounts(&self) -> Accounts {
        Accounts {
            idle: self.idle,
            gpu: self.gpu,
            other: self.other,
            services: self.services.clone(),
            told: self.told.clone(),
        }
    }

    /// Takes in what the machine draws at the monotonic time `up`, what used the processor since
    /// the last look, what graphics cards draw, and what `energy_kwh` that were counted since
    /// then cost.
    pub fn step(
        &mut self,
        up: Duration,
        draw: &Draw,
        spent: Option<&Spent>,
        gpu_w: Option<f64>,
        cost_of: impl FnOnce(f64) -> f64,
    ) -> Parts {
        let gpu_above = gpu_w.map(|gpu_w| {
            let floor = self.gpu_floor.map_or(gpu_w, |floor| floor.min(gpu_w));
            self.gpu_floor = Some(floor);
            gpu_w - floor
        });
        let watts = Watts::split(draw, spent, gpu_above.unwrap_or(0.0));
        let last = self.last.replace((up, draw.energy_kwh));
        self.shares = Shares::of(draw.power_w, &watts);
        if let Some((then, before)) = last {
            let gap = up.saturating_sub(then);
            if gap <= LONGEST_GAP {
                self.shares.seconds = gap.as_secs_f64();
                self.waiting.add(&watts, gap.as_secs_f64());
                self.rank(&watts, gap.as_secs_f64());
            }
            let counted = (draw.energy_kwh - before).max(0.0);
            if counted > 0.0 {
                let known = gap <= LONGEST_GAP;
                let cost = cost_of(counted);
                self.book(counted, cost, known);
            }
        }
        self.parts(&watts, gpu_above.is_some())
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
        let (idle, gpu, other) = (
            share(waiting.idle),
            share(waiting.gpu),
            share(waiting.other),
        );
        self.shares.idle.energy_kwh = idle.0;
        self.shares.gpu.energy_kwh = gpu.0;
        self.shares.other.energy_kwh = other.0;
        self.idle.add(idle.0, idle.1);
        self.gpu.add(gpu.0, gpu.1);
        self.other.add(other.0, other.1);
        for (name, joules) in &waiting.services {
            let (energy, cost) = share(*joules);
            let given = self.shares.services.entry(name.clone()).or_default();
            given.energy_kwh = energy;
            if !self.told.contains(name) {
                self.other.add(energy, cost);
            }
            if let Some(service) = self.services.get_mut(name) {
                service.account.add(energy, cost);
            }
        }
    }

    /// Ranks services by what they draw in the long run and settles who is told.
    fn rank(&mut self, watts: &Watts, seconds: f64) {
        let pace = (seconds / RANK).min(1.0);
        for (name, watts) in &watts.services {
            if *watts > 0.0 && !self.services.contains_key(name) {
                self.services.insert(name.clone(), Service::default());
            }
            if let Some(service) = self.services.get_mut(name) {
                service.rank_w += (watts - service.rank_w) * pace;
            }
        }
        for (name, service) in &mut self.services {
            if !watts.services.contains_key(name) {
                service.rank_w -= service.rank_w * pace;
            }
        }
        while self.services.len() > ACCOUNTS
            && let Some(closing) = self
                .least(|name| !self.told.contains(name))
                .or_else(|| self.least(|_| true))
        {
            self.services.remove(&closing);
            self.told.remove(&closing);
        }
        let untold = self.services.iter();
        let challenger = untold.filter(|(name, _)| !self.told.contains(*name));
        let challenger = challenger.max_by(|(_, a), (_, b)| a.rank_w.total_cmp(&b.rank_w));
        let Some((name, challenger)) = challenger.map(|(name, one)| (name.clone(), one.rank_w))
        else {
            return;
        };
        if self.told.len() < self.top {
            self.told.insert(name);
        } else if let Some(weakest) = self.least(|name| self.told.contains(name)) {
            let rank_w = self.services.get(&weakest).map_or(0.0, |one| one.rank_w);
            if challenger > rank_w * MARGIN.0 + MARGIN.1 {
                self.told.remove(&weakest);
                self.told.insert(name);
            }
        }
    }

    /// The service that draws least in the long run of those that `fit`.
    fn least(&self, fit: impl Fn(&String) -> bool) -> Option<String> {
        let all = self.services.iter().filter(|(name, _)| fit(name));
        let least = all.min_by(|(_, a), (_, b)| a.rank_w.total_cmp(&b.rank_w));
        least.map(|(name, _)| name.clone())
    }

    fn parts(&self, watts: &Watts, has_gpu: bool) -> Parts {
        let part = |power_w, account| Part { power_w, account };
        let mut other_w = watts.other;
        for (name, watts) in &watts.services {
            if !self.told.contains(name) {
                other_w += watts;
            }
        }
        let services = self.told.iter().filter_map(|name| {
            let power_w = watts.services.get(name).copied().unwrap_or(0.0);
            Some((
                name.clone(),
                part(power_w, self.services.get(name)?.account),
            ))
        });
        Parts {
            idle: part(watts.idle, self.idle),
            gpu: has_gpu.then(|| part(watts.gpu, self.gpu)),
            services: services.collect(),
            other: part(other_w, self.other),
        }
    }
}

#[cfg(test)]
mod tests;
