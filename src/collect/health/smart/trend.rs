use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::report::Report;
use super::verdict::Growth;

/// Growth is told over this long.
const WINDOW: Duration = Duration::from_hours(7 * 24);
/// One point in this long is enough to tell it by.
const STEP: Duration = Duration::from_hours(12);

/// The counts of a disk over the last week, since the start of the program.
#[derive(Debug, Default)]
pub(super) struct Trend(VecDeque<(Instant, Counts)>);

#[derive(Debug, Clone, Copy)]
struct Counts {
    reallocated: Option<u64>,
    pending: Option<u64>,
    uncorrectable: Option<u64>,
    crc_errors: Option<u64>,
}

impl Trend {
    /// Takes `report` in and tells what has grown; a count that fell has not.
    pub(super) fn growth(&mut self, report: &Report, now: Instant) -> Growth {
        let counts = Counts {
            reallocated: report.reallocated,
            pending: report.pending,
            uncorrectable: report.uncorrectable,
            crc_errors: report.crc_errors,
        };
        while self.0.front().is_some_and(|(at, _)| *at + WINDOW < now) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(at, _)| *at + STEP <= now) {
            self.0.push_back((now, counts));
        }
        let first = self.0.front().map_or(counts, |(_, counts)| *counts);
        Growth {
            reallocated: grown(first.reallocated, counts.reallocated),
            pending: grown(first.pending, counts.pending),
            uncorrectable: grown(first.uncorrectable, counts.uncorrectable),
            crc_errors: grown(first.crc_errors, counts.crc_errors),
        }
    }
}

fn grown(from: Option<u64>, to: Option<u64>) -> u64 {
    from.zip(to).map_or(0, |(from, to)| to.saturating_sub(from))
}
