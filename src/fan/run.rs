use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::measure::{Measured, Measuring, Next};
use super::output::Output;
use super::record::Record;
use super::regulator::{Deed, Regulator, Stand, Wish};
use super::temperatures::Temperatures;
use crate::bus::{Bus, Request};
use crate::config::{FanConfig, FanCurve, FansConfig};
use crate::host::{Host, Root};
use crate::model::{
    Action, Area, Batch, FlagMeaning, Form, Metric, Offer, Order, Outcome, Reading, Subject,
    Timestamp, Unit,
};

static DRIVE: Metric = Metric::gauge("drive_pct", "Drive", Unit::Percent).dead_band(2.0);
static HOTTEST: Metric = Metric::gauge("temperature_c", "Hottest sensor", Unit::Celsius)
    .decimals(1)
    .dead_band(1.0)
    .diagnostic();
static SPEED: Metric = Metric::gauge("fan_rpm", "Speed", Unit::Rpm).dead_band(50.0);
static MODE: Metric = Metric::state("mode", "Mode", &Stand::WORDS);
static FAULT: Metric = Metric::flag("fault", "Fault", FlagMeaning::Problem);

/// The collector's name on the bus.
const NAME: &str = "fans";

/// What fan control is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The curves and the fans.
    pub config: FansConfig,
    /// The machine.
    pub host: Host,
    /// The tables of the collectors, for how sensors are to be read.
    pub tables: BTreeMap<String, config::Value>,
    /// How often it is told how they stand.
    pub interval: Duration,
    /// Where it is kept which outputs are taken.
    pub data_dir: PathBuf,
}

/// What is remembered of a fan.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    /// What was asked for by command: a curve's name, percent, or `auto`.
    wish: Option<String>,
    measured: Option<Measured>,
}

/// A fan that is driven.
struct Fan {
    config: FanConfig,
    subject: Arc<Subject>,
    regulator: Regulator,
    output: Output,
    measuring: Option<Measuring>,
    kept: Kept,
    told: Told,
    offers: Arc<[Offer]>,
}

/// How a fan stood at the last step.
#[derive(Debug, Default)]
struct Told {
    mode: &'static str,
    drive_pct: Option<f64>,
    hottest_c: Option<f64>,
    rpm: Option<f64>,
    fault: Option<String>,
}

/// All of them.
struct Fans {
    host: Host,
    bus: Bus,
    curves: Vec<FanCurve>,
    driven: Vec<Fan>,
    temperatures: Temperatures,
    record: Record,
    begun: Instant,
}

/// Drives the fans until `cancel`; then all of them are given back.
pub async fn run(setup: Setup, bus: Bus, cancel: CancellationToken) {
    let interval = setup.interval;
    let mut orders = if setup.config.fans.iter().any(|fan| fan.commands) {
        bus.take_orders(&["fan/set", "fan/measure"])
    } else {
        mpsc::channel(1).1
    };
    let clock = setup.host.clock.clone();
    let mut tell_at = Instant::now();
    let mut stood: Vec<&'static str> = Vec::new();
    let mut fans = Fans::new(setup, bus.clone());
    let mut ticks = tokio::time::interval(FansConfig::STEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            Some(request) = orders.recv() => {
                fans.obey(request);
                // Whoever has asked wants to see it.
                tell_at = Instant::now();
                continue;
            }
            _ = ticks.tick() => {}
        }
        // A crash in there drops the fans, which gives every output back.
        let stepped = tokio::task::spawn_blocking(move || {
            fans.step();
            fans
        });
        match stepped.await {
            Ok(back) => fans = back,
            Err(error) => {
                tracing::error!("fan control has crashed, its fans were given back: {error}");
                return;
            }
        }
        let stands: Vec<_> = fans.driven.iter().map(|fan| fan.told.mode).collect();
        let now = Instant::now();
        if now >= tell_at || stands != stood {
            tell_at = now + interval;
            stood = stands;
            bus.publish(fans.batch(clock.now()));
        }
    }
    fans.release();
}

/// Gives back what a run that was killed has left as it happened to be. Blocks for the time of some
/// small files.
pub fn give_back(data_dir: &Path, root: &Root) -> Record {
    let mut record = Record::open(data_dir, root);
    for (output, result) in record.release() {
        match result {
            Ok(()) => tracing::info!("{output} was given back: a run that was killed had it"),
            Err(error) => tracing::error!("{output} cannot be given back: {error}"),
        }
    }
    record
}

