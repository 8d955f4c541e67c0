use super::*;
use crate::bus::{Listener, State};
use crate::config::{DynamicConfig, Terms as Price};
use crate::model::{Area, Command, Metric, Origin, Source, Subject, Unit, Value};
use crate::power::metrics::{ENERGY, POWER};
use crate::power::testing::{close, dynamic};
use crate::power::{News, Spent, Use, Wish};
use jiff::tz::TimeZone;
use tokio::task::JoinSet;

static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent);

const CURVE: Option<Curve> = Some(Curve {
    idle_w: 20.0,
    max_w: 70.0,
});

fn tariff() -> TariffConfig {
    let dynamic = DynamicConfig {
        scale: 0.01,
        ..dynamic(&["price"])
    };
    let terms = Price {
        dynamic: Some(dynamic),
        ..Price::flat(0.5)
    };
    TariffConfig::new("EUR".to_owned(), TimeZone::UTC, vec![terms])
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
                disk_w: Some(3.0),
                ..super::Terms::default()
            },
            tariff: Some(tariff()),
            co2: Some(Co2Config {
                g_per_kwh: 400.0,
                feed: None,
            }),
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
        self.tick_of(usage, watts, None).await
    }

    /// The same with the meter's counter, kWh.
    async fn tick_of(
        &mut self,
        usage: Option<f64>,
        watts: Option<f64>,
        kwh: Option<f64>,
    ) -> Option<Reading> {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let cpu = Subject::of_host(Area::Health, "cpu", "CPU");
        let plug = Subject::of_host(Area::Power, "meter-plug", "Plug");
        let meter = watts.map(|watts| {
            let mut reading = Reading::new(&plug).with(&POWER, watts);
            reading.push(&ENERGY, kwh);
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
    let mut house = House::new(&store, CURVE).await;
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

    let mut house = House::new(&store, CURVE).await;
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
async fn a_plug_that_is_off_while_the_machine_runs_is_doubted_and_the_next_source_stands_in() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut house = House::new(&store, CURVE).await;
    house.tick(Some(0.0), Some(31.0)).await;
    let contradiction = |told: &Reading| told.detail.as_ref()?.get("contradiction").cloned();
    let mut last = house.tick(Some(0.0), Some(0.0)).await.unwrap();
    assert_eq!(last.source, Some(Source::Model));
    assert_eq!(number(&last, "power_w"), Some(20.0));
    assert_eq!(contradiction(&last), None, "not at once");
    for _ in 0..6 {
        last = house.tick(Some(0.0), Some(0.0)).await.unwrap();
    }
    let text = contradiction(&last).unwrap();
    assert!(
        text.as_str().unwrap().contains("[power.meters.plug]"),
        "{text}"
    );
    assert_eq!(last.value("fault"), Some(&Value::Flag(true)));
    let back = house.tick(Some(0.0), Some(31.0)).await.unwrap();
    assert_eq!(
        (back.source, contradiction(&back)),
        (Some(Source::Meter), None)
    );
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
    let mut house = House::new(&store, CURVE).await;
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
            disk: Some(crate::power::DiskUse::default()),
            gpu: None,
        });
        house.tick(Some(50.0), Some(60.0)).await;
    }
    let told = |house: &House, id: &str, key: &str| {
        let state = house.bus.state().subject(&format!("power/{id}"))?;
        let mut values = state.values.iter();
        let (_, value) = values.find(|(metric, _)| metric.key == key)?;
        value.as_number()
    };
    assert!(house.activity.wants_disks(), "it is known what they draw");
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
    let month = told(&house, "host", "cost_month_eur").unwrap();
    assert!((month - whole).abs() < 1e-4, "not a cent yet: {month}");
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

    let mut house = House::new(&store, CURVE).await;
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

#[tokio::test(start_paused = true)]
async fn a_price_that_is_told_is_used_at_once_and_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut house = House::new(&store, None).await;
    let first = house.tick(Some(5.0), Some(3600.0)).await.unwrap();
    assert_eq!(number(&first, "price_eur"), Some(0.5));
    assert_eq!(first.value("price_basis"), Some(&Value::from("fallback")));
    for payload in ["cheap", "-12.5"] {
        let payload = bytes::Bytes::from_static(payload.as_bytes());
        house.bus.deliver("price", &payload, false);
        house.bus.deliver("elsewhere", &payload, false);
    }
    let told = house.tick(Some(5.0), Some(3600.0)).await.unwrap();
    assert_eq!(number(&told, "price_eur"), Some(-0.125));
    assert_eq!(told.value("price_basis"), Some(&Value::from("dynamic")));
    assert_eq!(number(&told, "co2_g_per_kwh"), Some(400.0));
    let co2 = number(&told, "co2_kg").unwrap();
    assert!((co2 - 0.01 * 0.4).abs() < 1e-6, "{co2}");
    house.stop().await;
    let mut house = House::new(&store, None).await;
    let again = house.tick(Some(5.0), Some(3600.0)).await.unwrap();
    assert_eq!(number(&again, "price_eur"), Some(-0.125));
    house.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_meter_counted_while_nobody_watched_is_made_up_at_the_price_of_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut house = House::new(&store, CURVE).await;
    house.at = "2026-03-10T20:00:00Z".parse().unwrap();
    house.pace = Duration::from_secs(10);
    house.tick_of(Some(5.0), Some(50.0), Some(100.0)).await;
    let last = house.tick_of(Some(5.0), Some(50.0), Some(100.1)).await;
    close(number(&last.unwrap(), "energy_kwh").unwrap(), 0.1);
    house.stop().await;

    // Eight hours, half of them on the next day, and half a minute until the meter is heard.
    let mut house = House::new(&store, CURVE).await;
    house.at = "2026-03-11T04:00:00Z".parse().unwrap();
    house.pace = Duration::from_secs(10);
    for _ in 0..3 {
        house.tick_of(Some(5.0), None, None).await;
    }
    let back = house.tick_of(Some(5.0), Some(50.0), Some(100.9)).await;
    let back = back.unwrap();
    close(number(&back, "energy_kwh").unwrap(), 0.9);
    close(number(&back, "cost_eur").unwrap(), 0.45);
    let today = number(&back, "energy_today_kwh").unwrap();
    assert!((today - 0.4).abs() < 0.002, "{today}");
    let other = house.bus.state().subject("power/services-other").unwrap();
    let mut values = other.values.iter();
    let other = values.find(|(metric, _)| metric.key == "energy_kwh");
    let other = other.and_then(|(_, value)| value.as_number()).unwrap();
    assert!(other > 0.79, "nobody knows for whom: {other}");
    let date = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
    let days = house
        .book
        .days(&store, date("2026-03-10"), date("2026-03-11"));
    let days: Vec<_> = days.unwrap().into_values().collect();
    for (day, kwh) in days.iter().zip([0.5, 0.4]) {
        assert!((day.host.energy_kwh - kwh).abs() < 0.002, "{day:?}");
        assert!((day.host.made_up_kwh - 0.4).abs() < 0.002, "{day:?}");
        assert!((day.host.cost - kwh / 2.0).abs() < 0.001, "{day:?}");
    }
    house.stop().await;
}
