use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::point::{Point, Regime};
use super::profile::Profile;
use super::scene::{Scene, Seen};
use super::tracker::Tracker;
use super::trend::{median, pace};

/// A fan against itself: its speed by its drive, or by the processor's temperature where the
/// drive is not known, held against what it was at first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Fan {
    /// Whether the drive is known.
    driven: bool,
    /// Speeds by regime, rpm.
    speed: Profile,
    /// The least regime in which it turned, and for how many minutes.
    turns: Option<(Regime, u32)>,
    /// The greatest regime in which it stood still though it was well.
    stands: Option<Regime>,
    /// For how many minutes it has stood though it should turn.
    stalled: u32,
}

/// So many percent of drive are one regime.
const DRIVE: f64 = 5.0;
/// So many degrees are one: firmware drives a fan by some percent for each.
const DEGREES: f64 = 3.0;
/// A fan that turned for so many minutes in a regime starts there.
const STARTS: u32 = 30;
/// One that stands for so many minutes is stalled.
const STALLED: u32 = 10;
/// Below this share of its first speed it ages.
const AGED: f64 = 0.88;
/// Above this it is another fan.
const OTHER: f64 = 1.15;
/// At this share it no longer does its work.
const DONE: f64 = 0.6;
/// Below this it soon does not.
const PRESSING: f64 = 0.7;
/// First days that lie further apart than this share say nothing.
const VAGUE: f64 = 0.08;
/// Without its drive, a change by so much from one day to the next is a new fan curve, not age.
const STEP: f64 = 0.08;
/// The same from one week, in which it was well, to the next.
const WELL: f64 = 0.95;
const LEAP: f64 = 0.12;
const ADVICE: &str = "clean the fan; if that does not help, replace it";

impl Tracker for Fan {
    const KIND: Kind = Kind::Fan;

    fn wants(seen: &Seen<'_>) -> bool {
        seen.of("fan-")
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        let Some(rpm) = seen.number("fan_rpm") else {
            return;
        };
        let drive = seen.number("pwm_pct");
        let Some(by) = drive.or_else(|| scene.hottest()) else {
            return;
        };
        if drive.is_some() != self.driven {
            *self = Self {
                driven: drive.is_some(),
                ..Self::default()
            };
        }
        let regime = regime(by, if self.driven { DRIVE } else { DEGREES });
        if rpm > 0.0 {
            self.stalled = 0;
            self.turned(regime);
            let point = Point {
                at: by,
                figure: rpm,
            };
            if self.speed.take(scene.day, scene.minutes, regime, point) {
                self.day_ended();
            }
        } else if self.should_turn(regime) {
            self.stalled = self.stalled.saturating_add(1);
        } else {
            self.stalled = 0;
            self.stands = self.stands.max(Some(regime));
        }
    }

    fn rewind(&mut self, day: f64) {
        self.speed.rewind(day);
    }

    fn judge(&self, now: Timestamp) -> Finding {
        if self.stalled >= STALLED {
            return Finding::Foreseen(self.stall(now));
        }
        if self.turns.is_none() {
            // Nothing may be connected, or it was never needed.
            return Finding::Clear(None);
        }
        if self.speed.first().is_empty() {
            return Finding::Young(self.speed.missing(if self.driven {
                "at one drive"
            } else {
                "at one temperature of the processor"
            }));
        }
        let Some((ratio, first, slow)) = self.standing().filter(|(ratio, ..)| *ratio <= AGED)
        else {
            return Finding::Clear(None);
        };
        let falls = pace(self.speed.weeks()).filter(|line| line.slope < 0.0);
        let due = falls.and_then(|line| {
            let days = |slope: f64| (ratio - DONE).max(0.0) / -slope;
            let most = line.most.min(line.slope / 4.0);
            Due::within(now, days(line.slope), days(line.least), days(most))
        });
        let percent = (1.0 - ratio) * 100.0;
        let by = if self.driven {
            "at the same drive"
        } else {
            "at the same temperature of the processor"
        };
        let sure = falls.is_some_and(|line| line.falls());
        let case = Case {
            text: format!("it turns {percent:.0} % slower than in its first weeks {by}"),
            due,
            pressing: ratio < PRESSING,
            confidence: if self.driven { 75 } else { 60 } + if sure { 15 } else { 0 },
            evidence: Vec::new(),
            advice: ADVICE,
        };
        Finding::Foreseen(
            case.shown_by("speed at first", format!("{first:.0} rpm"))
                .shown_by(&format!("speed now, {by}"), format!("{slow:.0} rpm")),
        )
    }
}

