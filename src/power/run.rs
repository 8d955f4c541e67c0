use std::time::Duration;

use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::calibrate::Guide;
use super::tell::budgets::Budgets;
use super::tell::{self, Subjects};
use super::till::{KeptFeeds, Returned, Till};
use super::unfed::{Unfed, on_battery};
use super::{
    Accounts, Activity, Booked, Calibration, Correlation, Curve, DayBook, Doings, Habits, Kind,
    Learned, Ledger, Mark, NodePower, Outcome as Calibrated, PowerSample, Prior, Scope, Terms,
    Work, pieces,
};
use crate::bus::{Bus, Event, Foreign, Heard};
use crate::config::{BudgetConfig, Co2Config, TariffConfig};
use crate::model::{Batch, Outcome, Reading, Timestamp};
use crate::store::{Change, Collection, Store, StoreError};

/// The collector's name on the bus.
const NAME: &str = "power";
/// The record's key among those of the meters; no meter has a slash in its name.
const KEY: &str = "/host";
/// No plug of a house carries more, kW.
const MOST_KW: f64 = 3.7;
/// The key of what was told of prices.
const PRICES: &str = "/prices";
/// How often the counter is kept: a power cut loses no more than this.
const KEEP: Duration = Duration::from_mins(10);
/// The collector whose readings come once a tick, with those of the meters.
const CLOCK: &str = "cpu";

/// The order by which a guided calibration might be asked for from afar.
const ORDER: &str = "power/calibrate";
const FROM_AFAR: &str = "it makes full load for minutes: run `homewatch power calibrate` on the \
                         machine itself";

/// What the power of this node is worked out from.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Watts idle and at full load, where they were read off a meter once.
    pub curve: Option<Curve>,
    /// What kind of machine it is.
    pub kind: Kind,
    /// What used the processor, left there at each tick.
    pub activity: Activity,
    /// Who is told one by one.
    pub terms: Terms,
    /// What a kWh costs.
    pub tariff: Option<TariffConfig>,
    /// Who asks for a guided calibration.
    pub calibration: Calibration,
    /// What a kWh emits.
    pub co2: Option<Co2Config>,
    /// How much may be used.
    pub budgets: Vec<BudgetConfig>,
    /// How much the machine may draw with nothing to do, W.
    pub standby_w: Option<f64>,
    /// What each day's energy went to.
    pub book: DayBook,
}

/// What is kept over restarts.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    energy_kwh: f64,
    #[serde(default)]
    learned: Learned,
    /// From a meter on which there is more.
    #[serde(default)]
    learned_shared: Learned,
    /// The last guided calibration.
    #[serde(default)]
    calibrated: Option<(Timestamp, Calibrated)>,
    #[serde(default)]
    accounts: Accounts,
    #[serde(default)]
    booked: Booked,
    #[serde(default)]
    returned: Returned,
    /// Where the counter of what measures stood, and when.
    #[serde(default)]
    mark: Option<(Timestamp, Mark)>,
}

/// All that is worked out from tick to tick.
struct Works {
    setup: Setup,
    node: NodePower,
    unfed: Unfed,
    ledger: Ledger,
    till: Till,
    budgets: Budgets,
    habits: Habits,
    subjects: Subjects,
    correlation: Correlation,
    guide: Guide,
    calibrated: Option<(Timestamp, Calibrated)>,
    /// It is to be kept at once.
    is_new: bool,
    begun: Instant,
    /// The wall-clock time of the last tick.
    last: Option<Timestamp>,
    /// The counter after it, kWh.
    counted: f64,
    /// Where the counter of what measures stood when the last run ended.
    mark: Option<(Timestamp, Mark)>,
    /// The time in which nobody watched, until it is known what was drawn in it.
    away: Option<(Timestamp, Timestamp)>,
}

