use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// How much a counter has grown within a day, to the hour. It outlives the program, and a boot, at
/// which the kernel's counters begin at zero; so it is dated by the wall clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Within {
    /// The counter, and the boot it was of.
    last: Option<(u64, String)>,
    /// When it was looked at last, s, to the hour.
    seen: i64,
    /// By how much it has grown in the hour that began then, s.
    grown: VecDeque<(i64, u64)>,
}

impl Within {
    /// Takes the counter of this `boot` in and tells its growth. One that fell was reset and counts
    /// from zero. What it was when it was first seen, and what came while nobody looked for longer
    /// than a day, happened at no known time and is not told.
    pub(super) fn take(&mut self, count: u64, boot: &str, now: Timestamp) -> u64 {
        let hour = now.as_second() - now.as_second().rem_euclid(HOUR);
        let is_known = self.seen + DAY >= hour;
        let more = match &self.last {
            Some((last, of)) if of == boot => count.checked_sub(*last).unwrap_or(count),
            Some(_) => count,
            None => 0,
        };
        if more > 0 && is_known {
            match self.grown.back_mut() {
                Some((at, sum)) if *at >= hour => *sum = sum.saturating_add(more),
                _ => self.grown.push_back((hour, more)),
            }
        }
        if more > 0
            || self
                .last
                .as_ref()
                .is_none_or(|(last, of)| *last != count || of != boot)
        {
            self.last = Some((count, boot.to_owned()));
        }
        self.seen = hour;
        // A clock that was wrong does not keep an hour for ever.
        for (at, _) in &mut self.grown {
            *at = (*at).min(hour);
        }
        while self.grown.front().is_some_and(|(at, _)| at + DAY < hour) {
            self.grown.pop_front();
        }
        let sums = self.grown.iter().map(|(_, sum)| *sum);
        sums.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + hours * HOUR).unwrap()
    }

    #[test]
    fn what_grew_is_counted_for_a_day_over_restarts_and_boots() {
        let mut within = Within::default();
        for (hours, count, boot, want) in [
            (0, 100, "a", 0),
            (1, 103, "a", 3),
            (1, 104, "a", 4),
            (20, 104, "a", 4),
            (27, 105, "a", 1),
            (28, 2, "a", 3),
            (29, 2, "a", 3),
            // The machine was booted, and there was one soon.
            (30, 1, "b", 4),
            (53, 1, "b", 1),
            (90, 1, "b", 0),
            (91, 3, "b", 2),
        ] {
            assert_eq!(within.take(count, boot, at(hours)), want, "after {hours} h");
            // What is kept is all there is to it.
            let kept = serde_json::to_string(&within).unwrap();
            within = serde_json::from_str(&kept).unwrap();
        }
    }

    #[test]
    fn what_came_while_nobody_looked_for_long_has_no_time() {
        let mut within = Within::default();
        assert_eq!(within.take(1, "a", at(0)), 0);
        assert_eq!(within.take(9, "a", at(30)), 0);
        assert_eq!(within.take(10, "a", at(31)), 1);
        // A clock that was wrong.
        assert_eq!(within.take(12, "a", at(9_000)), 0);
        assert_eq!(within.take(13, "a", at(9_001)), 1);
        assert_eq!(within.take(14, "a", at(40)), 2);
        assert_eq!(within.take(14, "a", at(65)), 0);
    }
}
