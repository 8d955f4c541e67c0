use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::regulator::Seen;

/// How far the drive goes at a time, percent.
const STEP: f64 = 5.0;
/// A fan needs so long to come to another speed.
const SETTLE: Duration = Duration::from_secs(6);
/// So long a fan gets to begin to turn.
const BEGIN: Duration = Duration::from_secs(4);
/// The run ends this far below the temperature of full drive, kelvin.
const MARGIN_K: f64 = 5.0;

/// What a guided run has found out about a fan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The least drive at which it still turns, percent.
    pub min_pct: f64,
    /// The drive at which it begins to turn, percent.
    pub start_pct: f64,
    /// Drive in percent and revolutions per minute, falling.
    pub speeds: Vec<(f64, f64)>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The drive to set, percent.
    Drive(f64),
    /// It is done.
    Done(Measured),
    /// It had to end, and why.
    Failed(String),
}

/// A guided run: down from full drive until the fan stands still, then up until it turns. Bounded:
/// at most 41 steps of some seconds. Pure.
#[derive(Debug, Clone)]
pub struct Measuring {
    full_at_c: f64,
    drive: f64,
    since: Option<Duration>,
    speeds: Vec<(f64, f64)>,
    /// The least drive at which it turned, once it stands still.
    min_pct: Option<f64>,
}

impl Measuring {
    /// A run that ends before `full_at_c` is reached.
    pub const fn new(full_at_c: f64) -> Self {
        Self {
            full_at_c,
            drive: 100.0,
            since: None,
            speeds: Vec::new(),
            min_pct: None,
        }
    }

    /// How far it is, percent of the longest way.
    pub fn progress_pct(&self) -> f64 {
        let steps = match self.min_pct {
            None => (100.0 - self.drive) / STEP,
            Some(_) => 20.0 + self.drive / STEP,
        };
        (steps * 2.5).clamp(0.0, 99.0)
    }

    /// What comes next at `now`.
    pub fn step(&mut self, now: Duration, seen: Seen) -> Next {
        match seen.hottest_c {
            None => return Next::Failed("no temperature can be read".to_owned()),
            Some(hottest) if hottest >= self.full_at_c - MARGIN_K => {
                return Next::Failed(format!("{hottest:.0} °C is too hot for it"));
            }
            Some(_) => {}
        }
        let Some(rpm) = seen.rpm else {
            return Next::Failed("its revolutions are not counted".to_owned());
        };
        let Some(since) = self.since else {
            self.since = Some(now);
            return Next::Drive(self.drive);
        };
        let patience = if self.min_pct.is_none() {
            SETTLE
        } else {
            BEGIN
        };
        if now.saturating_sub(since) < patience {
            return Next::Drive(self.drive);
        }
        self.since = Some(now);
        match self.min_pct {
            None => self.down(rpm),
            Some(min_pct) => self.up(min_pct, rpm),
        }
    }

    fn down(&mut self, rpm: f64) -> Next {
        if rpm <= 0.0 {
            let Some((least, _)) = self.speeds.last() else {
                return Next::Failed("it does not turn at full drive".to_owned());
            };
            self.min_pct = Some(*least);
            self.drive = 0.0;
            return Next::Drive(self.drive);
        }
        self.speeds.push((self.drive, rpm));
        if self.drive <= 0.0 {
            // It never stands still: many a pump, and outputs that have a floor of their own.
            return self.done(0.0, 0.0);
        }
        self.drive = (self.drive - STEP).max(0.0);
        Next::Drive(self.drive)
    }

    fn up(&mut self, min_pct: f64, rpm: f64) -> Next {
        if rpm > 0.0 && self.drive > 0.0 {
            return self.done(min_pct, self.drive);
        }
        if self.drive >= 100.0 {
            return Next::Failed("it has stopped and does not begin to turn again".to_owned());
        }
        self.drive += STEP;
        Next::Drive(self.drive)
    }

    fn done(&mut self, min_pct: f64, start_pct: f64) -> Next {
        Next::Done(Measured {
            min_pct,
            start_pct: start_pct.max(min_pct),
            speeds: std::mem::take(&mut self.speeds),
        })
    }
}
