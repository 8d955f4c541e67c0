use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::scene::{Scene, Seen};
use super::tracker::Tracker;
use super::trend::real;

/// What an array that runs without all of its devices cannot afford: disks that are ill or old
/// in the same machine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Raid {
    degraded: bool,
    /// A device is being filled in for the one that is missing.
    #[serde(default)]
    rebuilding: bool,
    /// Disks by what speaks against them.
    ill: Vec<String>,
    old: usize,
    disks: usize,
}

/// From this age on disks fail more often, hours.
const OLD: f64 = 35_000.0;
/// So many are named.
const NAMED: usize = 4;
const ADVICE: &str = "bring the backup up to date before anything else, then replace the device \
                      that is missing";
const ADVICE_REBUILDING: &str = "bring the backup up to date before anything else, and spare the \
                                 array until it is rebuilt";

impl Tracker for Raid {
    const KIND: Kind = Kind::Raid;

    fn wants(seen: &Seen<'_>) -> bool {
        seen.of("") && seen.number("degraded").is_some()
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        if !seen.is("degraded") {
            *self = Self::default();
            return;
        }
        self.degraded = true;
        self.rebuilding = seen.word("state") == Some("rebuilding");
        let disks = scene.seen.iter().filter(|one| one.of("disk-"));
        let disks = disks.filter_map(|disk| Some((disk, disk.word("verdict")?)));
        let mut disks = disks.peekable();
        // While nothing is told of the disks, what was told of them holds.
        if disks.peek().is_none() {
            return;
        }
        self.ill.clear();
        (self.old, self.disks) = (0, 0);
        for (disk, verdict) in disks {
            self.disks += 1;
            if ["watch", "warning", "failing"].contains(&verdict) && self.ill.len() < NAMED {
                self.ill.push(format!("{}: {verdict}", disk.subject.label));
            }
            if disk
                .number("power_on_hours")
                .is_some_and(|hours| hours > OLD)
            {
                self.old += 1;
            }
        }
    }

    fn rewind(&mut self, _day: f64) {}

    fn judge(&self, now: Timestamp) -> Finding {
        // Without either the alert on the array itself says it all.
        if !self.degraded || (self.ill.is_empty() && self.old * 2 < self.disks.max(1)) {
            return Finding::Clear(None);
        }
        let against = if self.ill.is_empty() {
            "disks of this machine are old"
        } else {
            "disks of this machine are ill"
        };
        let case = Case {
            text: format!(
                "it runs without all of its devices, and {against}: the next failure may lose it"
            ),
            due: Due::within(now, 30.0, 0.0, 365.0),
            pressing: true,
            confidence: if self.ill.is_empty() { 40 } else { 60 },
            evidence: Vec::new(),
            advice: if self.rebuilding {
                ADVICE_REBUILDING
            } else {
                ADVICE
            },
        };
        let case = case.shown_by(
            "disks on for more than four years",
            format!("{:.0} of {:.0}", real(self.old), real(self.disks)),
        );
        let ill = self.ill.iter();
        Finding::Foreseen(ill.fold(case, |case, disk| case.shown_by("disk", disk.as_str())))
    }
}
