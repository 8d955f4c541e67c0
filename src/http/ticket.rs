use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::file;

const FILE: &str = "ticket.key";
const KEY_LEN: usize = 32;
/// Keeps these signatures apart from any other use of the key.
const PURPOSE: &[u8] = b"homewatch ack ticket 1\0";

/// Signs and checks tickets: each lets whoever holds it acknowledge one alert until a moment,
/// and nothing else. A push message's button carries one instead of an access token.
#[derive(Clone)]
pub struct TicketKey([u8; KEY_LEN]);

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketKey(•••)")
    }
}

impl TicketKey {
    /// The key in `data_dir`, made there (mode 0600) if there is none yet. Blocks.
    ///
    /// A file of the wrong length is an error of kind `InvalidData`: deleting it makes a new key
    /// and ends every ticket that is out.
    pub fn load(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => bytes.try_into().map(Self).map_err(|_| {
                let text = format!("{}: not a key; delete it", path.display());
                io::Error::new(io::ErrorKind::InvalidData, text)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = file::random()?;
                std::fs::create_dir_all(data_dir)?;
                file::replace(&path, &key)?;
                Ok(Self(key))
            }
            Err(error) => Err(error),
        }
    }

    /// A ticket for the alert `alert_id`, good until `expires` (to the second). URL-safe.
    pub fn issue(&self, alert_id: &str, expires: Timestamp) -> String {
        let until = expires.as_second();
        let signature = URL_SAFE_NO_PAD.encode(self.mac(alert_id, until).finalize().into_bytes());
        format!("{until}.{signature}")
    }

    /// Whether `ticket` is good for the alert `alert_id` at `now`.
    pub fn check(&self, alert_id: &str, ticket: &str, now: Timestamp) -> bool {
        let Some((until, signature)) = ticket.split_once('.') else {
            return false;
        };
        let (Ok(until), Ok(signature)) = (until.parse(), URL_SAFE_NO_PAD.decode(signature)) else {
            return false;
        };
        // Compares in constant time.
        self.mac(alert_id, until).verify_slice(&signature).is_ok() && now.as_second() <= until
    }

    fn mac(&self, alert_id: &str, until: i64) -> Hmac<Sha256> {
        // As long as a block: the key as it is, padded, which is what HMAC itself does.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
        mac.update(PURPOSE);
        mac.update(&until.to_be_bytes());
        mac.update(alert_id.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_alert_until_it_expires_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let expires: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let ticket = TicketKey::load(dir.path()).unwrap().issue("hot", expires);
        let key = TicketKey::load(dir.path()).unwrap();
        let after = "2026-01-01T12:00:01Z".parse().unwrap();
        assert!(key.check("hot", &ticket, expires));
        assert!(!key.check("hot", &ticket, after));
        assert!(!key.check("cold", &ticket, expires));
        let (until, signature) = ticket.split_once('.').unwrap();
        let later = until.parse::<i64>().unwrap() + 60;
        for forged in [
            format!("{later}.{signature}"),
            format!("{until}."),
            format!("{until}.!!"),
            String::new(),
            "x.y".to_owned(),
        ] {
            assert!(!key.check("hot", &forged, expires), "{forged}");
        }
    }

    #[test]
    fn a_damaged_key_is_told_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), b"short").unwrap();
        let error = TicketKey::load(dir.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), b"short");
    }
}
