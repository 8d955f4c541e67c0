use super::Section;

/// `[rules]`: alert rules.
#[derive(Debug, Clone, Default)]
pub struct RulesConfig {}

impl RulesConfig {
    pub(super) fn read(section: Section<'_>) -> Self {
        section.finish();
        Self::default()
    }
}
