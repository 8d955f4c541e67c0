use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::calibrate::Guide;
use super::tell::{self, Subjects};
use super::{
    Accounts, Activity, Booked, Calibration, Correlation, Curve, DayBook, Doings, Kind, Learned,
    Ledger, Money, NodePower, Outcome as Calibrated, PowerSample, Prior, Scope, Terms, Told, Work,
    pieces,
};
use crate::bus::{Bus, Event, Heard};
use crate::config::TariffConfig;
use crate::model::{Batch, Outcome, Reading, Timestamp};
use crate::store::{Change, Collection, Store, StoreError};

/// The collector's name on the bus.
const NAME: &str = "power";
/// The record's key among those of the meters; no meter has a slash in its name.
const KEY: &str = "/host";
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
}

/// All that is worked out from tick to tick.
struct Works {
    setup: Setup,
    node: NodePower,
    ledger: Ledger,
    money: Money,
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
        }
    }
    works.keep(&store).await;
    Ok(())
}

impl Works {
    fn new(setup: Setup, kept: Kept) -> Self {
        let node = NodePower::new(setup.curve, kept.energy_kwh)
            .with_learned(kept.learned, kept.learned_shared);
        Self {
            node,
            ledger: Ledger::new(setup.terms, kept.accounts),
            money: Money::new(setup.tariff.clone(), TimeZone::system(), kept.booked),
            setup,
            subjects: Subjects::default(),
            correlation: Correlation::default(),
            guide: Guide::default(),
            calibrated: kept.calibrated,
            is_new: false,
            begun: Instant::now(),
            last: None,
            counted: kept.energy_kwh,
        }
    }

    fn step(&mut self, batch: &Batch, tick: &Outcome) -> Vec<Reading> {
        if !self.node.assumes()
            && let Some(cores) = figure(tick, "cores")
        {
            self.node.assume(Prior::of(&self.setup.kind, cores));
        }
        let up = self.begun.elapsed();
        let samples: Vec<_> = PowerSample::all(batch).collect();
        let work = Work::of(batch);
        let mut spent = self.setup.activity.take();
        if let Some(disk) = spent.as_mut().and_then(|spent| spent.disk.as_mut()) {
            disk.busy = work.disks_pct.map(|busy| (busy / 100.0).max(0.0));
        }
        self.guide_on(up, batch, &samples);
        let draw = self.node.step(up, &samples, &work);
        let graphics_w = gpu(&samples);
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
        let counted = std::mem::replace(&mut self.counted, self.node.energy_kwh());
        let energy_kwh = self.counted - counted;
        let pieces: Vec<_> = pieces(from, batch.at, self.money.time_zone())
            .into_iter()
            .map(|piece| {
                let energy_kwh = energy_kwh * piece.share;
                (
                    piece,
                    self.money
                        .book(piece.from, piece.to, energy_kwh, Told::NOTHING),
                )
            })
            .collect();
        let cost: f64 = pieces.iter().map(|(_, cost)| cost).sum();
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
            .step(up, &draw, spent.as_ref(), graphics_w, |kwh| kwh * mean);
        let shares = self.ledger.shares();
        let (is_estimated, currency) = (draw.is_estimated(), self.money.currency());
        self.setup.book.add(&pieces, shares, is_estimated, currency);
        let mut host = tell::host(batch.at, &draw, &self.money);
        if let Some((at, outcome)) = &self.calibrated {
            tell::calibration(&mut host, *at, outcome);
        }
        let mut readings = vec![host];
        readings.extend(tell::parts(&parts, &self.money, &mut self.subjects));
        readings.extend(tell::ties(&ties));
        readings
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
        Kept {
            energy_kwh: self.node.energy_kwh(),
            learned: self.node.learned().clone(),
            learned_shared: self.node.learned_shared().clone(),
            calibrated: self.calibrated.clone(),
            accounts: self.ledger.accounts(),
            booked: self.money.booked(),
        }
    }

