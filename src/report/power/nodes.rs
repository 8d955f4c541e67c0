//! Other machines: what the meters that feed them have counted.

use std::collections::{BTreeMap, BTreeSet};

use super::charts;
use super::past::{self, Watts};
use super::tables;
use super::{Known, Usage};
use crate::model::Timestamp;
use crate::power::{Bill, Stretch};
use crate::report::{Cell, Column, Document, Figure, Grain, Question, ReportError, Span, Table};

/// The meters of each other node, by its name.
fn known<'a>(question: &Question<'a>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut nodes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for meter in &question.config.power.meters {
        if let Some(node) = meter.feeds.strip_prefix("node-")
            && node != question.node
        {
            nodes.entry(node).or_default().push(&meter.name);
        }
    }
    nodes
}

/// What a span of another node used and cost.
#[derive(Debug, Default)]
struct Spent {
    energy_kwh: Option<f64>,
    cost: Option<f64>,
}

/// Another node, by the meters that feed it.
struct Node<'a> {
    question: &'a Question<'a>,
    meters: Vec<&'a str>,
}

impl Node<'_> {
    fn series(&self, key: &str) -> Vec<String> {
        let meters = self.meters.iter();
        meters
            .map(|name| format!("power/meter-{name}/{key}"))
            .collect()
    }

    /// The energy of each of `bins`, kWh.
    fn energy(&self, bins: &[Span]) -> Result<Vec<Option<f64>>, ReportError> {
        let store = self.question.store;
        let read = |series: &str| past::counted(store, series, bins);
        Ok(past::all_of(&self.series("energy_kwh"), bins, read)?)
    }

    fn spent(&self, span: Span) -> Result<Spent, ReportError> {
        let question = self.question;
        // However long the span: by the day a price of the night would be that of the evening too.
        let bins = question.frame.bins(span, Grain::Hour);
        let energy = self.energy(&bins)?;
        let sum = energy.iter().flatten().copied().reduce(|a, b| a + b);
        let Some(tariff) = question
            .config
            .power
            .tariff
            .as_ref()
            .filter(|_| sum.is_some())
        else {
            return Ok(Spent {
                energy_kwh: sum,
                cost: None,
            });
        };
        let code = tariff.currency.to_ascii_lowercase();
        let series = format!("power/host/price_{code}");
        let prices = past::means(question.store, &series, &bins)?;
        let told = |at: Timestamp| {
            let place = bins.partition_point(|bin| bin.to <= at);
            *prices.get(place)?
        };
        let stretches = bins.iter().zip(energy).filter_map(|(bin, energy)| {
            Some(Stretch {
                from: bin.from,
                to: bin.to,
                energy_kwh: energy?,
            })
        });
        let stretches: Vec<Stretch> = stretches.collect();
        let bill = Bill::of(tariff, &stretches, span.from..span.to, &told);
        Ok(Spent {
            energy_kwh: sum,
            cost: Some(bill.cost),
        })
    }

    /// The watts of each meter.
    fn each_watts(&self, span: Span) -> Result<Vec<Watts>, ReportError> {
        let interval = self.question.config.node.interval;
        let series = self.series("power_w").into_iter();
        let read = |one: String| past::watts(self.question.store, &one, span, interval);
        Ok(series.map(read).collect::<Result<_, _>>()?)
    }
}

/// The watts, where one meter has all of them.
fn whole(meters: &[Watts]) -> Option<Watts> {
    let [one] = meters else { return None };
    Some(*one).filter(|watts| watts.watched_s > 0.0)
}

/// For how many hours all meters that tell watts are known; `None` if none does.
fn watched_h(meters: &[Watts]) -> Option<f64> {
    let seconds = meters.iter().map(|watts| watts.watched_s);
    let least = seconds.filter(|seconds| *seconds > 0.0).reduce(f64::min);
    least.map(|seconds| seconds / 3600.0)
}

/// The machines side by side, if there is more than this one.
pub(super) fn tell(
    question: &Question<'_>,
    own: &Known,
    document: &mut Document,
) -> Result<(), ReportError> {
    let frame = &question.frame;
    let of_own = |usage: &Usage| usage.energy_kwh;
    let mut rows = vec![(
        question.node,
        Spent {
            energy_kwh: of_own(&own.now),
            cost: own.now.cost,
        },
        of_own(&own.before),
        own.last_year.as_ref().and_then(of_own),
    )];
    for (name, meters) in known(question) {
        let node = Node { question, meters };
        let energy = |span| -> Result<Option<f64>, ReportError> {
            let energy = node.energy(&[span])?;
            Ok(energy.into_iter().next().flatten())
        };
        let spent = node.spent(frame.span)?;
        if spent.energy_kwh.is_some() {
            let last_year = frame.last_year.map(energy).transpose()?.flatten();
            rows.push((name, spent, energy(frame.before)?, last_year));
        }
    }
    if rows.len() < 2 {
        return Ok(());
    }
    let all: f64 = rows
        .iter()
        .filter_map(|(_, spent, ..)| spent.energy_kwh)
        .sum();
    rows.sort_by(|(_, a, ..), (_, b, ..)| {
        let energy = |spent: &Spent| spent.energy_kwh.unwrap_or(0.0);
        energy(b).total_cmp(&energy(a))
    });
    let currency = own.currency().unwrap_or_default();
    let rows = rows.into_iter().map(|(name, spent, before, last_year)| {
        vec![
            Cell::from(name),
            spent.energy_kwh.into(),
            spent.energy_kwh.map(|energy| energy / all * 100.0).into(),
            spent.cost.filter(|_| !currency.is_empty()).into(),
            before.into(),
            last_year.into(),
        ]
    });
    document.table(Table {
        id: "nodes",
        title: "By node".to_owned(),
        columns: vec![
            Column::text("node", "Node"),
            tables::energy("energy_kwh", "Energy"),
            Column::number("share_pct", "Share", "%", 0),
            tables::cost(currency, 2),
            tables::energy("before_kwh", "Before"),
            tables::energy("last_year_kwh", "Last year"),
        ],
        rows: rows.collect(),
        bar: Some("energy_kwh"),
        remark: "Others by the meters that feed them (`feeds = \"node-NAME\"`); more of one by --node NAME."
            .to_owned(),
    });
    Ok(())
}

