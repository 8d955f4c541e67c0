//! Opening the store: one instance, this layout, and clear words when it cannot be.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use redb::{Database, DatabaseError, StorageBackend as _, TableDefinition};

use crate::config::HistoryConfig;

use super::database::Db;
use super::history::History;
use super::journal::{Header, Journal};
use super::medium::{DatabaseFile, JournalFile, Medium};
use super::series::Registry;
use super::{Inner, Store, StoreError};

/// The version of the layout that this program reads and writes.
pub(super) const LAYOUT: u16 = 1;
/// 5 MiB: three hours of a slot every ten seconds, and room.
const SLOTS: u64 = 1_280;
/// Bytes of the database that are held in memory.
const CACHE: usize = 1 << 20;

pub(super) const META: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("history_meta");

/// The database's file in `data_dir`.
pub(super) const DATABASE: &str = "homewatch.redb";
/// The journal's file in `data_dir`.
pub(super) const JOURNAL: &str = "journal";
/// Bytes of the magic number that a file of redb begins with.
const MAGIC: usize = 9;
const LOCK: &str = "homewatch.lock";

/// What belongs to a store in files; a store over other media has none of it.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The database.
    pub(super) database: Option<PathBuf>,
    /// Bytes handed to the system since the start.
    pub(super) written: Arc<AtomicU64>,
    #[expect(dead_code, reason = "held, not read: it keeps other processes out")]
    lock: Option<File>,
}

impl Store {
    /// Whether there is a store in `dir`.
    pub fn exists(dir: &Path) -> bool {
        dir.join(DATABASE).exists()
    }

