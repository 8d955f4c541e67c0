use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::scene::{Scene, Seen, days};
use super::tracker::Tracker;
use super::trend::tidy;

/// The rated life of flash memory (SSD, NVMe, eMMC, SD), by the steps of its own wear figure.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Wear {
    /// The day and the wear, %, each time it had become more; the first is when it was first seen.
    steps: VecDeque<(f64, f64)>,
    /// Days it was on before it was first seen.
    before: Option<f64>,
}

/// So many steps are remembered.
const STEPS: usize = 40;
/// Years back, as days, that count for the pace of now.
const WINDOW: f64 = 400.0;
/// Without a step in so many days the age of the part is asked.
const QUIET: f64 = 14.0;
/// A date further off than this is no matter yet, days.
const NEAR: f64 = 180.0;
const ADVICE: &str = "keep a backup and plan to replace it; what writes to it all the time could \
                      write elsewhere or less often";

impl Tracker for Wear {
    const KIND: Kind = Kind::Wear;

    fn wants(seen: &Seen<'_>) -> bool {
        seen.of("") && seen.number("wear_pct").is_some()
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        let wear = seen.number("wear_pct");
        let Some(wear) = wear else { return };
        let last = self.steps.back().map(|(_, wear)| *wear);
        // Another part, or another counter: begun anew.
        if last.is_some_and(|last| wear < last) {
            self.steps.clear();
        }
        if self.steps.is_empty() {
            let hours = seen.number("power_on_hours");
            self.before = hours.map(|hours| tidy(hours / 24.0));
        } else if last.is_some_and(|last| wear <= last) {
            return;
        }
        self.steps.push_back((tidy(scene.day), wear));
        while self.steps.len() > STEPS {
            self.steps.pop_front();
        }
    }

    fn rewind(&mut self, day: f64) {
        for (at, _) in &mut self.steps {
            *at = at.min(day);
        }
    }

    fn judge(&self, now: Timestamp) -> Finding {
        let today = days(now);
        let Some((rate, sure)) = self.pace(today) else {
            return Finding::Young(format!(
                "two steps of its wear figure, or {QUIET:.0} days and its age"
            ));
        };
        let wear = self.steps.back().map_or(0.0, |(_, wear)| *wear);
        let left = (100.0 - wear).max(0.0);
        let (days, spread) = (left / rate, if sure { 1.25 } else { 2.0 });
        let due = Due::within(now, days, days / spread, days * spread);
        if days > NEAR && wear < 90.0 {
            return Finding::Clear(due);
        }
        let case = Case {
            text: if wear >= 100.0 {
                "it is past its rated life".to_owned()
            } else {
                format!("it reaches the end of its rated life at this pace; it is {wear:.0} % used")
            },
            due,
            pressing: wear >= 100.0,
            confidence: if sure { 90 } else { 60 },
            evidence: Vec::new(),
            advice: ADVICE,
        };
        Finding::Foreseen(
            case.shown_by("wear", format!("{wear:.0} %"))
                .shown_by("pace", format!("{:.2} % a month", rate * 30.44)),
        )
    }
}

impl Wear {
    /// Percent a day, and whether that was seen or follows from its age only.
    fn pace(&self, today: f64) -> Option<(f64, bool)> {
        let (start, _) = *self.steps.front()?;
        let (last_day, last) = *self.steps.back()?;
        // From step to step: where within a percent it was first seen is not known.
        let seen = self.steps.iter().skip(1);
        let from = seen.clone().find(|(day, _)| day + WINDOW >= today);
        let whole = from.filter(|(day, _)| last_day - day >= 7.0);
        if let Some((day, wear)) = whole {
            let pace = (last - wear) / (last_day - day);
            // No step for longer than one should take: it has become slower.
            let steps = seen.clone().zip(self.steps.iter());
            let step = steps
                .map(|((_, to), (_, from))| to - from)
                .fold(1.0, f64::max);
            let slower = 1.5 * step / (today - last_day).max(1.0);
            return Some((pace.min(slower), true));
        }
        let age = self.before.filter(|_| today - start >= QUIET)? + today - start;
        (last > 0.0 && age > 30.0).then_some((last / age, false))
    }
}
