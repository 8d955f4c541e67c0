//! A figure by the regime it was measured in (the load, the drive of a fan), held against what
//! it was there at first.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::trend::{median, real, tidy};

/// A regime; what it stands for is its owner's.
pub(super) type Regime = u8;

/// A day counts in a regime with so many minutes in it.
const MINUTES: u32 = 10;
/// So many days in a regime make its baseline.
pub(super) const LEARNT: usize = 14;
/// What is now is what was in so many days.
const NOW: f64 = 7.0;
/// That is known from so many of them.
const ENOUGH: usize = 3;
/// In a regime that is seldom met, from the last of them within so many days.
const LATELY: f64 = 30.0;
/// The baseline of a regime that is seldom met is made of so many days, once [`LEARNT`] days have passed.
const FEW: usize = 5;
/// Regimes are held against one in which at least one in so many of a day's minutes are.
const OFTEN: u32 = 8;
/// What changes from one day to the next is told from so many days before and after.
const BRIEF: usize = 3;
/// So many weeks are remembered for the trend.
const WEEKS: usize = 60;
/// After so many days without anything, what was before is not now.
const GAP: f64 = 14.0;
/// What has changed at one blow has so changed by more than this share,
const BLOW: f64 = 0.08;
/// and stayed within this
const WAVERS: f64 = 0.03;
/// for so many weeks.
const STAYS: usize = 5;
/// How far apart the numbers of two regimes are in that of a pair.
const PAIR: Regime = 16;

/// What was seen in each regime: at first, in the last days, and week by week. Days on which nothing
/// was told do not count: while a machine is off, it does not age.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    /// The means of the first days in each regime.
    first: BTreeMap<Regime, Vec<f64>>,
    /// The day each regime was first met.
    #[serde(default)]
    met: BTreeMap<Regime, f64>,
    /// Whether pairs of regimes are followed, by how far a day's figures in one lie above those in the
    /// other; what changes from day to day for all of them does not come into it.
    #[serde(default)]
    paired: bool,
    /// The day that is now, and its sums.
    today: f64,
    /// Days on which something was told.
    #[serde(default)]
    lived: f64,
    sums: BTreeMap<Regime, (f64, u32)>,
    /// The means of the last days, by those lived.
    #[serde(default, rename = "recent")]
    days: VecDeque<(f64, BTreeMap<Regime, f64>)>,
    /// The ratio to the baseline, week by week.
    #[serde(default, rename = "course")]
    weeks: VecDeque<(f64, f64)>,
    /// What it has come to by its age, if so: a ratio to the baseline.
    #[serde(default)]
    aged: Option<f64>,
}

impl Profile {
    /// A profile of pairs of regimes: of how far a day's figures in one lie above those in the other.
    pub(super) fn of_pairs() -> Self {
        Self {
            paired: true,
            ..Self::default()
        }
    }

    /// Whether it is one of those.
    pub(super) const fn is_of_pairs(&self) -> bool {
        self.paired
    }

    /// Takes a minute's figure in; tells whether a day has ended.
    pub(super) fn take(&mut self, day: f64, regime: Regime, figure: f64) -> bool {
        let ended = self.begin(day.floor());
        let (sum, minutes) = self.sums.entry(regime).or_default();
        *sum += figure;
        *minutes += 1;
        ended
    }

    /// Closes the day before `day`, if there is one.
    fn begin(&mut self, day: f64) -> bool {
        if self.today >= day {
            return false;
        }
        if day - self.today > GAP {
            self.days.clear();
        }
        self.today = day;
        let mut sums = std::mem::take(&mut self.sums);
        sums.retain(|_, (_, minutes)| *minutes >= MINUTES);
        if sums.is_empty() {
            return true;
        }
        self.lived += 1.0;
        let means = if self.paired {
            pairs(&sums)
        } else {
            let means = sums.into_iter();
            means
                .map(|(regime, (sum, minutes))| (regime, tidy(sum / f64::from(minutes))))
                .collect()
        };
        let aged = self.aged.unwrap_or(1.0);
        for (regime, mean) in &means {
            self.met.entry(*regime).or_insert(self.lived);
            let first = self.first.entry(*regime).or_default();
            if first.len() < LEARNT {
                first.push(tidy(mean / aged));
            }
        }
        if !means.is_empty() {
            self.days.push_back((self.lived, means));
        }
        self.forget();
        true
    }

