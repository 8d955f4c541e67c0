use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Account;
use super::price::{Basis, Known, Priced, Pricing, Quote, Turn, Used};
use crate::config::{TariffConfig, Terms};

/// Longer than this between two looks and the standing charge of the days between is not made up:
/// a clock that was set. Days.
const LONGEST: i32 = 400;
/// A clock that is set back by no more than this has been there before. Days.
const BACK: i32 = -40;

/// What a kWh costs, and what today's and this month's have cost. Prices are those of the moment
/// at which the energy was used: a change of the tariff never touches what is booked.
#[derive(Debug, Clone)]
pub struct Money {
    tariff: Option<TariffConfig>,
    time_zone: TimeZone,
    booked: Booked,
}

/// The sums of the running day and month, as they are kept over restarts. Only ever add fields:
/// what older versions kept must stay readable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Booked {
    pub(super) day: Option<Date>,
    /// When the first look of all was taken; `None` before it, and where older versions have not
    /// kept it.
    pub(super) begun: Option<Timestamp>,
    /// Since midnight.
    pub today: Account,
    /// Since the first of the month.
    pub month: Account,
    /// Since the beginning.
    pub whole: Account,
    /// What was paid whatever was used.
    pub standing: Charges,
    /// Energy that was priced with a fallback since a dynamic price was not known, kWh.
    pub fallback_kwh: Sums,
    /// CO₂, kg.
    pub co2_kg: Sums,
    /// What the house fed in at a price, kWh.
    pub returned_kwh: Sums,
    /// What was paid for that.
    pub earned: Sums,
}

/// A figure summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sums {
    /// Since midnight.
    pub today: f64,
    /// Since the first of the month.
    pub month: f64,
    /// Since the beginning.
    pub whole: f64,
}

/// Standing charges, each day's once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Charges {
    /// The last day that is in it.
    through: Option<Date>,
    /// The sums.
    pub sums: Sums,
}

/// What is told from outside of the configuration.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// The price of a kWh by the terms, before steps and tax.
    pub price: &'a dyn Fn(&Terms, Timestamp) -> Option<f64>,
    /// What a kWh emits, g.
    pub g_per_kwh: &'a dyn Fn(Timestamp) -> Option<f64>,
}

impl Told<'_> {
    /// Nothing is told.
    pub const NOTHING: Told<'static> = Told {
        price: &|_, _| None,
        g_per_kwh: &|_| None,
    };
}

impl Sums {
    fn add(&mut self, more: f64) {
        self.today += more;
        self.month += more;
        self.whole += more;
    }

    /// Begins a new day, or with `turn` a new month.
    fn begin(&mut self, turn: Turn) {
        if turn == Turn::Month {
            self.month = 0.0;
        }
        self.today = 0.0;
    }
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

    /// The tariff, if there is one.
    pub const fn tariff(&self) -> Option<&TariffConfig> {
        self.tariff.as_ref()
    }

    /// By whose clock days begin.
    pub const fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// What is booked, to be kept.
    pub const fn booked(&self) -> Booked {
        self.booked
    }

