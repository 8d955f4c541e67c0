use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::serve::Place;
use super::{Export, Reply, ReportRequest, Request, SIMULATED, Status};
use crate::power::{News, Wish};

/// Why the running service gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No service runs on this store.
    #[error("homewatch does not run here")]
    NotRunning,
    /// It runs as another user.
    #[error("the service runs as another user: ask as that user, or as root")]
    Denied,
    /// It refused or failed.
    #[error("{0}")]
    Failed(String),
    /// The conversation broke off.
    #[error("the service does not answer: {0}")]
    Io(#[from] io::Error),
}

/// How long an answer may take; a backup of a few GB on an SD card does take its time.
const PATIENCE: Duration = Duration::from_mins(30);

/// Asks the service whose store is in `dir`. Blocks.
pub fn ask(dir: &Path, request: &Request) -> Result<Option<Status>, LocalError> {
    Ok(open(dir, request)?.0.status)
}

/// The folder of the store on which a service runs: `data_dir`, else that of a simulated home
/// below it. Blocks.
pub fn find(data_dir: &Path) -> Result<PathBuf, LocalError> {
    let simulated = data_dir.join(SIMULATED);
    match ask(data_dir, &Request::Ping) {
        Ok(_) => Ok(data_dir.to_owned()),
        Err(LocalError::NotRunning) => ask(&simulated, &Request::Ping).map(|_| simulated),
        Err(error) => Err(error),
    }
}

/// Has the service whose store is in `dir` write out its history on `out`. Blocks.
pub fn export(dir: &Path, export: Export, out: &mut dyn Write) -> Result<(), LocalError> {
    let (_, mut rest) = open(dir, &Request::Export(export))?;
    io::copy(&mut rest, out)?;
    out.flush()?;
    Ok(())
}

/// Has the service whose store is in `dir` write a report on `out`. Blocks.
pub fn report(dir: &Path, report: ReportRequest, out: &mut dyn Write) -> Result<(), LocalError> {
    let (_, mut text) = open(dir, &Request::Report(report))?;
    io::copy(&mut text, out)?;
    Ok(())
}

/// Has the service whose store is in `dir` guide a calibration and tells `hear` how it goes, until
/// its end. Blocks.
pub fn calibrate(
    dir: &Path,
    wish: Wish,
    mut hear: impl FnMut(News) -> io::Result<()>,
) -> Result<(), LocalError> {
    let (_, news) = open(dir, &Request::Calibrate(wish))?;
    for line in news.lines() {
        let news = serde_json::from_str(&line?).map_err(io::Error::from)?;
        let is_over = matches!(news, News::Done(_) | News::Stopped { .. });
        hear(news)?;
        if is_over {
            return Ok(());
        }
    }
    Err(LocalError::Failed(
        "the service has ended meanwhile".to_owned(),
    ))
}

fn open(dir: &Path, request: &Request) -> Result<(Reply, impl BufRead + use<>), LocalError> {
    let mut stream = connect(dir)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reader = BufReader::new(stream);
    let mut answer = String::new();
    reader.read_line(&mut answer)?;
    let reply: Reply = serde_json::from_str(&answer).map_err(io::Error::from)?;
    if reply.ok {
        return Ok((reply, reader));
    }
    Err(LocalError::Failed(reply.error.unwrap_or_default()))
}

fn connect(dir: &Path) -> Result<UnixStream, LocalError> {
    let place = Place::open(dir).map_err(absent)?;
    UnixStream::connect(place.socket()).map_err(absent)
}

fn absent(error: io::Error) -> LocalError {
    let is = |kind| error.kind() == kind;
    if is(io::ErrorKind::NotFound) || is(io::ErrorKind::ConnectionRefused) {
        LocalError::NotRunning
    } else if is(io::ErrorKind::PermissionDenied) {
        LocalError::Denied
    } else {
        LocalError::Io(error)
    }
}
