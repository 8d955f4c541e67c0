use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::host::Memory;
use crate::store::{Change, Collection, Store, StoreError};

/// How often what has changed is kept: a power cut loses no more than this.
const PERIOD: Duration = Duration::from_mins(10);

/// What was kept of before.
pub(super) fn open(store: &Store) -> Result<Memory, StoreError> {
    Ok(Memory::new(store.all(Collection::Memory)?))
}

/// Keeps what `memory` is told to remember, until `cancel`, and then once more.
pub(super) async fn run(memory: Memory, store: Store, cancel: CancellationToken) {
    loop {
        let stops = tokio::select! {
            () = cancel.cancelled() => true,
            () = memory.urgent() => false,
            () = tokio::time::sleep(PERIOD) => false,
        };
        keep(&memory, &store).await;
        if stops {
            return;
        }
    }
}

async fn keep(memory: &Memory, store: &Store) {
    let changes = memory.take_changes();
    if changes.is_empty() {
        return;
    }
    let keys: Vec<String> = changes.iter().map(|(key, _)| key.clone()).collect();
    let changes: Vec<_> = changes.into_iter().map(change).collect();
    let kept = store.blocking(move |store| store.write(&changes)).await;
    if let Err(error) = kept {
        // Tried again at the next time; the history tells of a disk that fails.
        tracing::debug!(%error, "the collectors' memory cannot be kept");
        memory.put_back(keys);
    }
}

fn change((key, record): (String, Option<Vec<u8>>)) -> Change {
    match record {
        Some(record) => Change::Put(Collection::Memory, key, record),
        None => Change::Remove(Collection::Memory, key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;

    #[tokio::test(start_paused = true)]
    async fn what_collectors_remember_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let memory = open(&store).unwrap();
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(run(memory.clone(), store.clone(), cancel.clone()));
        let kept = |key: &str| store.get(Collection::Memory, key).unwrap();
        memory.put("smart/a", &1);
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(kept("smart/a"), None, "it is in no hurry");
        tokio::time::sleep(PERIOD).await;
        assert_eq!(kept("smart/a").unwrap(), b"1");
        memory.put_now("ups/b", &2);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(kept("ups/b").unwrap(), b"2");
        memory.remove("ups/b");
        memory.put("smart/a", &3);
        cancel.cancel();
        tasks.join_next().await.unwrap().unwrap();
        assert_eq!(
            (kept("smart/a").unwrap(), kept("ups/b")),
            (b"3".to_vec(), None)
        );
        let again = open(&store).unwrap();
        assert_eq!(again.get::<u32>("smart/a"), Some(3));
    }
}
