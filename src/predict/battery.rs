use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::scene::{Scene, Seen};
use super::tracker::Tracker;
use super::trend::{Line, median, pace, real, tidy};

/// The battery of a UPS: how much of its first strength is left, week by week.
///
/// Where the UPS itself or what was observed tells its health, that is taken; else the time it
/// gives at full charge, reckoned to one load by what was learnt of how it follows the load.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Battery {
    /// What is followed: its own health, %, or its time at a load, s.
    by: By,
    /// The day that is now.
    #[serde(default)]
    today: Day,
    /// The week that is now, and its days.
    week: f64,
    #[serde(default)]
    days: VecDeque<Figure>,
    /// The middle of each week.
    #[serde(default)]
    course: VecDeque<(f64, Figure)>,
    /// How its time follows the load.
    #[serde(default)]
    bend: Bend,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum By {
    #[default]
    Runtime,
    Health,
}

/// What was told, and the share of a half load at which it was, both as logarithms.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Figure {
    told: f64,
    load: f64,
}

/// The sums of a day.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Day {
    at: f64,
    count: f64,
    sum: Figure,
    /// Of the load by itself, and by what was told.
    squares: (f64, f64),
}

/// By which power of the load its time falls: by what was seen within days.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Bend {
    load: f64,
    told: f64,
}

/// So many weeks are remembered.
const WEEKS: usize = 120;
/// So many are its first strength.
const FIRST: usize = 4;
/// So many make a trend.
const TREND: usize = 10;
/// At this share of its first strength it is at its end.
const END: f64 = 0.6;
/// A date further off than this is no matter yet, days.
const NEAR: f64 = 120.0;
/// A battery gives less than its share at a higher load: time falls by this power of it (Peukert),
/// where nothing else is known.
const PEUKERT: f64 = 1.15;
/// So much has to be seen of another power until it counts as much as that.
const BEFORE: f64 = 2.0;
/// No UPS reckons by less or by more.
const POWERS: (f64, f64) = (0.8, 1.6);
/// Stronger than of late by this factor is a new battery.
const RENEWED: f64 = 1.25;
const ADVICE: &str = "order a new battery and have the UPS test itself once it is in";

impl Tracker for Battery {
    const KIND: Kind = Kind::Battery;

    fn wants(seen: &Seen<'_>) -> bool {
        seen.of("ups-") && (health(seen).is_some() || seen.number("runtime_s").is_some())
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        let Some((by, figure)) = health(seen)
            .map(|health| (By::Health, health))
            .or_else(|| Some((By::Runtime, at_rest(seen)?)))
        else {
            return;
        };
        if by != self.by {
            *self = Self {
                by,
                ..Self::default()
            };
        }
        let (day, week) = (scene.day.floor(), (scene.day / 7.0).floor());
        if day > self.today.at {
            let ended = std::mem::replace(&mut self.today, Day::of(day));
            if let Some(mean) = ended.mean() {
                self.days.push_back(mean);
                self.bend.learn(&ended, mean);
            }
        }
        if week > self.week {
            let ended = std::mem::replace(&mut self.week, week);
            let days = std::mem::take(&mut self.days);
            let told = median(days.iter().map(|day| day.told));
            let load = median(days.iter().map(|day| day.load));
            if let Some((told, load)) = told.zip(load) {
                let (told, load) = (tidy(told), tidy(load));
                self.close(ended, Figure { told, load });
            }
        }
        self.today.take(figure);
    }

    fn rewind(&mut self, day: f64) {
        let week = (day / 7.0).floor();
        self.today.at = self.today.at.min(day.floor());
        self.week = self.week.min(week);
        self.course.retain(|(at, _)| *at <= week);
    }

    fn judge(&self, now: Timestamp) -> Finding {
        if let Some(case) = self.told_worn() {
            return Finding::Foreseen(case);
        }
        if self.course.len() < TREND {
            let missing = real(TREND) - real(self.course.len());
            return Finding::Young(format!("{missing:.0} more weeks on the mains"));
        }
        let first = self.first();
        let days = self
            .course
            .iter()
            .map(|(week, figure)| (week * 7.0, self.strength(*figure) / first));
        let Some(fit) = pace(days).filter(Line::falls) else {
            return Finding::Clear(None);
        };
        let left = (fit.level - END).max(0.0);
        let within = |slope: f64| left / -slope;
        let due = Due::within(now, within(fit.slope), within(fit.least), within(fit.most));
        if within(fit.slope) > NEAR {
            return Finding::Clear(due);
        }
        let percent = fit.level * 100.0;
        let case = Case {
            text: format!(
                "its battery has {percent:.0} % of its first strength left, and is at its end \
                 with {:.0} %",
                END * 100.0
            ),
            due,
            pressing: left <= 0.0,
            confidence: if self.by == By::Health { 85 } else { 65 },
            evidence: Vec::new(),
            advice: ADVICE,
        };
        let (what, unit, scale) = match self.by {
            By::Health => ("health", "%", 1.0),
            By::Runtime => ("time it gives at half load", "min", 1.0 / 60.0),
        };
        let figure = |figure: f64| format!("{:.0} {unit}", figure * scale);
        Finding::Foreseen(
            case.shown_by(&format!("{what}, at first"), figure(first))
                .shown_by(&format!("{what}, now"), figure(fit.level * first))
                .shown_by("weeks that show it", format!("{:.0}", fit.span / 7.0)),
        )
    }
}

