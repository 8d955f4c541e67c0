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
