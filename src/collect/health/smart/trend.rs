use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::verdict::{Counts, Growth};

/// Growth is told over this long, s.
const WINDOW: i64 = 7 * 86_400;
/// One point in this long is enough to tell it by, s.
const STEP: i64 = 12 * 3_600;

/// So many times within the window is again and again.
const AGAIN: usize = 2;

/// The counts of a disk over the last week. It outlives the program, so it is dated by the wall
/// clock: a point that the clock puts into the future is taken for one of now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trend(VecDeque<(i64, Counts)>);

impl Trend {
    /// Takes `counts` in and tells what has grown; a count that fell has not.
    pub(super) fn growth(&mut self, counts: Counts, now: Timestamp) -> Growth {
        let now = now.as_second();
        for (at, _) in &mut self.0 {
            *at = (*at).min(now);
        }
        while self.0.front().is_some_and(|(at, _)| at + WINDOW < now) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(at, _)| at + STEP <= now) {
            self.0.push_back((now, counts));
        }
        let first = self.0.front().map_or(counts, |(_, counts)| *counts);
        Growth {
            reallocated: grown(first.reallocated, counts.reallocated),
            pending: grown(first.pending, counts.pending),
            uncorrectable: grown(first.uncorrectable, counts.uncorrectable),
            crc_errors: grown(first.crc_errors, counts.crc_errors),
            again: self.rises(counts) >= AGAIN,
        }
    }

    /// How often the one of bad sectors' counts that grew most often has grown, `now` being the
    /// latest.
    fn rises(&self, now: Counts) -> usize {
        let all = || self.0.iter().map(|(_, counts)| *counts).chain([now]);
        let of = |count: fn(Counts) -> Option<u64>| {
            let steps = all().zip(all().skip(1));
            let grew = steps.filter(|(from, to)| grown(count(*from), count(*to)) > 0);
            grew.count()
        };
        let counts: [fn(Counts) -> Option<u64>; 3] = [
            |counts| counts.reallocated,
            |counts| counts.pending,
            |counts| counts.uncorrectable,
        ];
        counts.map(of).into_iter().max().unwrap_or_default()
    }
}

fn grown(from: Option<u64>, to: Option<u64>) -> u64 {
    from.zip(to).map_or(0, |(from, to)| to.saturating_sub(from))
}
