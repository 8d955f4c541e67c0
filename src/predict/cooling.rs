use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::profile::{Profile, Regime};
use super::scene::{Room, Scene, Seen};
use super::tracker::Tracker;
use super::trend::{median, pace, tidy};

/// Dust and dried paste: what load adds to a temperature, held against what it added at first.
///
/// The seasons do not come into it: a temperature is held against the room's where a sensor tells
/// that, else against the machine's coolest sensor, else only what load adds to the idle machine on the same
/// day counts, and then the part must also be hotter than it ever was before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Cooling {
    /// What it is held against.
    room: Option<Room>,
    /// Above the room, °C, by load.
    above: Profile,
    /// The temperature itself, °C, by load.
    degrees: Profile,
    /// At which it is critical, °C.
    limit: Option<f64>,
}

/// Loads up to these are one regime, %; the last is the rest.
const LOADS: [f64; 4] = [12.0, 35.0, 60.0, 85.0];
/// A part that gets hotter by less than this, °C, says nothing.
const SPEAKS: f64 = 6.0;
/// The same above the idle machine: the difference of two figures that both waver.
const SPEAKS_BESIDE: f64 = 10.0;
/// A load at which a part gets less than this share as hot as at the highest is left out.
const HIGH: f64 = 0.6;
/// And so many degrees.
const DEGREES: f64 = 4.0;
/// A part whose room is not known and that is hotter than at first by so much, °C, is hardly so by the
/// season alone; then it takes less of what load adds.
const SUMMER: f64 = 12.0;
/// So much.
const WORSE_IN_SUMMER: f64 = 1.15;
/// So much more than at first no slower fan in a cool room makes.
const MUCH: f64 = 1.4;
/// Less than this of what it was at first is another cooler.
const OTHER: f64 = 0.8;
/// What is critical where the chip does not say, °C.
const CRITICAL: f64 = 95.0;
/// From so far below it on a part slows itself down or comes to harm, °C.
const MARGIN: f64 = 3.0;
const ADVICE: &str = "clean the dust out of cooler, fans and filters; if that does not help, \
                      renew the thermal paste";

/// How it stands against its first weeks.
struct Standing {
    ratio: f64,
    /// Above the room, or above the idle machine, °C, then and now, at the load of `at`.
    first: f64,
    now: f64,
    at: Regime,
}

impl Tracker for Cooling {
    const KIND: Kind = Kind::Cooling;

    fn wants(seen: &Seen<'_>) -> bool {
        // Those of disks follow their own work, which the processor's use does not tell.
        seen.of("temp-") && !seen.of("temp-disk-")
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        let (Some(degrees), Some(load)) = (seen.number("temperature_c"), scene.load) else {
            return;
        };
        let Some(best) = scene.room(seen.subject) else {
            return;
        };
        // Once there is a sensor in the room, it is what counts; otherwise what was chosen stays.
        let better = best == Room::Air && self.room != Some(Room::Air);
        if better || self.room.is_none() {
            self.room = Some(best);
            self.relearn();
        } else if self.room == Some(Room::Unknown) && !self.above.is_beside_the_usual() {
            self.relearn();
        }
        let Some(room) = self.room.as_ref().and_then(|room| scene.degrees(room)) else {
            return;
        };
        let limit = seen.number("critical_c").or_else(|| seen.number("max_c"));
        self.limit = limit.filter(|limit| (60.0..=125.0).contains(limit));
        let regime = regime(load);
        self.degrees.take(scene.day, regime, degrees);
        let ended = self.above.take(scene.day, regime, degrees - room);
        if let Some(standing) = ended.then(|| self.standing()).flatten() {
            if standing.ratio < OTHER {
                self.relearn();
            } else {
                self.above.note(standing.ratio);
                self.above.aged(standing.ratio.max(1.0));
            }
        }
    }

