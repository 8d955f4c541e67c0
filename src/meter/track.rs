mod part;
mod record;
mod voice;
mod wrong;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use self::part::Part;
pub(crate) use self::record::Record;
use self::voice::{Lead, Voice};
use self::wrong::Wrong;
use super::check::{Pace, Still, against_apparent};
use super::doubt::Doubt;
use super::figures::{Figures, Heard};
use crate::model::Timestamp;

/// Below so many watts less than nothing is noise.
const NOISE: f64 = 1.0;
/// Watts of an outlet that is off are not worth a word below this.
const LEAK: f64 = 0.5;
/// The figures of a device that tells each in a message of its own are all there after this long.
/// Until then its energy is not told: a total that leaps when one more counter is heard of would
/// be taken for energy.
const GATHERING: Duration = Duration::from_secs(90);

/// What is known of one meter and its outlets. Pure: the time comes with every message.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    limits: Limits,
    parts: BTreeMap<u8, Part>,
    /// What the watts have come to while no part had a counter, kWh.
    integral: f64,
    /// Whether the whole or its outlets count.
    lead: Option<Lead>,
    /// Watts of all parts and when they were told.
    power: Option<(f64, Instant)>,
    heard: Option<(Instant, Timestamp)>,
    /// When its figures were first heard; long past if they were kept from before.
    begun: Begun,
    online: bool,
    wrong: Wrong,
    pace: Pace,
    /// How many counters the pace is of.
    counters: usize,
    still: Still,
}

/// Since when a meter is known.
#[derive(Debug, Clone, Copy)]
enum Begun {
    NotYet,
    /// Its figures are being gathered since then.
    At(Instant),
    /// All of them are known.
    Whole,
}

impl Begun {
    fn is_whole(self, now: Instant) -> bool {
        match self {
            Self::NotYet => false,
            Self::At(begun) => now.duration_since(begun) >= GATHERING,
            Self::Whole => true,
        }
    }
}

/// What a meter may say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// More cannot be, W.
    pub(crate) max_w: f64,
    /// Whether energy may flow out.
    pub(crate) feeds_in: bool,
    /// Whether one outlet is meant, and not all that the device has.
    pub(crate) one_outlet: bool,
    /// Factor on watts: unit and scale.
    pub(crate) power: f64,
    /// Factor on the counters: unit and scale.
    pub(crate) energy: f64,
    /// Without figures for this long it is silent.
    pub(crate) silent_after: Duration,
}

/// How a meter fares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Look {
    /// Nothing was ever heard of it.
    NeverHeard,
    /// It or its bridge has said that it is away.
    Offline,
    /// Nothing was heard for this long.
    Silent(Duration),
    /// It speaks.
    Live(View),
}

/// What a meter that speaks says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct View {
    /// The rest of the figures, those of a meter with one part as they are; `power_w`,
    /// `energy_kwh` and `returned_kwh` judged and of all parts together.
    pub(crate) figures: Figures,
    /// When it spoke last, by our clock.
    pub(crate) at: Timestamp,
    /// What is wrong with it.
    pub(crate) doubt: Option<Doubt>,
}

