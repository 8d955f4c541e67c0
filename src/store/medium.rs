//! What the store writes to: files, or simulated disks in tests.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;
use rustix::fs::OFlags;

/// A medium that is shared, so that it can be opened anew after a fault.
#[derive(Debug, Clone)]
pub struct Medium(Arc<dyn StorageBackend>);

impl Medium {
    /// Any storage, for instance a simulated disk.
    pub fn new(backend: impl StorageBackend) -> Self {
        Self(Arc::new(backend))
    }
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// The file of the database. Two instances are kept apart by the store's own lock file.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    file: File,
    written: Arc<AtomicU64>,
}

impl DatabaseFile {
    pub(super) fn open(path: &Path, written: &Arc<AtomicU64>) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            file,
            written: Arc::clone(written),
        })
    }
}

impl StorageBackend for DatabaseFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)?;
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The file of the journal: every write is on the disk when it returns. Where the filesystem can,
/// it goes there without the page cache, which writes a third less than `fdatasync` does.
#[derive(Debug)]
pub(super) struct JournalFile {
    plain: File,
    direct: Option<File>,
    written: Arc<AtomicU64>,
}

impl JournalFile {
    pub(super) fn open(path: &Path, written: &Arc<AtomicU64>) -> io::Result<Self> {
        let open = |flags: OFlags| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(flags.bits().cast_signed())
                .open(path)
        };
        Ok(Self {
            plain: open(OFlags::DSYNC)?,
            // Not every filesystem has it.
            direct: open(OFlags::DSYNC | OFlags::DIRECT).ok(),
            written: Arc::clone(written),
        })
    }
}

impl StorageBackend for JournalFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.plain.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.plain.read_exact_at(out, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.plain.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let direct = self.direct.as_ref().map_or(Ok(false), |file| {
            match file.write_all_at(data, offset) {
                Ok(()) => Ok(true),
                // The filesystem wants another alignment: by way of the page cache, then.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(false),
                Err(error) => Err(error),
            }
        })?;
        if !direct {
            self.plain.write_all_at(data, offset)?;
        }
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