/// Tells at every tick what the node draws (`power/host`) and who it is for
/// (`power/service-<name>`, `power/services-idle`, …), until `cancel`; then keeps the counters and
/// what was learnt.
///
/// # Errors
/// The counters cannot be read at the start: they are not begun anew beside the old ones.
pub async fn run(
    setup: Setup,
    bus: Bus,
    store: Store,
    cancel: CancellationToken,
) -> Result<(), StoreError> {
    let mut listener = bus.listen();
    let mut asks = setup.calibration.serve();
    let mut orders = bus.take_orders(&[ORDER]);
    let kept = store.blocking(|store| store.get(Collection::Meters, KEY));
    let kept = kept.await?.map_or_else(Kept::default, |kept| read(&kept));
    let mut works = Works::new(setup, kept);
    let told = store.blocking(|store| store.get(Collection::Meters, PRICES));
    if let Some(told) = told.await? {
        // Of what makes no sense nothing is lost that will not be told again.
        works
            .till
            .restore(&serde_json::from_slice(&told).unwrap_or_default());
    }
    let mut inbox = bus.want(works.till.filters());
    let mut speaks = false;
    let mut keep_at = works.begun + KEEP;
    loop {
        let heard = tokio::select! {
            () = cancel.cancelled() => break,
            heard = listener.next() => heard,
            Some(ask) = asks.recv() => {
                works.guide.ask(ask);
                continue;
            }
            Some(order) = orders.recv() => {
                let result = order.command.refused(FROM_AFAR);
                bus.answer(order, result, works.last.unwrap_or_default());
                continue;
            }
        };
        let Heard::Event(Event::Batch(batch, _)) = heard else {
            continue;
        };
        let Some(tick) = batch.outcomes.iter().find(|one| one.collector == CLOCK) else {
            continue;
        };
        while let Some(message) = inbox.next().now_or_never() {
            works.hear(&message, batch.at);
        }
        if works.last.is_none() {
            works.look_back(&store, batch.at).await;
        }
        let readings = works.step(&batch, tick);
        // Without any the subjects are unavailable, which is said once.
        if speaks || !readings.is_empty() {
            speaks = !readings.is_empty();
            bus.publish(Batch {
                at: batch.at,
                outcomes: vec![Outcome {
                    collector: NAME,
                    result: Ok(readings),
                }],
            });
        }
        if keep_at <= Instant::now() || std::mem::take(&mut works.is_new) {
            keep_at = Instant::now() + KEEP;
            works.keep(&store).await;
            works.look_back(&store, batch.at).await;
        }
    }
    works.keep(&store).await;
    Ok(())
}

impl Works {
    fn new(setup: Setup, kept: Kept) -> Self {
        let gap = setup.terms.gap;
        let node = NodePower::new(setup.curve, kept.energy_kwh)
            .with_learned(kept.learned, kept.learned_shared)
            .with_gap(gap);
        Self {
            node,
            unfed: Unfed::default(),
            ledger: Ledger::new(setup.terms, kept.accounts),
            till: Till::new(
                setup.tariff.clone(),
                setup.co2.clone(),
                kept.booked,
                kept.returned,
            ),
            budgets: Budgets::new(&setup.budgets),
            habits: Habits::default(),
            setup,
            subjects: Subjects::default(),
            correlation: Correlation::new(gap),
            guide: Guide::default(),
            calibrated: kept.calibrated,
            is_new: false,
            begun: Instant::now(),
            last: None,
            counted: kept.energy_kwh,
            mark: kept.mark,
            away: None,
        }
    }

    /// Takes in a message that was heard some time before `now`.
    fn hear(&mut self, message: &Foreign, now: Timestamp) {
        let at = now.checked_sub(message.at.elapsed()).unwrap_or(now);
        self.till.hear(message, at);
    }

