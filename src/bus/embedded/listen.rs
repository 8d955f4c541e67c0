//! The listeners, bound before anybody is told that the broker is up.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::config::{EmbeddedConfig, EmbeddedTls};

use super::{EmbeddedError, holder};

/// Bound ports that nobody is served on yet.
pub struct Listeners {
    plain: TcpListener,
    tls: Option<(TcpListener, TlsAcceptor)>,
}

/// A connection that has come in.
pub(super) enum Accepted {
    Plain(TcpStream, SocketAddr),
    Tls(TcpStream, SocketAddr, TlsAcceptor),
}

/// Binds the ports that `config` names and reads the certificate.
///
/// # Errors
/// When a port cannot be bound (the text names the program that holds it, if that can be found)
/// or the certificate does not fit its key.
pub async fn bind(config: &EmbeddedConfig) -> Result<Listeners, EmbeddedError> {
    let plain = listener(config.listen).await?;
    let tls = match &config.tls {
        Some(tls) => Some((listener(tls.listen).await?, acceptor(tls)?)),
        None => None,
    };
    Ok(Listeners { plain, tls })
}

async fn listener(addr: SocketAddr) -> Result<TcpListener, EmbeddedError> {
    TcpListener::bind(addr).await.map_err(|cause| {
        let holder = (cause.kind() == io::ErrorKind::AddrInUse)
            .then(|| holder::of_port(Path::new("/proc"), addr.port()))
            .flatten();
        match (cause.kind(), holder) {
            (io::ErrorKind::AddrInUse, holder) => EmbeddedError::Taken {
                addr,
                holder: holder.unwrap_or_else(|| "another program".to_owned()),
            },
            _ => EmbeddedError::Bind { addr, cause },
        }
    })
}

fn acceptor(tls: &EmbeddedTls) -> Result<TlsAcceptor, EmbeddedError> {
    let (chain, key) = tls.load().map_err(EmbeddedError::Tls)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| {
            EmbeddedError::Tls(format!(
                "({}, {}) cannot be used together: {error}",
                tls.cert.display(),
                tls.key.display()
            ))
        })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Listeners {
    /// Where the plain listener really is, when the configuration said port 0.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.plain.local_addr().ok()
    }

    /// Where the encrypted listener really is.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls
            .as_ref()
            .and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Waits for a connection. Cancel safe.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        let Some((tls, acceptor)) = &self.tls else {
            let (stream, peer) = self.plain.accept().await?;
            return Ok(Accepted::Plain(stream, peer));
        };
        tokio::select! {
            accepted = self.plain.accept() => {
                let (stream, peer) = accepted?;
                Ok(Accepted::Plain(stream, peer))
            }
            accepted = tls.accept() => {
                let (stream, peer) = accepted?;
                Ok(Accepted::Tls(stream, peer, acceptor.clone()))
            }
        }
    }
}

impl Accepted {
    /// Whether only this machine can come this way: the listener and the peer are on loopback.
    pub(super) fn is_local(&self) -> bool {
        let loopback = |addr: SocketAddr| addr.ip().to_canonical().is_loopback();
        let (Self::Plain(stream, peer) | Self::Tls(stream, peer, _)) = self;
        // A connection to 0.0.0.0 from this machine has loopback at both ends as well, but then
        // the configuration demands users, and with users nobody is let in for being local.
        loopback(*peer) && stream.local_addr().is_ok_and(loopback)
    }
}