    fn judge(&self, now: Timestamp) -> Finding {
        let Some(standing) = self.standing() else {
            let learnt = !self.above.first().is_empty();
            return if learnt && !self.above.now().is_empty() {
                Finding::Clear(None) // It does not follow the load.
            } else {
                Finding::Young(self.above.missing("at a steady load"))
            };
        };
        let added = standing.now - standing.first;
        let hot = self.degrees.lately().into_values().reduce(f64::max);
        let (Some(hot), true) = (hot, self.is_worse(&standing)) else {
            return Finding::Clear(None);
        };
        let limit = self.limit.unwrap_or(CRITICAL);
        let left = (limit - MARGIN - hot).max(0.0);
        let due = self.rate(&standing).and_then(|rates| {
            let [slow, likely, fast] = rates.map(|rate| left / rate);
            Due::within(now, likely, fast, slow)
        });
        let percent = (standing.ratio - 1.0) * 100.0;
        let load = name(standing.at);
        let above = match self.room {
            Some(Room::Air) => "above the room",
            Some(Room::Coolest(_)) => "above the machine's coolest sensor",
            Some(Room::Unknown) | None => "above the idle machine",
        };
        let case = Case {
            text: format!(
                "it is cooled worse than in its first weeks: {load} it gets {added:.0} °C hotter \
                 ({percent:.0} % more)"
            ),
            due,
            pressing: left < 5.0,
            confidence: self.confidence(&standing),
            evidence: Vec::new(),
            advice: ADVICE,
        };
        Finding::Foreseen(
            case.shown_by(
                &format!("at first, {above}, {load}"),
                degrees(standing.first),
            )
            .shown_by(&format!("now, {above}, {load}"), degrees(standing.now))
            .shown_by("hottest in the last week, on average", degrees(hot))
            .shown_by("critical", degrees(limit)),
        )
    }
}

impl Cooling {
    fn relearn(&mut self) {
        self.above = if self.room == Some(Room::Unknown) {
            Profile::beside_the_usual()
        } else {
            Profile::default()
        };
        self.degrees.relearn();
    }

    /// `None` until enough is known, or if it does not follow the load.
    fn standing(&self) -> Option<Standing> {
        let (first, now) = (self.above.first(), self.above.lately());
        let least = if self.room == Some(Room::Unknown) {
            SPEAKS_BESIDE
        } else {
            SPEAKS
        };
        let speaks = first.iter().filter(|(_, figure)| **figure >= least);
        let both: Vec<(Regime, f64, f64)> = speaks
            .filter_map(|(regime, first)| Some((*regime, *first, *now.get(regime)?)))
            .collect();
        // The highest loads say most; the middle of the two highest is no single wild one.
        let (at, first, now) = *both.last()?;
        let highest = both.iter().filter(|(_, other, _)| *other >= first * HIGH);
        let ratio = median(highest.rev().take(2).map(|(_, first, now)| now / first))?;
        Some(Standing {
            ratio,
            first,
            now,
            at,
        })
    }

    fn is_worse(&self, standing: &Standing) -> bool {
        let added = standing.now - standing.first;
        if added < DEGREES {
            return false;
        }
        if self.room != Some(Room::Unknown) {
            return standing.ratio >= self.worse();
        }
        // A fan that is slower in a cool room lets load add more; then the part is not hotter.
        let (first, now) = (self.degrees.first(), self.degrees.lately());
        let both = first.get(&standing.at).zip(now.get(&standing.at));
        let hotter = both.map_or(0.0, |(first, now)| now - first);
        let worse = match hotter {
            SUMMER.. => WORSE_IN_SUMMER,
            DEGREES.. => self.worse(),
            _ => MUCH,
        };
        standing.ratio >= worse
    }

    /// So much more than at first is a matter: the more, the less the room is known.
    const fn worse(&self) -> f64 {
        match self.room {
            Some(Room::Air) => 1.15,
            Some(Room::Coolest(_)) => 1.18,
            Some(Room::Unknown) | None => 1.25,
        }
    }

    /// Degrees a day by which the hottest load gets hotter: hardly less, likely, hardly more.
    fn rate(&self, standing: &Standing) -> Option<[f64; 3]> {
        let line = pace(self.above.weeks()).filter(|line| line.slope > 0.0)?;
        let rate = |slope: f64| slope * standing.first;
        Some([
            rate(line.least.max(line.slope / 4.0)),
            rate(line.slope),
            rate(line.most.max(line.slope)),
        ])
    }

    fn confidence(&self, standing: &Standing) -> u8 {
        let known: u8 = match self.room {
            Some(Room::Air) => 85,
            Some(Room::Coolest(_)) => 70,
            Some(Room::Unknown) | None => 55,
        };
        let sure = pace(self.above.weeks()).is_some_and(|line| line.rises());
        known + if sure { 10 } else { 0 }
            - if standing.ratio < self.worse() + 0.05 {
                10
            } else {
                0
            }
    }
}

fn regime(load: f64) -> Regime {
    let above = LOADS.iter().filter(|limit| load > **limit).count();
    Regime::try_from(above).unwrap_or(Regime::MAX)
}

fn name(regime: Regime) -> &'static str {
    match regime {
        0 => "idle",
        1 => "at a light load",
        2 => "at a middling load",
        3 => "at a high load",
        _ => "at full load",
    }
}

fn degrees(figure: f64) -> String {
    format!("{:.1} °C", tidy(figure))
}
