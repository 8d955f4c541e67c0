use super::{Advice, Evidence, Saving, yearly};
use crate::model::slug;

/// A service must draw as much, W …
const LEAST_W: f64 = 1.5;
/// … with no hour in ten this much above the least in ten …
const EVEN: f64 = 1.3;
/// A band that is wider than this share is told.
const TELLING: f64 = 0.3;
/// … over so many hours.
const HOURS: usize = 5 * 24;

/// Services that draw the same by night as by day: what they do, nobody's use decides.
pub(super) fn advise(evidence: &Evidence) -> Vec<Advice> {
    let (least, most) = evidence.work_off.unwrap_or((1.0, 1.0));
    let burns = evidence.services.iter().filter(|service| {
        service.hours >= HOURS
            && service.low_w * least >= LEAST_W
            && service.high_w <= service.low_w * EVEN
    });
    burns
        .map(|service| {
            let (low_w, high_w) = (service.mean_w * least, service.mean_w * most);
            let band = if most - least > TELLING {
                format!(
                    " ({low_w:.1} to {high_w:.1} W: the machine was not seen idle enough to say more)"
                )
            } else {
                String::new()
            };
            Advice {
                id: format!("steady-{}", slug(&service.name)),
                title: format!("{} draws the same day and night", service.name),
                evidence: format!(
                    "{:.1} W on average over {} h{band}; eight hours in ten between {:.1} and \
                     {:.1} W, whoever uses it",
                    service.mean_w, service.hours, service.low_w, service.high_w
                ),
                todo: format!(
                    "Look what {} does when nobody uses it (scans, polling, transcoding, a busy \
                     loop in its log), or stop it for the night: `systemctl stop` by a timer, or \
                     the same for its container.",
                    service.name
                ),
                // Eight hours of the day, or all that it does for nothing.
                saving: Saving::energy(yearly(low_w / 3.0), yearly(high_w)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::advice::Steady;

    #[test]
    fn what_may_be_little_is_not_spoken_of_and_what_may_be_more_or_less_is_told() {
        let of = |work_off| {
            let service = Steady {
                name: "scan".to_owned(),
                hours: HOURS,
                low_w: 12.0,
                high_w: 12.5,
                mean_w: 12.0,
            };
            advise(&Evidence {
                services: vec![service],
                work_off,
                ..Evidence::default()
            })
        };
        let told = of(None).remove(0);
        assert!(told.evidence.starts_with("12.0 W on average over 120 h; "));
        let told = of(Some((0.95, 1.05))).remove(0);
        assert!(!told.evidence.contains("not seen idle"));
        let told = of(Some((0.5, 1.5))).remove(0);
        assert!(told.evidence.contains("(6.0 to 18.0 W: "), "{told:?}");
        let all = Saving::energy(yearly(2.0), yearly(18.0));
        assert_eq!(told.saving, all);
        assert!(of(Some((0.1, 2.0))).is_empty());
    }
}
