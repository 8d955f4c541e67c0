use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::Account;
use crate::config::{TariffConfig, Terms};

/// Energy over a longer time is priced as of its end: it is not known when it was used.
const LONGEST: i64 = 40 * 24 * 3600;

/// What a kWh costs, and what today's and this month's have cost. Prices are those of the moment
/// at which the energy was used: a change of the tariff never touches what is booked.
#[derive(Debug, Clone)]
pub struct Money {
    tariff: Option<TariffConfig>,
    time_zone: TimeZone,
    booked: Booked,
}

/// The sums of the running day and month, as they are kept over restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Booked {
    day: Option<Date>,
    /// Since midnight.
    pub today: Account,
    /// Since the first of the month.
    pub month: Account,
    /// Since the beginning.
    pub whole: Account,
}

impl Money {
    /// Goes on from `booked`. Without a tariff only energy is summed up, by the clock of
    /// `time_zone`.
    pub fn new(tariff: Option<TariffConfig>, time_zone: TimeZone, booked: Booked) -> Self {
        let time_zone = tariff
            .as_ref()
            .map_or(time_zone, |own| own.time_zone.clone());
        Self {
            tariff,
            time_zone,
            booked,
        }
    }

    /// The code of the currency, if there is a tariff.
    pub fn currency(&self) -> Option<&str> {
        Some(&self.tariff.as_ref()?.currency)
    }

    /// By whose clock days begin.
    pub const fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// What is booked, to be kept.
    pub const fn booked(&self) -> Booked {
        self.booked
    }

    /// What a kWh costs at `at`.
    pub fn price(&self, at: Timestamp) -> Option<f64> {
        self.moment(at).1
    }

    /// The local date, and the price.
    fn moment(&self, at: Timestamp) -> (Date, Option<f64>) {
        let local = at.to_zoned(self.time_zone.clone());
        let (date, time) = (local.date(), local.time());
        let price = self.tariff.as_ref().and_then(|tariff| {
            let holds = |terms: &&Terms| terms.since.is_none_or(|since| since <= date);
            let terms = tariff.terms.iter().rfind(holds)?;
            let minute = i32::from(time.hour()) * 60 + i32::from(time.minute());
            let day = date.weekday().to_monday_zero_offset();
            terms.price_at(usize::try_from(day).ok()?, u16::try_from(minute).ok()?)
        });
        (date, price)
    }

    /// Books `energy_kwh` that were used evenly from `from` to `to`; gives what they cost (0
    /// without a tariff).
    pub fn book(&mut self, from: Timestamp, to: Timestamp, energy_kwh: f64) -> f64 {
        if !(energy_kwh > 0.0 && energy_kwh.is_finite()) {
            self.roll(self.moment(to).0);
            return 0.0;
        }
        let span = to.as_second() - from.as_second();
        let (mut cost, mut at) = (0.0, from);
        if (0..=LONGEST).contains(&span) {
            while at < to {
                // Prices and dates change with the minute and at no other time.
                let (now, end) = (self.moment(at), self.moment(to));
                let rest = to.as_second() - at.as_second();
                let next = (at.as_second() / 60 + 1) * 60;
                let next = if now == end && rest < 900 {
                    to
                } else {
                    Timestamp::from_second(next).map_or(to, |next| next.min(to))
                };
                let share = seconds(at, next) / seconds(from, to);
                cost += self.add(now, energy_kwh * share);
                at = next;
            }
        }
        if at == from {
            let now = self.moment(to);
            cost += self.add(now, energy_kwh);
        }
        self.roll(self.moment(to).0);
        cost
    }

    fn add(&mut self, (date, price): (Date, Option<f64>), energy_kwh: f64) -> f64 {
        self.roll(date);
        let cost = energy_kwh * price.unwrap_or(0.0);
        for account in [
            &mut self.booked.today,
            &mut self.booked.month,
            &mut self.booked.whole,
        ] {
            account.energy_kwh += energy_kwh;
            account.cost += cost;
        }
        cost
    }

