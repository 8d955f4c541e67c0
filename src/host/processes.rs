use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use tokio::time::Instant;

use super::{KeptFile, Root};

/// Who asks again so soon gets the same answer: all that is collected at one tick sees one list.
const FRESH: Duration = Duration::from_millis(500);
/// So many descriptors are kept open; the files of processes beyond are opened at every look.
const KEPT: usize = 300;
/// After so many looks it is found out anew which processes are threads of the kernel.
const RENEWED: u32 = 60;
/// The kernel's own threads have this flag.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Every process of the machine, read at most once a tick whoever asks. Cheap to clone; clones
/// share what was read.
///
/// The kernel's own threads are left out: there are as many of them as of all others, and they do
/// nothing on their own account.
#[derive(Debug, Clone, Default)]
pub struct Processes(Arc<Mutex<Table>>);

/// One process at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number, which is used again when it has ended.
    pub pid: u32,
    /// When it began, in ticks since the machine did: tells it from others of the same number.
    pub start: u64,
    /// The command, as the kernel knows it (at most 15 bytes); what is no text is replaced.
    pub name: Arc<str>,
    /// The processor time that it has used, in hundredths of a second.
    pub ticks: u64,
    /// The memory that it occupies, in pages.
    pub pages: u64,
    /// The core that it ran on last.
    pub core: Option<u32>,
}

#[derive(Debug, Default)]
struct Table {
    read: Option<(Instant, Arc<Vec<Process>>)>,
    files: HashMap<u32, KeptFile>,
    names: HashMap<u32, Arc<str>>,
    kernel: HashSet<u32>,
    looks: u32,
    buffer: Vec<u8>,
}

impl Processes {
    /// Every process below `root`, by number. Blocks.
    ///
    /// # Errors
    /// The list of processes cannot be read. One that ends while it is read is no error.
    pub fn look(&self, root: &Root) -> io::Result<Arc<Vec<Process>>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((at, list)) = &table.read
            && now < *at + FRESH
        {
            return Ok(Arc::clone(list));
        }
        let list = Arc::new(table.list(root)?);
        table.read = Some((now, Arc::clone(&list)));
        Ok(list)
    }
}

impl Table {
    fn list(&mut self, root: &Root) -> io::Result<Vec<Process>> {
        self.looks += 1;
        if self.looks.is_multiple_of(RENEWED) {
            self.kernel.clear();
        }
        let mut list = Vec::with_capacity(self.names.len() + 8);
        let (mut files, mut names) = (HashMap::new(), HashMap::with_capacity(self.names.len()));
        for entry in fs::read_dir(root.proc(""))?.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if self.kernel.contains(&pid) {
                continue;
            }
            let kept = self.files.remove(&pid);
            let mut file = kept.unwrap_or_else(|| KeptFile::new(entry.path().join("stat")));
            // One that has ended meanwhile is no fault.
            let Ok(text) = file.bytes(&mut self.buffer) else {
                continue;
            };
            let Some(stat) = Stat::parse(text) else {
                continue;
            };
            if stat.flags & KERNEL_THREAD != 0 {
                self.kernel.insert(pid);
                continue;
            }
            let name = match self.names.remove(&pid) {
                Some(known) if known.as_bytes() == stat.name => known,
                Some(_) | None => spelt(stat.name),
            };
            names.insert(pid, Arc::clone(&name));
            list.push(Process {
                pid,
                start: stat.start,
                name,
                ticks: stat.ticks,
                pages: stat.pages,
                core: stat.core,
            });
            if files.len() < KEPT {
                files.insert(pid, file);
            }
        }
        (self.files, self.names) = (files, names);
        list.sort_unstable_by_key(|process| process.pid);
        Ok(list)
    }
}

/// A command's name as text, without what would break a line or a topic's payload.
fn spelt(name: &[u8]) -> Arc<str> {
    let text = String::from_utf8_lossy(name);
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.trim().is_empty() {
        return "?".into();
    }
    text.into()
}

/// What is read of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat<'a> {
    name: &'a [u8],
    flags: u64,
    ticks: u64,
    start: u64,
    pages: u64,
    core: Option<u32>,
}

