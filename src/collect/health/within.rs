use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// How much a counter has grown within a day, to the hour.
#[derive(Debug, Default)]
pub(super) struct Within(VecDeque<(Instant, u64)>);

impl Within {
    /// Takes the counter in and tells its growth. One that fell was reset and counts from zero.
    pub(super) fn take(&mut self, count: u64, now: Instant) -> u64 {
        if self.0.back().is_some_and(|(_, last)| count < *last) {
            self.0.clear();
            self.0.push_back((now, 0));
        }
        let newest = self.0.back().map(|(at, _)| *at);
        if newest.is_none_or(|at| now.duration_since(at) >= HOUR) {
            self.0.push_back((now, count));
        }
        let is_old = |at: Instant| now.duration_since(at) > DAY;
        // The newest mark that is old enough stays: it is what the growth is measured from.
        while self.0.get(1).is_some_and(|(at, _)| is_old(*at)) {
            self.0.pop_front();
        }
        self.0
            .front()
            .map_or(0, |(_, mark)| count.saturating_sub(*mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_is_counted_for_a_day() {
        let mut within = Within::default();
        let begun = Instant::now();
        let mut at =
            |hours: u64, count| within.take(count, begun + HOUR * u32::try_from(hours).unwrap());
        assert_eq!(at(0, 100), 0);
        assert_eq!(at(1, 103), 3);
        assert_eq!(at(20, 103), 3);
        assert_eq!(at(30, 104), 1);
        assert_eq!(at(31, 2), 2, "it was reset");
        assert_eq!(at(32, 2), 2);
        assert_eq!(at(90, 2), 0);
    }
}