    fn step(&mut self, batch: &Batch, tick: &Outcome) -> Vec<Reading> {
        if !self.node.assumes()
            && let Some(cores) = figure(tick, "cores")
        {
            self.node.assume(Prior::of(&self.setup.kind, cores));
        }
        let up = self.begun.elapsed();
        let mut samples: Vec<_> = PowerSample::all(batch).collect();
        let rests = on_battery(batch, &samples);
        let unfed = self.unfed.step(up, &mut samples, rests);
        let work = Work::of(batch);
        let mut spent = self.setup.activity.take();
        if let Some(disk) = spent.as_mut().and_then(|spent| spent.disk.as_mut()) {
            disk.busy = work.disks_pct.map(|busy| (busy / 100.0).max(0.0));
        }
        self.come_back(batch.at);
        self.guide_on(up, batch, &samples);
        let mut draw = self.node.step(up, &samples, &work);
        if let Some(draw) = &mut draw {
            draw.dispute = draw.dispute.take().or(unfed);
        }
        self.ledger.learn_disk_w(self.node.disk_w());
        if self.ledger.has_disks() {
            self.setup.activity.want_disks();
        }
        let graphics_w = gpu(&samples);
        let above_w = self.node.graphics_w();
        let doings = Doings {
            cpu: work.usage_pct,
            graphics: graphics_w,
            disk: work.disks_pct,
            network: work.network_bytes_per_s,
        };
        let measured = draw.as_ref().filter(|draw| !draw.is_estimated());
        let ties = self
            .correlation
            .step(up, measured.map(|draw| draw.power_w), doings);
        let from = self.last.replace(batch.at).unwrap_or(batch.at);
        let energy_kwh = self.count();
        let pieces: Vec<_> = pieces(from, batch.at, self.till.money().time_zone())
            .into_iter()
            .map(|piece| {
                let energy_kwh = energy_kwh * piece.share;
                (piece, self.till.book(piece.from, piece.to, energy_kwh))
            })
            .collect();
        let cost: f64 = pieces.iter().map(|(_, cost)| cost).sum();
        self.till.feed_in(batch);
        let Some(draw) = draw else {
            self.setup.book.lose();
            return Vec::new();
        };
        let mean = if energy_kwh > 0.0 {
            cost / energy_kwh
        } else {
            0.0
        };
        let parts = self
            .ledger
            .step(up, &draw, spent.as_ref(), above_w, |kwh| kwh * mean);
        let shares = self.ledger.shares();
        let is_estimated = draw.is_estimated();
        let currency = self.till.money().currency();
        self.setup.book.add(&pieces, shares, is_estimated, currency);
        let standby_w = self.setup.standby_w;
        let mut host = tell::host(batch.at, &draw, &self.till, standby_w);
        if let Some((at, outcome)) = &self.calibrated {
            tell::calibration(&mut host, *at, outcome);
        }
        let mut readings = vec![host];
        readings.extend(tell::parts(
            &parts,
            self.till.money(),
            &self.habits,
            &mut self.subjects,
        ));
        readings.extend(tell::money::ahead(batch.at, &mut self.till));
        let (money, habits) = (self.till.money(), &self.habits);
        readings.extend(self.budgets.tell(batch.at, money, habits));
        readings.extend(tell::ties(&ties));
        readings
    }

    /// At the first tick at `now`: what the source has counted since the last run is waited for.
    fn come_back(&mut self, now: Timestamp) {
        if let Some((then, mark)) = self.mark.take()
            && then < now
        {
            let hours = now.duration_since(then).as_secs_f64() / 3600.0;
            self.node.resume(mark, hours * MOST_KW);
            self.away = Some((then, now));
        }
    }

    /// What was counted since the last tick, kWh. What was drawn while nobody watched is booked
    /// beside it, evenly over that time.
    fn count(&mut self) -> f64 {
        let counted = std::mem::replace(&mut self.counted, self.node.energy_kwh());
        let all = self.counted - counted;
        let made_up = self.node.take_made_up();
        let made_up = made_up.and_then(|energy_kwh| Some((energy_kwh, self.away.take()?)));
        let Some((energy_kwh, (from, to))) = made_up else {
            return all;
        };
        let pieces: Vec<_> = pieces(from, to, self.till.money().time_zone())
            .into_iter()
            .map(|piece| {
                let energy_kwh = energy_kwh * piece.share;
                (piece, self.till.make_up(piece.from, piece.to, energy_kwh))
            })
            .collect();
        let cost = pieces.iter().map(|(_, cost)| cost).sum();
        self.ledger.make_up(energy_kwh, cost);
        let currency = self.till.money().currency();
        self.setup.book.make_up(&pieces, energy_kwh, currency);
        tracing::info!("the meter counted {energy_kwh:.3} kWh while homewatch was off");
        all - energy_kwh
    }

