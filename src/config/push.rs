use super::Section;

/// `[push]`: push messages.
#[derive(Debug, Clone, Default)]
pub struct PushConfig {}

impl PushConfig {
    pub(super) fn read(section: Section<'_>) -> Self {
        section.finish();
        Self::default()
    }
}
