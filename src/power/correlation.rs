//! What the machine's watts go with: how closely, and how much later.

use std::collections::VecDeque;
use std::time::Duration;

use super::Gap;

/// So many looks are compared: an hour at a look every ten seconds.
const WINDOW: usize = 360;
/// Fewer looks in common tell nothing.
const LEAST: u32 = 60;
/// Watts may follow by so many looks, or go before: a meter tells late, or the activity does.
const LAGS: i32 = 6;
/// It is worked out once in so many looks.
const EVERY: usize = 6;
/// A figure that is told rarely holds for so many looks.
const HOLDS: usize = 4;
/// Watts that move by less are called steady, W (standard deviation).
const STEADY_W: f64 = 0.1;

/// What a machine does that costs watts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Doings {
    /// Use of the processor, %.
    pub cpu: Option<f64>,
    /// What graphics cards draw by their own word, W.
    pub graphics: Option<f64>,
    /// How busy all disks are together, %.
    pub disk: Option<f64>,
    /// What networks send and receive, bytes/s.
    pub network: Option<f64>,
}

/// How the watts go with one of the doings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tie {
    /// Pearson's coefficient at the lag at which it is greatest, -1 to 1.
    pub coefficient: f64,
    /// By how much the watts follow, s; below 0 if they go before.
    pub lag_s: f64,
}

/// The ties to each of the doings; `None` where one of both was steady, or is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ties {
    /// To the use of the processor.
    pub cpu: Option<Tie>,
    /// To graphics cards.
    pub graphics: Option<Tie>,
    /// To disks.
    pub disk: Option<Tie>,
    /// To networks.
    pub network: Option<Tie>,
}

/// A rolling window of measured watts and what was done meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Correlation {
    /// After a longer time the window begins anew.
    gap: Gap,
    looks: VecDeque<Look>,
    /// The last figure of graphics cards, and how many looks ago it was told.
    graphics: Option<(f64, usize)>,
    since: usize,
    ties: Ties,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    up: Duration,
    power_w: f64,
    /// In the order of [`Doings`].
    doings: [Option<f64>; 4],
}

impl Correlation {
    /// The ties of who looks rarely: what counts as a gap.
    pub fn new(gap: Gap) -> Self {
        Self {
            gap,
            ..Self::default()
        }
    }

    /// Takes in what was measured at the monotonic time `up`; `power_w` is `None` when it was
    /// not: an estimate follows the processor by its making and proves nothing.
    pub fn step(&mut self, up: Duration, power_w: Option<f64>, mut doings: Doings) -> Ties {
        let last = self.looks.back().map(|look| look.up);
        if last.is_some_and(|last| up <= last || self.gap.is(up.saturating_sub(last))) {
            *self = Self::new(self.gap);
        }
        self.graphics = match (doings.graphics, self.graphics) {
            (Some(gpu), _) => Some((gpu, 0)),
            (None, Some((gpu, age))) if age < HOLDS => Some((gpu, age + 1)),
            (None, _) => None,
        };
        doings.graphics = self.graphics.map(|(gpu, _)| gpu);
        let Some(power_w) = power_w.filter(|watts| watts.is_finite()) else {
            return self.ties;
        };
        if self.looks.len() >= WINDOW {
            self.looks.pop_front();
        }
        let doings = [doings.cpu, doings.graphics, doings.disk, doings.network];
        self.looks.push_back(Look {
            up,
            power_w,
            doings: doings.map(|one| one.filter(|one| one.is_finite())),
        });
        self.since += 1;
        if self.since >= EVERY {
            self.since = 0;
            let [cpu, graphics, disk, network] = [0, 1, 2, 3].map(|which| self.tie(which));
            self.ties = Ties {
                cpu,
                graphics,
                disk,
                network,
            };
        }
        self.ties
    }

    fn tie(&self, which: usize) -> Option<Tie> {
        let power: Vec<_> = self.looks.iter().map(|look| look.power_w).collect();
        let of = |look: &Look| look.doings.get(which).copied().flatten();
        let doing: Vec<_> = self.looks.iter().map(of).collect();
        // The smallest lags first: of equals the first stays.
        let mut lags: Vec<i32> = (-LAGS..=LAGS).collect();
        lags.sort_by_key(|lag| (lag.abs(), -lag));
        let mut best: Option<(f64, i32)> = None;
        for lag in lags {
            let ahead = usize::try_from(lag).unwrap_or(0);
            let behind = usize::try_from(-lag).unwrap_or(0);
            let pairs = doing.iter().skip(behind).zip(power.iter().skip(ahead));
            let pairs = pairs.filter_map(|(doing, power)| Some(((*doing)?, *power)));
            let found = pearson(pairs);
            if let Some(found) = found
                && best.is_none_or(|(known, _)| found.abs() > known.abs() + 1e-3)
            {
                best = Some((found, lag));
            }
        }
        let (coefficient, lag) = best?;
        Some(Tie {
            coefficient,
            lag_s: f64::from(lag) * self.pace(),
        })
    }

