use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::Order;
use crate::model::duration;

/// The longest payload, bytes.
pub(super) const MAX_PAYLOAD: usize = 64 << 10;
/// The longest id, sender and note, in characters.
pub(super) const MAX_WORD: usize = 200;
pub(super) const MAX_NOTE: usize = 1_000;
/// The most subjects of one maintenance window.
const MAX_SUBJECTS: usize = 64;
/// The longest silence; longer ones are wishes that the rule did not exist.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// A payload.
pub(super) enum Body {
    Empty,
    Text(String),
    Object(Map<String, Json>),
}

impl Body {
    pub(super) fn read(payload: &[u8]) -> Result<Self, String> {
        if payload.len() > MAX_PAYLOAD {
            return Err("the payload is longer than 65536 bytes".to_owned());
        }
        let text = std::str::from_utf8(payload)
            .map_err(|_| "the payload must be UTF-8 text or a JSON object".to_owned())?
            .trim();
        if text.is_empty() {
            return Ok(Self::Empty);
        }
        if !text.starts_with('{') {
            return Ok(Self::Text(text.to_owned()));
        }
        serde_json::from_str(text)
            .map(Self::Object)
            .map_err(|error| format!("the payload starts like JSON but is not: {error}"))
    }

    /// The sender's own id; a number is taken as text.
    pub(super) fn id(&self) -> Result<Option<String>, String> {
        match self.get("id") {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => limited("id", text, MAX_WORD),
            Some(Json::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(wrong("id", other, "text")),
        }
    }

    /// The payload goes to the part as it is: what it means is known there.
    pub(super) fn order(&self, verb: &'static str, told: &str) -> Order {
        let (text, fields) = match self {
            Self::Empty => (None, Map::new()),
            Self::Text(text) => (Some(text.clone()), Map::new()),
            Self::Object(map) => (None, map.clone()),
        };
        Order {
            verb,
            target: told.to_owned(),
            text,
            fields,
        }
    }

    fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(map) => map.get(key),
            Self::Empty | Self::Text(_) => None,
        }
    }

    pub(super) fn text(&self, key: &str, most: usize) -> Result<Option<String>, String> {
        match self.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => limited(key, text.trim(), most),
            Some(other) => Err(wrong(key, other, "text")),
        }
    }

    pub(super) fn length(&self) -> Result<Option<Duration>, String> {
        match self.get("for") {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => length(text).map(Some),
            Some(other) => Err(wrong("for", other, LENGTH)),
        }
    }

    pub(super) fn needed_length(&self, word: &str) -> Result<Duration, String> {
        let told = match self {
            Self::Text(text) => Some(length(text)?),
            Self::Empty | Self::Object(_) => self.length()?,
        };
        told.ok_or_else(|| format!("{word} needs to know how long: \"2h\" or {{\"for\":\"2h\"}}"))
    }

    pub(super) fn subjects(&self) -> Result<Vec<String>, String> {
        const MUST: &str = "a list of subjects such as [\"health/cpu\", \"health/fs-*\"]";
        let items = match self.get("subjects") {
            None | Some(Json::Null) => return Ok(Vec::new()),
            // An empty list is a mistake of a script, and must not mean everything.
            Some(list @ Json::Array(items)) if items.is_empty() => {
                return Err(wrong("subjects", list, MUST));
            }
            Some(Json::Array(items)) if items.len() <= MAX_SUBJECTS => items,
            Some(Json::Array(_)) => {
                return Err(format!("subjects must be at most {MAX_SUBJECTS}"));
            }
            Some(other) => return Err(wrong("subjects", other, MUST)),
        };
        let one = |item: &Json| {
            let text = item.as_str().filter(|text| is_subject(text));
            let text = text.ok_or_else(|| wrong("subjects", item, MUST))?;
            Ok(text.to_owned())
        };
        items.iter().map(one).collect()
    }
}

/// `<area>/<subject>`, both not empty.
fn is_subject(text: &str) -> bool {
    text.len() <= MAX_WORD
        && text
            .split_once('/')
            .is_some_and(|(area, id)| !area.is_empty() && !id.is_empty() && !id.contains('/'))
}

const LENGTH: &str = "a duration in quotes such as \"30m\", \"2h\" or \"7d\", at most 366d";

fn length(text: &str) -> Result<Duration, String> {
    duration(text)
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| wrong("for", &Json::String(text.to_owned()), LENGTH))
}

pub(super) fn limited(key: &str, text: &str, most: usize) -> Result<Option<String>, String> {
    if text.chars().count() > most {
        return Err(format!("{key} must be at most {most} characters"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn wrong(key: &str, value: &Json, must: &str) -> String {
    let shown: String = value.to_string().chars().take(60).collect();
    format!("{key} ({shown}) must be {must}")
}
