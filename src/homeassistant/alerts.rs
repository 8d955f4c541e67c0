use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Component, offer};
use crate::model::{Alert, AlertState};

/// An alert as it is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AlertCard {
    /// What its entities are called.
    pub(super) name: String,
    /// Its last state, so that a restart tells nothing twice.
    pub(super) state: AlertState,
}

impl AlertCard {
    /// `label` is what a person calls the alert's subject.
    pub(super) fn of(alert: &Alert, label: &str) -> Self {
        let rule = alert.rule.replace(['-', '_'], " ");
        Self {
            name: format!("Alert {rule}: {label}"),
            state: alert.state,
        }
    }

    /// Its problem sensor and its button, by component id.
    pub(super) fn components(&self, id: &str) -> [(String, Component); 2] {
        let topic = format!("~/alert/{id}");
        let problem = json!({
            "p": "binary_sensor",
            "name": self.name,
            "dev_cla": "problem",
            "stat_t": topic,
            // The topic is emptied when the alert is over: no message is no problem.
            "val_tpl": "{{ 'ON' if (value_json|default({})).get('state') in \
                        ['firing', 'acknowledged'] else 'OFF' }}",
            "json_attr_t": topic,
            // Home Assistant drops an attribute called `state`.
            "json_attr_tpl": "{{ dict(value_json, alert_state=value_json.get('state')) | tojson \
                              if value_json is defined else '{}' }}",
        });
        let button = json!({
            "p": "button",
            "name": format!("Acknowledge {}", self.name.replacen("Alert ", "", 1)),
            "cmd_t": format!("~/cmd/alert/{id}/ack"),
            "pl_prs": offer::pressed(&Map::new()),
        });
        [
            (format!("alert_{id}"), object(problem)),
            (format!("alert_{id}_ack"), object(button)),
        ]
    }
}

/// The words of `event_type`, besides which nothing is an event.
pub(super) const fn event_type(state: AlertState) -> Option<&'static str> {
    match state {
        AlertState::Pending => None,
        AlertState::Firing => Some("firing"),
        AlertState::Acknowledged => Some("acknowledged"),
        AlertState::Resolved => Some("resolved"),
    }
}

/// The payload of `event/alert`: the alert itself and `event_type`.
pub(super) fn event(alert: &Alert, event_type: &str) -> Json {
    let mut out = json!(alert);
    if let Json::Object(map) = &mut out {
        map.insert("event_type".to_owned(), json!(event_type));
    }
    out
}

/// Attributes must be an object, also when the topic has been emptied.
const WHOLE_OBJECT: &str = "{{ (value_json|default({})) | tojson }}";

/// The entity that tells whether we are alive: the only one that is not unavailable when we are
/// not.
pub(super) const STATUS: &str = "status";

/// The host's entities that are there whatever is measured: whether we are alive, and alerts.
pub(super) fn standing() -> BTreeMap<String, Component> {
    let list = [
        (
            STATUS,
            json!({
                "p": "binary_sensor",
                "name": "Monitoring",
                "dev_cla": "connectivity",
                "ent_cat": "diagnostic",
                "stat_t": "~/status",
                "pl_on": "online",
                "pl_off": "offline",
            }),
        ),
        (
            "alerts_open",
            json!({
                "p": "sensor",
                "name": "Open alerts",
                "ic": "mdi:alert",
                "stat_t": "~/alerts",
                "stat_cla": "measurement",
                "val_tpl": "{{ value_json.get('critical', 0) + value_json.get('warning', 0) \
                            + value_json.get('info', 0) }}",
                "json_attr_t": "~/alerts",
                "json_attr_tpl": WHOLE_OBJECT,
            }),
        ),
        (
            "alerts_worst",
            json!({
                "p": "sensor",
                "name": "Worst alert",
                "ic": "mdi:alert-octagon",
                "dev_cla": "enum",
                "ops": ["none", "info", "warning", "critical"],
                "stat_t": "~/alerts",
                "val_tpl": "{{ value_json.get('worst') or 'none' }}",
            }),
        ),
        (
            "alert_event",
            json!({
                "p": "event",
                "name": "Alert",
                "ic": "mdi:bell-alert",
                "stat_t": "~/event/alert",
                "evt_typ": ["firing", "acknowledged", "resolved"],
            }),
        ),
        (
            "alert_ack_all",
            json!({
                "p": "button",
                "name": "Acknowledge all alerts",
                "ic": "mdi:check-all",
                "cmd_t": "~/cmd/alert/all/ack",
                "pl_prs": offer::pressed(&Map::new()),
            }),
        ),
    ];
    list.into_iter()
        .map(|(id, value)| (id.to_owned(), object(value)))
        .collect()
}

fn object(value: Json) -> Component {
    match value {
        Json::Object(map) => map,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Component::new()
        }
    }
}
