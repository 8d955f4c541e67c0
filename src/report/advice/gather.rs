//! The evidence: from the history, the day book and a few files of the machine.

use jiff::{SignedDuration, ToSpan as _};

use super::run::AdviceSetup;
use super::{Card, Evidence, Governor, Steady, Turning};
use crate::host::Root;
use crate::model::Timestamp;
use crate::power::Prior;
use crate::report::power::past;
use crate::report::{Basis, Frame, Grain, Period, ReportError, Span};

/// So far back it looks.
pub(super) const DAYS: i64 = 10;
/// The machine's watts count as measured if less of the energy was estimated.
const MEASURED: f64 = 0.2;

/// All that is known at `now`. Blocks.
///
/// # Errors
/// The history cannot be read.
pub(super) fn gather(
    basis: &Basis,
    setup: &AdviceSetup,
    now: Timestamp,
) -> Result<Evidence, ReportError> {
    let span = Span {
        from: now
            .checked_sub(SignedDuration::from_hours(24 * DAYS))
            .unwrap_or(now),
        to: now,
    };
    let frame = Period::Moments(span.from, span.to).place(now, &jiff::tz::TimeZone::UTC)?;
    let hours = frame.bins(span, Grain::Hour);
    let mean = |series: &str| -> Result<Option<f64>, ReportError> {
        let mean = past::means(&basis.store, series, &[span])?;
        Ok(mean.into_iter().next().flatten())
    };
    let threads = mean("health/cpu/cores")?;
    let (measured, price) = booked(basis, &frame, now)?;
    let idle = mean("power/host/idle_w")?;
    let mut evidence = Evidence {
        prior: threads.map(|threads| Prior::of(&setup.kind, threads)),
        idle_w: idle.filter(|_| measured && !setup.kind.is_virtual),
        mean_w: mean("power/host/power_w")?,
        usage_pct: mean("health/cpu/usage_pct")?,
        governor: governor(&setup.root),
        price,
        ..Evidence::default()
    };
    let by_hour = |series: &str| -> Result<Vec<f64>, ReportError> {
        let means = past::means(&basis.store, series, &hours)?;
        Ok(means.into_iter().flatten().collect())
    };
    for info in basis.store.series() {
        if info.last < span.from {
            continue;
        }
        if let Some(name) = between(&info.id, "power/service-", "/power_w") {
            evidence.services.extend(steady(name, by_hour(&info.id)?));
        } else if let Some(id) = between(&info.id, "power/gpu-", "/power_w") {
            let watts = past::watts(&basis.store, &info.id, span, setup.interval)?;
            if let Some(least_w) = watts.min_w
                && let Some(usage_pct) = mean(&format!("power/gpu-{id}/usage_pct"))?
            {
                evidence.cards.push(Card {
                    id: id.to_owned(),
                    hours: by_hour(&info.id)?.len(),
                    least_w,
                    usage_pct,
                });
            }
        }
    }
    for (id, name) in &setup.turning {
        let busy = by_hour(&format!("health/io-{id}/busy_pct"))?;
        let asleep = past::means(&basis.store, &format!("health/disk-{id}/asleep"), &[span])?;
        let asleep = asleep.into_iter().next().flatten();
        evidence.disks.push(Turning {
            id: id.clone(),
            name: name.clone(),
            hours: busy.len(),
            still: busy.iter().filter(|busy| **busy < 0.05).count(),
            slept: asleep.map(|asleep| asleep > 0.0),
        });
    }
    Ok(evidence)
}

fn between<'a>(id: &'a str, before: &str, after: &str) -> Option<&'a str> {
    id.strip_prefix(before)?.strip_suffix(after)
}

/// Whether the energy of late was measured, and what a kWh cost.
fn booked(
    basis: &Basis,
    frame: &Frame,
    now: Timestamp,
) -> Result<(bool, Option<(f64, String)>), ReportError> {
    let today = frame.local(now).date();
    let first = today.checked_sub(DAYS.days()).unwrap_or(today);
    let days = basis.book.days(&basis.store, first, today)?;
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

fn steady(name: &str, mut watts: Vec<f64>) -> Option<Steady> {
    watts.sort_by(f64::total_cmp);
    let hours = watts.len();
    let low_w = *watts.get(hours / 10)?;
    let high_w = *watts.get(hours - 1 - hours / 10)?;
    #[expect(clippy::cast_precision_loss, reason = "hours of some days")]
    let count = hours as f64;
    Some(Steady {
        name: name.to_owned(),
        hours,
        low_w,
        high_w,
        mean_w: watts.iter().sum::<f64>() / count,
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
