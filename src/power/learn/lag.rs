use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far a meter may lag behind what it measures, s. Most tell a mean of the last seconds;
/// those behind a bridge or a slow radio come later.
pub(in crate::power) const LAGS: [u64; 10] = [0, 5, 10, 20, 30, 40, 50, 60, 90, 120];
/// From so many readings on that tell anything, one is chosen.
const ENOUGH: u32 = 30;
/// Another is chosen once it is off by so much less.
const BETTER: f64 = 0.8;
/// What is old counts less and less.
const KEEP: f64 = 0.98;

/// By how much a meter lags: the delay at which its readings go best with the load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::power) struct Lag {
    /// How far each delay is off: sums of squares of shares.
    off: [f64; LAGS.len()],
    readings: u32,
    /// The place of the one that was chosen.
    chosen: usize,
}

impl Lag {
    /// The delay.
    pub(in crate::power) fn time(&self) -> Duration {
        Duration::from_secs(LAGS.get(self.chosen).copied().unwrap_or_default())
    }

    /// Takes in by which share of the watts each delay is off; tells whether another was chosen.
    pub(in crate::power) fn note(&mut self, shares: [f64; LAGS.len()]) -> bool {
        for (sum, share) in self.off.iter_mut().zip(shares) {
            // One glitch decides nothing.
            *sum = *sum * KEEP + share.clamp(-0.5, 0.5).powi(2);
        }
        self.readings = self.readings.saturating_add(1);
        if self.readings < ENOUGH {
            return false;
        }
        let now = self.off.get(self.chosen).copied().unwrap_or(f64::MAX);
        let all = self.off.iter().copied().enumerate();
        let best = all.min_by(|(_, one), (_, other)| one.total_cmp(other));
        if let Some((place, off)) = best
            && off < BETTER * now
        {
            self.chosen = place;
            return true;
        }
        false
    }

    pub(super) fn is_sane(&self) -> bool {
        self.off.iter().all(|sum| sum.is_finite() && *sum >= 0.0) && self.chosen < LAGS.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A meter that is off by little at `place` and by much elsewhere.
    fn told(lag: &mut Lag, place: usize, readings: u32) {
        for _ in 0..readings {
            let mut shares = [0.3; LAGS.len()];
            shares[place] = 0.02;
            lag.note(shares);
        }
    }

    #[test]
    fn the_delay_that_fits_is_chosen_once_enough_was_heard_and_another_when_it_changes() {
        let mut lag = Lag::default();
        told(&mut lag, 4, 29);
        assert_eq!(lag.time(), Duration::ZERO);
        told(&mut lag, 4, 1);
        assert_eq!(lag.time(), Duration::from_secs(30));
        told(&mut lag, 1, 200);
        assert_eq!(lag.time(), Duration::from_secs(5));
        assert!(lag.is_sane());
    }

    #[test]
    fn delays_that_differ_little_leave_it_where_it_is() {
        let mut lag = Lag::default();
        for _ in 0..100 {
            let mut shares = [0.1; LAGS.len()];
            shares[3] = 0.095;
            lag.note(shares);
        }
        assert_eq!(lag.time(), Duration::ZERO);
        let odd = Lag {
            chosen: 99,
            ..Lag::default()
        };
        assert!(!odd.is_sane());
        assert_eq!(odd.time(), Duration::ZERO);
    }
}
