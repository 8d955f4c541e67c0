//! A figure by the regime it was measured in (the load, the drive of a fan), held against what
//! it was there at first: at that very load, as far as what was learnt beside it tells.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::point::{self, MINUTES, Point, Regime, Sum};
use super::trend::{Line, line, median, real, tidy};

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
/// What changes from one day to the next is told from so many days before and after.
const BRIEF: usize = 3;
/// So many weeks are remembered for the trend.
pub(super) const WEEKS: usize = 60;
/// After so many days without anything, what was before is not now.
const GAP: f64 = 14.0;
/// What has changed at one blow has so changed by more than this share,
const BLOW: f64 = 0.08;
/// and stayed within this
const WAVERS: f64 = 0.03;
/// for so many weeks.
const STAYS: usize = 5;
/// So many days are remembered one by one,
const MARKS: usize = 35;
/// and so many make a trend.
const CREEPS: usize = 20;
/// Each half of what creeps has at least this share of its pace: what has changed at one blow has not.
const EVEN: f64 = 0.3;

/// What was seen in each regime: at first, in the last days, and week by week. Days on which nothing
/// was told do not count: while a machine is off, it does not age.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    /// The means of the first days in each regime.
    first: BTreeMap<Regime, Vec<Point>>,
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
    sums: BTreeMap<Regime, Sum>,
    /// The means of the last days, by those lived.
    #[serde(default, rename = "recent")]
    days: VecDeque<(f64, BTreeMap<Regime, Point>)>,
    /// The ratio to the baseline, week by week.
    #[serde(default, rename = "course")]
    weeks: VecDeque<(f64, f64)>,
    /// The same day by day.
    #[serde(default)]
    marks: VecDeque<(f64, f64)>,
    /// When it last got better at one blow, by days lived.
    #[serde(default)]
    renewed: Option<f64>,
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

    /// Takes in what was so for some minutes; tells whether a day has ended.
    pub(super) fn take(&mut self, day: f64, minutes: f64, regime: Regime, point: Point) -> bool {
        let ended = self.begin(day.floor());
        self.sums.entry(regime).or_default().take(minutes, point);
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
        sums.retain(|_, sum| sum.counts());
        if sums.is_empty() {
            return true;
        }
        self.lived += 1.0;
        let means = if self.paired {
            point::pairs(&sums)
        } else {
            let means = sums.into_iter();
            means.map(|(regime, sum)| (regime, sum.mean())).collect()
        };
        let aged = self.aged.unwrap_or(1.0);
        for (regime, mean) in &means {
            self.met.entry(*regime).or_insert(self.lived);
            let first = self.first.entry(*regime).or_default();
            if first.len() < LEARNT {
                first.push(Point {
                    figure: tidy(mean.figure / aged),
                    ..*mean
                });
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
        let often = self.now();
        for (at, means) in &mut self.days {
            if *at <= self.lived - NOW {
                means.retain(|regime, _| !often.contains_key(regime));
            }
        }
        let oldest = self.lived - LATELY;
        self.days
            .retain(|(at, means)| *at > oldest && !means.is_empty());
    }

    /// Notes how it stands against the baseline, once a week, and as soon as that is known after a long time off.
    pub(super) fn note(&mut self, ratio: f64) {
        let due = self
            .weeks
            .back()
            .is_none_or(|(day, _)| day + 7.0 <= self.lived);
        if due || self.days.len() == ENOUGH {
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
    pub(super) fn first(&self) -> BTreeMap<Regime, Point> {
        let known = self.first.iter().filter(|(regime, days)| {
            let since = self.met.get(regime).map(|met| self.lived - met);
            let is_old = since.is_some_and(|since| since + 1.0 >= real(LEARNT));
            days.len() >= if is_old { FEW } else { LEARNT }
        });
        known
            .filter_map(|(regime, days)| Some((*regime, point::middle(days.iter())?)))
            .collect()
    }

    /// What it is now in each regime that was seen in enough of the last days.
    pub(super) fn now(&self) -> BTreeMap<Regime, Point> {
        middles(self.newest(), usize::MAX)
    }

    /// The same, and in regimes that are seldom met what it was there lately.
    pub(super) fn lately(&self) -> BTreeMap<Regime, Point> {
        let mut all = middles(self.days.iter().rev(), ENOUGH);
        all.extend(self.now());
        all
    }

    /// What each regime that is met lately was expected to be, as it was at first, and what it is.
    pub(super) fn both(&self) -> BTreeMap<Regime, (f64, f64)> {
        self.against(&self.first(), &self.lately())
    }

    /// The same of those that are met now.
    pub(super) fn both_now(&self) -> BTreeMap<Regime, (f64, f64)> {
        self.against(&self.first(), &self.now())
    }

    fn against(
        &self,
        first: &BTreeMap<Regime, Point>,
        now: &BTreeMap<Regime, Point>,
    ) -> BTreeMap<Regime, (f64, f64)> {
        let both = now.iter().filter_map(|(regime, now)| {
            let expected = if self.paired {
                // What load adds, it adds by the percent.
                let own = first.get(regime).filter(|own| own.at > 0.0)?;
                own.figure * now.at / own.at
            } else {
                point::expected(first, *regime, now.at)?
            };
            Some((*regime, (expected, now.figure)))
        });
        both.collect()
    }

    /// The last days.
    fn newest(&self) -> impl DoubleEndedIterator<Item = &(f64, BTreeMap<Regime, Point>)> {
        self.days.iter().filter(|(at, _)| *at > self.lived - NOW)
    }

    /// How it stood against the baseline on each of the last days, in the order of time.
    fn daily(&self) -> impl DoubleEndedIterator<Item = f64> {
        let first = self.first();
        let of = move |(_, means): &(f64, BTreeMap<Regime, Point>)| {
            let both = self.against(&first, means);
            median(both.into_values().map(|(first, now)| now / first))
        };
        self.newest().filter_map(of)
    }

    /// Notes how the day that has ended stands against the baseline, by what of it `speaks`.
    pub(super) fn mark(&mut self, speaks: impl Fn(&BTreeMap<Regime, (f64, f64)>) -> Option<f64>) {
        let Some((at, means)) = self.days.back().filter(|(at, _)| *at >= self.lived) else {
            return;
        };
        let at = *at;
        let both = self.against(&self.first(), means);
        if let Some(ratio) = speaks(&both) {
            self.marks.push_back((at, tidy(ratio)));
            while self.marks.len() > MARKS {
                self.marks.pop_front();
            }
        }
    }

    /// Whether it has got better at one blow of late: by a season it does so over months.
    pub(super) fn is_renewed(&self) -> bool {
        self.renewed.is_some_and(|at| at + LATELY > self.lived)
    }

    /// The line along which it surely gets more from day to day, if it does.
    pub(super) fn rises(&self) -> Option<Line> {
        let oldest = self.lived - real(MARKS) * 1.5;
        let marks = self.marks.iter().copied();
        let marks = marks.filter(|(at, _)| *at > oldest);
        let is_enough = marks.clone().count() >= CREEPS;
        line(marks).filter(|line| is_enough && line.rises())
    }

    /// The same, if it does so all the time and not at one blow.
    pub(super) fn creeps(&self) -> Option<Line> {
        let all = self.rises()?;
        let marks: Vec<_> = self.marks.iter().copied().collect();
        let (early, late) = marks.split_at(marks.len() / 2);
        let halves = [early, late]
            .into_iter()
            .filter_map(|half| line(half.iter().copied()));
        let even = halves.filter(|half| half.slope >= all.slope * EVEN).count();
        (even > 1).then_some(all)
    }

    /// Forgets how it was before it got better at one blow, as what is cleaned or mended does.
    pub(super) fn renew(&mut self) {
        let blow = BLOW + self.wavers();
        if self.step().is_some_and(|step| step < -blow) {
            self.renewed = Some(self.lived);
            let since = self.newest().rev().take(BRIEF).last().map(|(at, _)| *at);
            self.days.retain(|(at, _)| Some(*at) >= since);
            self.marks.clear();
        }
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

    /// How far apart the first days of a regime lie, as a share of their middle.
    pub(super) fn scatter(&self, regime: Regime) -> Option<f64> {
        let first = self.first();
        let days = self.first.get(&regime)?;
        median(days.iter().filter_map(|day| {
            let expected = point::expected(&first, regime, day.at)?;
            Some((day.figure / expected - 1.0).abs())
        }))
    }

    /// The same of the regime that is furthest apart.
    pub(super) fn wavers(&self) -> f64 {
        let all = self.first.keys().filter_map(|regime| self.scatter(*regime));
        all.fold(0.0, f64::max)
    }

    /// Learns the baseline anew, from now on.
    pub(super) fn relearn(&mut self) {
        self.first.clear();
        self.met.clear();
        self.weeks.clear();
        self.marks.clear();
        self.renewed = None;
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
        format!("{missing:.0} more days with at least {MINUTES:.0} minutes {at}")
    }
}

/// The middle of each regime in the first `most` of `days`, from at least [`ENOUGH`] of them.
fn middles<'a>(
    days: impl Iterator<Item = &'a (f64, BTreeMap<Regime, Point>)>,
    most: usize,
) -> BTreeMap<Regime, Point> {
    let mut all: BTreeMap<Regime, Vec<Point>> = BTreeMap::new();
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
        .filter_map(|(regime, means)| Some((regime, point::middle(means.iter())?)))
        .collect()
}
