use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::Instant;

use super::{Silence, Told, apcupsd, nut};
use crate::config::{Secret, Section};
use crate::host::tls_client;

/// The address of a server that is not to be asked.
const OFF: &str = "off";
const LATE_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    Nut,
    Apcupsd,
}

/// Who homewatch is to a server.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// Whether the conversation is encrypted.
#[derive(Debug, Clone)]
pub(super) enum Tls {
    Off,
    /// If the server can.
    Offered(Arc<ClientConfig>),
    /// Or nothing is said.
    Required(Arc<ClientConfig>),
}

/// A server, and how it is spoken to.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// Its name in the configuration.
    pub(super) name: String,
    pub(super) speech: Speech,
    /// `host:port`.
    pub(super) address: String,
    pub(super) login: Option<Login>,
    pub(super) tls: Tls,
    /// The UPSes that are asked for; all of them if none is named.
    pub(super) units: Vec<String>,
    /// The tests of a battery that may be started.
    pub(super) tests: Vec<String>,
    /// How often the quick one is started unasked.
    pub(super) test_every: Option<Duration>,
    /// Whether somebody has said that it is there.
    pub(super) expected: bool,
}

impl Access {
    fn plain(name: &str, speech: Speech, address: String, expected: bool) -> Self {
        Self {
            name: name.to_owned(),
            speech,
            address,
            login: None,
            tls: Tls::Off,
            units: Vec::new(),
            tests: Vec::new(),
            test_every: None,
            expected,
        }
    }

    /// Whether its UPS of this name is asked for.
    pub(super) fn wants(&self, unit: &str) -> bool {
        self.units.is_empty() || self.units.iter().any(|own| own == unit)
    }

    fn ask(&self) -> Result<Vec<Told>, Silence> {
        match self.speech {
            Speech::Nut => nut::ask(self),
            Speech::Apcupsd => apcupsd::ask(&self.address),
        }
    }
}

/// Reads every server of `[collect.ups]`.
pub(super) fn read(section: &mut Section<'_>) -> Vec<Access> {
    let mut all = Vec::new();
    for (name, speech, usual) in [
        ("nut", Speech::Nut, "127.0.0.1:3493"),
        ("apcupsd", Speech::Apcupsd, "127.0.0.1:3551"),
    ] {
        let must = "an address such as \"nas.lan:3493\", or \"off\"";
        let given = section.parsed(name, must, |text| address(text, true));
        let expected = given.is_some();
        let address = given.unwrap_or_else(|| usual.to_owned());
        if address != OFF {
            all.push(Access::plain(name, speech, address, expected));
        }
    }
    for (name, table) in section.sections("servers") {
        all.extend(server(&name, table));
    }
    all
}

fn server(name: &str, mut table: Section<'_>) -> Option<Access> {
    let speeches = [("nut", Speech::Nut), ("apcupsd", Speech::Apcupsd)];
    let speech = table.choice("type", &speeches).unwrap_or(Speech::Nut);
    let must = "an address such as \"nas.lan:3493\"";
    if !table.has("address") {
        table.fault("address", format!("is missing: it must be {must}"));
    }
    let address = table.parsed("address", must, |text| address(text, false));
    let user = table.text("username");
    let password = table.secret("password");
    let words = [("off", 0), ("offered", 1), ("required", 2)];
    let tls = table.choice("tls", &words).unwrap_or(1);
    let ca_file = table.path("ca_file");
    let units = table.texts("units").unwrap_or_default();
    let tests = table.texts("tests").unwrap_or_default();
    let days = Duration::from_hours(24)..=Duration::from_hours(24 * 366);
    let test_every = table.duration("test_every", days);
    if tests
        .iter()
        .any(|test| !super::TESTS.contains(&test.as_str()))
    {
        let text = format!("must be some of {}", super::TESTS.join(", "));
        table.fault("tests", text);
    }
    if user.is_some() != password.is_some() {
        let text = "goes with password (or password_file): give both or none";
        table.fault("username", text);
    }
    if !tests.is_empty() && user.is_none() {
        table.fault("tests", "need a username with a password (upsd.users)");
    }
    if test_every.is_some() && !tests.iter().any(|test| test == "quick") {
        table.fault("test_every", "needs tests = [\"quick\"]");
    }
    let tls = match (speech, tls) {
        (Speech::Apcupsd, _) | (_, 0) => Tls::Off,
        (Speech::Nut, kind) => match tls_client(ca_file.as_deref()) {
            Ok(builder) => {
                let config = Arc::new(builder.with_no_client_auth());
                let offered = kind == 1;
                if offered {
                    Tls::Offered(config)
                } else {
                    Tls::Required(config)
                }
            }
            Err(error) => {
                table.fault("ca_file", format!("cannot be used: {error}"));
                Tls::Off
            }
        },
    };
    table.finish();
    let login = user
        .zip(password)
        .map(|(user, password)| Login { user, password });
    Some(Access {
        login,
        tls,
        units,
        tests,
        test_every,
        ..Access::plain(name, speech, address?, true)
    })
}

/// A `host:port`, or [`OFF`] where that is allowed.
fn address(text: &str, or_off: bool) -> Option<String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let pair = text.rsplit_once(':');
    let fits = pair.is_some_and(|(host, port)| !host.is_empty() && is_port(port));
    (fits || or_off && text == OFF).then(|| text.to_owned())
}

/// A server that is asked again and again. One that answers too late is given pauses, so that it
/// does not hold up everything else.
pub(super) struct Server {
    pub(super) access: Access,
    pause: Option<(Instant, Duration)>,
}

impl Server {
    pub(super) const fn new(access: Access) -> Self {
        Self {
            access,
            pause: None,
        }
    }

    /// Asks it, unless it is in its pause.
    pub(super) fn ask(&mut self, now: Instant) -> Result<Vec<Told>, Silence> {
        if self.pause.is_some_and(|(until, _)| now < until) {
            return Err(Silence::Late);
        }
        let told = self.access.ask();
        self.pause = match (&told, self.pause) {
            (Err(Silence::Late), before) => {
                let longer = before.map_or(LATE_PAUSE, |(_, pause)| pause.saturating_mul(2));
                let pause = longer.min(LONGEST_PAUSE);
                Some((now + pause, pause))
            }
            _ => None,
        };
        told
    }
}
