use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::scene::{Scene, Seen, days};
use super::tracker::Tracker;

/// Errors that the memory (ECC) has put right: one in a while is nature, again and again is a
/// module that fails.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    first: f64,
    last: Option<f64>,
    /// How many there were, day by day.
    errors: VecDeque<(f64, f64)>,
}

/// What such counts are called.
const KEYS: [&str; 3] = ["corrected_errors", "corrected", "ce_count"];
/// Days with errors that are remembered.
const REMEMBERED: usize = 64;
/// Errors of so long ago no longer speak.
const WINDOW: f64 = 30.0;
/// So many days with errors within it, and so many errors, are no nature.
const AGAIN: usize = 4;
const MANY: f64 = 8.0;
/// It is over once nothing came for so many days, and for twice the longest pause between errors.
const QUIET: f64 = 3.0;
/// Nothing is said of memory that was watched for fewer days.
const YOUNG: f64 = 3.0;
const ADVICE: &str = "test the memory (memtest86+), seat the module anew or replace it";

impl Tracker for Memory {
    const KIND: Kind = Kind::Memory;

    fn wants(seen: &Seen<'_>) -> bool {
        (seen.of("edac") || seen.of("memory")) && count(seen).is_some()
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        if self.first <= 0.0 {
            self.first = scene.day;
        }
        let Some(count) = count(seen) else { return };
        let grown = match self.last.replace(count) {
            Some(last) if count >= last => count - last,
            Some(_) => count, // The count begins anew with the kernel.
            None => 0.0,
        };
        if grown <= 0.0 {
            return;
        }
        let today = scene.day.floor();
        if self.is_over(today) {
            // What was over before has nothing to do with what comes now.
            self.errors.clear();
        }
        match self.errors.back_mut() {
            Some((day, errors)) if *day >= today => *errors += grown,
            _ => self.errors.push_back((today, grown)),
        }
        while self.errors.len() > REMEMBERED {
            self.errors.pop_front();
        }
    }

    fn rewind(&mut self, day: f64) {
        self.first = self.first.min(day);
        for (at, _) in &mut self.errors {
            *at = at.min(day.floor());
        }
    }

    fn judge(&self, now: Timestamp) -> Finding {
        let today = days(now);
        if today - self.first < YOUNG {
            return Finding::Young(format!("{YOUNG:.0} days of watching it"));
        }
        let recent = self.errors.iter().filter(|(day, _)| day + WINDOW >= today);
        let (times, sum) = (recent.clone().count(), recent.map(|(_, n)| n).sum::<f64>());
        if times < AGAIN || sum < MANY || self.is_over(today) {
            return Finding::Clear(None);
        }
        let case = Case {
            text: format!(
                "it put {sum:.0} errors right on {times} of the last {WINDOW:.0} days; sooner or \
                 later one will be too large for that"
            ),
            due: Due::within(now, 14.0, 0.0, 90.0),
            pressing: true,
            confidence: if times >= 2 * AGAIN { 80 } else { 65 },
            evidence: Vec::new(),
            advice: ADVICE,
        };
        Finding::Foreseen(
            case.shown_by("errors put right", format!("{sum:.0}"))
                .shown_by("days with errors", format!("{times} of {WINDOW:.0}")),
        )
    }
}

impl Memory {
    /// Whether nothing came for longer than ever between two days with errors: it was replaced, or
    /// something else was at fault.
    fn is_over(&self, today: f64) -> bool {
        let next = self.errors.iter().skip(1);
        let both = self.errors.iter().zip(next);
        let longest = both
            .map(|((day, _), (next, _))| next - day)
            .fold(1.0, f64::max);
        let last = self.errors.back();
        last.is_some_and(|(day, _)| today - day > QUIET + 2.0 * longest)
    }
}

fn count(seen: &Seen<'_>) -> Option<f64> {
    KEYS.iter().find_map(|key| seen.number(key))
}
