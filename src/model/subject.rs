use std::fmt;
use std::sync::Arc;

use super::slug;

/// The part of the house a subject belongs to; the topic segment after the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Watts, kWh and money.
    Power,
    /// The machine and its parts.
    Health,
    /// The line to the world.
    Internet,
    /// Dynamic DNS names.
    Ddns,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 4] = [Self::Power, Self::Health, Self::Internet, Self::Ddns];

    /// The topic segment.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Health => "health",
            Self::Internet => "internet",
            Self::Ddns => "ddns",
        }
    }

    /// The area of a topic segment.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.as_str() == text)
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A thing a person would point at: the host, a disk, a UPS, a plug. One Home Assistant device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// The machine itself.
    Host,
    /// A part of the machine or something it watches.
    Part {
        /// Stable identity (serial number, path of the bus, UUID), as a slug; survives renames.
        id: String,
        /// What a person calls it.
        name: String,
        /// Who made it, when known.
        manufacturer: Option<String>,
        /// Its model, when known.
        model: Option<String>,
        /// Its serial number, when known.
        serial: Option<String>,
    },
}

/// What readings are about: one MQTT state topic, one JSON object, one availability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The part of the house.
    pub area: Area,
    /// The topic segment; a slug such as `cpu` or `disk-wd-wcc4n0`, stable over restarts.
    pub id: String,
    /// What a person calls it ("CPU", "/mnt/media").
    pub label: String,
    /// The thing it belongs to.
    pub device: Device,
    key: String,
}

impl Subject {
    /// A subject of the host itself. `id` is made a slug.
    pub fn of_host(area: Area, id: &str, label: &str) -> Arc<Self> {
        Self::of_device(area, id, label, Device::Host)
    }

    /// A subject of `device`. `id` is made a slug.
    pub fn of_device(area: Area, id: &str, label: &str, device: Device) -> Arc<Self> {
        let id = slug(id);
        let key = format!("{area}/{id}");
        Arc::new(Self {
            area,
            id,
            label: label.to_owned(),
            device,
            key,
        })
    }

    /// `<area>/<id>`: unique in a node, used in series names, topics and rules.
    pub fn key(&self) -> &str {
        &self.key
    }
}
