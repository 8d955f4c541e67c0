//! Online backup, and its way back.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use redb::{Durability, Key, ReadTransaction, ReadableTable as _, TableDefinition, Value};

use super::database::Db;
use super::medium::DatabaseFile;
use super::open::{self, DATABASE, JOURNAL, META};
use super::pack::CHUNKS;
use super::records::Collection;
use super::series::SERIES;
use super::{Store, StoreError};

/// Bytes between two commits of a copy.
const BATCH: usize = 4 << 20;

fn fault(path: &Path, text: impl Into<String>) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        text: text.into(),
    }
}

impl Store {
    /// Writes everything as it is now into `file`, which must not exist, while the store goes on
    /// working. What is in `file` when this returns is whole and on the disk.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        if file.exists() {
            return Err(fault(file, "is there already; name a file that is not"));
        }
        {
            let history = &mut *self.history();
            self.flush(history)?;
        }
        let part = beside(file, "part");
        let made = self.copy_to(&part).and_then(|()| {
            std::fs::rename(&part, file).map_err(|error| fault(file, error.to_string()))?;
            sync_parent(file)
        });
        if made.is_err() {
            // There may be none; what matters is the error before.
            drop(std::fs::remove_file(&part));
        }
        made
    }

    fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        // Made here, so that nobody else can read it at any time.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file)
            .map_err(|error| fault(file, format!("cannot be written: {error}")))?;
        let target = database(file)?;
        let source = self.db().begin_read()?;
        for collection in Collection::ALL {
            copy(&source, &target, collection.table())?;
        }
        copy(&source, &target, SERIES)?;
        copy(&source, &target, CHUNKS)?;
        // Last: a copy without it is no backup.
        copy(&source, &target, META)
    }
}

fn database(file: &Path) -> Result<Db, StoreError> {
    let (path, written) = (file.to_owned(), Arc::new(AtomicU64::new(0)));
    let opener = move || {
        let file = DatabaseFile::open(&path, &written)
            .map_err(|error| redb::DatabaseError::Storage(error.into()))?;
        open::builder().create_with_backend(file)
    };
    Db::new(Box::new(opener)).map_err(|error| fault(file, error.to_string()))
}

fn copy<K, V>(
    source: &ReadTransaction,
    target: &Db,
    definition: TableDefinition<'static, K, V>,
) -> Result<(), StoreError>
where
    K: Key + 'static,
    V: Value + 'static,
{
    let table = match source.open_table(definition) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut entries = table.iter()?.peekable();
    while entries.peek().is_some() {
        let mut transaction = target.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut to = transaction.open_table(definition)?;
            let mut bytes = 0;
            while bytes < BATCH
                && let Some(entry) = entries.next()
            {
                let (key, value) = entry?;
                let value = value.value();
                bytes += V::as_bytes(&value).as_ref().len();
                to.insert(key.value(), value)?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn sync_parent(file: &Path) -> Result<(), StoreError> {
    let parent = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(|error| fault(file, error.to_string()))
}

/// Puts the backup `file` in the place of the store in `dir`, while no homewatch runs on it.
/// The store that was there is kept beside it; the path of that is returned, if there was one.
pub fn restore(file: &Path, dir: &Path) -> Result<Option<PathBuf>, StoreError> {
    let _lock = open::lock(dir)?;
    let part = dir.join("restore.part");
    let result = restore_locked(file, dir, &part);
    if result.is_err() {
        // There may be none; what matters is the error before.
        drop(std::fs::remove_file(&part));
    }
    result
}

fn restore_locked(file: &Path, dir: &Path, part: &Path) -> Result<Option<PathBuf>, StoreError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| fault(&path, error.to_string())
    };
    if !file.is_file() {
        return Err(fault(file, "is no file; name a backup"));
    }
    // The copy is looked at, never the backup itself: opening writes.
    let mut from = File::open(file).map_err(io(file))?;
    let mut to = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(part)
        .map_err(io(part))?;
    std::io::copy(&mut from, &mut to).map_err(io(part))?;
    to.sync_all().map_err(io(part))?;
    drop(to);
    let no_backup = || fault(file, "is no backup of homewatch; nothing was changed");
    let meta = database(part)
        .and_then(|db| open::Meta::read(&db))
        .map_err(|_| no_backup())?;
    match meta.layout {
        Some(layout) if layout > open::LAYOUT => return Err(fault(file, open::newer(layout))),
        Some(_) => {}
        None => return Err(no_backup()),
    }
    let (path, journal) = (dir.join(DATABASE), dir.join(JOURNAL));
    let mut kept = None;
    if path.exists() {
        let mut aside = beside(&path, "before-restore");
        let mut number = 1;
        while aside.exists() {
            number += 1;
            aside = beside(&path, &format!("before-restore-{number}"));
        }
        std::fs::rename(&path, &aside).map_err(io(&path))?;
        if journal.exists() {
            std::fs::rename(&journal, beside(&aside, "journal")).map_err(io(&journal))?;
        }
        kept = Some(aside);
    } else if journal.exists() {
        std::fs::rename(&journal, beside(&journal, "before-restore")).map_err(io(&journal))?;
    }
    std::fs::rename(part, &path).map_err(io(&path))?;
    sync_parent(&path)?;
    Ok(kept)
}
