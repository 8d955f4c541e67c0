//! What the last scrub found, by the record that `btrfs scrub` keeps of it.

use std::io;
use std::path::Path;

use jiff::Timestamp;

use crate::host::Root;

/// Where `btrfs scrub` keeps its records, and where they are copied to for those who are not root.
const RECORDS: &str = "/var/lib/btrfs";
const COPIES: &str = "/run/homewatch-btrfs";

/// What the last scrub came to.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    /// Blocks that it could not mend.
    pub(super) lost: u64,
    pub(super) ended: Option<Timestamp>,
}

impl Scrub {
    /// `<uuid>:1|…|uncorrectable_errors:0|…|t_start:1795703015|…|duration:0|canceled:0|finished:1`,
    /// one line a device. Fails if the record is there and cannot be read.
    pub(super) fn last(root: &Root, uuid: &str) -> Result<Option<Self>, String> {
        let read = |folder: &str| {
            let path = format!("{folder}/scrub.status.{uuid}");
            Root::read(&root.path(Path::new(&path))).map_err(|error| (path, error))
        };
        match read(RECORDS).or_else(|error| read(COPIES).map_err(|_| error)) {
            Ok(text) => Ok(Self::of(&text, uuid)),
            // It was never scrubbed.
            Err((_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err((path, error)) => Err(format!("{path}: {error}")),
        }
    }

    /// Of the record's text; `None` while it is being written.
    fn of(text: &str, uuid: &str) -> Option<Self> {
        let mut scrub = Self::default();
        for line in text.lines().filter(|line| line.starts_with(uuid)) {
            let number = |key: &str| {
                let mut parts = line.split('|').filter_map(|part| part.split_once(':'));
                parts.find(|(name, _)| *name == key)?.1.parse::<u64>().ok()
            };
            scrub.lost = scrub.lost.saturating_add(number("uncorrectable_errors")?);
            if number("finished") == Some(1) {
                let took = number("duration").unwrap_or_default();
                let end = i64::try_from(number("t_start")?.checked_add(took)?).ok()?;
                scrub.ended = scrub.ended.max(Timestamp::from_second(end).ok());
            }
        }
        Some(scrub)
    }
}
