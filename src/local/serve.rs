use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::{Export, MAX_REQUEST, Reply, ReportRequest, Request, SOCKET, Status};
use crate::bus::Bus;
use crate::host::Clock;
use crate::power::{Calibration, Wish};
use crate::report::{Asked, ReportError, Reports};
use crate::store::Store;

/// What stands behind the door.
#[derive(Debug)]
pub struct Door {
    /// The node's name.
    pub node: String,
    /// What is known.
    pub bus: Bus,
    /// The history and the records.
    pub store: Store,
    /// Wall-clock time.
    pub clock: Clock,
    /// Makes reports.
    pub reports: Reports,
    /// Where a guided calibration is asked for.
    pub calibration: Calibration,
    /// Whether the home is a simulated one.
    pub simulated: bool,
}

/// So many may be in the doorway at once; the next waits.
const VISITORS: usize = 8;
/// How long a visitor may take to say what it wants, or to read on.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves in `dir` for as long as it is polled.
///
/// # Errors
/// The socket cannot be made.
pub async fn serve(dir: &Path, door: Arc<Door>) -> io::Result<()> {
    let listener = listen(dir)?;
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if visitors.len() < VISITORS => {
                let (stream, _) = accepted?;
                let door = Arc::clone(&door);
                visitors.spawn(async move { visit(stream, &door).await });
            }
            Some(ended) = visitors.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a visitor of the local door has left"),
                Err(error) => tracing::warn!(%error, "a visitor of the local door has crashed"),
            },
        }
    }
}

fn listen(dir: &Path) -> io::Result<UnixListener> {
    let place = Place::open(dir)?;
    match std::fs::remove_file(place.socket()) {
        // One of a service that was killed; the store's lock says that it is gone.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(place.socket())?;
    std::fs::set_permissions(place.socket(), Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The longest path a socket may have, bytes (`sun_path` holds one more).
const LONGEST: usize = 107;

/// Where the socket is. If its path is too long for a socket, by way of its open folder.
pub(super) struct Place {
    socket: PathBuf,
    /// Held open for as long as the path is used.
    _dir: Option<File>,
}

impl Place {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let socket = dir.join(SOCKET);
        if socket.as_os_str().len() <= LONGEST {
            return Ok(Self { socket, _dir: None });
        }
        let dir = File::open(dir)?;
        Ok(Self {
            socket: format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()).into(),
            _dir: Some(dir),
        })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

async fn visit(mut stream: UnixStream, door: &Door) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new((&mut stream).take(MAX_REQUEST));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Ping) => Reply::done(None),
        Ok(Request::Status) => {
            let status = Status::of(door.bus.state(), &door.node, door.simulated);
            Reply::done(Some(status))
        }
        Ok(Request::Backup { file }) => backup(door, file).await,
        Ok(Request::Calibrate(wish)) => return calibrate(stream, door, wish).await,
        Ok(Request::Export(export)) => return write_out(stream, door, export).await,
        Ok(Request::Report(wanted)) => match report(door, wanted).await {
            Ok(text) => {
                let mut answer = line_of(&Reply::done(None))?;
                answer.extend(text.into_bytes());
                return tokio::time::timeout(PATIENCE, stream.write_all(&answer)).await?;
            }
            Err(error) => Reply::failed(&error),
        },
        Err(error) => Reply::failed(&format!("not understood: {error}")),
    };
    let line = line_of(&reply)?;
    tokio::time::timeout(PATIENCE, stream.write_all(&line)).await?
}

/// Tells how a calibration goes; it is given up as soon as whoever asked hangs up.
async fn calibrate(mut stream: UnixStream, door: &Door, wish: Wish) -> io::Result<()> {
    let Some(mut news) = door.calibration.begin(wish) else {
        let busy = Reply::failed(&"the service is not ready for it; try again in a moment");
        return stream.write_all(&line_of(&busy)?).await;
    };
    stream.write_all(&line_of(&Reply::done(None))?).await?;
    let (mut reader, mut writer) = stream.split();
    let mut nothing = [0];
    loop {
        let news = tokio::select! {
            news = news.recv() => news,
            _ = reader.read(&mut nothing) => None,
        };
        let Some(news) = news else { return Ok(()) };
        let line = line_of(&news)?;
        tokio::time::timeout(PATIENCE, writer.write_all(&line)).await??;
    }
}

async fn backup(door: &Door, file: PathBuf) -> Reply {
    if !file.is_absolute() {
        return Reply::failed(&"the file must be given by its absolute path");
    }
    let store = door.store.clone();
    match tokio::task::spawn_blocking(move || store.backup(&file)).await {
        Ok(Ok(())) => Reply::done(None),
        Ok(Err(error)) => Reply::failed(&error),
        Err(error) => Reply::failed(&error),
    }
}

async fn report(door: &Door, wanted: ReportRequest) -> Result<String, ReportError> {
    let asked = Asked {
        period: wanted.period.parse()?,
        node: wanted.node,
    };
    let show = move |document: &_| wanted.format.render(document);
    door.reports.answer(&wanted.name, asked, show).await
}

/// Straight from the store to the socket, so that a long history needs no memory.
async fn write_out(stream: UnixStream, door: &Door, export: Export) -> io::Result<()> {
    let stream = stream.into_std()?;
    let store = door.store.clone();
    let write = move || {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut out = BufWriter::new(stream);
        out.write_all(&line_of(&Reply::done(None))?)?;
        let wanted = |id: &str| export.wants(id);
        store
            .export(export.format, export.from, export.to, wanted, &mut out)
            .map_err(io::Error::other)?;
        out.flush()
    };
    tokio::task::spawn_blocking(write).await?
}

fn line_of(reply: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    Ok(line)
}
