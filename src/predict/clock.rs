use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::scene::days;

/// The time by which ageing is reckoned: the machine's, but for leaps that it takes back by itself.
///
/// Clocks without a battery are wrong from the boot until the network is there. What leaps is
/// taken to have gone on as before; only after a day is it believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Clock {
    /// What it was last, days since 1970.
    last: Option<f64>,
    /// While the machine's is not believed: what it lacks, and since when.
    doubt: Option<(f64, f64)>,
    /// Whether it has told anything in this run.
    #[serde(skip)]
    runs: bool,
}

/// Within a run it goes on by no more at a look, days.
const GOES_ON: f64 = 0.5;
/// Nor does it go back by more, as a clock that is set right does.
const SET_RIGHT: f64 = 0.05;
/// No machine was off for longer, days.
const OFF: f64 = 400.0;
/// What has leapt is believed after so many days.
const BELIEVED: f64 = 1.0;

impl Clock {
    /// The machine's says `at`, once a minute. Tells whether it was ahead until now: what is remembered as
    /// later was never so.
    pub(super) fn look(&mut self, at: Timestamp) -> bool {
        let says = days(at);
        let last = self.last.unwrap_or(says);
        let most = if self.runs { GOES_ON } else { OFF };
        self.runs = true;
        let goes_on = |day: f64, most: f64| day >= last - SET_RIGHT && day <= last + most;
        let mut was_ahead = false;
        let lacks = match self.doubt {
            // It is right again.
            _ if goes_on(says, most) => {
                self.doubt = None;
                0.0
            }
            Some((lacks, since)) if goes_on(says + lacks, GOES_ON) => {
                if says + lacks - since < BELIEVED {
                    lacks
                } else {
                    was_ahead = lacks > 0.0;
                    self.doubt = None;
                    0.0
                }
            }
            Some(_) | None => {
                let lacks = last - says;
                self.doubt = Some((lacks, last));
                lacks
            }
        };
        self.last = Some(says + lacks);
        was_ahead
    }

    /// What time it is when the machine's says `at`.
    pub(super) fn time(&self, at: Timestamp) -> Timestamp {
        let lacks = self.doubt.map_or(0.0, |(lacks, _)| lacks * 86_400.0);
        let lacks = SignedDuration::try_from_secs_f64(lacks.round()).unwrap_or_default();
        at.checked_add(lacks).unwrap_or(at)
    }
}
