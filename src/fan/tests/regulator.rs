//! What is done with a fan, without any.

use super::*;

#[test]
fn it_follows_its_curve_up_at_once_and_down_when_it_is_cooler_by_the_hysteresis() {
    let mut toy = Toy::new(&config(), Wish::Curve(curve()));
    close(toy.step(Some(50.0)).0, 40.0);
    close(toy.step(Some(60.0)).0, 60.0);
    close(toy.step(Some(57.0)).0, 60.0);
    close(toy.step(Some(56.0)).0, 60.0);
    let (deed, stand) = toy.step(Some(50.0));
    close(deed, 48.0);
    assert_eq!(stand, Stand::Curve);
    close(toy.step(Some(20.0)).0, 25.0);
    let (deed, stand) = toy.step(Some(85.0));
    close(deed, 100.0);
    assert_eq!(stand, Stand::Full);
}

#[test]
fn a_fan_stands_still_only_if_it_may_and_gets_a_push_to_begin() {
    let may = FanConfig {
        may_stop: true,
        ..config()
    };
    let silent = FanCurve {
        points: vec![(40.0, 0.0), (80.0, 100.0)],
        ..curve()
    };
    let mut toy = Toy::new(&config(), Wish::Curve(silent.clone()));
    close(toy.step(Some(30.0)).0, 25.0);
    let mut toy = Toy::new(&may, Wish::Curve(silent));
    close(toy.step(Some(30.0)).0, 0.0);
    toy.rpm = Some(0.0);
    close(toy.step(Some(44.0)).0, 40.0);
    toy.rpm = Some(500.0);
    close(toy.step(Some(44.0)).0, 40.0);
    close(toy.step(Some(44.0)).0, 25.0);
    // Nobody counts: it is known to stand still by its drive alone.
    toy.rpm = None;
    close(toy.step(Some(30.0)).0, 0.0);
    close(toy.step(Some(44.0)).0, 40.0);
    close(toy.steps(3, Some(44.0)).0, 25.0);
}

#[test]
fn a_fan_that_does_not_turn_gets_everything_and_is_told() {
    let mut toy = Toy::new(&config(), Wish::Fixed(30.0));
    close(toy.step(Some(40.0)).0, 30.0);
    toy.rpm = Some(0.0);
    close(toy.step(Some(40.0)).0, 40.0);
    assert!(!toy.regulator.is_stalled());
    let (deed, stand) = toy.steps(9, Some(40.0));
    close(deed, 100.0);
    assert_eq!((stand, toy.regulator.is_stalled()), (Stand::Full, true));
    toy.rpm = Some(700.0);
    close(toy.step(Some(40.0)).0, 30.0);
    assert!(!toy.regulator.is_stalled());
}

#[test]
fn without_temperatures_it_goes_on_for_a_moment_and_is_then_given_back() {
    let mut toy = Toy::new(&config(), Wish::Curve(curve()));
    close(toy.step(None).0, 100.0);
    close(toy.step(Some(50.0)).0, 48.0);
    close(toy.step(None).0, 48.0);
    let (deed, stand) = toy.steps(6, None);
    assert_eq!((deed, stand), (Deed::Release, Stand::Blind));
    assert_eq!(
        toy.steps(10, Some(50.0)).1,
        Stand::Blind,
        "not believed yet"
    );
    let (deed, stand) = toy.steps(7, Some(50.0));
    close(deed, 40.0);
    assert_eq!(stand, Stand::Curve);
}

#[test]
fn who_else_sets_the_output_gets_the_fan_until_somebody_asks_again() {
    let mut toy = Toy::new(&config(), Wish::Fixed(50.0));
    close(toy.step(Some(50.0)).0, 50.0);
    for _ in 0..2 {
        toy.drive = Some(80.0);
        close(toy.step(Some(50.0)).0, 50.0);
    }
    toy.drive = None;
    assert_eq!(toy.step(Some(50.0)), (Deed::Release, Stand::Foreign));
    assert_eq!(toy.steps(20, Some(50.0)).1, Stand::Foreign);
    toy.regulator.ask(Wish::Fixed(60.0));
    close(toy.step(Some(50.0)).0, 60.0);
    toy.regulator.ask(Wish::Auto);
    assert_eq!(toy.step(Some(95.0)), (Deed::Release, Stand::Auto));
    assert_eq!(toy.regulator.wish(), &Wish::Auto);
}
