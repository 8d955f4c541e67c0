use std::fmt;
use std::sync::Arc;

use super::{line, slug};

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

impl Device {
    /// Without anything in its texts that is no text.
    fn plain(self) -> Self {
        match self {
            Self::Host => Self::Host,
            Self::Part {
                id,
                name,
                manufacturer,
                model,
                serial,
            } => {
                let plain = |text: Option<String>| text.as_deref().map(line);
                Self::Part {
                    id,
                    name: line(&name),
                    manufacturer: plain(manufacturer),
                    model: plain(model),
                    serial: plain(serial),
                }
            }
        }
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

    /// A subject of `device`. `id` is made a slug, names are made a [`line`] each.
    pub fn of_device(area: Area, id: &str, label: &str, device: Device) -> Arc<Self> {
        let id = slug(id);
        let key = format!("{area}/{id}");
        Arc::new(Self {
            area,
            id,
            label: line(label),
            device: device.plain(),
            key,
        })
    }

    /// `<area>/<id>`: unique in a node, used in series names, topics and rules.
    pub fn key(&self) -> &str {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_carry_no_control_characters() {
        let device = Device::Part {
            id: "disk-a".to_owned(),
            name: "WD\u{1b}[31m".to_owned(),
            manufacturer: Some("W\nD".to_owned()),
            model: Some("WD\u{1b}[31m".to_owned()),
            serial: Some("1\r2".to_owned()),
        };
        let subject = Subject::of_device(Area::Health, "disk-a", "WD\u{1b}[31m\n(sda)", device);
        assert_eq!(subject.label, "WD [31m (sda)");
        let want = Device::Part {
            id: "disk-a".to_owned(),
            name: "WD [31m".to_owned(),
            manufacturer: Some("W D".to_owned()),
            model: Some("WD [31m".to_owned()),
            serial: Some("1 2".to_owned()),
        };
        assert_eq!(subject.device, want);
    }
}
