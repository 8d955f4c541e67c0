//! The files that are shipped for Home Assistant name entities that are really announced.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code, which reads files of its own tree"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use homewatch::config::HomeAssistantConfig;
use homewatch::homeassistant::{Directory, Identity, Settings};
use homewatch::model::{Area, Metric, Reading, Subject, Timestamp, Topics, Unit};
use serde_json::Value as Json;

static CPU: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent);
static MEMORY: Metric = Metric::gauge("used_pct", "Memory used", Unit::Percent);

/// The entity ids that a node called `homewatch-node` announces.
fn announced() -> BTreeSet<String> {
    let identity = Identity {
        installation: "abc".to_owned(),
        node: "homewatch-node".to_owned(),
        version: "1".to_owned(),
    };
    let settings = Settings::new(
        &HomeAssistantConfig::default(),
        Duration::from_mins(5),
        [],
        [],
        Vec::new(),
    );
    let topics = Topics::new("homewatch", "homewatch-node", "homeassistant");
    let mut directory = Directory::restore(identity, topics, settings.limits, []);
    for (id, metric) in [("cpu", &CPU), ("memory", &MEMORY)] {
        let subject = Subject::of_host(Area::Health, id, id);
        let reading = Reading::new(&subject).with(metric, 1.0);
        directory.observe(Timestamp::UNIX_EPOCH, id, &reading);
    }
    let announcement = directory.announce();
    let (_, payload) = &announcement.retain[0];
    let config: Json = serde_json::from_slice(payload).unwrap();
    let components = config["cmps"].as_object().unwrap();
    components
        .values()
        .map(|entity| entity["def_ent_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Every `<platform>.homewatch_node_<name>` in `text`; patterns (ending in `_`) are left out.
fn named(text: &str) -> BTreeSet<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    text.split(|c: char| !plain(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.contains(".homewatch_node_") && !word.ends_with('_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_entity_that_a_shipped_file_names_is_announced() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("homeassistant");
    let announced = announced();
    for file in ["packages/homewatch.yaml", "dashboards/homewatch.yaml"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let mut named = named(&text);
        named.retain(|id| !id.contains("_fs_"));
        assert!(!named.is_empty(), "{file}");
        for id in named {
            assert!(announced.contains(&id), "{file}: {id} is not announced");
        }
    }
}
