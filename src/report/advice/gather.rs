//! The evidence: from the history, the day book, what is published now and a few files of the
//! machine.

use jiff::{SignedDuration, ToSpan as _};

use super::hours::Hour;
use super::run::AdviceSetup;
use super::{Card, Evidence, Governor, Machine, Steady, Supply, Turning};
use crate::bus::SubjectState;
use crate::host::Root;
use crate::model::{Reading, Source, Timestamp};
use crate::power::{PowerSample, Prior, Scope};
use crate::report::power::past;
use crate::report::reports::time_zone;
use crate::report::{Basis, Frame, Grain, Period, ReportError, Span};

/// So far back it looks.
pub(super) const DAYS: i64 = 10;
/// The machine's watts count as measured if less of the energy was estimated.
const MEASURED: f64 = 0.2;
/// Its idle watts do if their band is narrower than this share.
const SURE: f64 = 0.3;

/// What measures, as it is published now; and the other machines.
#[derive(Debug, Clone, Default)]
pub(super) struct Wiring {
    /// The subject of a meter that feeds this machine alone, if there is one.
    meter: Option<String>,
    supplies: Vec<Outlet>,
    pub(super) neighbours: Vec<Machine>,
}

/// The outlets of a UPS.
#[derive(Debug, Clone)]
struct Outlet {
    /// The subject's id.
    id: String,
    label: String,
    /// Whether it feeds this machine alone.
    is_ours: bool,
    is_measured: bool,
}

impl Wiring {
    /// Reads it off what is published.
    pub(super) fn of(subjects: &[SubjectState], neighbours: Vec<Machine>) -> Self {
        let mut wiring = Self {
            neighbours,
            ..Self::default()
        };
        for state in subjects.iter().filter(|state| state.available) {
            let mut reading = Reading::new(&state.subject);
            reading.values.clone_from(&state.values);
            (reading.source, reading.detail) = (state.source, state.detail.clone());
            let Some(sample) = PowerSample::of(&reading, state.at) else {
                continue;
            };
            match (state.source, sample.scope) {
                (Some(Source::Meter), Scope::Host) => {
                    wiring.meter = Some(state.subject.key().to_owned());
                }
                (Some(Source::Ups), scope) => wiring.supplies.push(Outlet {
                    id: state.subject.id.clone(),
                    label: state.subject.label.clone(),
                    is_ours: scope == Scope::Host,
                    is_measured: sample.suspect.is_none(),
                }),
                _ => {}
            }
        }
        wiring
    }
}

/// The last days of the history.
struct Days<'a> {
    basis: &'a Basis,
    span: Span,
    frame: Frame,
    hours: Vec<Span>,
}

/// All that is known at `now`. Blocks.
///
/// # Errors
/// The history cannot be read.
pub(super) fn gather(
    basis: &Basis,
    setup: &AdviceSetup,
    wiring: &Wiring,
    now: Timestamp,
) -> Result<Evidence, ReportError> {
    let back = now.checked_sub(SignedDuration::from_hours(24 * DAYS));
    let span = Span {
        from: back.unwrap_or(now),
        to: now,
    };
    let frame = Period::Moments(span.from, span.to).place(now, &time_zone(&basis.config))?;
    let days = Days {
        basis,
        span,
        hours: frame.bins(span, Grain::Hour),
        frame,
    };
    let threads = days.mean("health/cpu/cores")?;
    let (measured, price) = days.booked(now)?;
    let idle = days.mean("power/host/idle_w")?;
    let mut watts: Vec<f64> = days
        .by_hour("power/host/power_w")?
        .into_iter()
        .flatten()
        .collect();
    watts.sort_by(f64::total_cmp);
    let usual_w = watts.get(watts.len() / 2).copied();
    let idle_band = days.mean("power/host/idle_low_w")?;
    let idle_band = idle_band.zip(days.mean("power/host/idle_high_w")?);
    let is_sure = |idle: &f64| idle_band.is_none_or(|(low, high)| high - low < idle * SURE);
    let mut evidence = Evidence {
        prior: threads.map(|threads| Prior::of(&setup.kind, threads)),
        idle_w: idle.filter(|idle| measured && !setup.kind.is_virtual && is_sure(idle)),
        mean_w: days.mean("power/host/power_w")?,
        work_off: usual_w
            .zip(idle)
            .zip(idle_band)
            .and_then(|((usual_w, idle_w), band)| work_off(usual_w, idle_w, band)),
        usage_pct: days.mean("health/cpu/usage_pct")?,
        governor: governor(&setup.root),
        supplies: days.supplies(wiring)?,
        own: days.own(threads)?,
        neighbours: wiring.neighbours.clone(),
        ..Evidence::default()
    };
    if let Some((_, code)) = &price {
        evidence.tariff.hours = days.prices(code)?;
    }
    evidence.price = price;
    for info in basis.store.series() {
        if info.last < span.from {
            continue;
        }
        if let Some(name) = between(&info.id, "power/service-", "/power_w") {
            let watts = days.by_hour(&info.id)?;
            let known = watts.iter().flatten().copied();
            evidence.services.extend(steady(name, known.collect()));
            evidence.tariff.services.push((name.to_owned(), watts));
        } else if let Some(id) = between(&info.id, "power/gpu-", "/power_w") {
            evidence.cards.extend(days.card(id, setup)?);
        }
    }
    for (id, name) in &setup.turning {
        evidence.disks.push(days.disk(id, name)?);
    }
    Ok(evidence)
}

