use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// A pseudo-file that is read at every tick. Its descriptor is kept open between reads, which
/// costs a fifth of opening it each time; on ordinary filesystems (captured trees, where files
/// may be replaced) it is opened at every read.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    file: Option<File>,
}

/// The largest file that is read, bytes: above it something is wrong with the tree.
pub(super) const MAX_LEN: usize = 4 << 20;

impl KeptFile {
    /// Nothing is opened before the first read.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole file into `buffer`, which is cleared first, and returns it as text.
    /// Bytes that are no UTF-8 give an error of kind `InvalidData`.
    pub fn read<'a>(&mut self, buffer: &'a mut Vec<u8>) -> io::Result<&'a str> {
        std::str::from_utf8(self.bytes(buffer)?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The same as it is, for files that need not be text.
    pub fn bytes<'a>(&mut self, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let kept = self.file.take();
        // A device may have gone and come back under the same name: once more, anew.
        if let Some(file) = kept.filter(|file| read_all(file, buffer).is_ok()) {
            self.file = Some(file);
        } else {
            let file = self.open_and_read(buffer)?;
            self.file = Some(file).filter(is_pseudo);
        }
        Ok(buffer)
    }

    fn open_and_read(&self, buffer: &mut Vec<u8>) -> io::Result<File> {
        let file = open(&self.path)?;
        read_all(&file, buffer)?;
        Ok(file)
    }
}

/// Opens a file for reading without ever waiting: a pipe among the files of a tree would keep
/// whoever opens it until somebody writes.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    File::options().read(true).custom_flags(flags).open(path)
}

fn read_all(file: &File, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let mut filled = 0;
    buffer.resize(buffer.capacity().max(4096), 0);
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        match file.read_at(room, filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled == buffer.len() {
            if filled >= MAX_LEN {
                // It would be cleared at every later read.
                *buffer = Vec::new();
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "larger than 4 MiB",
                ));
            }
            buffer.resize(filled * 2, 0);
        }
    }
    buffer.truncate(filled);
    Ok(())
}

/// Whether the file lives in procfs, sysfs or cgroupfs, where a name stays the same file.
fn is_pseudo(file: &File) -> bool {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    const SYSFS_MAGIC: u64 = 0x6265_6572;
    const CGROUP_SUPER_MAGIC: u64 = 0x0027_e0eb;
    const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
    rustix::fs::fstatfs(file).is_ok_and(|stat| {
        let kind = u64::try_from(stat.f_type).unwrap_or(0);
        let pseudo = [
            PROC_SUPER_MAGIC,
            SYSFS_MAGIC,
            CGROUP_SUPER_MAGIC,
            CGROUP2_SUPER_MAGIC,
        ];
        pseudo.contains(&kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType};

    #[test]
    fn a_file_is_read_as_it_is_now_also_when_it_was_replaced_or_has_grown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stat");
        let mut kept = KeptFile::new(path.clone());
        let mut buffer = Vec::new();
        assert!(kept.read(&mut buffer).is_err(), "not there yet");
        std::fs::write(&path, "one").unwrap();
        assert_eq!(kept.read(&mut buffer).unwrap(), "one");
        std::fs::remove_file(&path).unwrap();
        let long = "x".repeat(100_000);
        std::fs::write(&path, &long).unwrap();
        assert_eq!(kept.read(&mut buffer).unwrap(), long);
        std::fs::write(&path, "s").unwrap();
        assert_eq!(kept.read(&mut buffer).unwrap(), "s");
    }

    #[test]
    fn a_pipe_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, mode, 0).unwrap();
        assert!(KeptFile::new(path.clone()).read(&mut Vec::new()).is_err());
        assert_eq!(super::super::Root::read_trimmed(&path), None);
        let writer = File::options().read(true).write(true).open(&path).unwrap();
        assert!(KeptFile::new(path.clone()).read(&mut Vec::new()).is_err());
        assert!(
            super::super::Root::read(&path).is_err(),
            "nothing in it yet"
        );
        drop(writer);
    }

    #[test]
    fn what_is_no_text_or_too_large_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stat");
        let mut kept = KeptFile::new(path.clone());
        for bytes in [vec![0xff, 0xfe], vec![b'x'; MAX_LEN + 1]] {
            std::fs::write(&path, bytes).unwrap();
            let error = kept.read(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
