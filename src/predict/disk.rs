use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::scene::{Scene, Seen, days};
use super::tracker::Tracker;

/// The bad sectors of a disk: one bad spot is none, growth again and again is an end that comes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Disk {
    /// The first day it was seen.
    first: f64,
    /// What the counts were last.
    now: Counts,
    /// How long it has been on, hours.
    #[serde(default)]
    hours: Option<f64>,
    /// By how much they grew, day by day.
    grown: VecDeque<(f64, f64)>,
}

/// Sectors that were replaced, and those to be, and errors that could not be corrected; as they were
/// last told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    #[serde(default)]
    replaced: Option<f64>,
    #[serde(default)]
    pending: Option<f64>,
    lost: Option<f64>,
}

/// Days of growth that are remembered.
const REMEMBERED: usize = 64;
/// Growth of so long ago no longer speaks.
const WINDOW: f64 = 45.0;
/// So many days of growth within it are no single bad spot.
const AGAIN: usize = 3;
/// Nor are these with so many sectors.
const TWICE: usize = 2;
const MUCH: f64 = 12.0;
/// With so few sectors it is none.
const FEW: f64 = 4.0;
/// At so many bad sectors a disk is likely to fail soon.
const FAILS: f64 = 50.0;
/// Nothing is said of a disk that was watched for fewer days.
const YOUNG: f64 = 3.0;
/// A disk that was on for so many hours fewer than before is another one.
const OTHER: f64 = 100.0;
const ADVICE: &str = "make a backup now, let the disk test itself (long) and plan to replace it";

impl Tracker for Disk {
    const KIND: Kind = Kind::Disk;

    fn wants(seen: &Seen<'_>) -> bool {
        let counts = ["reallocated", "pending", "uncorrectable"];
        seen.of("disk-") && counts.iter().any(|key| seen.number(key).is_some())
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        let hours = seen.number("power_on_hours");
        let counts = Counts {
            replaced: seen.number("reallocated"),
            pending: seen.number("pending"),
            lost: seen.number("uncorrectable"),
        };
        let is_younger = hours
            .zip(self.hours)
            .is_some_and(|(now, then)| now + OTHER < then);
        if is_younger || counts.replaced < self.now.replaced.filter(|_| counts.replaced.is_some()) {
            // What was replaced once stays so: another disk has its place.
            *self = Self::default();
        }
        self.hours = hours.or(self.hours);
        if self.first <= 0.0 {
            self.first = scene.day;
        }
        let grown = self.now.grow(counts);
        if grown > 0.0 {
            let today = scene.day.floor();
            match self.grown.back_mut() {
                Some((day, count)) if *day >= today => *count += grown,
                _ => self.grown.push_back((today, grown)),
            }
            while self.grown.len() > REMEMBERED {
                self.grown.pop_front();
            }
        }
    }

    fn rewind(&mut self, day: f64) {
        self.first = self.first.min(day);
        for (grew, _) in &mut self.grown {
            *grew = grew.min(day.floor());
        }
    }

    fn judge(&self, now: Timestamp) -> Finding {
        let today = days(now);
        if today - self.first < YOUNG {
            return Finding::Young(format!("{YOUNG:.0} days of watching it"));
        }
        let recent = self.grown.iter().filter(|(day, _)| day + WINDOW >= today);
        let (times, sum) = (
            recent.clone().count(),
            recent.clone().map(|(_, n)| n).sum::<f64>(),
        );
        let again = (times >= AGAIN && sum >= FEW) || (times >= TWICE && sum >= MUCH);
        if !again {
            return Finding::Clear(None);
        }
        let last = |span: f64| {
            let within = recent.clone().filter(|(day, _)| day + span > today);
            within.map(|(_, count)| count).sum::<f64>() / span
        };
        // The growth of late counts most: it usually gets faster.
        let rate = last(WINDOW).max(last(14.0)).max(last(5.0));
        let bad = self.now.bad().unwrap_or(0.0) + self.now.lost.unwrap_or(0.0);
        let left = (FAILS - bad).max(0.0) / rate;
        let confidence = match times {
            0..=2 => 60,
            3..=4 => 70,
            _ => 85,
        };
        let case = Case {
            text: format!(
                "its bad sectors become more: on {times} of the last {WINDOW:.0} days, {sum:.0} \
                 in all"
            ),
            due: Due::within(now, left, left * 0.3, left * 3.0 + 30.0),
            pressing: left < 30.0,
            confidence,
            evidence: Vec::new(),
            advice: ADVICE,
        };
        let case = case
            .shown_by("growth", format!("{rate:.1} a day"))
            .shown_by("at which disks are likely to fail", format!("{FAILS:.0}"));
        let counts = [("bad sectors", self.now.bad()), ("errors", self.now.lost)];
        let known = counts
            .iter()
            .filter_map(|(what, count)| Some((what, (*count)?)));
        Finding::Foreseen(known.fold(case, |case, (what, count)| {
            case.shown_by(what, format!("{count:.0}"))
        }))
    }
}

impl Counts {
    /// Bad sectors: those that were replaced and those to be.
    fn bad(&self) -> Option<f64> {
        let known = self.replaced.or(self.pending);
        known.map(|_| self.replaced.unwrap_or(0.0) + self.pending.unwrap_or(0.0))
    }

    /// Takes new counts in, and tells by how much they grew. What is not told now is as it was; what is told for
    /// the first time has not grown.
    fn grow(&mut self, counts: Self) -> f64 {
        let before = *self;
        self.replaced = counts.replaced.or(before.replaced);
        self.pending = counts.pending.or(before.pending);
        self.lost = counts.lost.or(before.lost);
        let grew = |now: Option<f64>, then: Option<f64>| {
            now.zip(then).map_or(0.0, |(now, then)| now - then)
        };
        // A pending sector that is replaced is the same bad sector.
        let bad = grew(self.replaced, before.replaced) + grew(self.pending, before.pending);
        bad.max(0.0) + grew(self.lost, before.lost).max(0.0)
    }
}
