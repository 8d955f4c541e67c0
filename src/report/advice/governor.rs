use super::{Advice, Evidence, Saving, yearly};

/// A processor that is busier needs its speed, %.
const BUSY: f64 = 25.0;
/// What a thriftier governor saves of the machine's watts when it is mostly idle: from …
const LEAST: f64 = 0.01;
/// … to.
const MOST: f64 = 0.10;

/// A processor that is kept fast though it has little to do.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let (Some(governor), Some(mean), Some(usage)) =
        (&evidence.governor, evidence.mean_w, evidence.usage_pct)
    else {
        return Vec::new();
    };
    let thrifty = ["schedutil", "ondemand", "powersave"];
    // With a preference, `powersave` is the governor that heeds it, not the slowest clock.
    let better = thrifty.into_iter().find(|name| {
        let fits = *name != "powersave" || governor.preference.is_some();
        fits && governor.others.iter().any(|other| other == name)
    });
    let (what, todo) = match (&*governor.name, &governor.preference, better) {
        (_, _, _) if usage >= BUSY => return Vec::new(),
        ("performance", _, Some(better)) => (
            "the governor `performance`".to_owned(),
            format!(
                "echo {better} | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor \
                 (and the same at boot, by cpupower or tuned)"
            ),
        ),
        (_, Some(preference), _) if preference == "performance" => (
            "the energy preference `performance`".to_owned(),
            "echo balance_power | sudo tee \
             /sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference (and the same \
             at boot)"
                .to_owned(),
        ),
        _ => return Vec::new(),
    };
    vec![Advice {
        id: "governor".to_owned(),
        title: "The processor is kept fast for little work".to_owned(),
        evidence: format!("{what}, and {usage:.0} % use on average at {mean:.0} W"),
        todo,
        saving: Saving::energy(yearly(mean * LEAST), yearly(mean * MOST)),
    }]
}
