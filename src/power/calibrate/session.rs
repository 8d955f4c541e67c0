use std::time::Duration;

use super::{LOADS, News, Outcome, Wish};
use crate::power::curve::Through;
use crate::power::{BETWEEN_POINTS, PowerSample, Scope, SourceKind};

/// A new load needs so long until fans and clocks have settled.
const SETTLE: Duration = Duration::from_secs(20);
/// Then it is measured for so long …
const MEASURE: Duration = Duration::from_secs(40);
/// … and by so many readings.
const READINGS: u8 = 3;
/// No load is held for longer.
const LONGEST: Duration = Duration::from_mins(30);
/// A meter that says nothing for so long is lost.
const PATIENCE: Duration = Duration::from_secs(35);
/// Two points are told apart by so much use, %.
const APART: f64 = 3.0;
/// A machine that is busier than this, %, does not tell what it draws with nothing to do.
const CALM: f64 = 30.0;
/// So near to what its maker calls critical, °C, it is too hot.
const MARGIN: f64 = 4.0;
/// Too hot where nobody has said what is critical, °C.
const HOT: f64 = 97.0;

/// One look of the service.
#[derive(Debug, Clone, Copy)]
pub(in crate::power) struct Look<'a> {
    /// Monotonic time.
    pub(in crate::power) up: Duration,
    /// All that measures.
    pub(in crate::power) samples: &'a [PowerSample],
    /// CPU use, %.
    pub(in crate::power) usage_pct: Option<f64>,
    /// The hottest part and what is critical for it, °C.
    pub(in crate::power) hottest: Option<(f64, Option<f64>)>,
}

/// A guided calibration on its way. Pure: it is told what was seen, and tells what is to be said.
#[derive(Debug)]
pub(in crate::power) struct Session {
    wish: Wish,
    /// The meter's id, what people call it, and how often it speaks.
    meter: (String, String),
    interval: Option<Duration>,
    /// By how much it lags.
    lag: Duration,
    begun: Duration,
    last_heard: Duration,
    points: Vec<(f64, f64)>,
    usages: Vec<f64>,
    watts: Vec<f64>,
    last: Option<jiff::Timestamp>,
    /// The widest scatter of a point's readings, as a share.
    scatter: f64,
}

impl Session {
    /// Begins at `look`; or why it cannot be.
    pub(in crate::power) fn begin(
        wish: Wish,
        look: &Look<'_>,
        lag: Duration,
        interval: Option<Duration>,
    ) -> Result<(Self, Vec<News>), String> {
        let meter = meter(look.samples)?;
        if look.usage_pct.is_none() {
            return Err("the CPU's use is not known; is collect.cpu switched off?".to_owned());
        }
        let session = Self {
            wish,
            meter: (meter.source_id.clone(), meter.label.clone()),
            interval,
            lag,
            begun: look.up,
            last_heard: look.up,
            points: Vec::new(),
            usages: Vec::new(),
            watts: Vec::new(),
            last: Some(meter.at),
            scatter: 0.0,
        };
        let begun = News::Begun {
            meter: session.meter.1.clone(),
            meter_interval_s: interval.map(|interval| interval.as_secs()),
            total_s: session.point_time().as_secs() * LOADS.len() as u64,
        };
        let load = session.load();
        Ok((session, vec![begun, load]))
    }

    /// Goes on with a look; the last of the news is [`News::Stopped`] or [`News::Done`] when it is
    /// over, the latter still without what only the model knows.
    pub(in crate::power) fn step(&mut self, look: &Look<'_>) -> Vec<News> {
        if let Some(why) = self.trouble(look) {
            return vec![News::Stopped { why }];
        }
        let Some(meter) = self.find(look.samples) else {
            return Vec::new();
        };
        self.last_heard = look.up;
        let held = look.up.saturating_sub(self.begun);
        let measured = held.saturating_sub(meter.age);
        let settled = self.settle();
        let watts = meter.power_w.unwrap_or_default();
        if held > settled.saturating_sub(self.lag) {
            self.usages.extend(look.usage_pct);
        }
        if self.last.replace(meter.at) != Some(meter.at) && measured >= settled {
            self.watts.push(watts);
        }
        let time = self.point_time();
        let enough = if self.wish.seconds_per_point.is_some() {
            1
        } else {
            READINGS.into()
        };
        if held < time || self.watts.len() < enough || self.usages.is_empty() {
            if held > LONGEST {
                let why = format!("{} has said too little", self.meter.1);
                return vec![News::Stopped { why }];
            }
            let left = time.saturating_sub(held).as_secs();
            let points = LOADS.len() - self.points.len();
            let others = time.as_secs() * points.saturating_sub(1) as u64;
            return vec![News::Seen {
                usage_pct: look.usage_pct,
                watts,
                readings: self.watts.len(),
                left_s: (left, left + others),
            }];
        }
        self.finish_point(look.up)
    }

