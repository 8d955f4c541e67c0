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
    for process in fs::read_dir(proc).ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name
            .to_str()
            .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|target| {
                sockets
                    .iter()
                    .any(|socket| target.as_os_str() == socket.as_str())
            })
        });
        if holds {
            let program = fs::read(process.path().join("comm")).unwrap_or_default();
            return Some(format!(
                "{} (pid {pid})",
                String::from_utf8_lossy(&program).trim()
            ));
        }
    }
    None
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
}
