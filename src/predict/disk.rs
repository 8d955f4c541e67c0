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
    /// By how much they grew, day by day.
    grown: VecDeque<(f64, f64)>,
}

/// Bad sectors, replaced or to be, and errors that could not be corrected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    bad: Option<f64>,
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
const ADVICE: &str = "make a backup now, let the disk test itself (long) and plan to replace it";

impl Tracker for Disk {
    const KIND: Kind = Kind::Disk;

    fn wants(seen: &Seen<'_>) -> bool {
        let counts = ["reallocated", "pending", "uncorrectable"];
        seen.of("disk-") && counts.iter().any(|key| seen.number(key).is_some())
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        if self.first <= 0.0 || self.first > scene.day {
            self.first = scene.day;
        }
        let (replaced, pending) = (seen.number("reallocated"), seen.number("pending"));
        let counts = Counts {
            // A pending sector that is replaced is the same bad sector.
            bad: replaced
                .or(pending)
                .map(|_| replaced.unwrap_or(0.0) + pending.unwrap_or(0.0)),
            lost: seen.number("uncorrectable"),
        };
        let growth = |from: Option<f64>, to: Option<f64>| {
            from.zip(to).map_or(0.0, |(from, to)| (to - from).max(0.0))
        };
        let grown = growth(self.now.bad, counts.bad) + growth(self.now.lost, counts.lost);
        self.now = counts;
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
        let bad = self.now.bad.unwrap_or(0.0) + self.now.lost.unwrap_or(0.0);
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
        let counts = [("bad sectors", self.now.bad), ("errors", self.now.lost)];
        let known = counts
            .iter()
            .filter_map(|(what, count)| Some((what, (*count)?)));
        Finding::Foreseen(known.fold(case, |case, (what, count)| {
            case.shown_by(what, format!("{count:.0}"))
        }))
    }
}
