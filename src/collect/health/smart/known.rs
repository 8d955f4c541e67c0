//! What the owner of a disk knows of it and does not want to be told again.

use std::collections::BTreeMap;

use super::verdict::Counts;
use crate::config::Section;

/// The words of `ignore`, beside the numbers of ATA's attributes.
const WORDS: [&str; 6] = [
    "reallocated",
    "pending",
    "uncorrectable",
    "crc_errors",
    "wear",
    "selftest",
];
/// No count of a disk that lives is above this.
const MOST: i64 = 1_000_000_000;

/// Of one disk: what is not judged, and up to where counts are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    words: Vec<String>,
    attributes: Vec<u64>,
    /// Judged is only what is above these.
    pub(super) accepted: Counts,
}

impl Known {
    /// Whether `word` is not to be judged.
    pub(super) fn ignores(&self, word: &str) -> bool {
        self.words.iter().any(|one| one == word)
    }

    /// Whether ATA's attribute `id` is not to be judged by its threshold.
    pub(super) fn ignores_attribute(&self, id: u64) -> bool {
        self.attributes.contains(&id)
    }

    fn read(mut section: Section<'_>) -> Self {
        let mut known = Self::default();
        for word in section.texts("ignore").unwrap_or_default() {
            if let Ok(id @ 1..=255) = word.parse() {
                known.attributes.push(id);
            } else if WORDS.contains(&word.as_str()) {
                known.words.push(word);
            } else {
                let all = WORDS.join(", ");
                let text = format!(
                    "(\"{word}\") must be the number of an attribute, such as \"190\", or one of {all}"
                );
                section.fault("ignore", text);
            }
        }
        let mut accept = |key| {
            let count = section.integer(key, 0..=MOST)?;
            u64::try_from(count).ok()
        };
        known.accepted = Counts {
            reallocated: accept("accept_reallocated"),
            pending: accept("accept_pending"),
            uncorrectable: accept("accept_uncorrectable"),
            crc_errors: None,
        };
        section.finish();
        known
    }
}

/// `[<section>.disks.<id>]`, by the part of the disk's id after `disk-`.
pub(super) fn read(section: &mut Section<'_>) -> BTreeMap<String, Known> {
    let tables = section.sections("disks");
    tables
        .into_iter()
        .map(|(id, table)| (id, Known::read(table)))
        .collect()
}
