//! What is published of the machine's power.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::metrics::{
    ENERGY, FAULT, HIGH, IDLE, LOW, MONTH, MoneyMetrics, POWER, SHARE, TODAY, money,
};
use super::{Draw, Money, Part, Parts, SourceKind, Told};
use crate::model::{Area, Reading, Source, Subject, Timestamp};

static HOST: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "host", "Node"));
static IDLING: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "services-idle", "Idle"));
static OTHER: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "services-other", "Other services"));
static GPU: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "services-gpu", "Graphics at work"));

/// The subjects of services, by name.
#[derive(Debug, Default)]
pub(super) struct Subjects(HashMap<String, Arc<Subject>>);

impl Subjects {
    fn of(&mut self, name: &str) -> Arc<Subject> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let id = format!("service-{name}");
        let subject = Subject::of_host(Area::Power, &id, &format!("Service {name}"));
        self.0.insert(name.to_owned(), Arc::clone(&subject));
        subject
    }
}

/// The machine as a whole.
pub(super) fn host(at: Timestamp, draw: &Draw, money: &Money) -> Reading {
    let (low, high) = draw.band_w.unzip();
    let booked = money.booked();
    let mut reading = Reading::new(&HOST)
        .with(&POWER, draw.power_w)
        .with(&ENERGY, draw.energy_kwh)
        .with(&TODAY, booked.today.energy_kwh)
        .with(&MONTH, booked.month.energy_kwh);
    if let Some(metrics) = metrics(money) {
        reading.push(&metrics.cost, Some(booked.whole.cost));
        reading.push(&metrics.today, Some(booked.today.cost));
        reading.push(&metrics.month, Some(booked.month.cost));
        reading.push(
            &metrics.price,
            money.quote(at, Told::NOTHING).map(|quote| quote.price),
        );
    }
    reading.push(&LOW, low);
    reading.push(&HIGH, high);
    reading.push(&IDLE, Some(draw.idle_w));
    reading.push(&FAULT, Some(draw.dispute.is_some()));
    reading.source = Some(draw.source);
    let is_meter = SourceKind::of(draw.source).is_some_and(|kind| kind != SourceKind::Rapl);
    let basis = if is_meter { "meter" } else { "basis" };
    let texts = [(basis, &draw.basis), ("contradiction", &draw.dispute)];
    let known = texts
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), text.clone()?.into())));
    let detail: serde_json::Map<_, _> = known.collect();
    reading.detail = (!detail.is_empty()).then_some(detail);
    reading
}

/// Each part of the machine's watts.
pub(super) fn parts(parts: &Parts, money: &Money, subjects: &mut Subjects) -> Vec<Reading> {
    let metrics = metrics(money);
    let mut readings = vec![
        part(&IDLING, &parts.idle, metrics),
        part(&OTHER, &parts.other, metrics),
    ];
    readings.extend(parts.gpu.iter().map(|gpu| part(&GPU, gpu, metrics)));
    for (name, service) in &parts.services {
        readings.push(part(&subjects.of(name), service, metrics));
    }
    readings
}

fn part(subject: &Arc<Subject>, part: &Part, metrics: Option<&'static MoneyMetrics>) -> Reading {
    let mut reading = Reading::new(subject)
        .with(&SHARE, part.power_w)
        .with(&ENERGY, part.account.energy_kwh);
    if let Some(metrics) = metrics {
        reading.push(&metrics.cost, Some(part.account.cost));
    }
    // Shares of processor time are no measurement, whoever measured the whole.
    reading.source = Some(Source::Model);
    reading
}

fn metrics(of: &Money) -> Option<&'static MoneyMetrics> {
    of.currency().map(money)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{Account, Booked};

    #[test]
    fn graphics_are_a_part_of_their_own_where_there_are_any() {
        let drawn = Part {
            power_w: 40.0,
            account: Account::default(),
        };
        let drawn = Parts {
            gpu: Some(drawn),
            ..Parts::default()
        };
        let free = Money::new(None, jiff::tz::TimeZone::UTC, Booked::default());
        let told = parts(&drawn, &free, &mut Subjects::default());
        let topics: Vec<_> = told.iter().map(|part| part.subject.key()).collect();
        let all = [
            "power/services-idle",
            "power/services-other",
            "power/services-gpu",
        ];
        assert_eq!(topics, all);
        let graphics = told.last().unwrap();
        let watts = graphics
            .value("power_w")
            .and_then(crate::model::Value::as_number);
        assert_eq!(watts, Some(40.0));
        assert_eq!(graphics.value("cost_eur"), None, "no tariff, no cost");
    }
}
