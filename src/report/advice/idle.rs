use super::{Advice, Evidence, Saving, yearly};

/// From so many times what its kind draws, W, it is worth a look.
const HIGH: f64 = 1.8;

/// A machine that draws far more with nothing to do than others of its kind.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let (Some(idle), Some(prior)) = (evidence.idle_w, &evidence.prior) else {
        return Vec::new();
    };
    let usual = prior.curve.idle_w;
    if idle < usual * HIGH {
        return Vec::new();
    }
    let most = usual * prior.spread;
    vec![Advice {
        id: "idle-floor".to_owned(),
        title: "It draws much with nothing to do".to_owned(),
        evidence: format!(
            "{idle:.0} W when idle, measured; {usual:.0} W is usual for {}, and nine in ten stay below {most:.0} W",
            prior.basis
        ),
        todo: "Run `powertop` and look at its tunables; enable C-states and ASPM in the firmware; \
               take out cards, memory and disks that nothing needs; a power supply far too large \
               wastes as well."
            .to_owned(),
        saving: Saving::energy(yearly((idle - most).max(idle * 0.05)), yearly(idle - usual)),
    }]
}
