//! Accounts by name, and who of them is told one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Account;

/// Accounts are kept for so many; of more the least busy ones are closed.
pub(super) const ACCOUNTS: usize = 64;
/// A rank follows the watts with this time constant, s: half an hour.
const RANK: f64 = 1800.0;
/// What it draws just now follows with this one, s.
const NOW: f64 = 45.0;
/// Who draws so much more just now than one that is told takes its place at once, in its watts and
/// in W, and keeps it for a while.
const AT_ONCE: (f64, f64) = (2.0, 1.0);
/// Who is told makes room only for one that draws so much more, in its place and in W.
const MARGIN: (f64, f64) = (1.3, 0.1);

/// Accounts of services or processes. Those that draw most in the long run are told one by one;
/// the set changes slowly, so that what somebody looks at does not come and go. Only a new load takes
/// the place of one that draws next to nothing within a minute.
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
    /// What it has drawn in the last minute, W.
    #[serde(skip)]
    pub(super) now_w: f64,
}

impl Entry {
    /// What it has drawn in the long run or draws now, whatever is more, W.
    const fn standing_w(&self) -> f64 {
        self.rank_w.max(self.now_w)
    }
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

    /// Ranks everybody by what they draw in the long run and settles which `top` are told; who does
    /// not live has ended.
    pub(super) fn rank(
        &mut self,
        watts: &BTreeMap<K, f64>,
        lives: impl Fn(&K) -> bool,
        seconds: f64,
        top: usize,
    ) {
        let pace = (seconds / RANK).min(1.0);
        let quick = (seconds / NOW).min(1.0);
        for (name, watts) in watts {
            if *watts > 0.0 && !self.accounts.contains_key(name) {
                self.accounts.insert(name.clone(), Entry::default());
            }
            if let Some(entry) = self.accounts.get_mut(name) {
                entry.rank_w += (watts - entry.rank_w) * pace;
                entry.now_w += (watts - entry.now_w) * quick;
            }
        }
        for (name, entry) in &mut self.accounts {
            if !watts.contains_key(name) {
                entry.rank_w -= entry.rank_w * pace;
                entry.now_w -= entry.now_w * if lives(name) { quick } else { 1.0 };
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
        self.make_room(top);
        let untold = self.accounts.iter();
        let challenger = untold.filter(|(name, _)| !self.told.contains(*name));
        // What has ended does not come back for what it drew.
        let drawn = challenger.map(|(name, entry)| (name, entry.rank_w.min(entry.now_w)));
        let challenger = drawn.max_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some((name, challenger)) = challenger.map(|(name, watts)| (name.clone(), watts)) else {
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

    /// Gives whoever has begun to draw much the place of one that has ended, or else of the one that
    /// matters least of those that draw far less now.
    fn make_room(&mut self, top: usize) {
        let untold = self.accounts.iter();
        let untold = untold.filter(|(name, _)| !self.told.contains(*name));
        let new = untold.max_by(|(_, a), (_, b)| a.now_w.total_cmp(&b.now_w));
        let Some((name, now_w)) = new.map(|(name, entry)| (name.clone(), entry.now_w)) else {
            return;
        };
        let gives_way = |entry: &Entry| now_w > entry.now_w * AT_ONCE.0 + AT_ONCE.1;
        let leaves = |fits: fn(&Entry) -> bool| {
            self.least(|name| {
                let entry = self.accounts.get(name).filter(|_| self.told.contains(name));
                entry.is_some_and(|entry| gives_way(entry) && fits(entry))
            })
        };
        let leaves = leaves(|entry| entry.now_w <= 0.0).or_else(|| leaves(|_| true));
        if self.told.len() >= top
            && let Some(leaves) = leaves
        {
            self.told.remove(&leaves);
            self.told.insert(name.clone());
            if let Some(entry) = self.accounts.get_mut(&name) {
                entry.rank_w = entry.rank_w.max(now_w);
            }
        }
    }

    /// Who draws least in the long run of those that `fit`.
    fn least(&self, fit: impl Fn(&K) -> bool) -> Option<K> {
        let all = self.accounts.iter().filter(|(name, _)| fit(name));
        let least = all.min_by(|(_, a), (_, b)| a.standing_w().total_cmp(&b.standing_w()));
        least.map(|(name, _)| name.clone())
    }

    /// Those that are told, with their accounts.
    pub(super) fn told(&self) -> impl Iterator<Item = (&K, Account)> {
        let told = self.told.iter();
        told.filter_map(|name| Some((name, self.accounts.get(name)?.account)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes on for so many seconds in ticks of ten; how often who is told has changed.
    fn go_on(roll: &mut Roll<String>, watts: &[(&str, f64)], seconds: usize) -> usize {
        let watts = watts
            .iter()
            .map(|(name, watts)| ((*name).to_owned(), *watts));
        let watts: BTreeMap<String, f64> = watts.collect();
        let mut changes = 0;
        for _ in 0..seconds / 10 {
            let before = roll.told.clone();
            roll.rank(&watts, |name| name != "ended", 10.0, 3);
            changes += usize::from(roll.told != before);
        }
        changes
    }

    #[test]
    fn a_new_load_takes_the_place_of_what_has_ended_before_that_of_what_lives() {
        let mut roll: Roll<String> = Roll::default();
        let usual = [("web", 20.0), ("ended", 15.0), ("mail", 2.0)];
        go_on(&mut roll, &usual, 7200);
        let now = [("web", 20.0), ("mail", 2.0), ("new", 30.0)];
        assert_eq!(go_on(&mut roll, &now, 120), 1);
        let told: Vec<_> = roll.told.iter().map(|name| &**name).collect();
        assert_eq!(told, ["mail", "new", "web"]);
    }

    #[test]
    fn a_new_load_takes_the_place_of_what_has_ended_within_a_minute_and_nothing_flaps() {
        let mut roll: Roll<String> = Roll::default();
        go_on(&mut roll, &[("a", 20.0), ("b", 15.0), ("c", 0.4)], 7200);
        // `b` ends, `d` begins.
        assert_eq!(
            go_on(&mut roll, &[("a", 20.0), ("c", 0.4), ("d", 9.0)], 60),
            1
        );
        assert!(
            roll.told.contains("d") && !roll.told.contains("c"),
            "{:?}",
            roll.told
        );
        // Two more at once: what still counts keeps its place, what has ended does not.
        let busy = [("a", 20.0), ("c", 0.4), ("d", 9.0), ("e", 6.0)];
        assert_eq!(go_on(&mut roll, &busy, 120), 1);
        assert!(!roll.told.contains("b"), "{:?}", roll.told);
        // A job of a minute in every ten keeps the place that it took; small ones take none.
        let mut changes = 0;
        for _ in 0..12 {
            changes += go_on(&mut roll, &[("a", 20.0), ("d", 9.0), ("job", 8.0)], 60);
            changes += go_on(&mut roll, &[("a", 20.0), ("d", 9.0), ("small", 0.9)], 540);
        }
        assert!(changes <= 1, "{changes}");
        assert!(roll.told.contains("job"));
        assert_eq!(
            go_on(&mut roll, &[("a", 20.0), ("d", 9.0), ("e", 0.5)], 7200),
            1,
            "a place of its own in the long run"
        );
    }
}
