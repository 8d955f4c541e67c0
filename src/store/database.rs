//! The open database. After a fault of its medium (a full disk, say) redb refuses all work until
//! it is opened anew; that is done here, so that the store recovers without a restart.

use std::sync::{PoisonError, RwLock};

use redb::{
    Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, StorageError,
    TransactionError, WriteTransaction,
};

use super::StoreError;

type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

pub(super) struct Db {
    opener: Opener,
    open: RwLock<Option<Database>>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").finish_non_exhaustive()
    }
}

impl Db {
    pub(super) fn new(opener: Opener) -> Result<Self, DatabaseError> {
        let open = RwLock::new(Some(opener()?));
        Ok(Self { opener, open })
    }

    /// A transaction whose commit is durable and leaves a file that opens at once after a crash.
    pub(super) fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.healthy(Database::begin_write)?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    pub(super) fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        self.healthy(Database::begin_read)
    }

    fn healthy<T>(
        &self,
        begin: impl Fn(&Database) -> Result<T, TransactionError>,
    ) -> Result<T, StoreError> {
        {
            let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
            match open.as_ref().map(&begin) {
                Some(Ok(transaction)) => return Ok(transaction),
                Some(Err(TransactionError::Storage(
                    StorageError::PreviousIo | StorageError::Io(_) | StorageError::Corrupted(_),
                )))
                | None => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: two at once on one file would ruin it.
        *open = None;
        let database = (self.opener)()?;
        let transaction = begin(&database)?;
        *open = Some(database);
        Ok(transaction)
    }
}
