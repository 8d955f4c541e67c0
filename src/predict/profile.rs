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
/// The usual regime of a day is the least in which at least one in so many of its minutes are.
const OFTEN: u32 = 4;
/// What changes from one day to the next is told from so many days before and after.
const BRIEF: usize = 3;
/// So many weeks are remembered for the trend.
const WEEKS: usize = 60;

/// What was seen in each regime: at first, in the last days, and week by week.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    /// The means of the first days in each regime.
    first: BTreeMap<Regime, Vec<f64>>,
    /// The day each regime was first met.
    #[serde(default)]
    met: BTreeMap<Regime, f64>,
    /// The regime that all others are held against day by day, if they are.
    #[serde(default)]
    beside: Option<Beside>,
    /// The day that is now, and its sums.
    today: f64,
    sums: BTreeMap<Regime, (f64, u32)>,
    /// The means of the last days.
    days: VecDeque<(f64, BTreeMap<Regime, f64>)>,
    /// The ratio to the baseline, week by week.
    weeks: VecDeque<(f64, f64)>,
    /// What it has come to by its age, if so: a ratio to the baseline.
    #[serde(default)]
    aged: Option<f64>,
}

/// What the other regimes of a day are held against: the figure of that day in the usual one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Beside {
    usual: Option<Regime>,
    /// The last day on which it was met.
    day: f64,
}

impl Profile {
    /// A profile of how far the figures of a day lie above that day's in the usual regime.
    pub(super) fn beside_the_usual() -> Self {
        Self {
            beside: Some(Beside::default()),
            ..Self::default()
        }
    }

    /// Whether it is one of those.
    pub(super) const fn is_beside_the_usual(&self) -> bool {
        self.beside.is_some()
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
        let sums = std::mem::take(&mut self.sums);
        let mut enough: BTreeMap<_, _> = sums
            .into_iter()
            .filter(|(_, (_, n))| *n >= MINUTES)
            .collect();
        let ended = std::mem::replace(&mut self.today, day);
        if self.beside.is_some() {
            self.hold_beside(ended, &mut enough);
        }
        let means: BTreeMap<_, _> = enough
            .into_iter()
            .map(|(regime, (sum, minutes))| (regime, tidy(sum / f64::from(minutes))))
            .collect();
        let aged = self.aged.unwrap_or(1.0);
        for (regime, mean) in &means {
            self.met.entry(*regime).or_insert(ended);
            let first = self.first.entry(*regime).or_default();
            if first.len() < LEARNT {
                first.push(tidy(mean / aged));
            }
        }
        if !means.is_empty() {
            self.days.push_back((ended, means));
        }
        self.forget(day);
        true
    }

    /// Turns the sums of a day into those above its usual regime.
    fn hold_beside(&mut self, day: f64, sums: &mut BTreeMap<Regime, (f64, u32)>) {
        let all: u32 = sums.values().map(|(_, minutes)| *minutes).sum();
        let mut often = sums
            .iter()
            .filter(|(_, (_, minutes))| minutes * OFTEN >= all);
        let least = often.next().map(|(regime, _)| *regime);
        let beside = self.beside.get_or_insert_default();
        if beside.usual.is_some() && day - beside.day > real(LEARNT) {
            // Its habits have changed.
            self.relearn();
        }
        let beside = self.beside.get_or_insert_default();
        let usual = beside.usual.or(least);
        let figure = usual.and_then(|usual| sums.remove(&usual));
        let Some((sum, minutes)) = figure else {
            sums.clear();
            return;
        };
        (beside.usual, beside.day) = (usual, day);
        let mean = sum / f64::from(minutes);
        for (sum, minutes) in sums.values_mut() {
            *sum -= mean * f64::from(*minutes);
        }
    }

    /// Forgets what is long ago; of regimes that are met often, all but the last days.
    fn forget(&mut self, day: f64) {
        let often: BTreeMap<Regime, f64> = self.now();
        for (at, means) in &mut self.days {
            if *at <= day - NOW - 1.0 {
                means.retain(|regime, _| !often.contains_key(regime));
            }
        }
        self.days
            .retain(|(at, means)| *at > day - LATELY && *at < day && !means.is_empty());
    }

    /// Notes how it stands against the baseline, once a week.
    pub(super) fn note(&mut self, ratio: f64) {
        let due = self
            .weeks
            .back()
            .is_none_or(|(day, _)| day + 7.0 <= self.today);
        if due {
            self.weeks.push_back((self.today, tidy(ratio)));
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
            let since = self.met.get(regime).map(|met| self.today - met);
            let is_old = since.is_some_and(|since| since >= real(LEARNT));
            days.len() >= if is_old { FEW } else { LEARNT }
        });
        known
            .filter_map(|(regime, days)| Some((*regime, median(days.iter().copied())?)))
            .collect()
    }

    /// What it is now in each regime that was seen in enough of the last days.
    pub(super) fn now(&self) -> BTreeMap<Regime, f64> {
        let newest = self
            .days
            .iter()
            .filter(|(at, _)| *at > self.today - NOW - 1.0);
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

    /// How far learning is: the days of the regime that is known best.
    pub(super) fn learnt_days(&self) -> usize {
        self.first.values().map(Vec::len).max().unwrap_or(0)
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
        if self.beside.is_some() {
            self.beside = Some(Beside::default());
        }
        self.weeks.clear();
        self.days.clear();
        self.aged = None;
    }

    /// What is missing, said of days `at` something.
    pub(super) fn missing(&self, at: &str) -> String {
        let missing = real(LEARNT) - real(self.learnt_days());
        format!("{missing:.0} more days with at least {MINUTES} minutes {at}")
    }
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
        profile.take(80.0, 3, 9.0);
        assert_eq!(profile.now(), BTreeMap::new());
    }

    #[test]
    fn a_regime_that_is_seldom_met_is_known_from_fewer_days() {
        let mut profile = Profile::default();
        for week in 0..7 {
            days(&mut profile, 100 + week * 7, 1, |_| 20.0);
        }
        profile.take(149.0, 9, 1.0);
        assert_eq!(profile.first(), BTreeMap::from([(3, 20.0)]));
        assert_eq!(profile.now(), BTreeMap::new());
        assert_eq!(profile.lately(), BTreeMap::from([(3, 20.0)]));
        assert_eq!(profile.step(), None, "too few days");
        profile.take(200.0, 9, 1.0);
        assert_eq!(profile.lately(), BTreeMap::new(), "long ago");
    }

    #[test]
    fn the_ratio_is_noted_week_by_week_and_bounded() {
        let mut profile = Profile::default();
        for day in 0_u32..600 {
            profile.take(f64::from(day), 1, 1.0);
            profile.note(1.0);
            profile.note(5.0);
        }
        assert_eq!(profile.weeks().count(), WEEKS);
        assert!(profile.weeks().all(|(_, ratio)| ratio < 2.0));
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
    }
}
