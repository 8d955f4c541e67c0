use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::Problem;

/// The part of a path that stands for something; what is no text is told as any other fault is.
#[derive(Debug)]
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// The query of a request, read strictly: what is not known is refused, so that a misspelt
/// parameter is not silently ignored.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `query`, in which only `known` may occur.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for pair in query.unwrap_or_default().split('&') {
            if pair.is_empty() {
                continue;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key)?, decode(value)?);
            if !known.contains(&key.as_str()) {
                return Err(Problem::bad_request(match known {
                    [] => format!("parameter \"{key}\" is not known; none is allowed here"),
                    _ => format!(
                        "parameter \"{key}\" is not known; allowed here: {}",
                        known.join(", ")
                    ),
                }));
            }
            pairs.push((key, value));
        }
        Ok(Self(pairs))
    }

    /// One parameter; given twice, the first counts.
    pub(super) fn one(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter, also those separated by commas.
    pub(super) fn list<'a>(&'a self, key: &'a str) -> Vec<&'a str> {
        self.all(key)
            .flat_map(|value| value.split(','))
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// The keys of `fields`, each of which an item of the answer may have; none asks for all.
    pub(super) fn fields(&self, known: &[&str]) -> Result<Vec<String>, Problem> {
        let fields = self.list("fields").into_iter();
        let one = |field: &str| {
            if known.contains(&field) {
                return Ok(field.to_owned());
            }
            let known = known.join(", ");
            let text = format!("fields: \"{field}\" is not known; there are: {known}");
            Err(Problem::bad_request(text))
        };
        fields.map(one).collect()
    }

    /// A whole number from 1 to `max`.
    pub(super) fn count(&self, key: &str, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(text) = self.one(key) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| (1..=max).contains(number))
            .ok_or_else(|| {
                Problem::bad_request(format!("{key} must be a whole number from 1 to {max}"))
            })
    }

    /// One of `choices`.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.one(key) else {
            return Ok(None);
        };
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*value));
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        Err(Problem::bad_request(format!(
            "{key} must be one of {}",
            words.join(", ")
        )))
    }
}

fn decode(text: &str) -> Result<String, Problem> {
    let text = text.replace('+', " ");
    match percent_decode_str(&text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Problem::bad_request("the query must be UTF-8")),
    }
}
