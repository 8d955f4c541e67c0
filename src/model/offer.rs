use serde_json::{Map, Value as Json};

use super::Category;

/// A command that the configuration lets others give, as it is offered to a person. Whoever takes
/// the order declares it; everything that shows controls reads this.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Tells it from the others of its subject: `snake_case`, stable over restarts.
    pub key: String,
    /// What a person reads, without the name of the subject.
    pub name: String,
    /// The words below `cmd/`.
    pub command: String,
    /// How it is given.
    pub form: Form,
    /// Where it belongs in a person's view; hidden is what nobody should press by accident.
    pub category: Category,
}

/// How a command is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Always alike, with these keys in its payload.
    Press(Map<String, Json>),
    /// With one of several words, in the key `set`.
    Choice {
        /// The words.
        options: Vec<String>,
        /// The key of the subject's JSON object that tells which one holds.
        shown: &'static str,
    },
    /// With a percentage from 0 to 100, in the key `set`.
    Percent {
        /// The key of the subject's JSON object that tells which one holds.
        shown: &'static str,
    },
}

impl Offer {
    /// Something to press.
    pub fn press(key: impl Into<String>, name: impl Into<String>, command: String) -> Self {
        Self::new(key, name, command, Form::Press(Map::new()))
    }

    /// Something that is given as `form` says.
    pub fn new(
        key: impl Into<String>,
        name: impl Into<String>,
        command: String,
        form: Form,
    ) -> Self {
        Self {
            key: key.into(),
            name: name.into(),
            command,
            form,
            category: Category::Primary,
        }
    }

    /// The same with `value` as `key` of the payload of something to press.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        if let Form::Press(fields) = &mut self.form {
            fields.insert(key.to_owned(), value.into());
        }
        self
    }

    /// The same, looked at when something is wrong.
    #[must_use]
    pub const fn diagnostic(mut self) -> Self {
        self.category = Category::Diagnostic;
        self
    }

    /// The same, disabled until a person switches it on.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.category = Category::Hidden;
        self
    }
}
