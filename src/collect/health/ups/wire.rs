use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Take, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tokio::time::Instant;

use super::Silence;
use crate::collect::frame;

/// A server has so long for a whole conversation.
pub(super) const PATIENCE: Duration = frame::PATIENCE.saturating_sub(Duration::from_secs(1));
/// No line is longer than this, B; NUT's own limit is half of it.
const LONGEST: u64 = 1024;
/// No server has more to say than this, B: some hundred UPSes.
const MOST: u64 = 1 << 20;

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// A conversation with a server.
pub(super) struct Wire {
    host: String,
    bytes: BufReader<Take<Box<dyn Duplex>>>,
}

/// A connection that ends at a moment, however slowly the other side dribbles.
struct Until {
    stream: TcpStream,
    end: Instant,
}

impl Until {
    fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Until {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Until {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Wire {
    /// Connects to a `host:port`, at whichever of its addresses somebody listens.
    pub(super) fn open(address: &str) -> Result<Self, Silence> {
        let end = Instant::now() + PATIENCE;
        let mut outcome = Err(Silence::Fault(format!("{address} has no address")));
        for place in places(address)? {
            let left = end.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_millis(1));
            match TcpStream::connect_timeout(&place, left) {
                Ok(stream) => {
                    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                    let host = host.trim_matches(['[', ']']).to_owned();
                    let stream: Box<dyn Duplex> = Box::new(Until { stream, end });
                    let bytes = BufReader::new(stream.take(MOST));
                    return Ok(Self { host, bytes });
                }
                Err(error) => outcome = Err(fault(error)),
            }
        }
        outcome
    }

    /// The same, its other side by another name.
    #[cfg(test)]
    pub(super) fn named(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// From here on speaks TLS.
    pub(super) fn secure(self, config: &Arc<ClientConfig>) -> Result<Self, Silence> {
        let Self { host, bytes } = self;
        if !bytes.buffer().is_empty() {
            let text = "it says more before TLS than it may: somebody is in between";
            return Err(Silence::Fault(text.to_owned()));
        }
        let mut stream = bytes.into_inner().into_inner();
        let bad = |error: &dyn std::fmt::Display| {
            let remedy = "give its authority as ca_file, or set tls = \"off\"";
            Silence::Fault(format!("no TLS with it: {error} ({remedy})"))
        };
        let name = ServerName::try_from(host.clone()).map_err(|error| bad(&error))?;
        let mut session =
            ClientConnection::new(Arc::clone(config), name).map_err(|error| bad(&error))?;
        while session.is_handshaking() {
            let done = session.complete_io(&mut stream);
            done.map_err(|error| {
                if error.kind() == ErrorKind::InvalidData {
                    bad(&error)
                } else {
                    fault(error)
                }
            })?;
        }
        let stream: Box<dyn Duplex> = Box::new(StreamOwned::new(session, stream));
        let bytes = BufReader::new(stream.take(MOST));
        Ok(Self { host, bytes })
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<(), Silence> {
        let stream = self.bytes.get_mut().get_mut();
        stream.write_all(bytes).map_err(fault)
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> Result<String, Silence> {
        let mut line = Vec::new();
        let mut within = self.bytes.by_ref().take(LONGEST);
        within.read_until(b'\n', &mut line).map_err(fault)?;
        if line.pop() != Some(b'\n') {
            let cut = "the answer breaks off, or has a line of more than 1024 bytes";
            return Err(Silence::Fault(cut.to_owned()));
        }
        let line = String::from_utf8_lossy(&line);
        Ok(line.trim_end_matches('\r').to_owned())
    }

    /// Exactly that many bytes.
    pub(super) fn bytes(&mut self, number: u16) -> Result<Vec<u8>, Silence> {
        let mut bytes = vec![0; usize::from(number)];
        self.bytes.read_exact(&mut bytes).map_err(fault)?;
        Ok(bytes)
    }
}

/// The addresses of a `host:port`.
fn places(address: &str) -> Result<Vec<SocketAddr>, Silence> {
    if let Ok(place) = address.parse() {
        return Ok(vec![place]);
    }
    let name = address.to_owned();
    let found = within(PATIENCE, move || name.to_socket_addrs().map(Vec::from_iter))?;
    found.map_err(fault)
}

/// What `job` gives, if it does so within `limit`. What cannot be ended, as the system's own question
/// to a name server, goes on by itself.
fn within<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Silence> {
    let (tell, told) = mpsc::channel();
    // If nobody waits for it any more nobody needs it.
    std::thread::spawn(move || drop(tell.send(job())));
    told.recv_timeout(limit).map_err(|_| Silence::Late)
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::wildcard_enum_match_arm,
    reason = "it stands in map_err; all other kinds are told in the system's own words"
)]
fn fault(error: io::Error) -> Silence {
    match error.kind() {
        ErrorKind::ConnectionRefused => Silence::Nobody,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Silence::Late,
        ErrorKind::UnexpectedEof => Silence::Fault("the answer breaks off".to_owned()),
        _ => Silence::Fault(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_that_does_not_answer_is_not_waited_for() {
        let (release, released) = mpsc::channel::<()>();
        let hangs = move || released.recv();
        assert_eq!(within(Duration::from_millis(1), hangs), Err(Silence::Late));
        drop(release);
        let found = places("localhost:3493").unwrap();
        assert!(found.iter().all(|place| place.port() == 3493));
        assert_eq!(places("[::1]:1").unwrap().len(), 1);
    }

    #[test]
    fn a_conversation_ends_at_its_moment_even_if_there_is_more_to_say() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        other.write_all(b"more").unwrap();
        let end = Instant::now();
        let mut until = Until { stream, end };
        until.flush().unwrap();
        let read = until.read(&mut [0; 4]).unwrap_err();
        let written = until.write(b"x").unwrap_err();
        let kinds = (read.kind(), written.kind());
        assert_eq!(kinds, (ErrorKind::TimedOut, ErrorKind::TimedOut));
    }
}
