use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Secret, Section};

/// How the outside broker is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over TLS.
    Mqtts,
    /// MQTT over a `WebSocket`.
    Ws,
    /// MQTT over a `WebSocket` over TLS.
    Wss,
}

impl Scheme {
    /// Whether TLS is used.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether MQTT runs inside a `WebSocket`.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// Where the outside broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// How it is reached.
    pub scheme: Scheme,
    /// Its name or address, IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path of the WebSocket; empty without one.
    pub path: String,
}

const URL_MUST: &str = "an address such as \"mqtt://192.168.1.5\", \"mqtts://broker.lan:8883\", \
    \"ws://host:9001/mqtt\" or \"wss://host/mqtt\", without user and password";

impl BrokerUrl {
    /// Reads `scheme://host[:port][/path]`; `None` if it is anything else. A path is for
    /// a `WebSocket` only, where it is `/mqtt` by default.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => Scheme::Mqtt,
            "mqtts" => Scheme::Mqtts,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            _ => return None,
        };
        let (authority, path) = rest
            .find('/')
            .and_then(|at| rest.split_at_checked(at))
            .unwrap_or((rest, ""));
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, tail) = v6.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (
                    host,
                    if tail.is_empty() {
                        None
                    } else {
                        Some(tail.strip_prefix(':')?)
                    },
                )
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(fine) {
            return None;
        }
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
            None => scheme.default_port(),
        };
        let path = match (scheme.is_websocket(), path) {
            (true, "" | "/") => "/mqtt",
            (true, path) if path.chars().all(|c| c.is_ascii_graphic()) => path,
            (false, "" | "/") => "",
            _ => return None,
        };
        Some(Self {
            scheme,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            self.scheme.as_str(),
            self.authority(),
            self.path
        )
    }
}

/// Which MQTT the broker is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 5, and 3.1.1 if the broker does not understand that.
    Auto,
    /// 5.
    V5,
    /// 3.1.1.
    V311,
}

/// `[mqtt.broker]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Where it is.
    pub url: BrokerUrl,
    /// The user name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The client id; `None` means one made of the node's name and a number kept in the store.
    pub client_id: Option<String>,
    /// Which MQTT.
    pub protocol: Protocol,
    /// After so much silence the broker is asked whether it is still there.
    pub keep_alive: Duration,
    /// A PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our certificate and its key, for brokers that ask for one.
    pub client_identity: Option<(PathBuf, PathBuf)>,
}

impl BrokerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let given = !section.keys().is_empty();
        let url = section.parsed("url", URL_MUST, BrokerUrl::parse);
        let username = section.text("username");
        let password = section.secret("password");
        let client_id = section.parsed("client_id", "1 to 128 printable characters", |text| {
            let fine = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
            fine.then(|| text.to_owned())
        });
        let protocols = [
            ("auto", Protocol::Auto),
            ("5", Protocol::V5),
            ("3.1.1", Protocol::V311),
        ];
        let protocol = section.choice("protocol", &protocols);
        let keep_alive = section.duration(
            "keep_alive",
            Duration::from_secs(5)..=Duration::from_hours(1),
        );
        let ca_file = readable(&mut section, "ca_file");
        let cert = readable(&mut section, "client_cert");
        let key = readable(&mut section, "client_key");
        if section.has("client_cert") != section.has("client_key") {
            section.fault("client_cert", "must be given together with client_key");
        }
        if given && !section.has("url") {
            section.fault("url", format!("is missing; must be {URL_MUST}"));
        }
        if password.is_some() && username.is_none() {
            section.fault("username", "is missing; a password needs one");
        }
        section.finish();
        Some(Self {
            url: url?,
            username,
            password,
            client_id,
            protocol: protocol.unwrap_or(Protocol::Auto),
            keep_alive: keep_alive.unwrap_or(Duration::from_secs(30)),
            ca_file,
            client_identity: cert.zip(key),
        })
    }
}

