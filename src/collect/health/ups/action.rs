//! The orderly action on a low battery: when it begins, goes on, is given up. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So long must the mains be back before everything is as it was.
const SETTLED: Duration = Duration::from_mins(5);

/// When it begins, and where there is no way back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    /// On the UPS's own word.
    pub(super) low_battery: bool,
    /// At less charge, %.
    pub(super) charge_below: Option<f64>,
    /// At less time, by the shorter of the UPS's figure and of past outages.
    pub(super) runtime_below: Option<Duration>,
    /// For so long it must be so.
    pub(super) for_: Duration,
    /// Also when a UPS that was on its battery is lost.
    pub(super) when_lost: bool,
    /// How many commands there are.
    pub(super) steps: usize,
    /// Once so many have begun it is not given up.
    pub(super) point: usize,
}

/// What is seen of the UPS.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Seen {
    /// It cannot be asked; it was on its battery, or not.
    Lost { on_battery: bool },
    /// It is on the mains.
    Mains,
    /// It is on its battery.
    Battery {
        low: bool,
        /// %.
        charge: Option<f64>,
        /// s.
        runtime: Option<f64>,
    },
}

/// How far it is. Kept over restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Nothing is to be done.
    #[default]
    Idle,
    /// So many commands have begun.
    Running { begun: usize, failed: bool },
    /// It was carried out in this outage.
    Done { failed: bool },
    /// The mains came back in time.
    Cancelled { begun: usize },
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The command of this place, the first is 0.
    Run(usize),
    /// It has come to an end: tell it.
    End,
}

/// The action over time. Times are of a clock that nobody sets.
#[derive(Debug)]
pub(super) struct Action {
    plan: Plan,
    phase: Phase,
    /// homewatch was restarted on the way.
    resumed: bool,
    waiting: Option<Duration>,
    mains: Option<Duration>,
}

impl Action {
    /// Goes on where it was.
    pub(super) const fn new(plan: Plan, phase: Phase) -> Self {
        Self {
            plan,
            phase,
            resumed: matches!(phase, Phase::Running { .. }),
            waiting: None,
            mains: None,
        }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// The word of `state`.
    pub(super) const fn state(&self) -> &'static str {
        match self.phase {
            Phase::Idle if self.waiting.is_some() => "waiting",
            Phase::Idle => "idle",
            Phase::Running { .. } => "running",
            Phase::Done { failed: false } => "done",
            Phase::Done { failed: true } => "failed",
            Phase::Cancelled { .. } => "cancelled",
        }
    }

    /// Takes in what is seen at `now`.
    pub(super) fn step(&mut self, now: Duration, seen: Seen) -> Option<Order> {
        let settled = match seen {
            Seen::Mains => {
                let since = *self.mains.get_or_insert(now);
                now.saturating_sub(since) >= SETTLED
            }
            // It is another outage.
            Seen::Battery { .. } => self.mains.take().is_some(),
            Seen::Lost { .. } => false,
        };
        if settled && matches!(self.phase, Phase::Done { .. } | Phase::Cancelled { .. }) {
            self.phase = Phase::Idle;
        }
        match self.phase {
            Phase::Idle => self.wait(now, seen),
            // After a restart only the battery's own word lets it go on.
            Phase::Running { .. } if self.resumed => match seen {
                Seen::Lost { .. } => None,
                Seen::Mains => Some(self.cancel()),
                Seen::Battery { .. } => {
                    self.resumed = false;
                    self.next()
                }
            },
            Phase::Running { .. } | Phase::Done { .. } | Phase::Cancelled { .. } => None,
        }
    }

    /// A command has ended.
    pub(super) fn ended(&mut self, well: bool) -> Option<Order> {
        if let Phase::Running { failed, .. } = &mut self.phase {
            *failed |= !well;
        }
        self.next()
    }

    fn wait(&mut self, now: Duration, seen: Seen) -> Option<Order> {
        if !self.plan.applies(seen) {
            self.waiting = None;
            return None;
        }
        let since = *self.waiting.get_or_insert(now);
        if now.saturating_sub(since) < self.plan.for_ {
            return None;
        }
        self.waiting = None;
        self.phase = Phase::Running {
            begun: 0,
            failed: false,
        };
        self.next()
    }

