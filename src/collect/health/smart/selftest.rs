//! When a disk is to test itself. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::config::Section;
use crate::model::Offer;

/// The shortest time between two tests of one length.
const OFTENEST: Duration = Duration::from_hours(24);
/// The rarest.
const RAREST: Duration = Duration::from_hours(24 * 366);
/// A disk that could not begin is left alone for so long, s.
const AGAIN: i64 = 6 * 3_600;

/// How thorough a self-test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Length {
    /// Some minutes.
    Short,
    /// All of the disk, hours.
    Long,
}

impl Length {
    /// smartctl's word, which is also that of the command.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }

    /// The length of this word.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Short, Self::Long]
            .into_iter()
            .find(|length| length.as_str() == text)
    }
}

/// The commands that begin a test of the disk `id`, or end it.
pub(super) fn offers(id: &str) -> Arc<[Offer]> {
    [
        ("short", "Short self-test"),
        ("long", "Long self-test"),
        ("abort", "End the self-test"),
    ]
    .into_iter()
    .map(|(word, name)| {
        Offer::press(
            format!("selftest_{word}"),
            name,
            format!("health/{id}/selftest"),
        )
        .with("test", word)
        .diagnostic()
    })
    .collect()
}

/// `[collect.smart.selftest]`: nothing is scheduled unless it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    short: Option<Duration>,
    long: Option<Duration>,
    /// From the first of these hours up to the second.
    hours: Option<(i8, i8)>,
    /// Whether a command may begin one.
    pub(super) by_command: bool,
}

impl Schedule {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let schedule = Self {
            short: section.duration("short", OFTENEST..=RAREST),
            long: section.duration("long", OFTENEST..=RAREST),
            hours: section.parsed("hours", "two hours such as \"1-6\" or \"22-5\"", hours),
            by_command: section.flag("command").unwrap_or(false),
        };
        section.finish();
        schedule
    }

    /// Which test is due of a disk with this `record`, if now is a time for it. The long one goes
    /// first: it includes the short one.
    pub(super) fn due(&self, record: &Record, now: Timestamp, zone: &TimeZone) -> Option<Length> {
        let hour = now.to_zoned(zone.clone()).hour();
        let (from, to) = self.hours.unwrap_or((1, 6));
        let is_night = if from < to {
            (from..to).contains(&hour)
        } else {
            hour >= from || hour < to
        };
        let now = now.as_second();
        let tried = record
            .tried
            .is_some_and(|at| (0..AGAIN).contains(&(now - at)));
        if !is_night || tried {
            return None;
        }
        let is_due = |every: Option<Duration>, last: Option<i64>| {
            let every = every.and_then(|every| i64::try_from(every.as_secs()).ok());
            // An hour early counts: else every test would wander to a later hour of the night.
            every.is_some_and(|every| last.is_none_or(|last| last + every - 3_600 <= now))
        };
        if is_due(self.long, record.long) {
            return Some(Length::Long);
        }
        is_due(self.short, record.short.max(record.long)).then_some(Length::Short)
    }
}

/// `1-6`
fn hours(text: &str) -> Option<(i8, i8)> {
    let (from, to) = text.split_once('-')?;
    let hour = |text: &str| {
        text.trim()
            .parse()
            .ok()
            .filter(|hour| (0..24).contains(hour))
    };
    let (from, to) = (hour(from)?, hour(to)?);
    (from != to).then_some((from, to))
}

/// What is remembered of a disk's tests over restarts: times in s since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    short: Option<i64>,
    long: Option<i64>,
    tried: Option<i64>,
    /// The one that homewatch has begun and has not seen end.
    pub(super) running: Option<(Length, i64)>,
}

/// After this long a test has ended, whether the disk tells it or not, s.
const LONGEST: i64 = 4 * 86_400;
/// Before this a disk may not yet tell that it has begun, s.
const SHORTEST: i64 = 60;

impl Record {
    /// One has begun.
    pub(super) fn begin(&mut self, length: Length, now: Timestamp) {
        let now = now.as_second();
        match length {
            Length::Short => self.short = Some(now),
            Length::Long => self.long = Some(now),
        }
        self.running = Some((length, now));
        self.tried = None;
    }

    /// One that was to begin has not.
    pub(super) fn fail(&mut self, now: Timestamp) {
        self.tried = Some(now.as_second());
    }

    /// Takes what the disk says of whether one runs; tells the length of one that has ended.
    pub(super) fn see(&mut self, runs: bool, now: Timestamp) -> Option<Length> {
        let (length, begun) = self.running?;
        let age = now.as_second() - begun;
        // A clock that was set back makes an age of less than nothing.
        let has_ended = !(0..LONGEST).contains(&age) || (!runs && age >= SHORTEST);
        has_ended.then(|| {
            self.running = None;
            length
        })
    }
}