    /// Tariff and time zone.
    pub const fn pricing(&self) -> Pricing<'_> {
        Pricing {
            tariff: self.tariff.as_ref(),
            time_zone: &self.time_zone,
        }
    }

    /// What a kWh costs at `at`, if nothing more is used before that.
    pub fn quote(&self, at: Timestamp, told: Told<'_>) -> Option<Quote> {
        let known = |terms: &Terms, at| (told.price)(terms, at).map(Known::Net);
        self.pricing().quote(at, &self.used(), &known)
    }

    /// What was used up to now.
    const fn used(&self) -> Used {
        Used {
            day: self.booked.day,
            today_kwh: self.booked.today.energy_kwh,
            month_kwh: self.booked.month.energy_kwh,
        }
    }

    /// Books `energy_kwh` that were used evenly from `from` to `to`; gives what they cost (0
    /// without a tariff).
    pub fn book(&mut self, from: Timestamp, to: Timestamp, energy_kwh: f64, told: Told<'_>) -> f64 {
        let mut cost = 0.0;
        if self.booked.day.is_none() {
            self.booked.begun = Some(from.min(to));
        }
        if energy_kwh > 0.0 && energy_kwh.is_finite() {
            let known = |terms: &Terms, at| (told.price)(terms, at).map(Known::Net);
            let mut pieces = Vec::new();
            let (pricing, mut used) = (self.pricing(), self.used());
            pricing.pieces((from, to), energy_kwh, &mut used, &known, |piece| {
                pieces.push(piece);
            });
            for piece in &pieces {
                cost += self.add(piece, (told.g_per_kwh)(piece.at));
            }
        }
        let date = self.pricing().local(to).date();
        self.roll(date);
        self.charge(date);
        cost
    }

    /// The same of a time on one day that may lie before days that are booked already: then it is no
    /// part of today.
    pub fn make_up(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        energy_kwh: f64,
        told: Told<'_>,
    ) -> f64 {
        let before = self.booked;
        let cost = self.book(from, to, energy_kwh, told);
        let date = self.pricing().local(from).date();
        if let Some(today) = before.day.filter(|today| date < *today) {
            self.booked.today = before.today;
            self.booked.co2_kg.today = before.co2_kg.today;
            self.booked.fallback_kwh.today = before.fallback_kwh.today;
            if date < today.first_of_month() {
                self.booked.month = before.month;
                self.booked.co2_kg.month = before.co2_kg.month;
                self.booked.fallback_kwh.month = before.fallback_kwh.month;
            }
        }
        cost
    }

    /// Books `energy_kwh` that the house has fed in up to `at` at the price that is paid for it by
    /// the terms of that day; nothing where none is.
    pub fn feed_in(
        &mut self,
        at: Timestamp,
        energy_kwh: f64,
        price: impl FnOnce(&Terms) -> Option<f64>,
    ) {
        let date = self.pricing().local(at).date();
        let terms = self
            .tariff
            .as_ref()
            .and_then(|tariff| tariff.terms_on(date));
        let Some(price) = terms.and_then(price) else {
            return;
        };
        self.roll(date);
        self.booked.returned_kwh.add(energy_kwh);
        self.booked.earned.add(energy_kwh * price);
    }

    fn add(&mut self, piece: &Priced, g_per_kwh: Option<f64>) -> f64 {
        self.roll(piece.date);
        let cost = piece.cost();
        for account in [
            &mut self.booked.today,
            &mut self.booked.month,
            &mut self.booked.whole,
        ] {
            account.energy_kwh += piece.energy_kwh;
            account.cost += cost;
        }
        if piece
            .quote
            .is_some_and(|quote| quote.basis == Basis::Fallback)
        {
            self.booked.fallback_kwh.add(piece.energy_kwh);
        }
        if let Some(g_per_kwh) = g_per_kwh {
            self.booked
                .co2_kg
                .add(piece.energy_kwh * g_per_kwh / 1000.0);
        }
        cost
    }

    /// Begins a new day or month.
    fn roll(&mut self, date: Date) {
        let turn = Turn::of(self.booked.day, date);
        match turn {
            Turn::Nothing => return,
            Turn::Day => {}
            Turn::Month => self.booked.month = Account::default(),
        }
        self.booked.day = Some(date);
        self.booked.today = Account::default();
        for sums in [
            &mut self.booked.standing.sums,
            &mut self.booked.fallback_kwh,
            &mut self.booked.co2_kg,
            &mut self.booked.returned_kwh,
            &mut self.booked.earned,
        ] {
            sums.begin(turn);
        }
    }

    /// Books the standing charge of every day up to `date` that is not booked yet: the meter is
    /// paid for while this machine is off, too.
    fn charge(&mut self, date: Date) {
        let Some(tariff) = &self.tariff else { return };
        let through = self.booked.standing.through;
        let missed = through.map_or(LONGEST, |last| {
            last.until(date).map_or(LONGEST, |span| span.get_days())
        });
        if (BACK..=0).contains(&missed) {
            return;
        }
        let first = through.filter(|_| (1..LONGEST).contains(&missed));
        let first = first.and_then(|last| last.tomorrow().ok()).unwrap_or(date);
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
        for day in days.take_while(|day| *day <= date) {
            let charge = tariff
                .terms_on(day)
                .map_or(0.0, |terms| terms.standing_on(day));
            let sums = &mut self.booked.standing.sums;
            sums.whole += charge;
            if (day.year(), day.month()) == (date.year(), date.month()) {
                sums.month += charge;
            }
            if day == date {
                sums.today += charge;
            }
        }
        self.booked.standing.through = Some(date);
    }
}

#[cfg(test)]
mod tests;
