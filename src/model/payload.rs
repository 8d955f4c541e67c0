use serde_json::Value as Json;

/// Where in the payload of a message a figure is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The payload is the number, perhaps with a unit behind it.
    Whole,
    /// A JSON pointer, RFC 6901.
    Pointer(String),
}

impl Place {
    /// Whether `text` says one place and no more: what would have to be evaluated (arithmetic, other
    /// filters, functions) is not understood and must not be ignored.
    pub(crate) fn is_one(text: &str) -> bool {
        let text = text.trim();
        if text.starts_with('/') {
            let mut escapes = text.split('~').skip(1);
            return escapes.all(|after| after.starts_with(['0', '1']));
        }
        let Some(inner) = text.strip_prefix("{{") else {
            return !text.contains(['{', '}', '|', '(', '*', '+', '/']);
        };
        let Some(inner) = inner.strip_suffix("}}") else {
            return false;
        };
        let mut parts = inner.split('|').map(str::trim);
        let path = parts.next().unwrap_or_default();
        let is_path = path == "value" || path.strip_prefix("value_json").is_some_and(is_path);
        is_path && parts.all(is_filter)
    }

    /// Reads a pointer, a template of Home Assistant's for one value, or nothing for the whole
    /// payload. Anything else is taken as the name of a key.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Whole;
        }
        if text.starts_with('/') {
            return Self::Pointer(text.to_owned());
        }
        let inner = text
            .strip_prefix("{{")
            .and_then(|text| text.strip_suffix("}}"));
        let path = inner.unwrap_or(text).trim();
        if path == "value" {
            return Self::Whole;
        }
        // A filter such as `| float` says nothing that is not known here.
        let path = path.split('|').next().unwrap_or(path).trim();
        let path = path.strip_prefix("value_json").unwrap_or(path);
        let mut pointer = String::new();
        let words = path.split(['.', '[', ']', '\'', '"']);
        for word in words.filter(|word| !word.is_empty()) {
            pointer.push('/');
            pointer.push_str(&word.replace('~', "~0").replace('/', "~1"));
        }
        Self::Pointer(pointer)
    }

    /// The figure in `payload`: `Ok(None)` if it is not in this one, an error if the payload makes
    /// no sense.
    pub(crate) fn find(&self, payload: &str) -> Result<Option<f64>, ()> {
        match self {
            Self::Whole => {
                let text = payload.trim().trim_matches('"').trim_start();
                let end = text
                    .find(|c: char| c.is_ascii_whitespace())
                    .unwrap_or(text.len());
                let (digits, unit) = text.split_at_checked(end).ok_or(())?;
                let is_unit = unit.len() < 8;
                digits
                    .parse()
                    .map(Some)
                    .map_err(drop)
                    .and_then(|value| if is_unit { Ok(value) } else { Err(()) })
            }
            Self::Pointer(pointer) => {
                let value: Json = json(payload).ok_or(())?;
                Ok(value.pointer(pointer).and_then(number))
            }
        }
    }
}

/// Whether `text` is a path of a template: `.key`, `['key']` or `[0]`, any number of them.
fn is_path(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, behind) = after.split_at(end);
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            if key.is_empty() || !key.chars().all(is_word) {
                return false;
            }
            rest = behind;
        } else {
            let Some((inside, behind)) = rest.strip_prefix('[').and_then(|r| r.split_once(']'))
            else {
                return false;
            };
            let quoted = ['\'', '"'].iter().any(|quote| {
                let key = inside.strip_prefix(*quote);
                key.is_some_and(|key| key.len() > 1 && key.ends_with(*quote))
            });
            if !quoted && inside.parse::<u32>().is_err() {
                return false;
            }
            rest = behind;
        }
    }
    true
}

/// Whether a filter changes nothing that matters here: a figure is read as a number anyway, and one
/// that is not there is not known, whatever would stand for it.
fn is_filter(text: &str) -> bool {
    let name = text.split('(').next().unwrap_or(text);
    ["float", "int", "round", "default"].contains(&name) && (name == text || text.ends_with(')'))
}

/// A JSON text; one with bare `nan` or `inf`, as some firmware prints, with `null` in their place.
pub(crate) fn json(payload: &str) -> Option<Json> {
    if let Ok(value) = serde_json::from_str(payload) {
        return Some(value);
    }
    let mut mended = payload.to_owned();
    for word in ["-nan", "nan", "-inf", "inf", "-NaN", "NaN"] {
        for before in [":", ": ", ",", "["] {
            mended = mended.replace(&format!("{before}{word}"), &format!("{before}null"));
        }
    }
    serde_json::from_str(&mended).ok()
}

/// A number, or a text that is one.
pub(crate) fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_have_to_be_evaluated_is_no_place() {
        for text in [
            "",
            "power",
            "emeters.0.power",
            "/a/1/b",
            "/a~1b",
            "{{ value }}",
            "{{ value | float }}",
            "{{value_json}}",
            "{{ value_json.ENERGY.Power | float(0) | round(1) }}",
            "{{ value_json['a b'][0][\"c\"] | default(0) }}",
        ] {
            assert!(Place::is_one(text), "{text}");
        }
        for text in [
            "/a~2",
            "{{ value_json.x",
            "{{ value_json.x | float / 1000 }}",
            "{{ value_json.x | evil }}",
            "{{ value_json.x | round(1 }}",
            "{{ value_json.x * 1000 }}",
            "{{ value_json. }}",
            "{{ value_json[x] }}",
            "{{ value_json['x }}",
            "{{ value_json['] }}",
            "{{ states('x') }}",
            "{% if true %}1{% endif %}",
            "x / 1000",
        ] {
            assert!(!Place::is_one(text), "{text}");
        }
    }

    #[test]
    fn figures_are_found_by_pointer_template_key_or_as_the_whole() {
        for (place, payload, want) in [
            ("", "12.5", Ok(Some(12.5))),
            ("", " 12.5 W ", Ok(Some(12.5))),
            ("", "\"12.5\"", Ok(Some(12.5))),
            ("{{ value }}", "7", Ok(Some(7.0))),
            ("", "on", Err(())),
            ("", "1 and then a sentence", Err(())),
            ("/a/1/b", r#"{"a":[0,{"b":3}]}"#, Ok(Some(3.0))),
            ("/a", r#"{"a":"4.5"}"#, Ok(Some(4.5))),
            ("/a", r#"{"b":1}"#, Ok(None)),
            ("/a", r#"{"a":null}"#, Ok(None)),
            ("/a", "no json", Err(())),
            (
                "{{ value_json.ENERGY.Power }}",
                r#"{"ENERGY":{"Power":9}}"#,
                Ok(Some(9.0)),
            ),
            (
                "{{ value_json['a b'][0] | float }}",
                r#"{"a b":[2]}"#,
                Ok(Some(2.0)),
            ),
            ("power", r#"{"power":5}"#, Ok(Some(5.0))),
            ("{{value_json['a/b']}}", r#"{"a/b":6}"#, Ok(Some(6.0))),
        ] {
            assert_eq!(
                Place::parse(place).find(payload),
                want,
                "{place} in {payload}"
            );
        }
    }
}
