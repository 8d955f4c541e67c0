use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::Identity;
use crate::model::{Device, Subject, slug};

/// A device as it is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeviceCard {
    /// The part's id; empty for the host.
    pub(super) id: String,
    /// What a person calls it; empty for the host, which is called like the node.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    manufacturer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    serial: Option<String>,
}

impl DeviceCard {
    /// The host.
    pub(super) const fn host() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            manufacturer: None,
            model: None,
            serial: None,
        }
    }

    pub(super) fn of(device: &Device) -> Self {
        match device {
            Device::Host => Self::host(),
            Device::Part {
                id,
                name,
                manufacturer,
                model,
                serial,
            } => Self {
                id: slug(id),
                name: told_apart(name, model.as_deref(), serial.as_deref()),
                manufacturer: manufacturer.clone(),
                model: model.clone(),
                serial: serial.clone(),
            },
        }
    }

    /// The id in Home Assistant's registry and in the discovery topic.
    pub(super) fn registry_id(&self, identity: &Identity) -> String {
        registry_id(&self.id, identity)
    }

    /// The `dev` object.
    pub(super) fn json(&self, identity: &Identity) -> Json {
        let mut out = Map::new();
        out.insert("ids".to_owned(), json!([self.registry_id(identity)]));
        if self.id.is_empty() {
            out.insert("name".to_owned(), json!(identity.node));
            out.insert("mdl".to_owned(), json!("homewatch node"));
            out.insert("sw".to_owned(), json!(identity.version));
        } else {
            out.insert("name".to_owned(), json!(self.name));
            for (key, value) in [
                ("mf", &self.manufacturer),
                ("mdl", &self.model),
                ("sn", &self.serial),
            ] {
                if let Some(value) = value {
                    out.insert(key.to_owned(), json!(value));
                }
            }
            out.insert("via_device".to_owned(), json!(registry_id("", identity)));
        }
        Json::Object(out)
    }
}

/// What a part is called among its twins: the disks of an array are often of one model, so that one
/// which is called like its model has the end of its serial number behind that, as on its sticker.
fn told_apart(name: &str, model: Option<&str>, serial: Option<&str>) -> String {
    let letters: Vec<char> = serial.unwrap_or_default().chars().collect();
    let end: String = letters.iter().rev().take(4).rev().collect();
    match model {
        Some(model) if model == name && !end.is_empty() => format!("{name} ({end})"),
        _ => name.to_owned(),
    }
}

/// The registry id of the part `id`, or of the host when it is empty.
pub(super) fn registry_id(id: &str, identity: &Identity) -> String {
    if id.is_empty() {
        format!("homewatch_{}", identity.installation)
    } else {
        format!("homewatch_{}_{id}", identity.installation)
    }
}

/// The subject's label without the name of its device: of the disk "WD Red" the subject
/// "WD Red (sda)" is "sda".
fn below_device(subject: &Subject) -> String {
    let label = &subject.label;
    let Device::Part { name, .. } = &subject.device else {
        return label.clone();
    };
    let rest = label
        .get(name.len()..)
        .filter(|_| label.to_lowercase().starts_with(&name.to_lowercase()));
    let Some(rest) = rest else {
        return label.clone();
    };
    let between = |letter: char| letter.is_whitespace() || "()-:,".contains(letter);
    let rest = rest.trim_matches(between);
    // "(sda) by two sources" has lost its first bracket.
    if rest.contains('(') {
        rest.to_owned()
    } else {
        rest.replacen(')', "", 1)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

/// What an entity is called below its device, which Home Assistant puts in front of it.
pub(super) fn entity_name(subject: &Subject, metric_name: &str) -> String {
    let label = &*below_device(subject);
    let is_device_itself = match &subject.device {
        Device::Host => label.is_empty() || subject.id == "host",
        // "Disk sda" needs no "sda" before each figure.
        Device::Part { name, .. } => {
            label.is_empty()
                || name
                    .to_ascii_lowercase()
                    .contains(&label.to_ascii_lowercase())
        }
    };
    // "Silent meters" of "Meters".
    let says_label = words(metric_name).starts_with(&words(label))
        || words(metric_name).ends_with(&words(label));
    if is_device_itself || says_label {
        return metric_name.to_owned();
    }
    let mut letters = metric_name.chars();
    match (letters.next(), letters.next()) {
        // "Usage" goes on in lower case behind the label, "IO rate" does not.
        (Some(first), Some(second)) if second.is_lowercase() => {
            let rest: String = metric_name.chars().skip(1).collect();
            format!("{label} {}{rest}", first.to_lowercase())
        }
        _ => format!("{label} {metric_name}"),
    }
}
