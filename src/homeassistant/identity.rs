use crate::store::{Collection, Store, StoreError};

/// Who we are towards Home Assistant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The installation id of [`installation_id`]; letters and digits.
    pub installation: String,
    /// The node's name: the host device is called so.
    pub node: String,
    /// The version of this program.
    pub version: String,
}

const KEY: &str = "installation";

/// The random id of this installation, twelve hexadecimal digits: made at the first start, the
/// same ever after. Blocks on the store.
///
/// # Errors
/// The store cannot be read or written, or the system gives no random bytes.
pub fn installation_id(store: &Store) -> Result<String, StoreError> {
    if let Some(kept) = store.get(Collection::Identity, KEY)?
        && let Ok(id) = String::from_utf8(kept)
        && !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Ok(id);
    }
    let mut bytes = [0_u8; 6];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Io(error.to_string()))?;
    let number = bytes
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let id = format!("{number:012x}");
    store.put(Collection::Identity, KEY, id.as_bytes())?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_made_once_and_mended_when_it_is_rubbish() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let first = installation_id(&store).unwrap();
        assert_eq!(first.len(), 12);
        assert_eq!(installation_id(&store).unwrap(), first);
        for rubbish in [&b""[..], b"a/b", b"\xff"] {
            store.put(Collection::Identity, KEY, rubbish).unwrap();
            let mended = installation_id(&store).unwrap();
            assert_eq!(mended.len(), 12, "{rubbish:?}");
            assert_eq!(installation_id(&store).unwrap(), mended);
        }
    }
}
