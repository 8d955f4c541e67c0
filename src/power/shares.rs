//! Who the watts of one look are for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Draw, Spent, Use};

/// Processes of one command in one service. As text, and where it is kept, `service/command`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// What one look gave to each of the parts, all services one by one. The energies of `idle`,
/// `gpu`, `other` and `services` add up to that of the machine, and so do the watts.
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
    /// What graphics cards draw above their least and no service is known for.
    pub gpu: Given,
    /// What no service is known for.
    pub other: Given,
    /// Each service, by name.
    pub services: BTreeMap<String, Given>,
    /// Each process, by its service and command; where processes can be seen, those of a service
    /// add up to it.
    pub processes: BTreeMap<Owner, Given>,
}

/// What one look gave to one part.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Given {
    /// What it draws now, W.
    pub power_w: f64,
    /// What of the energy that was counted since the last look was for it, kWh.
    pub energy_kwh: f64,
}

impl Shares {
    pub(super) fn of(power_w: f64, watts: &Watts) -> Self {
        let given = |power_w: &f64| Given {
            power_w: *power_w,
            energy_kwh: 0.0,
        };
        let services = watts.services.iter();
        let processes = watts.processes.iter();
        Self {
            power_w,
            seconds: 0.0,
            energy_kwh: 0.0,
            idle: given(&watts.idle),
            gpu: given(&watts.gpu),
            other: given(&watts.other),
            services: services
                .map(|(name, watts)| (name.clone(), given(watts)))
                .collect(),
            processes: processes
                .map(|(owner, watts)| (owner.clone(), given(watts)))
                .collect(),
        }
    }
}

/// What parts draw above idle by a count of their own, W.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Above {
    /// Graphics cards.
    pub(super) gpu: f64,
    /// Disks.
    pub(super) disk: f64,
}

/// A figure for each part: watts, or joules.
#[derive(Debug, Clone, Default)]
pub(super) struct Watts {
    pub(super) idle: f64,
    pub(super) gpu: f64,
    pub(super) other: f64,
    pub(super) services: BTreeMap<String, f64>,
    pub(super) processes: BTreeMap<Owner, f64>,
}

impl Watts {
    /// Splits what the machine draws: idle is nobody's; of what is above it graphics cards and
    /// disks have what they draw, shared out by who used them, and the rest is shared out by
    /// processor time.
    pub(super) fn split(draw: &Draw, spent: Option<&Spent>, above: Above) -> Self {
        let idle = draw.idle_w.clamp(0.0, draw.power_w);
        let whole = draw.power_w - idle;
        let gpu = above.gpu.clamp(0.0, whole);
        let disk = above.disk.clamp(0.0, whole - gpu);
        let cpu = whole - gpu - disk;
        let mut watts = Self {
            idle,
            ..Self::default()
        };
        watts.gpu = watts.give(gpu, spent.and_then(|spent| spent.gpu.as_ref()));
        let disks = spent.and_then(|spent| spent.disk.as_ref());
        watts.other = watts.give(disk, disks.map(|disk| &disk.bytes));
        match spent {
            // Nobody did anything: then it is no more than idle.
            Some(spent) if spent.cpu.total <= 0.0 => watts.idle += cpu,
            Some(spent) => watts.other += watts.give(cpu, Some(&spent.cpu)),
            None => watts.other += cpu,
        }
        watts
    }

    /// Shares `whole` out by use; what is left that nobody is known for.
    fn give(&mut self, whole: f64, by: Option<&Use>) -> f64 {
        let Some(by) = by.filter(|by| by.total > 0.0) else {
            return whole;
        };
        let mut rest = whole;
        for (name, used) in &by.services {
            let share = whole * (used / by.total).clamp(0.0, 1.0);
            rest -= share;
            *self.services.entry(name.clone()).or_insert(0.0) += share;
        }
        for (owner, used) in &by.processes {
            let share = whole * (used / by.total).clamp(0.0, 1.0);
            *self.processes.entry(owner.clone()).or_insert(0.0) += share;
        }
        rest.max(0.0)
    }

    pub(super) fn sum(&self) -> f64 {
        self.idle + self.gpu + self.other + self.services.values().sum::<f64>()
    }

    pub(super) fn add(&mut self, watts: &Self, seconds: f64) {
        self.idle += watts.idle * seconds;
        self.gpu += watts.gpu * seconds;
        self.other += watts.other * seconds;
        gather(&mut self.services, &watts.services, seconds);
        gather(&mut self.processes, &watts.processes, seconds);
    }
}

fn gather<K: Ord + Clone>(sums: &mut BTreeMap<K, f64>, watts: &BTreeMap<K, f64>, seconds: f64) {
    for (name, watts) in watts.iter().filter(|(_, watts)| **watts > 0.0) {
        if let Some(sum) = sums.get_mut(name) {
            *sum += watts * seconds;
        } else {
            sums.insert(name.clone(), watts * seconds);
        }
    }
}
