use crate::config::Section;

/// Minutes of a day.
pub(super) const DAY: u16 = 1440;

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

impl Window {
    /// Whether it holds in minute `minute` (0 to 1439) of a day that counts as weekday `day`
    /// (0 is Monday), after one that counts as `before`.
    pub(super) fn holds(&self, before: usize, day: usize, minute: u16) -> bool {
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            return on(day) && (self.from..self.to).contains(&minute);
        }
        // Over midnight: the evening of its day, or the morning after.
        (on(day) && minute >= self.from) || (on(before) && minute < self.to)
    }

    pub(super) fn read(name: &str, mut section: Section<'_>) -> Option<Self> {
        let must = "a time of the day such as \"22:00\"";
        let from = section.parsed("from", must, |text| minute(text).filter(|one| *one < DAY));
        let to = section.parsed("to", "a time such as \"06:00\", up to \"24:00\"", |text| {
            minute(text).filter(|one| *one > 0)
        });
        let price = super::price(&mut section, "price");
        let days = section.texts("days");
        for key in ["from", "to", "price"] {
            if !section.has(key) {
                section.fault(key, "is missing");
            }
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
    let mut days = [false; 7];
    for word in words {
        let place = weekday(word)?;
        if let Some(day) = days.get_mut(place) {
            *day = true;
        }
    }
    days.contains(&true).then_some(days)
}

/// `mon` is 0.
pub(super) fn weekday(word: &str) -> Option<usize> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    NAMES.iter().position(|name| *name == word)
}
