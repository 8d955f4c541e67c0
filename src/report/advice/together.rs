use super::{Advice, Evidence, Machine, Saving, yearly};
use crate::model::slug;

/// Hours that must be known of both.
const HOURS: usize = 5 * 24;
/// The busiest hours of both must leave so much of this machine free.
const ROOM: f64 = 0.7;
/// And so much of its memory used at most.
const MEMORY: f64 = 0.85;
/// A machine that idles at less is not worth the move, W.
const LEAST_W: f64 = 3.0;
/// The part of a machine's idle watts that is saved for sure: its disks may move along.
const SURE: f64 = 0.6;

/// Other machines whose work would fit on this one.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let Some(own) = &evidence.own else {
        return Vec::new();
    };
    let others = evidence.neighbours.iter();
    others
        .filter(|other| fits(own, other))
        .map(|other| {
            let other_name = &other.name;
            Advice {
                id: format!("together-{}", slug(other_name)),
                title: format!("The work of {other_name} would fit on {}", own.name),
                evidence: format!(
                    "{other_name} draws {:.0} W on average, {:.0} W of them with nothing to do; over \
                     {} h it kept {:.1} of its {:.0} cores busy at most and used {:.1} GiB. Here \
                     {:.1} of {:.0} cores were busy at most and {:.1} of {:.1} GiB used",
                    other.mean_w,
                    other.idle_w,
                    other.hours,
                    other.busiest,
                    other.cores,
                    gibibytes(other.used_bytes),
                    own.busiest,
                    own.cores,
                    gibibytes(own.used_bytes),
                    gibibytes(own.total_bytes)
                ),
                todo: format!(
                    "Move its services here as containers or units and switch it off; keep it if it \
                     is there to be apart (backups, another room, a radio stick); a core there may be \
                     faster than one here. Where it must stay, \
                     let {other_name} sleep when it is not needed."
                ),
                saving: Saving::energy(yearly(other.idle_w * SURE), yearly(other.idle_w)),
            }
        })
        .collect()
}

/// Whether the work of `other` fits here, and not rather the other way round.
fn fits(own: &Machine, other: &Machine) -> bool {
    let is_known = own.hours >= HOURS && other.hours >= HOURS;
    let is_lesser = (other.busy, &other.name) < (own.busy, &own.name);
    is_known
        && is_lesser
        && other.idle_w >= LEAST_W
        && own.busiest + other.busiest <= own.cores * ROOM
        && own.used_bytes + other.used_bytes <= own.total_bytes * MEMORY
}

fn gibibytes(bytes: f64) -> f64 {
    bytes / 1_073_741_824.0
}
