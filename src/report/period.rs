//! What span of time a report is about: a running or a past day, week, month or year, or any range,
//! in local time; and the spans that it is held against.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span as Step, Timestamp, ToSpan as _, Zoned};

/// What is told of a period that cannot be read.
const FORMS: &str = "a period is day, week, month or year (so far), yesterday, last-week, \
                     last-month or last-year, a date such as 2026-05-31, 2026-05 or 2026, or \
                     FROM..TO of two dates such as 2026-05-01..2026-05-31 or of two moments such as \
                     2026-05-01T06:00:00Z..2026-05-02T06:00:00Z";

/// The longest period: hourly figures are kept for ten years, and one more is under way.
const LONGEST: SignedDuration = SignedDuration::from_hours(11 * 366 * 24);
/// The hours of [`LONGEST`] and some more.
const MOST_BINS: usize = 100_000;

/// Why there is no such period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It cannot be read.
    #[error("{FORMS}")]
    Form,
    /// It ends before it begins.
    #[error("the period begins after its end")]
    Reversed,
    /// It has not begun.
    #[error("the period lies in the future: it has not begun yet")]
    Future,
    /// It is longer than anything is kept.
    #[error("a report covers eleven years at most")]
    Long,
    /// The calendar does not reach that far.
    #[error("the period lies outside of the calendar")]
    Calendar,
}

impl From<jiff::Error> for PeriodError {
    fn from(_: jiff::Error) -> Self {
        Self::Calendar
    }
}

/// A stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// From midnight to midnight: 23 to 25 hours.
    Day,
    /// From Monday on.
    Week,
    /// A month of the calendar.
    Month,
    /// A year of the calendar.
    Year,
}

impl Length {
    fn step(self) -> Step {
        match self {
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
            Self::Year => 1.year(),
        }
    }

    fn first(self, date: Date) -> Result<Date, PeriodError> {
        Ok(match self {
            Self::Day => date,
            Self::Week => {
                date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days())?
            }
            Self::Month => date.first_of_month(),
            Self::Year => date.first_of_year(),
        })
    }

    /// The length of the dates from `from` to before `to`, if it is one.
    fn of(from: Date, to: Date) -> Option<Self> {
        [Self::Day, Self::Month, Self::Year]
            .into_iter()
            .find(|length| {
                length.first(from) == Ok(from)
                    && from.checked_add(length.step()).is_ok_and(|end| end == to)
            })
    }
}

/// A period as it is asked for: `day`, `last-month`, `2026-05`, `2026-05-01..2026-05-31`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Period {
    /// The one that runs now, so far.
    Running(Length),
    /// The one before that.
    Past(Length),
    /// From the start of one date to the start of another.
    Dates(Date, Date),
    /// From one moment to another.
    Moments(Timestamp, Timestamp),
}

impl Default for Period {
    /// The month so far.
    fn default() -> Self {
        Self::Running(Length::Month)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        Ok(match text {
            "day" | "today" => Self::Running(Length::Day),
            "week" => Self::Running(Length::Week),
            "month" => Self::Running(Length::Month),
            "year" => Self::Running(Length::Year),
            "yesterday" | "last-day" => Self::Past(Length::Day),
            "last-week" => Self::Past(Length::Week),
            "last-month" => Self::Past(Length::Month),
            "last-year" => Self::Past(Length::Year),
            _ => return range(text),
        })
    }
}

fn range(text: &str) -> Result<Period, PeriodError> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let period = match (dates(from), dates(to)) {
        (Some((from, _)), Some((_, to))) => Period::Dates(from, to.ok_or(PeriodError::Calendar)?),
        _ => Period::Moments(
            from.parse().map_err(|_| PeriodError::Form)?,
            to.parse().map_err(|_| PeriodError::Form)?,
        ),
    };
    let reversed = match period {
        Period::Dates(from, to) => from >= to,
        Period::Moments(from, to) => from >= to,
        Period::Running(_) | Period::Past(_) => false,
    };
    if reversed {
        return Err(PeriodError::Reversed);
    }
    Ok(period)
}

