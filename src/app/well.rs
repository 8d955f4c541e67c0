use std::sync::Arc;
use std::time::Duration;

use crate::bus::{Bus, State};
use crate::config::Config;
use crate::http::{Part, Parts};
use crate::model::Value;

/// Collectors are silent for good reasons for this long: a suspended machine, a slow disk.
const PATIENCE: u32 = 6;
const LEAST_PATIENCE: Duration = Duration::from_mins(1);

/// Tells how the parts of the service fare: the ticks, the history, the outside broker.
pub(super) fn parts(bus: &Bus, config: &Config) -> Parts {
    let state = Arc::clone(bus.state());
    let limit = (config.node.interval * PATIENCE).max(LEAST_PATIENCE);
    let has_broker = config.mqtt.broker.is_some();
    Arc::new(move || {
        let mut parts = vec![Part {
            name: "collectors".to_owned(),
            error: silence(&state, limit),
            vital: true,
        }];
        if has_broker {
            parts.push(Part {
                name: "mqtt-broker".to_owned(),
                error: broker(&state),
                vital: false,
            });
        }
        parts
    })
}

fn silence(state: &State, limit: Duration) -> Option<String> {
    let silent = state.heard()?.elapsed();
    (silent > limit).then(|| format!("no readings for {} s", silent.as_secs()))
}

fn broker(state: &State) -> Option<String> {
    let broker = state.subject("health/mqtt-broker")?;
    let connected = broker
        .values
        .iter()
        .find(|(metric, _)| metric.key == "connected");
    match connected {
        Some((_, Value::Flag(true))) => None,
        _ => Some("not connected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silent_collectors_are_told_after_a_while() {
        let state = State::new(Duration::from_mins(5));
        assert_eq!(silence(&state, Duration::from_mins(1)), None, "none yet");
        let batch = crate::model::Batch {
            at: "2026-05-01T00:00:00Z".parse().unwrap(),
            outcomes: Vec::new(),
        };
        state.apply(&batch);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(silence(&state, Duration::from_mins(1)), None);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(silence(&state, Duration::from_mins(1)).is_some());
    }
}
