//! Energy over resets of meters and wraps of RAPL, and cost over a year with its two odd days.

use std::fs;
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, State};
use homewatch::collect;
use homewatch::config::{self, Environment, Problems, Sources, TariffConfig};
use homewatch::host::{Clock, Host};
use homewatch::model::{Area, Batch, Outcome, Reading, Source, Subject, Timestamp};
use homewatch::model::{Metric, Unit};
use homewatch::power::{PowerSample, Scope, Setup};
use homewatch::store::Store;
use jiff::tz::TimeZone;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::dice::Dice;
use crate::power_support::Rig;

static POWER: Metric = Metric::gauge("power_w", "Power", Unit::Watt);
static ENERGY: Metric = Metric::total("energy_kwh", "Energy", Unit::KilowattHour);
static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent);

/// Where the counters of packages usually wrap, µJ.
const RANGE: f64 = 262_143_328_850.0;

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

pub fn print() {
    println!("\nenergy and cost against the truth (goal 0.1 %)");
    let (counted, truth) = paused().block_on(resets());
    line(
        "a Tasmota plug: 20 days, resets, roll-backs, glitches",
        counted,
        truth,
    );
    let (counted, truth) = paused().block_on(wraps());
    line(
        "RAPL: 12 hours at 20 to 180 W over its wraps",
        counted,
        truth,
    );
    let wraps = truth * 1e6 / RANGE;
    println!(
        "    {:.1} J lost of {truth:.0} J in {wraps:.0} wraps (goal 0 J)",
        (truth - counted).abs()
    );
    let (cost, truth) = paused().block_on(year());
    println!(
        "  cost of a year in Berlin, day and night tariff: {cost:.4}, truth {truth:.4}, off by {:.2} ct",
        (cost - truth).abs() * 100.0
    );
}

fn line(name: &str, counted: f64, truth: f64) {
    println!(
        "  {name:<56} {:.4} %",
        (counted / truth - 1.0).abs() * 100.0
    );
}

/// kWh of a plug whose counter is set to zero now and then, glitches to zero, and rolls back a
/// Wh at midnight.
async fn resets() -> (f64, f64) {
    let rig = Rig::start("[power.meters.it]\ntasmota = \"plug\"\n").await;
    let mut dice = Dice::new(9);
    let (mut shown, mut truth) = (500.0, 500.0);
    let mut begun = None;
    for minute in 0..20 * 1440_u32 {
        let watts = 30.0 + 200.0 * dice.roll();
        let grown = watts / 60_000.0;
        shown += grown;
        truth += grown;
        if minute % 4_000 == 3_999 {
            shown = 0.0;
        }
        let glitch = dice.roll() < 0.001;
        let back = if minute % 1440 == 1439 { 0.001 } else { 0.0 };
        let total = if glitch { 0.0 } else { (shown - back).max(0.0) };
        let text = format!(
            r#"{{"ENERGY":{{"Total":{total:.3},"Power":{watts:.0},"Voltage":230,"Current":{:.3}}}}}"#,
            watts / 230.0
        );
        rig.say("tele/plug/SENSOR", &text, false);
        tokio::time::sleep(Duration::from_mins(1)).await;
        if begun.is_none() {
            begun = Some(truth);
        }
    }
    let state = rig.subject().unwrap();
    let told = state
        .values
        .iter()
        .find(|(metric, _)| metric.key == "energy_kwh");
    let told = told.and_then(|(_, value)| value.as_number()).unwrap();
    let begun = begun.unwrap();
    (told - begun, truth - begun)
}