/// The first of the dates that `text` names (a day, a month, a year) and the first after them,
/// which the calendar may not have.
fn dates(text: &str) -> Option<(Date, Option<Date>)> {
    let (text, length) = match text.len() {
        4 => (format!("{text}-01-01"), Length::Year),
        7 => (format!("{text}-01"), Length::Month),
        10 => (text.to_owned(), Length::Day),
        _ => return None,
    };
    let from: Date = text.parse().ok()?;
    Some((from, from.checked_add(length.step()).ok()))
}

/// From one moment to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl Span {
    /// How long it is, h.
    pub fn hours(&self) -> f64 {
        self.to.duration_since(self.from).as_secs_f64() / 3600.0
    }

    /// Whether `at` lies in it.
    pub fn has(&self, at: Timestamp) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// How finely a span is cut for charts and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// By the hour that passes (a day of the calendar may have 23 or 25).
    Hour,
    /// By local day.
    Day,
    /// By local month.
    Month,
}

/// A period, placed in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// What a person calls it ("May 2026 so far").
    pub name: String,
    /// What is reported: up to now, if it has not ended.
    pub span: Span,
    /// The same to its very end.
    pub whole: Span,
    /// As much of the period before.
    pub before: Span,
    /// The same a year earlier; of a week the same days of the week. `None` for a year, which is
    /// `before`.
    pub last_year: Option<Span>,
    /// What stretch of the calendar it is, if it is one.
    pub length: Option<Length>,
    /// The local time zone.
    pub time_zone: TimeZone,
}

impl Period {
    /// Places it, as of `now`.
    ///
    /// # Errors
    /// [`PeriodError::Future`], [`PeriodError::Long`], [`PeriodError::Calendar`].
    pub fn place(&self, now: Timestamp, time_zone: &TimeZone) -> Result<Frame, PeriodError> {
        let today = now.to_zoned(time_zone.clone()).date();
        let (from, to, length) = match *self {
            Self::Running(length) => {
                let from = length.first(today)?;
                (from, from.checked_add(length.step())?, Some(length))
            }
            Self::Past(length) => {
                let to = length.first(today)?;
                (to.checked_sub(length.step())?, to, Some(length))
            }
            Self::Dates(from, to) => (from, to, Length::of(from, to)),
            Self::Moments(from, to) => return moments(Span { from, to }, now, time_zone),
        };
        let place = |at: DateTime| -> Result<Timestamp, PeriodError> {
            Ok(at.to_zoned(time_zone.clone())?.timestamp())
        };
        let start = |date: Date| date.to_datetime(jiff::civil::Time::midnight());
        let whole = Span {
            from: place(start(from))?,
            to: place(start(to))?,
        };
        let span = so_far(whole, now)?;
        // By the calendar, so that the first nine days are held against the first nine days.
        let end = span.to.to_zoned(time_zone.clone()).datetime();
        let end = if span == whole { start(to) } else { end };
        let back = |step: Step, limit: Date| -> Result<Span, PeriodError> {
            Ok(Span {
                from: place(start(from.checked_sub(step)?))?,
                to: place(end.checked_sub(step)?.min(start(limit)))?,
            })
        };
        let step = match length {
            Some(length) => length.step(),
            None => from.until(to)?,
        };
        let year = match length {
            Some(Length::Week) => Some(52.weeks()),
            Some(Length::Year) => None,
            Some(Length::Day | Length::Month) | None => Some(1.year()),
        };
        Ok(Frame {
            name: name(from, to, length, span != whole)?,
            span,
            whole,
            before: if span == whole && length.is_some() {
                // All of the month before, though it may be longer.
                Span {
                    from: place(start(from.checked_sub(step)?))?,
                    to: whole.from,
                }
            } else {
                back(step, from)?
            },
            last_year: year.map(|year| back(year, to)).transpose()?,
            length,
            time_zone: time_zone.clone(),
        })
    }
}

