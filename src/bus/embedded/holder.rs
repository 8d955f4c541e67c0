//! Which program holds a port, for an error message that helps.

use std::fs;
use std::path::Path;

/// The program that listens on `port`, as `name (pid 123)`. `None` if that cannot be found out:
/// another user's process is not visible without root.
pub(crate) fn of_port(proc: &Path, port: u16) -> Option<String> {
    let sockets: Vec<String> = ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|table| fs::read(proc.join(table)).ok())
        .flat_map(|table| listening(&String::from_utf8_lossy(&table), port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    // A program that is just starting another has for a moment a child with the same files: the
    // one that ran first is meant.
    let holder = fs::read_dir(proc)
        .ok()?
        .flatten()
        .map(|process| process.path())
        .filter(|process| holds(process, &sockets))
        .min_by_key(|process| started(process))?;
    let pid = holder.file_name()?.to_str()?;
    let program = fs::read(holder.join("comm")).unwrap_or_default();
    let program = String::from_utf8_lossy(&program);
    Some(format!("{} (pid {pid})", program.trim()))
}

/// Whether the process of this folder has one of the sockets open.
fn holds(process: &Path, sockets: &[String]) -> bool {
    let name = process.file_name().and_then(|name| name.to_str());
    if !name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    let files = fs::read_dir(process.join("fd")).into_iter().flatten();
    files.flatten().any(|file| {
        fs::read_link(file.path()).is_ok_and(|target| {
            sockets
                .iter()
                .any(|socket| target.as_os_str() == socket.as_str())
        })
    })
}

/// When a process was started, in the kernel's ticks since boot: the 22nd field of its `stat`, of
/// which the second, its name in brackets, may hold anything. Last of all if it is gone meanwhile.
fn started(process: &Path) -> u64 {
    let stat = fs::read(process.join("stat")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit_once(')')
        .and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19)?.parse().ok())
        .unwrap_or(u64::MAX)
}

/// The inodes of the sockets that listen on `port`, from a table such as `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let inode = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next()?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        (local.ends_with(&suffix) && state == "0A").then(|| inode.to_owned())
    };
    table.lines().filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_listener_is_found_and_a_free_port_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = of_port(Path::new("/proc"), port).unwrap();
        assert!(
            holder.ends_with(&format!("(pid {})", std::process::id())),
            "{holder}"
        );
        drop(listener);
        assert_eq!(of_port(Path::new("/proc"), port), None);
        assert_eq!(of_port(Path::new("/nowhere"), port), None);
    }

    /// A child that is just being made has its parent's files, whatever its number.
    #[test]
    fn the_program_is_told_and_not_a_child_that_it_is_starting() {
        let proc = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = proc.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "net/tcp",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \x20  0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n",
        );
        for (pid, start) in [("31", 900), ("7", 905), ("500", 100)] {
            let zeros = "0 ".repeat(18);
            put(&format!("{pid}/comm"), "mosquitto\n");
            put(
                &format!("{pid}/stat"),
                &format!("{pid} (a ) b) S {zeros}{start} 0\n"),
            );
            fs::create_dir_all(proc.path().join(pid).join("fd")).unwrap();
            if pid != "500" {
                let file = proc.path().join(pid).join("fd/3");
                std::os::unix::fs::symlink("socket:[4711]", file).unwrap();
            }
        }
        let holder = of_port(proc.path(), 1883);
        assert_eq!(holder.as_deref(), Some("mosquitto (pid 31)"));
    }
}
