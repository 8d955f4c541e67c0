//! What is published of the machine's power.

pub(super) mod budgets;
pub(super) mod money;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use super::metrics::{
    ENERGY, FAULT, HIGH, IDLE, IDLE_HIGH, IDLE_LOW, LOW, MONTH, MoneyMetrics, POWER, PROCESS,
    PROCESS_ENERGY, SHARE, STANDBY, TIES, TODAY,
};
use super::source::SUSPECT;
use super::till::Till;
use super::{Draw, Habits, Money, Outcome, Owner, Part, Parts, SourceKind, Ties};
use crate::model::{Area, Device, Metric, Reading, Source, Subject, Timestamp};

static HOST: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "host", "Node"));
static IDLING: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "services-idle", "Idle"));
static OTHER: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "services-other", "Other services"));
static GPU: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "services-gpu", "Graphics at work"));

static CORRELATION: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "correlation", "What watts go with"));

/// The subjects of services and processes.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    known: HashMap<Owner, Arc<Subject>>,
    taken: HashSet<String>,
}

impl Subjects {
    fn service(&mut self, name: &str) -> Arc<Subject> {
        let owner = Owner {
            service: name.to_owned(),
            command: String::new(),
        };
        let label = format!("Service {name}");
        // A thing of its own, which Home Assistant's Energy dashboard tells by its name.
        let device = |id: &str| Device::Part {
            id: id.to_owned(),
            name: label.clone(),
            manufacturer: None,
            model: Some("Service".to_owned()),
            serial: None,
        };
        self.of(owner, &format!("service-{name}"), &label, &device)
    }

    fn process(&mut self, owner: &Owner) -> Arc<Subject> {
        let Owner { service, command } = owner;
        let (id, label) = if service.is_empty() || service == command {
            (format!("process-{command}"), format!("Process {command}"))
        } else {
            let id = format!("process-{service}-{command}");
            (id, format!("Process {command} of {service}"))
        };
        self.of(owner.clone(), &id, &label, &|_| Device::Host)
    }

    /// The subject of `owner`; names that differ only in what a topic cannot carry are numbered.
    fn of(
        &mut self,
        owner: Owner,
        id: &str,
        label: &str,
        device: &dyn Fn(&str) -> Device,
    ) -> Arc<Subject> {
        if let Some(known) = self.known.get(&owner) {
            return Arc::clone(known);
        }
        let ids = std::iter::once(id.to_owned()).chain((2..100).map(|n| format!("{id}-{n}")));
        let of = |id: &str| Subject::of_device(Area::Power, id, label, device(id));
        let mut subjects = ids.map(|id| of(&id));
        let free = subjects.find(|one| !self.taken.contains(&one.id));
        let subject = free.unwrap_or_else(|| of(id));
        self.taken.insert(subject.id.clone());
        self.known.insert(owner, Arc::clone(&subject));
        subject
    }
}

/// The machine as a whole.
pub(super) fn host(at: Timestamp, draw: &Draw, till: &Till, standby_w: Option<f64>) -> Reading {
    let (low, high) = draw.band_w;
    let booked = till.money().booked();
    let mut reading = Reading::new(&HOST)
        .with(&POWER, draw.power_w)
        .with(&ENERGY, draw.energy_kwh)
        .with(&TODAY, booked.today.energy_kwh)
        .with(&MONTH, booked.month.energy_kwh);
    money::host(at, till, &mut reading);
    reading.push(&LOW, Some(low));
    reading.push(&HIGH, Some(high));
    reading.push(&IDLE, Some(draw.idle_w));
    let (least, most) = draw.idle_band_w;
    reading.push(&IDLE_LOW, Some(least));
    reading.push(&IDLE_HIGH, Some(most));
    reading.push(&STANDBY, standby_w);
    reading.push(&FAULT, Some(draw.dispute.is_some()));
    reading.source = Some(draw.source);
    let is_meter = SourceKind::of(draw.source).is_some_and(|kind| kind != SourceKind::Rapl);
    let basis = if is_meter { "meter" } else { "basis" };
    let idle = draw
        .never_below_pct
        .map(|pct| format!("estimated: the machine was never seen below {pct:.0} % use"));
    let trouble = till.trouble().map(str::to_owned);
    let texts = [
        (basis, &draw.basis),
        ("idle_basis", &idle),
        (SUSPECT, &draw.doubt),
        ("contradiction", &draw.dispute),
        ("price_trouble", &trouble),
    ];
    let known = texts
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), text.clone()?.into())));
    let detail: serde_json::Map<_, _> = known.collect();
    reading.detail = (!detail.is_empty()).then_some(detail);
    reading
}

