use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::entity::place;
use super::{Component, Directory};
use crate::model::{Form, Offer};

/// Whose word a command from Home Assistant is.
const BY: &str = "Home Assistant";

/// The payload of a button, with `fields` beside who has pressed it.
pub(super) fn pressed(fields: &Map<String, Json>) -> String {
    let mut payload = fields.clone();
    payload.insert("by".to_owned(), json!(BY));
    Json::Object(payload).to_string()
}

/// The entity of `offer`, called `name`; `topic` is the state topic of its subject.
pub(super) fn entity(offer: &Offer, topic: &str, name: &str) -> Component {
    let mut out = Component::new();
    let mut put = |key: &str, value: Json| {
        out.insert(key.to_owned(), value);
    };
    put("name", json!(name));
    put("cmd_t", json!(format!("~/cmd/{}", offer.command)));
    let own_word = json!(BY);
    match &offer.form {
        Form::Press(fields) => {
            put("p", json!("button"));
            put("pl_prs", json!(pressed(fields)));
        }
        Form::Choice { options, shown } => {
            put("p", json!("select"));
            put("ops", json!(options));
            put("stat_t", json!(topic));
            // Anything that is no option would be logged as a warning.
            put(
                "val_tpl",
                json!(format!(
                    "{{% set it = (value_json|default({{}})).get('{shown}') %}}\
                     {{{{ it if it in {} else None }}}}",
                    json!(options)
                )),
            );
            put(
                "cmd_tpl",
                json!(format!(
                    "{{\"by\":{own_word},\"set\":{{{{ value|tojson }}}}}}"
                )),
            );
        }
        Form::Percent { shown } => {
            put("p", json!("number"));
            for (key, value) in [("min", 0), ("max", 100), ("step", 1)] {
                put(key, json!(value));
            }
            put("unit_of_meas", json!("%"));
            put("mode", json!("slider"));
            put("stat_t", json!(topic));
            put(
                "val_tpl",
                json!(format!(
                    "{{{{ (value_json|default({{}})).get('{shown}') }}}}"
                )),
            );
            put(
                "cmd_tpl",
                json!(format!("{{\"by\":{own_word},\"set\":{{{{ value }}}}}}")),
            );
        }
    }
    place(offer.category, &mut put);
    out
}

/// Whether an entity gives commands.
pub(super) fn is_one(component: &Component) -> bool {
    component.contains_key("cmd_t")
}

impl Directory {
    /// Takes in which commands about the host are allowed from now on; tells whether something is
    /// to be announced.
    pub fn offer(&mut self, at: Timestamp, offers: &[Offer]) -> bool {
        self.now = at;
        let named = |offer: &Offer| {
            let component = entity(offer, "", &offer.name);
            (format!("do_{}", offer.key), component)
        };
        let now: BTreeMap<String, Component> = offers.iter().map(named).collect();
        let before = std::mem::take(&mut self.offers);
        let changed = before != now;
        for (id, component) in &before {
            if !now.contains_key(id) {
                self.dirty.insert(format!("offer/{id}"));
                self.remove_entities("", &BTreeMap::from([(id.clone(), component.clone())]));
            }
        }
        for (id, component) in &now {
            if before.get(id) != Some(component) {
                self.dirty.insert(format!("offer/{id}"));
            }
            self.unremove("", id);
        }
        self.offers = now;
        changed
    }
}
