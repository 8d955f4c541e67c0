//! What the machine's watts go with: how closely, and how much later.

use std::collections::VecDeque;
use std::time::Duration;

use super::Gap;

/// Time is cut into cells of so many seconds, whatever the pace of the looks, so that what is told
/// does not depend on it. A look tells of the time since the one before. Where looks are minutes
/// apart, each has a cell of its own.
const CELL: Duration = Duration::from_secs(10);
/// So many cells are compared: an hour, of rare looks more.
const WINDOW: usize = 360;
/// Less time in common tells nothing, s: ten minutes.
const LEAST_S: f64 = 600.0;
/// Nor do fewer looks, where each of them fills many cells.
const LEAST_LOOKS: f64 = 20.0;
/// Watts may follow by so many cells, or go before: a meter tells late, or the activity does. A cell
/// of minutes holds both.
const LAGS: i32 = 6;
/// It is worked out once in so many cells.
const EVERY: u64 = 6;
/// A figure that is told rarely holds for so long.
const HOLDS: Duration = Duration::from_secs(45);
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
    /// When the first look was, and when the last.
    looked: Option<(Duration, Duration)>,
    /// One a cell of time, up to `newest`.
    cells: VecDeque<Cell>,
    newest: u64,
    /// At which cell the ties were worked out last.
    worked_out: u64,
    /// The last figure of graphics cards, and when it was told.
    graphics: Option<(f64, Duration)>,
    ties: Ties,
}