/// What the last guided calibration came to.
pub(super) fn calibration(host: &mut Reading, at: Timestamp, outcome: &Outcome) {
    let told = serde_json::json!({
        "at": at,
        "idle_w": (outcome.idle_w * 10.0).round() / 10.0,
        "max_w": (outcome.max_w * 10.0).round() / 10.0,
        "error_pct": (outcome.error_pct * 10.0).round() / 10.0,
    });
    let detail = host.detail.get_or_insert_default();
    detail.insert("calibration".to_owned(), told);
}

/// Each part of the machine's watts.
pub(super) fn parts(
    parts: &Parts,
    money: &Money,
    habits: &Habits,
    subjects: &mut Subjects,
) -> Vec<Reading> {
    let metrics = metrics(money);
    let plain = (&SHARE, &ENERGY, metrics.map(|metrics| &metrics.cost));
    let mut readings = vec![
        part(&IDLING, &parts.idle, plain),
        part(&OTHER, &parts.other, plain),
    ];
    readings.extend(parts.gpu.iter().map(|gpu| part(&GPU, gpu, plain)));
    for (name, service) in &parts.services {
        let mut reading = part(&subjects.service(name), service, plain);
        budgets::habit(habits.get(name), &mut reading);
        readings.push(reading);
    }
    let close = (
        &PROCESS,
        &PROCESS_ENERGY,
        metrics.map(|metrics| &metrics.process),
    );
    for (owner, process) in &parts.processes {
        readings.push(part(&subjects.process(owner), process, close));
    }
    readings
}

/// How the watts go with what the machine does; `None` while nothing is known.
pub(super) fn ties(ties: &Ties) -> Option<Reading> {
    let mut reading = Reading::new(&CORRELATION);
    let all = [ties.cpu, ties.graphics, ties.disk, ties.network];
    for ((coefficient, lag), tie) in TIES.iter().zip(all) {
        reading.push(coefficient, tie.map(|tie| tie.coefficient));
        reading.push(lag, tie.map(|tie| tie.lag_s));
    }
    all.iter().any(Option::is_some).then_some(reading)
}

/// Watts, energy and cost.
type Figures = (&'static Metric, &'static Metric, Option<&'static Metric>);

fn part(subject: &Arc<Subject>, part: &Part, (power, energy, cost): Figures) -> Reading {
    let mut reading = Reading::new(subject)
        .with(power, part.power_w)
        .with(energy, part.account.energy_kwh);
    if let Some(cost) = cost {
        reading.push(cost, Some(part.account.cost));
    }
    // Shares of what was used are no measurement, whoever measured the whole.
    reading.source = Some(Source::Model);
    reading
}

fn metrics(of: &Money) -> Option<&'static MoneyMetrics> {
    of.currency().map(super::metrics::money)
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
        let told = parts(&drawn, &free, &Habits::default(), &mut Subjects::default());
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

    #[test]
    fn names_that_a_topic_cannot_tell_apart_are_numbered() {
        let mut subjects = Subjects::default();
        let mut id = |name: &str| {
            let owner = Owner::from(name.to_owned());
            subjects.process(&owner).key().to_owned()
        };
        for (name, want) in [
            ("web/a b", "power/process-web-a-b"),
            ("web/a-b", "power/process-web-a-b-2"),
            ("web/a b", "power/process-web-a-b"),
            ("caddy/caddy", "power/process-caddy"),
            ("/caddy", "power/process-caddy-2"),
            ("/\u{1f600}", "power/process"),
        ] {
            assert_eq!(id(name), want, "{name}");
        }
        assert_eq!(subjects.service("a b").key(), "power/service-a-b");
    }

    #[test]
    fn ties_are_told_once_there_are_any() {
        assert!(ties(&Ties::default()).is_none());
        let disk = Some(crate::power::Tie {
            coefficient: 0.6,
            lag_s: 20.0,
        });
        let some = Ties {
            disk,
            ..Ties::default()
        };
        let told = ties(&some).unwrap();
        let number = |key| told.value(key).and_then(crate::model::Value::as_number);
        assert_eq!(number("disk_correlation"), Some(0.6));
        assert_eq!(number("disk_lag_s"), Some(20.0));
        assert_eq!(number("cpu_correlation"), None);
    }
}