    /// Goes on with a guided calibration, if one is on its way.
    fn guide_on(&mut self, up: Duration, batch: &Batch, samples: &[PowerSample]) {
        let taught = self.guide.step(up, batch, samples, &mut self.node);
        if let Some(outcome) = taught {
            self.calibrated = Some((batch.at, outcome));
            self.is_new = true;
        }
    }

    fn kept(&self) -> Kept {
        let away = self.away.filter(|_| self.node.is_away());
        let since = away.map(|(from, _)| from).or(self.last);
        Kept {
            energy_kwh: self.node.energy_kwh(),
            learned: self.node.learned().clone(),
            learned_shared: self.node.learned_shared().clone(),
            calibrated: self.calibrated.clone(),
            accounts: self.ledger.accounts(),
            booked: self.till.money().booked(),
            returned: self.till.returned(),
            mark: self.node.mark().zip(since).map(|(mark, at)| (at, mark)),
        }
    }

    /// Reads off the day book what services use.
    async fn look_back(&mut self, store: &Store, now: Timestamp) {
        let today = now.to_zoned(self.till.money().time_zone().clone()).date();
        let book = self.setup.book.clone();
        let days = store
            .blocking(move |store| book.days(store, Habits::first(today), today))
            .await;
        // Of a disk that fails the history tells; habits are then those of the last look.
        if let Ok(days) = days {
            self.habits = Habits::of(&days, today);
        }
    }

    /// Keeps the counters, what was learnt and the day book.
    async fn keep(&mut self, store: &Store) {
        let (kept, book) = (self.kept(), self.setup.book.clone());
        let prices = self
            .till
            .unkept()
            .map(|told: KeptFeeds| serde_json::to_vec(&told));
        let prices = prices.and_then(Result::ok);
        let record = serde_json::to_vec(&kept).map_err(|error| StoreError::Io(error.to_string()));
        let kept = store
            .blocking(move |store| {
                let counters = Change::Put(Collection::Meters, KEY.to_owned(), record?);
                let prices =
                    prices.map(|told| Change::Put(Collection::Meters, PRICES.to_owned(), told));
                book.keep(store, prices.into_iter().chain([counters]).collect())
            })
            .await;
        // The history tells of a disk that fails; the counters are in memory all the while.
        tracing::debug!(?kept, "the counters of the node's energy");
    }
}

/// A record of this version, or of the first, which was the bare counter.
fn read(record: &[u8]) -> Kept {
    let kept = serde_json::from_slice(record).or_else(|_| {
        serde_json::from_slice(record).map(|energy_kwh| Kept {
            energy_kwh,
            ..Kept::default()
        })
    });
    let mut kept: Kept = kept.unwrap_or_default();
    kept.energy_kwh = kept.energy_kwh.max(0.0);
    kept
}

/// A figure of the processor at a tick; the first one does not know its use.
fn figure(tick: &Outcome, key: &str) -> Option<f64> {
    let readings = tick.result.as_ref().map_or(&[][..], Vec::as_slice);
    let cpu = readings.iter().find(|one| one.subject.id == "cpu")?;
    cpu.value(key)?.as_number()
}

/// What all graphics cards draw, W; `None` without any.
fn gpu(samples: &[PowerSample]) -> Option<f64> {
    let cards = samples
        .iter()
        .filter(|sample| matches!(sample.scope, Scope::Gpu(_)));
    let watts = cards.filter_map(|card| card.power_w);
    watts.reduce(|all, one| all + one)
}

#[cfg(test)]
mod tests;
