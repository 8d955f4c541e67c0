use std::time::Duration;

use tokio::time::Instant;

use super::Track;
use crate::meter::check::against_apparent;
use crate::meter::counter::{Counter, Taken};
use crate::meter::doubt::Doubt;

/// What happens once, such as a counter's jump, is told for so long.
const TOLD: Duration = Duration::from_hours(1);

/// What is wrong with a meter.
#[derive(Debug, Clone, Default)]
pub(super) struct Wrong {
    /// Why its watts are withheld.
    pub(super) withheld: Option<Doubt>,
    /// It says watts while it is off.
    pub(super) relay_off: Option<Doubt>,
    /// None of its figures moves.
    pub(super) frozen: bool,
    /// When it spoke last as what does not count: the whole beside its outlets.
    pub(super) mixed: Option<Instant>,
    /// When its counter jumped last.
    jumped: Option<Instant>,
    /// Its counter's last figure was none.
    pub(super) absurd_counter: bool,
    /// Its last message was.
    pub(super) unreadable: bool,
}

impl Wrong {
    /// Takes in what the counters of part `number` made of their figures.
    pub(super) fn note(&mut self, number: u8, all: [Taken; 2], now: Instant) {
        for taken in all {
            match taken {
                Taken::Counted | Taken::Waiting => {}
                Taken::Reset | Taken::RolledBack => {
                    tracing::info!(part = number, "a meter's energy counter was set back");
                }
                Taken::Jumped => self.jumped = Some(now),
                Taken::Absurd => self.absurd_counter = true,
            }
        }
    }
}

impl Track {
    /// The gravest of what is wrong.
    pub(super) fn doubt(&self, now: Instant) -> Option<Doubt> {
        let any = |is: fn(&Counter) -> bool| {
            let counters = self
                .parts
                .values()
                .flat_map(|part| [&part.energy, &part.returned]);
            counters.flatten().any(is)
        };
        let two = any(Counter::is_of_two);
        let adrift = any(Counter::is_adrift);
        let watts = self.power.map(|(watts, _)| watts);
        let apparent = || {
            let mut parts = self.parts.values();
            parts.find_map(|part| against_apparent(&part.figures))
        };
        let lately = |at: Option<Instant>| at.is_some_and(|at| now.duration_since(at) < TOLD);
        let (jumped, mixed) = (lately(self.wrong.jumped), lately(self.wrong.mixed));
        two.then_some(Doubt::TwoVoices)
            .or_else(|| adrift.then_some(Doubt::FastCounter))
            .or(self.wrong.withheld)
            .or_else(|| self.pace.doubt(watts))
            .or(self.wrong.relay_off)
            .or_else(|| self.wrong.frozen.then_some(Doubt::Frozen(watts?)))
            .or_else(|| mixed.then_some(Doubt::Mixed))
            .or_else(|| jumped.then_some(Doubt::Jumped))
            .or_else(|| self.wrong.absurd_counter.then_some(Doubt::NoCounter))
            .or_else(apparent)
            .or_else(|| self.wrong.unreadable.then_some(Doubt::Unreadable))
    }
}
