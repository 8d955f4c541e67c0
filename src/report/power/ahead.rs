use jiff::{SignedDuration, ToSpan as _};

use super::Known;
use super::outlook::{self, Estimate, FORECAST_DAYS, LEVEL_DAYS, TREND_WEEKS};
use super::usage::Usage;
use crate::report::{Document, Figure, Length, Period, Question, ReportError, Span};

/// A day counts as a whole one from so many watched hours on.
const WHOLE_H: f64 = 20.0;
/// The trend looks back so many weeks.
const WEEKS: i64 = 26;

/// Where it is going: the running month and year, and the trend.
pub(super) fn tell(
    question: &Question<'_>,
    known: &Known,
    document: &mut Document,
) -> Result<(), ReportError> {
    let past = Past::of(question)?;
    let mut figures = Vec::new();
    for (key, length) in [("month", Length::Month), ("year", Length::Year)] {
        figures.extend(forecast(question, known, &past, key, length)?);
    }
    figures.push(past.trend());
    document.figures("outlook", "Where it is going", figures);
    Ok(())
}

/// The days before today.
struct Past {
    /// Energy of each whole day of the last weeks, kWh, in order.
    days: Vec<f64>,
    /// The mean of each of the last weeks, kWh a day, where most of it is known.
    weeks: Vec<Option<f64>>,
    /// What a kWh cost of late.
    price: Option<(f64, String)>,
}

impl Past {
    fn of(question: &Question<'_>) -> Result<Self, ReportError> {
        let frame = &question.frame;
        let today = frame.local(question.now).date();
        let first = today
            .checked_sub((WEEKS * 7).days())
            .map_err(crate::report::PeriodError::from)?;
        let last = today
            .yesterday()
            .map_err(crate::report::PeriodError::from)?;
        let book = question.book.days(question.store, first, last)?;
        let whole = |date| {
            let host = book.get(&date)?.host;
            (host.watched_s >= WHOLE_H * 3600.0).then_some(host.energy_kwh)
        };
        let all: Vec<Option<f64>> = first
            .series(1.day())
            .take_while(|date| *date < today)
            .map(whole)
            .collect();
        let level = i64::try_from(LEVEL_DAYS).unwrap_or(28);
        let recent = today
            .checked_sub(level.days())
            .map_err(crate::report::PeriodError::from)?;
        let (mut energy, mut cost, mut currency) = (0.0, 0.0, None);
        for (_, day) in book.range(recent..) {
            energy += day.host.energy_kwh;
            cost += day.host.cost;
            currency = day.currency.clone().or(currency);
        }
        let week = |week: &[Option<f64>]| {
            let known: Vec<f64> = week.iter().flatten().copied().collect();
            #[expect(clippy::cast_precision_loss, reason = "at most seven")]
            let count = known.len() as f64;
            (known.len() >= 5).then(|| known.iter().sum::<f64>() / count)
        };
        Ok(Self {
            weeks: all.chunks(7).map(week).collect(),
            days: all.into_iter().flatten().collect(),
            price: currency
                .filter(|_| energy > 0.0)
                .map(|code| (cost / energy, code)),
        })
    }

    fn trend(&self) -> Figure {
        // Kilowatt-hours a month, as far as a week's step in energy a day goes.
        let monthly = |value: f64| value * 30.44 * 30.44 / 7.0;
        let figure = Figure::new("trend_kwh_per_month", "Trend of a month", "kWh", 1);
        match outlook::trend(&self.weeks).map(|trend| trend.map(monthly)) {
            None => figure.remark(format!(
                "{} whole weeks are known; {TREND_WEEKS} are needed",
                self.weeks.iter().flatten().count()
            )),
            Some(trend) => {
                let told = if trend.low > 0.0 {
                    "a month uses more than the one before"
                } else if trend.high < 0.0 {
                    "a month uses less than the one before"
                } else {
                    "no trend: it may be more or less"
                };
                figure
                    .with(Some(trend.value), None, None)
                    .within(Some((trend.low, trend.high)))
                    .remark(format!(
                        "{told}, by the last {} weeks",
                        self.weeks.iter().flatten().count()
                    ))
            }
        }
    }
}