    /// The clock was ahead: it is this day.
    pub(super) const fn rewind(&mut self, day: f64) {
        self.today = self.today.min(day.floor());
    }

    /// Forgets what is long ago; of regimes that are met often, all but the last days.
    fn forget(&mut self) {
        let often: BTreeMap<Regime, f64> = self.now();
        for (at, means) in &mut self.days {
            if *at <= self.lived - NOW {
                means.retain(|regime, _| !often.contains_key(regime));
            }
        }
        let oldest = self.lived - LATELY;
        self.days
            .retain(|(at, means)| *at > oldest && !means.is_empty());
    }

    /// Notes how it stands against the baseline, once a week.
    pub(super) fn note(&mut self, ratio: f64) {
        let due = self
            .weeks
            .back()
            .is_none_or(|(day, _)| day + 7.0 <= self.lived);
        if due {
            self.weeks.push_back((self.lived, tidy(ratio)));
            while self.weeks.len() > WEEKS {
                self.weeks.pop_front();
            }
        }
    }

    /// So much of what it was at first it has come to by its age: what is met from now on is learnt
    /// as it would have been at first.
    pub(super) const fn aged(&mut self, ratio: f64) {
        self.aged = Some(ratio);
    }

    /// The ratio to the baseline, by (day, ratio), in the order of time.
    pub(super) fn weeks(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> + Clone {
        self.weeks.iter().copied()
    }

    /// What it was at first in each regime that is known well enough.
    pub(super) fn first(&self) -> BTreeMap<Regime, f64> {
        let known = self.first.iter().filter(|(regime, days)| {
            let since = self.met.get(regime).map(|met| self.lived - met);
            let is_old = since.is_some_and(|since| since + 1.0 >= real(LEARNT));
            days.len() >= if is_old { FEW } else { LEARNT }
        });
        known
            .filter_map(|(regime, days)| Some((*regime, median(days.iter().copied())?)))
            .collect()
    }

    /// What it is now in each regime that was seen in enough of the last days.
    pub(super) fn now(&self) -> BTreeMap<Regime, f64> {
        let newest = self.days.iter().filter(|(at, _)| *at > self.lived - NOW);
        middles(newest, usize::MAX)
    }

    /// The same, and in regimes that are seldom met what it was there lately.
    pub(super) fn lately(&self) -> BTreeMap<Regime, f64> {
        let mut all = middles(self.days.iter().rev(), ENOUGH);
        all.extend(self.now());
        all
    }

    /// How it stood against the baseline on each of the last days, in the order of time.
    fn daily(&self) -> impl DoubleEndedIterator<Item = f64> {
        let first = self.first();
        let of = move |(_, means): &(f64, BTreeMap<Regime, f64>)| {
            let known = means.iter();
            median(known.filter_map(|(regime, mean)| Some(mean / first.get(regime)?)))
        };
        self.days.iter().filter_map(of)
    }

    /// By how much the ratio has changed from the three days before the last three to these.
    pub(super) fn step(&self) -> Option<f64> {
        let newest: Vec<f64> = self.daily().rev().take(2 * BRIEF).collect();
        let (now, before) = newest.split_at_checked(BRIEF)?;
        (before.len() == BRIEF).then_some(())?;
        let middle = |days: &[f64]| median(days.iter().copied());
        Some(middle(now)? - middle(before)?)
    }

    /// Whether the ratio has changed at one blow and then stayed for weeks, as what ages does not: another
    /// part, another setting. What it is then, if so.
    pub(super) fn settled(&self) -> Option<f64> {
        let newest = self.weeks.iter().rev().map(|(_, ratio)| *ratio);
        let stays = newest.clone().take(STAYS);
        let most = stays.clone().fold(f64::MIN, f64::max);
        let least = stays.fold(f64::MAX, f64::min);
        // In between is the week in which it changed.
        let before = newest.clone().nth(STAYS + 1);
        let middle = f64::midpoint(least, most);
        let off = |before: f64| (before - middle).abs();
        let is_settled = most - least < WAVERS && before.is_some_and(|before| off(before) > BLOW);
        is_settled.then_some(middle)
    }

    /// How far learning is: the first days of the regime that is known best of those met lately.
    pub(super) fn learnt_days(&self) -> usize {
        let met = self.days.iter().flat_map(|(_, means)| means.keys());
        let known = met.filter_map(|regime| self.first.get(regime));
        known.map(Vec::len).max().unwrap_or(0)
    }

    /// Whether any regime is known that is met now.
    pub(super) fn is_learnt(&self) -> bool {
        let first = self.first();
        self.now().keys().any(|regime| first.contains_key(regime))
    }

    /// How far apart the first days of a regime lie, as a share of their middle; the greatest of
    /// all regimes.
    pub(super) fn scatter(&self) -> f64 {
        let of = |days: &Vec<f64>| {
            let middle = median(days.iter().copied())?;
            let off = median(days.iter().map(|day| (day - middle).abs()))?;
            (middle > 0.0).then_some(off / middle)
        };
        let known = self.first.values().filter(|days| days.len() >= LEARNT);
        known.filter_map(of).fold(0.0, f64::max)
    }

    /// Learns the baseline anew, from now on.
    pub(super) fn relearn(&mut self) {
        self.first.clear();
        self.met.clear();
        self.weeks.clear();
        self.days.clear();
        self.aged = None;
    }

    /// What is missing, said of days `at` something.
    pub(super) fn missing(&self, at: &str) -> String {
        let missing = match LEARNT.saturating_sub(self.learnt_days()) {
            // It is known; what is now is not yet.
            0 => ENOUGH,
            days => days,
        };
        let missing = real(missing);
        format!("{missing:.0} more days with at least {MINUTES} minutes {at}")
    }
}

/// The number of the pair of these regimes.
pub(super) const fn pair(lower: Regime, upper: Regime) -> Regime {
    lower * PAIR + upper
}

/// The lower and the upper regime of a pair.
pub(super) const fn of_pair(pair: Regime) -> (Regime, Regime) {
    (pair / PAIR, pair % PAIR)
}

/// How far the means of a day in each regime lie above those in each lower one that is met often.
fn pairs(sums: &BTreeMap<Regime, (f64, u32)>) -> BTreeMap<Regime, f64> {
    let all: u32 = sums.values().map(|(_, minutes)| *minutes).sum();
    let mean = |(sum, minutes): &(f64, u32)| sum / f64::from(*minutes);
    let often = sums
        .iter()
        .filter(|(_, (_, minutes))| minutes * OFTEN >= all);
    let pairs = often.flat_map(|(lower, base)| {
        let above = sums.range(lower + 1..);
        above.map(move |(upper, sum)| (pair(*lower, *upper), tidy(mean(sum) - mean(base))))
    });
    pairs.collect()
}

/// The middle of each regime in the first `most` of `days`, from at least [`ENOUGH`] of them.
fn middles<'a>(
    days: impl Iterator<Item = &'a (f64, BTreeMap<Regime, f64>)>,
    most: usize,
) -> BTreeMap<Regime, f64> {
    let mut all: BTreeMap<Regime, Vec<f64>> = BTreeMap::new();
    for (_, means) in days {
        for (regime, mean) in means {
            let of = all.entry(*regime).or_default();
            if of.len() < most {
                of.push(*mean);
            }
        }
    }
    all.into_iter()
        .filter(|(_, means)| means.len() >= ENOUGH)
        .filter_map(|(regime, means)| Some((regime, median(means)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(profile: &mut Profile, from: u32, count: u32, figure: impl Fn(u32) -> f64) {
        for day in from..from + count {
            for minute in 0..20 {
                let at = f64::from(day) + f64::from(minute) / 1_440.0;
                profile.take(at, 3, figure(day));
            }
        }
    }

    #[test]
    fn the_first_days_are_the_baseline_and_the_last_ones_now() {
        let mut profile = Profile::default();
        days(&mut profile, 100, 10, |_| 20.0);
        assert_eq!(profile.first(), BTreeMap::new());
        assert_eq!(profile.learnt_days(), 9, "the tenth is not over");
        let missing = profile.missing("at the usual load");
        assert_eq!(
            missing,
            "5 more days with at least 10 minutes at the usual load"
        );
        days(
            &mut profile,
            110,
            10,
            |day| if day == 112 { 90.0 } else { 20.0 },
        );
        assert_eq!(
            profile.first(),
            BTreeMap::from([(3, 20.0)]),
            "one day is no matter"
        );
        days(&mut profile, 120, 10, |_| 25.0);
        assert_eq!(profile.first(), BTreeMap::from([(3, 20.0)]));
        assert_eq!(profile.now(), BTreeMap::from([(3, 25.0)]));
        assert_eq!(profile.scatter().to_string(), "0");
        profile.relearn();
        assert_eq!((profile.first(), profile.now()), Default::default());
    }

    #[test]
    fn days_with_too_little_do_not_count_and_old_ones_are_not_now() {
        let mut profile = Profile::default();
        for day in 0..20 {
            profile.take(f64::from(day), 1, 9.0);
        }
        assert_eq!(profile.learnt_days(), 0);
        days(&mut profile, 30, 5, |_| 9.0);
        // A fortnight off: what was before may not be so now; what was learnt holds.
        days(&mut profile, 80, 2, |_| 9.0);
        assert_eq!(profile.now(), BTreeMap::new());
        assert_eq!(profile.learnt_days(), 6);
        assert_eq!(profile.step(), None, "too few days");
        // A few days off are no matter.
        days(&mut profile, 90, 2, |_| 9.0);
        assert_eq!(profile.now(), BTreeMap::from([(3, 9.0)]));
    }

    #[test]
    fn pairs_of_regimes_are_held_against_each_other_day_by_day() {
        let mut profile = Profile::of_pairs();
        for day in 0..20 {
            let room = f64::from(day);
            for minute in 0..200 {
                // The middle regime is met often enough to hold others against it, the highest is not.
                let regime = if minute < 120 {
                    0
                } else if minute < 180 {
                    2
                } else {
                    4
                };
                let figure = room + f64::from(regime) * 10.0;
                profile.take(room, regime, figure);
            }
        }
        let want = [(pair(0, 2), 20.0), (pair(0, 4), 40.0), (pair(2, 4), 20.0)];
        assert_eq!(profile.first(), BTreeMap::from(want));
        assert_eq!(of_pair(pair(2, 4)), (2, 4));
        assert!(profile.is_of_pairs() && profile.is_learnt());
    }

    #[test]
    fn a_clock_that_was_ahead_stops_nothing() {
        let mut profile = Profile::default();
        days(&mut profile, 1_000, 10, |_| 9.0);
        profile.rewind(20.5);
        days(&mut profile, 21, 10, |_| 9.0);
        assert_eq!(profile.first(), BTreeMap::from([(3, 9.0)]));
    }

    #[test]
    fn nothing_met_nothing_learnt() {
        let profile = Profile::default();
        assert!(!profile.is_learnt());
        assert_eq!(profile.learnt_days(), 0);
    }

    #[test]
    fn a_regime_that_is_seldom_met_is_known_from_fewer_days() {
        let mut profile = Profile::default();
        let other = |profile: &mut Profile, from: u32, count: u32| {
            for day in from..from + count {
                for _ in 0..20 {
                    profile.take(f64::from(day), 9, 1.0);
                }
            }
        };
        for week in 0..7 {
            days(&mut profile, 100 + week * 7, 1, |_| 20.0);
            other(&mut profile, 101 + week * 7, 6);
        }
        profile.take(149.0, 9, 1.0);
        assert_eq!(profile.first(), BTreeMap::from([(3, 20.0), (9, 1.0)]));
        assert_eq!(profile.now(), BTreeMap::from([(9, 1.0)]));
        assert_eq!(profile.lately(), BTreeMap::from([(3, 20.0), (9, 1.0)]));
        other(&mut profile, 150, 40);
        let lately = profile.lately();
        assert_eq!(lately, BTreeMap::from([(9, 1.0)]), "long ago");
    }

    #[test]
    fn the_ratio_is_noted_week_by_week_and_bounded() {
        let mut profile = Profile::default();
        for day in 0_u32..600 {
            days(&mut profile, day, 1, |_| 1.0);
            profile.note(1.0);
            profile.note(5.0);
        }
        assert_eq!(profile.weeks().count(), WEEKS);
        assert!(profile.weeks().all(|(_, ratio)| ratio < 2.0));
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
    }
}
