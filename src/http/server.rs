use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::bus::embedded::holder;
use crate::config::{ApiConfig, ApiTls};

use super::Api;
use super::api::Peer;

/// How many connections may be open at once; more are closed as they come.
const CONNECTIONS: usize = 64;
/// How long a request's head may take to arrive; also how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(15);
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The largest head of a request, bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a client may fail to take what is sent to it, milliseconds.
const STALL_MS: u32 = 30_000;
/// How long requests in hand may take to end when the service stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Why the bridge cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody has the port.
    #[error(
        "the API port {addr} is taken by {holder}; stop that, or set api.listen to another address"
    )]
    Taken {
        /// Where it should have listened.
        addr: SocketAddr,
        /// Who has the port.
        holder: String,
    },
    /// The address cannot be used.
    #[error("api.listen {addr}: {error}")]
    Address {
        /// Where it should have listened.
        addr: SocketAddr,
        /// Why it cannot.
        error: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("api.tls: {0}")]
    Tls(String),
}

/// An open port.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Listener").field(&self.tcp).finish()
    }
}

impl Listener {
    /// Where it listens.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Opens the port that the configuration names.
pub async fn bind(config: &ApiConfig) -> Result<Listener, BindError> {
    let addr = config.listen;
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    match TcpListener::bind(addr).await {
        Ok(tcp) => Ok(Listener { tcp, tls }),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let find = move || holder::of_port(Path::new("/proc"), addr.port());
            let found = tokio::task::spawn_blocking(find).await;
            let holder = found
                .ok()
                .flatten()
                .unwrap_or_else(|| "another program".to_owned());
            Err(BindError::Taken { addr, holder })
        }
        Err(error) => Err(BindError::Address { addr, error }),
    }
}

fn acceptor(tls: &ApiTls) -> Result<TlsAcceptor, BindError> {
    let fault = |path: &Path, error: &dyn std::fmt::Display| {
        BindError::Tls(format!("{}: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(&tls.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(&tls.cert, &error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| fault(&tls.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| fault(&tls.cert, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `cancel`; then requests in hand have a second to end.
pub async fn run(listener: Listener, api: Arc<Api>, cancel: CancellationToken) {
    let router = super::router(&api);
    let mut connections = JoinSet::new();
    let serve = async {
        loop {
            let accepted = tokio::select! {
                accepted = listener.tcp.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, peer)) if connections.len() < CONNECTIONS => {
                    let (router, tls) = (router.clone(), listener.tls.clone());
                    let cancel = cancel.clone();
                    connections.spawn(connection(stream, peer, tls, router, cancel));
                }
                // Closed at once: those who are served matter more.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("the API cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    };
    tokio::select! {
        () = serve => {}
        () = api.pump() => {}
        () = cancel.cancelled() => {}
    }
    let drain = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drain).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: axum::Router,
    cancel: CancellationToken,
) {
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, STALL_MS) {
        tracing::debug!("no time-out for stalled clients: {error}");
    }
    let Some(tls) = tls else {
        return http(stream, peer, router, cancel).await;
    };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, peer, router, cancel).await,
        Ok(Err(error)) => tracing::debug!("{peer}: TLS handshake: {error}"),
        Err(_) => tracing::debug!("{peer}: TLS handshake timed out"),
    }
}

async fn http<S>(stream: S, peer: SocketAddr, router: axum::Router, cancel: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = router.map_request(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("{peer}: {error}");
    }
}
