use std::time::Duration;

use crate::config::Section;
use crate::model::{Place, slug, valid_filter, valid_topic};

/// `[power.meters.<name>]`: one meter or plug. Its name is a slug and becomes the subject
/// `power/meter-<name>`.
#[derive(Debug, Clone, PartialEq)]
pub struct MeterConfig {
    /// The table's name.
    pub name: String,
    /// What a person calls it. `label`, default: the name.
    pub label: String,
    /// Where and in which dialect it speaks: exactly one of the dialect keys.
    pub address: Address,
    /// Which of several outlets or phases, counted from 0; `channel`. Without it, all that the
    /// device has together.
    pub channel: Option<u8>,
    /// What hangs on it: `feeds`, one of `"host"` (this machine and nothing else),
    /// `"host+more"`, `"node-NAME"` (another machine), `"house"` (a grid meter),
    /// `"apart"` (the default: nothing to do with this machine).
    pub feeds: String,
    /// The unit of its watts, where that is not what the dialect says; `power_unit`.
    pub power_unit: Option<PowerUnit>,
    /// The unit of its energy counter, where that is not what the dialect says; `energy_unit`.
    pub energy_unit: Option<EnergyUnit>,
    /// Factor on power and energy, for a clamp that is calibrated or turned round (-1);
    /// `scale`, default 1.
    pub scale: f64,
    /// More than this cannot be, W. `max_w`, default 4000, for `"house"` 50000.
    pub max_w: f64,
    /// Without a message for this long it is silent: unavailable. `silent_after`, default by
    /// dialect.
    pub silent_after: Option<Duration>,
    /// How often it is asked: HTTP dialects every `interval` (default 10 s); the others not at
    /// all unless it is given, since that publishes to the device.
    pub interval: Option<Duration>,
}

/// Where a meter speaks, by dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `tasmota = "plug1"`: the device's topic, with `full_topic` as set there.
    Tasmota {
        /// `%topic%`.
        topic: String,
        /// `FullTopic` with `%prefix%` and `%topic%`.
        full_topic: String,
    },
    /// `shelly_gen1 = "shellyplug-s-1A2B3C"`: the id below `shellies/`.
    ShellyGen1 {
        /// The device's id.
        id: String,
    },
    /// `shelly = "shellyplusplugs-a8032ab1c2d3"`: the MQTT prefix of a device of the second
    /// generation or later.
    Shelly {
        /// The prefix.
        prefix: String,
    },
    /// `zigbee2mqtt = "Desk plug"`: the friendly name, below `base`.
    Zigbee2mqtt {
        /// The friendly name.
        name: String,
        /// The bridge's base topic.
        base: String,
    },
    /// `esphome = "plug"`: the topic prefix, with the object ids of its sensors in `power`,
    /// `energy`, `voltage`, `current`.
    Esphome {
        /// The topic prefix.
        prefix: String,
        /// Which sensors.
        fields: Fields,
    },
    /// `dsmr_reader = "dsmr"`: the base topic.
    DsmrReader {
        /// The base topic.
        base: String,
    },
    /// `emonhub = "emon/emonpi"`: the node's topic, with variables in `power`, `energy`, ….
    Emonhub {
        /// The node's topic.
        topic: String,
        /// Which variables.
        fields: Fields,
    },
    /// `homewizard = "http://192.168.1.20"`: the device's address.
    Homewizard {
        /// The base URL without a slash at its end.
        url: String,
    },
    /// `iotawatt = "http://192.168.1.21"`: the device's address; `power` is the output's name.
    Iotawatt {
        /// The base URL without a slash at its end.
        url: String,
        /// The name of the input or output.
        output: String,
    },
    /// `homeassistant = "homeassistant_state"`: the base topic of Home Assistant's statestream,
    /// with entity ids in `power`, `energy`, ….
    HomeAssistant {
        /// The base topic.
        base: String,
        /// Which entities.
        fields: Fields,
    },
    /// `mqtt = "some/topic"`: any topic; the fields say where in the payload.
    Mqtt {
        /// The topic.
        topic: String,
        /// Where the figures are.
        fields: Fields,
    },
    /// `http = "http://…"`: any JSON or number by HTTP; the fields say where in the answer.
    Http {
        /// The URL.
        url: String,
        /// Where the figures are.
        fields: Fields,
    },
}

/// Where each figure is found; what that means differs by dialect. In `mqtt` and `http` a field is
/// a JSON pointer (`"/apower"`), Home Assistant's template for one value
/// (`"{{ value_json.apower }}"`), or empty for the whole payload; in `mqtt` a topic of its own may
/// stand before a `#` (`"meter/total#"`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Watts.
    pub power: Option<String>,
    /// The energy counter.
    pub energy: Option<String>,
    /// Volts.
    pub voltage: Option<String>,
    /// Amperes.
    pub current: Option<String>,
}

