use std::net::{Ipv4Addr, SocketAddrV4};

use super::Section;
use crate::model::slug;

/// `[control]`: what commands may do to the machine. Nothing, unless it is named here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlConfig {
    /// Units of systemd that may be restarted.
    pub units: Vec<String>,
    /// Containers that may be restarted.
    pub containers: Vec<String>,
    /// Whether the machine may be restarted.
    pub reboot: bool,
    /// Whether the machine may be switched off.
    pub shutdown: bool,
    /// The machines that may be woken.
    pub wake: Vec<WakeConfig>,
}

/// `[control.wake.<name>]`: a machine of the house that may be woken over the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeConfig {
    /// The word in the command.
    pub name: String,
    /// The hardware address of its network card.
    pub mac: [u8; 6],
    /// Where the packet is sent: everybody's address in its network, and the port.
    pub address: SocketAddrV4,
}

/// The port that goes with Wake-on-LAN by custom.
const PORT: u16 = 9;

/// Everybody in this machine's own network.
const EVERYBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::BROADCAST, PORT);

impl WakeConfig {
    fn read(name: String, mut table: Section<'_>) -> Option<Self> {
        if slug(&name) != name {
            table.fault_here("the name must be lower case letters, digits and \"-\"");
        }
        let mac = table.parsed(
            "mac",
            "a hardware address such as \"00:11:32:aa:bb:cc\"",
            mac,
        );
        if mac.is_none() && !table.has("mac") {
            table.fault(
                "mac",
                "is missing: the hardware address of its network card",
            );
        }
        let what = "an IPv4 address, with or without a port, such as \"192.168.1.255\"";
        let address = table
            .parsed("broadcast", what, address)
            .unwrap_or(EVERYBODY);
        table.finish();
        Some(Self {
            name,
            mac: mac?,
            address,
        })
    }
}

/// `00:11:32:aa:bb:cc` or with `-`.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// `192.168.1.255` or `192.168.1.255:7`.
fn address(text: &str) -> Option<SocketAddrV4> {
    let with_port = || Some(SocketAddrV4::new(text.parse().ok()?, PORT));
    text.parse().ok().or_else(with_port)
}

impl ControlConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut names = |key: &str| {
            let names = section.texts(key).unwrap_or_default();
            let odd = |name: &String| {
                let fits = |c: char| c.is_ascii_alphanumeric() || "@._:-".contains(c);
                name.is_empty() || name.starts_with('-') || !name.chars().all(fits)
            };
            if let Some(name) = names.iter().find(|name| odd(name)) {
                section.fault(
                    key,
                    format!("(\"{name}\") must be whole names, without patterns"),
                );
            }
            names
        };
        let units = names("restart_units");
        let containers = names("restart_containers");
        let reboot = section.flag("reboot").unwrap_or(false);
        let shutdown = section.flag("shutdown").unwrap_or(false);
        let machines = section.sections("wake").into_iter();
        let wake = machines.filter_map(|(name, table)| WakeConfig::read(name, table));
        let wake = wake.collect();
        section.finish();
        Self {
            units,
            containers,
            reboot,
            shutdown,
            wake,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;
    use config::{File, FileFormat, Source as _, Value};

    #[test]
    fn nothing_is_allowed_that_is_not_named() {
        let read = |text: &str| {
            let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
            let problems = Problems::default();
            let section = Section::new("control".to_owned(), Value::from(table), &problems);
            let config = ControlConfig::read(section);
            let told = problems.into_vec();
            let told: Vec<_> = told.iter().map(ToString::to_string).collect();
            (config, told.join("\n"))
        };
        assert_eq!(read(""), (ControlConfig::default(), String::new()));
        let (config, told) =
            read("restart_units = [\"jellyfin\", \"user@1.service\"]\nreboot = true");
        assert_eq!(
            (config.units.len(), config.reboot, config.shutdown, &*told),
            (2, true, false, "")
        );
        let (config, told) = read(
            "[wake.nas]\nmac = \"00-11-32-AA-bb-cc\"\n[wake.pi]\nmac = \"00:11:32:aa:bb:cd\"\n\
             broadcast = \"192.168.1.255:7\"",
        );
        assert_eq!(told, "");
        let nas = &config.wake[0];
        assert_eq!(nas.mac, [0x00, 0x11, 0x32, 0xaa, 0xbb, 0xcc]);
        assert_eq!(nas.address.to_string(), "255.255.255.255:9");
        assert_eq!(config.wake[1].address.to_string(), "192.168.1.255:7");
        let (config, _) =
            read("[wake.nas]\nmac = \"00-11-32-aa-bb-cc\"\nbroadcast = \"192.168.1.255\"");
        assert_eq!(config.wake[0].address.to_string(), "192.168.1.255:9");
        for (text, words) in [
            (
                "restart_units = [\"*\"]",
                "control.restart_units: (\"*\") must be whole names",
            ),
            (
                "restart_containers = [\"--all\"]",
                "control.restart_containers",
            ),
            ("restart_units = [\"\"]", "must be whole names"),
            ("reboot = \"maybe\"", "control.reboot"),
            ("[wake.nas]", "control.wake.nas.mac: is missing"),
            (
                "[wake.\"my nas\"]\nmac = \"00:11:32:aa:bb:cc\"",
                "the name must be",
            ),
            (
                "[wake.nas]\nmac = \"00:11:32:aa:bb\"",
                "must be a hardware address",
            ),
            (
                "[wake.nas]\nmac = \"00:11:32:aa:bb:cc:dd\"",
                "must be a hardware address",
            ),
            (
                "[wake.nas]\nmac = \"0:11:32:aa:bb:cc\"",
                "must be a hardware address",
            ),
            (
                "[wake.nas]\nmac = \"00:11:32:aa:bb:cc\"\nbroadcast = \"fe80::1\"",
                "must be an IPv4 address",
            ),
        ] {
            assert!(read(text).1.contains(words), "{text}");
        }
    }
}
