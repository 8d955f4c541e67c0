//! Sources that say that this machine draws nothing, while it runs.

use std::time::Duration;

use super::{PowerSample, Scope, SourceKind};
use crate::model::{Batch, Value};

/// No machine that runs this program draws less, W.
const LEAST_W: f64 = 0.2;
/// Shorter than this it may be a plug that has just begun, or a UPS that has not noticed yet.
const PATIENCE: Duration = Duration::from_mins(1);

/// Finds out sources whose figure cannot be of this machine: a plug that is switched off, or that
/// feeds something else. Only a machine that lives on a battery draws nothing and runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Unfed {
    since: Option<(String, Duration)>,
}

impl Unfed {
    /// Withholds, at the monotonic time `up`, the watts of those among `samples` that say nothing
    /// is drawn, and marks them as doubtful, so that the next source stands in; gives the
    /// contradiction in words once it has lasted.
    pub(super) fn step(
        &mut self,
        up: Duration,
        samples: &mut [PowerSample],
        on_battery: bool,
    ) -> Option<String> {
        let mut text = None;
        for sample in samples
            .iter_mut()
            .filter(|one| !on_battery && is_unfed(one))
        {
            let doubt = doubt(sample);
            text.get_or_insert_with(|| format!("{} {doubt}", sample.label));
            sample.power_w = None;
            sample.suspect = Some(doubt);
        }
        let Some(text) = text else {
            self.since = None;
            return None;
        };
        match &self.since {
            Some((same, since)) if *same == text => {
                (up.saturating_sub(*since) >= PATIENCE).then_some(text)
            }
            _ => {
                self.since = Some((text, up));
                None
            }
        }
    }
}

fn is_unfed(sample: &PowerSample) -> bool {
    let whole = matches!(sample.scope, Scope::Host | Scope::Shared | Scope::Board);
    whole && sample.power_w.is_some_and(|watts| watts < LEAST_W)
}

fn doubt(sample: &PowerSample) -> String {
    let name = sample.source_id.strip_prefix("meter-");
    match name.filter(|_| sample.kind == SourceKind::Meter) {
        Some(name) => format!(
            "says 0 W while this machine runs: it feeds something else (then set feeds = \
             \"apart\" in [power.meters.{name}]), or cannot measure so little"
        ),
        None => "says 0 W while this machine runs".to_owned(),
    }
}

