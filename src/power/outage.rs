//! Outages of the mains, as a UPS sees them: each with its beginning, length, depth and end.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::host::Memory;

/// So many outages of a UPS are kept, the oldest goes first.
const KEPT: usize = 100;
/// Between two looks that lie further apart than this something may have been missed.
const UNSEEN: Duration = Duration::from_mins(1);

/// How an outage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The mains came back while somebody looked.
    Mains,
    /// At some time while nobody could look; what is told is when it was last seen.
    Unseen,
}

/// A time on battery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// When it was first seen.
    pub from: Timestamp,
    /// When it was last seen.
    pub to: Timestamp,
    /// How it ended; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// How long it was, s.
    pub duration_s: f64,
    /// The lowest charge, %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowest_charge_pct: Option<f64>,
    /// The mean load in % of what the UPS can bear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_pct: Option<f64>,
    /// The mean load, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    /// Whether the UPS said that its battery was low.
    pub battery_low: bool,
    /// Whether the UPS was on its way to switch off.
    pub shutting_down: bool,
    /// Whether data were missing for a while.
    pub gaps: bool,
    /// Looks that `load_pct` and `power_w` are means of.
    #[serde(default)]
    looks: (f64, f64),
}

/// What a look at a UPS tells of an outage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OutageLook {
    /// Whether it lives on its battery.
    pub on_battery: bool,
    /// Its charge, %.
    pub charge_pct: Option<f64>,
    /// Its load, % of what it can bear.
    pub load_pct: Option<f64>,
    /// Its load, W.
    pub power_w: Option<f64>,
    /// Whether it says that its battery is low.
    pub battery_low: bool,
    /// Whether it is on its way to switch off.
    pub shutting_down: bool,
}

/// The outages that one UPS has seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outages {
    list: VecDeque<Outage>,
    count: u64,
    total_s: f64,
}

impl Outage {
    /// Whether it still lasts.
    pub const fn lasts(&self) -> bool {
        self.ended.is_none()
    }

    fn take(&mut self, look: &OutageLook) {
        let mean = |mean: &mut Option<f64>, looks: &mut f64, now: Option<f64>| {
            if let Some(now) = now {
                *looks += 1.0;
                let before = mean.unwrap_or(now);
                *mean = Some(before + (now - before) / *looks);
            }
        };
        mean(&mut self.load_pct, &mut self.looks.0, look.load_pct);
        mean(&mut self.power_w, &mut self.looks.1, look.power_w);
        self.lowest_charge_pct = match (self.lowest_charge_pct, look.charge_pct) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        };
        self.battery_low |= look.battery_low;
        self.shutting_down |= look.shutting_down;
    }
}

impl Outages {
    /// What the memory has of the UPS `id`.
    pub fn of(memory: &Memory, id: &str) -> Self {
        memory.get(&key(id)).unwrap_or_default()
    }

    /// Takes in what is seen at `at`, `elapsed` after the look before; without it homewatch has
    /// just started. Without a look the UPS cannot be asked, and whatever was goes on.
    pub fn step(&mut self, at: Timestamp, elapsed: Option<Duration>, look: Option<OutageLook>) {
        let open = self.list.back_mut().filter(|outage| outage.lasts());
        match (open, look) {
            (Some(outage), None) => outage.gaps = true,
            (Some(outage), Some(look)) => {
                // Over a restart only the wall clock knows, which may have been set.
                let wall = at.duration_since(outage.to).unsigned_abs();
                let since = elapsed.unwrap_or_else(|| wall.min(Duration::from_hours(24)));
                let missed = since > UNSEEN;
                outage.gaps |= missed;
                if !look.on_battery && missed {
                    outage.ended = Some(Ended::Unseen);
                    return;
                }
                outage.duration_s += since.as_secs_f64();
                self.total_s += since.as_secs_f64();
                outage.to = at;
                if look.on_battery {
                    outage.take(&look);
                } else {
                    outage.ended = Some(Ended::Mains);
                }
            }
            (None, Some(look)) if look.on_battery => self.begin(at, &look),
            (None, _) => {}
        }
    }

    fn begin(&mut self, at: Timestamp, look: &OutageLook) {
        let mut outage = Outage {
            from: at,
            to: at,
            ended: None,
            duration_s: 0.0,
            lowest_charge_pct: None,
            load_pct: None,
            power_w: None,
            battery_low: false,
            shutting_down: false,
            gaps: false,
            looks: (0.0, 0.0),
        };
        outage.take(look);
        self.list.push_back(outage);
        self.count += 1;
        while self.list.len() > KEPT {
            self.list.pop_front();
        }
    }

    /// The one that lasts, else the last one.
    pub fn last(&self) -> Option<&Outage> {
        self.list.back()
    }

    /// Those that are kept, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Outage> {
        self.list.iter().rev()
    }

    /// How many there ever were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How long all of them were together, s.
    pub const fn total_s(&self) -> f64 {
        self.total_s
    }
}

/// Where the memory keeps the outages of the UPS `id`.
pub(crate) fn key(id: &str) -> String {
    format!("{PREFIX}{id}{SUFFIX}")
}

