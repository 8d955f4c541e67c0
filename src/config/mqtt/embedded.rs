use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{Secret, Section};
use crate::model::valid_filter;

/// `[mqtt.embedded]`: the broker inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// Where it listens. Anything but loopback needs users.
    pub listen: SocketAddr,
    /// How many clients may be connected at once.
    pub max_connections: usize,
    /// The largest payload that is taken, bytes.
    pub max_payload: usize,
    /// Who may connect; with none, everybody on this machine may.
    pub users: BTreeMap<String, EmbeddedUser>,
    /// The encrypted listener.
    pub tls: Option<EmbeddedTls>,
}

/// `[mqtt.embedded.users.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedUser {
    /// The password.
    pub password: Secret,
    /// Filters of what may be read.
    pub read: Vec<String>,
    /// Filters of what may be published.
    pub publish: Vec<String>,
    /// Whether commands may be sent to this node.
    pub commands: bool,
}

/// `[mqtt.embedded.tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedTls {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            max_connections: 50,
            max_payload: 512 << 10,
            users: BTreeMap::new(),
            tls: None,
        }
    }
}

impl EmbeddedConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let listen = address(
            &mut section,
            "an address and port such as \"127.0.0.1:1883\"",
        );
        let max_connections = section.integer("max_connections", 1..=1000);
        let max_payload = section.size("max_payload", 1024..=1 << 20);
        let mut users = BTreeMap::new();
        for (name, table) in section.sections("users") {
            if let Some(user) = EmbeddedUser::read(table) {
                users.insert(name, user);
            }
        }
        let nobody = users.is_empty() && !section.has("users");
        let tls = section.has("tls").then(|| section.section("tls"));
        let tls = tls.and_then(|table| EmbeddedTls::read(table, nobody));
        let default = Self::default();
        let config = Self {
            listen: listen.unwrap_or(default.listen),
            max_connections: max_connections
                .and_then(|count| usize::try_from(count).ok())
                .unwrap_or(default.max_connections),
            max_payload: max_payload
                .and_then(|size| usize::try_from(size).ok())
                .unwrap_or(default.max_payload),
            users,
            tls,
        };
        if nobody && !config.listen.ip().is_loopback() {
            section.fault("listen", open_to_all(config.listen));
        }
        section.finish();
        config
    }
}

fn open_to_all(listen: SocketAddr) -> String {
    format!(
        "(\"{listen}\") would let everybody on the network in; add a user as \
         [mqtt.embedded.users.NAME] with password_file, or listen on 127.0.0.1"
    )
}

fn address(section: &mut Section<'_>, must: &str) -> Option<SocketAddr> {
    section.parsed("listen", must, |text| text.parse().ok())
}

fn filters(section: &mut Section<'_>, key: &str) -> Option<Vec<String>> {
    let list = section.texts(key)?;
    for filter in list.iter().filter(|filter| !valid_filter(filter)) {
        section.fault(
            key,
            format!(
                "(\"{filter}\") must be a topic filter such as \"homewatch/#\" or \"+/status\""
            ),
        );
    }
    Some(list)
}

impl EmbeddedUser {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let password = section.secret("password");
        let given = section.has("password") || section.has("password_file");
        if !given {
            section.fault("password", "is missing; give password or password_file");
        }
        if password
            .as_ref()
            .is_some_and(|password| password.reveal().is_empty())
        {
            section.fault("password", "must not be empty");
        }
        let read = filters(&mut section, "read");
        let publish = filters(&mut section, "publish");
        let commands = section.flag("commands");
        section.finish();
        Some(Self {
            password: password?,
            read: read.unwrap_or_else(|| vec!["#".to_owned()]),
            publish: publish.unwrap_or_default(),
            commands: commands.unwrap_or(false),
        })
    }
}

impl EmbeddedTls {
    fn read(mut section: Section<'_>, nobody: bool) -> Option<Self> {
        let listen = address(&mut section, "an address and port such as \"0.0.0.0:8883\"");
        let cert = section.path("cert");
        let key = section.path("key");
        for (name, given) in [
            ("listen", section.has("listen")),
            ("cert", section.has("cert")),
            ("key", section.has("key")),
        ] {
            if !given {
                section.fault(
                    name,
                    "is missing; [mqtt.embedded.tls] needs listen, cert and key",
                );
            }
        }
        if let Some(path) = &cert
            && let Err(text) = certificates(path)
        {
            section.fault("cert", text);
        }
        if let Some(path) = &key
            && let Err(text) = private_key(path)
        {
            section.fault("key", text);
        }
        if let Some(listen) = listen
            && nobody
            && !listen.ip().is_loopback()
        {
            section.fault("listen", open_to_all(listen));
        }
        section.finish();
        Some(Self {
            listen: listen?,
            cert: cert?,
            key: key?,
        })
    }

    /// The chain and the key, read anew.
    ///
    /// # Errors
    /// One sentence that names the file.
    pub fn load(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        Ok((certificates(&self.cert)?, private_key(&self.key)?))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |error: &dyn std::fmt::Display| {
        format!(
            "({}) must be a PEM file with certificates: {error}",
            path.display()
        )
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| fault(&error))?;
    if chain.is_empty() {
        return Err(fault(&"it holds none"));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        format!(
            "({}) must be a PEM file with a private key: {error}",
            path.display()
        )
    })
}
