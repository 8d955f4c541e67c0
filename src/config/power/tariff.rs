use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::Section;

/// Minutes of a day and of a week.
const DAY: u16 = 1440;
const WEEK: usize = 7 * 1440;
/// The most that a kWh may cost, either way; above it the decimal point is in the wrong place.
const DEAREST: f64 = 1000.0;

/// `[power.tariff]`: what a kWh costs, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct TariffConfig {
    /// ISO 4217 code in capital letters.
    pub currency: String,
    /// Where the clock times are meant.
    pub time_zone: TimeZone,
    /// The terms, each from its date on; the first ones hold before that as well.
    pub terms: Vec<Terms>,
}

/// Prices that hold from a date on.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The first day on which they hold; `None` means always.
    pub since: Option<Date>,
    /// Price of a kWh outside of all windows.
    pub price: Option<f64>,
    /// Times with a price of their own; no two of them hold at once, and without a price outside
    /// of them they leave no gap.
    pub windows: Vec<Window>,
}

/// A time of the day with a price of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// What it is called.
    pub name: String,
    /// Price of a kWh.
    pub price: f64,
    /// The minute of the day at which it begins, 0 to 1439.
    pub from: u16,
    /// The minute of the day at which it ends, 1 to 1440; at or before `from`: on the next day.
    pub to: u16,
    /// The days on which it begins, Monday first.
    pub days: [bool; 7],
}

impl Terms {
    /// The price of a kWh in minute `minute` (0 to 1439) of a week's day (0 is Monday).
    pub fn price_at(&self, day: usize, minute: u16) -> Option<f64> {
        let window = self.windows.iter().find(|one| one.holds(day, minute));
        window.map(|window| window.price).or(self.price)
    }
}

impl Window {
    fn holds(&self, day: usize, minute: u16) -> bool {
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            return on(day) && (self.from..self.to).contains(&minute);
        }
        // Over midnight: the evening of its day, or the morning after.
        (on(day) && minute >= self.from) || (on(day + 6) && minute < self.to)
    }

    fn read(name: &str, mut section: Section<'_>) -> Option<Self> {
        let must = "a time of the day such as \"22:00\"";
        let from = section.parsed("from", must, |text| minute(text).filter(|one| *one < DAY));
        let to = section.parsed("to", "a time such as \"06:00\", up to \"24:00\"", |text| {
            minute(text).filter(|one| *one > 0)
        });
        let price = price(&mut section);
        let days = section.texts("days");
        for (key, there) in [("from", section.has("from")), ("to", section.has("to"))] {
            if !there {
                section.fault(key, "is missing");
            }
        }
        if !section.has("price") {
            section.fault("price", "is missing");
        }
        let days = match days {
            None => Some([true; 7]),
            Some(words) => days_of(&words).or_else(|| {
                let must = "must list days such as [\"mon\", \"tue\"]";
                section.fault("days", must);
                None
            }),
        };
        section.finish();
        Some(Self {
            name: name.to_owned(),
            price: price?,
            from: from?,
            to: to?,
            days: days?,
        })
    }
}

fn price(section: &mut Section<'_>) -> Option<f64> {
    section.number("price", -DEAREST..=DEAREST)
}

/// `22:00` as a minute of the day; `24:00` is its end.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes): (u16, u16) = (
        Some(hours).filter(|text| two(text))?.parse().ok()?,
        Some(minutes).filter(|text| two(text))?.parse().ok()?,
    );
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

fn days_of(words: &[String]) -> Option<[bool; 7]> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let mut days = [false; 7];
    for word in words {
        let place = NAMES.iter().position(|name| name == word)?;
        if let Some(day) = days.get_mut(place) {
            *day = true;
        }
    }
    days.contains(&true).then_some(days)
}

impl Terms {
    fn read(section: &mut Section<'_>, since: Option<Date>) -> Self {
        let price = price(section);
        let windows = section.sections("windows").into_iter();
        let count = windows.len();
        let windows: Vec<_> = windows
            .filter_map(|(name, section)| Window::read(&name, section))
            .collect();
        let terms = Self {
            since,
            price,
            windows,
        };
        // A faulty window would only look like a gap.
        if terms.windows.len() == count {
            terms.check(section);
        }
        terms
    }

    /// Notes where two windows hold at once, or no price does.
    fn check(&self, section: &Section<'_>) {
        let mut gap = None;
        for place in 0..WEEK {
            let day = place / usize::from(DAY);
            let minute = u16::try_from(place % usize::from(DAY)).unwrap_or_default();
            let mut holding = self.windows.iter().filter(|one| one.holds(day, minute));
            let (first, second) = (holding.next(), holding.next());
            if let (Some(first), Some(second)) = (first, second) {
                let text = format!(
                    "\"{}\" and \"{}\" overlap on {}: each minute has one price",
                    first.name,
                    second.name,
                    told(day, minute)
                );
                section.fault("windows", text);
                return;
            }
            if first.is_none() && self.price.is_none() {
                gap.get_or_insert((day, minute));
            }
        }
        let Some((day, minute)) = gap else { return };
        if self.windows.is_empty() {
            section.fault("price", "is missing");
        } else {
            let text = format!(
                "leave a gap on {}: add a window there, or a price for all other times",
                told(day, minute)
            );
            section.fault("windows", text);
        }
    }
}

/// `Monday at 06:00`.
fn told(day: usize, minute: u16) -> String {
    const NAMES: [&str; 7] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let name = NAMES.get(day).copied().unwrap_or_default();
    format!("{name} at {:02}:{:02}", minute / 60, minute % 60)
}

