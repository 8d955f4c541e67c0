use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{KeptFile, kept};

/// Where the watched machine's `/proc`, `/sys` and `/` are mounted here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "the third of host.proc, host.sys and host.root"
)]
pub struct Root {
    proc: PathBuf,
    sys: PathBuf,
    root: PathBuf,
}

impl Default for Root {
    fn default() -> Self {
        Self::new("/proc".into(), "/sys".into(), "/".into())
    }
}

impl Root {
    /// The three roots.
    pub const fn new(proc: PathBuf, sys: PathBuf, root: PathBuf) -> Self {
        Self { proc, sys, root }
    }

    /// A path below `/proc`.
    pub fn proc(&self, path: &str) -> PathBuf {
        self.proc.join(path)
    }

    /// A path below `/sys`.
    pub fn sys(&self, path: &str) -> PathBuf {
        self.sys.join(path)
    }

    /// An absolute path of the watched machine, as it is reached from here.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The id of the running boot: empty if it is not known.
    pub fn boot(&self) -> String {
        Self::read_trimmed(&self.proc("sys/kernel/random/boot_id")).unwrap_or_default()
    }

    /// Whether these are this machine's own roots.
    pub fn is_own(&self) -> bool {
        *self == Self::default()
    }

    /// A file below `/proc` that is read at every tick.
    pub fn keep_proc(&self, path: &str) -> KeptFile {
        KeptFile::new(self.proc(path))
    }

    /// A file below `/sys` that is read at every tick.
    pub fn keep_sys(&self, path: &str) -> KeptFile {
        KeptFile::new(self.sys(path))
    }

    /// Reads a small file once, its first 4 MiB, without waiting for it; bytes that are no UTF-8
    /// are replaced.
    pub fn read(path: &Path) -> io::Result<String> {
        let mut bytes = Vec::new();
        let file = kept::open(path)?;
        file.take(kept::MAX_LEN as u64).read_to_end(&mut bytes)?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// Reads a small file once and trims it; `None` if it cannot be read or is empty.
    pub fn read_trimmed(path: &Path) -> Option<String> {
        let text = Self::read(path).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}
