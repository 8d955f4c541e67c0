use jiff::civil::Date;

use super::{DynamicConfig, Period, Rates, Season, Tiers};
use crate::config::Section;

/// What holds from a date on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// The first day on which they hold; `None` means always.
    pub since: Option<Date>,
    /// Prices outside of all seasons; with `dynamic` those that hold when it is not known.
    pub rates: Rates,
    /// Parts of the year with prices of their own; no two of them share a day.
    pub seasons: Vec<Season>,
    /// Steps by how much was used.
    pub tiers: Option<Tiers>,
    /// Prices that are told on MQTT.
    pub dynamic: Option<DynamicConfig>,
    /// What is paid whatever is used.
    pub standing: Option<Standing>,
    /// Tax on prices and standing charge, %; 0 where they include it.
    pub tax_pct: f64,
    /// What is paid for a kWh that is fed in; with `export` that which holds when it is not known.
    pub export_price: Option<f64>,
    /// What is paid for it, told on MQTT.
    pub export: Option<DynamicConfig>,
}

/// What is paid whatever is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// How much of it is this machine's, without tax.
    pub charge: f64,
    /// For how long.
    pub per: Period,
}

impl Terms {
    /// The same price at all times.
    pub fn flat(price: f64) -> Self {
        Self {
            rates: Rates {
                price: Some(price),
                windows: Vec::new(),
            },
            ..Self::default()
        }
    }

    /// The prices of `date`.
    pub fn rates_on(&self, date: Date) -> &Rates {
        let mut seasons = self.seasons.iter();
        let season = seasons.find(|season| season.holds(date));
        season.map_or(&self.rates, |season| &season.rates)
    }

    /// A price or charge with the tax on it.
    pub fn taxed(&self, net: f64) -> f64 {
        net * (1.0 + self.tax_pct / 100.0)
    }

    /// The standing charge of `date`, with tax: a month's is shared out evenly to its days.
    pub fn standing_on(&self, date: Date) -> f64 {
        self.standing.map_or(0.0, |standing| {
            let days = match standing.per {
                Period::Day => 1.0,
                Period::Month => f64::from(date.days_in_month()),
            };
            self.taxed(standing.charge) / days
        })
    }

    /// Reads terms out of `section`; if they are not `given`, nothing is missing.
    pub(super) fn read(
        section: &mut Section<'_>,
        since: Option<Date>,
        given: bool,
        (holiday, currency): (Option<usize>, Option<&str>),
    ) -> Self {
        let (rates, sound) = Rates::read(section);
        let (seasons, gap) = Season::read_all(section, holiday);
        // Seasons may fill the year, or leave it to the prices beside them.
        let needed = given && (gap || !rates.is_empty());
        if sound && needed {
            if rates.is_empty() && !seasons.is_empty() {
                section.fault(
                    "seasons",
                    "leave days of the year out: add a season, or a price for all other days",
                );
            } else {
                rates.check(section, holiday);
            }
        }
        let tiers = Tiers::read(section);
        let dynamic = DynamicConfig::read(section.section("dynamic"), currency);
        let export = DynamicConfig::read(section.section("export"), currency);
        let charge = section.number("standing", 0.0..=100_000.0);
        let per = section.choice("standing_per", &Period::CHOICES);
        let share_pct = section.number("standing_share_pct", 0.0..=100.0);
        let share = share_pct.unwrap_or(100.0) / 100.0;
        let tax_pct = section.number("tax_pct", 0.0..=100.0);
        let export_price = super::price(section, "export_price");
        Self {
            since,
            rates,
            seasons,
            tiers,
            dynamic,
            standing: charge.map(|charge| Standing {
                charge: charge * share,
                per: per.unwrap_or(Period::Month),
            }),
            tax_pct: tax_pct.unwrap_or(0.0),
            export_price,
            export,
        }
    }
}
