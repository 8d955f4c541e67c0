//! What flash memory with registers for its health says of itself: eMMC and UFS tell it alike
//! (JEDEC JESD84-B51 and JESD220). Pure.

use super::smart::{Level, Verdict, WEAR, judged};
use crate::collect::read::figure;
use crate::model::{Metric, Reading, Unit};

static WEAR_MOST: Metric =
    Metric::gauge("wear_most_pct", "Wear at most", Unit::Percent).diagnostic();
static RESERVE: Metric = Metric::state("reserve", "Spare blocks", RESERVES).diagnostic();

/// The words of `reserve`: 80 % of the spare blocks are used up at `warning`, 90 % at `urgent`.
const RESERVES: &[&str] = &["normal", "warning", "urgent"];

/// What the registers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    /// What of its rated life is used up, % from and to.
    life: Option<(u64, u64)>,
    /// The place of its reserve in [`RESERVES`].
    reserve: Option<usize>,
}

impl Health {
    /// By the steps of its life (`0x01 0x02`: one for each kind of block) and of its reserve.
    pub(super) fn of(steps: Option<&str>, reserve: Option<&str>) -> Self {
        let reserve = reserve.and_then(step).and_then(|step| step.checked_sub(1));
        Self {
            life: steps.and_then(life),
            reserve: reserve.filter(|place| *place < RESERVES.len()),
        }
    }

    /// Whether it says anything.
    pub(super) const fn is_known(self) -> bool {
        self.life.is_some() || self.reserve.is_some()
    }

    /// Adds what it says, with a verdict.
    pub(super) fn tell(self, reading: &mut Reading) {
        if self.is_known() {
            judged(reading, &self.judge());
        }
        reading.push(&WEAR, self.life.map(|(least, _)| figure(least)));
        reading.push(&WEAR_MOST, self.life.map(|(_, most)| figure(most)));
        let reserve = self.reserve.and_then(|place| RESERVES.get(place).copied());
        reading.push(&RESERVE, reserve);
    }

    fn judge(self) -> Verdict {
        let mut found = Vec::new();
        match self.reserve {
            Some(2..) => found.push((
                Level::Failing,
                "90 % of its spare blocks are used up".to_owned(),
            )),
            Some(1) => found.push((
                Level::Warning,
                "80 % of its spare blocks are used up".to_owned(),
            )),
            Some(0) | None => {}
        }
        match self.life {
            Some((100.., _)) => {
                found.push((Level::Warning, "its rated life is used up".to_owned()));
            }
            Some((least @ 90.., _)) => {
                found.push((
                    Level::Watch,
                    format!("{least} % of its rated life are used up"),
                ));
            }
            _ => {}
        }
        Verdict::by(found)
    }
}

/// `0x01`
fn step(text: &str) -> Option<usize> {
    usize::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// 1 is 0–10 % of the life, … 11 is more than all of it. The worse kind of block counts.
fn life(text: &str) -> Option<(u64, u64)> {
    let steps = text.split_ascii_whitespace().filter_map(step);
    match steps.max()? {
        step @ 1..=10 => {
            let most = u64::try_from(step).ok()? * 10;
            Some((most - 10, most))
        }
        11 => Some((100, 100)),
        _ => None,
    }
}
