use super::Section;

/// `[history]`: the history store.
#[derive(Debug, Clone, Default)]
pub struct HistoryConfig {}

impl HistoryConfig {
    pub(super) fn read(section: Section<'_>) -> Self {
        section.finish();
        Self::default()
    }
}
