use std::time::Duration;

use super::FeedConfig;
use crate::config::Section;

/// `[power.co2]`: what a kWh emits.
#[derive(Debug, Clone, PartialEq)]
pub struct Co2Config {
    /// Grams of CO₂ for a kWh, on average; holds when the feed tells nothing.
    pub g_per_kwh: f64,
    /// Where it is told for the moment, g/kWh.
    pub feed: Option<FeedConfig>,
}

impl Co2Config {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let given = !section.keys().is_empty();
        let g_per_kwh = section.number("g_per_kwh", 0.0..=5000.0);
        let feed = FeedConfig::read(&mut section, Duration::from_hours(6));
        if given && !section.has("g_per_kwh") {
            section.fault(
                "g_per_kwh",
                "is missing; such as 380, which holds when nothing better is told",
            );
        }
        section.finish();
        Some(Self {
            g_per_kwh: g_per_kwh?,
            feed,
        })
    }
}
