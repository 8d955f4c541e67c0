use super::{Lab, in_state, judged, reading};
use crate::model::Reading;
use crate::predict::raid::Raid;

fn machine(degraded: f64, verdicts: &[(&str, f64)]) -> Vec<Reading> {
    let disks = verdicts
        .iter()
        .enumerate()
        .map(|(place, (verdict, hours))| {
            let disk = reading(&format!("disk-{place}"), [("power_on_hours", *hours)]);
            judged(disk, verdict)
        });
    let raid = reading("raid-md0", [("degraded", degraded)]);
    std::iter::once(raid).chain(disks).collect()
}

#[test]
fn an_array_without_all_of_its_devices_cannot_afford_disks_that_are_ill_or_old() {
    for (degraded, verdicts, want) in [
        (0.0, &[("failing", 9e4), ("ok", 9e4)][..], None),
        (1.0, &[("ok", 9e3), ("ok", 9e3)], None),
        (1.0, &[], None),
        (1.0, &[("ok", 9e3), ("watch", 9e3)], Some((60, "are ill"))),
        (
            1.0,
            &[("ok", 5e4), ("unreadable", 9e3)],
            Some((40, "are old")),
        ),
        (1.0, &[("failing", 9e4); 9], Some((60, "are ill"))),
    ] {
        let mut lab = Lab::<Raid>::new();
        lab.step(&machine(degraded, verdicts));
        let Some((confidence, text)) = want else {
            lab.is_clear();
            continue;
        };
        let case = lab.case();
        assert_eq!(case.confidence, confidence, "{verdicts:?}");
        assert!(case.text.contains(text) && case.pressing, "{case:?}");
        assert!(case.evidence.len() <= 5, "bounded");
        lab.step(&machine(0.0, verdicts));
        lab.is_clear();
    }
}

#[test]
fn what_is_advised_while_it_is_rebuilt_fits_that() {
    for (state, advice) in [
        ("degraded", "replace the device"),
        ("rebuilding", "until it is rebuilt"),
    ] {
        let mut machine = machine(1.0, &[("failing", 9e4)]);
        let raid = in_state(machine.remove(0), state);
        machine.insert(0, raid);
        let mut lab = Lab::<Raid>::new();
        lab.step(&machine);
        assert!(lab.case().advice.contains(advice), "{state}");
    }
}

#[test]
fn while_nothing_is_told_of_the_disks_what_was_told_of_them_holds() {
    let mut lab = Lab::<Raid>::new();
    lab.step(&machine(1.0, &[("failing", 9e4)]));
    lab.step(&machine(1.0, &[]));
    assert_eq!(lab.case().confidence, 60);
    lab.step(&machine(1.0, &[("ok", 9e3)]));
    lab.is_clear();
}
