//! What each service used today, this month, and usually does in a day: read off the day book.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::book::Day;
use super::ledger::Account;

/// What is usual is the mean of so many days before today.
const DAYS: i64 = 14;
/// With fewer of them nothing is usual yet.
const ENOUGH: u32 = 7;
/// A day counts that was watched for so long, s: three quarters of it.
const WATCHED: f64 = 18.0 * 3600.0;
/// Less in a day is nobody's concern, kWh.
const LEAST: f64 = 0.05;

/// What every service uses, as of the last look into the day book.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Habits(BTreeMap<String, Habit>);

/// What one service uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Habit {
    /// Since midnight.
    pub today: Account,
    /// Since the first of the month.
    pub month: Account,
    /// In a day, kWh; `None` while it is too young, or too little to matter.
    pub usual_kwh: Option<f64>,
}

impl Habit {
    /// What it used today, as a share of what is usual for a whole day, %.
    pub fn of_usual_pct(&self) -> Option<f64> {
        Some(self.today.energy_kwh / self.usual_kwh? * 100.0)
    }
}

impl Habits {
    /// The first day that is needed to know habits on `today`.
    pub fn first(today: Date) -> Date {
        let before = today.checked_sub(DAYS.days()).unwrap_or(today);
        before.min(today.first_of_month())
    }

    /// Reads them off `days`, which go from [`Habits::first`] to `today`.
    pub fn of(days: &BTreeMap<Date, Day>, today: Date) -> Self {
        let usual_from = today.checked_sub(DAYS.days()).unwrap_or(today);
        let whole = |(date, day): &(&Date, &Day)| {
            (usual_from..today).contains(date) && day.host.watched_s >= WATCHED
        };
        let whole: Vec<&Day> = days.iter().filter(whole).map(|(_, day)| day).collect();
        let names: BTreeSet<&String> = days.values().flat_map(|day| day.services.keys()).collect();
        let habits = names.into_iter().map(|name| {
            let sum = |from: Date| {
                let mut account = Account::default();
                for (_, day) in days.range(from..=today) {
                    if let Some(used) = day.services.get(name) {
                        account.energy_kwh += used.energy_kwh;
                        account.cost += used.cost;
                    }
                }
                account
            };
            let used = whole.iter().filter_map(|day| day.services.get(name));
            let used: Vec<f64> = used.map(|used| used.energy_kwh).collect();
            let habit = Habit {
                today: sum(today),
                month: sum(today.first_of_month()),
                usual_kwh: usual(&used),
            };
            (name.clone(), habit)
        });
        Self(habits.collect())
    }

    /// What the service called `name` uses.
    pub fn get(&self, name: &str) -> Option<&Habit> {
        self.0.get(name)
    }
}

/// The mean of the days on which it ran, if they are enough and it matters.
fn usual(used: &[f64]) -> Option<f64> {
    let count = u32::try_from(used.len()).ok()?;
    if count < ENOUGH {
        return None;
    }
    let mean = used.iter().sum::<f64>() / f64::from(count);
    (mean >= LEAST).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{HostDay, Sum};

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn day(watched_h: f64, services: &[(&str, f64)]) -> Day {
        let services = services.iter().map(|(name, energy_kwh)| {
            let sum = Sum {
                energy_kwh: *energy_kwh,
                cost: energy_kwh / 2.0,
                peak_w: 0.0,
            };
            ((*name).to_owned(), sum)
        });
        Day {
            host: HostDay {
                watched_s: watched_h * 3600.0,
                ..HostDay::default()
            },
            services: services.collect(),
            ..Day::default()
        }
    }

    #[test]
    fn what_is_usual_is_the_mean_of_enough_whole_days() {
        let today = date("2026-05-10");
        assert_eq!(Habits::first(today), date("2026-04-26"));
        assert_eq!(Habits::first(date("2026-05-20")), date("2026-05-01"));
        let mut days = BTreeMap::new();
        for n in 0..14_i64 {
            let date = today.checked_sub((n + 1).days()).unwrap();
            let mut services = vec![("jellyfin", 1.0), ("small", 0.001)];
            if n < 6 {
                services.push(("young", 2.0));
            }
            days.insert(date, day(24.0, &services));
        }
        // One that was hardly watched, and one too long ago.
        days.insert(date("2026-05-05"), day(3.0, &[("jellyfin", 50.0)]));
        days.insert(date("2026-04-20"), day(24.0, &[("jellyfin", 50.0)]));
        days.insert(today, day(9.0, &[("jellyfin", 3.0), ("new", 1.0)]));
        let habits = Habits::of(&days, today);
        let jellyfin = habits.get("jellyfin").unwrap();
        assert!((jellyfin.usual_kwh.unwrap() - 1.0).abs() < 1e-9);
        assert!((jellyfin.of_usual_pct().unwrap() - 300.0).abs() < 1e-6);
        assert!((jellyfin.today.cost - 1.5).abs() < 1e-9);
        assert!((jellyfin.month.energy_kwh - 61.0).abs() < 1e-9);
        for quiet in ["small", "young", "new"] {
            let habit = habits.get(quiet).unwrap();
            assert_eq!((habit.usual_kwh, habit.of_usual_pct()), (None, None));
        }
        assert_eq!(habits.get("nobody"), None);
    }
}
