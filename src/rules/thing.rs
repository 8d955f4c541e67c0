use std::sync::Arc;
use std::time::Duration;

use crate::config::Rule;
use crate::model::slug;

use super::track::Track;

/// What tells nothing for so long is new when it comes again.
const REMEMBERED: Duration = Duration::from_hours(24);

/// What rules watch: a subject, a collector, another node.
#[derive(Debug)]
pub(super) struct Thing {
    /// What a person calls it; not known before its first news after a restart.
    pub(super) label: Option<String>,
    /// The collector it comes from, if it is a subject that has told something.
    pub(super) collector: Option<&'static str>,
    /// The outcome that listed it last.
    pub(super) listed: u64,
    /// Since when nothing is known of it.
    pub(super) lost_at: Option<Duration>,
    /// Why it tells nothing.
    pub(super) error: Option<String>,
    pub(super) tracks: Vec<Track>,
}

impl Thing {
    /// One that has told nothing yet.
    pub(super) fn new(key: &str, rules: &[Arc<Rule>], up: Duration) -> Self {
        let watching = rules.iter().filter(|rule| rule.watches(key));
        Self {
            label: None,
            collector: None,
            listed: 0,
            lost_at: Some(up),
            error: None,
            tracks: watching.map(|rule| Track::new(Arc::clone(rule))).collect(),
        }
    }

    /// It can say nothing any more.
    pub(super) fn lose(&mut self, up: Duration) {
        if self.lost_at.is_none() {
            self.lost_at = Some(up);
        }
        for track in &mut self.tracks {
            track.news(false, up);
        }
    }

    /// Whether it is long gone and nothing is left of it. Things come and go (containers' networks,
    /// disks by USB), and there must not be more of them for every day that homewatch runs.
    pub(super) fn is_forgotten(&self, up: Duration) -> bool {
        let gone = |at: Duration| at.saturating_add(REMEMBERED) <= up;
        self.lost_at.is_some_and(gone) && !self.tracks.iter().any(Track::is_active)
    }

    /// Whether it tells nothing since `collector`s that fail have failed: it may still be there.
    pub(super) fn waits_for(&self, failing: &[String]) -> bool {
        let key = self
            .collector
            .map(|name| format!("collector/{}", slug(name)));
        key.is_some_and(|key| failing.contains(&key))
    }
}
