use super::{Advice, Evidence, Saving, yearly};
use crate::model::slug;

/// A service must draw as much, W …
const LEAST_W: f64 = 1.5;
/// … with no hour in ten this much above the least in ten …
const EVEN: f64 = 1.3;
/// … over so many hours.
const HOURS: usize = 5 * 24;

/// Services that draw the same by night as by day: what they do, nobody's use decides.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let burns = evidence.services.iter().filter(|service| {
        service.hours >= HOURS && service.low_w >= LEAST_W && service.high_w <= service.low_w * EVEN
    });
    burns
        .map(|service| Advice {
            id: format!("steady-{}", slug(&service.name)),
            title: format!("{} draws the same day and night", service.name),
            evidence: format!(
                "{:.1} W on average over {} h; eight hours in ten between {:.1} and {:.1} W, whoever uses it",
                service.mean_w, service.hours, service.low_w, service.high_w
            ),
            todo: format!(
                "Look what {} does when nobody uses it (scans, polling, transcoding, a busy loop in \
                 its log), or stop it for the night: `systemctl stop` by a timer, or the same for \
                 its container.",
                service.name
            ),
            // Eight hours of the day, or all that it does for nothing.
            saving: Saving::energy(yearly(service.mean_w / 3.0), yearly(service.mean_w)),
        })
        .collect()
}