/// The report about the node `name`.
pub(super) fn make(question: &Question<'_>, name: &str) -> Result<Document, ReportError> {
    let Some(meters) = known(question).remove(name) else {
        return Err(unknown(question, name));
    };
    let frame = &question.frame;
    let node = Node { question, meters };
    let mut document = question.document("power", "Power");
    let (now, before) = (node.spent(frame.span)?, node.spent(frame.before)?);
    if now.energy_kwh.is_none() {
        document.warning(format!(
            "Nothing is known of this period: the meter of {name} told no energy."
        ));
        return Ok(document);
    }
    document.note(format!(
        "By the meters that feed it ({}); what its services used, {name} itself knows.",
        node.meters.join(", ")
    ));
    let last_year = frame.last_year.map(|span| node.spent(span)).transpose()?;
    let last_year = last_year.unwrap_or_default();
    let had = before.energy_kwh.is_some();
    let energy = Figure::new("energy_kwh", "Energy", "kWh", 2).sum();
    let mut figures = vec![energy.with(now.energy_kwh, before.energy_kwh, last_year.energy_kwh)];
    if let Some(tariff) = &question.config.power.tariff {
        let code = &tariff.currency;
        let key = format!("cost_{}", code.to_ascii_lowercase());
        let cost = Figure::new(key, "Cost", code, 2).sum();
        figures.push(cost.with(now.cost, before.cost, last_year.cost));
    }
    let (now, before) = (node.each_watts(frame.span)?, node.each_watts(frame.before)?);
    let last_year = frame
        .last_year
        .map(|span| node.each_watts(span))
        .transpose()?;
    let last_year = last_year.unwrap_or_default();
    if let Some(watched_h) = watched_h(&now) {
        super::missing(frame.span, watched_h, 0.0, &mut document);
    }
    if let Some(watched_h) = watched_h(&before).filter(|_| had) {
        super::unlike("before", frame.before, watched_h, &mut document);
    }
    if let Some((span, watched_h)) = frame.last_year.zip(watched_h(&last_year)) {
        super::unlike("last_year", span, watched_h, &mut document);
    }
    let [now, before, last_year] = [now, before, last_year].map(|all| whole(&all));
    let mut watts = |key: &str, label: &str, pick: fn(Watts) -> Option<f64>| {
        let [now, before, last] = [now, before, last_year].map(|watts| watts.and_then(pick));
        figures.push(Figure::new(key, label, "W", 1).with(now, before, last));
    };
    watts("mean_w", "Mean power", |watts| Some(watts.mean_w));
    watts("min_w", "Least power", |watts| watts.min_w);
    watts("peak_w", "Peak power", |watts| watts.peak_w);
    document.figures("totals", "", figures);
    let grain = frame.grain();
    let bins = frame.bins(frame.whole, grain);
    let energy = |span: Span| -> Result<Vec<Option<f64>>, ReportError> {
        let mut energy = node.energy(&frame.bins(span, grain))?;
        energy.resize(bins.len(), None);
        Ok(energy)
    };
    let (now, before) = (energy(frame.span)?, energy(frame.before)?);
    document.chart(charts::by_grain(frame, &bins, now, before));
    charts::typical(question, &node.series("power_w"), &mut document)?;
    Ok(document)
}

fn unknown(question: &Question<'_>, name: &str) -> ReportError {
    let others: BTreeSet<&str> = known(question).into_keys().collect();
    let there = [question.node].into_iter().chain(others);
    if name.is_empty() {
        let there = there.collect::<Vec<_>>().join(", ");
        return ReportError::Node(format!("the node's name is empty; there is: {there}"));
    }
    ReportError::Node(format!(
        "nothing is known of \"{name}\" here; there is: {}. Each node keeps its own history: ask \
         {name} itself, or let a meter tell what it draws (feeds = \"node-{name}\" in \
         [power.meters])",
        there.collect::<Vec<_>>().join(", ")
    ))
}
