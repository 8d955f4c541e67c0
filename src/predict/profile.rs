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
/// So many weeks are remembered for the trend.
const WEEKS: usize = 60;

/// What was seen in each regime: at first, in the last days, and week by week.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    /// The means of the first days in each regime.
    first: BTreeMap<Regime, Vec<f64>>,
    /// The day that is now, and its sums.
    today: f64,
    sums: BTreeMap<Regime, (f64, u32)>,
    /// The means of the last days.
    days: VecDeque<(f64, BTreeMap<Regime, f64>)>,
    /// The ratio to the baseline, week by week.
    weeks: VecDeque<(f64, f64)>,
}

impl Profile {
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
        let enough = sums.into_iter().filter(|(_, (_, n))| *n >= MINUTES);
        let means: BTreeMap<_, _> = enough
            .map(|(regime, (sum, minutes))| (regime, tidy(sum / f64::from(minutes))))
            .collect();
        for (regime, mean) in &means {
            let first = self.first.entry(*regime).or_default();
            if first.len() < LEARNT {
                first.push(*mean);
            }
        }
        let ended = std::mem::replace(&mut self.today, day);
        if !means.is_empty() {
            self.days.push_back((ended, means));
        }
        self.days
            .retain(|(at, _)| *at > day - NOW - 1.0 && *at < day);
        true
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

    /// The ratio to the baseline, by (day, ratio), in the order of time.
    pub(super) fn weeks(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> + Clone {
        self.weeks.iter().copied()
    }

    /// What it was at first in each regime that is known well enough.
    pub(super) fn first(&self) -> BTreeMap<Regime, f64> {
        let known = self.first.iter().filter(|(_, days)| days.len() >= LEARNT);
        known
            .filter_map(|(regime, days)| Some((*regime, median(days.iter().copied())?)))
            .collect()
    }

    /// What it is now in each regime that was seen in enough of the last days.
    pub(super) fn now(&self) -> BTreeMap<Regime, f64> {
        let mut all: BTreeMap<Regime, Vec<f64>> = BTreeMap::new();
        for (_, means) in &self.days {
            for (regime, mean) in means {
                all.entry(*regime).or_default().push(*mean);
            }
        }
        all.into_iter()
            .filter(|(_, means)| means.len() >= ENOUGH)
            .filter_map(|(regime, means)| Some((regime, median(means)?)))
            .collect()
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
        self.weeks.clear();
        self.days.clear();
    }

    /// What is missing, said of days `at` something.
    pub(super) fn missing(&self, at: &str) -> String {
        let missing = real(LEARNT) - real(self.learnt_days());
        format!("{missing:.0} more days with at least {MINUTES} minutes {at}")
    }
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
