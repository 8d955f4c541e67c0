use super::{Advice, Evidence, Saving, yearly};

/// Hours that must be known.
const HOURS: usize = 5 * 24;
/// The share of them in which it had nothing to do, so that sleeping pays and does not wear it.
const STILL: f64 = 0.7;
/// What a disk draws more while it turns, W: a small one …
const LEAST_W: f64 = 0.7;
/// … and a large one.
const MOST_W: f64 = 4.5;

/// Disks that turn day and night for hardly anything.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let turns = evidence.disks.iter().filter_map(|disk| {
        #[expect(clippy::cast_precision_loss, reason = "hours of some days")]
        let share = disk.still as f64 / disk.hours.max(1) as f64;
        // Where nobody looks whether it sleeps, it may.
        let awake = disk.slept == Some(false);
        (awake && disk.hours >= HOURS && share >= STILL).then_some((disk, share))
    });
    turns
        .map(|(disk, share)| Advice {
            id: format!("spin-down-{}", disk.id),
            title: format!("Disk {} never sleeps", disk.name),
            evidence: format!(
                "nothing to do in {} of {} h, and never seen asleep",
                disk.still, disk.hours
            ),
            todo: format!(
                "sudo hdparm -S 242 /dev/{} lets it sleep after an hour (keep it in \
                 /etc/hdparm.conf); not for disks of a pool or array that is used together.",
                disk.name
            ),
            saving: Saving::energy(yearly(LEAST_W * share), yearly(MOST_W * share)),
        })
        .collect()
}
