use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// How outside programs are run.
#[derive(Debug, Clone)]
pub enum Exec {
    /// As children, with a time-out; killed when it passes.
    Real,
    /// Answers are files in this folder: `<program>[ <arguments>]` with `/` as `_`, its first
    /// line the exit code. For captured machines.
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
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C")
        .kill_on_drop(true)
        .spawn()
        .map_err(io)?;
    match tokio::time::timeout(limit, child.wait_with_output()).await {
        Ok(Ok(mut output)) => {
            output.stdout.truncate(4 << 20);
            output.stderr.truncate(4 << 20);
            Ok(Output {
                code: output.status.code(),
                stdout: output.stdout,
                stderr: output.stderr,
            })
        }
        Ok(Err(cause)) => Err(io(cause)),
        Err(_) => Err(ExecError::TimeOut {
            program: program.to_owned(),
            limit,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(exec: &Exec, argv: &[&str], limit: Duration) -> Result<Output, ExecError> {
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        exec.run(&argv, limit).await
    }

    #[tokio::test]
    async fn a_program_gives_its_output_and_code() {
        let long = Duration::from_mins(1);
        let argv = ["sh", "-c", "echo out; echo err >&2; exit 3"];
        let output = run(&Exec::Real, &argv, long).await.unwrap();
        assert_eq!(output.code, Some(3));
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
    }

    #[tokio::test]
    async fn one_that_is_absent_hangs_or_cannot_be_started_is_told() {
        let long = Duration::from_mins(1);
        let absent = run(&Exec::Real, &["/absent/program"], long).await;
        assert!(matches!(absent, Err(ExecError::Absent(_))), "{absent:?}");
        let empty = run(&Exec::Real, &[], long).await;
        assert!(matches!(empty, Err(ExecError::Absent(_))), "{empty:?}");
        let folder = run(&Exec::Real, &["/"], long).await;
        assert!(matches!(folder, Err(ExecError::Io { .. })), "{folder:?}");
        let hangs = run(&Exec::Real, &["sleep", "600"], Duration::from_millis(10)).await;
        assert!(matches!(hangs, Err(ExecError::TimeOut { .. })), "{hangs:?}");
    }

    #[tokio::test]
    async fn a_replayed_program_gives_what_was_recorded() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("smartctl -a _dev_sda"), "4\n{}\n").unwrap();
        let exec = Exec::Replay(dir.path().to_owned());
        let long = Duration::from_mins(1);
        let output = run(&exec, &["smartctl", "-a", "/dev/sda"], long)
            .await
            .unwrap();
        assert_eq!((output.code, output.stdout), (Some(4), b"{}\n".to_vec()));
        let other = run(&exec, &["smartctl", "-a", "/dev/sdb"], long).await;
        assert!(matches!(other, Err(ExecError::Absent(_))), "{other:?}");
    }
}