impl TariffConfig {
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
        let mut terms = Vec::new();
        let changes = section.sections("changes");
        if given {
            terms.push(Terms::read(&mut section, None));
        } else {
            // So that every key is known to be one.
            section.number("price", -DEAREST..=DEAREST);
            section.section("windows").finish();
        }
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
            let read = Terms::read(&mut change, since);
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
            terms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;
    use config::{File, FileFormat, Source as _, Value};

    fn read(text: &str) -> (Option<TariffConfig>, String) {
        let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
        let problems = Problems::default();
        let section = Section::new("power.tariff".to_owned(), Value::from(table), &problems);
        let tariff = TariffConfig::read(section);
        let told: Vec<_> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        (tariff, told.join("\n"))
    }

    fn fine(text: &str) -> TariffConfig {
        let (tariff, told) = read(text);
        assert_eq!(told, "", "{text}");
        tariff.unwrap()
    }

    const HEAD: &str = "currency = \"EUR\"\ntime_zone = \"Europe/Berlin\"\n";

    #[test]
    fn prices_are_found_by_day_and_minute_over_midnight_too() {
        let text = format!(
            "{HEAD}price = 0.3\n[windows.night]\nprice = 0.2\nfrom = \"22:00\"\nto = \"06:00\"\n\
             days = [\"mon\", \"sun\"]\n[windows.noon]\nprice = -0.01\nfrom = \"12:00\"\nto = \"14:30\"\n"
        );
        let tariff = fine(&text);
        let terms = &tariff.terms[0];
        for (day, minute, price) in [
            (0, 0, 0.2),
            (0, 359, 0.2),
            (0, 360, 0.3),
            (0, 1319, 0.3),
            (0, 1320, 0.2),
            (1, 359, 0.2),
            (1, 1320, 0.3),
            (2, 0, 0.3),
            (6, 1439, 0.2),
            (3, 720, -0.01),
            (3, 869, -0.01),
            (3, 870, 0.3),
        ] {
            assert_eq!(terms.price_at(day, minute), Some(price), "{day} {minute}");
        }
    }

    #[test]
    fn windows_alone_must_cover_the_week() {
        let day = "[windows.day]\nprice = 0.3\nfrom = \"06:00\"\nto = \"22:00\"\n";
        let night = "[windows.night]\nprice = 0.2\nfrom = \"22:00\"\nto = \"06:00\"\n";
        assert_eq!(
            fine(&format!("{HEAD}{day}{night}")).terms[0].windows.len(),
            2
        );
        let all = "[windows.all]\nprice = 0.3\nfrom = \"00:00\"\nto = \"24:00\"\n";
        fine(&format!("{HEAD}{all}"));
        let told = read(&format!("{HEAD}{day}")).1;
        assert!(
            told.contains("power.tariff.windows: leave a gap on Monday at 00:00"),
            "{told}"
        );
        let early = night.replace("\"06:00\"", "\"05:00\"");
        let told = read(&format!("{HEAD}{day}{early}")).1;
        assert!(told.contains("a gap on Monday at 05:00"), "{told}");
        let late = night.replace("\"06:00\"", "\"07:00\"");
        let told = read(&format!("{HEAD}{day}{late}")).1;
        assert!(
            told.contains("\"day\" and \"night\" overlap on Monday at 06:00"),
            "{told}"
        );
    }

    #[test]
    fn changes_hold_from_their_date_on_in_order() {
        let text = format!(
            "{HEAD}price = 0.3\n[changes.later]\nsince = \"2028-01-01\"\nprice = 0.4\n\
             [changes.sooner]\nsince = \"2027-01-01\"\nprice = 0.35\n"
        );
        let prices: Vec<_> = fine(&text).terms.iter().map(|terms| terms.price).collect();
        assert_eq!(prices, [Some(0.3), Some(0.35), Some(0.4)]);
    }

    #[test]
    fn every_fault_is_told_with_what_would_be_right() {
        assert_eq!(read(""), (None, String::new()));
        for (text, words) in [
            ("price = 0.3", "power.tariff.currency: is missing"),
            ("currency = \"euro\"\nprice = 0.3", "three capital letters"),
            ("currency = \"EUR\"", "power.tariff.price: is missing"),
            ("currency = \"EUR\"\nprice = 2000", "from -1000 to 1000"),
            (
                "currency = \"EUR\"\nprice = 1\ntime_zone = \"Mars\"",
                "a time zone such as",
            ),
            (
                "currency = \"EUR\"\nprice = 1\nprise = 2",
                "power.tariff.prise: is not a known key",
            ),
            (
                "currency = \"EUR\"\nprice = 1\n[windows.a]\nfrom = \"24:00\"\nto = \"00:00\"\ndays = [\"mo\"]",
                "power.tariff.windows.a.from: (\"24:00\")",
            ),
            (
                "currency = \"EUR\"\nprice = 1\n[windows.a]",
                "power.tariff.windows.a.to: is missing",
            ),
            (
                "currency = \"EUR\"\nprice = 1\n[windows.a]\nfrom = \"1:00\"\nto = \"02:60\"\nprice = 1\ndays = []",
                "windows.a.days: must list days",
            ),
            (
                "currency = \"EUR\"\nprice = 1\n[changes.a]\nprice = 2",
                "changes.a.since: is missing",
            ),
            (
                "currency = \"EUR\"\nprice = 1\n[changes.a]\nsince = \"2027-13-01\"\nprice = 2",
                "a date such as",
            ),
            (
                "currency = \"EUR\"\nprice = 1\n[changes.a]\nsince = \"2027-01-01\"\nprice = 2\n\
                 [changes.b]\nsince = \"2027-01-01\"\nprice = 3",
                "another change",
            ),
        ] {
            let told = read(text).1;
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}