impl Fan {
    fn day_ended(&mut self) {
        let Some((ratio, ..)) = self.standing() else {
            return;
        };
        self.speed.note(ratio);
        self.speed.aged(ratio.min(1.0));
        // Another fan, or another curve.
        let settled = self.speed.settled();
        let is_other = ratio > OTHER || settled.is_some_and(|ratio| ratio > PRESSING);
        if is_other || (!self.driven && self.is_step()) {
            self.speed.relearn();
        }
    }

    fn turned(&mut self, regime: Regime) {
        self.turns = match self.turns {
            Some((least, minutes)) if regime > least => Some((least, minutes)),
            Some((least, minutes)) if regime == least => Some((least, minutes.saturating_add(1))),
            // A short start in a lower regime is none yet, unless nothing else is known.
            Some((least, minutes)) if minutes >= STARTS && regime + 2 >= least => {
                Some((least, minutes))
            }
            Some(_) | None => Some((regime, 1)),
        };
    }

    /// Whether it turned in this regime and has never been left standing in it.
    fn should_turn(&self, regime: Regime) -> bool {
        let known = self.turns.filter(|(_, minutes)| *minutes >= STARTS);
        // Around the point where it starts it may do either.
        let starts = known.is_some_and(|(least, _)| regime > least);
        let drives = !self.driven || regime > 1;
        starts && drives && self.stands.is_none_or(|stands| regime > stands)
    }

    fn stall(&self, now: Timestamp) -> Case {
        let text = if self.driven {
            "it stands still though it is driven"
        } else {
            "it stands still at temperatures at which it has always turned"
        };
        let case = Case {
            text: text.to_owned(),
            due: Due::within(now, 0.0, 0.0, 1.0),
            pressing: true,
            confidence: if self.driven { 95 } else { 80 },
            evidence: Vec::new(),
            advice: ADVICE,
        };
        let case = case.shown_by("speed", "0 rpm");
        let known = self.speed.first().into_values();
        let known = known.map(|point| point.figure).reduce(f64::min);
        match known {
            Some(rpm) => case.shown_by("slowest of its first weeks", format!("{rpm:.0} rpm")),
            None => case,
        }
    }

    /// The ratio to its first speed, and both in the regime that is known best.
    fn standing(&self) -> Option<(f64, f64, f64)> {
        let both = self.speed.both_now();
        // Where it wavered from day to day, as around the point where its curve begins, it tells nothing.
        let is_steady = |regime: &Regime| self.speed.scatter(*regime) <= Some(VAGUE);
        let both = both.into_iter().filter(|(regime, _)| is_steady(regime));
        let both: Vec<(f64, f64)> = both.map(|(_, both)| both).collect();
        let ratio = median(both.iter().map(|(first, now)| now / first))?;
        let (first, now) = *both.last()?;
        Some((ratio, first, now))
    }

    /// Whether its speed has changed from one day to the next, or while it was off, as no fan ages.
    fn is_step(&self) -> bool {
        let newest: Vec<f64> = self
            .speed
            .weeks()
            .rev()
            .map(|(_, ratio)| ratio)
            .take(2)
            .collect();
        let leapt = matches!(newest[..], [now, before] if before > WELL && now < before - LEAP);
        leapt || self.speed.step().is_some_and(|step| step.abs() > STEP)
    }
}

fn regime(by: f64, width: f64) -> Regime {
    let steps = (0..40).filter(|step| by >= f64::from(*step) * width);
    Regime::try_from(steps.count()).unwrap_or(Regime::MAX)
}
