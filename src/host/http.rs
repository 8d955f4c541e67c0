use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(30);
/// The largest answer that is read, bytes.
const MAX_BODY: usize = 1 << 20;
/// The longest line of a stream, bytes.
const MAX_LINE: usize = 64 << 10;
const USER_AGENT: &str = concat!("homewatch/", env!("CARGO_PKG_VERSION"));

/// The one HTTP client: TLS by the system's roots, time-outs, bounded answers, no redirects (a
/// moved POST would turn into a GET, and a secret would go to a stranger). It is built at the
/// first request, so that a program without one pays nothing. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub struct Http {
    client: Arc<OnceLock<Client>>,
    extra_roots: Arc<[Certificate]>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("built", &self.client.get().is_some())
            .field("extra_roots", &self.extra_roots.len())
            .finish()
    }
}

/// Why there is no answer. Never carries the URL: it may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A file of certificates cannot be used.
    #[error("{path}: {text}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        text: String,
    },
    /// The client cannot be built or the request is malformed; trying again is of no use.
    #[error("cannot make the request: {0}")]
    Request(String),
    /// The server could not be reached or went away.
    #[error("{0}")]
    Connection(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TimeOut(Duration),
    /// The answer is larger than what is read.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, at most 1 MiB.
    pub body: Bytes,
}

impl Answer {
    /// Whether the status is 2xx.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..300)
    }

    /// What `Retry-After` asks for, if it is given in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get("retry-after")?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }
}

impl Http {
    /// A client that also trusts the PEM certificates in `file`, besides the system's.
    pub fn trusting(file: &Path) -> Result<Self, HttpError> {
        let fault = |text: String| HttpError::Roots {
            path: file.to_owned(),
            text,
        };
        let pem = std::fs::read(file).map_err(|error| fault(error.to_string()))?;
        let roots = Certificate::from_pem_bundle(&pem).map_err(|error| fault(cause(&error)))?;
        if roots.is_empty() {
            return Err(fault("holds no PEM certificate".to_owned()));
        }
        Ok(Self {
            client: Arc::default(),
            extra_roots: roots.into(),
        })
    }

    /// Begins a request; give it to [`Http::exchange`] or [`Http::stream`].
    pub fn request(&self, method: Method, url: &str) -> Result<RequestBuilder, HttpError> {
        Ok(self.client()?.request(method, url))
    }

    fn client(&self) -> Result<&Client, HttpError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // An error only says that a provider is installed already, which is what is wanted.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(CONNECT)
            .pool_max_idle_per_host(1)
            .tls_certs_merge(self.extra_roots.iter().cloned())
            .build()
            .map_err(|error| HttpError::Request(cause(&error)))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends `request` and reads the whole answer, of any status, within 30 s.
    pub async fn exchange(&self, request: RequestBuilder) -> Result<Answer, HttpError> {
        let whole = async {
            let mut response = request.send().await.map_err(|error| fault(&error))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
                if body.len() + chunk.len() > MAX_BODY {
                    return Err(HttpError::TooLarge(MAX_BODY));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer {
                status,
                headers,
                body: body.freeze(),
            })
        };
        match tokio::time::timeout(EXCHANGE, whole).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::TimeOut(EXCHANGE)),
        }
    }

    /// Sends `request` and hands out the answer line by line as it comes, for as long as the
    /// server sends something at least every `silence`.
    pub async fn stream(
        &self,
        request: RequestBuilder,
        silence: Duration,
    ) -> Result<Lines, HttpError> {
        match tokio::time::timeout(EXCHANGE, request.send()).await {
            Ok(Ok(response)) => Ok(Lines {
                response,
                buffer: BytesMut::new(),
                silence,
            }),
            Ok(Err(error)) => Err(fault(&error)),
            Err(_) => Err(HttpError::TimeOut(EXCHANGE)),
        }
    }
}

/// An answer that comes line by line.
#[derive(Debug)]
pub struct Lines {
    response: Response,
    buffer: BytesMut,
    silence: Duration,
}

impl Lines {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The next line without its end; `None` when the server has ended the answer. May be
    /// cancelled: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let mut line = self.buffer.split_to(end + 1);
                line.truncate(end);
                return Ok(Some(line.freeze()));
            }
            if self.buffer.len() > MAX_LINE {
                return Err(HttpError::TooLarge(MAX_LINE));
            }
            match tokio::time::timeout(self.silence, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => self.buffer.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(fault(&error)),
                Err(_) => return Err(HttpError::TimeOut(self.silence)),
            }
        }
    }
}

fn fault(error: &reqwest::Error) -> HttpError {
    if error.is_builder() {
        HttpError::Request(cause(error))
    } else if error.is_timeout() {
        HttpError::TimeOut(CONNECT)
    } else {
        HttpError::Connection(cause(error))
    }
}

/// The innermost cause, which is what a person can act on ("connection refused", "invalid peer
/// certificate"), and which does not carry the URL.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    if let Some(own) = innermost.downcast_ref::<reqwest::Error>() {
        return if own.is_builder() {
            "malformed".to_owned()
        } else {
            "the connection failed".to_owned()
        };
    }
    innermost.to_string()
}