impl Days<'_> {
    fn mean(&self, series: &str) -> Result<Option<f64>, ReportError> {
        let mean = past::means(&self.basis.store, series, &[self.span])?;
        Ok(mean.into_iter().next().flatten())
    }

    /// The mean of each hour.
    fn by_hour(&self, series: &str) -> Result<Vec<Option<f64>>, ReportError> {
        Ok(past::means(&self.basis.store, series, &self.hours)?)
    }

    fn card(&self, id: &str, setup: &AdviceSetup) -> Result<Option<Card>, ReportError> {
        let series = format!("power/gpu-{id}/power_w");
        let watts = past::watts(&self.basis.store, &series, self.span, setup.interval)?;
        let usage_pct = match self.mean(&format!("health/gpu-{id}/usage_pct"))? {
            Some(usage_pct) => Some(usage_pct),
            // Where that is switched off: nvidia-smi tells it with the watts.
            None => self.mean(&format!("power/gpu-{id}/usage_pct"))?,
        };
        let hours = self.by_hour(&series)?.into_iter().flatten().count();
        Ok(watts.min_w.zip(usage_pct).map(|(least_w, usage_pct)| Card {
            id: id.to_owned(),
            hours,
            least_w,
            usage_pct,
        }))
    }

    fn disk(&self, id: &str, name: &str) -> Result<Turning, ReportError> {
        let busy = self.by_hour(&format!("health/io-{id}/busy_pct"))?;
        let busy: Vec<f64> = busy.into_iter().flatten().collect();
        let asleep = self.mean(&format!("health/disk-{id}/asleep"))?;
        Ok(Turning {
            id: id.to_owned(),
            name: name.to_owned(),
            hours: busy.len(),
            still: busy.iter().filter(|busy| **busy < 0.05).count(),
            slept: asleep.map(|asleep| asleep > 0.0),
        })
    }

    fn supplies(&self, wiring: &Wiring) -> Result<Vec<Supply>, ReportError> {
        let meter = match &wiring.meter {
            Some(meter) => self.by_hour(&format!("{meter}/power_w"))?,
            None => Vec::new(),
        };
        let mut supplies = Vec::new();
        for outlet in &wiring.supplies {
            let out = self.by_hour(&format!("health/{}/power_w", outlet.id))?;
            let load = self.by_hour(&format!("health/{}/load_pct", outlet.id))?;
            let both = meter.iter().zip(&out);
            let both: Vec<(f64, f64)> = both.filter_map(|(i, o)| (*i).zip(*o)).collect();
            let (ins, outs): (Vec<f64>, Vec<f64>) = both.into_iter().unzip();
            let all: Vec<f64> = out.into_iter().flatten().collect();
            let load: Vec<f64> = load.into_iter().flatten().collect();
            // Where the meter is known, the same hours of both are compared.
            let in_w = average(&ins).filter(|_| outlet.is_ours);
            let outs = if in_w.is_some() { outs } else { all };
            if let Some(out_w) = average(&outs) {
                supplies.push(Supply {
                    id: outlet.id.trim_start_matches("ups-").to_owned(),
                    label: outlet.label.clone(),
                    hours: outs.len(),
                    out_w,
                    is_measured: outlet.is_measured,
                    in_w,
                    load_pct: average(&load),
                });
            }
        }
        Ok(supplies)
    }

    /// This machine as a place for work; `None` if too little is known of it.
    fn own(&self, threads: Option<f64>) -> Result<Option<Machine>, ReportError> {
        let usage = self.by_hour("health/cpu/usage_pct")?;
        let usage: Vec<f64> = usage.into_iter().flatten().collect();
        let used = self.by_hour("health/memory/used_bytes")?;
        let used_bytes = used.into_iter().flatten().reduce(f64::max);
        let total_bytes = self.mean("health/memory/total_bytes")?;
        let busiest = usage.iter().copied().reduce(f64::max);
        let known = threads.zip(used_bytes).zip(total_bytes);
        let known = known.zip(average(&usage).zip(busiest));
        Ok(known.map(
            |(((cores, used_bytes), total_bytes), (mean, busiest))| Machine {
                name: self.basis.node.clone(),
                hours: usage.len(),
                cores,
                busy: mean / 100.0 * cores,
                busiest: busiest / 100.0 * cores,
                used_bytes,
                total_bytes,
                ..Machine::default()
            },
        ))
    }

    /// What a kWh cost in each hour.
    fn prices(&self, code: &str) -> Result<Vec<Hour>, ReportError> {
        let series = format!("power/host/price_{}", code.to_ascii_lowercase());
        let prices = self.by_hour(&series)?;
        let (mut day, mut last) = (0, None);
        let hours = self.hours.iter().zip(prices).map(|(bin, price)| {
            let local = self.frame.local(bin.from);
            if last
                .replace(local.date())
                .is_some_and(|last| last != local.date())
            {
                day += 1;
            }
            Hour {
                day,
                clock: local.hour(),
                price,
            }
        });
        Ok(hours.collect())
    }

    /// Whether the energy of late was measured, and what a kWh cost.
    fn booked(&self, now: Timestamp) -> Result<(bool, Option<(f64, String)>), ReportError> {
        let today = self.frame.local(now).date();
        let first = today.checked_sub(DAYS.days()).unwrap_or(today);
        let days = self.basis.book.days(&self.basis.store, first, today)?;
        let (mut energy, mut estimated, mut cost, mut currency) = (0.0, 0.0, 0.0, None);
        for day in days.into_values() {
            energy += day.host.energy_kwh;
            estimated += day.host.estimated_kwh;
            cost += day.host.cost;
            currency = day.currency.or(currency);
        }
        let measured = energy > 0.0 && estimated / energy < MEASURED;
        let price = currency.filter(|_| energy > 0.0);
        Ok((measured, price.map(|code| (cost / energy, code))))
    }
}

