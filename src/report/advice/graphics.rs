use super::{Advice, Evidence, Saving, yearly};

/// Hours that must be known.
const HOURS: usize = 5 * 24;
/// A card that is used more has a reason to be awake, %.
const USED: f64 = 5.0;
/// What an idle card draws that does sleep, W.
const ASLEEP_W: f64 = 15.0;
/// From so many watts at the very least, it does not.
const AWAKE_W: f64 = 25.0;

/// Graphics cards that never get to rest.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let awake = evidence
        .cards
        .iter()
        .filter(|card| card.hours >= HOURS && card.usage_pct < USED && card.least_w >= AWAKE_W);
    awake
        .map(|card| Advice {
            id: format!("graphics-{}", card.id),
            title: format!("Graphics card {} never rests", card.id),
            evidence: format!(
                "never below {:.0} W in {} h, at {:.1} % use on average",
                card.least_w, card.hours, card.usage_pct
            ),
            todo: "For NVIDIA: `nvidia-smi -pm 1`, see `nvidia-smi` for programs that hold the \
                   card, and unload models that nobody asks. For AMD: set power_dpm_force_performance_level \
                   to auto. Or take the card out."
                .to_owned(),
            saving: Saving::energy(yearly((card.least_w - ASLEEP_W) * 0.5), yearly(card.least_w)),
        })
        .collect()
}
