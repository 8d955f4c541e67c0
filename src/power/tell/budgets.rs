//! What is published of budgets and habits.

use std::sync::Arc;

use super::metrics;
use crate::config::{BudgetConfig, Limit, Period};
use crate::model::{Area, Reading, Subject, Timestamp};
use crate::power::budget::Course;
use crate::power::metrics::{
    FORECAST_KWH, FORECAST_PCT, LIMIT_KWH, OF_USUAL, TODAY, USED_KWH, USED_PCT, USUAL,
};
use crate::power::{Account, Habit, Habits, Money};

/// The budgets, each with what it is told as.
pub(in crate::power) struct Budgets(Vec<(BudgetConfig, Arc<Subject>)>);

impl Budgets {
    pub(in crate::power) fn new(budgets: &[BudgetConfig]) -> Self {
        let budgets = budgets.iter().map(|budget| {
            let id = format!("budget-{}", budget.name);
            let label = format!("Budget {}", budget.name);
            (budget.clone(), Subject::of_host(Area::Power, &id, &label))
        });
        Self(budgets.collect())
    }

    /// How much of each is used at `now`, and how much will be.
    pub(in crate::power) fn tell(
        &self,
        now: Timestamp,
        money: &Money,
        habits: &Habits,
    ) -> Vec<Reading> {
        let readings = self.0.iter().filter_map(|(budget, subject)| {
            let used = used(budget, money, habits);
            let since = money.booked().begun;
            let course = Course::of(budget.per, now, since, money.time_zone())?;
            let (used, limit) = match budget.limit {
                Limit::Energy(limit) => (used.energy_kwh, limit),
                Limit::Money(limit) => (used.cost, limit),
            };
            let forecast = course.forecast(used);
            let mut reading = Reading::new(subject).with(&USED_PCT, used / limit * 100.0);
            reading.push(&FORECAST_PCT, forecast.map(|end| end / limit * 100.0));
            let figures = match budget.limit {
                Limit::Energy(_) => Some((&USED_KWH, &FORECAST_KWH, &LIMIT_KWH)),
                Limit::Money(_) => {
                    metrics(money).map(|money| (&money.used, &money.forecast, &money.limit))
                }
            };
            if let Some((used_so_far, at_the_end, most)) = figures {
                reading.push(used_so_far, Some(used));
                reading.push(at_the_end, forecast);
                reading.push(most, Some(limit));
            }
            let of = budget.service.as_deref().unwrap_or("host");
            let detail = [("of", of), ("per", budget.per.word())];
            let detail = detail.map(|(key, word)| (key.to_owned(), word.into()));
            reading.detail = Some(detail.into_iter().collect());
            Some(reading)
        });
        readings.collect()
    }
}

/// What was used of a budget; nothing by a service that is not in the day book.
fn used(budget: &BudgetConfig, money: &Money, habits: &Habits) -> Account {
    let booked = money.booked();
    let (today, month) = match &budget.service {
        None => (booked.today, booked.month),
        Some(name) => {
            let habit = habits.get(name).copied().unwrap_or_default();
            (habit.today, habit.month)
        }
    };
    match budget.per {
        Period::Day => today,
        Period::Month => month,
    }
}

/// What a service used today beside what is usual for a whole day.
pub(super) fn habit(habit: Option<&Habit>, reading: &mut Reading) {
    let Some(habit) = habit else { return };
    reading.push(&TODAY, Some(habit.today.energy_kwh));
    reading.push(&USUAL, habit.usual_kwh);
    reading.push(&OF_USUAL, habit.of_usual_pct());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{TariffConfig, Terms};
    use crate::model::Value;
    use crate::power::{Day, HostDay, Sum, Told};
    use std::collections::BTreeMap;

    fn figure(reading: &Reading, key: &str) -> Option<f64> {
        let figure = reading.value(key).and_then(Value::as_number)?;
        Some((figure * 1000.0).round() / 1000.0)
    }

    #[test]
    fn what_is_used_is_told_beside_what_it_comes_to() {
        let utc = jiff::tz::TimeZone::UTC;
        let tariff = TariffConfig::new("EUR".to_owned(), utc.clone(), vec![Terms::flat(0.5)]);
        let mut money = Money::new(Some(tariff), utc, crate::power::Booked::default());
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let noon = at("2026-05-01T12:00:00Z");
        money.book(at("2026-05-01T00:00:00Z"), noon, 6.0, Told::NOTHING);
        let sum = Sum {
            energy_kwh: 2.0,
            cost: 1.0,
            peak_w: 0.0,
        };
        let day = Day {
            host: HostDay {
                watched_s: 86_400.0,
                ..HostDay::default()
            },
            services: BTreeMap::from([("jellyfin".to_owned(), sum)]),
            ..Day::default()
        };
        let dates = (20..=31).map(|day| format!("2026-04-{:02}", day.min(30)).parse().unwrap());
        let mut days: BTreeMap<_, _> = dates.map(|date| (date, day.clone())).collect();
        days.insert("2026-05-01".parse().unwrap(), day);
        let habits = Habits::of(&days, "2026-05-01".parse().unwrap());
        let budget = |name: &str, per, limit, service: Option<&str>| BudgetConfig {
            name: name.to_owned(),
            per,
            limit,
            service: service.map(str::to_owned),
        };
        let budgets = Budgets::new(&[
            budget("today", Period::Day, Limit::Energy(8.0), None),
            budget("money", Period::Month, Limit::Money(30.0), None),
            budget("media", Period::Day, Limit::Money(0.8), Some("jellyfin")),
            budget("none", Period::Month, Limit::Energy(1.0), Some("nobody")),
        ]);
        let told = budgets.tell(noon, &money, &habits);
        let all = |key: &str| told.iter().map(|one| figure(one, key)).collect::<Vec<_>>();
        assert_eq!(
            all("used_pct"),
            [Some(75.0), Some(10.0), Some(125.0), Some(0.0)]
        );
        let pct = [Some(150.0), None, Some(250.0), None];
        assert_eq!(all("forecast_pct"), pct, "of a month too little has passed");
        assert_eq!(all("forecast_kwh"), [Some(12.0), None, None, None]);
        assert_eq!(all("used_eur"), [None, Some(3.0), Some(1.0), None]);
        assert_eq!(all("limit_kwh"), [Some(8.0), None, None, Some(1.0)]);
        assert_eq!(told[2].detail.as_ref().unwrap()["of"], "jellyfin");
        let free = Money::new(
            None,
            jiff::tz::TimeZone::UTC,
            crate::power::Booked::default(),
        );
        let told = budgets.tell(noon, &free, &Habits::default());
        assert_eq!(figure(&told[1], "used_eur"), None);
        let subject = Subject::of_host(Area::Power, "service-jellyfin", "Jellyfin");
        let mut service = Reading::new(&subject);
        habit(habits.get("jellyfin"), &mut service);
        assert_eq!(figure(&service, "usual_day_kwh"), Some(2.0));
        assert_eq!(figure(&service, "of_usual_pct"), Some(100.0));
        let before = service.values.len();
        habit(None, &mut service);
        assert_eq!(service.values.len(), before);
    }
}