/// What was seen in one cell of time.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    power: Mean,
    /// In the order of [`Doings`].
    doings: [Mean; 4],
    /// How much of a look it is.
    looks: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, figure: Option<f64>) {
        if let Some(figure) = figure.filter(|figure| figure.is_finite()) {
            self.sum += figure;
            self.count += 1.0;
        }
    }

    fn get(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

impl Cell {
    fn add(&mut self, power_w: Option<f64>, doings: [Option<f64>; 4], looks: f64) {
        self.power.add(power_w);
        for (mean, doing) in self.doings.iter_mut().zip(doings) {
            mean.add(doing);
        }
        self.looks += looks;
    }
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
    pub fn step(&mut self, up: Duration, power_w: Option<f64>, doings: Doings) -> Ties {
        let last = self.looked.map(|(_, last)| last);
        if last.is_some_and(|last| up <= last || self.gap.is(up.saturating_sub(last))) {
            *self = Self::new(self.gap);
        }
        let cell = self.gap.rare().unwrap_or(CELL);
        let (first, _) = *self.looked.get_or_insert((up, up));
        self.looked = Some((first, up));
        if let Some(gpu) = doings.graphics {
            self.graphics = Some((gpu, up));
        }
        self.graphics = self
            .graphics
            .filter(|(_, at)| up.saturating_sub(*at) <= HOLDS);
        let graphics = self.graphics.map(|(gpu, _)| gpu);
        let doings = [doings.cpu, graphics, doings.disk, doings.network];
        self.put(up.saturating_sub(first), cell, power_w, doings);
        let every = if cell > CELL { 1 } else { EVERY };
        if self.newest >= self.worked_out + every {
            self.worked_out = self.newest;
            let [cpu, graphics, disk, network] = [0, 1, 2, 3].map(|which| self.tie(which, cell));
            self.ties = Ties {
                cpu,
                graphics,
                disk,
                network,
            };
        }
        self.ties
    }

    /// Puts a look at `since` the first into the cells that it tells of.
    fn put(
        &mut self,
        since: Duration,
        cell: Duration,
        power_w: Option<f64>,
        doings: [Option<f64>; 4],
    ) {
        // The nearest end of a cell: looks a cell apart fall into one each, a little late or not.
        let place = (since + cell / 2).as_secs() / cell.as_secs().max(1);
        let new = match self.cells.back_mut() {
            Some(cell) if place == self.newest => {
                cell.add(power_w, doings, 1.0);
                return;
            }
            Some(_) => place - self.newest,
            None => 1,
        };
        self.newest = place;
        let mut cell = Cell::default();
        cell.add(
            power_w,
            doings,
            1.0 / f64::from(u32::try_from(new).unwrap_or(1)),
        );
        for _ in 0..new {
            if self.cells.len() >= WINDOW {
                self.cells.pop_front();
            }
            self.cells.push_back(cell);
        }
    }

    fn tie(&self, which: usize, cell: Duration) -> Option<Tie> {
        let power: Vec<_> = self.cells.iter().map(|cell| cell.power.get()).collect();
        let of = |cell: &Cell| (cell.doings.get(which).and_then(|one| one.get()), cell.looks);
        let doing: Vec<_> = self.cells.iter().map(of).collect();
        // The smallest lags first: of equals the first stays.
        let most = if cell > CELL { 0 } else { LAGS };
        let mut lags: Vec<i32> = (-most..=most).collect();
        lags.sort_by_key(|lag| (lag.abs(), -lag));
        let mut best: Option<(f64, i32)> = None;
        for lag in lags {
            let ahead = usize::try_from(lag).unwrap_or(0);
            let behind = usize::try_from(-lag).unwrap_or(0);
            let pairs = doing.iter().skip(behind).zip(power.iter().skip(ahead));
            let pairs = pairs
                .filter_map(|((doing, looks), power)| Some(((*doing)?, (*power)?, looks.min(1.0))));
            let found = pearson(pairs, LEAST_S / cell.as_secs_f64());
            if let Some(found) = found
                && best.is_none_or(|(known, _)| found.abs() > known.abs() + 1e-3)
            {
                best = Some((found, lag));
            }
        }
        let (coefficient, lag) = best?;
        Some(Tie {
            coefficient,
            lag_s: f64::from(lag) * cell.as_secs_f64(),
        })
    }
}

/// Pearson's coefficient of cells, each an activity, watts and how much of a look it is; `None` of
/// fewer than `least` or of too few looks, or if one is steady.
fn pearson(cells: impl Iterator<Item = (f64, f64, f64)> + Clone, least: f64) -> Option<f64> {
    let (mut count, mut looks, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0, 0.0);
    for (x, y, of_look) in cells.clone() {
        count += 1.0;
        looks += of_look;
        sum_x += x;
        sum_y += y;
    }
    if count < least || looks < LEAST_LOOKS {
        return None;
    }
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut both, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
    for (x, y, _) in cells {
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

    /// Half an hour of a load that changes every half minute, looked at every `tick` seconds, by a
    /// meter that lags by as much.
    fn at_pace(tick: usize) -> Vec<Ties> {
        let mut correlation = Correlation::default();
        let load = |second: usize| {
            let mut roll = Roll(u64::try_from(second / 30).unwrap() * 77 + 5);
            roll.next();
            100.0 * roll.next()
        };
        let looks = (tick..1800).step_by(tick);
        let ties = looks.map(|second| {
            let up = Duration::from_secs(u64::try_from(second).unwrap());
            let doings = Doings {
                cpu: Some(load(second + 60)),
                ..Doings::default()
            };
            correlation.step(up, Some(20.0 + load(second + 30)), doings)
        });
        ties.collect()
    }

    #[test]
    fn what_is_told_and_when_does_not_depend_on_how_often_it_is_looked_at() {
        for tick in [1, 2, 5, 7, 10, 15, 30] {
            let told = at_pace(tick);
            let last = told.last().unwrap().cpu.unwrap();
            assert!(last.coefficient > 0.9, "{tick}: {last:?}");
            assert!((last.lag_s - 30.0).abs() < 1e-9, "{tick}: {last:?}");
            let first = told.iter().position(|ties| ties.cpu.is_some()).unwrap();
            let seconds = (first + 1) * tick;
            assert!((590..720).contains(&seconds), "{tick}: after {seconds} s");
        }
        let rare = at_pace(90);
        let first = rare.iter().position(|ties| ties.cpu.is_some());
        assert!(
            first.is_none_or(|look| look >= 18),
            "ten looks prove nothing: {first:?}"
        );
    }

    #[test]
    fn looks_minutes_apart_tell_it_after_some_twenty_of_them() {
        for minutes in [3, 5, 30, 60] {
            let pace = Duration::from_mins(minutes);
            let mut correlation = Correlation::new(Gap::at(pace));
            let mut roll = Roll(7);
            let mut told = (1..40).map(|look| {
                let cpu = 100.0 * roll.next();
                let doings = Doings {
                    cpu: Some(cpu),
                    ..Doings::default()
                };
                let late = Duration::from_millis(u64::from(look % 3) * 40);
                let ties = correlation.step(pace * look + late, Some(20.0 + cpu), doings);
                (look, ties.cpu)
            });
            let (look, tie) = told.find(|(_, tie)| tie.is_some()).unwrap();
            let tie = tie.unwrap();
            assert!((19..23).contains(&look), "{minutes}: {look}");
            assert!(tie.coefficient > 0.99 && tie.lag_s.abs() < 1e-9, "{tie:?}");
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
            let odd = (look % 2 == 0).then_some(f64::NAN);
            assert_eq!(step(&mut correlation, look, odd), None);
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
