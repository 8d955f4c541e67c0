use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::scene::{Scene, Seen};
use super::tracker::Tracker;
use super::trend::{Line, line, median, real, tidy};

/// The battery of a UPS: how much of its first strength is left, week by week.
///
/// Where the UPS itself or what was observed tells its health, that is taken; else the time it
/// gives at full charge, reckoned to one load.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Battery {
    /// What is followed: its own health, %, or its time at one load, s.
    by: By,
    /// The week that is now, and its figures by the day (the last of each).
    week: f64,
    figures: VecDeque<(f64, f64)>,
    /// The middle of each week.
    weeks: VecDeque<(f64, f64)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum By {
    #[default]
    Runtime,
    Health,
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
/// A battery gives less than its share at a higher load: time falls by this power of it (Peukert).
const PEUKERT: f64 = 1.15;
/// Figures a week at most.
const FIGURES: usize = 7;
const ADVICE: &str = "order a new battery and have the UPS test itself once it is in";

impl Tracker for Battery {
    const KIND: Kind = Kind::Battery;

    fn wants(seen: &Seen<'_>) -> bool {
        seen.of("ups-") && (health(seen).is_some() || seen.number("runtime_s").is_some())
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        let Some((by, figure)) = health(seen)
            .map(|health| (By::Health, health))
            .or_else(|| Some((By::Runtime, at_one_load(seen)?)))
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
        if week > self.week {
            let ended = std::mem::replace(&mut self.week, week);
            let middle = median(self.figures.drain(..).map(|(_, figure)| figure));
            if let Some(middle) = middle {
                self.close(ended, tidy(middle));
            }
        }
        // One a day, the last.
        self.figures.retain(|(at, _)| *at < day);
        self.figures.push_back((day, figure));
        let extra = self.figures.len().saturating_sub(FIGURES);
        self.figures.drain(..extra);
    }

    fn judge(&self, now: Timestamp) -> Finding {
        if self.weeks.len() < TREND {
            let missing = real(TREND) - real(self.weeks.len());
            return Finding::Young(format!("{missing:.0} more weeks on the mains"));
        }
        let first = self.first();
        let days = self
            .weeks
            .iter()
            .map(|(week, figure)| (week * 7.0, figure / first));
        let Some(fit) = line(days).filter(Line::falls) else {
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
        let last = self.weeks.back().map_or(0.0, |(_, figure)| *figure);
        let (what, unit, scale) = match self.by {
            By::Health => ("health", "%", 1.0),
            By::Runtime => ("time it gives at half load", "min", 1.0 / 60.0),
        };
        let figure = |figure: f64| format!("{:.0} {unit}", figure * scale);
        Finding::Foreseen(
            case.shown_by(&format!("{what}, at first"), figure(first))
                .shown_by(&format!("{what}, now"), figure(last))
                .shown_by("weeks that show it", format!("{:.0}", fit.span / 7.0)),
        )
    }
}

impl Battery {
    fn close(&mut self, week: f64, figure: f64) {
        // Much stronger than it was of late: a new battery.
        let of_late = median(self.weeks.iter().rev().take(4).map(|(_, figure)| *figure));
        if of_late.is_some_and(|of_late| figure > of_late * 1.25) {
            self.weeks.clear();
        }
        self.weeks.push_back((week, figure));
        while self.weeks.len() > WEEKS {
            // Its first strength stays.
            self.weeks.remove(FIRST);
        }
    }

    /// Its first strength.
    fn first(&self) -> f64 {
        let first = median(self.weeks.iter().take(FIRST).map(|(_, figure)| *figure));
        // A health is a share of what it was when it was new.
        let least = if self.by == By::Health { 100.0 } else { 1.0 };
        first.unwrap_or(least).max(least)
    }
}

/// Its health as the UPS or what was observed tells it, %.
fn health(seen: &Seen<'_>) -> Option<f64> {
    let keys = ["battery_health_pct", "health_pct"];
    let told = keys.iter().find_map(|key| seen.number(key))?;
    (1.0..=120.0).contains(&told).then_some(told)
}

/// The seconds that its full battery would give at half load, by what it tells at this load.
fn at_one_load(seen: &Seen<'_>) -> Option<f64> {
    let (charge, load) = (seen.number("charge_pct")?, seen.number("load_pct")?);
    let rests = charge >= 99.0 && (5.0..=100.0).contains(&load) && !seen.is("on_battery");
    let seconds = seen.number("runtime_s").filter(|_| rests)?;
    Some(tidy(seconds * (load / 50.0).powf(PEUKERT)))
}
