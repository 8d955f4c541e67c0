use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::file;

const FILE: &str = "tokens.json";
const PREFIX: &str = "hw_";
/// How many tokens there may be: each try is compared with every one.
const MAX: usize = 100;

/// What a token allows. No scope includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(clap::ValueEnum)]
pub enum Scope {
    /// Everything that is shown.
    Read,
    /// Acknowledging and silencing alerts.
    Ack,
    /// Every other command.
    Control,
}

impl Scope {
    /// The word that is typed and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ack => "ack",
            Self::Control => "control",
        }
    }
}

/// A token as it is kept: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the token, lower-case hexadecimal.
    pub sha256: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: Timestamp,
}

/// Why tokens could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The change is not possible; the text says why.
    #[error("{0}")]
    Refused(String),
}

/// The access tokens: a file of its own, because the command line changes it while the service
/// holds the store.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    cached: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    looked: Option<Instant>,
    stamp: Option<(SystemTime, u64)>,
    tokens: BTreeMap<String, Token>,
}

impl Tokens {
    /// The tokens in `data_dir`; nothing is read yet.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join(FILE),
            cached: Mutex::default(),
        }
    }

    fn io(&self, error: io::Error) -> TokenError {
        let path = self.path.clone();
        TokenError::Io { path, error }
    }

    /// Every token on file, by name. Blocks.
    pub fn list(&self) -> Result<BTreeMap<String, Token>, TokenError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| self.io(io::Error::new(io::ErrorKind::InvalidData, error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(self.io(error)),
        }
    }

    fn save(&self, tokens: &BTreeMap<String, Token>) -> Result<(), TokenError> {
        let bytes = serde_json::to_vec_pretty(tokens).map_err(|error| self.io(error.into()))?;
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir).map_err(|error| self.io(error))?;
        }
        file::replace(&self.path, &bytes).map_err(|error| self.io(error))
    }

    /// Makes a token and returns it: the only time that it can be seen. Blocks.
    pub fn add(&self, name: &str, scopes: &[Scope], now: Timestamp) -> Result<String, TokenError> {
        let refused = |text: &str| Err(TokenError::Refused(text.to_owned()));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return refused("a token's name is 1 to 64 letters, digits, '-', '_' or '.'");
        }
        if scopes.is_empty() {
            return refused("a token needs at least one scope: read, ack, control");
        }
        let mut tokens = self.list()?;
        if tokens.contains_key(name) {
            return refused(&format!(
                "there is a token \"{name}\" already; revoke it first or choose another name"
            ));
        }
        if tokens.len() >= MAX {
            return refused("there are 100 tokens already; revoke one first");
        }
        let secret: [u8; 32] = file::random().map_err(|error| self.io(error))?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let entry = Token {
            sha256: hash(&token),
            scopes,
            created: now,
        };
        tokens.insert(name.to_owned(), entry);
        self.save(&tokens)?;
        Ok(token)
    }

    /// Ends a token. Blocks.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let mut tokens = self.list()?;
        if tokens.remove(name).is_none() {
            return Err(TokenError::Refused(format!(
                "there is no token \"{name}\"; `homewatch token list` shows them"
            )));
        }
        self.save(&tokens)
    }

    /// Whether there is any token at all, as of the last second.
    pub fn is_empty(&self) -> bool {
        self.fresh(false, BTreeMap::is_empty)
    }

    /// The name and scopes of `token`, if it is on file; a new one counts at once, one that was
    /// revoked ends within a second. Every token on file is compared, each in constant time.
    pub fn check(&self, token: &str) -> Option<(String, Vec<Scope>)> {
        let hash = hash(token);
        // Whoever has just made a token uses it now.
        [false, true]
            .into_iter()
            .find_map(|now| self.find(&hash, now))
    }

    fn find(&self, hash: &str, now: bool) -> Option<(String, Vec<Scope>)> {
        self.fresh(now, |tokens| {
            let mut found = None;
            for (name, entry) in tokens {
                if same(entry.sha256.as_bytes(), hash.as_bytes()) {
                    found = Some((name.clone(), entry.scopes.clone()));
                }
            }
            found
        })
    }

    /// Looks at the file at most once a second (unless `at_once`), and reads it (a few KB) only
    /// when it has changed. A file that has become unreadable leaves no token valid.
    fn fresh<T>(&self, at_once: bool, use_: impl FnOnce(&BTreeMap<String, Token>) -> T) -> T {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = at_once
            || cached
                .looked
                .is_none_or(|at| now.duration_since(at) >= Duration::from_secs(1));
        if due {
            cached.looked = Some(now);
            let stamp = std::fs::metadata(&self.path)
                .and_then(|meta| Ok((meta.modified()?, std::os::unix::fs::MetadataExt::ino(&meta))))
                .ok();
            if stamp.is_none() || stamp != cached.stamp {
                cached.stamp = stamp;
                cached.tokens = self.list().unwrap_or_else(|error| {
                    tracing::warn!("access tokens are not readable, none is valid: {error}");
                    BTreeMap::new()
                });
            }
        }
        use_(&cached.tokens)
    }
}

/// SHA-256 is enough for 256 random bits: there is nothing to guess.
fn hash(token: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(token.as_bytes()) {
        let written = write!(out, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    out
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_shown_once_kept_as_a_hash_and_ends_when_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let (cli, service) = (Tokens::new(dir.path()), Tokens::new(dir.path()));
        assert!(service.is_empty());
        let token = cli
            .add("phone", &[Scope::Ack, Scope::Read, Scope::Ack], NOW)
            .unwrap();
        assert!(token.starts_with("hw_") && token.len() == 3 + 43);
        let kept = std::fs::read(dir.path().join(FILE)).unwrap();
        assert!(!String::from_utf8(kept).unwrap().contains(&token));
        tokio::time::advance(Duration::from_secs(2)).await;
        let want = Some(("phone".to_owned(), vec![Scope::Read, Scope::Ack]));
        assert_eq!(service.check(&token), want);
        assert_eq!(service.check("hw_x"), None);
        cli.revoke("phone").unwrap();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(service.check(&token), None);
    }

    #[test]
    fn the_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        Tokens::new(dir.path())
            .add("a", &[Scope::Read], NOW)
            .unwrap();
        let mode = std::fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn bad_names_no_scopes_doubles_and_unknown_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(dir.path());
        for name in ["", "a b", "ä", &"x".repeat(65)] {
            assert!(tokens.add(name, &[Scope::Read], NOW).is_err(), "{name}");
        }
        assert!(tokens.add("a", &[], NOW).is_err());
        tokens.add("a", &[Scope::Read], NOW).unwrap();
        assert!(tokens.add("a", &[Scope::Read], NOW).is_err());
        assert!(tokens.revoke("b").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_damaged_file_makes_no_token_valid_and_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), b"{").unwrap();
        let tokens = Tokens::new(dir.path());
        assert!(tokens.add("a", &[Scope::Read], NOW).is_err());
        assert!(tokens.is_empty());
        assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), b"{");
    }
}