    /// Begins a new day or month. A clock that is set back begins nothing.
    fn roll(&mut self, date: Date) {
        let Some(last) = self.booked.day else {
            self.booked.day = Some(date);
            return;
        };
        // A clock that was a year ahead for a while must not stop the days for a year.
        let back = last.checked_sub(2.days()).is_ok_and(|limit| date < limit);
        if date <= last && !back {
            return;
        }
        self.booked.day = Some(date);
        self.booked.today = Account::default();
        if (date.year(), date.month()) != (last.year(), last.month()) {
            self.booked.month = Account::default();
        }
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Window;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn terms(since: Option<&str>, price: Option<f64>, windows: Vec<Window>) -> Terms {
        Terms {
            since: since.map(|date| date.parse().unwrap()),
            price,
            windows,
        }
    }

    fn night() -> Window {
        Window {
            name: "night".to_owned(),
            price: 0.1,
            from: 1320,
            to: 360,
            days: [true; 7],
        }
    }

    fn money(terms: Vec<Terms>) -> Money {
        let tariff = TariffConfig {
            currency: "EUR".to_owned(),
            time_zone: berlin(),
            terms,
        };
        Money::new(Some(tariff), TimeZone::UTC, Booked::default())
    }

    fn at(local: &str) -> Timestamp {
        let zoned: jiff::civil::DateTime = local.parse().unwrap();
        zoned.to_zoned(berlin()).unwrap().timestamp()
    }

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn energy_costs_what_it_cost_when_it_was_used() {
        let mut money = money(vec![
            terms(None, Some(0.3), vec![night()]),
            terms(Some("2027-01-01"), Some(0.5), Vec::new()),
        ]);
        assert_eq!(money.currency(), Some("EUR"));
        assert_eq!(money.price(at("2026-12-31T12:00")), Some(0.3));
        assert_eq!(money.price(at("2026-12-31T23:59:59.9")), Some(0.1));
        assert_eq!(money.price(at("2027-01-01T00:00")), Some(0.5));
        // An hour by day and an hour by night, in one piece.
        close(
            money.book(at("2026-12-31T21:00"), at("2026-12-31T23:00"), 2.0),
            0.4,
        );
        // Over midnight, the month and the year, and to other terms.
        close(
            money.book(at("2026-12-31T23:30"), at("2027-01-01T00:30"), 1.0),
            0.3,
        );
        let booked = money.booked();
        close(booked.today.energy_kwh, 0.5);
        close(booked.today.cost, 0.25);
        close(booked.month.cost, 0.25);
        close(booked.whole.cost, 0.7);
        close(booked.whole.energy_kwh, 3.0);
        // Ten seconds around the full hour are split to the second.
        let mut other = super::tests::money(vec![terms(None, Some(0.3), vec![night()])]);
        close(
            other.book(at("2026-05-01T21:59:56"), at("2026-05-01T22:00:06"), 1.0),
            0.4 * 0.3 + 0.6 * 0.1,
        );
    }

    #[test]
    fn a_year_with_two_changes_of_the_clock_costs_what_its_hours_cost() {
        let mut money = money(vec![terms(None, Some(0.3), vec![night()])]);
        let (mut now, end) = (at("2026-01-01T00:00"), at("2027-01-01T00:00"));
        let mut days = 0;
        let mut before = money.booked().day;
        while now < end {
            let next = now.checked_add(30.minutes()).unwrap();
            money.book(now, next, 0.05);
            now = next;
            if money.booked().day != before {
                before = money.booked().day;
                days += 1;
            }
        }
        // 365 nights of 8 h: the night of the lost hour lasts 7, that of the one gained 9.
        let (nights, hours) = (365.0 * 8.0, 365.0 * 24.0);
        close(money.booked().whole.energy_kwh, hours * 0.1);
        let want = nights * 0.1 * 0.1 + (hours - nights) * 0.1 * 0.3;
        assert!((money.booked().whole.cost - want).abs() < 1e-6);
        assert_eq!(days, 366, "the first one and the last midnight included");
        // The day of 23 hours has 7 hours of night instead of 8, of which one begins the day.
        let mut spring = super::tests::money(vec![terms(None, Some(0.3), vec![night()])]);
        let cost = spring.book(at("2026-03-29T00:00"), at("2026-03-30T00:00"), 23.0);
        close(cost, 16.0 * 0.3 + 7.0 * 0.1);
        let cost = spring.book(at("2026-10-25T00:00"), at("2026-10-26T00:00"), 25.0);
        close(cost, 16.0 * 0.3 + 9.0 * 0.1);
    }

    #[test]
    fn odd_clocks_and_odd_energy_book_nothing_twice() {
        let mut money = money(vec![terms(None, Some(0.3), Vec::new())]);
        let noon = at("2026-05-02T12:00");
        for odd in [f64::NAN, -1.0, 0.0, f64::INFINITY] {
            close(money.book(noon, noon, odd), 0.0);
        }
        // No time between, a clock set back, a span of years: priced as of the end.
        close(money.book(noon, noon, 1.0), 0.3);
        close(money.book(noon, at("2026-05-02T11:00"), 1.0), 0.3);
        close(money.book(at("1999-05-02T12:00"), noon, 1.0), 0.3);
        close(money.booked().today.energy_kwh, 3.0);
        // Set back over midnight: the day goes on.
        money.book(at("2026-05-01T23:00"), at("2026-05-01T23:30"), 1.0);
        close(money.booked().today.energy_kwh, 4.0);
        assert_eq!(money.booked().day, Some("2026-05-02".parse().unwrap()));
        // It was a year ahead and comes back.
        money.book(at("2027-05-02T12:00"), at("2027-05-02T12:01"), 1.0);
        money.book(noon, noon, 1.0);
        assert_eq!(money.booked().day, Some("2026-05-02".parse().unwrap()));
        close(money.booked().today.energy_kwh, 1.0);
    }

    #[test]
    fn without_a_tariff_energy_alone_is_summed_up_and_sums_survive() {
        let mut plain = Money::new(None, berlin(), Booked::default());
        assert_eq!(
            (plain.currency(), plain.price(at("2026-05-02T12:00"))),
            (None, None)
        );
        close(
            plain.book(at("2026-05-02T11:00"), at("2026-05-02T12:00"), 1.5),
            0.0,
        );
        let kept = serde_json::to_string(&plain.booked()).unwrap();
        let again = Money::new(None, berlin(), serde_json::from_str(&kept).unwrap());
        close(again.booked().today.energy_kwh, 1.5);
        // A tick after midnight without any energy begins the day.
        let mut again = again;
        again.book(at("2026-05-03T00:00"), at("2026-05-03T00:00:10"), 0.0);
        close(again.booked().today.energy_kwh, 0.0);
        close(again.booked().month.energy_kwh, 1.5);
    }
}
