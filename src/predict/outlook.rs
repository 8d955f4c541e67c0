use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What kind of failure is foreseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Dust or dried paste: a part gets hotter than it used to at the same load.
    Cooling,
    /// A fan that turns slower than it used to, or stands still.
    Fan,
    /// A disk whose bad sectors become more.
    Disk,
    /// Flash memory at the end of its rated life.
    Wear,
    /// A filesystem that runs full.
    Space,
    /// The battery of a UPS.
    Battery,
    /// Memory whose errors become more.
    Memory,
    /// An array that cannot afford what is likely to come.
    Raid,
}

impl Kind {
    /// The word that is published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cooling => "cooling",
            Self::Fan => "fan",
            Self::Disk => "disk",
            Self::Wear => "wear",
            Self::Space => "space",
            Self::Battery => "battery",
            Self::Memory => "memory",
            Self::Raid => "raid",
        }
    }

    /// How it is called in front of the name of the part.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cooling => "Cooling of",
            Self::Fan => "Ageing of",
            Self::Disk => "Bad sectors of",
            Self::Wear => "Wear of",
            Self::Space => "Space of",
            Self::Battery => "Battery of",
            Self::Memory => "Errors of",
            Self::Raid => "Risk of",
        }
    }

    /// Announced at least this many days before, as a rule.
    pub const fn lead_days(self) -> u16 {
        match self {
            Self::Cooling | Self::Wear | Self::Battery => 30,
            Self::Fan | Self::Space => 7,
            Self::Disk | Self::Memory => 3,
            Self::Raid => 0,
        }
    }
}

/// When it is expected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Due {
    /// Hardly before.
    pub earliest: Timestamp,
    /// Most likely.
    pub likely: Timestamp,
    /// Hardly later; absent where nothing can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
}

impl Due {
    /// In so many days from `now`; beyond a hundred years there is no date.
    pub(super) fn within(now: Timestamp, days: f64, least: f64, most: f64) -> Option<Self> {
        let likely = after(now, days)?;
        Some(Self {
            earliest: after(now, least)?.min(likely),
            likely,
            latest: after(now, most).map(|latest| latest.max(likely)),
        })
    }
}

/// The moment so many days after `now`, to the hour; what is past is now.
fn after(now: Timestamp, days: f64) -> Option<Timestamp> {
    (days < 36_500.0).then_some(())?;
    let hours = SignedDuration::try_from_secs_f64((days.max(0.0) * 24.0).ceil() * 3_600.0).ok()?;
    now.checked_add(hours).ok()
}

/// A figure that speaks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is.
    pub what: String,
    /// The figure with its unit.
    pub figure: String,
}

/// What a predictor found about one part.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Finding {
    /// It does not know the part well enough; what is missing.
    Young(String),
    /// Nothing is wrong within sight. Where a date is known all the same, it is told.
    Clear(Option<Due>),
    /// Something is.
    Foreseen(Case),
}

/// A failure that is foreseen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    /// What will happen, a sentence.
    pub(super) text: String,
    /// When; `None` if that cannot be said.
    pub(super) due: Option<Due>,
    /// Whether it is to be told as something near, whatever the date.
    pub(super) pressing: bool,
    /// From 0 to 100.
    pub(super) confidence: u8,
    /// In figures.
    pub(super) evidence: Vec<Evidence>,
    /// What to do.
    pub(super) advice: &'static str,
}

impl Case {
    /// Adds a figure that speaks for it.
    pub(super) fn shown_by(mut self, what: &str, figure: impl Into<String>) -> Self {
        self.evidence.push(Evidence {
            what: what.to_owned(),
            figure: figure.into(),
        });
        self
    }
}

/// How near it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nearness {
    /// It was foreseen and no longer is.
    Withdrawn,
    /// Not within a month.
    Distant,
    /// Within a month, or now.
    Near,
}

impl Nearness {
    /// The word that is published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::Distant => "distant",
            Self::Near => "near",
        }
    }
}

/// A failure that is foreseen and told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// `<kind>-<subject>`; the same for as long as it is foreseen, and when it is again.
    pub id: String,
    /// What kind of failure.
    pub kind: Kind,
    /// The subject, `<area>/<id>`.
    pub subject: String,
    /// What a person calls it.
    pub label: String,
    /// How near it is.
    pub outlook: Nearness,
    /// What will happen.
    pub text: String,
    /// When; absent if that cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// From 0 to 100.
    pub confidence_pct: u8,
    /// Announced at least this many days before, as a rule.
    pub lead_days: u16,
    /// In figures.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub advice: String,
    /// When it was announced.
    pub since: Timestamp,
}

/// What is known of the future of one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// What would fail.
    pub kind: Kind,
    /// The subject, `<area>/<id>`.
    pub subject: String,
    /// What a person calls it.
    pub label: String,
    /// What is missing before anything can be said; absent if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// When it would be, far off, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_an_interval_around_it_and_none_beyond_sight() {
        let now = Timestamp::UNIX_EPOCH;
        let text = |due: Due| {
            let latest = due.latest.map(|at| at.to_string());
            (due.earliest.to_string(), due.likely.to_string(), latest)
        };
        let due = Due::within(now, 10.0, 8.5, 40_000.0).unwrap();
        let want = ("1970-01-09T12:00:00Z", "1970-01-11T00:00:00Z");
        assert_eq!(text(due), (want.0.to_owned(), want.1.to_owned(), None));
        let past = Due::within(now, -3.0, -9.0, 1.0).unwrap();
        assert_eq!(past.likely, now, "what is past is now");
        assert_eq!(past.latest.unwrap().to_string(), "1970-01-02T00:00:00Z");
        assert_eq!(Due::within(now, 36_500.0, 1.0, 2.0), None);
        assert_eq!(Due::within(now, 1.0, f64::NAN, 2.0), None);
    }

    #[test]
    fn every_kind_has_its_own_words() {
        let kinds = [
            Kind::Cooling,
            Kind::Fan,
            Kind::Disk,
            Kind::Wear,
            Kind::Space,
            Kind::Battery,
            Kind::Memory,
            Kind::Raid,
        ];
        for kind in kinds {
            let word = serde_json::to_string(&kind).unwrap();
            assert_eq!(word, format!("\"{}\"", kind.as_str()));
            assert!(kind.lead_days() <= 30 && !kind.title().is_empty());
        }
        for near in [Nearness::Withdrawn, Nearness::Distant, Nearness::Near] {
            let word = serde_json::to_string(&near).unwrap();
            assert_eq!(word, format!("\"{}\"", near.as_str()));
        }
    }
}
