use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{Message as Frame, WebSocketConfig};

use crate::config::BrokerConfig;
use crate::host::tls_client;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The bytes to and from the broker, whatever carries them. TLS is our own tokio-rustls (rumqttc's
/// feature brings a rustls-webpki with open advisories).
pub(super) enum Link {
    Plain(Box<dyn Stream>),
    WebSocket(Box<WebSocketStream<Box<dyn Stream>>>),
}

impl Link {
    /// Connects; the caller sets the time limit.
    pub(super) async fn open(config: &BrokerConfig) -> io::Result<Self> {
        let url = &config.url;
        let tcp = TcpStream::connect((url.host.as_str(), url.port)).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if url.scheme.is_tls() {
            let name = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
            let tls = tokio_rustls::TlsConnector::from(Arc::new(tls(config)?));
            Box::new(tls.connect(name, tcp).await?)
        } else {
            Box::new(tcp)
        };
        if !url.scheme.is_websocket() {
            return Ok(Self::Plain(stream));
        }
        let mut request = format!("ws://{}{}", url.authority(), url.path)
            .into_client_request()
            .map_err(io::Error::other)?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
        let limits = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_message_size(Some(256 * 1024))
            .max_frame_size(Some(256 * 1024));
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(limits))
                .await
                .map_err(io::Error::other)?;
        Ok(Self::WebSocket(Box::new(socket)))
    }

    /// Waits for bytes and appends them to `buffer`; an end is an error. May be cancelled.
    pub(super) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<()> {
        let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "the broker has hung up");
        match self {
            Self::Plain(stream) => match stream.read_buf(buffer).await? {
                0 => Err(closed()),
                _ => Ok(()),
            },
            Self::WebSocket(socket) => match socket.next().await {
                Some(Ok(Frame::Binary(bytes))) => {
                    buffer.extend_from_slice(&bytes);
                    Ok(())
                }
                Some(Ok(Frame::Close(_))) | None => Err(closed()),
                // Pings are answered below us; text is none of MQTT's.
                Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Text(_) | Frame::Frame(_))) => {
                    Ok(())
                }
                Some(Err(error)) => Err(io::Error::other(error)),
            },
        }
    }

    /// Sends all of `buffer` and empties it.
    pub(super) async fn write(&mut self, buffer: &mut BytesMut) -> io::Result<()> {
        match self {
            Self::Plain(stream) => {
                stream.write_all(buffer).await?;
                buffer.clear();
                stream.flush().await
            }
            Self::WebSocket(socket) => {
                let bytes = buffer.split().freeze();
                let sent = socket.send(Frame::Binary(bytes)).await;
                sent.map_err(io::Error::other)
            }
        }
    }

    /// Ends the connection in an orderly way.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::WebSocket(socket) => SinkExt::close(socket).await.map_err(io::Error::other),
        }
    }
}

fn tls(config: &BrokerConfig) -> io::Result<ClientConfig> {
    let builder = tls_client(config.ca_file.as_deref())?;
    let Some((certificates, key)) = &config.client_identity else {
        return Ok(builder.with_no_client_auth());
    };
    let bad = |error: &dyn std::fmt::Display| {
        io::Error::other(format!("client_cert or client_key: {error}"))
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificates)
        .map_err(|e| bad(&e))?
        .collect();
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| bad(&e))?;
    builder
        .with_client_auth_cert(chain.map_err(|e| bad(&e))?, key)
        .map_err(|e| bad(&e))
}