    /// Opens (or makes) the store in `dir` with the default settings of the history.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, &HistoryConfig::default())
    }

    /// Opens (or makes) the store in `dir`. On an error every file is left as it was.
    pub fn open_with(dir: &Path, config: &HistoryConfig) -> Result<Self, StoreError> {
        // redb panics over some damages of its pages.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_files(dir, config)));
        opened.unwrap_or_else(|_| {
            Err(StoreError::Open {
                path: dir.join(DATABASE),
                text: damaged("its pages contradict each other"),
            })
        })
    }

    fn open_files(dir: &Path, config: &HistoryConfig) -> Result<Self, StoreError> {
        let lock = lock(dir)?;
        let path = dir.join(DATABASE);
        let journal_path = dir.join(JOURNAL);
        let written = Arc::new(AtomicU64::new(0));
        let fault = |path: &Path, text: String| StoreError::Open {
            path: path.to_owned(),
            text,
        };
        let journal = JournalFile::open(&journal_path, &written)
            .map_err(|error| fault(&journal_path, cause(&error)))?;
        let mut journal = Medium::new(journal);
        let broken = |error: io::Error| fault(&journal_path, cause(&error));
        match Journal::header(&journal).map_err(broken)? {
            Header::Known { layout, .. } if layout > LAYOUT => {
                return Err(fault(&path, newer(layout)));
            }
            Header::Known { .. } => {}
            // The database is made before the journal gets its header.
            Header::New => {
                set_unborn_aside(&path).map_err(|error| fault(&path, cause(&error)))?;
            }
            Header::Broken => {
                journal =
                    set_aside(&journal_path, &written, "its header is damaged").map_err(broken)?;
            }
        }
        let opener = {
            let (path, written) = (path.clone(), Arc::clone(&written));
            move || {
                let file = DatabaseFile::open(&path, &written)
                    .map_err(|error| DatabaseError::Storage(error.into()))?;
                builder().create_with_backend(file)
            }
        };
        let is_new = std::fs::metadata(&path).map_or(true, |file| file.len() == 0);
        let db = Db::new(Box::new(opener)).map_err(|error| {
            if is_new {
                // Half a database would be taken for a damaged one next time; if it cannot be
                // removed, that is what is told then.
                drop(std::fs::remove_file(&path));
            }
            fault(&path, describe(&error))
        })?;
        let meta = Meta::read(&db).map_err(|error| fault(&path, damaged(&error.to_string())))?;
        if let Some(layout) = meta.layout.filter(|layout| *layout > LAYOUT) {
            return Err(fault(&path, newer(layout)));
        }
        if let Header::Known { generation, .. } = Journal::header(&journal).map_err(broken)?
            && meta.generation != Some(generation)
        {
            journal = set_aside(&journal_path, &written, "it belongs to another store")
                .map_err(broken)?;
        }
        let files = Files {
            database: Some(path.clone()),
            written,
            lock: Some(lock),
        };
        Self::assemble(db, &meta, journal, config, files).map_err(|error| match error {
            StoreError::Io(text) => fault(&path, damaged(&text)),
            other @ (StoreError::Open { .. } | StoreError::NoSeries(_)) => other,
        })
    }

    /// Opens (or makes) the store over any media, such as simulated disks, with a journal of
    /// `slots` slots of 4 KiB if it is new. Nothing keeps a second instance out.
    pub fn open_on(
        database: &Medium,
        journal: &Medium,
        slots: u64,
        config: &HistoryConfig,
    ) -> Result<Self, StoreError> {
        let database = database.clone();
        let db = Db::new(Box::new(move || {
            builder().create_with_backend(database.clone())
        }))?;
        let meta = Meta::read(&db)?;
        let files = Files::default();
        Self::assemble_with(db, &meta, journal.clone(), slots, config, files)
    }

    fn assemble(
        db: Db,
        meta: &Meta,
        journal: Medium,
        config: &HistoryConfig,
        files: Files,
    ) -> Result<Self, StoreError> {
        Self::assemble_with(db, meta, journal, SLOTS, config, files)
    }

    fn assemble_with(
        db: Db,
        meta: &Meta,
        medium: Medium,
        slots: u64,
        config: &HistoryConfig,
        files: Files,
    ) -> Result<Self, StoreError> {
        let io = |error: io::Error| StoreError::Io(format!("journal: {error}"));
        let generation = if let Some(generation) = meta.generation {
            generation
        } else {
            let generation = getrandom::u64().map_err(|error| StoreError::Io(error.to_string()))?;
            Meta::write_new(&db, generation)?;
            generation
        };
        let mut registry = Registry::read(&db, &meta.last)?;
        // A cut while the journal was being made leaves one that has no header yet.
        let usable = matches!(
            Journal::header(&medium).map_err(io)?,
            Header::Known { generation: own, .. } if own == generation
        );
        let history = if usable {
            History::open(medium, generation, meta.folded, config, &mut registry).map_err(io)?
        } else {
            let journal = Journal::create(medium, slots, LAYOUT, generation, meta.folded);
            History::new(journal.map_err(io)?, config)
        };
        Ok(Self {
            inner: Arc::new(Inner {
                db,
                history: Mutex::new(history.with_registry(registry)),
                files,
            }),
        })
    }
}

/// Sets a database aside that a power cut or a kill caught while it was being made: the magic
/// number at its beginning is written last of all, so nothing was ever in it.
fn set_unborn_aside(path: &Path) -> io::Result<()> {
    let mut head = [0; MAGIC];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    if read.is_ok() && head == [0; MAGIC] {
        let aside = path.with_extension("redb.unfinished");
        tracing::warn!(
            path = %path.display(), kept_as = %aside.display(),
            "the store was never finished; it is made anew"
        );
        std::fs::rename(path, aside)?;
    }
    Ok(())
}

pub(super) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

/// What the database says of the history.
#[derive(Debug, Default)]
pub(super) struct Meta {
    pub(super) layout: Option<u16>,
    generation: Option<u64>,
    folded: u64,
    last: Vec<u8>,
}

