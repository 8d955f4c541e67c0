use std::net::SocketAddr;

use super::Section;

/// `[api]`: the REST bridge.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How a phone reaches it from outside, if it does; used for the buttons of push messages.
    pub public_url: Option<String>,
}

impl ApiConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let listen = section.parsed(
            "listen",
            "an address and port such as \"127.0.0.1:8420\"",
            |text| text.parse().ok(),
        );
        let public_url = section.text("public_url");
        section.finish();
        Self {
            listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8420))),
            public_url,
        }
    }
}
