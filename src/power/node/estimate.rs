use super::cards::Graphics;
use super::{NodePower, Told};
use crate::model::Source;
use crate::power::work::Inputs;
use crate::power::{PowerSample, Scope};

/// Of what always flows through a plug with more on it, the share that is taken for the machine's.
const MOST: f64 = 0.8;
/// What a watt of a graphics card comes to at the wall at least, likely and at most: a supply that is
/// at work loses a tenth, and cards tell their watts to some hundredths.
const CARDS: (f64, f64, f64) = (1.0, 1.1, 1.3);

impl NodePower {
    /// What the node is likely to draw while nothing measures it alone.
    pub(super) fn estimate(
        &self,
        inputs: Option<&Inputs>,
        samples: &[PowerSample],
    ) -> Option<Told> {
        let mut told = self.reckon(inputs?, self.graphics.unwrap_or_default())?;
        // It cannot draw more than all that is on its plug.
        let shared = samples.iter().find(|sample| sample.scope == Scope::Shared);
        let whole = shared
            .filter(|sample| sample.suspect.is_none() && sample.age.is_zero())
            .and_then(|sample| sample.power_w);
        if let Some(whole) = whole {
            let (low, high) = told.band;
            told.watts = told.watts.min(whole);
            told.band = (low.min(told.watts), high.min(whole * 1.02 + 0.5));
        }
        Some(told)
    }

    /// The same, whatever else is on its plug. What knows only the processor lacks the `graphics`.
    pub(super) fn reckon(&self, inputs: &Inputs, graphics: Graphics) -> Option<Told> {
        let beside = |(low, watts, high): (f64, f64, f64), card_w: f64| {
            let (least, likely, most) = CARDS;
            (
                low + card_w * least,
                watts + card_w * likely,
                high + card_w * most,
            )
        };
        let told = |(low, watts, high), source, basis| Told {
            watts,
            band: (low, high),
            source,
            basis,
            doubt: None,
            counter: None,
        };
        let own = self.teacher.own();
        if let Some(found) = own.at(inputs) {
            let band = (found.low_w(), found.watts, found.high_w());
            // A guided calibration tells of the processor alone.
            let lacks = !own.knows_graphics();
            let band = beside(band, if lacks { graphics.above } else { 0.0 });
            return Some(told(band, Source::Calibrated, None));
        }
        if let Some(curve) = self.curve {
            // What was read off a meter with nothing to do has the cards at rest in it.
            let band = beside(curve.at(inputs.usage_pct), graphics.above);
            return Some(told(band, Source::Model, None));
        }
        if let Some(band) = self.beside_others(inputs) {
            let basis = "a meter with more on it".to_owned();
            return Some(told(band, Source::Calibrated, Some(basis)));
        }
        let prior = self.prior.as_ref()?;
        let (source, band) = match inputs.rapl_w {
            Some(rapl_w) => (Source::Rapl, prior.beside(rapl_w)),
            None => (Source::Prior, prior.at(inputs.usage_pct)),
        };
        let band = beside(band, graphics.whole);
        Some(told(band, source, Some(prior.basis.clone())))
    }

    /// By what was learnt from a meter with more on it. What moves with the load is this
    /// machine's; of what always flows it has no more than the least that was seen and, where its
    /// kind is known, hardly less than its kind.
    fn beside_others(&self, inputs: &Inputs) -> Option<(f64, f64, f64)> {
        let shared = self.teacher.shared();
        let (found, always) = (shared.at(inputs)?, shared.idle_w()?);
        let prior = self.prior.as_ref();
        let least = prior.map_or(0.0, |prior| prior.curve.idle_w / prior.spread);
        // A board that is known well is believed, otherwise that most of it is the machine's.
        let known = prior.filter(|prior| prior.spread < 2.0);
        let likely = known.map_or(always * MOST, |prior| prior.curve.idle_w);
        let (least, likely) = (least.min(always), likely.min(always));
        let moving = (found.watts - always).max(0.0);
        let low = least + moving - (found.watts - found.low_w());
        let low = low.max(inputs.rapl_w.unwrap_or(0.0));
        let watts = (likely + moving).max(low);
        Some((low, watts, found.high_w().max(watts)))
    }
}
