use redb::{ReadableTable, TableDefinition, TableError};

use super::{Store, StoreError};

/// A kind of records. Each is one table of key → bytes (usually JSON).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// Alerts by id.
    Alerts,
    /// Silences and maintenance windows.
    Silences,
    /// Push messages that wait.
    Push,
    /// Discovery configurations that were announced, by topic.
    Discovery,
    /// Retained messages of other clients of the embedded broker, by topic.
    Retained,
    /// `QoS` 1 messages that wait for the outside broker.
    Outbox,
    /// Access tokens by name.
    Tokens,
    /// This installation's identity.
    Identity,
    /// Counters of meters by name.
    Meters,
    /// What collectors must not forget, by collector and thing.
    Memory,
    /// What each day's energy went to, by date.
    PowerDays,
}

impl Collection {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Alerts,
        Self::Silences,
        Self::Push,
        Self::Discovery,
        Self::Retained,
        Self::Outbox,
        Self::Tokens,
        Self::Identity,
        Self::Meters,
        Self::Memory,
        Self::PowerDays,
    ];

    pub(super) const fn table(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(match self {
            Self::Alerts => "alerts",
            Self::Silences => "silences",
            Self::Push => "push",
            Self::Discovery => "discovery",
            Self::Retained => "retained",
            Self::Outbox => "outbox",
            Self::Tokens => "tokens",
            Self::Identity => "identity",
            Self::Meters => "meters",
            Self::Memory => "memory",
            Self::PowerDays => "power_days",
        })
    }
}

/// A change of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets it.
    Put(Collection, String, Vec<u8>),
    /// Removes it; absent is fine.
    Remove(Collection, String),
}

impl Store {
    /// Makes all `changes` in one durable commit.
    pub fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        let transaction = self.db().begin_write()?;
        for change in changes {
            match change {
                Change::Put(collection, key, value) => {
                    transaction
                        .open_table(collection.table())?
                        .insert(key.as_str(), value.as_slice())?;
                }
                Change::Remove(collection, key) => {
                    transaction
                        .open_table(collection.table())?
                        .remove(key.as_str())?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Sets one record, durably.
    pub fn put(&self, collection: Collection, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(&[Change::Put(collection, key.to_owned(), value.to_vec())])
    }

    /// One record.
    pub fn get(&self, collection: Collection, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let transaction = self.db().begin_read()?;
        match transaction.open_table(collection.table()) {
            Ok(table) => Ok(table.get(key)?.map(|value| value.value().to_vec())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The first key there is.
    pub fn first_key(&self, collection: Collection) -> Result<Option<String>, StoreError> {
        let transaction = self.db().begin_read()?;
        match transaction.open_table(collection.table()) {
            Ok(table) => Ok(table.first()?.map(|(key, _)| key.value().to_owned())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Every record, by key.
    pub fn all(&self, collection: Collection) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let transaction = self.db().begin_read()?;
        let table = match transaction.open_table(collection.table()) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        table
            .iter()?
            .map(|entry| {
                let (key, value) = entry?;
                Ok((key.value().to_owned(), value.value().to_vec()))
            })
            .collect()
    }

    /// Every record whose key is from `first` to `last`, both included, by key; none if `last` is
    /// before `first`.
    pub fn between(
        &self,
        collection: Collection,
        first: &str,
        last: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let transaction = self.db().begin_read()?;
        let table = match transaction.open_table(collection.table()) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        if last < first {
            return Ok(Vec::new());
        }
        table
            .range(first..=last)?
            .map(|entry| {
                let (key, value) = entry?;
                Ok((key.value().to_owned(), value.value().to_vec()))
            })
            .collect()
    }
}