impl Fans {
    fn new(setup: Setup, bus: Bus) -> Self {
        let record = give_back(&setup.data_dir, &setup.host.root);
        let memory = &setup.host.memory;
        let curves = setup.config.curves;
        let fan = |config: FanConfig| {
            let kept: Kept = memory.get(&key(&config.id)).unwrap_or_default();
            let word = kept.wish.as_deref().unwrap_or(&config.curve);
            // A curve that the configuration does not know any more is not wished any more.
            let wish = wish(&curves, word).or_else(|_| wish(&curves, &config.curve));
            let measured = kept.measured.as_ref();
            let limits = measured.map(|found| (found.min_pct, found.start_pct));
            let id = format!("fancontrol-{}", config.id);
            Fan {
                regulator: Regulator::new(&config, wish.unwrap_or(Wish::Auto), limits),
                subject: Subject::of_host(
                    Area::Health,
                    &id,
                    &format!("Fan control {}", config.label),
                ),
                output: Output::new(setup.host.root.clone(), config.output.clone(), config.tacho),
                measuring: None,
                kept,
                told: Told::default(),
                offers: offers(&config, &curves).into(),
                config,
            }
        };
        let fans: Vec<Fan> = setup.config.fans.into_iter().map(fan).collect();
        let patterns = fans.iter().flat_map(|fan| fan.config.sensors.clone());
        Self {
            temperatures: Temperatures::new(patterns.collect(), &setup.host, &setup.tables),
            host: setup.host,
            bus,
            curves,
            driven: fans,
            record,
            begun: Instant::now(),
        }
    }

    /// Looks and sets everything once. Blocks for the time of some small files.
    fn step(&mut self) {
        self.temperatures
            .read(self.bus.state(), self.host.clock.now());
        let now = self.begun.elapsed();
        for fan in &mut self.driven {
            let hottest = self.temperatures.hottest(&fan.config.sensors);
            fan.step(now, hottest, &mut self.record, &self.host);
        }
    }

    fn batch(&self, at: Timestamp) -> Batch {
        Batch {
            at,
            outcomes: vec![Outcome {
                collector: NAME,
                result: Ok(self.driven.iter().map(Fan::reading).collect()),
            }],
        }
    }

    fn obey(&mut self, request: Request) {
        let result = match &request.command.action {
            Action::Order(order) => self.order(order),
            Action::Ack { .. }
            | Action::Unack { .. }
            | Action::SilenceAlert { .. }
            | Action::SilenceRule { .. }
            | Action::Maintenance { .. } => Err("this is nothing for fans".to_owned()),
        };
        let result = match result {
            Ok(detail) => request.command.done(detail),
            Err(error) => request.command.refused(error),
        };
        self.bus.answer(request, result, self.host.clock.now());
    }

    fn order(&mut self, order: &Order) -> Result<serde_json::Value, String> {
        let known: Vec<String> = self
            .driven
            .iter()
            .map(|fan| fan.config.id.clone())
            .collect();
        let fan = self
            .driven
            .iter_mut()
            .find(|fan| fan.config.id == order.target);
        let fan = fan.ok_or_else(|| {
            format!(
                "there is no fan \"{}\"; there are {}",
                order.target,
                known.join(", ")
            )
        })?;
        if !fan.config.commands {
            let id = &fan.config.id;
            return Err(format!(
                "not allowed by the configuration: fans.drive.{id}.commands is false"
            ));
        }
        if order.verb == "fan/measure" {
            if fan.measuring.is_some() {
                return Err("it is being measured already".to_owned());
            }
            fan.measuring = Some(Measuring::new(fan.config.full_at_c));
            return Ok(serde_json::json!({ "fan": fan.config.id, "measuring": true }));
        }
        let word = match (&order.text, order.fields.get("set")) {
            (Some(text), _) | (None, Some(serde_json::Value::String(text))) => text.clone(),
            (None, Some(serde_json::Value::Number(number))) => number.to_string(),
            (None, _) => String::new(),
        };
        let wish = wish(&self.curves, word.trim())?;
        fan.measuring = None;
        fan.regulator.ask(wish);
        fan.kept.wish = Some(word.trim().to_owned());
        self.host.memory.put_now(&key(&fan.config.id), &fan.kept);
        Ok(serde_json::json!({ "fan": fan.config.id, "set": word.trim() }))
    }

    fn release(&mut self) {
        for fan in &mut self.driven {
            fan.carry_out(Deed::Release, &mut self.record);
        }
    }
}

/// What a command wishes: the name of a curve, a percentage, or `auto`.
fn wish(curves: &[FanCurve], word: &str) -> Result<Wish, String> {
    if word == "auto" {
        return Ok(Wish::Auto);
    }
    if let Some(curve) = curves.iter().find(|curve| curve.name == word) {
        return Ok(Wish::Curve(curve.clone()));
    }
    let percent = word.strip_suffix('%').unwrap_or(word).trim();
    match percent.parse::<f64>() {
        Ok(drive) if (0.0..=100.0).contains(&drive) => Ok(Wish::Fixed(drive)),
        Ok(_) | Err(_) => {
            let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
            Err(format!(
                "\"{word}\" must be auto, a percentage from 0 to 100, or a curve: {}",
                names.join(", ")
            ))
        }
    }
}

