mod meter;

pub use meter::{Address, EnergyUnit, Fields, MeterConfig, PowerUnit};

use super::Section;

/// `[power]`: watts, kilowatt-hours and what they cost.
#[derive(Debug, Clone, Default)]
pub struct PowerConfig {
    /// The meters that are watched, by name.
    pub meters: Vec<MeterConfig>,
}

impl PowerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let meters = meter::read_all(section.sections("meters"));
        section.finish();
        Self { meters }
    }
}