/// Whether this machine may live on a battery, its own or that of a UPS, by what was seen at a
/// tick.
pub(super) fn on_battery(batch: &Batch, samples: &[PowerSample]) -> bool {
    let own = samples.iter().any(|one| {
        one.kind == SourceKind::Battery && one.power_w.is_some_and(|watts| watts >= LEAST_W)
    });
    let told = batch.outcomes.iter().filter(|one| one.collector == "ups");
    let supplies = told.filter_map(|one| one.result.as_ref().ok()).flatten();
    own || supplies.into_iter().any(|supply| {
        let is = |key: &str| supply.value(key) == Some(&Value::Flag(true));
        // While it tests its battery the mains are there and feed next to nothing.
        let tests = || {
            let state = supply.value("state");
            matches!(state, Some(Value::Text(state)) if &**state == "testing")
        };
        is("on_battery") || is("lost_on_battery") || tests()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Area, FlagMeaning, Metric, Outcome, Reading, Subject, Timestamp};

    static ON_BATTERY: Metric = Metric::flag("on_battery", "On battery", FlagMeaning::Problem);
    static LOST: Metric = Metric::flag("lost_on_battery", "Lost", FlagMeaning::Problem);
    static STATE: Metric = Metric::state("state", "State", &["on_mains", "testing"]);

    fn sample(kind: SourceKind, scope: Scope, watts: f64) -> PowerSample {
        PowerSample {
            source_id: format!("{}-x", kind.source().as_str()),
            label: "Rack".to_owned(),
            kind,
            scope,
            at: Timestamp::UNIX_EPOCH,
            age: Duration::ZERO,
            power_w: Some(watts),
            energy_kwh: Some(7.0),
            suspect: None,
        }
    }

    #[test]
    fn what_says_that_a_running_machine_draws_nothing_is_not_of_this_machine() {
        use SourceKind::{Hwmon, Meter, Ups};
        for (kind, scope, watts, cannot_be) in [
            (Meter, Scope::Host, 0.0, true),
            (Meter, Scope::Host, -0.4, true),
            (Meter, Scope::Shared, 0.1, true),
            (Ups, Scope::Host, 0.0, true),
            (Hwmon, Scope::Board, 0.0, true),
            (Meter, Scope::Host, 0.6, false),
            (Meter, Scope::Apart, 0.0, false),
            (Meter, Scope::House, -900.0, false),
            (SourceKind::Gpu, Scope::Gpu("a".to_owned()), 0.0, false),
        ] {
            let mut samples = [sample(kind, scope.clone(), watts)];
            Unfed::default().step(Duration::ZERO, &mut samples, false);
            let [one] = samples;
            let told = (one.power_w.is_none(), one.suspect.is_some());
            assert_eq!(told, (cannot_be, cannot_be), "{kind:?} {scope:?} {watts}");
        }
    }

    #[test]
    fn it_is_told_with_its_remedy_once_it_has_lasted_and_is_over_at_once() {
        let mut unfed = Unfed::default();
        let mut at = |seconds, watts| {
            let mut samples = [
                sample(SourceKind::Ups, Scope::Host, 30.0),
                sample(SourceKind::Meter, Scope::Host, watts),
            ];
            unfed.step(Duration::from_secs(seconds), &mut samples, false)
        };
        assert_eq!((at(0, 0.0), at(50, 0.0)), (None, None));
        let told = at(60, 0.0).unwrap();
        assert!(told.starts_with("Rack says 0 W"), "{told}");
        assert!(told.contains("[power.meters.x]"), "{told}");
        assert_eq!((at(70, 25.0), at(200, 0.0)), (None, None));
        let mut ups = [sample(SourceKind::Ups, Scope::Host, 0.0)];
        unfed.step(Duration::ZERO, &mut ups, false);
        let told = unfed.step(PATIENCE, &mut ups.clone(), false);
        assert_eq!(told, None, "what was withheld already is told by nobody");
        assert_eq!(
            ups[0].suspect.as_deref(),
            Some("says 0 W while this machine runs")
        );
    }

    #[test]
    fn on_a_battery_the_mains_feed_nothing() {
        let mut plug = [sample(SourceKind::Meter, Scope::Host, 0.0)];
        assert_eq!(Unfed::default().step(Duration::ZERO, &mut plug, true), None);
        assert_eq!((plug[0].power_w, &plug[0].suspect), (Some(0.0), &None));
        let ups = |reading: Reading| Batch {
            at: Timestamp::UNIX_EPOCH,
            outcomes: vec![
                Outcome {
                    collector: "ups",
                    result: Ok(vec![reading]),
                },
                Outcome {
                    collector: "ups",
                    result: Err("silent".to_owned()),
                },
            ],
        };
        let new = || Reading::new(&Subject::of_host(Area::Health, "ups-a", "UPS"));
        for (reading, lives) in [
            (new(), false),
            (new().with(&ON_BATTERY, true), true),
            (new().with(&LOST, true), true),
            (new().with(&STATE, "testing"), true),
            (
                new().with(&ON_BATTERY, false).with(&STATE, "on_mains"),
                false,
            ),
        ] {
            assert_eq!(on_battery(&ups(reading), &plug), lives);
        }
        let laptop = [sample(SourceKind::Battery, Scope::Board, 9.0)];
        assert!(on_battery(&ups(new()), &laptop));
        let full = [sample(SourceKind::Battery, Scope::Board, 0.0)];
        assert!(!on_battery(&ups(new()), &full));
    }
}
