use super::Period;
use crate::config::Section;
use crate::model::slug;

/// A line of `[power.budgets]`: how much may be used within a day or a month.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetConfig {
    /// What it is called.
    pub name: String,
    /// Within what time.
    pub per: Period,
    /// How much.
    pub limit: Limit,
    /// By which service; `None` is the machine as a whole.
    pub service: Option<String>,
}

/// How much may be used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Energy, kWh.
    Energy(f64),
    /// What energy costs, in the currency of the tariff; without standing charges.
    Money(f64),
}

impl BudgetConfig {
    fn read(name: &str, mut section: Section<'_>, has_tariff: bool) -> Option<Self> {
        let per = section.choice("per", &Period::CHOICES);
        let kwh = section.number("kwh", 0.001..=1_000_000.0);
        let money = section.number("money", 0.001..=1_000_000.0);
        let service = section.text("service");
        if slug(name) != name {
            section.fault_here("must be called by lower-case letters, digits and '-'");
        }
        if !section.has("per") {
            section.fault("per", "is missing: \"day\" or \"month\"");
        }
        section.either("kwh", "money");
        if money.is_some() && !has_tariff {
            section.fault("money", "needs a [power.tariff]");
        }
        section.finish();
        let limit = kwh.map(Limit::Energy).or(money.map(Limit::Money));
        Some(Self {
            name: name.to_owned(),
            per: per?,
            limit: limit?,
            service,
        })
    }

    pub(super) fn read_all(tables: Vec<(String, Section<'_>)>, has_tariff: bool) -> Vec<Self> {
        let tables = tables.into_iter();
        tables
            .filter_map(|(name, section)| Self::read(&name, section, has_tariff))
            .collect()
    }
}
