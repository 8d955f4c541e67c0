//! What energy costs that is used at a time: the one place where a tariff is applied.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::config::{Period, TariffConfig, Terms};

/// Energy over a longer time is priced as of its end: it is not known when it was used. Seconds.
const LONGEST: i64 = 40 * 24 * 3600;

/// Where a price comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// It stands in the configuration.
    Listed,
    /// It was told for that time.
    Dynamic,
    /// It stands in the configuration for when it is not told.
    Fallback,
}

impl Basis {
    /// Every word that is published.
    pub const WORDS: &'static [&'static str] = &["listed", "dynamic", "fallback"];

    /// The word that is published.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Dynamic => "dynamic",
            Self::Fallback => "fallback",
        }
    }
}

/// What a kWh costs at a moment, with tax.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote {
    /// In the owner's currency; negative where one is paid for using energy.
    pub price: f64,
    /// Where it comes from.
    pub basis: Basis,
}

/// What is known of a price from elsewhere than the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Known {
    /// A price that was told, before steps and tax.
    Net(f64),
    /// What a kWh did cost, all in all.
    Whole(f64),
}

/// How much was used already on a day and in its month; steps of a tariff depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// The day.
    pub day: Option<Date>,
    /// Since its midnight, kWh.
    pub today_kwh: f64,
    /// Since the first of its month, kWh.
    pub month_kwh: f64,
}

/// What a new date begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    Day,
    Month,
}

impl Turn {
    /// From `last` to `date`. A clock that is set back begins nothing, unless it was a year ahead
    /// for a while: that must not stop the days for a year.
    pub(super) fn of(last: Option<Date>, date: Date) -> Self {
        let Some(last) = last else {
            return Self::Month;
        };
        let back = date.duration_until(last).as_hours() > 40 * 24;
        if date <= last && !back {
            Self::Nothing
        } else if (date.year(), date.month()) == (last.year(), last.month()) {
            Self::Day
        } else {
            Self::Month
        }
    }
}

impl Used {
    fn roll(&mut self, date: Date) {
        match Turn::of(self.day, date) {
            Turn::Nothing => return,
            Turn::Day => {}
            Turn::Month => self.month_kwh = 0.0,
        }
        self.today_kwh = 0.0;
        self.day = Some(date);
    }

    fn add(&mut self, energy_kwh: f64) {
        self.today_kwh += energy_kwh;
        self.month_kwh += energy_kwh;
    }

    const fn within(&self, period: Period) -> f64 {
        match period {
            Period::Day => self.today_kwh,
            Period::Month => self.month_kwh,
        }
    }
}

/// Energy that was used on one day at one price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Priced {
    /// When it began.
    pub at: Timestamp,
    /// The local date.
    pub date: Date,
    /// How much, kWh.
    pub energy_kwh: f64,
    /// What it cost; `None` without a tariff.
    pub quote: Option<Quote>,
}

impl Priced {
    /// What it cost; 0 without a tariff.
    pub fn cost(&self) -> f64 {
        self.quote
            .map_or(0.0, |quote| quote.price * self.energy_kwh)
    }
}

/// A tariff, if there is one, and the place on earth whose days count.
#[derive(Debug, Clone, Copy)]
pub struct Pricing<'a> {
    /// What energy costs.
    pub tariff: Option<&'a TariffConfig>,
    /// Where midnight is.
    pub time_zone: &'a TimeZone,
}

