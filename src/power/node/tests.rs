mod homes;

use super::*;
use crate::power::testing::close;

impl NodePower {
    /// A look at which only the use of the processor is known.
    fn see(&mut self, up: Duration, samples: &[PowerSample], usage: Option<f64>) -> Option<Draw> {
        let work = Work {
            usage_pct: usage,
            ..Work::default()
        };
        self.step(up, samples, &work)
    }
}

use crate::power::SourceKind;

const CURVE: Curve = Curve {
    idle_w: 20.0,
    max_w: 70.0,
};

fn sample(kind: SourceKind, power_w: Option<f64>, energy_kwh: Option<f64>) -> PowerSample {
    PowerSample {
        source_id: format!("{kind:?}"),
        label: format!("{kind:?}"),
        kind,
        scope: Scope::Host,
        at: jiff::Timestamp::UNIX_EPOCH,
        age: Duration::ZERO,
        power_w,
        energy_kwh,
        suspect: None,
    }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_is_nearest_to_the_wall_is_believed() {
    let mut node = NodePower::new(Some(CURVE), 0.0);
    let meter = sample(SourceKind::Meter, Some(31.5), None);
    let ups = sample(SourceKind::Ups, Some(40.0), None);
    let mut package = sample(SourceKind::Rapl, Some(9.0), None);
    package.scope = Scope::Package(0);
    let all = [package, ups.clone(), meter.clone()];
    let draw = node.see(at(0), &all, Some(50.0)).unwrap();
    assert_eq!((draw.power_w, draw.source), (31.5, Source::Meter));
    assert_eq!(draw.basis.as_deref(), Some("Meter"));
    let (low, high) = draw.band_w;
    assert!(30.0 < low && low < 31.5 && 31.5 < high && high < 33.0);
    let silent = sample(SourceKind::Meter, None, Some(3.0));
    let doubtful = PowerSample {
        suspect: Some("frozen".to_owned()),
        ..meter
    };
    for meter in [silent, doubtful.clone()] {
        let draw = node.see(at(10), &[meter, ups.clone()], None).unwrap();
        assert_eq!(draw.source, Source::Ups);
    }
    let alone = node.see(at(20), &[doubtful], None).unwrap();
    close(alone.power_w, 31.5);
    let below = sample(SourceKind::Meter, Some(-0.4), None);
    close(node.see(at(30), &[below], None).unwrap().power_w, 0.0);
}

#[test]
fn of_two_meters_always_the_same_one_is_taken() {
    let mut node = NodePower::new(None, 0.0);
    let one = sample(SourceKind::Meter, Some(1.0), None);
    let mut two = sample(SourceKind::Meter, Some(2.0), None);
    two.source_id = "A".to_owned();
    for pair in [[one.clone(), two.clone()], [two, one]] {
        close(node.see(at(0), &pair, None).unwrap().power_w, 2.0);
    }
}

#[test]
fn without_a_meter_the_curve_tells_a_band_that_holds_the_figure() {
    let mut node = NodePower::new(Some(CURVE), 0.0);
    for (usage, likely) in [
        (0.0, 20.0),
        (10.0, 28.1),
        (55.0, 45.775),
        (100.0, 70.0),
        (300.0, 70.0),
    ] {
        let draw = node.see(at(0), &[], Some(usage)).unwrap();
        close(draw.power_w, likely);
        assert_eq!((draw.source, draw.basis), (Source::Model, None));
        let (low, high) = draw.band_w;
        assert!(low < likely && likely < high, "{usage} %");
    }
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let mut bare = NodePower::new(None, 1.0);
    assert_eq!(bare.see(at(0), &[], Some(50.0)), None);
    let mut curve = NodePower::new(Some(CURVE), 1.0);
    for usage in [None, Some(f64::NAN)] {
        assert_eq!(curve.see(at(0), &[], usage), None);
    }
    close(curve.energy_kwh(), 1.0);
}

#[test]
fn watts_are_summed_up_over_the_time_that_was_watched() {
    let mut node = NodePower::new(None, 5.0);
    let watts = |watts| [sample(SourceKind::Ups, Some(watts), None)];
    node.see(at(0), &watts(100.0), None);
    node.see(at(36), &watts(300.0), None);
    close(node.energy_kwh(), 5.002);
    // A night's sleep: nothing is known of it.
    node.see(at(36_000), &watts(100.0), None);
    close(node.energy_kwh(), 5.002);
    // A source that was away for a moment: neither.
    node.see(at(36_010), &[], None);
    node.see(at(36_020), &watts(100.0), None);
    close(node.energy_kwh(), 5.002);
}

#[test]
fn a_meters_own_counter_leads_and_a_change_of_source_makes_no_step() {
    let mut node = NodePower::new(Some(CURVE), 0.0);
    let meter = |kwh| [sample(SourceKind::Meter, Some(36.0), Some(kwh))];
    node.see(at(0), &meter(700.0), None);
    node.see(at(10), &meter(700.0), None);
    close(node.energy_kwh(), 0.0);
    // It has counted on while nobody looked.
    node.see(at(90_000), &meter(700.5), None);
    close(node.energy_kwh(), 0.5);
    node.see(at(90_010), &meter(700.4), None);
    close(node.energy_kwh(), 0.5);
    // The plug is gone; the estimate goes on from there, and the plug again.
    node.see(at(90_020), &[], Some(0.0));
    close(node.energy_kwh(), 0.5 + 28.0 * 10.0 / 3_600_000.0);
    let before = node.energy_kwh();
    node.see(at(90_030), &meter(9.0), None);
    close(node.energy_kwh() - before, 28.0 * 10.0 / 3_600_000.0);
}

/// A plug that speaks every ten seconds beside a machine that draws 20 W and 0.5 W more for
/// each percent of use.
fn teach(node: &mut NodePower, from: u64, looks: u64, suspect: Option<&str>) {
    for look in 0..looks {
        // Steps of a minute: steady in between.
        let usage = f64::from(u32::try_from(look / 6 * 7 % 100).unwrap());
        let mut plug = sample(SourceKind::Meter, Some(20.0 + 0.5 * usage), None);
        plug.at = jiff::Timestamp::from_second(i64::try_from(from + look * 10).unwrap()).unwrap();
        plug.suspect = suspect.map(str::to_owned);
        node.see(at(from + look * 10), &[plug], Some(usage));
    }
}

#[test]
fn a_plug_teaches_the_estimate_that_stands_in_when_it_is_gone() {
    let mut node = NodePower::new(Some(CURVE), 0.0);
    teach(&mut node, 0, 400, None);
    for usage in [0.0, 33.0, 80.0] {
        let draw = node.see(at(4_000), &[], Some(usage)).unwrap();
        assert_eq!((draw.source, draw.basis), (Source::Calibrated, None));
        let (low, high) = draw.band_w;
        let truth = 20.0 + 0.5 * usage;
        assert!((low..=high).contains(&truth), "{usage}: {low} to {high}");
        assert!(
            (draw.power_w / truth - 1.0).abs() < 0.05,
            "{usage}: {}",
            draw.power_w
        );
        assert!((draw.idle_w - 20.0).abs() < 1.5, "{}", draw.idle_w);
    }
    // Over a restart.
    let kept = serde_json::to_vec(node.learned()).unwrap();
    let learned = serde_json::from_slice(&kept).unwrap();
    let mut again = NodePower::new(None, 0.0).with_learned(learned, Learned::default());
    let draw = again.see(at(0), &[], Some(50.0)).unwrap();
    assert_eq!(draw.source, Source::Calibrated);
}

#[test]
fn neither_a_doubtful_plug_nor_one_reading_told_often_nor_a_jump_teaches_anything() {
    let untaught = |node: &NodePower| *node.learned() == Learned::default();
    let mut node = NodePower::new(None, 0.0);
    teach(&mut node, 0, 100, Some("frozen"));
    assert!(untaught(&node));
    let plug = sample(SourceKind::Meter, Some(30.0), None);
    for look in 0..100_u32 {
        // To and fro.
        let usage = f64::from(look % 2) * 60.0;
        node.see(
            at(u64::from(look) * 10),
            std::slice::from_ref(&plug),
            Some(usage),
        );
    }
    assert!(untaught(&node), "never steady");
    for look in 0..100 {
        node.see(
            at(2_000 + look * 10),
            std::slice::from_ref(&plug),
            Some(30.0),
        );
    }
    let draw = node.see(at(4_000), &[], Some(30.0));
    assert_eq!(draw, None, "it was one reading only");
    let mut old = plug;
    old.age = Duration::from_hours(2);
    old.at = jiff::Timestamp::from_second(1).unwrap();
    let before = node.learned().clone();
    node.see(at(9_000), &[old], Some(30.0));
    assert_eq!(
        node.learned(),
        &before,
        "of its time nothing is known any more"
    );
}

#[test]
fn a_machine_of_which_nothing_is_known_is_judged_by_its_kind_or_its_processor() {
    let mut node = NodePower::new(None, 0.0);
    assert!(!node.assumes());
    node.assume(Prior::of(&crate::power::Kind::default(), 4.0));
    assert!(node.assumes());
    let draw = node.see(at(0), &[], Some(0.0)).unwrap();
    assert_eq!(draw.source, Source::Prior);
    assert_eq!(draw.basis.as_deref(), Some("a machine with 4 threads"));
    assert!(draw.idle_w > 0.0 && draw.idle_w <= draw.power_w);
    let part = |scope, watts| {
        let mut part = sample(SourceKind::Rapl, Some(watts), None);
        part.scope = scope;
        part
    };
    let parts = [
        part(Scope::Package(0), 20.0),
        part(Scope::Cores(0), 15.0),
        part(Scope::Memory(0), 4.0),
        part(Scope::Package(1), 10.0),
        part(Scope::Platform, 50.0),
    ];
    let draw = node.see(at(10), &parts, Some(40.0)).unwrap();
    assert_eq!(draw.source, Source::Rapl);
    let (low, high) = draw.band_w;
    assert!(34.0 < low && low < draw.power_w && draw.power_w < high);
}

#[test]
fn idle_is_the_least_that_a_meter_has_told_while_nothing_better_is_known() {
    let mut node = NodePower::new(None, 0.0);
    let plug = |watts| [sample(SourceKind::Meter, Some(watts), None)];
    node.see(at(0), &plug(30.0), None);
    let busy = node.see(at(10), &plug(80.0), None).unwrap();
    close(busy.idle_w, 30.0);
    let mut bare = NodePower::new(None, 0.0);
    let mut doubtful = plug(9.0);
    doubtful[0].suspect = Some("frozen".to_owned());
    close(bare.see(at(0), &doubtful, None).unwrap().idle_w, 9.0);
}

#[test]
fn a_contradiction_is_told_beside_the_figure() {
    let mut node = NodePower::new(None, 0.0);
    let meter = sample(SourceKind::Meter, Some(50.0), None);
    let ups = sample(SourceKind::Ups, Some(200.0), None);
    let both = [meter, ups];
    assert_eq!(node.see(at(0), &both, None).unwrap().dispute, None);
    let draw = node.see(at(601), &both, None).unwrap();
    close(draw.power_w, 50.0);
    assert!(draw.dispute.unwrap().starts_with("Ups says 200 W"));
}

#[test]
fn what_measures_has_a_band_too_and_what_is_reckoned_or_behind_the_supply_a_wider_one() {
    let mut node = NodePower::new(None, 0.0);
    let mut width = |kind, suspect: Option<&str>, scope| {
        let mut one = sample(kind, Some(100.0), None);
        one.suspect = suspect.map(str::to_owned);
        one.scope = scope;
        let draw = node.see(at(0), &[one], None).unwrap();
        assert!(!draw.is_estimated());
        let (low, high) = draw.band_w;
        assert!(low < draw.power_w && draw.power_w < high);
        assert_eq!(draw.doubt.as_deref(), suspect);
        ((high - low) / draw.power_w, draw.power_w)
    };
    let (meter, watts) = width(SourceKind::Meter, None, Scope::Host);
    close(watts, 100.0);
    let (ups, _) = width(SourceKind::Ups, None, Scope::Host);
    let (reckoned, _) = width(SourceKind::Ups, Some("reckoned from the load"), Scope::Host);
    assert!(meter < 0.06 && meter < ups && ups < reckoned && reckoned > 0.4);
    let (psu, watts) = width(SourceKind::Psu, None, Scope::Host);
    close(watts, 100.0);
    let (board, watts) = width(SourceKind::Psu, None, Scope::Board);
    assert!(
        psu < board && watts > 110.0,
        "the supply's own loss: {watts}"
    );
    let (battery, _) = width(SourceKind::Battery, None, Scope::Board);
    assert!(battery > 0.2);
    let (hwmon, _) = width(SourceKind::Hwmon, None, Scope::Host);
    assert!(hwmon < ups);
}

#[test]
fn one_source_after_the_other_stands_in_and_the_counter_makes_no_step() {
    let mut node = NodePower::new(None, 0.0);
    node.assume(Prior::of(&crate::power::Kind::default(), 8.0));
    let board = |mut one: PowerSample| {
        one.scope = Scope::Board;
        one
    };
    let mut package = sample(SourceKind::Rapl, Some(15.0), Some(1.0));
    package.scope = Scope::Package(0);
    let mut sources = vec![
        sample(SourceKind::Meter, Some(50.0), Some(800.0)),
        sample(SourceKind::Ups, Some(52.0), None),
        sample(SourceKind::Psu, Some(49.0), None),
        board(sample(SourceKind::Hwmon, Some(41.0), None)),
        package,
    ];
    let wants = [
        Source::Meter,
        Source::Ups,
        Source::Psu,
        Source::Hwmon,
        Source::Rapl,
        Source::Prior,
    ];
    let mut last = 0.0;
    for (round, want) in (0u64..).zip(wants) {
        for look in 0..6 {
            // The meter's counter grows with its watts.
            if let Some(meter) = sources.iter_mut().find(|one| one.kind == SourceKind::Meter) {
                meter.energy_kwh = meter.energy_kwh.map(|kwh| kwh + 50.0 * 10.0 / 3.6e6);
            }
            let up = at(60 * round + 10 * look);
            let draw = node.see(up, &sources, Some(5.0)).unwrap();
            assert_eq!(draw.source, want);
            let grown = draw.energy_kwh - last;
            assert!(
                (0.0..=80.0 * 10.0 / 3.6e6).contains(&grown),
                "{want:?}: {grown}"
            );
            last = draw.energy_kwh;
        }
        if !sources.is_empty() {
            sources.remove(0);
        }
    }
    // And all of them back.
    let meter = sample(SourceKind::Meter, Some(50.0), Some(9_000.0));
    let draw = node.see(at(400), &[meter], Some(5.0)).unwrap();
    assert_eq!(draw.source, Source::Meter);
    assert!(draw.energy_kwh - last < 0.001);
}

/// A plug with a switch of 5 W on it that is always on, and a lamp of 40 W now and then.
fn share(node: &mut NodePower, looks: u64) {
    for look in 0..looks {
        let usage = f64::from(u32::try_from(look / 6 * 7 % 100).unwrap());
        let lamp = if look / 200 % 4 == 3 { 40.0 } else { 0.0 };
        let mut plug = sample(SourceKind::Meter, Some(25.0 + 0.5 * usage + lamp), None);
        plug.scope = Scope::Shared;
        plug.at = jiff::Timestamp::from_second(i64::try_from(look * 10).unwrap()).unwrap();
        node.see(at(look * 10), &[plug], Some(usage));
    }
}

#[test]
fn a_plug_with_more_on_it_teaches_what_moves_and_bounds_the_rest() {
    let mut node = NodePower::new(None, 0.0);
    node.assume(Prior::of(&crate::power::Kind::default(), 8.0));
    share(&mut node, 2_000);
    for usage in [0.0, 50.0] {
        let draw = node.see(at(30_000), &[], Some(usage)).unwrap();
        let truth = 20.0 + 0.5 * usage;
        assert_eq!(draw.source, Source::Calibrated);
        assert!(draw.basis.unwrap().contains("more on it"));
        let (low, high) = draw.band_w;
        assert!((low..=high).contains(&truth), "{usage}: {low} to {high}");
        assert!(
            (draw.power_w / truth - 1.0).abs() < 0.15,
            "{}",
            draw.power_w
        );
    }
    assert_eq!(*node.learned(), Learned::default(), "not of its own");
    let kept = node.learned_shared().clone();
    let mut again = NodePower::new(None, 0.0).with_learned(Learned::default(), kept);
    let draw = again.see(at(0), &[], Some(10.0)).unwrap();
    assert_eq!(draw.source, Source::Calibrated);
    assert!(draw.band_w.0 < 10.0, "nothing is known of its kind");
    // It cannot draw more than what flows through the plug right now.
    let mut plug = sample(SourceKind::Meter, Some(21.0), None);
    plug.scope = Scope::Shared;
    let draw = again.see(at(10), &[plug.clone()], Some(90.0)).unwrap();
    close(draw.power_w, 21.0);
    assert!(draw.band_w.1 < 22.0);
    plug.suspect = Some("frozen".to_owned());
    let draw = again.see(at(20), &[plug], Some(90.0)).unwrap();
    assert!(draw.power_w > 21.0);
    // A board that is known well.
    let board = crate::power::Kind {
        board: Some("Raspberry Pi 4 Model B Rev 1.4".to_owned()),
        ..crate::power::Kind::default()
    };
    again.assume(Prior::of(&board, 4.0));
    let draw = again.see(at(30), &[], Some(0.0)).unwrap();
    close(draw.power_w, 2.4);
}

#[test]
fn a_meter_that_lags_teaches_the_load_of_its_time() {
    let mut node = NodePower::new(None, 0.0);
    let usage = |look: u64| f64::from(u32::try_from(look / 5 * 37 % 90).unwrap());
    for look in 0..1_500_u64 {
        let late = usage(look.saturating_sub(4));
        let mut plug = sample(SourceKind::Meter, Some(20.0 + 0.5 * late), None);
        plug.at = jiff::Timestamp::from_second(i64::try_from(look * 10).unwrap()).unwrap();
        node.see(at(look * 10), &[plug], Some(usage(look)));
    }
    assert_eq!(node.lag(), at(40));
    for usage in [5.0, 40.0, 80.0] {
        let told = node.see(at(20_000), &[], Some(usage)).unwrap().power_w;
        let truth = 20.0 + 0.5 * usage;
        assert!((told / truth - 1.0).abs() < 0.03, "{usage}: {told}");
    }
}

#[test]
fn a_guided_calibration_is_what_is_estimated_from_then_on() {
    let mut node = NodePower::new(Some(CURVE), 0.0);
    let work = Work {
        usage_pct: Some(30.0),
        ..Work::default()
    };
    assert_eq!(NodePower::new(None, 0.0).estimated_w(&work), None);
    assert!(!node.calibrate(&[(0.0, 20.0)], 0.03));
    assert!(node.calibrate(&[(0.0, 30.0), (30.0, 44.0), (100.0, 90.0)], 0.03));
    close(node.estimated_w(&work).unwrap(), 44.0);
    assert_eq!(node.estimated_w(&Work::default()), None);
    let draw = node.step(at(0), &[], &work).unwrap();
    assert_eq!(draw.source, Source::Calibrated);
    close(draw.idle_w, 30.0);
}
