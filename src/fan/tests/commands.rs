//! What may be asked of a fan.

use super::*;

#[tokio::test(start_paused = true)]
async fn commands_set_a_percentage_a_curve_or_auto_and_are_remembered() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    let told = house.bus.state().subject("health/fancontrol-case").unwrap();
    let offered: Vec<&str> = told.offers.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(offered, ["set_curve", "set_drive", "measure"]);
    for (payload, ok) in [
        ("70%", true),
        (r#"{"set":55}"#, true),
        (r#"{"set":"quiet"}"#, true),
        ("150", false),
        ("loud", false),
        ("", false),
    ] {
        let result = house.ask("fan/case/set", payload).await;
        assert_eq!(result.ok, ok, "{payload}: {result:?}");
    }
    let result = house.ask("fan/none/set", "auto").await;
    assert!(result.error.unwrap().contains("there are case"));
    assert!(house.ask("fan/case/set", "auto").await.ok);
    house.mode("auto").await;
    assert_eq!(said(&house.dir, "pwm2_enable"), "5", "the board has it");
    let dir = house.stop().await;
    let mut again = House::new(dir, machine, config());
    again.mode("auto").await;
    again.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_leave_no_command_is_obeyed() {
    let dir = machine();
    let other = FanConfig {
        commands: false,
        ..config()
    };
    let machine = host(&dir);
    let mut house = House::new(dir, machine, other);
    house.mode("curve").await;
    let told = house.bus.state().subject("health/fancontrol-case").unwrap();
    assert_eq!(told.offers[..], []);
    let command = Command::parse("fan/case/set", b"auto", Origin::Push).unwrap();
    let (respond, _answer) = tokio::sync::oneshot::channel();
    let request = Request { command, respond };
    let left = house.bus.order(request, Timestamp::UNIX_EPOCH);
    assert!(left.is_some(), "nobody takes it");
    house.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_measuring_goes_by_command_and_its_result_is_kept() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    assert!(house.ask("fan/case/measure", "").await.ok);
    let twice = house.ask("fan/case/measure", "").await;
    assert!(twice.error.unwrap().contains("already"));
    house.mode("measuring").await;
    // The fan: it turns from 20 % on.
    let mut found = None;
    for _ in 0..400 {
        tokio::time::sleep(FansConfig::STEP).await;
        let drive: f64 = said(&house.dir, "pwm2").parse().unwrap();
        house.set("fan2_input", if drive >= 51.0 { "800" } else { "0" });
        found = machine.memory.get::<serde_json::Value>("fan/case");
        if found
            .as_ref()
            .is_some_and(|kept| !kept["measured"].is_null())
        {
            break;
        }
    }
    let kept: Measured = serde_json::from_value(found.unwrap()["measured"].clone()).unwrap();
    assert_eq!((kept.min_pct, kept.start_pct), (20.0, 20.0));
    let told = house.mode("curve").await;
    assert_eq!(told.detail.unwrap()["min_pct"], 20.0);
    // One that must end early leaves the fan to its curve.
    assert!(house.ask("fan/case/measure", "").await.ok);
    house.mode("measuring").await;
    house.warm("82000");
    house.mode("curve").await;
    house.stop().await;
}
