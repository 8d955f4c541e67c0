#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds are another crate's; each getter takes its own and refuses the rest"
)]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Value, ValueKind};

use super::values;
use super::{Problems, Secret};
use crate::model::Short;

/// One table of the configuration while it is read. Every getter notes a fault instead of
/// failing, so that all faults are told at once; [`Section::finish`] tells unknown keys.
///
/// A getter returns `None` when the key is absent or faulty: put the default behind it.
#[derive(Debug)]
pub struct Section<'a> {
    path: String,
    origin: String,
    table: BTreeMap<String, Value>,
    known: Vec<String>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The root table.
    pub fn root(value: Value, problems: &'a Problems) -> Self {
        Self::new(String::new(), value, problems)
    }

    /// The table at `path`; anything else than a table is a fault.
    pub fn new(path: String, value: Value, problems: &'a Problems) -> Self {
        let origin = origin(&value);
        let table = match value.kind {
            ValueKind::Table(table) => table.into_iter().collect(),
            ValueKind::Nil => BTreeMap::new(),
            kind => {
                problems.add(
                    &origin,
                    &path,
                    format!("must be a table, is {}", describe(&kind)),
                );
                BTreeMap::new()
            }
        };
        Self {
            path,
            origin,
            table,
            known: Vec::new(),
            problems,
        }
    }

    /// The dotted path of this table.
    pub fn path_name(&self) -> &str {
        &self.path
    }

    /// The keys that are given, for tables whose keys are names.
    pub fn keys(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    /// Whether `key` is given.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Notes a fault unless exactly one of both keys is given.
    pub fn either(&self, one: &str, other: &str) {
        match (self.has(one), self.has(other)) {
            (false, false) => self.fault_here(format!("needs one of \"{one}\" and \"{other}\"")),
            (true, true) => {
                self.fault_here(format!(
                    "has both \"{one}\" and \"{other}\"; keep one of them"
                ));
            }
            (true, false) | (false, true) => {}
        }
    }

    /// Notes a fault of `key`: `text` says what is wrong and what would be right.
    pub fn fault(&self, key: &str, text: impl Into<String>) {
        let origin = self
            .table
            .get(key)
            .map_or_else(|| self.origin.clone(), origin);
        self.problems.add(&origin, &self.full(key), text);
    }

    /// Notes a fault of the table as a whole.
    pub fn fault_here(&self, text: impl Into<String>) {
        self.problems.add(&self.origin, &self.path, text);
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn take(&mut self, key: &str) -> Option<ValueKind> {
        if !self.known.iter().any(|known| known == key) {
            self.known.push(key.to_owned());
            self.problems.ask(self.full(key));
        }
        self.table.get(key).map(|value| value.kind.clone())
    }

    fn read<T>(
        &mut self,
        key: &str,
        must: impl Display,
        parse: impl FnOnce(&ValueKind) -> Option<T>,
    ) -> Option<T> {
        let kind = self.take(key)?;
        let parsed = parse(&kind);
        if parsed.is_none() {
            self.fault(key, format!("({}) must be {must}", describe(&kind)));
        }
        parsed
    }

    /// Text.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.read(key, "text in quotes", |kind| match kind {
            ValueKind::String(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// Text that `parse` accepts; `must` says what it must be.
    pub fn parsed<T>(
        &mut self,
        key: &str,
        must: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.read(key, must, |kind| match kind {
            ValueKind::String(text) => parse(text),
            _ => None,
        })
    }

    /// A path.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.parsed(key, "a path in quotes", |text| {
            (!text.is_empty()).then(|| text.into())
        })
    }

    /// Yes or no; the environment may say it as text.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        self.read(key, "true or false", |kind| match kind {
            ValueKind::Boolean(flag) => Some(*flag),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// A duration within `range`.
    pub fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let must = format!(
            "a duration such as \"10s\", \"5m\" or \"2h\", from {:?} to {:?}",
            range.start(),
            range.end()
        );
        self.parsed(key, &must, |text| {
            crate::model::duration(text).filter(|d| range.contains(d))
        })
    }

    /// What `parse` makes of it, within `range`.
    fn within<T: PartialOrd>(
        &mut self,
        key: &str,
        must: String,
        range: &RangeInclusive<T>,
        parse: impl FnOnce(&ValueKind) -> Option<T>,
    ) -> Option<T> {
        self.read(key, must, |kind| {
            parse(kind).filter(|value| range.contains(value))
        })
    }

    /// A size in bytes within `range`.
    pub fn size(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let must = format!(
            "a size such as \"50MiB\" or \"2GB\", from {} to {} bytes",
            range.start(),
            range.end()
        );
        self.within(key, must, &range, |kind| match kind {
            ValueKind::String(text) => values::size(text),
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            _ => None,
        })
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let must = format!("a whole number from {} to {}", range.start(), range.end());
        self.within(key, must, &range, |kind| match kind {
            ValueKind::I64(number) => Some(*number),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// A number within `range`.
    pub fn number(&mut self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let must = format!("a number from {} to {}", range.start(), range.end());
        self.within(key, must, &range, |kind| match kind {
            #[expect(clippy::cast_precision_loss, reason = "nobody configures 2^53")]
            ValueKind::I64(number) => Some(*number as f64),
            ValueKind::Float(number) => Some(*number),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// One of `choices`; a near miss is told the nearest.
    pub fn choice<T: Clone>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let kind = self.take(key)?;
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        if let ValueKind::String(text) = &kind {
            if let Some((_, value)) = choices.iter().find(|(word, _)| word == text) {
                return Some(value.clone());
            }
            let hint =
                nearest(text, &words).map_or(String::new(), |w| format!("; did you mean \"{w}\"?"));
            self.fault(
                key,
                format!("(\"{text}\") must be one of {}{hint}", words.join(", ")),
            );
        } else {
            self.fault(
                key,
                format!("({}) must be one of {}", describe(&kind), words.join(", ")),
            );
        }
        None
    }

    /// A list of texts; a single text (as the environment gives it) is split at commas.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.read(
            key,
            "a list of texts such as [\"a\", \"b\"]",
            |kind| match kind {
                ValueKind::String(text) => {
                    Some(text.split(',').map(|part| part.trim().to_owned()).collect())
                }
                ValueKind::Array(items) => items
                    .iter()
                    .map(|item| match &item.kind {
                        ValueKind::String(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect(),
                _ => None,
            },
        )
    }

    /// A list of commands, each an argument vector.
    pub fn commands(&mut self, key: &str) -> Option<Vec<Vec<String>>> {
        let words = |kind: &ValueKind| match kind {
            ValueKind::Array(items) if !items.is_empty() => items
                .iter()
                .map(|item| match &item.kind {
                    ValueKind::String(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        self.read(
            key,
            "a list of commands such as [[\"systemctl\", \"stop\", \"vm\"], [\"poweroff\"]]",
            |kind| match kind {
                ValueKind::Array(items) => items.iter().map(|item| words(&item.kind)).collect(),
                _ => None,
            },
        )
    }

    /// Words of a flag or a state: true or false, one text, or a list of texts.
    pub fn words(&mut self, key: &str) -> Option<Vec<String>> {
        self.read(
            key,
            "true, false, a text or a list of texts",
            |kind| match kind {
                ValueKind::Boolean(flag) => Some(vec![flag.to_string()]),
                ValueKind::String(text) => Some(vec![text.clone()]),
                ValueKind::Array(items) => items
                    .iter()
                    .map(|item| match &item.kind {
                        ValueKind::String(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect(),
                _ => None,
            },
        )
    }

    /// A secret: `key` itself or the content of the file that `key_file` names, without the line
    /// end. Both, or a file that cannot be read, is a fault.
    pub fn secret(&mut self, key: &str) -> Option<Secret> {
        let file_key = format!("{key}_file");
        let file = self.path(&file_key);
        let direct = self.text(key);
        match (direct, file) {
            (Some(_), Some(_)) => {
                self.fault(
                    key,
                    format!("is given twice: here and as {file_key}; keep one"),
                );
                None
            }
            (Some(secret), None) => Some(Secret::new(secret)),
            (None, Some(path)) => match read_secret(&path).map(String::from_utf8) {
                Ok(Ok(text)) => {
                    let text = text.trim_end_matches(['\r', '\n']);
                    if text.is_empty() {
                        let text = format!("({}) must not be empty", path.display());
                        self.fault(&file_key, text);
                        return None;
                    }
                    Some(Secret::new(text.to_owned()))
                }
                Ok(Err(_)) => {
                    self.fault(
                        &file_key,
                        format!("({}) must be UTF-8 text", path.display()),
                    );
                    None
                }
                Err(error) => {
                    self.fault(
                        &file_key,
                        format!("({}) must be readable: {error}", path.display()),
                    );
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// A table below this one; absent is empty.
    #[must_use]
    pub fn section(&mut self, key: &str) -> Section<'a> {
        self.take(key);
        let path = self.full(key);
        let value = self
            .table
            .get(key)
            .cloned()
            .unwrap_or_else(|| Value::new(Some(&self.origin), ValueKind::Nil));
        Section::new(path, value, self.problems)
    }

    /// Tables below `key`, each with a name of its own: `[key.name]`.
    pub fn sections(&mut self, key: &str) -> Vec<(String, Section<'a>)> {
        let mut parent = self.section(key);
        parent
            .keys()
            .into_iter()
            .map(|name| (name.clone(), parent.section(&name)))
            .collect()
    }

    /// Tables below `key` as they stand, to be read by whoever knows them.
    pub fn tables(&mut self, key: &str) -> BTreeMap<String, Value> {
        self.section(key).table
    }

    /// Ends the reading: every key that no getter asked for is a fault.
    pub fn finish(self) {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        for (key, value) in &self.table {
            if known.contains(&key.as_str()) {
                continue;
            }
            let text = match nearest(key, &known) {
                Some(near) => format!("is not a known key; did you mean \"{near}\"?"),
                None if known.is_empty() => "is not a known key; none is allowed here".to_owned(),
                None => format!("is not a known key; allowed here: {}", known.join(", ")),
            };
            self.problems.add(&origin(value), &self.full(key), text);
        }
    }
}

fn origin(value: &Value) -> String {
    value.origin().unwrap_or("defaults").to_owned()
}

fn describe(kind: &ValueKind) -> String {
    match kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::String(text) => format!("\"{text}\""),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Float(number) => Short(*number).to_string(),
        other => other.to_string(),
    }
}

/// The nearest of `words`, if it is near enough to be meant.
pub(crate) fn nearest<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    words
        .iter()
        .map(|word| (strsim::damerau_levenshtein(text, word), *word))
        .min()
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(1))
        .map(|(_, word)| word)
}

/// The content of a secret's file; none is longer than a few keys.
fn read_secret(path: &Path) -> std::io::Result<Vec<u8>> {
    const MAX: u64 = 64 << 10;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX {
        return Err(std::io::Error::other("it is longer than 64 KiB"));
    }
    Ok(bytes)
}
