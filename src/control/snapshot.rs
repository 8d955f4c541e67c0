use crate::bus::State;
use crate::model::{Batch, Outcome, Reading, Timestamp};

/// All that is known now, as one batch: for whoever has missed some.
pub(super) fn batch(state: &State, at: Timestamp) -> Batch {
    let subjects = state.subjects();
    let readings = |collector: &str| {
        let of_it = subjects
            .iter()
            .filter(|subject| subject.available && subject.collector == collector);
        of_it
            .map(|subject| Reading {
                subject: std::sync::Arc::clone(&subject.subject),
                values: subject.values.clone(),
                source: subject.source,
                detail: None,
                offers: std::sync::Arc::default(),
            })
            .collect()
    };
    let outcomes = state.collectors().into_iter();
    Batch {
        at,
        outcomes: outcomes
            .map(|(collector, error)| Outcome {
                collector,
                result: error.map_or_else(|| Ok(readings(collector)), Err),
            })
            .collect(),
    }
}
