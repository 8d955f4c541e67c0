//! What past discharges say of a battery: how much it holds, how long it lasts at a load, how it
//! ages. All of it by the energy that was drawn against the charge that it cost.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::discharge::{Discharge, Draw, Running};

/// So many discharges are kept.
const KEPT: usize = 12;
/// Looks that lie further apart say nothing of what was drawn between them.
const GAP: Duration = Duration::from_mins(1);
/// A discharge counts this much of the next newer one: batteries age.
const FADE: f64 = 0.7;
/// A battery that holds so much more than ever is a new one.
const RENEWED: f64 = 1.3;
/// Discharges of so much charge in all, before and since, are good evidence, %.
const EVIDENCE: f64 = 60.0;
/// A UPS that claims to last longer under a load does not know, s.
const A_DAY: f64 = 86_400.0;
/// The UPS's own figure may be off by this factor.
const FACTOR: f64 = 3.0;

/// What a look tells of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    /// %.
    pub(super) charge: Option<f64>,
    pub(super) draw: Option<Draw>,
    /// Whether it gives what is drawn.
    pub(super) discharging: bool,
}

/// What was learnt of a UPS's battery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Battery {
    /// The UPS's serial number and its battery's date, which tell another battery.
    mark: (Option<String>, Option<String>),
    first: Option<Discharge>,
    later: VecDeque<Discharge>,
    #[serde(skip)]
    running: Option<Running>,
    /// This discharge was not seen whole, and is of no use.
    #[serde(skip)]
    spoilt: bool,
}

/// How much of it is left of what it once was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Health {
    /// % of its first measurement.
    pub(super) percent: f64,
    /// How much evidence there is, %.
    pub(super) confidence: f64,
}

impl Battery {
    /// Tells it which battery it is about; what was learnt of another one is forgotten.
    pub(super) fn is_of(&mut self, serial: Option<&str>, date: Option<&str>) {
        let differs = |known: &Option<String>, told: Option<&str>| {
            let known = known.as_deref();
            known.is_some() && told.is_some() && known != told
        };
        if differs(&self.mark.0, serial) || differs(&self.mark.1, date) {
            *self = Self::default();
        }
        let take = |known: &mut Option<String>, told: Option<&str>| {
            if let Some(told) = told {
                *known = Some(told.to_owned());
            }
        };
        take(&mut self.mark.0, serial);
        take(&mut self.mark.1, date);
    }

    /// Takes in a look at `at`, `elapsed` after the one before.
    pub(super) fn step(&mut self, at: Timestamp, elapsed: Option<Duration>, look: Look) {
        if !look.discharging {
            self.spoilt = false;
            if let Some(shown) = self.running.take().and_then(|running| running.shows(at)) {
                self.learn(shown);
            }
            return;
        }
        let seen = look.charge.zip(look.draw).filter(|_| !self.spoilt);
        let (Some((charge, draw)), false) = (seen, elapsed.is_none_or(|gap| gap > GAP)) else {
            // Nor is what follows of use, until it is charged again.
            self.spoilt = true;
            self.running = None;
            return;
        };
        let hours = elapsed.unwrap_or_default().as_secs_f64() / 3600.0;
        match &mut self.running {
            None => {
                self.running = Some(Running {
                    from: charge,
                    lowest: charge,
                    draw,
                    energy: 0.0,
                    hours: 0.0,
                });
            }
            Some(running) if running.draw.is_like(draw) => {
                running.energy += draw.amount() * hours;
                running.hours += hours;
                running.lowest = running.lowest.min(charge);
            }
            Some(_) => {
                self.spoilt = true;
                self.running = None;
            }
        }
    }

    fn learn(&mut self, shown: Discharge) {
        let Some(first) = self.first.filter(|first| first.draw.is_like(shown.draw)) else {
            self.first = Some(shown);
            self.later.clear();
            return;
        };
        if shown.capacity_at(first.draw) > first.capacity * RENEWED {
            self.first = Some(shown);
            self.later.clear();
            return;
        }
        self.later.push_back(shown);
        while self.later.len() > KEPT {
            self.later.pop_front();
        }
    }

    /// What it gives at a load, W·h or %·h; of what `now` is under way, too.
    fn capacity(&self, draw: Draw, now: Option<Discharge>) -> Option<f64> {
        let known = self.first.iter().chain(&self.later).chain(&now);
        let known: Vec<_> = known.filter(|one| one.draw.is_like(draw)).collect();
        let mut weight = 1.0;
        let (mut sum, mut weights) = (0.0, 0.0);
        for one in known.iter().rev() {
            sum += one.capacity_at(draw) * weight * one.depth;
            weights += weight * one.depth;
            weight *= FADE;
        }
        (weights > 0.0).then(|| sum / weights)
    }

    /// What it gives at `draw`, kWh.
    pub(super) fn capacity_kwh(&self, draw: Option<Draw>) -> Option<f64> {
        let draw = draw.filter(|draw| matches!(draw, Draw::Watts(_)))?;
        Some(self.capacity(draw, None)? / 1000.0)
    }

