//! Docker's HTTP interface on its socket, which Podman speaks too (Docker Engine API 1.24 and later;
//! `/containers/json` and `/containers/<id>/json` have looked the same since).

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::collect::frame;

/// An engine has so long for all that it is asked at one sample; one that needs longer is busy.
pub(super) const PATIENCE: Duration = frame::PATIENCE.saturating_sub(Duration::from_secs(1));
/// Longer answers make no sense, bytes.
const LONGEST: usize = 8 << 20;

/// A container of the list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "Id")]
    pub(super) id: String,
    #[serde(rename = "Names", default)]
    names: Vec<String>,
    #[serde(rename = "Image", default)]
    pub(super) image: String,
    #[serde(rename = "State", default)]
    pub(super) state: String,
    #[serde(rename = "Status", default)]
    status: String,
}

impl Listed {
    /// What people call it.
    pub(super) fn name(&self) -> &str {
        let name = self.names.first().map(|name| name.trim_start_matches('/'));
        let id = self.id.get(..12).unwrap_or(&self.id);
        name.filter(|name| !name.is_empty()).unwrap_or(id)
    }

    /// What its health check says; `None` without one.
    pub(super) fn health(&self) -> Option<&'static str> {
        let words = [
            ("(healthy)", "healthy"),
            ("(unhealthy)", "unhealthy"),
            ("(health: starting)", "starting"),
            ("(starting)", "starting"),
        ];
        let found = words.iter().find(|(end, _)| self.status.ends_with(end));
        found.map(|(_, word)| *word)
    }
}

/// What is asked of one container.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Inspected {
    #[serde(rename = "RestartCount", default)]
    pub(super) restarts: u32,
    #[serde(rename = "State", default)]
    pub(super) state: InspectedState,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct InspectedState {
    #[serde(rename = "ExitCode", default)]
    pub(super) exit_code: i64,
    #[serde(rename = "OOMKilled", default)]
    pub(super) oom_killed: bool,
    #[serde(rename = "Health", default)]
    health: Option<InspectedHealth>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct InspectedHealth {
    #[serde(rename = "Status", default)]
    status: String,
}

impl InspectedState {
    /// What its health check says, as Podman has it here only; `None` without one.
    pub(super) fn health(&self) -> Option<&'static str> {
        let said = &self.health.as_ref()?.status;
        let words = ["healthy", "unhealthy", "starting"];
        words.into_iter().find(|word| word == said)
    }
}

/// Every container, also those that do not run.
pub(super) fn list(socket: &Path, until: Instant) -> io::Result<Vec<Listed>> {
    get(socket, until, "/containers/json?all=1")
}

/// More about one.
pub(super) fn inspect(socket: &Path, until: Instant, id: &str) -> io::Result<Inspected> {
    get(socket, until, &format!("/containers/{id}/json"))
}

/// Asked as HTTP/1.0: the answer is then in one piece and ends with the connection.
/// However slowly it comes, nobody waits for it longer than `until`.
fn get<T: DeserializeOwned>(socket: &Path, until: Instant, path: &str) -> io::Result<T> {
    let left = || {
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero())
            .then_some(left)
            .ok_or(io::ErrorKind::TimedOut)
    };
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(left()?))?;
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 16_384];
    while answer.len() < LONGEST {
        stream.set_read_timeout(Some(left()?))?;
        let count = stream.read(&mut piece)?;
        if count == 0 {
            break;
        }
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    let body = body(&answer).map_err(|text| io::Error::new(io::ErrorKind::InvalidData, text))?;
    serde_json::from_slice(body).map_err(io::Error::from)
}

/// The body of an answer that says 200.
fn body(answer: &[u8]) -> Result<&[u8], String> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| "the answer is no HTTP".to_owned())?;
    let (head, rest) = answer.split_at(end);
    let head = String::from_utf8_lossy(head);
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        let line = head.lines().next().unwrap_or_default();
        return Err(format!("the engine says \"{line}\""));
    }
    Ok(rest.get(4..).unwrap_or_default())
}