    fn next(&mut self) -> Option<Order> {
        let Phase::Running { begun, failed } = self.phase else {
            return None;
        };
        if begun >= self.plan.steps {
            self.phase = Phase::Done { failed };
            return Some(Order::End);
        }
        if self.mains.is_some() && begun < self.plan.point {
            return Some(self.cancel());
        }
        self.phase = Phase::Running {
            begun: begun + 1,
            failed,
        };
        Some(Order::Run(begun))
    }

    fn cancel(&mut self) -> Order {
        if let Phase::Running { begun, .. } = self.phase {
            self.phase = Phase::Cancelled { begun };
        }
        self.resumed = false;
        Order::End
    }
}

impl Plan {
    fn applies(&self, seen: Seen) -> bool {
        match seen {
            Seen::Mains => false,
            Seen::Lost { on_battery } => on_battery && self.when_lost,
            Seen::Battery {
                low,
                charge,
                runtime,
            } => {
                let below = |limit: Option<f64>, now: Option<f64>| {
                    limit.zip(now).is_some_and(|(limit, now)| now < limit)
                };
                let least = self.runtime_below.map(|least| least.as_secs_f64());
                low && self.low_battery || below(self.charge_below, charge) || below(least, runtime)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            low_battery: true,
            charge_below: Some(30.0),
            runtime_below: Some(Duration::from_mins(5)),
            for_: Duration::from_secs(20),
            when_lost: false,
            steps: 3,
            point: 3,
        }
    }

    fn action() -> Action {
        Action::new(plan(), Phase::Idle)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const WELL: Seen = Seen::Battery {
        low: false,
        charge: Some(80.0),
        runtime: Some(900.0),
    };
    const LOW: Seen = Seen::Battery {
        low: true,
        charge: None,
        runtime: None,
    };

    #[test]
    fn it_begins_once_one_of_its_conditions_has_held_for_long_enough() {
        let of = |low, charge, runtime| Seen::Battery {
            low,
            charge,
            runtime,
        };
        for (seen, begins) in [
            (Seen::Mains, false),
            (Seen::Lost { on_battery: true }, false),
            (WELL, false),
            (of(false, None, None), false),
            (of(false, Some(30.0), Some(300.0)), false),
            (LOW, true),
            (of(false, Some(29.0), None), true),
            (of(false, Some(80.0), Some(299.0)), true),
        ] {
            let mut action = action();
            assert_eq!(action.step(at(0), seen), None);
            assert_eq!(action.state() == "waiting", begins, "{seen:?}");
            assert_eq!(action.step(at(10), seen), None);
            let order = action.step(at(20), seen);
            assert_eq!(order, begins.then_some(Order::Run(0)), "{seen:?}");
        }
        let mut bare = Action::new(Plan::default(), Phase::Idle);
        assert_eq!(bare.step(at(0), LOW), None, "no condition is given");
    }

    #[test]
    fn data_that_are_lost_on_battery_begin_it_only_if_that_is_wanted() {
        let wanted = Plan {
            when_lost: true,
            ..plan()
        };
        for (plan, on_battery, begins) in [
            (plan(), true, false),
            (wanted.clone(), false, false),
            (wanted, true, true),
        ] {
            let mut action = Action::new(plan, Phase::Idle);
            action.step(at(0), Seen::Lost { on_battery });
            let order = action.step(at(30), Seen::Lost { on_battery });
            assert_eq!(order.is_some(), begins);
        }
    }

    #[test]
    fn a_condition_that_goes_away_is_waited_for_anew() {
        let mut action = action();
        action.step(at(0), LOW);
        action.step(at(10), WELL);
        assert_eq!(action.state(), "idle");
        assert_eq!(action.step(at(20), LOW), None);
        assert_eq!(action.step(at(30), LOW), None);
        assert_eq!(action.step(at(40), LOW), Some(Order::Run(0)));
    }

    fn begun() -> Action {
        let mut action = action();
        action.step(at(0), LOW);
        assert_eq!(action.step(at(20), LOW), Some(Order::Run(0)));
        action
    }

    #[test]
    fn the_commands_run_one_after_the_other_and_once_an_outage() {
        for fails in [false, true] {
            let mut action = begun();
            assert_eq!(action.step(at(30), LOW), None, "one is at work");
            assert_eq!(action.state(), "running");
            assert_eq!(action.ended(!fails), Some(Order::Run(1)));
            assert_eq!(action.step(at(35), Seen::Lost { on_battery: true }), None);
            assert_eq!(action.ended(true), Some(Order::Run(2)));
            assert_eq!(action.ended(true), Some(Order::End));
            assert_eq!(action.state(), if fails { "failed" } else { "done" });
            for second in (40..4000).step_by(10) {
                assert_eq!(action.step(at(second), LOW), None);
            }
            assert_eq!(action.ended(true), None, "nothing was at work");
        }
    }

    #[test]
    fn it_is_given_up_if_the_mains_come_back_before_the_point_of_no_return() {
        let mut action = begun();
        assert_eq!(
            action.step(at(30), Seen::Mains),
            None,
            "the command ends first"
        );
        assert_eq!(action.ended(true), Some(Order::End));
        assert_eq!(action.phase(), Phase::Cancelled { begun: 1 });
        assert_eq!(action.state(), "cancelled");
        action.step(at(40), Seen::Mains);
        assert_eq!(action.state(), "cancelled", "so that it can be seen");
        action.step(at(330), Seen::Mains);
        assert_eq!(action.state(), "idle");
        // Beyond that point it is carried through.
        let early = Plan { point: 1, ..plan() };
        let mut action = Action::new(early, Phase::Idle);
        action.step(at(0), LOW);
        action.step(at(20), LOW);
        action.step(at(30), Seen::Mains);
        assert_eq!(action.ended(true), Some(Order::Run(1)));
        assert_eq!(action.ended(true), Some(Order::Run(2)));
        assert_eq!(action.ended(true), Some(Order::End));
        assert_eq!(action.state(), "done");
    }

    #[test]
    fn mains_that_go_again_during_a_command_do_not_end_it() {
        let mut action = begun();
        action.step(at(30), Seen::Mains);
        action.step(at(40), LOW);
        assert_eq!(action.ended(true), Some(Order::Run(1)));
    }

    #[test]
    fn the_next_outage_is_another_one() {
        let mut action = begun();
        action.step(at(30), Seen::Mains);
        action.ended(true);
        action.step(at(40), LOW);
        assert_eq!(action.state(), "waiting");
        assert_eq!(action.step(at(60), LOW), Some(Order::Run(0)));
    }

    #[test]
    fn a_restart_on_the_way_repeats_nothing_and_goes_on_only_on_battery() {
        let kept = Phase::Running {
            begun: 2,
            failed: false,
        };
        let kept: Phase = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        let mut action = Action::new(plan(), kept);
        assert_eq!(action.step(at(0), Seen::Lost { on_battery: true }), None);
        assert_eq!(action.step(at(10), WELL), Some(Order::Run(2)));
        let mut action = Action::new(plan(), kept);
        assert_eq!(action.step(at(0), Seen::Mains), Some(Order::End));
        assert_eq!(action.state(), "cancelled");
        // With mains it is not carried through even beyond the point of no return.
        let early = Plan { point: 1, ..plan() };
        let mut action = Action::new(early, kept);
        assert_eq!(action.step(at(0), Seen::Mains), Some(Order::End));
        assert_eq!(action.state(), "cancelled");
        // What was done in this outage is not done again.
        let mut action = Action::new(plan(), Phase::Done { failed: false });
        assert_eq!(action.step(at(0), LOW), None);
        assert_eq!(action.step(at(60), LOW), None);
        let all = Phase::Running {
            begun: 3,
            failed: true,
        };
        let mut action = Action::new(plan(), all);
        assert_eq!(action.step(at(0), LOW), Some(Order::End));
        assert_eq!(action.state(), "failed");
    }
}
