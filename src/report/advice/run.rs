use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::gather::Wiring;
use super::kept::{self, Wish};
use super::neighbours::Neighbours;
use super::{Advice, all, gather};
use crate::bus::{Bus, Request};
use crate::host::Root;
use crate::model::{
    Action, Area, Batch, CommandResult, Metric, Outcome, Reading, Subject, Topics, Unit,
};
use crate::power::Kind;
use crate::report::Reports;

/// The collector's name on the bus.
const NAME: &str = "advice";
/// The first look, when there is something to look at.
const FIRST: Duration = Duration::from_mins(2);
/// How often it looks.
const EVERY: Duration = Duration::from_hours(6);
/// How often it says the same again, so that nobody takes it for gone.
const REPEAT: Duration = Duration::from_mins(5);

static COUNT: Metric = Metric::gauge("advice", "Advice", Unit::None);
static SAVING: Metric = Metric::gauge(
    "yearly_saving_kwh",
    "Possible saving in a year",
    Unit::KilowattHour,
);
static SUBJECT: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "advice", "Advice"));

/// What is known of the machine beside its history.
#[derive(Debug, Clone)]
pub struct AdviceSetup {
    /// The machine's files.
    pub root: Root,
    /// What kind of machine it is.
    pub kind: Kind,
    /// The tick of the fast collectors.
    pub interval: Duration,
    /// The disks that turn: the id of each and the kernel's name for it.
    pub turning: Vec<(String, String)>,
    /// This node's topics; other nodes' are told apart by them.
    pub topics: Topics,
}

/// All advice, and what a kWh cost of late in which currency.
type Found = (Vec<Advice>, Option<(f64, String)>);

/// Tells `power/advice` and carries out `power/advice/<id>` until `cancel`. It looks every six
/// hours.
pub async fn run(setup: AdviceSetup, reports: Reports, bus: Bus, cancel: CancellationToken) {
    let mut orders = bus.take_orders(&["power/advice"]);
    let mut inbox = bus.overhear(setup.topics.neighbour_filters());
    let memory = reports.basis().memory;
    let mut neighbours = Neighbours::remembered(&memory);
    let mut known: Option<Found> = None;
    let mut look_at = Instant::now() + FIRST;
    let mut tell_at = look_at;
    loop {
        let request = tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep_until(tell_at.min(look_at)) => None,
            message = inbox.next() => {
                // What the broker had kept is of no known age.
                if !message.retained {
                    let told = (&*message.topic, &*message.payload);
                    let now = reports.basis().clock.now();
                    neighbours.hear(&setup.topics, told, &memory, now);
                }
                continue;
            }
            request = orders.recv() => match request {
                Some(request) => Some(request),
                None => return,
            },
        };
        if look_at <= Instant::now() {
            look_at = Instant::now() + EVERY;
            let others = neighbours.machines(reports.basis().clock.now());
            let wiring = Wiring::of(&bus.state().subjects(), others);
            known = look(&setup, &reports, wiring).await;
        }
        if let Some(request) = request {
            let result = carried_out(&reports, known.as_ref().map(|known| &*known.0), &request);
            bus.answer(request, result, reports.basis().clock.now());
        }
        tell_at = Instant::now() + REPEAT;
        if let Some((advice, price)) = &known {
            tell(&reports, &bus, advice, price.as_ref());
        }
    }
}

/// What it looks like now; nothing if the history cannot be read, which the log tells.
async fn look(setup: &AdviceSetup, reports: &Reports, wiring: Wiring) -> Option<Found> {
    let (setup, basis) = (setup.clone(), reports.basis());
    let look = move || {
        let evidence = gather::gather(&basis, &setup, &wiring, basis.clock.now())?;
        Ok::<_, crate::report::ReportError>((all(&evidence), evidence.price))
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(Ok(known)) => Some(known),
        Ok(Err(error)) => {
            tracing::warn!("no advice: {error}");
            None
        }
        Err(error) => {
            tracing::error!("no advice: {error}");
            None
        }
    }
}

fn carried_out(reports: &Reports, known: Option<&[Advice]>, request: &Request) -> CommandResult {
    let command = &request.command;
    let Action::Order(order) = &command.action else {
        return command.refused("that is no advice");
    };
    let wish = match Wish::of(order) {
        Ok(wish) => wish,
        Err(error) => return command.refused(error),
    };
    let advice = known
        .unwrap_or_default()
        .iter()
        .find(|one| one.id == order.target);
    let Some(advice) = advice else {
        return command.refused(format!("there is no advice \"{}\"", order.target));
    };
    let basis = reports.basis();
    let now = basis.clock.now();
    let worth = advice.saving.worth_kwh();
    kept::remember(&basis.memory, &advice.id, worth, wish, now);
    command.done(json!({ "advice": advice.id, "told": wish == Wish::Restore }))
}

fn tell(reports: &Reports, bus: &Bus, advice: &[Advice], price: Option<&(f64, String)>) {
    let basis = reports.basis();
    let at = basis.clock.now();
    let wanted = advice
        .iter()
        .filter(|one| kept::wanted(&basis.memory, one, at));
    let wanted: Vec<&Advice> = wanted.collect();
    let list: Json = wanted.iter().map(|one| item(one, price)).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let count = wanted.len() as f64;
    let saving: f64 = wanted.iter().map(|one| one.saving.energy_kwh()).sum();
    let mut reading = Reading::new(&SUBJECT)
        .with(&COUNT, count)
        .with(&SAVING, saving);
    reading.detail = Some([("list".to_owned(), list)].into_iter().collect());
    bus.publish(Batch {
        at,
        outcomes: vec![Outcome {
            collector: NAME,
            result: Ok(vec![reading]),
        }],
    });
}

/// A piece of advice with what it saves in money, where that is known.
fn item(advice: &Advice, price: Option<&(f64, String)>) -> Json {
    let mut item = json!(advice);
    if let (Some(item), Some((price, code))) = (item.as_object_mut(), price) {
        let code = code.to_ascii_lowercase();
        let (low, high) = advice.saving.money(*price);
        for (side, money) in [("low", low), ("high", high)] {
            let money = (money * 100.0).round() / 100.0;
            item.insert(format!("saving_{side}_{code}"), money.into());
        }
    }
    item
}