/// The unit of a power figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerUnit {
    /// Milliwatts.
    Milliwatt,
    /// Watts.
    Watt,
    /// Kilowatts.
    Kilowatt,
}

impl PowerUnit {
    /// Watts in one of it.
    pub const fn watts(self) -> f64 {
        match self {
            Self::Milliwatt => 0.001,
            Self::Watt => 1.0,
            Self::Kilowatt => 1000.0,
        }
    }
}

/// The unit of an energy counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnergyUnit {
    /// Joules.
    Joule,
    /// Watt-minutes: 60 make a watt-hour.
    WattMinute,
    /// Watt-hours.
    WattHour,
    /// Kilowatt-hours.
    KilowattHour,
    /// Megawatt-hours.
    MegawattHour,
}

impl EnergyUnit {
    /// Kilowatt-hours in one of it.
    pub const fn kilowatt_hours(self) -> f64 {
        match self {
            Self::Joule => 1.0 / 3_600_000.0,
            Self::WattMinute => 1.0 / 60_000.0,
            Self::WattHour => 0.001,
            Self::KilowattHour => 1.0,
            Self::MegawattHour => 1000.0,
        }
    }
}

/// Every dialect key.
const DIALECTS: [&str; 12] = [
    "tasmota",
    "shelly",
    "shelly_gen1",
    "zigbee2mqtt",
    "esphome",
    "dsmr_reader",
    "emonhub",
    "homewizard",
    "iotawatt",
    "homeassistant",
    "mqtt",
    "http",
];

/// Reads every meter; two that are the same outlet of the same device are a fault.
pub(super) fn read_all(sections: Vec<(String, Section<'_>)>) -> Vec<MeterConfig> {
    let mut meters: Vec<MeterConfig> = Vec::new();
    for (name, section) in sections {
        let path = section.path_name().to_owned();
        let Some((meter, section)) = MeterConfig::read(name, section) else {
            continue;
        };
        let twin = meters
            .iter()
            .find(|other| other.address == meter.address && other.channel == meter.channel);
        if let Some(twin) = twin {
            section.fault_here(format!(
                "is the same meter as [power.meters.{}]; keep one, or tell them apart by channel",
                twin.name
            ));
        }
        section.finish();
        debug_assert!(
            path.ends_with(&meter.name),
            "tables are called by their key"
        );
        meters.push(meter);
    }
    meters
}

impl MeterConfig {
    fn read(name: String, mut section: Section<'_>) -> Option<(Self, Section<'_>)> {
        if slug(&name) != name {
            section.fault_here(
                "must be called by lower-case letters, digits and '-' (it becomes a topic segment)",
            );
        }
        let address = Address::read(&mut section);
        let feeds = section.parsed(
            "feeds",
            "one of \"host\", \"host+more\", \"house\", \"apart\" or \"node-NAME\"",
            |text| {
                let node = text
                    .strip_prefix("node-")
                    .is_some_and(|node| slug(node) == node);
                let known = ["host", "host+more", "house", "apart"].contains(&text) || node;
                known.then(|| text.to_owned())
            },
        );
        let feeds = feeds.unwrap_or_else(|| "apart".to_owned());
        let default_max = if feeds == "house" { 50_000.0 } else { 4_000.0 };
        let power_unit = section.choice(
            "power_unit",
            &[
                ("mW", PowerUnit::Milliwatt),
                ("W", PowerUnit::Watt),
                ("kW", PowerUnit::Kilowatt),
            ],
        );
        let energy_unit = section.choice(
            "energy_unit",
            &[
                ("J", EnergyUnit::Joule),
                ("Wmin", EnergyUnit::WattMinute),
                ("Wh", EnergyUnit::WattHour),
                ("kWh", EnergyUnit::KilowattHour),
                ("MWh", EnergyUnit::MegawattHour),
            ],
        );
        let scale = section.number("scale", -1000.0..=1000.0);
        if scale == Some(0.0) {
            section.fault("scale", "must not be 0");
        }
        let label = section.text("label").unwrap_or_else(|| name.clone());
        let channel = section.integer("channel", 0..=15);
        let max_w = section.number("max_w", 1.0..=1_000_000.0);
        let span = Duration::from_secs(10)..=Duration::from_hours(48);
        let silent_after = section.duration("silent_after", span);
        let interval =
            section.duration("interval", Duration::from_secs(1)..=Duration::from_hours(1));
        let meter = Self {
            name,
            label,
            address: address?,
            channel: channel.and_then(|channel| u8::try_from(channel).ok()),
            feeds,
            power_unit,
            energy_unit,
            scale: scale.unwrap_or(1.0),
            max_w: max_w.unwrap_or(default_max),
            silent_after,
            interval,
        };
        Some((meter, section))
    }
}

impl Address {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let given: Vec<&str> = DIALECTS
            .into_iter()
            .filter(|key| section.has(key))
            .collect();
        let &[dialect] = given.as_slice() else {
            let text = if given.is_empty() {
                format!("must say where it speaks by one of {}", DIALECTS.join(", "))
            } else {
                format!("speaks one dialect only; keep one of {}", given.join(", "))
            };
            section.fault_here(text);
            // Their faults would only hide that one.
            for key in given {
                section.text(key);
            }
            return None;
        };
        let place = match dialect {
            "homewizard" | "iotawatt" | "http" => url(section, dialect)?,
            _ => topic(section, dialect)?,
        };
        let mut fields = |names: bool| Fields::read(section, names);
        Some(match dialect {
            "tasmota" => Self::Tasmota {
                topic: place,
                full_topic: full_topic(section),
            },
            "shelly" => Self::Shelly { prefix: place },
            "shelly_gen1" => Self::ShellyGen1 { id: place },
            "zigbee2mqtt" => Self::Zigbee2mqtt {
                name: place,
                base: topic(section, "base").unwrap_or_else(|| "zigbee2mqtt".to_owned()),
            },
            "esphome" => Self::Esphome {
                prefix: place,
                fields: fields(true),
            },
            "dsmr_reader" => Self::DsmrReader { base: place },
            "emonhub" => Self::Emonhub {
                topic: place,
                fields: fields(true),
            },
            "homewizard" => Self::Homewizard { url: place },
            "iotawatt" => Self::Iotawatt {
                url: place,
                output: output(section)?,
            },
            "homeassistant" => Self::HomeAssistant {
                base: place,
                fields: fields(true),
            },
            "mqtt" => Self::Mqtt {
                topic: place,
                fields: fields(false),
            },
            _ => Self::Http {
                url: place,
                fields: fields(false),
            },
        })
    }
}

