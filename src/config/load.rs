use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, Source as _, Value, ValueKind};

use super::{Config, Problem, Problems};

/// The environment, read once.
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// The process's own. What is no UTF-8 comes with replacement characters: others' variables
    /// are none of our business, and in ours the check finds them.
    pub fn of_process() -> Self {
        Self::of_os(std::env::vars_os())
    }

    fn of_os(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let text = |raw: OsString| raw.to_string_lossy().into_owned();
        Self(variables.map(|(k, v)| (text(k), text(v))).collect())
    }

    /// A given one, for tests.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
        )
    }

    /// One variable, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub(super) fn default_data_dir(&self) -> PathBuf {
        if let Some(dir) = self.get("STATE_DIRECTORY") {
            return dir.split(':').next().unwrap_or(dir).into();
        }
        match self.get("XDG_STATE_HOME") {
            Some(dir) => Path::new(dir).join("homewatch"),
            None => "./data".into(),
        }
    }
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// TOML beneath the files, for a simulated home: whatever they say wins.
    pub beneath: Option<String>,
}

const DEFAULT_FILES: [&str; 2] = ["./config/homewatch.toml", "/etc/homewatch/homewatch.toml"];
const PREFIX: &str = "HOMEWATCH__";

impl Sources {
    /// The main file: the one that is named, or the first default one that exists.
    fn main_file(&self) -> Option<(PathBuf, bool)> {
        if let Some(file) = &self.file {
            return Some((file.clone(), true));
        }
        if let Some(file) = self.environment.get("HOMEWATCH_CONFIG") {
            return Some((file.into(), true));
        }
        DEFAULT_FILES
            .iter()
            .map(PathBuf::from)
            .find(|file| file.exists())
            .map(|f| (f, false))
    }

    /// Those of the files that say anything, in order.
    pub fn filled(&self) -> Vec<PathBuf> {
        let mut files = self.files();
        files.retain(|file| {
            let text = std::fs::read(file).unwrap_or_default();
            !text.trim_ascii().is_empty()
        });
        files
    }

    /// One of `before`, which said something, that says nothing now, as a file does while it is being
    /// saved. One of `conf.d` may be taken away.
    pub fn emptied(&self, before: &[PathBuf]) -> Option<PathBuf> {
        let filled = self.filled();
        let is_extra = |file: &Path| file.parent().is_some_and(|dir| dir.ends_with("conf.d"));
        let mut gone = before.iter().filter(|file| !filled.contains(file));
        gone.find(|file| file.exists() || !is_extra(file)).cloned()
    }

    /// Every file that is read, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        let Some((main, _)) = self.main_file() else {
            return Vec::new();
        };
        let dir = main.parent().unwrap_or(Path::new(".")).join("conf.d");
        let mut more: Vec<PathBuf> = std::fs::read_dir(dir)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        more.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        });
        more.sort();
        std::iter::once(main).chain(more).collect()
    }
}

/// Reads and checks everything; on failure every fault, in the order of the configuration.
pub fn load(sources: &Sources) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let config = read(sources, &problems);
    let problems = problems.into_vec();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// The same with the faults going to the caller's `problems`; what was faulty has its default.
pub fn read(sources: &Sources, problems: &Problems) -> Config {
    let mut merged = Value::new(None, ValueKind::Table(config::Map::new()));
    let files = sources.files().into_iter().map(|file| {
        let read = std::fs::read(&file).map_err(|error| format!("cannot be read: {error}"));
        let text = read
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is no UTF-8 text".to_owned()));
        (file.display().to_string(), text)
    });
    let beneath = sources.beneath.iter();
    let beneath = beneath.map(|text| ("the simulated home".to_owned(), Ok(text.clone())));
    for (origin, text) in beneath.chain(files) {
        let parsed = text.and_then(|text| {
            // The toml crate's own error shows the line and a caret; config's does not.
            text.parse::<toml::Table>()
                .map_err(|error| format!("is not valid TOML\n{error}"))?;
            File::from_str(&text, FileFormat::Toml)
                .collect()
                .map_err(|error| error.to_string())
        });
        match parsed {
            Ok(table) => merge(&mut merged, with_origin(Value::from(table), &origin)),
            Err(text) => problems.add(&origin, "", text),
        }
    }
    for (name, value) in environment_keys(&sources.environment) {
        let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
        let leaf = Value::new(Some(&"environment".to_owned()), ValueKind::String(value));
        let nested = path.iter().rev().fold(leaf, |inner, key| {
            let table = config::Map::from_iter([(key.clone(), inner)]);
            Value::new(Some(&"environment".to_owned()), ValueKind::Table(table))
        });
        merge(&mut merged, nested);
    }
    Config::read(merged, &sources.environment, problems)
}

fn environment_keys(environment: &Environment) -> Vec<(String, String)> {
    let mut keys: Vec<(String, String)> = environment
        .0
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value.clone())))
        .collect();
    keys.sort();
    keys
}

/// Later wins, table by table; each leaf keeps where it came from.
fn merge(into: &mut Value, from: Value) {
    if let (ValueKind::Table(old), ValueKind::Table(_)) = (&mut into.kind, &from.kind) {
        let ValueKind::Table(new) = from.kind else {
            return;
        };
        for (key, value) in new {
            match old.get_mut(&key) {
                Some(old) => merge(old, value),
                None => {
                    old.insert(key, value);
                }
            }
        }
    } else {
        *into = from;
    }
}

/// Names the file at every value below `value`.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds are another crate's; only tables and lists hold others"
)]
fn with_origin(value: Value, origin: &String) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => ValueKind::Table(
            table
                .into_iter()
                .map(|(key, value)| (key, with_origin(value, origin)))
                .collect(),
        ),
        ValueKind::Array(items) => ValueKind::Array(
            items
                .into_iter()
                .map(|item| with_origin(item, origin))
                .collect(),
        ),
        kind => kind,
    };
    Value::new(Some(origin), kind)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn variables_that_are_no_text_end_nothing() {
        let raw = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let variables = [
            (raw(b"LC_X"), raw(b"\xff")),
            (raw(b"\xfe"), raw(b"1")),
            (raw(b"HOMEWATCH__NODE__NAME"), raw(b"\xff")),
        ];
        let sources = Sources {
            file: Some("/dev/null".into()),
            environment: Environment::of_os(variables.into_iter()),
            beneath: None,
        };
        let problems = load(&sources).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, "node.name");
    }

    #[test]
    fn a_file_that_says_nothing_any_more_is_noticed_and_one_that_was_taken_away_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        let main = put("homewatch.toml", "# nothing but a remark\n");
        let extra = put("conf.d/a.toml", "[node]\n");
        put("conf.d/b.toml", "\n");
        let sources = Sources {
            file: Some(main.clone()),
            ..Sources::default()
        };
        let before = sources.filled();
        assert_eq!(before, [main.clone(), extra.clone()]);
        assert_eq!(sources.emptied(&before), None);
        put("conf.d/a.toml", "");
        assert_eq!(sources.emptied(&before), Some(extra.clone()));
        std::fs::remove_file(&extra).unwrap();
        assert_eq!(sources.emptied(&before), None);
        put("homewatch.toml", " \n");
        assert_eq!(sources.emptied(&before), Some(main.clone()));
        std::fs::remove_file(&main).unwrap();
        assert_eq!(sources.emptied(&before), Some(main));
        assert_eq!(sources.emptied(&[]), None);
    }
}