    fn finish_point(&mut self, up: Duration) -> Vec<News> {
        let usage_pct = mean(&self.usages);
        let readings = self.watts.len();
        let watts = median(&mut self.watts);
        let off = self.watts.iter().map(|one| (one / watts - 1.0).abs());
        self.scatter = off.fold(self.scatter, f64::max);
        if self.points.is_empty() && usage_pct > CALM {
            let why = format!(
                "the machine is at work ({usage_pct:.0} % use without any load from here): try \
                 again when it is calm"
            );
            return vec![News::Stopped { why }];
        }
        if let Some((before, _)) = self.points.last()
            && usage_pct < before + APART
        {
            let why = format!(
                "the load did not rise ({usage_pct:.0} % after {before:.0} %): is something else \
                 at work, or is this container not allowed every core?"
            );
            return vec![News::Stopped { why }];
        }
        self.points.push((usage_pct, watts));
        let mut news = vec![News::Point {
            usage_pct,
            watts,
            readings,
        }];
        (self.begun, self.usages, self.watts) = (up, Vec::new(), Vec::new());
        if self.points.len() < LOADS.len() {
            news.push(self.load());
        } else {
            news.push(self.outcome());
        }
        news
    }

    /// Why it cannot go on.
    fn trouble(&self, look: &Look<'_>) -> Option<String> {
        if let Some((hottest, critical)) = look.hottest {
            let limit = critical.map_or(HOT, |critical| critical - MARGIN);
            if hottest >= limit {
                return Some(format!(
                    "too hot: {hottest:.0} °C, where {limit:.0} °C is allowed here"
                ));
            }
        }
        let silent = look.up.saturating_sub(self.last_heard);
        if self.find(look.samples).is_some() || silent <= PATIENCE {
            return None;
        }
        Some(format!("{} says nothing any more", self.meter.1))
    }

    fn find<'a>(&self, samples: &'a [PowerSample]) -> Option<&'a PowerSample> {
        let mut own = samples.iter().filter(|one| one.source_id == self.meter.0);
        own.find(|one| one.power_w.is_some() && one.suspect.is_none())
    }

    fn load(&self) -> News {
        let place = self.points.len();
        News::Load {
            point: (place + 1, LOADS.len()),
            load_pct: LOADS.get(place).copied().unwrap_or(0),
        }
    }

    /// How long a load must be held before a reading of it counts.
    fn settle(&self) -> Duration {
        let settle = SETTLE + self.lag;
        let most = self.wish.seconds_per_point;
        most.map_or(settle, |most| {
            settle.min(Duration::from_secs(most.into()) / 2)
        })
    }

    /// How long a load is held.
    fn point_time(&self) -> Duration {
        if let Some(seconds) = self.wish.seconds_per_point {
            return Duration::from_secs(seconds.into());
        }
        let readings = self.interval.unwrap_or_default() * u32::from(READINGS);
        self.settle() + MEASURE.max(readings)
    }

    fn outcome(&self) -> News {
        let curve = Through::new(&self.points);
        let at = |usage: f64| curve.as_ref().map_or(0.0, |curve| curve.at(usage));
        let usual = BETWEEN_POINTS.max(self.scatter.min(0.2));
        News::Done(Outcome {
            idle_w: at(0.0),
            max_w: at(100.0),
            points: self.points.clone(),
            check_pct: self.check() * 100.0,
            error_pct: usual * 100.0,
            before_pct: None,
            kept: false,
        })
    }

    /// By how much the inner points are off when they are reckoned from the others, as a share.
    fn check(&self) -> f64 {
        let inner = 1..self.points.len().saturating_sub(1);
        let off = inner.filter_map(|place| {
            let (usage, watts) = *self.points.get(place)?;
            let mut others = self.points.clone();
            others.remove(place);
            Some((Through::new(&others)?.at(usage) / watts - 1.0).abs())
        });
        mean(&off.collect::<Vec<_>>())
    }
}

/// The meter that calibrates: one that measures this machine alone, and can be believed.
fn meter(samples: &[PowerSample]) -> Result<&PowerSample, String> {
    let real = |one: &&PowerSample| matches!(one.kind, SourceKind::Meter | SourceKind::Psu);
    let told = samples.iter().filter(real);
    let mut own = told
        .clone()
        .filter(|one| one.scope == Scope::Host && one.power_w.is_some());
    let Some(first) = own.next() else {
        let withheld = told.clone().filter(|one| one.power_w.is_none());
        let mut withheld = withheld.filter(|one| one.scope == Scope::Host);
        if let Some(doubt) = withheld.find_map(disbelief) {
            return Err(doubt);
        }
        let shared = told.clone().any(|one| one.scope == Scope::Shared);
        return Err(if shared {
            "the meter of this machine has more on it (feeds = \"host+more\"): plug nothing but \
             this machine into it for the calibration, and set feeds = \"host\""
        } else {
            "no meter measures this machine: plug it into one and set feeds = \"host\" in its \
             table [power.meters.NAME]; `homewatch doctor` lists the plugs that were heard"
        }
        .to_owned());
    };
    let all = std::iter::once(first).chain(own);
    let best = all.min_by(|a, b| (a.suspect.is_some(), a.kind).cmp(&(b.suspect.is_some(), b.kind)));
    let best = best.unwrap_or(first);
    disbelief(best).map_or(Ok(best), Err)
}

/// Why it cannot be believed, if so.
fn disbelief(sample: &PowerSample) -> Option<String> {
    let doubt = sample.suspect.as_ref()?;
    Some(format!("{} cannot be believed: it {doubt}", sample.label))
}

fn mean(figures: &[f64]) -> f64 {
    let count = figures.iter().fold(0.0, |count, _| count + 1.0);
    figures.iter().sum::<f64>() / f64::max(count, 1.0)
}

/// The middle one; of an even number the upper.
fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