impl Fields {
    /// Names must not be empty; of the rest, an empty text is the whole payload.
    fn read(section: &mut Section<'_>, names: bool) -> Self {
        let mut field = |key: &str| {
            if names {
                return section.parsed(key, "where that figure is found, as text", |text| {
                    (!text.is_empty()).then(|| text.to_owned())
                });
            }
            let must = "a JSON pointer such as \"/apower\" or a template for one value such as \
                \"{{ value_json.apower }}\"; what is to be reckoned is for power_unit, energy_unit \
                and scale";
            section.parsed(key, must, |text| {
                let place = text.rsplit_once('#').map_or(text, |(_, place)| place);
                Place::is_one(place).then(|| text.to_owned())
            })
        };
        let fields = Self {
            power: field("power"),
            energy: field("energy"),
            voltage: field("voltage"),
            current: field("current"),
        };
        let any = ["power", "energy"].iter().any(|key| section.has(key));
        if names && !any {
            section.fault_here("must say by power or energy which figures are the meter's");
        }
        fields
    }
}

/// Tasmota's `FullTopic`, without the slash at its end.
fn full_topic(section: &mut Section<'_>) -> String {
    let must = "Tasmota's FullTopic with %prefix% and %topic%";
    let given = section.parsed("full_topic", must, |text| {
        let fine = text.contains("%prefix%") && text.contains("%topic%");
        fine.then(|| text.trim_end_matches('/').to_owned())
    });
    given.unwrap_or_else(|| "%prefix%/%topic%".to_owned())
}

/// The name of an input or output of an `IoTaWatt`.
fn output(section: &mut Section<'_>) -> Option<String> {
    let must = "the name of an input or output of the IoTaWatt";
    if !section.has("power") {
        section.fault("power", format!("is missing; it must be {must}"));
    }
    section.parsed("power", must, |text| {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        (!text.is_empty() && text.chars().all(fine)).then(|| text.to_owned())
    })
}

fn topic(section: &mut Section<'_>, key: &str) -> Option<String> {
    section.parsed(
        key,
        "a topic without wildcards and slashes at its ends",
        |text| {
            let fine = valid_topic(text)
                && valid_filter(text)
                && text.len() <= 256
                && !text.starts_with(['/', '$'])
                && !text.ends_with('/');
            fine.then(|| text.to_owned())
        },
    )
}

fn url(section: &mut Section<'_>, key: &str) -> Option<String> {
    section.parsed(key, "an address such as \"http://192.168.1.20\"", |text| {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let fine = ["http", "https"].contains(&scheme)
            && !rest.is_empty()
            && !rest.contains(char::is_whitespace);
        fine.then(|| format!("{scheme}://{}", rest.trim_end_matches('/')))
    })
}
