//! How a temperature stands at each load, held against its first weeks.

use std::collections::BTreeMap;

use super::point::{Regime, of_pair};
use super::trend::median;

/// What has got hotter at its least load by this share of what it has at its highest is another sensor.
const SHIFTED: f64 = 0.8;
/// A load at which a part gets less than this share as hot as at the highest is left out.
const HIGH: f64 = 0.6;

/// How it stands against its first weeks.
pub(super) struct Standing {
    pub(super) ratio: f64,
    /// Above the room, or above the idle machine, °C, then and now, at the load of `at`.
    pub(super) first: f64,
    pub(super) now: f64,
    pub(super) at: Regime,
    /// The load that it is held against, if it is one.
    pub(super) beside: Regime,
    /// Both, as the profile calls them.
    pub(super) code: Regime,
}

impl Standing {
    /// Whether it has got hotter by the same at this load as at the least, `low`: as another sensor has, or
    /// one of something with a load of its own.
    pub(super) fn is_shifted(&self, low: &Self, least: f64) -> bool {
        let shift = (low.now - low.first).min(self.now - self.first);
        low.first < self.first * 0.5 && shift >= least && shift > (self.now - self.first) * SHIFTED
    }
}

/// How each load that is known stands, from the least.
pub(super) fn loads(is_paired: bool, both: &BTreeMap<Regime, (f64, f64)>) -> Vec<Standing> {
    let mut loads = BTreeMap::new();
    for (code, (first, now)) in both {
        let (beside, at) = if is_paired {
            of_pair(*code)
        } else {
            (*code, *code)
        };
        // Of the loads that one is held against the least says most.
        loads.entry(at).or_insert(Standing {
            ratio: now / first,
            first: *first,
            now: *now,
            at,
            beside,
            code: *code,
        });
    }
    loads.into_values().collect()
}

/// How it stands at the highest of its loads, which says most; the middle of the two highest is no single
/// wild one.
pub(super) fn highest(mut loads: Vec<Standing>, least: f64) -> Option<Standing> {
    loads.retain(|one| one.first >= least);
    let highest = loads.pop()?;
    let next = loads
        .pop()
        .filter(|next| next.first >= highest.first * HIGH);
    let ratios = [Some(highest.ratio), next.map(|next| next.ratio)];
    Some(Standing {
        ratio: median(ratios.into_iter().flatten())?,
        ..highest
    })
}
