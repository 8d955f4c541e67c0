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
            digest_after: Duration::from_mins(10),
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
        const DAY: Duration = Duration::from_hours(24);
        let default = Self::default();
        let group = section.duration("group", Duration::ZERO..=Duration::from_mins(5));
        let digest_after = section.duration("digest_after", Duration::ZERO..=DAY);
        let reminder = section.duration("reminder", Duration::ZERO..=7 * DAY);
        if reminder.is_some_and(|every| !every.is_zero() && every < Duration::from_mins(1)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;
    use config::{File, FileFormat, Source as _, Value};

    fn read(text: &str) -> (PushConfig, Vec<String>) {
        let problems = Problems::default();
        let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
        let section = Section::new("push".to_owned(), Value::from(table), &problems);
        let config = PushConfig::read(section);
        let faults = problems.into_vec();
        let faults = faults.iter().map(|p| format!("{}: {}", p.key, p.text));
        (config, faults.collect())
    }

    #[test]
    fn nothing_given_means_nothing_pushed() {
        let (config, faults) = read("");
        assert_eq!(faults, Vec::<String>::new());
        assert!(config.ntfy.is_none());
        assert_eq!(config.digest_after, Duration::from_mins(10));
    }

    #[test]
    fn a_topic_is_enough() {
        let (config, faults) = read("[ntfy]\ntopic = \"homewatch-5Xq9vTgL2m\"");
        assert_eq!(faults, Vec::<String>::new());
        let ntfy = config.ntfy.unwrap();
        assert_eq!(ntfy.server, "https://ntfy.sh");
        assert_eq!(ntfy.min_severity, Severity::Warning);
        assert!(ntfy.buttons && ntfy.auth.is_none() && ntfy.reply_topic.is_none());
    }

    #[test]
    fn everything_can_be_given() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "pass\n").unwrap();
        let (config, faults) = read(&format!(
            "group = \"0s\"\ndigest_after = \"1h\"\nreminder = \"4h\"\nresolved = false\n[ntfy]\n\
             server = \"http://ntfy.lan:8080/push/\"\ntopic = \"a\"\nusername = \"phil\"\n\
             password_file = \"{0}\"\nca_file = \"{0}\"\nmin_severity = \"info\"\n\
             buttons = false\nreply_topic = \"b\"\nreply_token = \"tk\"",
            file.display()
        ));
        assert_eq!(faults, Vec::<String>::new());
        assert!(!config.resolved);
        let ntfy = config.ntfy.unwrap();
        assert_eq!(ntfy.server, "http://ntfy.lan:8080/push");
        let password = Secret::new("pass".to_owned());
        let username = "phil".to_owned();
        assert_eq!(ntfy.auth, Some(NtfyAuth::Basic { username, password }));
        assert!(
            !format!("{ntfy:?}").contains("pass\""),
            "secrets are never printed"
        );
    }

    #[test]
    fn every_fault_names_its_key_and_what_would_be_right() {
        let long = format!("[ntfy]\ntopic = \"{}\"", "x".repeat(65));
        check(&[
            (
                "[ntfy]\nserver = \"https://ntfy.sh\"",
                "push.ntfy.topic",
                "must be given",
            ),
            (
                "[ntfy]\ntopic = \"a b\"",
                "push.ntfy.topic",
                "1 to 64 letters",
            ),
            ("[ntfy]\ntopic = \"\"", "push.ntfy.topic", "1 to 64 letters"),
            (&long, "push.ntfy.topic", "1 to 64 letters"),
            (
                "[ntfy]\ntopic = \"a\"\nserver = \"ntfy.sh\"",
                "push.ntfy.server",
                "a URL",
            ),
            (
                "[ntfy]\ntopic = \"a\"\nserver = \"ftp://x\"",
                "push.ntfy.server",
                "a URL",
            ),
            (
                "[ntfy]\ntopic = \"a\"\nserver = \"https://u:p@x\"",
                "push.ntfy.server",
                "a URL",
            ),
        ]);
    }

    #[test]
    fn keys_that_belong_together_are_checked_together() {
        check(&[
            (
                "[ntfy]\ntopic = \"a\"\nusername = \"u\"",
                "push.ntfy.username",
                "password",
            ),
            (
                "[ntfy]\ntopic = \"a\"\npassword = \"p\"",
                "push.ntfy.password",
                "username",
            ),
            (
                "[ntfy]\ntopic = \"a\"\ntoken = \"t\"\nusername = \"u\"\npassword = \"p\"",
                "push.ntfy.token",
                "keep one",
            ),
            (
                "[ntfy]\ntopic = \"a\"\ntoken_file = \"/nonexistent\"",
                "push.ntfy.token_file",
                "must be readable",
            ),
            (
                "[ntfy]\ntopic = \"a\"\nca_file = \"/nonexistent\"",
                "push.ntfy.ca_file",
                "must be readable",
            ),
            (
                "[ntfy]\ntopic = \"a\"\nreply_topic = \"a\"",
                "push.ntfy.reply_topic",
                "must differ",
            ),
            (
                "[ntfy]\ntopic = \"a\"\nmin_severity = \"warn\"",
                "push.ntfy.min_severity",
                "info, warning, critical",
            ),
            (
                "[ntfy]\ntopc = \"a\"",
                "push.ntfy.topc",
                "did you mean \"topic\"",
            ),
            ("reminder = \"5s\"", "push.reminder", "at least \"1m\""),
            ("group = \"1d\"", "push.group", "a duration"),
            ("quiet = true", "push.quiet", "not a known key"),
        ]);
    }

    fn check(rows: &[(&str, &str, &str)]) {
        for (text, key, what) in rows {
            let (_, faults) = read(text);
            let named = |fault: &&String| fault.starts_with(&format!("{key}:"));
            let fault = faults.iter().find(named);
            assert!(
                fault.is_some_and(|f| f.contains(what)),
                "{text}: {faults:?}"
            );
        }
    }
}
