use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Root;

/// How large and how full a filesystem is, as `statvfs` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Bytes of one block.
    pub block_size: u64,
    /// All blocks.
    pub blocks: u64,
    /// Blocks that are free.
    pub blocks_free: u64,
    /// Of these, what others than root may use.
    pub blocks_available: u64,
    /// All inodes; 0 where there is no such thing.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
}

/// Where a tree that is no machine's real root tells the space of its filesystems: an object of
/// mount points, each with a [`Space`], or with `null` where the kernel has shut the filesystem down.
pub const SPACES: &str = ".homewatch/statvfs.json";

impl Root {
    /// The space of the filesystem that is mounted at `point`. A captured or simulated tree may
    /// tell it in [`SPACES`]; otherwise the kernel is asked.
    ///
    /// # Errors
    /// The filesystem cannot be reached, or the file does not name it; [`is_shut_down`] tells those apart
    /// that the kernel has shut down.
    pub fn space(&self, point: &Path) -> io::Result<Space> {
        match self.told_spaces()? {
            None => self.asked_space(point),
            Some(spaces) => {
                let key = point.to_str().unwrap_or_default();
                let told = spaces.get(key).copied().ok_or_else(|| {
                    io::Error::new(io::ErrorKind::NotFound, format!("not in {SPACES}"))
                })?;
                told.ok_or_else(|| rustix::io::Errno::IO.into())
            }
        }
    }

    fn told_spaces(&self) -> io::Result<Option<BTreeMap<String, Option<Space>>>> {
        if self.is_own() {
            return Ok(None);
        }
        match Self::read(&self.path(Path::new("/").join(SPACES).as_path())) {
            Ok(text) => Ok(Some(serde_json::from_str(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn asked_space(&self, point: &Path) -> io::Result<Space> {
        let path = self.path(point);
        // XFS still tells its space after it was shut down, but nothing of its files.
        rustix::fs::stat(&path)?;
        let stat = rustix::fs::statvfs(&path)?;
        Ok(Space {
            block_size: stat.f_frsize,
            blocks: stat.f_blocks,
            blocks_free: stat.f_bfree,
            blocks_available: stat.f_bavail,
            inodes: stat.f_files,
            inodes_free: stat.f_ffree,
        })
    }
}

/// Whether a filesystem answers so because the kernel has shut it down: after an error it gives up, and
/// answers everything with an input/output error (XFS, F2FS).
pub fn is_shut_down(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: Option<&str>) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            std::fs::create_dir(dir.path().join(".homewatch")).unwrap();
            std::fs::write(dir.path().join(SPACES), text).unwrap();
        }
        let root = Root::new("/proc".into(), "/sys".into(), dir.path().to_owned());
        (dir, root)
    }

    #[test]
    fn a_captured_tree_tells_the_space_of_its_filesystems() {
        let text = r#"{"/srv":{"block_size":4096,"blocks":10,"blocks_free":4,
            "blocks_available":3,"inodes":8,"inodes_free":2}}"#;
        let (_dir, root) = tree(Some(text));
        let space = root.space(Path::new("/srv")).unwrap();
        assert_eq!((space.block_size, space.blocks_available), (4096, 3));
        let missing = root.space(Path::new("/home")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn without_such_a_file_the_kernel_is_asked() {
        let (_dir, root) = tree(None);
        assert!(root.space(Path::new("/")).unwrap().blocks > 0);
        assert!(root.space(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn a_file_that_makes_no_sense_is_an_error() {
        let (_dir, root) = tree(Some("{"));
        assert!(root.space(Path::new("/")).is_err());
    }
}