const PREFIX: &str = "ups/";
const SUFFIX: &str = "/outages";

/// The outages of every UPS that the memory has, by its subject's id.
pub fn outages(memory: &Memory) -> BTreeMap<String, Outages> {
    let keys = memory.keys(PREFIX).into_iter();
    let of = |key: String| {
        let id = key.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        Some((id.to_owned(), memory.get(&key)?))
    };
    keys.filter_map(of).collect()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "whole seconds and percents")]
mod tests {
    use super::*;

    const TICK: Option<Duration> = Some(Duration::from_secs(10));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn look(charge: f64, low: bool) -> OutageLook {
        OutageLook {
            on_battery: true,
            charge_pct: Some(charge),
            load_pct: Some(charge / 2.0),
            power_w: Some(charge),
            battery_low: low,
            shutting_down: false,
        }
    }

    fn mains() -> OutageLook {
        OutageLook::default()
    }

    #[test]
    fn an_outage_is_told_from_when_to_when_how_deep_and_how_it_ended() {
        let mut outages = Outages::default();
        outages.step(at(0), None, Some(mains()));
        assert_eq!((outages.last(), outages.count()), (None, 0));
        outages.step(at(10), TICK, Some(look(100.0, false)));
        assert!(outages.last().unwrap().lasts());
        outages.step(at(20), TICK, Some(look(60.0, false)));
        outages.step(at(30), TICK, Some(look(20.0, true)));
        outages.step(at(40), TICK, Some(mains()));
        outages.step(at(50), TICK, Some(mains()));
        let outage = outages.last().unwrap().clone();
        assert_eq!((outage.from, outage.to), (at(10), at(40)));
        assert_eq!(outage.ended, Some(Ended::Mains));
        assert_eq!((outage.duration_s, outages.total_s()), (30.0, 30.0));
        assert_eq!(outage.lowest_charge_pct, Some(20.0));
        assert_eq!((outage.load_pct, outage.power_w), (Some(30.0), Some(60.0)));
        assert!(outage.battery_low && !outage.shutting_down && !outage.gaps);
    }

    #[test]
    fn what_a_ups_does_not_know_is_left_out() {
        let mut outages = Outages::default();
        let dumb = OutageLook {
            on_battery: true,
            ..OutageLook::default()
        };
        outages.step(at(0), TICK, Some(dumb));
        outages.step(at(10), TICK, Some(dumb));
        let outage = outages.last().unwrap();
        assert_eq!((outage.lowest_charge_pct, outage.load_pct), (None, None));
        let json = serde_json::to_value(outage).unwrap();
        assert!(json.get("power_w").is_none() && json.get("ended").is_none());
    }

    #[test]
    fn data_that_come_back_in_time_are_no_end_and_an_end_that_nobody_saw_is_told_as_such() {
        for (silence, ended, length, gaps) in [
            (3, Ended::Mains, 50.0, true),
            (30, Ended::Unseen, 10.0, true),
        ] {
            let mut outages = Outages::default();
            outages.step(at(0), TICK, Some(look(100.0, false)));
            outages.step(at(10), TICK, Some(look(100.0, false)));
            for _ in 0..silence {
                outages.step(at(20), TICK, None);
            }
            let since = Duration::from_secs(10 * (silence + 1));
            outages.step(at(50), Some(since), Some(mains()));
            let outage = outages.last().unwrap();
            assert_eq!((outage.ended, outage.gaps), (Some(ended), gaps));
            assert!((outage.duration_s - length).abs() < 1e-9);
        }
    }

    #[test]
    fn an_outage_goes_on_over_a_restart() {
        let memory = Memory::default();
        let mut outages = Outages::of(&memory, "ups-rack");
        outages.step(at(0), TICK, Some(look(100.0, false)));
        memory.put(&key("ups-rack"), &outages);
        memory.put("ups/ups-rack/known", &1);
        let mut again = Outages::of(&memory, "ups-rack");
        again.step(at(30), None, Some(look(80.0, false)));
        again.step(at(40), TICK, Some(mains()));
        let outage = again.last().unwrap();
        assert_eq!((again.count(), outage.from), (1, at(0)));
        assert_eq!((outage.duration_s, outage.gaps), (40.0, false));
        let all = super::outages(&memory);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["ups-rack"]);
        assert!(all["ups-rack"].newest().next().unwrap().lasts());
        // A clock that was set by years makes no outage of years.
        let mut after = Outages::of(&memory, "ups-rack");
        after.step(at(1_000_000_000), None, Some(look(80.0, false)));
        assert_eq!(after.total_s(), 86_400.0);
    }

    #[test]
    fn only_so_many_are_kept_but_all_are_counted() {
        let mut outages = Outages::default();
        for number in 0..150 {
            outages.step(at(number * 20), TICK, Some(look(90.0, false)));
            outages.step(at(number * 20 + 10), TICK, Some(mains()));
        }
        assert_eq!((outages.newest().count(), outages.count()), (KEPT, 150));
        assert_eq!(outages.total_s(), 1500.0);
        assert_eq!(outages.newest().next().unwrap().from, at(149 * 20));
    }
}
