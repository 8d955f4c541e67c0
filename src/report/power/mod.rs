//! `report power`: what the machine used and cost, what it went to, and where it is going.

mod ahead;
mod charts;
mod correlation;
mod nodes;
mod outlook;
pub(super) mod past;
mod tables;
mod usage;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::{Document, Entry, Figure, Grain, Question, ReportError, Span};
use crate::power::{Stretch, carbon_kg, standing};
use usage::Usage;

pub(super) const ENTRY: Entry = Entry {
    name: "power",
    make,
};

/// A span is like another if so much of it is known.
const ALIKE: f64 = 0.9;

/// What the report is made from.
struct Known {
    now: Usage,
    before: Usage,
    last_year: Option<Usage>,
}

impl Known {
    /// A figure of all three spans.
    fn figure(&self, figure: Figure, pick: impl Fn(&Usage) -> Option<f64>) -> Figure {
        let last_year = self.last_year.as_ref();
        let (now, before) = (pick(&self.now), pick(&self.before));
        figure.with(now, before, last_year.and_then(pick))
    }

    /// The currency of the costs, if there is one.
    fn currency(&self) -> Option<&str> {
        self.now.currency.as_deref()
    }
}

fn make(question: &Question<'_>) -> Result<Document, ReportError> {
    if let Some(other) = question.other {
        return nodes::make(question, other);
    }
    let frame = &question.frame;
    let last_year = frame.last_year.map(|span| Usage::of(question, span));
    let known = Known {
        now: Usage::of(question, frame.span)?,
        before: Usage::of(question, frame.before)?,
        last_year: last_year.transpose()?,
    };
    let mut document = question.document("power", "Power");
    if known.now.energy_kwh.is_none() {
        document.warning("Nothing is known of this period: homewatch did not run, or nothing told what the machine draws.");
        return Ok(document);
    }
    warnings(question, &known, &mut document);
    document.figures("totals", "", totals(question, &known)?);
    ahead::tell(question, &known, &mut document)?;
    charts::tell(question, &known, &mut document)?;
    tables::services(&known, &mut document);
    tables::processes(&known, &mut document);
    correlation::tell(question, &mut document)?;
    nodes::tell(question, &known, &mut document)?;
    tables::meters(question, &mut document)?;
    Ok(document)
}

fn totals(question: &Question<'_>, known: &Known) -> Result<Vec<Figure>, ReportError> {
    let frame = &question.frame;
    let power = &question.config.power;
    let mut figures = vec![
        known
            .figure(
                Figure::new("energy_kwh", "Energy", "kWh", 2).sum(),
                |usage| usage.energy_kwh,
            )
            .remark(match known.now.estimated_pct() {
                None => String::new(),
                Some(share) if share < 0.5 => "measured".to_owned(),
                Some(share) if share > 99.5 => "estimated".to_owned(),
                Some(share) => format!("{share:.0} % of it estimated, the rest measured"),
            }),
    ];
    if let Some(code) = known.currency() {
        let lower = code.to_ascii_lowercase();
        let cost = Figure::new(format!("cost_{lower}"), "Cost", code, 2).sum();
        let same = |usage: &Usage| {
            usage
                .cost
                .filter(|_| usage.currency.as_deref() == Some(code))
        };
        figures.push(known.figure(cost, same).remark(match &known.now.cost {
            Some(_) => "",
            None => "in several currencies",
        }));
        // As it is booked from day to day: of days before the first that is known nothing is told.
        let first = question.book.first(question.store)?;
        let first = first.and_then(|day| day.to_zoned(frame.time_zone.clone()).ok());
        let charge = |span: Span| {
            let tariff = power
                .tariff
                .as_ref()
                .filter(|tariff| tariff.currency == code)?;
            let first = first.as_ref().map_or(span.from, jiff::Zoned::timestamp);
            let from = span.from.max(first);
            let charge = standing(tariff, from..span.to);
            (charge > 0.0).then_some(charge)
        };
        if let Some(now) = charge(frame.span) {
            let figure = Figure::new(format!("standing_{lower}"), "Standing charge", code, 2).sum();
            let last_year = frame.last_year.and_then(charge);
            // Of a time before there was anything to pay for, nothing is held against it.
            let was = |usage: Option<&Usage>| usage.is_some_and(|one| one.energy_kwh.is_some());
            let before = charge(frame.before).filter(|_| was(Some(&known.before)));
            let last_year = last_year.filter(|_| was(known.last_year.as_ref()));
            figures.push(figure.with(Some(now), before, last_year));
        }
    }
    let mean = Figure::new("mean_w", "Mean power", "W", 1);
    figures.push(known.figure(mean, |usage| usage.mean_w));
    let least = Figure::new("min_w", "Least power", "W", 1);
    figures.push(known.figure(least, |usage| usage.min_w));
    let peak = known.figure(Figure::new("peak_w", "Peak power", "W", 1), |usage| {
        usage.peak_w.map(|(peak, _)| peak)
    });
    figures.push(match known.now.peak_w {
        Some((_, date)) => peak.remark(format!("on {}", date.strftime("%a %-d %b %Y"))),
        None => peak,
    });
    let idle = known.figure(
        Figure::new("idle_pct", "Idle share", "%", 0),
        Usage::idle_pct,
    );
    figures.push(match idle.value {
        Some(_) => idle.remark("of the energy flowed with nothing to do"),
        None => idle.remark("what it went to is not known"),
    });
    if power.co2.is_some() {
        let kg = Figure::new("co2_kg", "CO₂", "kg", 2).sum();
        let last_year = match (&known.last_year, frame.last_year) {
            (Some(usage), Some(span)) => carbon(question, usage, span)?,
            _ => None,
        };
        figures.push(kg.with(
            carbon(question, &known.now, frame.span)?,
            carbon(question, &known.before, frame.before)?,
            last_year,
        ));
    }
    Ok(figures)
}

