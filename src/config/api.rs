use std::net::SocketAddr;
use std::path::PathBuf;

use super::Section;

/// `[api]`: the REST bridge.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How a phone reaches it from outside, if it does; used for the buttons of push messages.
    pub public_url: Option<String>,
    /// TLS; without it plain HTTP is spoken.
    pub tls: Option<ApiTls>,
    /// Whether plain HTTP may be spoken on an address that others reach (behind a proxy or a
    /// tunnel that encrypts).
    pub plain_http: bool,
    /// What one token may fetch in a day (UTC), bytes.
    pub daily_budget: u64,
}

/// `[api.tls]`.
#[derive(Debug, Clone)]
pub struct ApiTls {
    /// The certificate chain, PEM, our own first.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8420)),
            public_url: None,
            tls: None,
            plain_http: false,
            daily_budget: 5_000_000,
        }
    }
}

impl ApiConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let listen = section.parsed(
            "listen",
            "an address and port such as \"127.0.0.1:8420\"",
            |text| text.parse::<SocketAddr>().ok(),
        );
        let public_url = section.text("public_url");
        let plain_http = section.flag("plain_http").unwrap_or(default.plain_http);
        let daily_budget = section.size("daily_budget", 10_000..=1_000_000_000_000);
        let wants_tls = section.has("tls");
        let tls = ApiTls::read(section.section("tls"));
        let listen = listen.unwrap_or(default.listen);
        if !listen.ip().is_loopback() && !plain_http && !wants_tls {
            section.fault(
                "listen",
                format!(
                    "({listen}) is reachable by others and would carry tokens in plain text: give \
                     api.tls.cert and api.tls.key, or set api.plain_http = true behind a proxy \
                     or tunnel that encrypts"
                ),
            );
        }
        section.finish();
        Self {
            listen,
            public_url,
            tls,
            plain_http,
            daily_budget: daily_budget.unwrap_or(default.daily_budget),
        }
    }
}

impl ApiTls {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let given = !section.keys().is_empty();
        let cert = section.path("cert");
        let key = section.path("key");
        for (name, path) in [("cert", &cert), ("key", &key)] {
            match path {
                Some(path) => {
                    if let Err(error) = std::fs::File::open(path) {
                        let text = format!("({}) must be readable: {error}", path.display());
                        section.fault(name, text);
                    }
                }
                None if given && !section.has(name) => {
                    section.fault(name, "must be given too: a PEM file");
                }
                None => {}
            }
        }
        section.finish();
        Some(Self {
            cert: cert?,
            key: key?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Problems;
    use super::*;
    use config::{Value, ValueKind};

    fn faults(keys: &[(&str, Value)]) -> Vec<String> {
        let problems = Problems::default();
        let table = keys
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect();
        let value = Value::new(None, ValueKind::Table(table));
        ApiConfig::read(Section::new("api".to_owned(), value, &problems));
        problems
            .into_vec()
            .iter()
            .map(|p| format!("{}: {}", p.key, p.text))
            .collect()
    }

    fn text(text: &str) -> Value {
        Value::new(None, ValueKind::String(text.to_owned()))
    }

    #[test]
    fn an_address_that_others_reach_needs_tls_or_a_word_that_it_may_be_plain() {
        assert!(faults(&[]).is_empty());
        let open = ("listen", text("0.0.0.0:8420"));
        let told = faults(std::slice::from_ref(&open));
        assert!(
            told[0].contains("api.tls.cert") && told[0].contains("api.plain_http"),
            "{told:?}"
        );
        let plain = ("plain_http", Value::new(None, ValueKind::Boolean(true)));
        assert!(faults(&[open, plain]).is_empty());
    }

    #[test]
    fn half_a_tls_table_and_unreadable_files_are_faults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tls = |keys: &[(&str, &str)]| {
            let table = keys
                .iter()
                .map(|(k, v)| ((*k).to_owned(), text(v)))
                .collect();
            Value::new(None, ValueKind::Table(table))
        };
        let path = file.path().to_str().unwrap();
        let told = faults(&[("tls", tls(&[("cert", path)]))]);
        assert!(
            told.len() == 1 && told[0].starts_with("api.tls.key"),
            "{told:?}"
        );
        let told = faults(&[("tls", tls(&[("cert", path), ("key", "/absent/key.pem")]))]);
        assert!(
            told.len() == 1 && told[0].contains("must be readable"),
            "{told:?}"
        );
        assert!(faults(&[("tls", tls(&[("cert", path), ("key", path)]))]).is_empty());
    }
}