fn between<'a>(id: &'a str, before: &str, after: &str) -> Option<&'a str> {
    id.strip_prefix(before)?.strip_suffix(after)
}

/// By how many times the watts above idle may be less or more than what is told in an hour of
/// `usual_w`, with idle watts in their band. `None` if there are none.
fn work_off(usual_w: f64, idle_w: f64, (low, high): (f64, f64)) -> Option<(f64, f64)> {
    let work = usual_w - idle_w;
    let off = |idle_w: f64| (usual_w - idle_w).max(0.0) / work;
    (work > 0.0).then(|| (off(high).min(1.0), off(low).max(1.0)))
}

fn average(values: &[f64]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "hours of some days")]
    let count = values.len() as f64;
    (count > 0.0).then(|| values.iter().sum::<f64>() / count)
}

fn steady(name: &str, mut watts: Vec<f64>) -> Option<Steady> {
    watts.sort_by(f64::total_cmp);
    let hours = watts.len();
    Some(Steady {
        name: name.to_owned(),
        hours,
        low_w: *watts.get(hours / 10)?,
        high_w: *watts.get(hours - 1 - hours / 10)?,
        mean_w: average(&watts)?,
    })
}

fn governor(root: &Root) -> Option<Governor> {
    let read = |file: &str| {
        let path = format!("devices/system/cpu/cpufreq/policy0/{file}");
        Root::read_trimmed(&root.sys(&path))
    };
    let others = read("scaling_available_governors").unwrap_or_default();
    Some(Governor {
        name: read("scaling_governor")?,
        preference: read("energy_performance_preference"),
        others: others.split_whitespace().map(str::to_owned).collect(),
    })
}