/// The commands about a fan, as far as its table allows them.
fn offers(fan: &FanConfig, curves: &[FanCurve]) -> Vec<Offer> {
    if !fan.commands {
        return Vec::new();
    }
    let (set, measure) = (
        format!("fan/{}/set", fan.id),
        format!("fan/{}/measure", fan.id),
    );
    let mut options: Vec<String> = curves.iter().map(|curve| curve.name.clone()).collect();
    options.push("auto".to_owned());
    let curve = Form::Choice {
        options,
        shown: "set",
    };
    let percent = Form::Percent { shown: DRIVE.key };
    vec![
        Offer::new("set_curve", "Curve", set.clone(), curve),
        Offer::new("set_drive", "Fixed drive", set, percent),
        Offer::press("measure", "Measure", measure).hidden(),
    ]
}

fn key(id: &str) -> String {
    format!("fan/{id}")
}

impl Fan {
    fn step(&mut self, now: Duration, hottest_c: Option<f64>, record: &mut Record, host: &Host) {
        let seen = match self.output.see(hottest_c) {
            Ok(seen) => seen,
            Err(error) => {
                self.told = Told {
                    mode: Stand::Blind.as_str(),
                    hottest_c,
                    fault: Some(format!("{} cannot be read: {error}", self.config.output)),
                    ..Told::default()
                };
                return;
            }
        };
        self.told = Told {
            hottest_c,
            rpm: seen.rpm,
            drive_pct: seen.drive_pct,
            ..Told::default()
        };
        let next = self.measuring.as_mut().map(|run| run.step(now, seen));
        let deed = match next {
            Some(Next::Drive(drive)) => {
                self.told.mode = "measuring";
                Deed::Drive(drive)
            }
            Some(Next::Done(found)) => {
                self.measured(found, host);
                Deed::Drive(100.0)
            }
            Some(Next::Failed(text)) => {
                tracing::warn!(fan = self.config.id, "it could not be measured: {text}");
                self.measuring = None;
                Deed::Drive(100.0)
            }
            None => {
                let (deed, stand) = self.regulator.step(now, seen);
                self.told.mode = stand.as_str();
                self.told.fault = self.fault(stand);
                deed
            }
        };
        self.carry_out(deed, record);
    }

    fn fault(&self, stand: Stand) -> Option<String> {
        match stand {
            _ if self.regulator.is_stalled() => Some("it does not turn".to_owned()),
            Stand::Blind => Some(format!(
                "no temperature of {} can be read",
                self.config.sensors.join(", ")
            )),
            Stand::Foreign => Some(format!("something else sets {}", self.config.output)),
            Stand::Curve | Stand::Fixed | Stand::Auto | Stand::Full => None,
        }
    }

    fn measured(&mut self, found: Measured, host: &Host) {
        tracing::info!(
            fan = self.config.id,
            min_pct = found.min_pct,
            start_pct = found.start_pct,
            "measured"
        );
        let wish = self.regulator.wish().clone();
        let limits = Some((found.min_pct, found.start_pct));
        self.regulator = Regulator::new(&self.config, wish, limits);
        self.measuring = None;
        self.kept.measured = Some(found);
        host.memory.put_now(&key(&self.config.id), &self.kept);
        self.told.mode = "measuring";
    }

    fn carry_out(&mut self, deed: Deed, record: &mut Record) {
        let before = self.output.taken().map(|taken| taken.spot.clone());
        let result = self.output.carry_out(deed, |taken| record.add(taken));
        if let (Some(spot), None) = (before, self.output.taken()) {
            record.remove(&spot);
        }
        if let Err(error) = result {
            let text = format!("{} cannot be set: {error}", self.config.output);
            self.told.fault = Some(text);
        }
    }

    fn reading(&self) -> Reading {
        let told = &self.told;
        let mut reading = Reading::new(&self.subject)
            .with(&MODE, told.mode)
            .with(&FAULT, told.fault.is_some());
        reading.push(&DRIVE, told.drive_pct);
        reading.push(&HOTTEST, told.hottest_c);
        reading.push(&SPEED, told.rpm);
        let wish = match self.regulator.wish() {
            Wish::Curve(curve) => curve.name.clone(),
            Wish::Fixed(drive) => format!("{drive} %"),
            Wish::Auto => "auto".to_owned(),
        };
        let mut detail = serde_json::Map::new();
        detail.insert("set".to_owned(), wish.into());
        detail.insert("output".to_owned(), self.config.output.to_string().into());
        if let Some(run) = &self.measuring {
            detail.insert("progress_pct".to_owned(), run.progress_pct().into());
        }
        if let Some(found) = &self.kept.measured {
            detail.insert("min_pct".to_owned(), found.min_pct.into());
            detail.insert("start_pct".to_owned(), found.start_pct.into());
        }
        if let Some(text) = &told.fault {
            detail.insert("fault_text".to_owned(), text.clone().into());
        }
        reading.detail = Some(detail);
        reading.offers.clone_from(&self.offers);
        reading
    }
}