impl Meta {
    pub(super) fn read(db: &Db) -> Result<Self, StoreError> {
        let transaction = db.begin_read()?;
        let table = match transaction.open_table(META) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let number = |key: &str| -> Result<Option<u64>, StoreError> {
            let value = table.get(key)?;
            Ok(value.and_then(|value| Some(u64::from_le_bytes(value.value().try_into().ok()?))))
        };
        Ok(Self {
            layout: number("layout")?.map(|layout| u16::try_from(layout).unwrap_or(u16::MAX)),
            generation: number("generation")?,
            folded: number("folded")?.unwrap_or(0),
            last: table
                .get("last")?
                .map(|value| value.value().to_vec())
                .unwrap_or_default(),
        })
    }

    fn write_new(db: &Db, generation: u64) -> Result<(), StoreError> {
        let transaction = db.begin_write()?;
        {
            let mut table = transaction.open_table(META)?;
            let layout = u64::from(LAYOUT).to_le_bytes();
            table.insert("layout", layout.as_slice())?;
            table.insert("generation", generation.to_le_bytes().as_slice())?;
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Makes the folder and takes its lock, or says who has it.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let fault = |path: &Path, error: &io::Error| StoreError::Open {
        path: path.to_owned(),
        text: cause(error),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| fault(dir, &error))?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| fault(dir, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let who = match file.read_to_string(&mut holder) {
                Ok(_) if !holder.trim().is_empty() => format!("process {}", holder.trim()),
                _ => "another process".to_owned(),
            };
            return Err(StoreError::Open {
                path: dir.to_owned(),
                text: format!(
                    "in use by {who}: homewatch is already running on this data_dir. Stop that \
                     one, or give this one a data_dir of its own"
                ),
            });
        }
        Err(TryLockError::Error(error)) => return Err(fault(&path, &error)),
    }
    let note = file
        .set_len(0)
        .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
    // Only for the other instance's message; on a full disk it does without.
    drop(note);
    Ok(file)
}

/// Keeps a journal that cannot be used under another name and begins a new one.
fn set_aside(path: &Path, written: &Arc<AtomicU64>, why: &str) -> io::Result<Medium> {
    let mut aside = path.to_owned();
    let mut number = 0;
    while aside.exists() {
        number += 1;
        aside.set_file_name(format!("{JOURNAL}.set-aside-{number}"));
    }
    std::fs::rename(path, &aside)?;
    tracing::warn!(
        journal = %path.display(), kept_as = %aside.display(),
        "the journal cannot be used: {why}; a new one is begun"
    );
    let medium = Medium::new(JournalFile::open(path, written)?);
    debug_assert_eq!(medium.len().ok(), Some(0));
    Ok(medium)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of some forty kinds two have a remedy"
)]
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
            "cannot be written: {error}. Give the user that runs homewatch this folder (chown), \
             or set data_dir to one that it may write"
        ),
        io::ErrorKind::StorageFull => {
            format!("cannot be written: {error}. Make room on that disk")
        }
        _ => format!("cannot be opened: {error}"),
    }
}

pub(super) fn newer(layout: u16) -> String {
    format!(
        "was written by a newer homewatch (layout {layout}, this one knows {LAYOUT}) and is left \
         untouched. Install the newer version again, or move the store away, or go back to a \
         backup of this version: homewatch restore FILE"
    )
}

fn damaged(text: &str) -> String {
    format!(
        "is damaged ({text}) and is left as it is. Restore a backup: homewatch restore FILE; or \
         move the file away and homewatch begins a new one"
    )
}

fn describe(error: &DatabaseError) -> String {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            "is in use by another process".to_owned()
        }
        DatabaseError::UpgradeRequired(version) => {
            damaged(&format!("its format {version} is not known here"))
        }
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() != io::ErrorKind::InvalidData
                && error.kind() != io::ErrorKind::UnexpectedEof =>
        {
            cause(error)
        }
        DatabaseError::RepairAborted
        | DatabaseError::TransactionInProgress
        | DatabaseError::Storage(_)
        | _ => damaged(&error.to_string()),
    }
}
