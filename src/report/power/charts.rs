use std::collections::BTreeMap;

use super::Known;
use super::past;
use super::usage::{Share, Usage};
use crate::report::{Chart, Document, Frame, Grain, Question, ReportError, Series, Shape, Span};

/// So many services have a colour of their own.
const COLOURED: usize = 5;
/// A typical day is made of so many days at most.
const TYPICAL_DAYS: f64 = 100.0;
/// And of no less.
const LEAST_DAYS: usize = 3;

pub(super) fn tell(
    question: &Question<'_>,
    known: &Known,
    document: &mut Document,
) -> Result<(), ReportError> {
    let frame = &question.frame;
    let grain = frame.grain();
    let bins = frame.bins(frame.whole, grain);
    let values = |usage: &Usage, span| energy(question, usage, span, grain, bins.len());
    let (now, before) = (
        values(&known.now, frame.span)?,
        values(&known.before, frame.before)?,
    );
    document.chart(by_grain(frame, &bins, now, before));
    if grain != Grain::Hour {
        document.chart(stack(frame, known, grain, &bins));
    }
    typical(question, &["power/host/power_w".to_owned()], document)
}

/// The energy of each of `bins`, kWh, with what it was before.
pub(super) fn by_grain(
    frame: &Frame,
    bins: &[Span],
    now: Vec<Option<f64>>,
    before: Vec<Option<f64>>,
) -> Chart {
    let grain = frame.grain();
    Chart {
        id: "energy",
        title: format!("Energy by {}", word(grain)),
        unit: "kWh".to_owned(),
        decimals: 2,
        shape: Shape::Bars,
        grain,
        at: bins.iter().map(|bin| frame.local(bin.from)).collect(),
        series: vec![
            Series {
                label: frame.name.clone(),
                values: now,
                ..Series::default()
            },
            Series {
                label: "the period before".to_owned(),
                values: before,
                faint: true,
                ..Series::default()
            },
        ],
        remark: String::new(),
    }
}

fn word(grain: Grain) -> &'static str {
    match grain {
        Grain::Hour => "hour",
        Grain::Day => "day",
        Grain::Month => "month",
    }
}

/// Energy of each bin, kWh; as many as there are places.
fn energy(
    question: &Question<'_>,
    usage: &Usage,
    span: Span,
    grain: Grain,
    places: usize,
) -> Result<Vec<Option<f64>>, ReportError> {
    let bins = question.frame.bins(span, grain);
    let mut values = match grain {
        Grain::Hour => past::counted(question.store, "power/host/energy_kwh", &bins)?,
        Grain::Day | Grain::Month => {
            let of = |bin: &Span| {
                let days = usage.days.iter().filter(|(day, _)| bin.has(day.from));
                days.filter_map(|(_, energy)| *energy)
                    .reduce(|sum, one| sum + one)
            };
            bins.iter().map(of).collect()
        }
    };
    values.resize(places, None);
    Ok(values)
}

/// What the energy of each day or month went to.
fn stack(frame: &Frame, known: &Known, grain: Grain, bins: &[Span]) -> Chart {
    let mut parts: Vec<_> = known.now.parts.iter().collect();
    parts.sort_by(|(_, a), (_, b)| b.energy_kwh.total_cmp(&a.energy_kwh));
    let services = parts
        .iter()
        .filter(|(share, _)| matches!(share, Share::Service(_)));
    let mut named: Vec<Share> = services
        .take(COLOURED)
        .map(|(share, _)| (*share).clone())
        .collect();
    named.insert(0, Share::Idle);
    let days: Vec<(Span, &BTreeMap<Share, f64>)> = (known.now.days.iter())
        .zip(&known.now.day_parts)
        .map(|((day, _), parts)| (*day, parts))
        .collect();
    let sum = |wanted: &dyn Fn(&Share) -> bool| {
        let of = |bin: &Span| {
            let days = days.iter().filter(|(day, _)| bin.has(day.from));
            let parts = days.flat_map(|(_, parts)| parts.iter());
            let energies = parts
                .filter(|(share, _)| wanted(share))
                .map(|(_, energy)| *energy);
            energies.reduce(|sum, one| sum + one)
        };
        bins.iter().map(of).collect::<Vec<_>>()
    };
    let mut series: Vec<Series> = named
        .iter()
        .map(|share| Series {
            label: share.label(),
            values: sum(&|other| other == share),
            faint: *share == Share::Idle,
            ..Series::default()
        })
        .collect();
    series.push(Series {
        label: "everything else".to_owned(),
        values: sum(&|share| !named.contains(share)),
        ..Series::default()
    });
    series.retain(|series| series.values.iter().any(Option::is_some));
    Chart {
        id: "services",
        title: format!("What it went to, by {}", word(grain)),
        unit: "kWh".to_owned(),
        decimals: 2,
        shape: Shape::Stack,
        grain,
        at: bins.iter().map(|bin| frame.local(bin.from)).collect(),
        series,
        remark: String::new(),
    }
}

/// The mean watts of each hour of the day over the period's days, all `series` together, with what
/// eight in ten of them lie in.
pub(super) fn typical(
    question: &Question<'_>,
    series: &[String],
    document: &mut Document,
) -> Result<(), ReportError> {
    let frame = &question.frame;
    let span = frame.span;
    if span.hours() > TYPICAL_DAYS * 24.0 {
        return Ok(());
    }
    let bins: Vec<Span> = frame
        .bins(span, Grain::Day)
        .into_iter()
        .flat_map(|day| frame.bins(day, Grain::Hour))
        .collect();
    let means = past::all_of(series, &bins, |one| past::means(question.store, one, &bins))?;
    let mut hours: BTreeMap<i8, Vec<f64>> = BTreeMap::new();
    for (bin, mean) in bins.iter().zip(means) {
        if let Some(mean) = mean {
            hours
                .entry(frame.local(bin.from).hour())
                .or_default()
                .push(mean);
        }
    }
    if hours.values().map(Vec::len).max() < Some(LEAST_DAYS) {
        return Ok(());
    }
    let day = frame.local(span.from).date();
    let (mut at, mut values, mut within) = (Vec::new(), Vec::new(), Vec::new());
    for (hour, mut means) in hours {
        let Ok(start) = day.at(hour, 0, 0, 0).to_zoned(frame.time_zone.clone()) else {
            continue;
        };
        means.sort_by(f64::total_cmp);
        at.push(start);
        values.push(share_at(&means, 0.5));
        within.push(share_at(&means, 0.1).zip(share_at(&means, 0.9)));
    }
    document.chart(Chart {
        id: "typical_day",
        title: "A typical day".to_owned(),
        unit: "W".to_owned(),
        decimals: 1,
        shape: Shape::Lines,
        grain: Grain::Hour,
        at,
        series: vec![Series {
            label: "median of the hour".to_owned(),
            values,
            within,
            faint: false,
        }],
        remark: "The median of each hour; eight in ten days lie in the shade.".to_owned(),
    });
    Ok(())
}

/// The value below which a share of a sorted list lies.
pub(super) fn share_at(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a short list"
    )]
    let place = (last as f64 * share).round() as usize;
    sorted.get(place).copied()
}