/// A file that must be readable now; it is read again at every connect, so that renewed
/// certificates count.
fn readable(section: &mut Section<'_>, key: &str) -> Option<PathBuf> {
    let path = section.path(key)?;
    match std::fs::File::open(&path) {
        Ok(_) => Some(path),
        Err(error) => {
            section.fault(
                key,
                format!("({}) must be readable: {error}", path.display()),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;

    fn read(toml: &str) -> (Option<BrokerConfig>, Vec<String>) {
        use config::Source as _;
        let table = config::File::from_str(toml, config::FileFormat::Toml)
            .collect()
            .unwrap();
        let problems = Problems::default();
        let value = config::Value::from(table);
        let config = BrokerConfig::read(Section::new("mqtt.broker".into(), value, &problems));
        let texts = problems.into_vec();
        (
            config,
            texts
                .iter()
                .map(|p| format!("{} {}", p.key, p.text))
                .collect(),
        )
    }

    #[test]
    fn addresses_read_with_the_ports_and_paths_people_leave_out() {
        for (text, want) in [
            ("mqtt://h", Some("mqtt://h:1883")),
            ("mqtt://h:1/", Some("mqtt://h:1")),
            ("MQTTS://h", Some("mqtts://h:8883")),
            ("ws://h", Some("ws://h:80/mqtt")),
            ("wss://h:9/x?y=1", Some("wss://h:9/x?y=1")),
            ("mqtt://[::1]", Some("mqtt://[::1]:1883")),
            ("mqtt://[::1]:7", Some("mqtt://[::1]:7")),
            ("mqtt://[::1]7", None),
            ("mqtt://[zz]", None),
            ("mqtt://", None),
            ("mqtt://h:0", None),
            ("mqtt://h:99999", None),
            ("mqtt://u:p@h", None),
            ("mqtt://h/path", None),
            ("http://h", None),
            ("h:1883", None),
            ("ws://h/ö", None),
        ] {
            assert_eq!(
                BrokerUrl::parse(text).map(|u| u.to_string()).as_deref(),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_given_is_no_broker_and_the_rest_has_defaults() {
        let (config, problems) = read("");
        assert!(config.is_none() && problems.is_empty());
        let (config, problems) = read("url = 'mqtt://h'");
        let config = config.unwrap();
        assert!(problems.is_empty());
        assert_eq!(config.keep_alive, Duration::from_secs(30));
        assert_eq!(config.protocol, Protocol::Auto);
    }

    #[test]
    fn every_fault_names_its_key_and_what_would_be_right() {
        for (toml, key, part) in [
            ("url = 'http://h'", "mqtt.broker.url", "mqtts://"),
            ("username = 'x'", "mqtt.broker.url", "is missing"),
            (
                "url='mqtt://h'\npassword='x'",
                "mqtt.broker.username",
                "needs one",
            ),
            (
                "url='mqtt://h'\nprotocol='4'",
                "mqtt.broker.protocol",
                "3.1.1",
            ),
            (
                "url='mqtt://h'\nkeep_alive='1s'",
                "mqtt.broker.keep_alive",
                "from 5s",
            ),
            (
                "url='mqtt://h'\nca_file='/nowhere/x'",
                "mqtt.broker.ca_file",
                "readable",
            ),
            (
                "url='mqtt://h'\nclient_cert='/dev/null'",
                "mqtt.broker.client_cert",
                "client_key",
            ),
            (
                "url='mqtt://h'\nclient_id=''",
                "mqtt.broker.client_id",
                "printable",
            ),
            (
                "url='mqtt://h'\ninsecure=true",
                "mqtt.broker.insecure",
                "not a known key",
            ),
        ] {
            let (_, problems) = read(toml);
            let hit = problems
                .iter()
                .any(|p| p.starts_with(key) && p.contains(part));
            assert!(hit, "{toml}: {problems:?}");
        }
    }
}
