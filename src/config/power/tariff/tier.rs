use crate::config::Section;

/// Prices that depend on how much was used already.
#[derive(Debug, Clone, PartialEq)]
pub struct Tiers {
    /// Within what time.
    pub per: Period,
    /// The steps, the lowest first.
    pub steps: Vec<Step>,
}

/// A stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// A month of the calendar.
    Month,
}

impl Period {
    pub(in crate::config::power) const CHOICES: [(&'static str, Self); 2] =
        [("day", Self::Day), ("month", Self::Month)];

    /// How people say it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// A price for what is used above an amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// It holds for what comes on top of so many kWh.
    pub above_kwh: f64,
    /// What it costs.
    pub price: StepPrice,
}

/// How a step changes the price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StepPrice {
    /// It is the price of a kWh, at all times.
    Is(f64),
    /// So much is added to what a kWh would cost else.
    Adds(f64),
}

impl Tiers {
    /// What a kWh costs that would cost `price` below all steps, after `used_kwh`; and up to how
    /// many kWh that holds.
    pub fn price(&self, price: f64, used_kwh: f64) -> (f64, Option<f64>) {
        let mut price_now = price;
        for step in &self.steps {
            if used_kwh < step.above_kwh {
                return (price_now, Some(step.above_kwh));
            }
            price_now = match step.price {
                StepPrice::Is(own) => own,
                StepPrice::Adds(more) => price + more,
            };
        }
        (price_now, None)
    }

    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let per = section.choice("tiers_per", &Period::CHOICES);
        let mut steps: Vec<Step> = Vec::new();
        for (_, mut table) in section.sections("tiers") {
            let above_kwh = table.number("above_kwh", 0.001..=1_000_000.0);
            let price = super::price(&mut table, "price");
            let add = super::price(&mut table, "add");
            if !table.has("above_kwh") {
                table.fault("above_kwh", "is missing");
            }
            table.either("price", "add");
            table.finish();
            let price = price.map(StepPrice::Is).or(add.map(StepPrice::Adds));
            let (Some(above_kwh), Some(price)) = (above_kwh, price) else {
                continue;
            };
            let same = |step: &Step| (step.above_kwh - above_kwh).abs() < f64::EPSILON;
            if steps.iter().any(same) {
                section.fault("tiers", "two of them begin at the same amount");
            }
            steps.push(Step { above_kwh, price });
        }
        steps.sort_by(|a, b| a.above_kwh.total_cmp(&b.above_kwh));
        let tiers = Self {
            per: per.unwrap_or(Period::Month),
            steps,
        };
        (!tiers.steps.is_empty()).then_some(tiers)
    }
}