impl Pricing<'_> {
    /// Local date and time.
    pub(super) fn local(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.time_zone.clone())
    }

    /// What a kWh costs at `at`, when so much was `used` before and `known` was told.
    pub fn quote(
        &self,
        at: Timestamp,
        used: &Used,
        known: &dyn Fn(&Terms, Timestamp) -> Option<Known>,
    ) -> Option<Quote> {
        let (terms, asked, basis) = self.net(at, known)?;
        let (price, _) = asked.price(terms, used);
        Some(Quote { price, basis })
    }

    /// The terms at `at`, and what they ask before steps and tax.
    fn net(
        &self,
        at: Timestamp,
        known: &dyn Fn(&Terms, Timestamp) -> Option<Known>,
    ) -> Option<(&Terms, Known, Basis)> {
        let tariff = self.tariff?;
        let local = self.local(at);
        let date = local.date();
        let terms = tariff.terms_on(date)?;
        let (told, missing) = match terms.dynamic {
            Some(_) => (Basis::Dynamic, Basis::Fallback),
            None => (Basis::Listed, Basis::Listed),
        };
        if let Some(known) = known(terms, at) {
            return Some((terms, known, told));
        }
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let listed = tariff.listed(terms, date, u16::try_from(minute).ok()?)?;
        Some((terms, Known::Net(listed), missing))
    }

    /// Cuts `energy_kwh` that were used evenly from `from` to `to` where the day or the price
    /// changes, and hands over each piece. `used` goes on with it.
    pub fn pieces(
        &self,
        (from, to): (Timestamp, Timestamp),
        energy_kwh: f64,
        used: &mut Used,
        known: &dyn Fn(&Terms, Timestamp) -> Option<Known>,
        mut each: impl FnMut(Priced),
    ) {
        let span = to.as_second() - from.as_second();
        if from >= to || span > LONGEST {
            // A clock that was set, or years.
            self.piece(to, energy_kwh, used, known, &mut each);
            return;
        }
        let grain = self.tariff.map_or(QUARTER, grain);
        let whole = seconds(from, to);
        let mut at = from;
        while at < to {
            let next = (at.as_second().div_euclid(grain) + 1) * grain;
            let next = Timestamp::from_second(next).map_or(to, |next| next.min(to));
            let share = seconds(at, next) / whole;
            self.piece(at, energy_kwh * share, used, known, &mut each);
            at = next;
        }
    }

    /// Energy that was used at one moment, cut where a step of the tariff begins.
    fn piece(
        &self,
        at: Timestamp,
        energy_kwh: f64,
        used: &mut Used,
        known: &dyn Fn(&Terms, Timestamp) -> Option<Known>,
        each: &mut impl FnMut(Priced),
    ) {
        let date = self.local(at).date();
        used.roll(date);
        let asked = self.net(at, known);
        let mut rest = energy_kwh;
        while rest > 0.0 {
            let priced = asked.map(|(terms, asked, basis)| {
                let (price, left_kwh) = asked.price(terms, used);
                (Quote { price, basis }, left_kwh)
            });
            let (quote, left_kwh) = priced.unzip();
            let part = left_kwh.flatten().map_or(rest, |left: f64| left.min(rest));
            used.add(part);
            rest -= part;
            each(Priced {
                at,
                date,
                energy_kwh: part,
                quote,
            });
        }
    }
}

impl Known {
    /// What a kWh costs with steps and tax, and for how many more that holds.
    fn price(self, terms: &Terms, used: &Used) -> (f64, Option<f64>) {
        let net = match self {
            Self::Whole(price) => return (price, None),
            Self::Net(net) => net,
        };
        let Some(tiers) = &terms.tiers else {
            return (terms.taxed(net), None);
        };
        let used_kwh = used.within(tiers.per);
        let (price, upto) = tiers.price(net, used_kwh);
        (terms.taxed(price), upto.map(|upto| upto - used_kwh))
    }
}

/// The longest time, in seconds, within which no price changes: offsets of time zones are whole
/// quarters of an hour, and windows begin where they are told to.
fn grain(tariff: &TariffConfig) -> i64 {
    let terms = tariff.terms.iter();
    let rates = terms.clone().flat_map(|terms| {
        let seasons = terms.seasons.iter().map(|season| &season.rates);
        seasons.chain([&terms.rates])
    });
    let borders = rates.flat_map(|rates| rates.windows.iter().flat_map(|one| [one.from, one.to]));
    let dynamic = terms.clone().any(|terms| terms.dynamic.is_some());
    // No market deals in less than five minutes.
    let coarsest = if dynamic { 5 } else { 15 };
    let fits = [15, 5].into_iter().find(|minutes| {
        *minutes <= coarsest && borders.clone().all(|border| border % minutes == 0)
    });
    60 * i64::from(fits.unwrap_or(1))
}

const QUARTER: i64 = 900;

pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests;
