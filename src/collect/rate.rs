use std::time::Duration;

use tokio::time::Instant;

use super::read::figure;

/// When the counters of one collector were last read; two reads give rates.
#[derive(Debug, Default)]
pub(super) struct Since(Option<Instant>);

impl Since {
    /// Whether the last call of [`Self::lap`] was less than `apart` ago.
    pub(super) fn is_within(&self, apart: Duration) -> bool {
        self.0.is_some_and(|at| at.elapsed() < apart)
    }

    /// The time since the last call; `None` at the first.
    pub(super) fn lap(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let last = self.0.replace(now)?;
        Some(now.duration_since(last)).filter(|lap| !lap.is_zero())
    }
}

/// How much a counter has grown; one that went back was reset or has wrapped and tells nothing.
pub(super) const fn growth(last: u64, now: u64) -> Option<u64> {
    now.checked_sub(last)
}

/// Nothing in a home does more a second (bytes, sectors, operations): a counter that leaps
/// further was set by its driver.
const FASTEST: f64 = 1e12;

/// Growth per second.
pub(super) fn per_second(last: u64, now: u64, lap: Duration) -> Option<f64> {
    let rate = growth(last, now).map(|grown| figure(grown) / lap.as_secs_f64());
    rate.filter(|rate| *rate <= FASTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_lap_and_one_of_no_length_give_no_rate() {
        let mut since = Since::default();
        assert_eq!(since.lap(), None);
        assert_eq!(since.lap(), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(since.lap(), Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_counter_that_went_back_gives_no_rate() {
        let lap = Duration::from_secs(10);
        assert_eq!(per_second(0, 50, lap), Some(5.0));
        assert_eq!(per_second(u64::MAX, 3, lap), None);
        assert_eq!(per_second(3, u64::MAX, lap), None, "no line is that fast");
    }
}