    /// How long it lasts with `charge` at `draw`, s.
    pub(super) fn runtime(&self, at: Timestamp, charge: f64, draw: Draw) -> Option<f64> {
        let now = self.running.and_then(|running| running.shows(at));
        let capacity = self.capacity(draw, now)?;
        Some(capacity * charge / 100.0 / draw.amount() * 3600.0)
    }

    /// How much of it is left, if there is a measurement before and one since.
    pub(super) fn health(&self) -> Option<Health> {
        let first = self.first?;
        let since = Self {
            later: self.later.clone(),
            ..Self::default()
        };
        let capacity = since.capacity(first.draw, None)?;
        let depth: f64 = self.later.iter().map(|one| one.depth).sum();
        let evidence = depth.min(first.depth) / EVIDENCE;
        Some(Health {
            percent: (capacity / first.capacity * 100.0).min(100.0),
            confidence: (1.0 - (-evidence).exp()) * 100.0,
        })
    }
}

/// What is wrong with the runtime that a UPS tells, s, if that can be known. `own` is what past
/// discharges say.
pub(super) fn doubt(
    told: f64,
    charge: Option<f64>,
    draw: Option<Draw>,
    own: Option<f64>,
) -> Option<&'static str> {
    if told <= 0.0 && charge.is_some_and(|charge| charge >= 20.0) {
        return Some("it says that a charged battery lasts no second");
    }
    if told > A_DAY && draw.is_none_or(|draw| draw.amount() >= 1.0) {
        return Some("it says that the battery lasts more than a day");
    }
    let own = own.filter(|own| *own >= 60.0)?;
    if told > own * FACTOR {
        return Some("past outages say that the battery lasts much shorter");
    }
    (told < own / FACTOR).then_some("past outages say that the battery lasts much longer")
}

#[cfg(test)]
mod tests {
    use super::super::discharge::PEUKERT;
    use super::*;

    const TICK: Duration = Duration::from_secs(10);

    /// A battery of a real capacity, W·h at 100 W, with the law of Peukert, and what is learnt of it.
    struct Rig {
        real: f64,
        charge: f64,
        at: i64,
        battery: Battery,
    }

