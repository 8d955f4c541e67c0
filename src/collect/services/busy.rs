use crate::collect::rate::{Since, per_second};
use crate::model::{Metric, Unit};

/// Like `docker stats` and `top` tell it.
pub(super) static CPU: Metric = Metric::gauge("cpu_pct", "CPU use, of one core", Unit::Percent)
    .decimals(1)
    .dead_band(2.0)
    .diagnostic();

/// How busy a service or container keeps the processor, by the time that it has used.
#[derive(Debug, Default)]
pub(super) struct Busy {
    since: Since,
    last: Option<u64>,
}

impl Busy {
    /// Takes the nanoseconds used since its start in, and tells the share of one core since the
    /// last call, %. `None` at first, and when it was started anew meanwhile.
    pub(super) fn pct(&mut self, used: Option<u64>) -> Option<f64> {
        let lap = self.since.lap();
        let last = std::mem::replace(&mut self.last, used)?;
        let nanoseconds = per_second(last, used?, lap?)?;
        Some(nanoseconds / 1e9 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_looks_give_a_share_and_a_new_start_gives_none() {
        let mut busy = Busy::default();
        let table = [
            (Some(7_000_000_000), None),
            (Some(10_000_000_000), Some(30.0)),
            // On four cores.
            (Some(50_000_000_000), Some(400.0)),
            (Some(1_000_000_000), None),
            (Some(1_000_000_000), Some(0.0)),
            (None, None),
            (Some(2_000_000_000), None),
        ];
        for (used, want) in table {
            assert_eq!(busy.pct(used), want, "{used:?}");
            tokio::time::advance(Duration::from_secs(10)).await;
        }
    }
}