fn so_far(whole: Span, now: Timestamp) -> Result<Span, PeriodError> {
    if whole.from >= now {
        return Err(PeriodError::Future);
    }
    // Its charts show all of it, also what is yet to come.
    if whole.to.duration_since(whole.from) > LONGEST {
        return Err(PeriodError::Long);
    }
    Ok(Span {
        from: whole.from,
        to: whole.to.min(now),
    })
}

fn moments(whole: Span, now: Timestamp, time_zone: &TimeZone) -> Result<Frame, PeriodError> {
    let span = so_far(whole, now)?;
    let local = |at: Timestamp| at.to_zoned(time_zone.clone());
    let a_year_ago = |at| -> Result<_, PeriodError> {
        let before: Zoned = local(at).checked_sub(1.year())?;
        Ok(before.timestamp())
    };
    let whole_minutes = [span.from, span.to].map(|at| local(at).second() == 0);
    let form = if whole_minutes == [true, true] {
        "%-d %b %Y %H:%M"
    } else {
        "%-d %b %Y %H:%M:%S"
    };
    Ok(Frame {
        name: format!(
            "{} to {}",
            local(span.from).strftime(form),
            local(span.to).strftime(form)
        ),
        span,
        whole,
        before: Span {
            from: span.from.checked_sub(span.to.duration_since(span.from))?,
            to: span.from,
        },
        last_year: Some(Span {
            from: a_year_ago(span.from)?,
            to: a_year_ago(span.to)?,
        }),
        length: None,
        time_zone: time_zone.clone(),
    })
}

fn name(from: Date, to: Date, length: Option<Length>, runs: bool) -> Result<String, PeriodError> {
    let name = match length {
        Some(Length::Day) => from.strftime("%a %-d %b %Y").to_string(),
        Some(Length::Week) => format!("week of {}", from.strftime("%a %-d %b %Y")),
        Some(Length::Month) => from.strftime("%B %Y").to_string(),
        Some(Length::Year) => from.strftime("%Y").to_string(),
        None => {
            let last = to.checked_sub(1.day())?;
            format!(
                "{} to {}",
                from.strftime("%-d %b %Y"),
                last.strftime("%-d %b %Y")
            )
        }
    };
    Ok(if runs { format!("{name} so far") } else { name })
}

impl Frame {
    /// A moment in local time.
    pub fn local(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.time_zone.clone())
    }

    /// How finely the period is cut, so that a chart has some 24 to 100 bars.
    pub fn grain(&self) -> Grain {
        match self.whole.hours() {
            hours if hours <= 75.0 => Grain::Hour,
            hours if hours <= 100.0 * 24.0 => Grain::Day,
            _ => Grain::Month,
        }
    }

    /// `span` cut by `grain` in local time, in order; the first and last may be shorter. No more
    /// than [`MOST_BINS`].
    pub fn bins(&self, span: Span, grain: Grain) -> Vec<Span> {
        let mut bins = Vec::new();
        let mut from = span.from;
        while from < span.to && bins.len() < MOST_BINS {
            let to = self.next(from, grain).unwrap_or(span.to).min(span.to);
            bins.push(Span { from, to });
            from = to;
        }
        bins
    }

    /// The start of the bin after the one that has `at`; `None` at the end of the calendar.
    fn next(&self, at: Timestamp, grain: Grain) -> Option<Timestamp> {
        let local = self.local(at);
        let next = match grain {
            // Time that passes, not the clock's: the hour that comes twice is two.
            Grain::Hour => {
                let past = i64::from(local.minute()) * 60 + i64::from(local.second());
                let start = Timestamp::from_second(at.as_second() - past).ok()?;
                start.checked_add(1.hour()).ok()?
            }
            Grain::Day => local.tomorrow().ok()?.start_of_day().ok()?.timestamp(),
            Grain::Month => {
                let last = local.last_of_month().ok()?;
                last.tomorrow().ok()?.start_of_day().ok()?.timestamp()
            }
        };
        (next > at).then_some(next)
    }
}

#[cfg(test)]
mod tests;
