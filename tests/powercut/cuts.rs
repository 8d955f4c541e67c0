//! A store that is cut off from its power again and again, and checked each time.
#![allow(dead_code, reason = "each user takes what it needs")]

use std::sync::{Arc, LazyLock};

use homewatch::config::HistoryConfig;
use homewatch::model::{Area, Batch, Metric, Outcome, Reading, Subject, Timestamp, Unit};
use homewatch::store::{Medium, Store};

use super::powercut::{Disk, Power, Random};

static POWER: Metric = Metric::gauge("power_w", "Power", Unit::Watt).decimals(1);
static SUBJECTS: LazyLock<Vec<Arc<Subject>>> = LazyLock::new(|| {
    (0..4)
        .map(|n| Subject::of_host(Area::Power, &format!("plug-{n}"), "Plug"))
        .collect()
});

/// The series that is checked.
pub(crate) const SERIES: &str = "power/plug-0/power_w";
const START: i64 = 1_790_000_000;
const STEP: i64 = 600;

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Ticks that were acknowledged.
    pub(crate) ticks: usize,
    /// Ticks in hand at a cut that were lost.
    pub(crate) torn: usize,
}

/// The tick that was taken at `at`.
pub(crate) fn tick_of(at: Timestamp) -> i64 {
    (at.as_second() - START) / STEP
}

/// The batch of a tick, every ten minutes.
pub(crate) fn batch(tick: i64, value: i64) -> Batch {
    let value = f64::from(i32::try_from(value).unwrap()) / 10.0;
    let readings = SUBJECTS
        .iter()
        .map(|subject| Reading::new(subject).with(&POWER, value))
        .collect();
    Batch {
        at: Timestamp::from_second(START + tick * STEP).unwrap(),
        outcomes: vec![Outcome {
            collector: "test",
            result: Ok(readings),
        }],
    }
}

/// Cuts the power `cuts` times and panics if anything that was acknowledged is not there.
pub(crate) fn run(cuts: u32, seed: u64) -> Report {
    // Ten thousand cuts are years of ticks, none of which may go for its age.
    let config = HistoryConfig {
        retention: std::time::Duration::from_hours(24 * 36_500),
        ..HistoryConfig::default()
    };
    let mut random = Random(seed);
    let mut images = (Vec::new(), Vec::new());
    let mut outcome = Report::default();
    let (mut tick, mut checked) = (0, 0);
    for cut in 0..cuts {
        let power = Power::new(random.below(120));
        let database = Disk::new(images.0, &power);
        let journal = Disk::new(images.1, &power);
        let (medium, ring) = (Medium::new(database.clone()), Medium::new(journal.clone()));
        let opened = Store::open_on(&medium, &ring, 48, &config);
        if let Ok(store) = &opened {
            while store.append(&batch(tick, tick)).is_ok() {
                tick += 1;
            }
        }
        drop((opened, medium, ring));
        images = (database.cut(&mut random), journal.cut(&mut random));
        // What is there after the cut, with the power on.
        let on = Power::new(u64::MAX);
        let database = Disk::new(images.0.clone(), &on);
        let journal = Disk::new(images.1.clone(), &on);
        let store = Store::open_on(&Medium::new(database), &Medium::new(journal), 48, &config)
            .unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        if tick == 0 {
            continue;
        }
        // Now and then all of it, as far as one answer goes.
        let from = if cut % 100 == 0 {
            (tick - 50_000).max(0)
        } else {
            checked
        };
        let begin = Timestamp::from_second(START + from * STEP).unwrap();
        let points = store.query(SERIES, begin, Timestamp::MAX, None).unwrap();
        let got: Vec<i64> = points.iter().map(|point| tick_of(point.at)).collect();
        let values: Vec<i64> = points
            .iter()
            .map(|point| {
                #[expect(clippy::cast_possible_truncation, reason = "small test values")]
                let value = (point.value.expect("no gap") * 10.0).round() as i64;
                value
            })
            .collect();
        let more = got.last() == Some(&tick);
        let want: Vec<i64> = (from..tick + i64::from(more)).collect();
        assert!(got == want, "cut {cut}: other ticks than {from} to {tick}");
        assert!(values == want, "cut {cut}: other values");
        if more {
            tick += 1;
        } else {
            outcome.torn += 1;
        }
        checked = (tick - 20).max(0);
    }
    outcome.ticks = usize::try_from(tick).unwrap();
    outcome
}
