use std::time::Duration;

use crate::config::{FanConfig, FanCurve};

/// Without any temperature for this long the fan is given back.
const BLIND: Duration = Duration::from_secs(10);
/// Temperatures must be back for this long before the fan is taken again.
const SIGHT: Duration = Duration::from_secs(30);
/// How long a fan that stands still gets the drive at which it begins to turn.
const KICK: Duration = Duration::from_secs(4);
/// A fan that does not turn for this long at a drive at which it should is stalled.
const STALL: Duration = Duration::from_secs(15);
/// So many times in a row the output has another drive than was set: somebody else sets it.
const FOREIGN: u32 = 3;
/// Drives that differ by less are the same: outputs know 256 steps, some fewer, percent.
const SAME: f64 = 3.0;
/// Where neither configuration nor measuring say more: drives at which nearly every fan turns and
/// begins to turn, percent.
const MIN: f64 = 30.0;
const START: f64 = 40.0;

/// What a person or the configuration wants of the fan.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Follows a curve.
    Curve(FanCurve),
    /// Holds a drive, percent.
    Fixed(f64),
    /// Is left to the board.
    Auto,
}

/// What is seen at a step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// The hottest of the fan's sensors, °C; `None` if there is none or none can be believed.
    pub hottest_c: Option<f64>,
    /// Revolutions per minute, if they are counted.
    pub rpm: Option<f64>,
    /// The drive as it is read back, percent; `None` while the board drives it.
    pub drive_pct: Option<f64>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Deed {
    /// Sets the drive, percent.
    Drive(f64),
    /// Gives the fan back to the board, or drives it fully where the board cannot.
    Release,
}

/// How it stands; the words are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It follows its curve.
    Curve,
    /// It holds a drive.
    Fixed,
    /// The board drives it, as was wished.
    Auto,
    /// It runs fully: too hot, or it does not turn.
    Full,
    /// It was given back: no temperature can be believed.
    Blind,
    /// It was given back: something else sets the output.
    Foreign,
}

impl Stand {
    /// Every word.
    pub const WORDS: [&'static str; 7] = [
        "curve",
        "fixed",
        "auto",
        "full",
        "blind",
        "foreign",
        "measuring",
    ];

    /// The word that is published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Curve => "curve",
            Self::Fixed => "fixed",
            Self::Auto => "auto",
            Self::Full => "full",
            Self::Blind => "blind",
            Self::Foreign => "foreign",
        }
    }
}

/// Drives one fan: what is wished, and what must be for safety's sake. Pure.
#[derive(Debug, Clone)]
pub struct Regulator {
    wish: Wish,
    hysteresis_k: f64,
    full_at_c: f64,
    min_pct: f64,
    start_pct: f64,
    may_stop: bool,
    /// What was set last.
    set: Option<f64>,
    blind_since: Option<Duration>,
    blind: bool,
    sees_since: Option<Duration>,
    still_since: Option<Duration>,
    kick_until: Option<Duration>,
    stalled: bool,
    /// So many times in a row something else had set the output; from [`FOREIGN`] on it has it.
    others: u32,
}

impl Regulator {
    /// Nothing is set yet. `measured` are the least and the starting drive of a guided run.
    pub fn new(config: &FanConfig, wish: Wish, measured: Option<(f64, f64)>) -> Self {
        let min_pct = config
            .min_pct
            .or(measured.map(|(min, _)| min))
            .unwrap_or(MIN);
        let start_pct = config.start_pct.or(measured.map(|(_, start)| start));
        Self {
            wish,
            hysteresis_k: config.hysteresis_k,
            full_at_c: config.full_at_c,
            min_pct,
            start_pct: start_pct.unwrap_or(START).max(min_pct),
            may_stop: config.may_stop,
            set: None,
            blind_since: None,
            blind: false,
            sees_since: None,
            still_since: None,
            kick_until: None,
            stalled: false,
            others: 0,
        }
    }

    /// What is wished now.
    pub const fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Another wish; a fan that something else had taken is taken again.
    pub fn ask(&mut self, wish: Wish) {
        self.wish = wish;
        self.others = 0;
    }

