use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// One fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or `environment`, or `defaults`.
    pub origin: String,
    /// The dotted key; empty when a whole file is faulty.
    pub key: String,
    /// What is wrong and what would be right, as one sentence.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.origin, self.text),
            key => write!(f, "{}: {key}: {}", self.origin, self.text),
        }
    }
}

/// Collects faults while the configuration is read, and which keys were asked for.
#[derive(Debug, Default)]
pub struct Problems {
    found: RefCell<Vec<Problem>>,
    asked: RefCell<BTreeSet<String>>,
}

impl Problems {
    /// Notes a fault.
    pub fn add(&self, origin: &str, key: &str, text: impl Into<String>) {
        self.found.borrow_mut().push(Problem {
            origin: origin.to_owned(),
            key: key.to_owned(),
            text: text.into(),
        });
    }

    /// What was found, in the order of the configuration.
    pub fn into_vec(self) -> Vec<Problem> {
        self.found.into_inner()
    }

    /// Notes that the dotted `key` means something, whether it is given or not.
    pub(super) fn ask(&self, key: String) {
        self.asked.borrow_mut().insert(key);
    }

    /// Every key that was asked for, given or not, as dotted paths: what the configuration knows
    /// (of tables that are named by the user, the keys of those that are given).
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }
}
