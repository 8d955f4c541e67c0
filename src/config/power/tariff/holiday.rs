use jiff::ToSpan as _;
use jiff::civil::Date;

use super::rates::day_of_year;

/// A day, or one of every year, that counts as another weekday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holiday {
    /// `2026-12-24`: that day.
    On(Date),
    /// `12-25`: month and day, every year.
    Yearly(i8, i8),
    /// `easter`, `easter-2`, `easter+50`: so many days from Easter Sunday.
    Easter(i16),
}

impl Holiday {
    /// Whether it is on `date`.
    pub fn is_on(self, date: Date) -> bool {
        match self {
            Self::On(day) => day == date,
            Self::Yearly(month, day) => (month, day) == (date.month(), date.day()),
            Self::Easter(days) => {
                easter(date.year()).and_then(|day| day.checked_add(days.days()).ok()) == Some(date)
            }
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(days) = text.strip_prefix("easter") {
            let days: i16 = if days.is_empty() {
                0
            } else {
                days.starts_with(['+', '-']).then(|| days.parse().ok())??
            };
            return (-100..=100).contains(&days).then_some(Self::Easter(days));
        }
        let yearly = day_of_year(text).map(|(month, day)| Self::Yearly(month, day));
        yearly.or_else(|| text.parse().ok().map(Self::On))
    }
}

/// Easter Sunday of the Gregorian calendar, by Gauss's rule as Meeus, Jones and Butcher wrote it
/// down without exceptions.
fn easter(year: i16) -> Option<Date> {
    let year = i32::from(year);
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let moon =
        (19 * golden + century - century / 4 - (century - (century + 8) / 25 + 1) / 3 + 15) % 30;
    let week = (32 + 2 * (century % 4) + 2 * (rest / 4) - moon - rest % 4) % 7;
    let late = (golden + 11 * moon + 22 * week) / 451;
    let days = moon + week - 7 * late + 114;
    let (month, day) = (days / 31, days % 31 + 1);
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_by_date_by_year_and_by_easter() {
        for (text, date, on) in [
            ("2026-12-24", "2026-12-24", true),
            ("2026-12-24", "2027-12-24", false),
            ("12-25", "2031-12-25", true),
            ("02-29", "2028-02-29", true),
            ("easter", "2026-04-05", true),
            ("easter", "2027-03-28", true),
            ("easter", "2038-04-25", true),
            ("easter", "2000-04-23", true),
            ("easter-2", "2026-04-03", true),
            ("easter+50", "2026-05-25", true),
            ("easter+50", "2026-05-24", false),
        ] {
            let holiday = Holiday::parse(text).unwrap();
            assert_eq!(holiday.is_on(date.parse().unwrap()), on, "{text} {date}");
        }
        for text in [
            "",
            "13-01",
            "easter1",
            "easter+x",
            "easter+999",
            "1-1",
            "02-30",
            "xx-01",
        ] {
            assert_eq!(Holiday::parse(text), None, "{text}");
        }
    }
}
