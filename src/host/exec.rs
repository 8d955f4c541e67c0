use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Of each stream of a program so many bytes are kept.
const MAX_OUTPUT: u64 = 4 << 20;
/// What a program has left running may hold its outputs open: they are read for so long after its end.
const AFTER: Duration = Duration::from_secs(1);

/// How outside programs are run.
#[derive(Debug, Clone)]
pub enum Exec {
    /// As children, with a time-out; killed with all they have started when it passes.
    Real,
    /// Answers are files in this folder: `<program>[ <arguments>]` with `/` as `_`, its first
    /// line the exit code; a longer name is cut at 250 bytes. For captured machines.
    Replay(PathBuf),
}

/// What a program printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output, cut at 4 MiB.
    pub stdout: Vec<u8>,
    /// Standard error, cut at 4 MiB.
    pub stderr: Vec<u8>,
}

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// There is no such program here.
    #[error("{0}: not found")]
    Absent(String),
    /// It did not end in time and was killed.
    #[error("{program}: no answer within {limit:?}")]
    TimeOut {
        /// The program.
        program: String,
        /// The time it was given.
        limit: Duration,
        /// What may be left of it.
        left: Option<Remnant>,
    },
    /// It could not be started or read.
    #[error("{program}: {cause}")]
    Io {
        /// The program.
        program: String,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// What may be left of a program that was killed: who waits for a device in the kernel ends only when
/// that answers, which may be never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remnant(Pid);

impl Remnant {
    /// That of the processes of this group.
    pub const fn of(group: Pid) -> Self {
        Self(group)
    }

    /// Whether any of it is still there. Its number may be another's later: whoever has once been told
    /// that it is gone does not ask again.
    pub fn is_there(&self) -> bool {
        test_kill_process_group(self.0) != Err(rustix::io::Errno::SRCH)
    }
}

impl Exec {
    /// Runs `argv` for at most `limit`.
    pub async fn run(&self, argv: &[String], limit: Duration) -> Result<Output, ExecError> {
        let Some((program, arguments)) = argv.split_first() else {
            return Err(ExecError::Absent("an empty command".to_owned()));
        };
        match self {
            Self::Real => real(program, arguments, limit).await,
            Self::Replay(dir) => {
                let name = argv.join(" ").replace('/', "_");
                let name: String = name.chars().take(250).collect();
                let bytes = std::fs::read(dir.join(&name)).map_err(|_| ExecError::Absent(name))?;
                let split = bytes
                    .iter()
                    .position(|&b| b == b'\n')
                    .unwrap_or(bytes.len());
                let (head, rest) = bytes.split_at(split);
                let code = std::str::from_utf8(head)
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                let stdout = rest.get(1..).unwrap_or_default().to_vec();
                Ok(Output {
                    code,
                    stdout,
                    stderr: Vec::new(),
                })
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts programs"
)]
async fn real(program: &str, arguments: &[String], limit: Duration) -> Result<Output, ExecError> {
    let io = |cause: std::io::Error| {
        let program = program.to_owned();
        if cause.kind() == std::io::ErrorKind::NotFound {
            ExecError::Absent(program)
        } else {
            ExecError::Io { program, cause }
        }
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C")
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(io)?;
    let mut group = Group::of(&child);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let ended = {
        let said =
            async { tokio::try_join!(head(out, &mut stdout), head(err, &mut stderr)).map(drop) };
        let whole = async {
            tokio::pin!(said);
            let status = tokio::select! {
                said = &mut said => {
                    said?;
                    return child.wait().await;
                }
                status = child.wait() => status?,
            };
            tokio::time::timeout(AFTER, said).await.unwrap_or(Ok(()))?;
            Ok(status)
        };
        tokio::time::timeout(limit, whole).await
    };
    match ended {
        Ok(Ok(status)) => {
            // What it has left running on purpose is none of ours.
            group.leader = None;
            Ok(Output {
                code: status.code(),
                stdout,
                stderr,
            })
        }
        Ok(Err(cause)) => Err(io(cause)),
        Err(_) => Err(ExecError::TimeOut {
            program: program.to_owned(),
            limit,
            left: group.leader.map(Remnant::of),
        }),
    }
}

/// A program and what it has started, ended together if nobody waits for the program any more.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            leader: id.and_then(Pid::from_raw),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.leader.map(|one| kill_process_group(one, Signal::KILL))
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!("a program cannot be ended: {error}");
        }
    }
}

/// The first [`MAX_OUTPUT`] bytes; the rest is read as well, so that the program can end.
async fn head(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) -> std::io::Result<()> {
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(MAX_OUTPUT).read_to_end(kept).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn a_program_tells_its_output_and_its_end() {
        let script = sh("echo out; echo err >&2; exit 3");
        let output = Exec::Real.run(&script, LIMIT).await.unwrap();
        assert_eq!(output.code, Some(3));
        assert_eq!(
            (&*output.stdout, &*output.stderr),
            (&b"out\n"[..], &b"err\n"[..])
        );
        let killed = Exec::Real.run(&sh("kill -9 $$"), LIMIT).await.unwrap();
        assert_eq!(killed.code, None);
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_and_one_that_floods_is_cut() {
        let short = Duration::from_millis(50);
        let hangs = Exec::Real.run(&sh("sleep 600"), short).await.unwrap_err();
        let ExecError::TimeOut { left, .. } = &hangs else {
            panic!("{hangs}")
        };
        let left = left.unwrap();
        let ended = async {
            while left.is_there() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, ended).await.unwrap();
        assert!(Remnant::of(rustix::process::getpgrp()).is_there());
        assert!(hangs.to_string().starts_with("sh: no answer within"));
        let script = sh("head -c 9000000 /dev/zero");
        let floods = Exec::Real.run(&script, LIMIT).await.unwrap();
        assert_eq!((floods.code, floods.stdout.len()), (Some(0), 4 << 20));
    }

    #[tokio::test]
    async fn what_a_program_that_hangs_has_started_is_ended_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! >{}; wait", file.display());
        let text = |path: &std::path::Path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).trim().to_owned()
        };
        let mut limit = Duration::from_millis(100);
        // A busy machine may not come so far at once.
        while text(&file).is_empty() {
            let end = Exec::Real.run(&sh(&script), limit).await.unwrap_err();
            assert!(matches!(end, ExecError::TimeOut { .. }), "{end}");
            limit *= 2;
        }
        let stat = PathBuf::from(format!("/proc/{}/stat", text(&file)));
        let lives = || {
            let stat = text(&stat);
            !stat.is_empty() && !stat.contains(") Z") && !stat.contains(") X")
        };
        let ended = async {
            while lives() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, ended).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_program_leaves_running_is_not_waited_for() {
        let script = sh("sleep 600 & echo $!");
        let output = Exec::Real.run(&script, LIMIT).await.unwrap();
        assert_eq!(output.code, Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        let pid = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn what_is_not_there_or_cannot_be_run_is_told() {
        let run = async |argv: &[&str]| {
            let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
            Exec::Real.run(&argv, LIMIT).await.unwrap_err().to_string()
        };
        assert_eq!(
            run(&["homewatch-no-such-program"]).await,
            "homewatch-no-such-program: not found"
        );
        assert!(run(&["/proc/version"]).await.starts_with("/proc/version: "));
        assert_eq!(run(&[]).await, "an empty command: not found");
    }

    #[tokio::test]
    async fn a_captured_machine_answers_from_its_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("smartctl -a _dev_sda"), "4\n{}\n").unwrap();
        std::fs::write(dir.path().join("odd"), "no number").unwrap();
        let exec = Exec::Replay(dir.path().to_owned());
        let argv = ["smartctl", "-a", "/dev/sda"].map(str::to_owned);
        let output = exec.run(&argv, LIMIT).await.unwrap();
        assert_eq!((output.code, &*output.stdout), (Some(4), &b"{}\n"[..]));
        let odd = exec.run(&["odd".to_owned()], LIMIT).await.unwrap();
        assert_eq!((odd.code, odd.stdout.len()), (None, 0));
        let absent = exec.run(&["zpool".to_owned()], LIMIT).await.unwrap_err();
        assert!(matches!(absent, ExecError::Absent(_)));
    }
}