    /// The usual time between two looks, s.
    fn pace(&self) -> f64 {
        let times = self.looks.iter().map(|look| look.up);
        let mut laps: Vec<_> = times
            .clone()
            .zip(times.skip(1))
            .map(|(one, two)| two.saturating_sub(one).as_secs_f64())
            .collect();
        laps.sort_by(f64::total_cmp);
        laps.get(laps.len() / 2).copied().unwrap_or(0.0)
    }
}

/// Pearson's coefficient of pairs of activity and watts; `None` of too few, or if one is steady.
fn pearson(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let (mut count, mut sum_x, mut sum_y) = (0_u32, 0.0, 0.0);
    for (x, y) in pairs.clone() {
        count += 1;
        sum_x += x;
        sum_y += y;
    }
    if count < LEAST {
        return None;
    }
    let count = f64::from(count);
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut both, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (x, y) = (x - mean_x, y - mean_y);
        both += x * y;
        of_x += x * x;
        of_y += y * y;
    }
    let is_steady =
        of_x <= count * (mean_x * 1e-6).powi(2).max(1e-12) || of_y < count * STEADY_W.powi(2);
    (!is_steady).then(|| (both / (of_x * of_y).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Roll(u64);

    impl Roll {
        fn next(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
        }
    }

    fn at(look: usize) -> Duration {
        Duration::from_secs(10 * u64::try_from(look).unwrap())
    }

    #[test]
    fn watts_follow_what_costs_them_by_the_lag_of_the_meter() {
        for lag in [0_usize, 2, 5] {
            let mut roll = Roll(7);
            let mut correlation = Correlation::default();
            let (mut cpu, mut ties) = (Vec::new(), Ties::default());
            for look in 0..400_usize {
                cpu.push(100.0 * roll.next());
                let then = cpu[look.saturating_sub(lag)];
                let doings = Doings {
                    cpu: Some(cpu[look]),
                    graphics: Some(5.0),
                    disk: Some(1e6 * roll.next()),
                    network: None,
                };
                ties = correlation.step(at(look), Some(20.0 + then / 2.0 + roll.next()), doings);
            }
            let found = ties.cpu.unwrap();
            assert!(found.coefficient > 0.99, "{found:?}");
            assert!((found.lag_s - 10.0 * f64::from(u32::try_from(lag).unwrap())).abs() < 1e-9);
            assert!(ties.disk.unwrap().coefficient.abs() < 0.3);
            assert_eq!(
                (ties.graphics, ties.network),
                (None, None),
                "steady, and unknown"
            );
        }
    }

    #[test]
    fn what_goes_down_when_watts_go_up_has_a_coefficient_below_zero_and_may_come_late() {
        let (mut roll, mut correlation) = (Roll(3), Correlation::default());
        let (mut watts, mut ties) = (Vec::new(), Ties::default());
        for look in 0..200_usize {
            watts.push(20.0 + 50.0 * roll.next());
            let doings = Doings {
                network: Some(1e9 - 1e7 * watts[look.saturating_sub(1)]),
                ..Doings::default()
            };
            ties = correlation.step(at(look), Some(watts[look]), doings);
        }
        let found = ties.network.unwrap();
        assert!(found.coefficient < -0.99 && (found.lag_s + 10.0).abs() < 1e-9);
    }

    #[test]
    fn little_steady_or_estimated_watts_tell_nothing_and_a_gap_begins_anew() {
        let (mut roll, mut correlation) = (Roll(5), Correlation::default());
        let mut step = |correlation: &mut Correlation, look: usize, watts: Option<f64>| {
            let doings = Doings {
                cpu: Some(roll.next()),
                ..Doings::default()
            };
            correlation.step(at(look), watts, doings).cpu
        };
        for look in 0..59 {
            let watts = f64::from(u32::try_from(look).unwrap());
            assert_eq!(step(&mut correlation, look, Some(watts)), None);
        }
        for look in 59..70 {
            for odd in [None, Some(f64::NAN)] {
                assert_eq!(step(&mut correlation, look, odd), None);
            }
        }
        let found = (70..80).find_map(|look| step(&mut correlation, look, Some(90.0)));
        assert!(found.is_some());
        assert_eq!(step(&mut correlation, 200, Some(90.0)), None);
        let steady = (201..400).find_map(|look| step(&mut correlation, look, Some(90.0)));
        assert_eq!(steady, None);
    }

    #[test]
    fn a_card_that_is_asked_rarely_holds_its_figure_for_a_while() {
        let (mut roll, mut correlation) = (Roll(9), Correlation::default());
        let (mut gpu, mut ties) = (0.0, Ties::default());
        for look in 0..200_usize {
            let asked = look % 3 == 0;
            if asked {
                gpu = 100.0 * roll.next();
            }
            let doings = Doings {
                graphics: asked.then_some(gpu),
                ..Doings::default()
            };
            ties = correlation.step(at(look), Some(30.0 + gpu), doings);
        }
        assert!(ties.graphics.unwrap().coefficient > 0.99);
        for look in 200..210 {
            correlation.step(at(look), Some(30.0), Doings::default());
        }
        assert_eq!(correlation.graphics, None);
    }
}
