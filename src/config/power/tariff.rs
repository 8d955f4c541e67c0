mod feed;
mod holiday;
mod rates;
mod terms;
mod tier;
mod window;

pub use feed::{DynamicConfig, FeedConfig};
pub use holiday::Holiday;
pub use rates::{Rates, Season};
pub use terms::{Standing, Terms};
pub use tier::{Period, Step, StepPrice, Tiers};
pub use window::Window;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::Section;

/// The most that a kWh may cost, either way; above it the decimal point is in the wrong place.
pub const DEAREST: f64 = 1000.0;

/// `[power.tariff]`: what a kWh costs, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct TariffConfig {
    /// ISO 4217 code in capital letters.
    pub currency: String,
    /// Where the clock times are meant.
    pub time_zone: TimeZone,
    /// Days that count as another weekday.
    pub holidays: Vec<Holiday>,
    /// The weekday that they count as, 0 is Monday.
    pub holidays_as: usize,
    /// How long the cheapest stretch is that is looked for, hours.
    pub cheapest_hours: u8,
    /// The terms, each from its date on, in order; the first ones hold before that as well.
    pub terms: Vec<Terms>,
}

impl TariffConfig {
    /// A tariff of `terms` in `currency`, without holidays.
    pub const fn new(currency: String, time_zone: TimeZone, terms: Vec<Terms>) -> Self {
        Self {
            currency,
            time_zone,
            holidays: Vec::new(),
            holidays_as: SUNDAY,
            cheapest_hours: CHEAPEST,
            terms,
        }
    }

    /// The terms that hold on `date`.
    pub fn terms_on(&self, date: Date) -> Option<&Terms> {
        let holds = |terms: &&Terms| terms.since.is_none_or(|since| since <= date);
        self.terms.iter().rfind(holds)
    }

    /// What `terms` ask for a kWh in minute `minute` (0 to 1439) of `date`, without steps, dynamic
    /// prices and tax.
    pub fn listed(&self, terms: &Terms, date: Date, minute: u16) -> Option<f64> {
        let before = date.yesterday().unwrap_or(date);
        let (before, day) = (self.counts_as(before), self.counts_as(date));
        terms.rates_on(date).price_at(before, day, minute)
    }

    /// Whether a kWh does not cost the same at all times, apart from changes and steps.
    pub fn varies(&self) -> bool {
        self.terms.iter().any(|terms| {
            let seasons = terms.seasons.iter().any(|season| season.rates.varies());
            terms.dynamic.is_some() || terms.rates.varies() || seasons
        })
    }

    /// The weekday that `date` counts as, 0 is Monday.
    fn counts_as(&self, date: Date) -> usize {
        if self.holidays.iter().any(|holiday| holiday.is_on(date)) {
            return self.holidays_as;
        }
        usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default()
    }

    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let given = !section.keys().is_empty();
        let currency = section.parsed(
            "currency",
            "a currency's code of three capital letters such as \"EUR\"",
            |text| {
                let fits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
                fits.then(|| text.to_owned())
            },
        );
        if given && !section.has("currency") {
            section.fault("currency", "is missing; such as \"EUR\"");
        }
        let time_zone = section.parsed(
            "time_zone",
            "the name of a time zone such as \"Europe/Berlin\"",
            |text| TimeZone::get(text).ok(),
        );
        let holidays = holidays(&mut section);
        let day = "a day of the week such as \"sun\"";
        let holidays_as = section.parsed("holidays_as", day, window::weekday);
        let holidays_as = holidays_as.unwrap_or(SUNDAY);
        let cheapest = section.integer("cheapest_hours", 1..=24);
        let cheapest = cheapest.and_then(|hours| u8::try_from(hours).ok());
        let holiday = (!holidays.is_empty()).then_some(holidays_as);
        let code = currency.as_deref();
        let changes = section.sections("changes");
        let mut terms = vec![Terms::read(&mut section, None, given, (holiday, code))];
        for (_, mut change) in changes {
            let since = change.parsed("since", "a date such as \"2027-01-01\"", |text| {
                text.parse::<Date>().ok()
            });
            if !change.has("since") {
                change.fault("since", "is missing; such as \"2027-01-01\"");
            }
            let twice = since.is_some() && terms.iter().any(|terms| terms.since == since);
            if twice {
                change.fault("since", "is the date of another change as well");
            }
            let read = Terms::read(&mut change, since, true, (holiday, code));
            change.finish();
            if since.is_some() {
                terms.push(read);
            }
        }
        section.finish();
        terms.sort_by_key(|terms| terms.since);
        Some(Self {
            currency: currency?,
            time_zone: time_zone.unwrap_or_else(TimeZone::system),
            holidays,
            holidays_as,
            cheapest_hours: cheapest.unwrap_or(CHEAPEST),
            terms,
        })
    }
}

const SUNDAY: usize = 6;
const CHEAPEST: u8 = 3;

fn holidays(section: &mut Section<'_>) -> Vec<Holiday> {
    let words = section.texts("holidays").unwrap_or_default();
    let mut holidays = Vec::with_capacity(words.len());
    for word in words {
        match Holiday::parse(&word) {
            Some(holiday) => holidays.push(holiday),
            None => section.fault(
                "holidays",
                format!(
                    "(\"{word}\") must be days such as \"2026-12-24\", \"12-25\" or \"easter+1\""
                ),
            ),
        }
    }
    holidays
}

/// A price under `key`.
fn price(section: &mut Section<'_>, key: &str) -> Option<f64> {
    section.number(key, -DEAREST..=DEAREST)
}

#[cfg(test)]
mod tests;
