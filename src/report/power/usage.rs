//! What a span of time used: whole days as the day book has them, the rest as the history has it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::past;
use crate::power::{Day, Owner, Sum};
use crate::report::{Frame, Grain, Question, ReportError, Span};

/// What a span used.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    /// Energy, kWh; `None` if nothing is known.
    pub(super) energy_kwh: Option<f64>,
    /// What it cost, without standing charges; `None` without a tariff, or with several
    /// currencies.
    pub(super) cost: Option<f64>,
    /// The currency of the costs.
    pub(super) currency: Option<String>,
    /// Whether there was more than one currency.
    pub(super) currencies: bool,
    /// The mean while it was watched, W.
    pub(super) mean_w: Option<f64>,
    /// The least, W.
    pub(super) min_w: Option<f64>,
    /// The most, W, and on which day.
    pub(super) peak_w: Option<(f64, Date)>,
    /// For how long it was watched, h.
    pub(super) watched_h: f64,
    /// Energy that flowed with nothing to do, kWh, of `known_kwh`.
    pub(super) idle_kwh: f64,
    /// Energy that was estimated, kWh, of `known_kwh`.
    pub(super) estimated_kwh: f64,
    /// Energy that a meter counted while nobody watched, kWh, of `known_kwh`.
    pub(super) made_up_kwh: f64,
    /// Energy of which is known what it went to, kWh.
    pub(super) known_kwh: f64,
    /// What went to each service, to nothing, to graphics and to others, by what people call it.
    pub(super) parts: BTreeMap<Share, Sum>,
    /// What went to each process.
    pub(super) processes: BTreeMap<Owner, Sum>,
    /// Energy of each local day, kWh.
    pub(super) days: Vec<(Span, Option<f64>)>,
    /// Each day's parts, kWh.
    pub(super) day_parts: Vec<BTreeMap<Share, f64>>,
}

/// What energy went to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Share {
    /// A service.
    Service(String),
    /// Nothing: the machine idles.
    Idle,
    /// Graphics cards.
    Gpu,
    /// What no service is known for.
    Other,
}

impl Share {
    /// For people.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Service(name) => name.clone(),
            Self::Idle => "(idle)".to_owned(),
            Self::Gpu => "(graphics)".to_owned(),
            Self::Other => "(everything else)".to_owned(),
        }
    }
}

impl Usage {
    /// What `span` used.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn of(question: &Question<'_>, span: Span) -> Result<Self, ReportError> {
        let frame = &question.frame;
        let bins = frame.bins(span, Grain::Day);
        let dates: Vec<Date> = bins
            .iter()
            .map(|bin| frame.local(bin.from).date())
            .collect();
        let mut book = match (dates.first(), dates.last()) {
            (Some(first), Some(last)) => question.book.days(question.store, *first, *last)?,
            _ => BTreeMap::new(),
        };
        let mut usage = Self::default();
        let mut currencies = BTreeSet::new();
        let (mut joules_h, mut cost) = (0.0, 0.0);
        for (bin, date) in bins.into_iter().zip(dates) {
            let day = book.remove(&date);
            let (part, day) = match day {
                Some(day) if is_whole(frame, bin, question.now) => {
                    (Part::of(&day), Some((day, 1.0)))
                }
                day => {
                    let code = day.as_ref().and_then(|day| day.currency.clone());
                    let code = code.or_else(|| tariff_currency(question));
                    let part = Part::read(question, bin, code)?;
                    let day = day.map(|day| {
                        let energy = part.energy_kwh.unwrap_or(0.0);
                        let share = energy / day.host.energy_kwh;
                        let share = if share.is_finite() {
                            share.clamp(0.0, 1.0)
                        } else {
                            0.0
                        };
                        (day, share)
                    });
                    (part, day)
                }
            };
            if let Some(energy) = part.energy_kwh {
                *usage.energy_kwh.get_or_insert(0.0) += energy;
            }
            cost += part.cost;
            currencies.extend(part.currency);
            usage.watched_h += part.watched_h;
            joules_h += part.mean_w * part.watched_h;
            let least = [usage.min_w, part.min_w].into_iter().flatten();
            usage.min_w = least.reduce(f64::min);
            if let Some(peak) = part.peak_w
                && usage.peak_w.is_none_or(|(most, _)| peak > most)
            {
                usage.peak_w = Some((peak, date));
            }
            usage.days.push((bin, part.energy_kwh));
            let parts = day.map(|(day, share)| usage.add(day, share));
            usage.day_parts.push(parts.unwrap_or_default());
        }
        usage.mean_w = (usage.watched_h > 0.0).then(|| joules_h / usage.watched_h);
        usage.currencies = currencies.len() > 1;
        usage.currency = currencies.into_iter().next_back();
        usage.cost = (usage.currency.is_some() && !usage.currencies).then_some(cost);
        Ok(usage)
    }

    /// Takes in what `share` of a day went to; gives it, kWh.
    fn add(&mut self, day: Day, share: f64) -> BTreeMap<Share, f64> {
        self.idle_kwh += day.idle.energy_kwh * share;
        self.estimated_kwh += day.host.estimated_kwh * share;
        self.made_up_kwh += day.host.made_up_kwh * share;
        self.known_kwh += day.host.energy_kwh * share;
        let services = day.services.into_iter();
        let services = services.map(|(name, sum)| (Share::Service(name), sum));
        let rest = [
            (Share::Idle, day.idle),
            (Share::Gpu, day.gpu),
            (Share::Other, day.other),
        ];
        let mut parts = BTreeMap::new();
        for (owner, sum) in services.chain(rest) {
            if sum.energy_kwh * share > 0.0 {
                parts.insert(owner.clone(), sum.energy_kwh * share);
                gather(self.parts.entry(owner).or_default(), sum, share);
            }
        }
        let processes = day.processes.into_iter();
        for (owner, sum) in processes.filter(|(_, sum)| sum.energy_kwh * share > 0.0) {
            gather(self.processes.entry(owner).or_default(), sum, share);
        }
        parts
    }

    /// How much of the energy flowed with nothing to do, %.
    pub(super) fn idle_pct(&self) -> Option<f64> {
        (self.known_kwh > 0.0).then(|| self.idle_kwh / self.known_kwh * 100.0)
    }

    /// How much of the energy was estimated, %.
    pub(super) fn estimated_pct(&self) -> Option<f64> {
        (self.known_kwh > 0.0).then(|| self.estimated_kwh / self.known_kwh * 100.0)
    }
}

