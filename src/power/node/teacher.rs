use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::power::learn::{LAGS, Learned, Plug};
use crate::power::work::Inputs;
use crate::power::{PowerSample, Scope};

/// A meter's reading is learnt together with the work at its time, for so many looks back.
const RECENT: usize = 90;
/// Only while the use hardly moves, %: then a little more or less lag does not matter.
const STEADY: f64 = 5.0;
/// Only a use that has moved by so much, %, tells the lag.
const MOVED: f64 = 15.0;
/// Where more than such a share of readings come while it moves it never rests, and all are learnt.
const RESTLESS: f64 = 0.95;
/// That is a share of about the last so many.
const LATEST: f64 = 60.0;
/// A reading stands for so long at least and at most; longer only where looks are further apart.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// Puts readings of meters together with what the machine did at their time.
#[derive(Debug, Clone, Default)]
pub(super) struct Teacher {
    own: Learned,
    shared: Learned,
    /// The last reading that was learnt, and the last that told of the lag: who told it, when it
    /// was measured.
    taught: Option<(String, Timestamp)>,
    timed: Option<(String, Timestamp)>,
    /// When the last that was learnt was measured.
    measured: Option<Duration>,
    /// The share of the latest that came while the use moved.
    moving: f64,
    /// The newest first.
    recent: VecDeque<Look>,
    /// The least that was measured since the start, W.
    floor_w: Option<f64>,
}

/// What the machine did at one look.
#[derive(Debug, Clone, Copy)]
struct Look {
    up: Duration,
    inputs: Inputs,
}

impl Teacher {
    /// Goes on from what is known.
    pub(super) fn new(own: Learned, shared: Learned) -> Self {
        Self {
            own,
            shared,
            ..Self::default()
        }
    }

    /// Knows `own` from now on; by how much the meter lags is still known.
    pub(super) fn replace(&mut self, mut own: Learned) {
        own.set_lag(*self.own.lag());
        self.own = own;
    }

    /// What was learnt from a meter of this machine alone.
    pub(super) const fn own(&self) -> &Learned {
        &self.own
    }

    /// What was learnt from a meter on which there is more.
    pub(super) const fn shared(&self) -> &Learned {
        &self.shared
    }

    /// The least that was measured since the start, W.
    pub(super) const fn floor_w(&self) -> Option<f64> {
        self.floor_w
    }

    /// What the machine draws more now, at `up`, than when `sample` was measured, W, by what is known
    /// of it; 0 if nothing is.
    pub(super) fn since_w(&self, up: Duration, sample: &PowerSample) -> f64 {
        let then = up.saturating_sub(sample.age + self.own.lag().time());
        let known_w = |place: usize| Some(self.own.at(&self.recent.get(place)?.inputs)?.watts);
        let then = self.place(then).filter(|place| *place > 0);
        let both = then.and_then(|then| known_w(0).zip(known_w(then)));
        both.map_or(0.0, |(now, then)| now - then)
    }

    /// Takes in a look, and what `best` (or, without any, a meter with more on it) says.
    pub(super) fn step(
        &mut self,
        up: Duration,
        inputs: Option<Inputs>,
        samples: &[PowerSample],
        best: Option<(&PowerSample, f64)>,
    ) {
        if let Some(inputs) = inputs {
            self.recent.truncate(RECENT - 1);
            self.recent.push_front(Look { up, inputs });
        }
        if let Some((sample, watts)) = best {
            // What is behind the supply does not tell what is before it.
            if sample.scope == Scope::Host && sample.suspect.is_none() {
                let floor = self.floor_w.map_or(watts, |floor| floor.min(watts));
                self.floor_w = Some(floor.max(0.0));
                self.learn(up, sample, watts, Plug::Own);
            }
            return;
        }
        let mut shared = samples.iter().filter(|one| one.scope == Scope::Shared);
        if let Some(sample) = shared.find(|one| one.suspect.is_none())
            && let Some(watts) = sample.power_w
        {
            self.learn(up, sample, watts, Plug::Shared);
        }
    }

    /// Learns from a reading that is new, if the use was steady at its time or never is.
    fn learn(&mut self, up: Duration, sample: &PowerSample, watts: f64, plug: Plug) {
        let reading = (sample.source_id.clone(), sample.at);
        let measured = up.saturating_sub(sample.age);
        let is_new = self.timed.as_ref() != Some(&reading);
        if is_new {
            self.timed = Some(reading.clone());
            self.time(measured, watts, plug);
        }
        if self.taught.as_ref() == Some(&reading) {
            return;
        }
        let learned = self.learned(plug);
        let Some(place) = self.place(measured.saturating_sub(learned.lag().time())) else {
            return;
        };
        let (look, before) = (self.recent.get(place), self.recent.get(place + 1));
        let (Some(look), Some(before)) = (look, before) else {
            return;
        };
        let moves = (look.inputs.usage_pct - before.inputs.usage_pct).abs() > STEADY;
        let (inputs, apart) = (look.inputs, look.up.saturating_sub(before.up));
        if is_new {
            self.moving += (f64::from(moves) - self.moving) / LATEST;
        }
        if !moves || self.moving > RESTLESS {
            // What it stands for: the time since the last one.
            let longest = LONGEST.max(apart);
            let lap = self.measured.replace(measured).map_or(longest, |last| {
                measured.saturating_sub(last).clamp(SHORTEST, longest)
            });
            self.learned_mut(plug)
                .learn(&inputs, watts, lap.as_secs_f64(), plug);
            self.taught = Some(reading);
        }
    }

    /// Finds out by how much the meter lags: which of the delays makes its readings fit best.
    fn time(&mut self, measured: Duration, watts: f64, plug: Plug) {
        let looks = LAGS.map(|lag| {
            let at = measured.checked_sub(Duration::from_secs(lag))?;
            Some(self.recent.get(self.place(at)?)?.inputs)
        });
        let usages = || looks.iter().flatten().map(|inputs| inputs.usage_pct);
        let moved = usages().fold(f64::MIN, f64::max) - usages().fold(f64::MAX, f64::min);
        if moved < MOVED {
            return;
        }
        let learned = self.learned(plug);
        let mut shares = [0.0; LAGS.len()];
        for (share, look) in shares.iter_mut().zip(looks) {
            let Some(known) = look.and_then(|inputs| learned.at(&inputs)) else {
                return;
            };
            *share = watts / known.watts - 1.0;
        }
        self.learned_mut(plug).time(shares);
    }

    /// The place of the look that holds the time `at`: the last of those that are not before it.
    fn place(&self, at: Duration) -> Option<usize> {
        let after = self.recent.iter().take_while(|look| look.up >= at);
        after.count().checked_sub(1)
    }

    const fn learned(&self, plug: Plug) -> &Learned {
        match plug {
            Plug::Own => &self.own,
            Plug::Shared => &self.shared,
        }
    }

    const fn learned_mut(&mut self, plug: Plug) -> &mut Learned {
        match plug {
            Plug::Own => &mut self.own,
            Plug::Shared => &mut self.shared,
        }
    }
}
