mod broker;
mod embedded;

pub use broker::{BrokerConfig, BrokerUrl, Protocol, Scheme};
pub use embedded::{EmbeddedConfig, EmbeddedTls, EmbeddedUser};

use super::Section;

/// `[mqtt]`: both edges and the topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttConfig {
    /// The first segment(s) of every topic.
    pub base_topic: String,
    /// Where Home Assistant looks for discovery.
    pub discovery_prefix: String,
    /// The embedded broker, unless an outside one is given and this one not asked for.
    pub embedded: Option<EmbeddedConfig>,
    /// An outside broker.
    pub broker: Option<BrokerConfig>,
}

impl MqttConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let base_topic = section.parsed("base_topic", "a topic without + # and blanks", topic);
        let discovery_prefix =
            section.parsed("discovery_prefix", "a topic without + # and blanks", topic);
        let broker = BrokerConfig::read(section.section("broker"));
        let wanted = section.has("embedded") || broker.is_none();
        let embedded = EmbeddedConfig::read(section.section("embedded"));
        section.finish();
        Self {
            base_topic: base_topic.unwrap_or_else(|| "homewatch".to_owned()),
            discovery_prefix: discovery_prefix.unwrap_or_else(|| "homeassistant".to_owned()),
            embedded: wanted.then_some(embedded),
            broker,
        }
    }
}

fn topic(text: &str) -> Option<String> {
    let fine = !text.is_empty()
        && !text.starts_with('/')
        && !text.ends_with('/')
        && !text.starts_with('$')
        && text
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace() && c != '+' && c != '#');
    fine.then(|| text.to_owned())
}
