use std::path::PathBuf;
use std::time::Duration;

use crate::model::Severity;

use super::{Secret, Section};

/// `[push]`: push messages.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Alerts that come within this time of each other share one message.
    pub group: Duration,
    /// Messages that have waited this long come as one digest.
    pub digest_after: Duration,
    /// How often an alert that nobody has acknowledged is pushed again; zero is never.
    pub reminder: Duration,
    /// Whether the end of an alert that was pushed is pushed too.
    pub resolved: bool,
    /// The ntfy server; without one nothing is pushed.
    pub ntfy: Option<NtfyConfig>,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            group: Duration::from_secs(5),
            digest_after: Duration::from_secs(600),
            reminder: Duration::ZERO,
            resolved: true,
            ntfy: None,
        }
    }
}

/// `[push.ntfy]`.
#[derive(Debug, Clone)]
pub struct NtfyConfig {
    /// `https://host[:port][/path]` without a slash at its end.
    pub server: String,
    /// The topic. On an open server its name is all that protects it.
    pub topic: String,
    /// How homewatch proves who it is; never part of a message.
    pub auth: Option<NtfyAuth>,
    /// What is less bad is not pushed.
    pub min_severity: Severity,
    /// A PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether messages have buttons.
    pub buttons: bool,
    /// Where the buttons answer to when the REST bridge has no public URL; `None` means a
    /// topic with a random name that is made once and kept.
    pub reply_topic: Option<String>,
    /// A token that may publish on the reply topic and nothing else. It is part of every
    /// message with buttons, because the phone needs it.
    pub reply_token: Option<Secret>,
}

/// How homewatch proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NtfyAuth {
    /// An access token.
    Token(Secret),
    /// A user with a password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
}

const TOPIC: &str = "a topic of 1 to 64 letters, digits, '_' and '-'";

impl PushConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        let default = Self::default();
        let group = section.duration("group", Duration::ZERO..=Duration::from_secs(300));
        let digest_after = section.duration("digest_after", Duration::ZERO..=24 * HOUR);
        let reminder = section.duration("reminder", Duration::ZERO..=7 * 24 * HOUR);
        if reminder.is_some_and(|every| !every.is_zero() && every < Duration::from_secs(60)) {
            section.fault("reminder", "must be \"0s\" (off) or at least \"1m\"");
        }
        let resolved = section.flag("resolved");
        let ntfy = NtfyConfig::read(section.section("ntfy"));
        section.finish();
        Self {
            group: group.unwrap_or(default.group),
            digest_after: digest_after.unwrap_or(default.digest_after),
            reminder: reminder.unwrap_or(default.reminder),
            resolved: resolved.unwrap_or(default.resolved),
            ntfy,
        }
    }
}

impl NtfyConfig {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let given = !section.keys().is_empty();
        let server = section.parsed(
            "server",
            "a URL such as \"https://ntfy.sh\", without user name, query and fragment",
            server,
        );
        let named = section.has("topic");
        let topic = section.parsed("topic", TOPIC, topic);
        if given && !named {
            let hint = "must be given; choose a name that nobody guesses, such as \
                        \"homewatch-5Xq9vTgL2m\"";
            section.fault("topic", hint);
        }
        let token = section.secret("token");
        let username = section.text("username");
        let password = section.secret("password");
        let auth = match (token, username, password) {
            (None, None, None) => None,
            (Some(token), None, None) => Some(NtfyAuth::Token(token)),
            (None, Some(username), Some(password)) => Some(NtfyAuth::Basic { username, password }),
            (None, Some(_), None) => {
                section.fault("username", "needs a password (or password_file)");
                None
            }
            (None, None, Some(_)) => {
                section.fault("password", "needs a username");
                None
            }
            (Some(_), _, _) => {
                section.fault(
                    "token",
                    "excludes username and password; keep one of the two",
                );
                None
            }
        };
        let min_severity = section.choice(
            "min_severity",
            &[
                ("info", Severity::Info),
                ("warning", Severity::Warning),
                ("critical", Severity::Critical),
            ],
        );
        let ca_file = section.path("ca_file");
        if let Some(path) = &ca_file
            && let Err(error) = std::fs::metadata(path)
        {
            let text = format!("({}) must be readable: {error}", path.display());
            section.fault("ca_file", text);
        }
        let buttons = section.flag("buttons");
        let reply_topic = section.parsed("reply_topic", TOPIC, self::topic);
        if reply_topic.is_some() && reply_topic == topic {
            section.fault("reply_topic", "must differ from topic");
        }
        let reply_token = section.secret("reply_token");
        section.finish();
        Some(Self {
            server: server.unwrap_or_else(|| "https://ntfy.sh".to_owned()),
            topic: topic?,
            auth,
            min_severity: min_severity.unwrap_or(Severity::Warning),
            ca_file,
            buttons: buttons.unwrap_or(true),
            reply_topic,
            reply_token,
        })
    }
}

fn topic(text: &str) -> Option<String> {
    let fine = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    fine.then(|| text.to_owned())
}

fn server(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let fine = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    fine.then(|| text.trim_end_matches('/').to_owned())
}