/// The whole of the running month or year: what is sure, and what its remaining days will use.
fn forecast(
    question: &Question<'_>,
    known: &Known,
    past: &Past,
    key: &str,
    length: Length,
) -> Result<Vec<Figure>, ReportError> {
    let frame = Period::Running(length).place(question.now, &question.frame.time_zone)?;
    let label = format!("All this {key}");
    let figure = Figure::new(format!("forecast_{key}_kwh"), &label, "kWh", 1);
    let used = if frame.span == question.frame.span {
        known.now.clone()
    } else {
        Usage::of(question, frame.span)?
    };
    let rest = Span {
        from: frame.span.to,
        to: frame.whole.to,
    };
    let ahead = rest.hours() / 24.0;
    // A year is not told from a week.
    let least = if ahead > 45.0 {
        LEVEL_DAYS
    } else {
        FORECAST_DAYS
    };
    let told = if past.days.len() < least {
        None
    } else {
        outlook::forecast(&past.days, ahead)
    };
    let Some(told) = told else {
        let whole = past.days.len();
        return Ok(vec![figure.remark(format!(
            "{whole} whole days are known; {least} are needed"
        ))]);
    };
    let season = season(question, rest)?.filter(|_| ahead > 45.0);
    let told = told.map(|value| value * season.unwrap_or(1.0));
    let sure = used.energy_kwh.unwrap_or(0.0);
    let all = told.map(|value| value + sure);
    let by = match season {
        Some(_) => format!("by the last {LEVEL_DAYS} days and the seasons of last year"),
        None if ahead > 45.0 => format!("by the last {LEVEL_DAYS} days; seasons are not known yet"),
        None => format!("by the last {} whole days", past.days.len().min(LEVEL_DAYS)),
    };
    let known_pct = used.watched_h / frame.span.hours() * 100.0;
    if known_pct < 50.0 {
        let remark = format!("only {known_pct:.0} % of the time so far is known");
        return Ok(vec![figure.remark(remark)]);
    }
    let began = if known_pct < 90.0 {
        format!("; only {known_pct:.0} % of the time so far is known")
    } else {
        String::new()
    };
    let mut figures = vec![told_as(figure, all).remark(format!("{by}{began}"))];
    if let Some((price, code)) = &past.price
        && let (Some(cost), Some(true)) = (used.cost, used.currency.as_ref().map(|one| one == code))
    {
        let lower = code.to_ascii_lowercase();
        let figure = Figure::new(
            format!("forecast_{key}_{lower}"),
            &format!("Cost all this {key}"),
            code,
            2,
        );
        figures.push(told_as(figure, told.map(|value| value * price + cost)));
    }
    Ok(figures)
}

fn told_as(figure: Figure, told: Estimate) -> Figure {
    let figure = figure.with(Some(told.value), None, None);
    figure.within(Some((told.low, told.high)))
}

/// How much more a day of `rest` used a year ago than one of the weeks before now did then; `None`
/// if that is not known.
fn season(question: &Question<'_>, rest: Span) -> Result<Option<f64>, ReportError> {
    let frame = &question.frame;
    let back = |span: Span| -> Result<Span, ReportError> {
        let back = |at| {
            let then = frame.local(at).checked_sub(1.year());
            then.map(|then| then.timestamp())
                .map_err(crate::report::PeriodError::from)
        };
        Ok(Span {
            from: back(span.from)?,
            to: back(span.to)?,
        })
    };
    let level = SignedDuration::from_hours(24 * i64::try_from(LEVEL_DAYS).unwrap_or(28));
    let recent = Span {
        from: question
            .now
            .checked_sub(level)
            .map_err(crate::report::PeriodError::from)?,
        to: question.now,
    };
    let mean = |span: Span| -> Result<Option<f64>, ReportError> {
        let used = Usage::of(question, span)?;
        let known = used.watched_h / span.hours() >= 0.8;
        Ok(used.mean_w.filter(|mean| known && *mean > 0.0))
    };
    let (then, level) = (mean(back(rest)?)?, mean(back(recent)?)?);
    Ok(then.zip(level).map(|(then, level)| then / level))
}
