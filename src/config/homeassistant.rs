use std::time::Duration;

use super::Section;

/// `[homeassistant]`: discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeAssistantConfig {
    /// Whether devices are announced; if not, what was announced is removed.
    pub enabled: bool,
    /// After this long a device that is gone loses its entities; until then it is unavailable.
    pub forget_after: Duration,
}

impl Default for HomeAssistantConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            forget_after: Duration::from_hours(30 * 24),
        }
    }
}

impl HomeAssistantConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let enabled = section.flag("enabled");
        let forget_after = section.duration(
            "forget_after",
            Duration::from_hours(1)..=Duration::from_hours(3_650 * 24),
        );
        section.finish();
        Self {
            enabled: enabled.unwrap_or(default.enabled),
            forget_after: forget_after.unwrap_or(default.forget_after),
        }
    }
}