    /// Keeps the counters, what was learnt and the day book.
    async fn keep(&self, store: &Store) {
        let (kept, book) = (self.kept(), self.setup.book.clone());
        let record = serde_json::to_vec(&kept).map_err(|error| StoreError::Io(error.to_string()));
        let kept = store
            .blocking(move |store| {
                let counters = Change::Put(Collection::Meters, KEY.to_owned(), record?);
                book.keep(store, vec![counters])
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
mod tests {
    use super::*;
    use crate::bus::{Listener, State};
    use crate::config::Terms as Price;
    use crate::model::{Area, Command, Metric, Origin, Source, Subject, Unit, Value};
    use crate::power::metrics::POWER;
    use crate::power::{News, Spent, Use, Wish};
    use tokio::task::JoinSet;

    static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent);

    fn tariff() -> TariffConfig {
        TariffConfig::new("EUR".to_owned(), TimeZone::UTC, vec![Price::flat(0.5)])
    }

    struct House {
        bus: Bus,
        activity: Activity,
        book: DayBook,
        listener: Listener,
        /// The wall clock, and how far it goes with each tick.
        at: Timestamp,
        pace: Duration,
        cancel: CancellationToken,
        task: JoinSet<Result<(), StoreError>>,
    }

    impl House {
        async fn new(store: &Store, curve: Option<Curve>) -> Self {
            Self::with(store, curve, Calibration::default()).await
        }

        async fn with(store: &Store, curve: Option<Curve>, calibration: Calibration) -> Self {
            let (bus, _) = Bus::new(State::new(Duration::from_mins(5)));
            let cancel = CancellationToken::new();
            let mut task = JoinSet::new();
            let (activity, book) = (Activity::default(), DayBook::default());
            let setup = Setup {
                curve,
                calibration,
                activity: activity.clone(),
                book: book.clone(),
                terms: super::Terms {
                    services: 2,
                    processes: 1,
                    disk_w: None,
                },
                tariff: Some(tariff()),
                ..Setup::default()
            };
            task.spawn(run(setup, bus.clone(), store.clone(), cancel.clone()));
            // Until it listens.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let listener = bus.listen();
            Self {
                bus,
                activity,
                book,
                listener,
                at: Timestamp::UNIX_EPOCH,
                pace: Duration::ZERO,
                cancel,
                task,
            }
        }

        /// A tick ten seconds later, and what the task makes of it.
        async fn tick(&mut self, usage: Option<f64>, watts: Option<f64>) -> Option<Reading> {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let cpu = Subject::of_host(Area::Health, "cpu", "CPU");
            let plug = Subject::of_host(Area::Power, "meter-plug", "Plug");
            let meter = watts.map(|watts| {
                let mut reading = Reading::new(&plug).with(&POWER, watts);
                reading.source = Some(Source::Meter);
                reading.detail = Some(PowerSample::detail(&Scope::Host, None));
                reading
            });
            let outcome = |collector, readings| Outcome {
                collector,
                result: Ok(readings),
            };
            self.at += self.pace;
            self.bus.publish(Batch {
                at: self.at,
                outcomes: vec![
                    outcome(CLOCK, vec![Reading::new(&cpu).with_known(&USAGE, usage)]),
                    outcome("meters", meter.into_iter().collect()),
                ],
            });
            let told = async {
                loop {
                    if let Heard::Event(Event::Batch(batch, _)) = self.listener.next().await
                        && let Some(own) = batch.outcomes.iter().find(|o| o.collector == NAME)
                    {
                        return own.result.clone().unwrap().into_iter().next();
                    }
                }
            };
            let told = tokio::time::timeout(Duration::from_secs(1), told).await;
            told.ok().flatten()
        }

        async fn stop(mut self) {
            self.cancel.cancel();
            self.task.join_next().await.unwrap().unwrap().unwrap();
        }
    }

    fn number(reading: &Reading, key: &str) -> Option<f64> {
        reading.value(key).and_then(Value::as_number)
    }

    #[tokio::test(start_paused = true)]
    async fn the_node_is_told_at_every_tick_and_its_counter_survives() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let curve = Some(Curve {
            idle_w: 20.0,
            max_w: 70.0,
        });
        let mut house = House::new(&store, curve).await;
        assert!(
            house.tick(None, None).await.is_none(),
            "the first tick knows no use"
        );
        let estimate = house.tick(Some(0.0), None).await.unwrap();
        assert_eq!(estimate.source, Some(Source::Model));
        assert!(number(&estimate, "power_low_w") < number(&estimate, "power_high_w"));
        for _ in 0..70 {
            house.tick(Some(0.0), None).await;
        }
        let metered = house.tick(Some(0.0), Some(31.0)).await.unwrap();
        assert_eq!(metered.source, Some(Source::Meter));
        assert_eq!(metered.detail.as_ref().unwrap()["meter"], "Plug");
        let low = number(&metered, "power_low_w").unwrap();
        assert!(29.0 < low && low < 31.0, "a meter is off as well: {low}");
        let energy = number(&metered, "energy_kwh").unwrap();
        assert!(
            energy > 0.0039,
            "twelve minutes of some twenty watts: {energy}"
        );
        house.stop().await;

        let mut house = House::new(&store, curve).await;
        let again = house.tick(Some(0.0), Some(31.0)).await.unwrap();
        assert_eq!(number(&again, "energy_kwh"), Some(energy));
        assert!(house.book.now().is_some());
        assert!(house.tick(None, None).await.is_none());
        assert_eq!(house.book.now(), None);
        let away = house.bus.state().subject("power/host").unwrap();
        assert!(!away.available, "unknown is unavailable");
        assert!(house.tick(None, None).await.is_none(), "and said once");
        house.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_ticks_count_and_a_record_that_makes_no_sense_is_none() {
        let kept = [&b"{"[..], b"-3", b"2.5"].map(|record| read(record).energy_kwh.to_string());
        assert_eq!(kept, ["0", "0", "2.5"]);
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut house = House::new(&store, None).await;
        house.bus.publish(Batch {
            at: Timestamp::UNIX_EPOCH,
            outcomes: Vec::new(),
        });
        house.bus.emit(Event::HomeAssistantBirth { edge: "test" });
        assert!(house.tick(Some(5.0), None).await.is_none());
        let plug = house.tick(Some(5.0), Some(7.0)).await.unwrap();
        assert_eq!(number(&plug, "power_w"), Some(7.0));
        house.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn services_are_told_with_watts_energy_and_money_and_survive() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let curve = Some(Curve {
            idle_w: 20.0,
            max_w: 70.0,
        });
        let mut house = House::new(&store, curve).await;
        for _ in 0..30 {
            let services = [("jellyfin", 15.0), ("Pi-hole", 5.0), ("caddy", 0.0)];
            let processes = [("jellyfin/ffmpeg", 12.0), ("jellyfin/jellyfin", 3.0)];
            let cpu = Use {
                total: 20.0,
                services: services.map(|(name, s)| (name.to_owned(), s)).into(),
                processes: processes
                    .map(|(name, s)| (name.to_owned().into(), s))
                    .into(),
            };
            house.activity.leave(Spent {
                cpu,
                ..Spent::default()
            });
            house.tick(Some(50.0), Some(60.0)).await;
        }
        let told = |house: &House, id: &str, key: &str| {
            let state = house.bus.state().subject(&format!("power/{id}"))?;
            let mut values = state.values.iter();
            let (_, value) = values.find(|(metric, _)| metric.key == key)?;
            value.as_number()
        };
        assert_eq!(told(&house, "service-jellyfin", "power_w"), Some(30.0));
        assert_eq!(told(&house, "service-pi-hole", "power_w"), Some(10.0));
        let ffmpeg = "process-jellyfin-ffmpeg";
        assert_eq!(told(&house, ffmpeg, "power_w"), Some(24.0));
        assert!(told(&house, ffmpeg, "cost_eur").is_some());
        assert_eq!(
            told(&house, "process-jellyfin", "power_w"),
            None,
            "one only"
        );
        assert_eq!(told(&house, "services-idle", "power_w"), Some(20.0));
        assert_eq!(told(&house, "services-other", "power_w"), Some(0.0));
        assert_eq!(told(&house, "services-gpu", "power_w"), None);
        assert_eq!(told(&house, "host", "price_eur"), Some(0.5));
        let energy = told(&house, "service-jellyfin", "energy_kwh").unwrap();
        let cost = told(&house, "service-jellyfin", "cost_eur").unwrap();
        assert!(
            energy > 0.0 && (cost - energy / 2.0).abs() < 2e-4,
            "{energy} {cost}"
        );
        let whole = told(&house, "host", "cost_eur").unwrap();
        assert!(whole > cost, "{whole}");
        assert_eq!(
            told(&house, "host", "cost_month_eur"),
            Some(0.0),
            "not a cent yet"
        );
        house.stop().await;
        let days = DayBook::default().days(
            &store,
            "1970-01-01".parse().unwrap(),
            "1970-01-01".parse().unwrap(),
        );
        let day = days.unwrap().into_values().next().unwrap();
        let used: f64 = day.services.values().map(|sum| sum.energy_kwh).sum();
        let whole_kwh = used + day.idle.energy_kwh + day.other.energy_kwh;
        assert!((whole_kwh / day.host.energy_kwh - 1.0).abs() < 1e-3);
        assert!((day.host.cost - whole).abs() < 1e-4, "{whole} {day:?}");
        assert!((day.host.watched_s - 290.0).abs() < 1e-6);

        let mut house = House::new(&store, curve).await;
        house.tick(Some(50.0), Some(60.0)).await;
        let again = told(&house, "service-jellyfin", "energy_kwh").unwrap();
        assert!((again - energy).abs() < 1e-3, "{again}");
        assert_eq!(told(&house, "host", "cost_eur"), Some(whole));
        house.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_guided_calibration_is_kept_at_once_and_not_begun_from_afar() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let calibration = Calibration::default();
        assert!(
            calibration.begin(Wish::default()).is_none(),
            "nobody measures"
        );
        let mut house = House::with(&store, None, calibration.clone()).await;
        house.pace = Duration::from_secs(10);
        house.tick(Some(1.0), Some(20.0)).await;
        let wish = Wish {
            seconds_per_point: Some(20),
            dry_run: false,
        };
        let mut news = calibration.begin(wish).unwrap();
        let mut load = 0.0;
        let mut done = None;
        for _ in 0..30 {
            let watts = 20.0 + 0.5 * load;
            house.tick(Some(load), Some(watts)).await;
            while let Ok(news) = news.try_recv() {
                assert!(!matches!(news, News::Stopped { .. }), "{news:?}");
                if let News::Load { load_pct, .. } = news {
                    load = f64::from(load_pct);
                }
                if let News::Done(outcome) = news {
                    done = Some(outcome);
                }
            }
        }
        assert!(done.unwrap().kept);
        let kept = store.get(Collection::Meters, KEY).unwrap().unwrap();
        let (_, outcome) = read(&kept).calibrated.unwrap();
        assert!((outcome.max_w - 70.0).abs() < 1.0, "{outcome:?}");
        let alone = house.tick(Some(60.0), None).await.unwrap();
        assert_eq!(alone.source, Some(Source::Calibrated));
        let told = number(&alone, "power_w").unwrap();
        assert!((told - 50.0).abs() < 1.0, "{told}");
        assert!(alone.detail.unwrap().contains_key("calibration"));

        let command = Command::parse("power/calibrate", b"", Origin::Push).unwrap();
        let (respond, answer) = tokio::sync::oneshot::channel();
        let request = crate::bus::Request { command, respond };
        assert!(house.bus.order(request, Timestamp::UNIX_EPOCH).is_none());
        let refused = answer.await.unwrap();
        assert!(refused.error.unwrap().contains("on the machine itself"));
        house.stop().await;
    }
}
