use jiff::civil::Date;

use super::Window;
use super::window::DAY;
use crate::config::Section;

/// Prices by the time of the day and the weekday.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rates {
    /// Price of a kWh outside of all windows.
    pub price: Option<f64>,
    /// Times with a price of their own; no two of them hold at once, and without a price outside
    /// of them they leave no gap.
    pub windows: Vec<Window>,
}

/// A part of the year with prices of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Season {
    /// What it is called.
    pub name: String,
    /// Its first day, month and day.
    pub from: (i8, i8),
    /// Its last day; before `from`: in the next year.
    pub to: (i8, i8),
    /// Its prices, from midnight on.
    pub rates: Rates,
}

/// How two days that follow each other count, each as a weekday from 0, which is Monday.
type Pair = (usize, usize);

impl Rates {
    /// The price of a kWh in minute `minute` (0 to 1439) of a day that counts as weekday `day` (0
    /// is Monday), after one that counts as `before`.
    pub fn price_at(&self, before: usize, day: usize, minute: u16) -> Option<f64> {
        let mut windows = self.windows.iter();
        let window = windows.find(|one| one.holds(before, day, minute));
        window.map(|window| window.price).or(self.price)
    }

    /// Whether the price changes within a day.
    pub const fn varies(&self) -> bool {
        !self.windows.is_empty()
    }

    /// Whether nothing at all was given.
    pub(super) const fn is_empty(&self) -> bool {
        self.price.is_none() && self.windows.is_empty()
    }

    /// Reads `price` and `windows`; `None` if one of them was faulty and told.
    pub(super) fn read(section: &mut Section<'_>) -> (Self, bool) {
        let given = section.has("price");
        let price = super::price(section, "price");
        let windows = section.sections("windows").into_iter();
        let count = windows.len();
        let windows: Vec<_> = windows
            .filter_map(|(name, section)| Window::read(&name, section))
            .collect();
        // A faulty window would only look like a gap.
        let sound = windows.len() == count && given == price.is_some();
        (Self { price, windows }, sound)
    }

    /// Notes where two windows hold at once, or no price does; a holiday counts as the weekday
    /// `holiday`, if there are any.
    pub(super) fn check(&self, section: &Section<'_>, holiday: Option<usize>) {
        let usual = (0..7).map(|day| ((day + 6) % 7, day));
        let around = holiday.into_iter().flat_map(|holiday| {
            let after = (0..7).map(move |day| (holiday, day));
            after.chain((0..7).map(move |day| (day, holiday)))
        });
        let mut gap = None;
        for pair in usual.chain(around) {
            for minute in 0..DAY {
                let mut holding = self
                    .windows
                    .iter()
                    .filter(|one| one.holds(pair.0, pair.1, minute));
                let (first, second) = (holding.next(), holding.next());
                if let (Some(first), Some(second)) = (first, second) {
                    let text = format!(
                        "\"{}\" and \"{}\" overlap on {}: each minute has one price",
                        first.name,
                        second.name,
                        told(pair, minute)
                    );
                    section.fault("windows", text);
                    return;
                }
                if first.is_none() && self.price.is_none() {
                    gap.get_or_insert((pair, minute));
                }
            }
        }
        let Some((pair, minute)) = gap else { return };
        if self.windows.is_empty() {
            section.fault("price", "is missing");
        } else {
            let text = format!(
                "leave a gap on {}: add a window there, or a price for all other times",
                told(pair, minute)
            );
            section.fault("windows", text);
        }
    }
}

/// `Monday at 06:00`.
fn told((before, day): Pair, minute: u16) -> String {
    const NAMES: [&str; 7] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let name = |day: usize| NAMES.get(day).copied().unwrap_or_default();
    let beside = if (before + 1) % 7 == day {
        String::new()
    } else {
        // Around a holiday.
        format!(" after a day that counts as {}", name(before))
    };
    format!(
        "{}{beside} at {:02}:{:02}",
        name(day),
        minute / 60,
        minute % 60
    )
}

impl Season {
    /// Whether `date` is in it.
    pub fn holds(&self, date: Date) -> bool {
        let day = (date.month(), date.day());
        if self.from <= self.to {
            (self.from..=self.to).contains(&day)
        } else {
            day >= self.from || day <= self.to
        }
    }

    fn read(name: &str, mut section: Section<'_>, holiday: Option<usize>) -> Option<Self> {
        let must = "a day of the year such as \"10-01\"";
        let from = section.parsed("from", must, day_of_year);
        let to = section.parsed("to", must, day_of_year);
        for key in ["from", "to"] {
            if !section.has(key) {
                section.fault(key, "is missing; such as \"10-01\"");
            }
        }
        let (rates, sound) = Rates::read(&mut section);
        if sound {
            rates.check(&section, holiday);
        }
        section.finish();
        Some(Self {
            name: name.to_owned(),
            from: from?,
            to: to?,
            rates,
        })
    }

    /// The seasons below `section`, and whether they leave days of the year out. Two that share a
    /// day are a fault.
    pub(super) fn read_all(section: &mut Section<'_>, holiday: Option<usize>) -> (Vec<Self>, bool) {
        let tables = section.sections("seasons").into_iter();
        let count = tables.len();
        let seasons: Vec<_> = tables
            .filter_map(|(name, table)| Self::read(&name, table, holiday))
            .collect();
        if seasons.len() < count {
            return (seasons, false);
        }
        let mut gap = false;
        // A leap year has every day that there is.
        let mut date = Date::constant(2028, 1, 1);
        while date.year() == 2028 {
            let mut holding = seasons.iter().filter(|one| one.holds(date));
            let (first, second) = (holding.next(), holding.next());
            if let (Some(first), Some(second)) = (first, second) {
                let text = format!(
                    "\"{}\" and \"{}\" share {}: each day is in one of them",
                    first.name,
                    second.name,
                    date.strftime("%m-%d")
                );
                section.fault("seasons", text);
                break;
            }
            gap |= first.is_none();
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        (seasons, gap)
    }
}

/// `10-01` as month and day; the 29th of February is one.
pub(super) fn day_of_year(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !two(month) || !two(day) {
        return None;
    }
    let date = Date::new(2028, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some((date.month(), date.day()))
}