/// Joules of a package, as the real collector counts them.
async fn wraps() -> (f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let zone = dir.path().join("sys/class/powercap/intel-rapl:0");
    fs::create_dir_all(&zone).unwrap();
    fs::write(zone.join("name"), "package-0\n").unwrap();
    fs::write(zone.join("max_energy_range_uj"), format!("{RANGE:.0}\n")).unwrap();
    let put = |joules: f64| {
        let raw = (joules * 1e6) % RANGE;
        fs::write(zone.join("energy_uj"), format!("{raw:.0}\n")).unwrap();
    };
    put(0.0);
    let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
    let host = Host::captured(dir.path(), clock);
    let rapl = collect::ENTRIES.iter().filter(|entry| entry.name == "rapl");
    let entries: Vec<_> = rapl.copied().collect();
    let slots = collect::build_from(
        &entries,
        &host,
        &std::collections::BTreeMap::new(),
        &Problems::default(),
    );
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let mut listener = bus.listen();
    let mut tasks = JoinSet::new();
    let tick = Duration::from_secs(10);
    tasks.spawn(collect::run(
        slots,
        host,
        bus,
        tick,
        CancellationToken::new(),
    ));
    // The kWh that the next batch tells.
    let mut told = async || loop {
        if let Heard::Event(Event::Batch(batch, _)) = listener.next().await {
            let mut samples = PowerSample::all(&batch);
            let own = samples.find(|one| one.scope == Scope::Package(0));
            if let Some(kwh) = own.and_then(|own| own.energy_kwh) {
                break kwh;
            }
        }
    };
    // Until it is known where the counter began.
    let mut begun = 0.0;
    for _ in 0..3 {
        begun = told().await;
    }
    let mut dice = Dice::new(2);
    let mut truth = 0.0;
    for _ in 0..12 * 360 {
        truth += 10.0 * (20.0 + 160.0 * dice.roll());
        put(truth);
        told().await;
    }
    // What was written last is in the one after it at the latest.
    let counted = (told().await - begun) * 3.6e6;
    (counted, truth)
}

fn tariff() -> TariffConfig {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("homewatch.toml");
    let text = "[power.tariff]\ncurrency = \"EUR\"\ntime_zone = \"Europe/Berlin\"\nprice = 0.30\n\
                [power.tariff.windows.night]\nfrom = \"22:00\"\nto = \"06:00\"\nprice = 0.20\n";
    fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        environment: Environment::default(),
        beneath: None,
    };
    config::load(&sources).unwrap().power.tariff.unwrap()
}

/// The cost of a year of a machine whose meter is looked at every ten minutes, and the truth.
async fn year() -> (f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let mut listener = bus.listen();
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let setup = Setup {
        tariff: Some(tariff()),
        ..Setup::default()
    };
    tasks.spawn(homewatch::power::run(
        setup,
        bus.clone(),
        store,
        cancel.clone(),
    ));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let (cpu, plug) = (
        Subject::of_host(Area::Health, "cpu", "CPU"),
        Subject::of_host(Area::Power, "meter-plug", "Plug"),
    );
    let mut at: Timestamp = "2025-12-31T23:00:00Z".parse().unwrap();
    let end: Timestamp = "2026-12-31T23:00:00Z".parse().unwrap();
    let step = jiff::SignedDuration::from_mins(10);
    let mut dice = Dice::new(4);
    let (mut energy, mut truth, mut cost) = (0.0, 0.0, 0.0);
    loop {
        let mut meter = Reading::new(&plug).with(&POWER, 80.0).with(&ENERGY, energy);
        meter.source = Some(Source::Meter);
        meter.detail = Some(PowerSample::detail(&Scope::Host, None));
        let outcome = |collector, readings| Outcome {
            collector,
            result: Ok(readings),
        };
        bus.publish(Batch {
            at,
            outcomes: vec![
                outcome("cpu", vec![Reading::new(&cpu).with(&USAGE, 10.0)]),
                outcome("meters", vec![meter]),
            ],
        });
        let told = loop {
            if let Heard::Event(Event::Batch(batch, _)) = listener.next().await
                && let Some(own) = batch.outcomes.iter().find(|one| one.collector == "power")
            {
                let readings = own.result.as_ref().unwrap();
                let host = readings.iter().find(|one| one.subject.id == "host");
                break host.and_then(|host| host.value("cost_eur")?.as_number());
            }
        };
        cost = told.unwrap_or(cost);
        if at >= end {
            break;
        }
        // Ten minutes lie in one hour and so in one price.
        let hour = at.to_zoned(berlin.clone()).hour();
        let price = if (6..22).contains(&hour) { 0.30 } else { 0.20 };
        let used = dice.roll() / 60.0;
        energy += used;
        truth += used * price;
        at += step;
        tokio::time::sleep(Duration::from_mins(10)).await;
    }
    cancel.cancel();
    (cost, truth)
}
