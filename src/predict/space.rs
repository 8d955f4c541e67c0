use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::scene::{self, Scene, Seen};
use super::tracker::Tracker;
use super::trend::{Line, line, real};

/// When a filesystem is full, by what is in use at the emptiest moment of each day: logs that are
/// rotated and files that come and go by the day are no trend.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Space {
    /// The day that is now, and the least in use on it, bytes.
    today: f64,
    least: Option<f64>,
    /// The same of the days before.
    days: VecDeque<(f64, f64)>,
    /// What can be in use, bytes.
    room: f64,
}

/// So many days are remembered.
const DAYS: usize = 120;
/// A trend is sought over so many of the last days each; two that follow each other must agree.
const SPANS: [f64; 5] = [10.0, 20.0, 40.0, 80.0, 120.0];
/// They agree if one is no more than so many times the other.
const AGREE: f64 = 2.2;
/// So many days must be known.
const YOUNG: usize = 14;
/// A date further off than this is no matter yet, days.
const NEAR: f64 = 90.0;
/// Nothing is said of further ahead than so many times what was looked back on.
const AHEAD: f64 = 1.25;
/// A change by what it grows in so many days is more than its wavering.
const WEEK: f64 = 7.0;
/// Peaks that differ by no more than this share of what can be in use are alike.
const ALIKE: f64 = 0.025;
/// From so full on, once, it does not come down by itself.
const MADE: f64 = 0.9;
/// What is nearer than this presses.
const PRESSING: f64 = 14.0;
const ADVICE: &str = "delete or move what is no longer needed, or make it larger; `du -xh` tells \
                      what is large";

impl Tracker for Space {
    const KIND: Kind = Kind::Space;

    fn wants(seen: &Seen<'_>) -> bool {
        // What is read-only does not change, and is often full by design.
        seen.of("fs-") && seen.number("used_bytes").is_some() && !seen.is("read_only")
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        let (Some(used), Some(free)) = (seen.number("used_bytes"), seen.number("free_bytes"))
        else {
            return;
        };
        // Of another size it stays comparable: what is in use, and its pace.
        self.room = used + free;
        let day = scene.day.floor();
        if day > self.today {
            let ended = std::mem::replace(&mut self.today, day);
            if let Some(least) = self.least.take() {
                self.days.push_back((ended, least));
            }
            self.days.retain(|(at, _)| *at < day);
            while self.days.len() > DAYS {
                self.days.pop_front();
            }
        }
        let least = self.least.unwrap_or(used);
        self.least = Some(least.min(used));
    }

    fn rewind(&mut self, day: f64) {
        self.today = self.today.min(day.floor());
        self.days.retain(|(at, _)| *at < day.floor());
    }

    fn judge(&self, now: Timestamp) -> Finding {
        if self.days.len() < YOUNG {
            let missing = real(YOUNG) - real(self.days.len());
            return Finding::Young(format!("{missing:.0} more days"));
        }
        let Some((fit, used)) = self.trend() else {
            return Finding::Clear(None);
        };
        let left = (self.room - used).max(0.0);
        // The least of today, as that of each day, is from its begin where it grows.
        let passed = (scene::days(now) - self.today).clamp(0.0, 1.0);
        let within = |pace: f64| (left / pace - passed).max(0.0);
        let days = within(fit.slope);
        let due = Due::within(now, days, within(fit.most), within(fit.least));
        if days > NEAR || days > self.reach() * AHEAD || self.has_been_there(used, fit.slope) {
            return Finding::Clear(due.filter(|_| days > NEAR));
        }
        let steady = fit.slope * fit.span > 10.0 * fit.scatter;
        let case = Case {
            text: if left > 0.0 {
                format!(
                    "it is full at this pace: {} a day more for {:.0} days",
                    size(fit.slope),
                    fit.span
                )
            } else {
                "it is full".to_owned()
            },
            due,
            pressing: days < PRESSING,
            confidence: if steady { 90 } else { 70 },
            evidence: Vec::new(),
            advice: ADVICE,
        };
        Finding::Foreseen(
            case.shown_by("free", size(left))
                .shown_by("more a day", size(fit.slope))
                .shown_by("days that show it", format!("{:.0}", fit.span)),
        )
    }
}

impl Space {
    /// The days that were looked back on.
    fn reach(&self) -> f64 {
        let ends = self.days.front().zip(self.days.back());
        ends.map_or(0.0, |((first, _), (last, _))| last - first)
    }

    /// A trend that two spans agree on, the shorter of them, and what is in use now.
    fn trend(&self) -> Option<(Line, f64)> {
        // What is full grows no more: then what led there counts.
        let full = self.least >= Some(self.room);
        let grows = move |(_, used): &&(f64, f64)| !full || *used < self.room;
        let last = self.days.iter().rfind(grows)?.0;
        let reach = self.reach();
        let fits: Vec<Option<Line>> = SPANS
            .iter()
            .zip(std::iter::once(&0.0).chain(&SPANS))
            // A longer span that has hardly more days than the one before says nothing new.
            .filter(|(_, shorter)| reach >= **shorter + 3.0)
            .map(|(span, _)| {
                let days = self.days.iter().filter(grows);
                let within = days.filter(|(day, _)| day + span > last);
                line(within.copied()).filter(Line::rises)
            })
            .collect();
        let short = (*fits.first()?)?;
        let long = (*fits.get(1)?)?;
        let ratio = short.slope / long.slope;
        let agree = (1.0 / AGREE..=AGREE).contains(&ratio);
        // What the longest span makes of it must not be a saw's tooth.
        let rises = fits.iter().flatten().count();
        let fit = if short.slope < long.slope {
            short
        } else {
            long
        };
        let today = self.least?;
        let used = today.max(fit.level);
        // Somebody, or a clock, has just made room.
        let stands = today + fit.slope * WEEK >= fit.level;
        (stands && agree && rises * 2 > fits.len()).then_some((fit, used))
    }

    /// Whether it was about as full before and came down by itself: then it may do so again.
    fn has_been_there(&self, used: f64, slope: f64) -> bool {
        // What comes and goes beside it makes no two peaks alike.
        let about = (slope * 3.0).max(self.room * ALIKE);
        let (mut peak, mut highest, mut falls) = (0.0_f64, 0.0_f64, 0_u32);
        for (_, one) in &self.days {
            // By as much as a week of its growth, from as full as it is now.
            if peak - one > slope * WEEK && peak + about > used {
                falls += 1;
                highest = highest.max(peak);
                peak = *one;
            }
            peak = peak.max(*one);
        }
        // Where it was all but full it was somebody who made room, unless that came again.
        falls > 1 || (falls > 0 && highest < self.room * MADE)
    }
}

/// Bytes as people write them.
fn size(bytes: f64) -> String {
    static BYTES: crate::model::Metric =
        crate::model::Metric::gauge("bytes", "", crate::model::Unit::Byte);
    crate::model::figure(Some(&BYTES), bytes)
}
