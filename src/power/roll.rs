//! Accounts by name, and who of them is told one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Account;

/// Accounts are kept for so many; of more the least busy ones are closed.
pub(super) const ACCOUNTS: usize = 64;
/// A rank follows the watts with this time constant, s: half an hour.
const RANK: f64 = 1800.0;
/// Who is told makes room only for one that draws so much more, in its place and in W.
const MARGIN: (f64, f64) = (1.3, 0.1);

/// Accounts of services or processes. Those that draw most in the long run are told one by one;
/// the set changes slowly, so that what somebody looks at does not come and go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "K: Ord + Deserialize<'de>"))]
pub(super) struct Roll<K: Ord> {
    pub(super) accounts: BTreeMap<K, Entry>,
    pub(super) told: BTreeSet<K>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) account: Account,
    /// What it draws in the long run, W.
    pub(super) rank_w: f64,
}

impl<K: Ord> Default for Roll<K> {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone> Roll<K> {
    /// The same without what makes no sense, and with no more than `top` that are told.
    pub(super) fn checked(mut self, top: usize) -> Self {
        self.accounts.retain(|_, entry| {
            entry.account.is_sane() && entry.rank_w.is_finite() && entry.rank_w >= 0.0
        });
        self.told.retain(|name| self.accounts.contains_key(name));
        while self.told.len() > top {
            self.told.pop_last();
        }
        self
    }

    pub(super) fn book(&mut self, name: &K, energy_kwh: f64, cost: f64) {
        if let Some(entry) = self.accounts.get_mut(name) {
            entry.account.add(energy_kwh, cost);
        }
    }

    /// Ranks everybody by what they draw in the long run and settles which `top` are told.
    pub(super) fn rank(&mut self, watts: &BTreeMap<K, f64>, seconds: f64, top: usize) {
        let pace = (seconds / RANK).min(1.0);
        for (name, watts) in watts {
            if *watts > 0.0 && !self.accounts.contains_key(name) {
                self.accounts.insert(name.clone(), Entry::default());
            }
            if let Some(entry) = self.accounts.get_mut(name) {
                entry.rank_w += (watts - entry.rank_w) * pace;
            }
        }
        for (name, entry) in &mut self.accounts {
            if !watts.contains_key(name) {
                entry.rank_w -= entry.rank_w * pace;
            }
        }
        while self.accounts.len() > ACCOUNTS
            && let Some(closing) = self
                .least(|name| !self.told.contains(name))
                .or_else(|| self.least(|_| true))
        {
            self.accounts.remove(&closing);
            self.told.remove(&closing);
        }
        let untold = self.accounts.iter();
        let challenger = untold.filter(|(name, _)| !self.told.contains(*name));
        let challenger = challenger.max_by(|(_, a), (_, b)| a.rank_w.total_cmp(&b.rank_w));
        let Some((name, challenger)) = challenger.map(|(name, one)| (name.clone(), one.rank_w))
        else {
            return;
        };
        if self.told.len() < top {
            self.told.insert(name);
        } else if let Some(weakest) = self.least(|name| self.told.contains(name)) {
            let rank_w = self.accounts.get(&weakest).map_or(0.0, |one| one.rank_w);
            if challenger > rank_w * MARGIN.0 + MARGIN.1 {
                self.told.remove(&weakest);
                self.told.insert(name);
            }
        }
    }

    /// Who draws least in the long run of those that `fit`.
    fn least(&self, fit: impl Fn(&K) -> bool) -> Option<K> {
        let all = self.accounts.iter().filter(|(name, _)| fit(name));
        let least = all.min_by(|(_, a), (_, b)| a.rank_w.total_cmp(&b.rank_w));
        least.map(|(name, _)| name.clone())
    }

    /// Those that are told, with their accounts.
    pub(super) fn told(&self) -> impl Iterator<Item = (&K, Account)> {
        let told = self.told.iter();
        told.filter_map(|name| Some((name, self.accounts.get(name)?.account)))
    }
}