fn gather(into: &mut Sum, sum: Sum, share: f64) {
    into.energy_kwh += sum.energy_kwh * share;
    into.cost += sum.cost * share;
    into.peak_w = into.peak_w.max(sum.peak_w);
}

/// Whether `bin` is all of its day, or all that there is of it yet.
fn is_whole(frame: &Frame, bin: Span, now: jiff::Timestamp) -> bool {
    let start = frame.local(bin.from);
    let date = start.date();
    let begins = date.to_zoned(frame.time_zone.clone());
    let next = date
        .checked_add(1.day())
        .and_then(|next| next.to_zoned(frame.time_zone.clone()));
    begins.is_ok_and(|begins| begins.timestamp() == bin.from)
        && (bin.to >= now || next.is_ok_and(|next| next.timestamp() == bin.to))
}

fn tariff_currency(question: &Question<'_>) -> Option<String> {
    let tariff = question.config.power.tariff.as_ref()?;
    Some(tariff.currency.clone())
}

/// What one day, or a part of one, used as a whole.
struct Part {
    energy_kwh: Option<f64>,
    cost: f64,
    currency: Option<String>,
    mean_w: f64,
    min_w: Option<f64>,
    peak_w: Option<f64>,
    watched_h: f64,
}

impl Part {
    fn of(day: &Day) -> Self {
        let host = day.host;
        let (min_w, peak_w) = host.least_and_most();
        let is_known = host.watched_s > 0.0 || host.energy_kwh > 0.0;
        Self {
            energy_kwh: is_known.then_some(host.energy_kwh),
            cost: host.cost,
            // What is not known has cost nothing that could be told.
            currency: day.currency.clone().filter(|_| is_known),
            mean_w: host.mean_w,
            min_w,
            peak_w,
            watched_h: host.watched_s / 3600.0,
        }
    }

    fn read(
        question: &Question<'_>,
        bin: Span,
        currency: Option<String>,
    ) -> Result<Self, ReportError> {
        let store = question.store;
        let interval = question.config.node.interval;
        let watts = past::watts(store, "power/host/power_w", bin, interval)?;
        let counted = |series: &str| -> Result<Option<f64>, ReportError> {
            let counted = past::counted(store, series, &[bin])?;
            Ok(counted.into_iter().next().flatten())
        };
        let cost = match &currency {
            Some(code) => counted(&format!("power/host/cost_{}", code.to_ascii_lowercase()))?,
            None => None,
        };
        Ok(Self {
            energy_kwh: counted("power/host/energy_kwh")?,
            cost: cost.unwrap_or(0.0),
            currency: currency.filter(|_| cost.is_some()),
            mean_w: watts.mean_w,
            min_w: watts.min_w,
            peak_w: watts.peak_w,
            watched_h: watts.watched_s / 3600.0,
        })
    }
}
