use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::message::Record;
use crate::host::open;

/// So many records are read at one sample: a flood must cost nothing.
pub(super) const MOST: usize = 2_000;
/// One record of the kernel's has at most 8 KiB, and is given whole or not at all.
const PIECE: usize = 16 << 10;

/// The kernel's log from its beginning, as far as the kernel still has it.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    /// The start of a line that is not read to its end.
    rest: Vec<u8>,
    /// The number of the next record.
    next: Option<u64>,
    /// Records that nobody has read.
    lost: u64,
    /// Whether the end was reached once: from then on records are new.
    caught_up: bool,
}

impl Log {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            rest: Vec::new(),
            next: None,
            lost: 0,
            caught_up: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Records that were written faster than they were read.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Hands every record since the last time to `take`, and whether it is new, rather than from
    /// before this program began.
    pub(super) fn read(&mut self, mut take: impl FnMut(&Record<'_>, bool)) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        let mut piece = vec![0; PIECE];
        let mut count = 0;
        while count < MOST {
            match file.read(&mut piece) {
                Ok(0) => {
                    self.caught_up = true;
                    break;
                }
                Ok(length) => {
                    self.rest.extend(piece.iter().take(length));
                    count += self.lines(&mut take);
                }
                // It was overwritten before it was read; the next one follows.
                Err(error) if is(&error, Errno::PIPE) => count += 1,
                Err(error) if is(&error, Errno::AGAIN) => {
                    self.caught_up = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if count >= MOST && self.caught_up {
            // A flood: what is left of it is counted by its numbers.
            file.seek(SeekFrom::End(0))?;
            self.rest.clear();
        }
        self.file = Some(file);
        Ok(())
    }

    /// Takes the whole lines out of what was read.
    fn lines(&mut self, take: &mut impl FnMut(&Record<'_>, bool)) -> usize {
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            if self.rest.len() > PIECE {
                self.rest.clear(); // No log has such lines.
            }
            return 0;
        };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        let text = String::from_utf8_lossy(&lines);
        let mut count = 0;
        for record in text.lines().filter_map(Record::parse) {
            count += 1;
            let expected = self.next.replace(record.number + 1);
            let skipped = expected.and_then(|expected| record.number.checked_sub(expected));
            self.lost += skipped.unwrap_or(0);
            take(&record, self.caught_up);
        }
        count
    }
}

fn is(error: &io::Error, code: Errno) -> bool {
    error.raw_os_error() == Some(code.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn numbers(log: &mut Log) -> Vec<(u64, bool)> {
        let mut seen = Vec::new();
        log.read(|record, new| seen.push((record.number, new)))
            .unwrap();
        seen
    }

    #[test]
    fn every_record_is_read_once_and_half_a_line_waits_for_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kmsg");
        let mut log = Log::new(path.clone());
        assert!(log.read(|_, _| ()).is_err());
        std::fs::write(&path, "6,1,10,-;one\n SUBSYSTEM=x\n6,2,11,-;tw").unwrap();
        assert_eq!(numbers(&mut log), [(1, false)]);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"o\n6,5,12,-;five\n").unwrap();
        assert_eq!(numbers(&mut log), [(2, true), (5, true)]);
        assert_eq!(log.lost(), 2);
        assert_eq!(numbers(&mut log), []);
        file.write_all(&vec![b'x'; 3 * PIECE]).unwrap();
        assert_eq!(numbers(&mut log), []);
        file.write_all(b"\n6,6,13,-;six\n").unwrap();
        assert_eq!(numbers(&mut log), [(6, true)]);
        assert_eq!(log.path(), path);
    }

    #[test]
    fn what_was_before_is_read_in_steps_and_a_flood_is_counted_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kmsg");
        let flood = |from: u64, count: u64| {
            let lines =
                (from..from + count).map(|number| format!("6,{number},1,-;{}\n", "x".repeat(40)));
            lines.collect::<String>()
        };
        std::fs::write(&path, flood(0, 5_000)).unwrap();
        let mut log = Log::new(path.clone());
        let mut all = 0;
        for _ in 0..4 {
            all += numbers(&mut log).len();
        }
        assert_eq!((all, log.lost()), (5_000, 0));
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(flood(5_000, 9_000).as_bytes()).unwrap();
        let seen = numbers(&mut log);
        assert!(seen.len() < MOST + 400, "{}", seen.len());
        assert_eq!(numbers(&mut log), []);
        file.write_all(flood(14_000, 1).as_bytes()).unwrap();
        assert_eq!(numbers(&mut log), [(14_000, true)]);
        assert_eq!(log.lost(), 9_000 - u64::try_from(seen.len()).unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let mut log = Log::new("/proc/self/mem".into());
        assert!(log.read(|_, _| ()).is_err());
    }
}
