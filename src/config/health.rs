use std::time::Duration;

use super::Section;
use crate::model::{Place, slug, valid_topic};

/// `[health]`: what of the house is watched besides this machine's parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HealthConfig {
    /// Thermometers that speak on MQTT.
    pub ambient: Vec<AmbientConfig>,
}

/// `[health.ambient.<name>]`: a thermometer of a room. Its name is a slug and becomes the subject
/// `health/ambient-<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmbientConfig {
    /// The table's name.
    pub name: String,
    /// What a person calls it. `label`, default: the name.
    pub label: String,
    /// Where it speaks: `topic`, without wildcards.
    pub topic: String,
    /// Where in the payload the temperature is: `value`, a JSON pointer, a template of Home
    /// Assistant's, a key, or empty for the whole payload. Default: found by itself.
    pub value: Option<String>,
    /// The unit: `unit`, `"c"` or `"f"`. Default: what the message says, else °C.
    pub fahrenheit: Option<bool>,
    /// Without a message for this long it is silent: `silent_after`, 1 minute to 7 days, default 2
    /// hours.
    pub silent_after: Duration,
}

impl HealthConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let ambient = section.sections("ambient").into_iter();
        let ambient = ambient.filter_map(|(name, section)| AmbientConfig::read(name, section));
        let ambient = ambient.collect();
        section.finish();
        Self { ambient }
    }
}

impl AmbientConfig {
    fn read(name: String, mut section: Section<'_>) -> Option<Self> {
        if slug(&name) != name {
            section.fault_here("must be called by lower-case letters, digits and '-'");
        }
        let label = section.text("label").unwrap_or_else(|| name.clone());
        let must = "a topic without wildcards, such as \"zigbee2mqtt/Server room\"";
        let topic = section.parsed("topic", must, |text| {
            valid_topic(text).then(|| text.to_owned())
        });
        if !section.has("topic") {
            section.fault_here("needs a topic");
        }
        let must = "a JSON pointer such as \"/temperature\", a key, or a template for one value \
            such as \"{{ value_json.temperature }}\"";
        let value = section.parsed("value", must, |text| {
            Place::is_one(text).then(|| text.to_owned())
        });
        let fahrenheit = section.choice("unit", &[("c", false), ("f", true)]);
        let range = Duration::from_mins(1)..=Duration::from_hours(7 * 24);
        let silent_after = section.duration("silent_after", range);
        section.finish();
        Some(Self {
            name,
            label,
            topic: topic?,
            value,
            fahrenheit,
            silent_after: silent_after.unwrap_or(Duration::from_hours(2)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;
    use config::{Config, File, FileFormat, Value};

    fn read(text: &str) -> (HealthConfig, Vec<String>) {
        let file = File::from_str(text, FileFormat::Toml);
        let table: Value = Config::builder().add_source(file).build().unwrap().cache;
        let problems = Problems::default();
        let health = HealthConfig::read(Section::new("health".to_owned(), table, &problems));
        let texts = problems.into_vec();
        (health, texts.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_thermometer_needs_a_topic_and_nothing_else() {
        let (health, faults) = read("[ambient.attic]\ntopic = \"zigbee2mqtt/Attic\"");
        assert_eq!(faults, [""; 0]);
        let want = AmbientConfig {
            name: "attic".to_owned(),
            label: "attic".to_owned(),
            topic: "zigbee2mqtt/Attic".to_owned(),
            value: None,
            fahrenheit: None,
            silent_after: Duration::from_hours(2),
        };
        assert_eq!(health.ambient, [want]);
        assert_eq!(read(""), (HealthConfig::default(), Vec::new()));
        for (text, words) in [
            ("[ambient.a]", "needs a topic"),
            ("[ambient.a]\ntopic = \"a/#\"", "without wildcards"),
            ("[ambient.A_b]\ntopic = \"a\"", "lower-case letters"),
            (
                "[ambient.a]\ntopic = \"a\"\nunit = \"k\"",
                "must be one of c, f",
            ),
            (
                "[ambient.a]\ntopic = \"a\"\nsilent_after = \"1s\"",
                "a duration",
            ),
            (
                "[ambient.a]\ntopic = \"a\"\nvalue = \"{{ value_json.t - 2 }}\"",
                "a template for one value",
            ),
            (
                "[ambient.a]\ntopic = \"a\"\nvalues = \"/x\"",
                "did you mean \"value\"?",
            ),
        ] {
            let (_, faults) = read(text);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(words), "{faults:?}");
        }
    }
}
