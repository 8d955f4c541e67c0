use super::{Advice, Evidence, Saving, Supply, yearly};

/// Hours that must be known.
const HOURS: usize = 5 * 24;
/// A UPS that loses less is as good as any, W …
const LOSS_W: f64 = 8.0;
/// … and a share of what it takes.
const LOSS_SHARE: f64 = 0.12;
/// What a good one loses at a home's load, W: from …
const GOOD_W: f64 = 3.0;
/// … to.
const USUAL_W: f64 = 8.0;

/// With less load than that it is far too large, %.
const IDLE_PCT: f64 = 12.0;
/// Smaller ones are not worth a change, W that they can bear.
const LARGE_W: f64 = 450.0;
/// What a UPS uses itself, as a share of the watts that it can bear: from …
const OWN_LEAST: f64 = 0.01;
/// … to.
const OWN_MOST: f64 = 0.03;
/// One that fits has so many times the watts of its load.
const FITS: f64 = 3.0;

/// UPSes that waste: by what is lost between the wall and their outlets where both are measured,
/// else by a size that their load does not need.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let known = evidence.supplies.iter().filter(|ups| ups.hours >= HOURS);
    known
        .filter_map(|ups| lossy(ups).or_else(|| idle(ups)))
        .collect()
}

fn lossy(ups: &Supply) -> Option<Advice> {
    // What is reckoned from a load in whole per cents is too coarse for a difference.
    let in_w = ups.in_w.filter(|_| ups.is_measured)?;
    let loss = in_w - ups.out_w;
    if loss < LOSS_W || loss < in_w * LOSS_SHARE || ups.out_w <= 0.0 {
        return None;
    }
    let load = ups
        .load_pct
        .map_or_else(String::new, |load| format!(", at a load of {load:.0} %"));
    Some(Advice {
        id: format!("ups-loss-{}", ups.id),
        title: format!("UPS {} wastes", ups.label),
        evidence: format!(
            "it takes {in_w:.0} W from the wall and gives {:.0} W over {} h: {loss:.0} W \
             ({:.0} %) are lost{load}",
            ups.out_w,
            ups.hours,
            loss / in_w * 100.0
        ),
        todo: "Set it to its economy or line-interactive mode if it has one; replace a battery \
               that is never full; leave only what must live on behind it; or replace it by a \
               line-interactive one of three times its load. What else hangs between the meter \
               and the UPS counts as lost here."
            .to_owned(),
        saving: Saving::energy(
            yearly((loss - USUAL_W).max(loss * 0.25)),
            yearly(loss - GOOD_W),
        ),
    })
}

fn idle(ups: &Supply) -> Option<Advice> {
    let load = ups
        .load_pct
        .filter(|load| *load > 0.0 && *load < IDLE_PCT)?;
    let bears = ups.out_w / load * 100.0;
    if ups.in_w.is_some() && ups.is_measured || bears < LARGE_W {
        return None;
    }
    let needless = bears - ups.out_w * FITS;
    Some(Advice {
        id: format!("ups-size-{}", ups.id),
        title: format!("UPS {} is far too large for its load", ups.label),
        evidence: format!(
            "{:.0} W of some {bears:.0} W, {load:.0} % of its load, on average over {} h; what a \
             UPS uses itself goes with its size, 1 to 3 % of what it can bear",
            ups.out_w, ups.hours
        ),
        todo: "When its battery is due, replace it by one of a third of the size; a meter before \
               it (`feeds = \"host\"`) would tell what it really loses."
            .to_owned(),
        saving: Saving::energy(yearly(needless * OWN_LEAST), yearly(needless * OWN_MOST)),
    })
}
