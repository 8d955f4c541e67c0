use std::time::Duration;

/// What lies further apart was not watched: a suspended machine, a stopped clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap(Duration);

impl Default for Gap {
    fn default() -> Self {
        Self(Duration::from_mins(5))
    }
}

impl Gap {
    /// Where somebody looks every `interval`, a single look may be missed.
    pub fn at(interval: Duration) -> Self {
        Self(Self::default().0.max(interval.saturating_mul(5) / 2))
    }

    /// How often somebody looks who looks rarely; `None` of others.
    pub(super) fn rare(self) -> Option<Duration> {
        (self.0 > Self::default().0).then(|| self.0.mul_f64(0.4))
    }

    /// Whether nothing is known of a time as long as `lap`.
    pub(super) fn is(self, lap: Duration) -> bool {
        lap > self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_rarely_has_no_gaps_for_that() {
        let minutes = Duration::from_mins;
        for (interval, lap, is) in [
            (0, 5, false),
            (0, 6, true),
            (10, 20, false),
            (60, 149, false),
            (60, 151, true),
        ] {
            assert_eq!(
                Gap::at(minutes(interval)).is(minutes(lap)),
                is,
                "{interval} {lap}"
            );
        }
        assert_eq!(Gap::default(), Gap::at(Duration::from_secs(10)));
        assert_eq!(Gap::default().rare(), None);
        assert_eq!(Gap::at(minutes(10)).rare(), Some(minutes(10)));
    }
}
