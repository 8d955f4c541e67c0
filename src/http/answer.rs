use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::Problem;
use super::encoding::Encoding;

/// How many rendered bodies are kept.
const ENTRIES: usize = 32;
/// The largest body that is kept, bytes.
const LARGEST: usize = 16 * 1024;

/// A body as it goes over the wire.
#[derive(Debug, Clone)]
struct Rendered {
    content_type: &'static str,
    encoding: Encoding,
    etag: HeaderValue,
    body: Bytes,
}

/// Rendered bodies by request and encoding, valid for one revision of the state.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<(u64, Bodies)>);

type Bodies = HashMap<(String, Encoding), Rendered>;

/// What a handler gives: what kind of text it is, and the text.
pub(super) type Content = (&'static str, Vec<u8>);

/// JSON as content.
pub(super) fn json(value: &Json) -> Content {
    ("application/json", value.to_string().into_bytes())
}

impl Cache {
    /// Answers with what `render` gives, or with what it gave before at the same `revision` to
    /// the same request.
    pub(super) fn answer(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        revision: u64,
        render: impl FnOnce() -> Result<Content, Problem>,
    ) -> Result<Response, Problem> {
        let request = uri.path_and_query().map_or("", |text| text.as_str());
        let key = (request.to_owned(), Encoding::negotiate(headers));
        let kept = {
            let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if cache.0 != revision {
                *cache = (revision, HashMap::new());
            }
            cache.1.get(&key).cloned()
        };
        let rendered = if let Some(rendered) = kept {
            rendered
        } else {
            let rendered = Rendered::new(key.1, render()?);
            let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fits = rendered.body.len() <= LARGEST && cache.1.len() < ENTRIES;
            if cache.0 == revision && fits {
                cache.1.insert(key, rendered.clone());
            }
            rendered
        };
        Ok(rendered.respond(headers))
    }
}

/// Answers once, without keeping the body.
pub(super) fn once(headers: &HeaderMap, content: Content) -> Response {
    Rendered::new(Encoding::negotiate(headers), content).respond(headers)
}

impl Rendered {
    fn new(encoding: Encoding, (content_type, body): Content) -> Self {
        let digest = Sha256::digest(&body);
        let (encoding, body) = encoding.apply(body);
        // A strong tag names these very bytes, hence the encoding too.
        let hash = digest
            .iter()
            .take(8)
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let etag = HeaderValue::from_str(&format!("\"{hash:016x}-{}\"", encoding.as_str()))
            .unwrap_or(HeaderValue::from_static("\"\""));
        Self {
            content_type,
            encoding,
            etag,
            body: body.into(),
        }
    }

    fn respond(self, request: &HeaderMap) -> Response {
        let known = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag.as_bytes() == self.etag.as_bytes());
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag);
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        // May be kept by the client itself only, and is asked for again each time.
        let control = HeaderValue::from_static("private, no-cache");
        headers.insert(header::CACHE_CONTROL, control);
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let kind = HeaderValue::from_static(self.content_type);
        headers.insert(header::CONTENT_TYPE, kind);
        if self.encoding != Encoding::Identity {
            let encoding = HeaderValue::from_static(self.encoding.as_str());
            headers.insert(header::CONTENT_ENCODING, encoding);
        }
        *response.body_mut() = Body::from(self.body);
        response
    }
}

/// Keeps only `fields` of an object; none given keeps all.
pub(super) fn sparse(object: &mut Json, fields: &[String]) {
    if let (Json::Object(map), false) = (object, fields.is_empty()) {
        map.retain(|key, _| fields.contains(key));
    }
}