impl Battery {
    fn close(&mut self, week: f64, figure: Figure) {
        let of_late = self.course.iter().rev().take(4);
        let of_late = median(of_late.map(|(_, figure)| self.strength(*figure)));
        if of_late.is_some_and(|of_late| self.strength(figure) > of_late * RENEWED) {
            self.course.clear();
        }
        self.course.push_back((week, figure));
        while self.course.len() > WEEKS {
            // Its first strength stays.
            self.course.remove(FIRST);
        }
    }

    /// What was told, reckoned to half load.
    fn strength(&self, figure: Figure) -> f64 {
        match self.by {
            By::Health => figure.told.exp(),
            By::Runtime => (figure.told + self.bend.power() * figure.load).exp(),
        }
    }

    /// Its first strength.
    fn first(&self) -> f64 {
        let first = self.course.iter().take(FIRST);
        let first = median(first.map(|(_, figure)| self.strength(*figure)));
        // A health is a share of what it was when it was new.
        let least = if self.by == By::Health { 100.0 } else { 1.0 };
        first.unwrap_or(least).max(least)
    }

    /// A health that is told needs no trend to be too little; two weeks of it are no single odd one.
    fn told_worn(&self) -> Option<Case> {
        let newest = self.course.iter().rev().take(2);
        let health = newest.map(|(_, figure)| self.strength(*figure));
        let worn = self.by == By::Health && self.course.len() > 1;
        let health = health.reduce(f64::max).filter(|_| worn)?;
        let case = Case {
            text: format!("its battery has {health:.0} % of its strength left: it is at its end"),
            due: None,
            pressing: true,
            confidence: 85,
            evidence: Vec::new(),
            advice: ADVICE,
        };
        let case = case.shown_by("health, now", format!("{health:.0} %"));
        (health <= END * 100.0).then_some(case)
    }
}

impl Day {
    fn of(at: f64) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }

    fn take(&mut self, figure: Figure) {
        self.count += 1.0;
        self.sum.told += figure.told;
        self.sum.load += figure.load;
        self.squares.0 += figure.load * figure.load;
        self.squares.1 += figure.load * figure.told;
    }

    fn mean(&self) -> Option<Figure> {
        (self.count > 0.0).then(|| Figure {
            told: self.sum.told / self.count,
            load: self.sum.load / self.count,
        })
    }
}

impl Bend {
    /// Takes in how what was told followed the load within a day.
    fn learn(&mut self, day: &Day, mean: Figure) {
        self.load += day.squares.0 - day.count * mean.load * mean.load;
        self.told += day.squares.1 - day.count * mean.load * mean.told;
    }

    /// By which power of the load its time falls.
    fn power(self) -> f64 {
        let seen = (PEUKERT * BEFORE - self.told) / (self.load + BEFORE);
        seen.clamp(POWERS.0, POWERS.1)
    }
}

/// Its health as the UPS or what was observed tells it, %.
fn health(seen: &Seen<'_>) -> Option<Figure> {
    let keys = ["battery_health_pct", "health_pct"];
    let told = keys.iter().find_map(|key| seen.number(key))?;
    (1.0..=120.0).contains(&told).then(|| Figure {
        told: told.ln(),
        load: 0.0,
    })
}

/// The seconds that its full battery would give, while it rests on the mains.
fn at_rest(seen: &Seen<'_>) -> Option<Figure> {
    let (charge, load) = (seen.number("charge_pct")?, seen.number("load_pct")?);
    let rests = charge >= 99.0 && (5.0..=100.0).contains(&load) && !seen.is("on_battery");
    let seconds = seen
        .number("runtime_s")
        .filter(|told| rests && *told > 0.0)?;
    Some(Figure {
        told: seconds.ln(),
        load: (load / 50.0).ln(),
    })
}
