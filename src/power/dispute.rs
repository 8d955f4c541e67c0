use std::time::Duration;

use super::{PowerSample, Scope, SourceKind};

/// A contradiction shorter than this may be the lag of one of them.
const PATIENCE: Duration = Duration::from_mins(10);

/// Watches whether what measures this machine agrees. Nothing is ever averaged: the one nearest
/// to the wall is told, and the contradiction with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Dispute {
    since: Option<Duration>,
    text: String,
}

impl Dispute {
    /// Takes in what `best` says (W) beside all others and the sum of the processors' counters;
    /// gives the contradiction in words once it has lasted.
    pub(super) fn step(
        &mut self,
        up: Duration,
        best: &PowerSample,
        watts: f64,
        (samples, rapl_w): (&[PowerSample], Option<f64>),
    ) -> Option<&str> {
        let others = samples
            .iter()
            .filter(|one| one.scope == Scope::Host && one.source_id != best.source_id)
            .filter(|one| one.suspect.is_none());
        let mut known = others.filter_map(|one| Some((one, one.power_w?)));
        let apart = known.find(|(one, said)| {
            let off = tolerance(best.kind) + tolerance(one.kind);
            (said - watts).abs() > watts.max(*said) * off + 3.0
        });
        let text = match (apart, rapl_w) {
            (Some((one, said)), _) => Some((&*one.label, said)),
            // A part above the whole.
            (None, Some(rapl_w)) if rapl_w > watts * 1.05 + 2.0 => Some(("RAPL", rapl_w)),
            (None, _) => None,
        };
        let Some((other, said)) = text else {
            self.since = None;
            return None;
        };
        let since = *self.since.get_or_insert(up);
        if up.saturating_sub(since) < PATIENCE {
            return None;
        }
        // The same words for as long as it is the same contradiction.
        let beginning = format!("{other} says ");
        if !self.text.starts_with(&beginning) {
            self.text = format!(
                "{beginning}{said:.0} W where {} says {watts:.0} W",
                best.label
            );
        }
        Some(&self.text)
    }
}

/// How far off such a thing may be, as a share.
const fn tolerance(kind: SourceKind) -> f64 {
    match kind {
        SourceKind::Meter | SourceKind::Hwmon | SourceKind::Rapl => 0.05,
        SourceKind::Psu | SourceKind::Battery => 0.10,
        // Most tell whole percents of their nominal load.
        SourceKind::Ups => 0.20,
        SourceKind::Gpu => 0.15,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, kind: SourceKind, watts: f64) -> PowerSample {
        PowerSample {
            source_id: name.to_owned(),
            label: name.to_owned(),
            kind,
            scope: Scope::Host,
            at: jiff::Timestamp::UNIX_EPOCH,
            age: Duration::ZERO,
            power_w: Some(watts),
            energy_kwh: None,
            suspect: None,
        }
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_mins(count)
    }

    #[test]
    fn a_contradiction_is_told_once_it_has_lasted_and_is_over_at_once() {
        let mut dispute = Dispute::default();
        let plug = sample("Plug", SourceKind::Meter, 50.0);
        let ups = |watts| [plug.clone(), sample("UPS", SourceKind::Ups, watts)];
        let mut at = |minute, watts: f64, rapl| {
            let samples = ups(watts);
            let told = dispute.step(minutes(minute), &plug, 50.0, (&samples, rapl));
            told.map(str::to_owned)
        };
        assert_eq!(at(0, 62.0, None), None, "within what a UPS may be off");
        assert_eq!(at(1, 120.0, None), None);
        assert_eq!(at(10, 120.0, None), None);
        let told = at(11, 120.0, None).unwrap();
        assert_eq!(told, "UPS says 120 W where Plug says 50 W");
        assert_eq!(at(12, 130.0, None).as_deref(), Some(&*told));
        assert_eq!(at(13, 55.0, Some(30.0)), None);
        assert_eq!(at(14, 55.0, Some(90.0)), None);
        let told = at(30, 55.0, Some(90.0)).unwrap();
        assert!(told.starts_with("RAPL says 90 W"), "{told}");
    }

    #[test]
    fn what_is_doubtful_or_measures_something_else_contradicts_nothing() {
        let mut dispute = Dispute::default();
        let plug = sample("Plug", SourceKind::Meter, 50.0);
        let mut doubtful = sample("Old plug", SourceKind::Meter, 500.0);
        doubtful.suspect = Some("frozen".to_owned());
        let mut house = sample("Grid", SourceKind::Meter, 900.0);
        house.scope = Scope::House;
        let mut silent = sample("Supply", SourceKind::Psu, 0.0);
        silent.power_w = None;
        let samples = [plug.clone(), doubtful, house, silent];
        for minute in [0, 60] {
            let told = dispute.step(minutes(minute), &plug, 50.0, (&samples, None));
            assert_eq!(told, None);
        }
        for kind in SourceKind::ALL {
            assert!((0.05..0.3).contains(&tolerance(kind)));
        }
    }
}
