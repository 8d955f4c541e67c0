use std::io::Write as _;

use axum::http::{HeaderMap, header};

/// Bodies below this many bytes are sent as they are: compressing would save next to nothing.
const SMALL: usize = 256;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Encoding {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
    /// Brotli.
    Brotli,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    /// The word in headers.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The best that `Accept-Encoding` allows; ours come first among equals: br, zstd, gzip.
    pub(super) fn negotiate(headers: &HeaderMap) -> Self {
        let text = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let weight = |name: &str| {
            let mut any = None;
            for item in text.split(',').take(16) {
                let mut parts = item.split(';');
                let coding = parts.next().unwrap_or_default().trim();
                let q = parts
                    .find_map(|part| part.trim().strip_prefix("q="))
                    .map_or(1.0, |q| q.trim().parse::<f32>().unwrap_or(0.0));
                if coding.eq_ignore_ascii_case(name) {
                    return q;
                }
                if coding == "*" {
                    any = Some(q);
                }
            }
            any.unwrap_or(0.0)
        };
        let mut best = (Self::Identity, 0.0);
        for encoding in [Self::Brotli, Self::Zstd, Self::Gzip] {
            let q = weight(encoding.as_str());
            if q > best.1 {
                best = (encoding, q);
            }
        }
        best.0
    }

    /// `body` in this encoding and the encoding it then has: small bodies, and those that would
    /// grow, stay as they are.
    pub(super) fn apply(self, body: Vec<u8>) -> (Self, Vec<u8>) {
        if body.len() < SMALL {
            return (Self::Identity, body);
        }
        let encoded = match self {
            Self::Identity => None,
            Self::Gzip => gzip(&body),
            Self::Brotli => brotli(&body),
            Self::Zstd => zstd::bulk::compress(&body, 1).ok(),
        };
        match encoded {
            Some(encoded) if encoded.len() < body.len() => (self, encoded),
            _ => (Self::Identity, body),
        }
    }
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let out = Vec::with_capacity(body.len() / 3);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(4));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

fn brotli(body: &[u8]) -> Option<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: 4,
        lgwin: 18,
        size_hint: body.len(),
        ..Default::default()
    };
    let mut out = Vec::with_capacity(body.len() / 3);
    brotli::BrotliCompress(&mut &*body, &mut out, &params).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_allowed_encoding_is_chosen() {
        for (accept, want) in [
            ("", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("gzip, br;q=0.5", Encoding::Gzip),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("*", Encoding::Brotli),
            ("br;q=0, *;q=0.1", Encoding::Zstd),
            ("br;q=x", Encoding::Identity),
            ("GZIP;Q=1", Encoding::Gzip),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
            assert_eq!(Encoding::negotiate(&headers), want, "{accept}");
        }
    }

    #[test]
    fn a_body_reads_back_and_a_small_or_random_one_is_left_alone() {
        use std::io::Read as _;
        let body = vec![b'a'; 5000];
        let (encoding, out) = Encoding::Gzip.apply(body.clone());
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&*out)
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!((encoding, back), (Encoding::Gzip, body.clone()));
        let (_, out) = Encoding::Zstd.apply(body.clone());
        assert_eq!(zstd::stream::decode_all(&*out).unwrap(), body);
        let (_, out) = Encoding::Brotli.apply(body.clone());
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &*out, &mut back).unwrap();
        assert_eq!(back, body);
        assert_eq!(Encoding::Gzip.apply(vec![0; 10]).0, Encoding::Identity);
        let random = super::super::file::random::<1000>().unwrap().to_vec();
        assert_eq!(Encoding::Zstd.apply(random).0, Encoding::Identity);
    }
}
