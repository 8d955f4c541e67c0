use std::time::Duration;

use crate::power::Gap;

/// The node's own energy counter. Where the source has a counter of its own that leads, otherwise
/// watts are summed up over the time that was watched, never over a gap. Nothing is added for times of which
/// nothing is known.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    energy_kwh: f64,
    gap: Gap,
    last: Option<Last>,
}

#[derive(Debug, Clone)]
struct Last {
    up: Duration,
    power_w: f64,
    /// The source's counter, with the source's name.
    counter: Option<(String, f64)>,
}

impl Counter {
    /// Goes on from `energy_kwh`.
    pub(super) const fn new(energy_kwh: f64, gap: Gap) -> Self {
        Self {
            energy_kwh,
            gap,
            last: None,
        }
    }

    /// All that was drawn, kWh.
    pub(super) const fn energy_kwh(&self) -> f64 {
        self.energy_kwh
    }

    /// Nothing is known of the time from now on.
    pub(super) fn pause(&mut self) {
        self.last = None;
    }

    /// Counts on to `up`, at which `power_w` are drawn.
    pub(super) fn count(&mut self, up: Duration, power_w: f64, counter: Option<(String, f64)>) {
        if let Some(last) = &self.last {
            let gap = up.saturating_sub(last.up);
            self.energy_kwh += match (&last.counter, &counter) {
                (Some((old, from)), Some((new, to))) if old == new => (to - from).max(0.0),
                _ if !self.gap.is(gap) => {
                    let mean_w = f64::midpoint(last.power_w, power_w);
                    mean_w * gap.as_secs_f64() / 3_600_000.0
                }
                _ => 0.0,
            };
        }
        self.last = Some(Last {
            up,
            power_w,
            counter,
        });
    }
}