/// Kilograms of CO₂: by the hour where a feed tells it, else by the day.
fn carbon(question: &Question<'_>, usage: &Usage, span: Span) -> Result<Option<f64>, ReportError> {
    let (Some(co2), Some(_)) = (&question.config.power.co2, usage.energy_kwh) else {
        return Ok(None);
    };
    let days = || {
        let bins = usage.days.iter().map(|(bin, _)| *bin).collect::<Vec<_>>();
        let energy = usage
            .days
            .iter()
            .map(|(_, energy)| *energy)
            .collect::<Vec<_>>();
        (bins, energy)
    };
    let (bins, energy) = if co2.feed.is_some() {
        let bins = question.frame.bins(span, Grain::Hour);
        let energy = past::counted(question.store, "power/host/energy_kwh", &bins)?;
        // Days that only the book knows count all the same.
        if energy.iter().any(Option::is_some) {
            (bins, energy)
        } else {
            days()
        }
    } else {
        days()
    };
    let told = past::means(question.store, "power/host/co2_g_per_kwh", &bins)?;
    let told: Vec<(Span, Option<f64>)> = bins.iter().copied().zip(told).collect();
    let told = |at: Timestamp| {
        let place = told.partition_point(|(bin, _)| bin.to <= at);
        told.get(place)?.1
    };
    let stretches: Vec<Stretch> = bins
        .iter()
        .zip(energy)
        .filter_map(|(bin, energy)| {
            Some(Stretch {
                from: bin.from,
                to: bin.to,
                energy_kwh: energy?,
            })
        })
        .collect();
    Ok(Some(carbon_kg(
        &stretches,
        span.from..span.to,
        co2.g_per_kwh,
        &told,
    )))
}

/// What limits the worth of the figures.
fn warnings(question: &Question<'_>, known: &Known, document: &mut Document) {
    let now = &known.now;
    missing(
        question.frame.span,
        now.watched_h,
        now.made_up_kwh,
        document,
    );
    let last_year = known.last_year.as_ref().zip(question.frame.last_year);
    let then = [("before", &known.before, question.frame.before)];
    let last_year = last_year.map(|(usage, span)| ("last_year", usage, span));
    for (key, usage, span) in then.into_iter().chain(last_year) {
        if usage.energy_kwh.is_some() {
            unlike(key, span, usage.watched_h, document);
        }
    }
    if let Some(share) = known.now.estimated_pct().filter(|share| *share >= 0.5) {
        document.warning(format!(
            "{share:.0} % of the energy is estimated, not measured; a meter or smart plug would make it exact."
        ));
    }
    if known.now.currencies {
        document.warning("The currency changed within the period, so no cost is told.");
    }
}

/// Says how much of the period nobody watched.
fn missing(span: Span, watched_h: f64, made_up_kwh: f64, document: &mut Document) {
    let missing = span.hours() - watched_h;
    // Half an hour at its edges is the grain of an old history.
    if missing >= 0.75 {
        let used = match made_up_kwh {
            none if none <= 0.0 => {
                "what was used then is not in the figures, unless a meter counted on".to_owned()
            }
            kwh => format!(
                "{} kWh of that time are in the figures, filled by the meter's counter (as \"everything else\")",
                super::number(kwh, 2)
            ),
        };
        document.warning(format!(
            "Of {:.0} h of this period, {missing:.0} h are without data; {used}.",
            span.hours(),
        ));
    }
}

/// Says so if too little is known of the span that is held against this one, so that its sums are
/// not compared.
fn unlike(key: &str, span: Span, watched_h: f64, document: &mut Document) {
    let share = watched_h / span.hours();
    let against = document.against.iter_mut().find(|one| one.key == key);
    if let Some(one) = against.filter(|_| share < ALIKE) {
        one.is_whole = false;
        let text = format!(
            "Of {} only {:.0} % is known: its energy and cost are no measure of change, its watts are.",
            one.label,
            share * 100.0
        );
        document.warning(text);
    }
}