impl Track {
    /// A meter of which nothing is known.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            parts: BTreeMap::new(),
            integral: 0.0,
            lead: None,
            power: None,
            heard: None,
            begun: Begun::NotYet,
            online: true,
            wrong: Wrong::default(),
            pace: Pace::default(),
            counters: 0,
            still: Still::default(),
        }
    }

    /// Takes a message in. What a broker had kept is of unknown age: it tells whether the device
    /// is there, and nothing else.
    pub(crate) fn hear(&mut self, heard: &Heard, retained: bool, now: Instant, at: Timestamp) {
        if let Some(online) = heard.online {
            self.online = online;
        }
        if retained {
            return;
        }
        self.wrong.unreadable = heard.unreadable;
        if heard.parts.is_empty() {
            return;
        }
        // Whatever was said before, it speaks.
        self.online = true;
        self.heard = Some((now, at));
        if !self.listens_to(heard, now) {
            return;
        }
        let late = self.begun.is_whole(now);
        if !late {
            // Who says both in one message says all.
            let figures = || heard.parts.iter().map(|(_, figures)| figures);
            let whole = figures().any(|one| one.power_w.is_some())
                && figures().any(|one| one.energy_kwh.is_some());
            self.begun = match self.begun {
                _ if whole => Begun::Whole,
                Begun::NotYet => Begun::At(now),
                begun @ (Begun::At(_) | Begun::Whole) => begun,
            };
        }
        self.wrong.absurd_counter = false;
        for (number, figures) in &heard.parts {
            let part = self.parts.entry(*number).or_default();
            let taken = part.take(figures, self.limits, now, late);
            self.wrong.note(*number, taken, now);
        }
        self.add_up(heard, now);
    }

    /// Judges the watts of all parts together and counts them.
    fn add_up(&mut self, heard: &Heard, now: Instant) {
        let before = self.power;
        let judged = self.judge(now);
        let told = heard
            .parts
            .iter()
            .any(|(_, figures)| figures.power_w.is_some());
        self.wrong.withheld = judged.err();
        self.power = judged.ok().flatten().map(|watts| {
            // A message without watts makes the old ones no younger.
            let at = before.map_or(now, |(_, at)| if told { now } else { at });
            (watts, at)
        });
        let grown = match (before, self.power) {
            (Some((old, since)), Some((new, at))) => {
                let time = at.duration_since(since);
                let fills = time <= self.limits.silent_after;
                if fills {
                    (old + new).max(0.0) / 2.0 * time.as_secs_f64() / 3.6e6
                } else {
                    0.0
                }
            }
            _ => 0.0,
        };
        let counters = self.parts.values().filter(|part| part.energy.is_some());
        let counters = counters.count();
        if counters != self.counters {
            // One more counter is no energy.
            self.counters = counters;
            self.pace = Pace::default();
        }
        if let Some(total) = self.counted() {
            let step = self
                .parts
                .values()
                .filter_map(|part| part.energy.as_ref()?.step());
            let step = step.reduce(f64::max);
            self.pace.note(now, grown, (total, step), self.limits.max_w);
        } else {
            self.integral += grown;
        }
        if let [(number, _)] = heard.parts.as_slice() {
            let figures = self.parts.get(number).map(|part| part.figures);
            self.wrong.frozen = figures.is_some_and(|figures| self.still.note(&figures, now));
        }
    }

    /// The watts of all parts, or why they cannot be.
    fn judge(&mut self, now: Instant) -> Result<Option<f64>, Doubt> {
        self.wrong.relay_off = None;
        let mut sum = None;
        for part in self.parts.values() {
            let (Some(mut watts), Some(told)) = (part.figures.power_w, part.power_at) else {
                continue;
            };
            if now.duration_since(told) > self.limits.silent_after {
                continue;
            }
            if !watts.is_finite() {
                return Err(Doubt::NoNumber);
            }
            if part.figures.relay == Some(false) {
                if watts.abs() > LEAK {
                    self.wrong.relay_off = Some(Doubt::RelayOff(watts));
                }
                watts = 0.0;
            }
            if let Some(doubt @ Doubt::Kilowatts(..)) = against_apparent(&part.figures) {
                return Err(doubt);
            }
            sum = Some(sum.unwrap_or(0.0) + watts);
        }
        let Some(mut watts) = sum else {
            return Ok(None);
        };
        if watts < 0.0 && !self.limits.feeds_in {
            if watts < -NOISE {
                return Err(Doubt::Negative(watts));
            }
            watts = 0.0;
        }
        if watts.abs() > self.limits.max_w {
            return Err(Doubt::TooMuch(watts, self.limits.max_w));
        }
        Ok(Some(watts))
    }

    /// What all counters have counted, kWh.
    fn counted(&self) -> Option<f64> {
        let totals = self.parts.values();
        let totals = totals.filter_map(|part| part.energy.as_ref()?.total());
        totals.reduce(|sum, total| sum + total)
    }

    /// How it fares at `now`.
    pub(crate) fn look(&self, now: Instant) -> Look {
        let Some((heard, at)) = self.heard else {
            return if self.online {
                Look::NeverHeard
            } else {
                Look::Offline
            };
        };
        if !self.online {
            return Look::Offline;
        }
        let silence = now.duration_since(heard);
        if silence > self.limits.silent_after {
            return Look::Silent(silence);
        }
        let speaks = |number: &u8| {
            self.lead
                .is_none_or(|lead| Voice::of(*number) == lead.voice)
        };
        let parts = self.parts.iter().filter(|(number, _)| speaks(number));
        let mut parts = parts.map(|(_, part)| part.figures);
        let mut figures = match (parts.next(), parts.next()) {
            (Some(only), None) => only,
            _ => Figures::default(),
        };
        let doubt = self.doubt(now);
        let fresh = |(_, at): &(f64, Instant)| now.duration_since(*at) <= self.limits.silent_after;
        figures.power_w = self.power.filter(fresh).map(|(watts, _)| watts);
        if doubt == Some(Doubt::SlowPower) {
            figures.power_w = None;
        }
        let counted = self.counted();
        let integrated = (self.integral > 0.0 || self.power.is_some()).then_some(self.integral);
        let gathered = self.begun.is_whole(now);
        figures.energy_kwh = match counted {
            _ if !gathered => None,
            Some(_) if doubt == Some(Doubt::FastCounter) => None,
            Some(counted) => Some(counted + self.integral),
            None => integrated,
        };
        let out = self.parts.values();
        let out = out.filter_map(|part| part.returned.as_ref()?.total());
        let out = out.reduce(|sum, total| sum + total);
        figures.returned_kwh = out.filter(|_| gathered);
        Look::Live(View { figures, at, doubt })
    }
}

#[cfg(test)]
mod tests;