impl<'a> Stat<'a> {
    /// The name stands in brackets and may hold brackets, blanks and any byte itself, so the last
    /// bracket ends it.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let name = bytes.get(open + 1..close)?;
        let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
        let mut words = rest.split_ascii_whitespace();
        let mut number = |skip| words.nth(skip)?.parse::<u64>().ok();
        let flags = number(6)?;
        let ticks = number(4)?.checked_add(number(0)?)?;
        let start = number(6)?;
        let pages = number(1)?;
        Some(Self {
            name,
            flags,
            ticks,
            start,
            pages,
            core: number(14).and_then(|core| core.try_into().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn put(dir: &Path, pid: u32, name: &[u8], ticks: u64, start: u64, flags: u64) {
        let dir = dir.join(pid.to_string());
        fs::create_dir_all(&dir).unwrap();
        let mut text = format!("{pid} (").into_bytes();
        text.extend(name);
        text.extend(
            format!(
                ") S 1 1 1 0 -1 {flags} 9 9 9 9 {ticks} 5 0 0 20 0 1 0 {start} 5678 91 \
                 0 0 0 0 0 0 0 0 0 0 0 0 0 17 3 0\n"
            )
            .bytes(),
        );
        fs::write(dir.join("stat"), text).unwrap();
    }

    #[test]
    fn a_name_of_brackets_and_blanks_does_not_move_the_columns() {
        let text =
            b"42 (a) (b c) S 1 42 42 0 -1 4194560 9 9 9 9 700 55 0 0 20 0 1 0 1234 5678 91 0";
        let want = Stat {
            name: b"a) (b c",
            flags: 4_194_560,
            ticks: 755,
            start: 1234,
            pages: 91,
            core: None,
        };
        assert_eq!(Stat::parse(text), Some(want));
        for bad in [
            &b""[..],
            b"1 (x",
            b"1 x)",
            b"1 )x(",
            b"1 (x) S 1",
            b"1 (x) S 1 1 1 0 -1 x",
            b"1 (x) S \xff",
            b"1 (x) S 1 1 1 0 -1 0 9 9 9 9 18446744073709551615 5 0 0 20 0 1 0 1 1 1",
        ] {
            assert_eq!(Stat::parse(bad), None, "{bad:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn processes_come_go_and_are_told_by_number_start_and_name() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path().into(), "/".into(), "/".into());
        put(dir.path(), 7, b"caddy", 100, 50, 0);
        put(dir.path(), 2, b"kthreadd", 0, 0, KERNEL_THREAD);
        put(dir.path(), 30, b"b\xff\nd", 4, 60, 0);
        put(dir.path(), 31, b" ", 4, 60, 0);
        fs::create_dir_all(dir.path().join("sys")).unwrap();
        fs::create_dir_all(dir.path().join("99")).unwrap();
        fs::create_dir_all(dir.path().join("98")).unwrap();
        fs::write(dir.path().join("98/stat"), "98 (half").unwrap();
        let processes = Processes::default();
        let told = |list: &[Process]| -> Vec<(u32, String, u64, u64)> {
            let told = list
                .iter()
                .map(|one| (one.pid, one.name.to_string(), one.ticks, one.start));
            told.collect()
        };
        let list = processes.look(&root).unwrap();
        let odd = "b\u{fffd}\u{fffd}d".to_owned();
        let want = [
            (7, "caddy".to_owned(), 105, 50),
            (30, odd, 9, 60),
            (31, "?".to_owned(), 9, 60),
        ];
        assert_eq!(told(&list), want);
        assert_eq!((list[0].pages, list[0].core), (91, Some(3)));
        // Whoever asks in the same tick sees the same.
        put(dir.path(), 7, b"caddy", 900, 50, 0);
        assert!(Arc::ptr_eq(&list, &processes.look(&root).unwrap()));
        tokio::time::advance(Duration::from_secs(10)).await;
        // Another one of the same number, one that has called itself something else, one gone.
        put(dir.path(), 7, b"sh", 1, 800, 0);
        put(dir.path(), 30, b"renamed", 5, 60, 0);
        fs::remove_dir_all(dir.path().join("31")).unwrap();
        let list = processes.look(&root).unwrap();
        let want = [
            (7, "sh".to_owned(), 6, 800),
            (30, "renamed".to_owned(), 10, 60),
        ];
        assert_eq!(told(&list), want);
        // A number that was the kernel's is somebody else's after a while.
        put(dir.path(), 2, b"sh", 1, 900, 0);
        for _ in 0..RENEWED {
            tokio::time::advance(Duration::from_secs(10)).await;
            processes.look(&root).unwrap();
        }
        assert_eq!(processes.look(&root).unwrap().len(), 3);
        let nowhere = Root::new(dir.path().join("nowhere"), "/".into(), "/".into());
        assert!(Processes::default().look(&nowhere).is_err());
    }

    #[test]
    fn more_processes_than_descriptors_are_kept_are_all_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path().into(), "/".into(), "/".into());
        let most = u32::try_from(KEPT).unwrap() + 50;
        for pid in 1..=most {
            put(dir.path(), pid, b"x", 1, 1, 0);
        }
        let processes = Processes::default();
        assert_eq!(processes.look(&root).unwrap().len(), KEPT + 50);
        assert_eq!(processes.0.lock().unwrap().files.len(), KEPT);
    }
}
