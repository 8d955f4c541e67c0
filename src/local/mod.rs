//! The local door: a Unix socket in the store's folder through which the command line talks to
//! the running service, whatever the REST bridge is set to. Only the user that runs the service
//! (and root) can open it, so it needs no token.
//!
//! One request a connection: a line of JSON ([`Request`]) goes in, a line of JSON comes back,
//! `{"ok":true,…}` or `{"ok":false,"error":"…"}`; after that of an export or a report the text itself follows
//! until the end of the connection.

mod client;
mod serve;
mod status;

#[cfg(test)]
mod tests;

pub use client::{LocalError, ask, calibrate, export, find, report};
pub use serve::{Door, serve};
pub use status::{PartLine, Status, SubjectLine};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{Timestamp, glob};
use crate::power::Wish;
use crate::report::Format;
use crate::store::ExportFormat;

/// The socket's file in the store's folder.
pub const SOCKET: &str = "homewatch.sock";
/// Where the store of a simulated home is, below `data_dir`: its figures must not get among
/// those of the real machine.
pub const SIMULATED: &str = "simulated";
/// The longest request, bytes.
const MAX_REQUEST: u64 = 64 << 10;

/// What the command line asks of the running service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Nothing: whether somebody is there.
    Ping,
    /// The service's state on one screen.
    Status,
    /// Copies the store.
    Backup {
        /// Where to; an absolute path of a file that does not exist.
        file: PathBuf,
    },
    /// Begins a guided calibration of the power model; its news follow the answer, a line each.
    Calibrate(Wish),
    /// Writes the history out.
    Export(Export),
    /// Makes a report.
    Report(ReportRequest),
}

/// Which report is made, and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// What it is about.
    pub name: String,
    /// The period's words.
    pub period: String,
    /// Which node it is about; this one without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How it is shown.
    pub format: Format,
}

/// What of the history is written out, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// As what.
    pub format: ExportFormat,
    /// From then on.
    pub from: Timestamp,
    /// Until then.
    pub to: Timestamp,
    /// Patterns of series or of subjects (`*` stands for anything but a slash); none means all.
    pub series: Vec<String>,
}

impl Export {
    /// Whether the series `id` is wanted.
    pub fn wants(&self, id: &str) -> bool {
        let subject = id.rsplit_once('/').map_or(id, |(subject, _)| subject);
        let fits = |pattern: &String| glob(pattern, id) || glob(pattern, subject);
        self.series.is_empty() || self.series.iter().any(fits)
    }
}

/// The line that answers a request.
#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

impl Reply {
    const fn done(status: Option<Status>) -> Self {
        Self {
            ok: true,
            error: None,
            status,
        }
    }

    fn failed(error: &impl ToString) -> Self {
        Self {
            ok: false,
            error: Some(error.to_string()),
            status: None,
        }
    }
}
