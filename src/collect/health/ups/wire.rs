use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use super::Silence;

/// A server has so long for each step.
const PATIENCE: Duration = Duration::from_secs(2);
/// No line is longer than this, B; NUT's own limit is half of it.
const LONGEST: u64 = 1024;
/// No server has more to say than this, B: some hundred UPSes.
const MOST: u64 = 1 << 20;

/// A conversation with a server.
pub(super) struct Wire(BufReader<io::Take<TcpStream>>);

impl Wire {
    pub(super) fn open(address: &str) -> Result<Self, Silence> {
        let place = address.to_socket_addrs().map_err(fault)?.next();
        let place = place.ok_or_else(|| Silence::Fault(format!("{address} has no address")))?;
        let stream = TcpStream::connect_timeout(&place, PATIENCE).map_err(fault)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(fault)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(fault)?;
        Ok(Self(BufReader::new(stream.take(MOST))))
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<(), Silence> {
        let stream = self.0.get_mut().get_mut();
        stream.write_all(bytes).map_err(fault)
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> Result<String, Silence> {
        let mut line = Vec::new();
        let mut within = self.0.by_ref().take(LONGEST);
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
        self.0.read_exact(&mut bytes).map_err(fault)?;
        Ok(bytes)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn fault(error: io::Error) -> Silence {
    let kind = error.kind();
    if kind == ErrorKind::ConnectionRefused {
        return Silence::Nobody;
    }
    let late = matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
    let cut = kind == ErrorKind::UnexpectedEof;
    Silence::Fault(match (late, cut) {
        (true, _) => "no answer within 2 s".to_owned(),
        (_, true) => "the answer breaks off".to_owned(),
        _ => error.to_string(),
    })
}