    impl Rig {
        fn new(real: f64) -> Self {
            Self {
                real,
                charge: 100.0,
                at: 0,
                battery: Battery::default(),
            }
        }

        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_700_000_000 + self.at).unwrap()
        }

        fn look(&mut self, draw: Option<Draw>, discharging: bool) {
            self.at += 10;
            let look = Look {
                // As UPSes tell it.
                charge: Some(self.charge.round()),
                draw,
                discharging,
            };
            let now = self.now();
            self.battery.step(now, Some(TICK), look);
        }

        /// Discharges it to `charge`, and charges it again.
        fn discharge(&mut self, watts: f64, charge: f64) {
            while self.charge > charge {
                let real = self.real * (100.0 / watts).powf(PEUKERT);
                self.charge -= watts * 10.0 / 3600.0 / real * 100.0;
                self.look(Some(Draw::Watts(watts)), true);
            }
            self.charge = 100.0;
            self.look(Some(Draw::Watts(watts)), false);
            self.at += 86_400;
        }

        fn lasts(&self, watts: f64) -> Option<f64> {
            let draw = Draw::Watts(watts);
            self.battery.runtime(self.now(), 100.0, draw)
        }
    }

    fn near(told: Option<f64>, want: f64, share: f64) {
        let told = told.unwrap();
        assert!((told / want - 1.0).abs() < share, "{told} and {want}");
    }

    #[test]
    fn how_long_it_lasts_is_learnt_of_a_discharge_for_other_loads_too() {
        let mut rig = Rig::new(60.0);
        assert_eq!(rig.lasts(100.0), None, "nothing is known yet");
        rig.discharge(100.0, 60.0);
        near(rig.lasts(100.0), 60.0 / 100.0 * 3600.0, 0.04);
        let real = 60.0 * 0.25_f64.powf(PEUKERT);
        near(rig.lasts(400.0), real / 400.0 * 3600.0, 0.04);
        near(
            rig.battery.capacity_kwh(Some(Draw::Watts(100.0))),
            0.06,
            0.04,
        );
        assert_eq!(rig.battery.capacity_kwh(Some(Draw::Percent(20.0))), None);
        assert_eq!(rig.battery.capacity_kwh(None), None);
        assert_eq!(rig.battery.health(), None, "nothing to compare with yet");
    }

    #[test]
    fn a_discharge_under_way_counts_as_soon_as_it_says_something() {
        let mut rig = Rig::new(60.0);
        for _ in 0..90 {
            rig.charge -= 100.0 * 10.0 / 3600.0 / 60.0 * 100.0;
            rig.look(Some(Draw::Watts(100.0)), true);
        }
        near(rig.lasts(100.0), 2160.0, 0.06);
    }

    #[test]
    fn a_battery_that_ages_is_told_with_the_evidence_and_a_new_one_begins_anew() {
        let mut rig = Rig::new(60.0);
        rig.discharge(100.0, 50.0);
        rig.real = 42.0;
        rig.discharge(150.0, 85.0);
        let early = rig.battery.health().unwrap();
        assert!(
            early.confidence > 15.0 && early.confidence < 30.0,
            "{early:?}"
        );
        for _ in 0..20 {
            rig.discharge(100.0, 50.0);
        }
        let health = rig.battery.health().unwrap();
        near(Some(health.percent), 70.0, 0.03);
        assert!(health.confidence > 50.0, "{health:?}");
        assert_eq!(rig.battery.later.len(), KEPT);
        near(rig.lasts(100.0), 42.0 / 100.0 * 3600.0, 0.05);
        rig.real = 95.0;
        rig.discharge(100.0, 50.0);
        assert_eq!(rig.battery.health(), None, "it must be a new one");
        near(rig.lasts(100.0), 95.0 / 100.0 * 3600.0, 0.05);
    }

    #[test]
    fn another_battery_or_ups_is_another_but_one_that_says_nothing_is_not() {
        let mut rig = Rig::new(60.0);
        rig.battery.is_of(Some("A1"), None);
        rig.discharge(100.0, 50.0);
        rig.battery.is_of(None, Some("2024/01/01"));
        rig.battery.is_of(Some("A1"), None);
        assert!(rig.lasts(100.0).is_some());
        rig.battery.is_of(Some("A1"), Some("2026/01/01"));
        assert_eq!(rig.lasts(100.0), None);
        rig.discharge(100.0, 50.0);
        rig.battery.is_of(Some("B2"), None);
        assert_eq!(rig.lasts(100.0), None);
    }

    #[test]
    fn what_was_not_seen_whole_says_nothing() {
        let watts = Some(Draw::Watts(100.0));
        let look = |charge, draw| Look {
            charge,
            draw,
            discharging: true,
        };
        let whole = Some(TICK);
        for (elapsed, middle) in [
            (None, look(Some(80.0), watts)),
            (Some(Duration::from_mins(5)), look(Some(80.0), watts)),
            (whole, look(None, watts)),
            (whole, look(Some(80.0), None)),
            (whole, look(Some(80.0), Some(Draw::Percent(20.0)))),
        ] {
            let mut rig = Rig::new(60.0);
            rig.look(watts, true);
            rig.look(watts, true);
            let now = rig.now();
            rig.battery.step(now, elapsed, middle);
            rig.charge = 40.0;
            rig.look(watts, true);
            rig.look(watts, false);
            assert_eq!(rig.lasts(100.0), None, "{middle:?}");
        }
        let mut rig = Rig::new(60.0);
        rig.discharge(100.0, 95.0);
        assert_eq!(rig.lasts(100.0), None, "too shallow");
    }

    #[test]
    fn without_watts_the_load_in_percent_goes_as_well_but_never_mixed() {
        let mut rig = Rig::new(60.0);
        rig.discharge(100.0, 50.0);
        for charge in [100.0, 90.0, 80.0, 70.0, 60.0] {
            rig.charge = charge;
            rig.look(Some(Draw::Percent(30.0)), true);
        }
        rig.look(Some(Draw::Percent(30.0)), false);
        // 40 s for 40 %.
        let draw = Draw::Percent(30.0);
        near(rig.battery.runtime(rig.now(), 100.0, draw), 100.0, 0.01);
        assert_eq!(rig.lasts(100.0), None);
        assert_eq!(Draw::of(Some(0.0), Some(3.0)), None);
        assert_eq!(Draw::of(None, Some(3.0)), Some(Draw::Percent(3.0)));
        assert_eq!(Draw::of(None, None), None);
    }

    #[test]
    fn what_was_learnt_survives_a_restart() {
        let mut rig = Rig::new(60.0);
        rig.discharge(100.0, 50.0);
        let kept = serde_json::to_string(&rig.battery).unwrap();
        assert_eq!(serde_json::from_str::<Battery>(&kept).unwrap(), rig.battery);
    }

    #[test]
    fn a_runtime_that_cannot_be_is_told() {
        let watts = Some(Draw::Watts(100.0));
        for (told, charge, draw, own, suspect) in [
            (0.0, Some(100.0), watts, None, true),
            (0.0, Some(3.0), watts, None, false),
            (0.0, None, watts, None, false),
            (356_400.0, Some(100.0), watts, None, true),
            (356_400.0, Some(100.0), None, None, true),
            (
                356_400.0,
                Some(100.0),
                Some(Draw::Percent(0.5)),
                None,
                false,
            ),
            (1800.0, Some(100.0), watts, Some(1500.0), false),
            (6000.0, Some(100.0), watts, Some(1500.0), true),
            (300.0, Some(100.0), watts, Some(1500.0), true),
            (300.0, Some(2.0), watts, Some(30.0), false),
        ] {
            let doubt = doubt(told, charge, draw, own);
            assert_eq!(doubt.is_some(), suspect, "{told} {charge:?} {own:?}");
        }
    }
}