    /// Whether it does not turn although it should.
    pub const fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// What is to be done at `now` (since any beginning).
    pub fn step(&mut self, now: Duration, seen: Seen) -> (Deed, Stand) {
        self.watch_sensors(now, seen.hottest_c);
        self.watch_output(seen.drive_pct);
        self.watch_fan(now, seen.rpm);
        let (deed, stand) = self.decide(now, seen);
        self.set = match deed {
            Deed::Drive(drive) => Some(drive),
            Deed::Release => None,
        };
        (deed, stand)
    }

    /// After a while without any temperature nothing is known, until they are back for a while.
    fn watch_sensors(&mut self, now: Duration, hottest_c: Option<f64>) {
        if hottest_c.is_some() {
            let since = *self.sees_since.get_or_insert(now);
            self.blind_since = None;
            self.blind &= now.saturating_sub(since) < SIGHT;
        } else {
            let since = *self.blind_since.get_or_insert(now);
            self.sees_since = None;
            self.blind |= now.saturating_sub(since) >= BLIND;
        }
    }

    fn watch_output(&mut self, drive_pct: Option<f64>) {
        if self.others >= FOREIGN {
            return;
        }
        let same = |set: f64| drive_pct.is_some_and(|read| (read - set).abs() < SAME);
        self.others = match self.set {
            Some(set) if !same(set) => self.others + 1,
            Some(_) | None => 0,
        };
    }

    fn watch_fan(&mut self, now: Duration, rpm: Option<f64>) {
        let should = self.set.is_some_and(|set| set >= self.start_pct);
        match rpm {
            Some(rpm) if rpm > 0.0 => {
                self.still_since = None;
                self.stalled = false;
            }
            Some(_) if should => {
                let since = *self.still_since.get_or_insert(now);
                self.stalled |= now.saturating_sub(since) >= STALL;
            }
            // Nobody counts, or it need not turn: nothing is known against it.
            Some(_) | None => self.still_since = None,
        }
    }

    fn decide(&mut self, now: Duration, seen: Seen) -> (Deed, Stand) {
        if self.others >= FOREIGN {
            return (Deed::Release, Stand::Foreign);
        }
        if self.wish == Wish::Auto {
            return (Deed::Release, Stand::Auto);
        }
        if self.blind {
            return (Deed::Release, Stand::Blind);
        }
        let hot = seen
            .hottest_c
            .is_some_and(|hottest| hottest >= self.full_at_c);
        if hot || self.stalled {
            return (Deed::Drive(100.0), Stand::Full);
        }
        let (wanted, stand) = match (&self.wish, seen.hottest_c) {
            (Wish::Fixed(drive), _) => (*drive, Stand::Fixed),
            (Wish::Curve(curve), Some(hottest)) => (self.on(curve, hottest), Stand::Curve),
            // For a moment without a temperature it goes on as it was; at first it runs fully.
            (Wish::Curve(_) | Wish::Auto, _) => (self.set.unwrap_or(100.0), Stand::Curve),
        };
        (Deed::Drive(self.turning(now, wanted, seen.rpm)), stand)
    }

    /// Up at once, down only when it has become cooler by the hysteresis.
    fn on(&self, curve: &FanCurve, hottest_c: f64) -> f64 {
        let wanted = curve.at(hottest_c);
        match self.set {
            Some(set) if wanted < set => curve.at(hottest_c + self.hysteresis_k).min(set),
            Some(_) | None => wanted,
        }
    }

    /// The drive that makes of `wanted` what the fan can do: it stands still, or it turns.
    fn turning(&mut self, now: Duration, wanted: f64, rpm: Option<f64>) -> f64 {
        if wanted <= 0.0 && self.may_stop {
            self.kick_until = None;
            return 0.0;
        }
        let drive = wanted.max(self.min_pct);
        let stands = match rpm {
            Some(rpm) => rpm <= 0.0,
            None => self.set.is_none_or(|set| set < self.min_pct),
        };
        if stands && drive < self.start_pct && self.kick_until.is_none() {
            self.kick_until = Some(now + KICK);
        }
        match self.kick_until {
            Some(until) if now < until => drive.max(self.start_pct),
            // It still stands: it goes on being pushed, which a stall is made of.
            Some(_) if stands && rpm.is_some() => drive.max(self.start_pct),
            Some(_) | None => {
                self.kick_until = None;
                drive
            }
        }
    }
}
