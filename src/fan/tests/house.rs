//! A fan as a whole, over a chip that is a folder.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_fan_is_driven_by_the_named_sensor_and_given_back_at_the_stop() {
    let dir = machine();
    let host = host(&dir);
    let mut house = House::new(dir, host, config());
    let told = house.mode("curve").await;
    assert_eq!(told.value("fault"), Some(&false.into()));
    assert_eq!(
        told.value("temperature_c"),
        Some(&50.0.into()),
        "not the board's 99 °C"
    );
    assert_eq!(told.detail.as_ref().unwrap()["set"], "quiet");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        (said(&house.dir, "pwm2_enable"), said(&house.dir, "pwm2")),
        ("1".into(), "102".into())
    );
    house.warm("90000");
    house.mode("full").await;
    assert_eq!(said(&house.dir, "pwm2"), "255");
    let dir = house.stop().await;
    assert_eq!(said(&dir, "pwm2_enable"), "5");
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_has_left_is_given_back() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    let kept = fs::read(house.dir.path().join("fans.json")).unwrap();
    let dir = house.stop().await;
    // As after a `kill -9`: the output is ours, the record says how it was.
    let again = |boot: &str| {
        fs::write(output(&dir, "pwm2_enable"), "1").unwrap();
        fs::write(dir.path().join("fans.json"), &kept).unwrap();
        fs::write(dir.path().join("proc/sys/kernel/random/boot_id"), boot).unwrap();
        let mut record = Record::open(dir.path(), &machine.root);
        record
            .release()
            .into_iter()
            .filter(|(_, result)| result.is_ok())
            .count()
    };
    assert_eq!(again("two"), 0, "another boot: the board has it anyway");
    assert_eq!(again("one"), 1);
    assert_eq!(said(&dir, "pwm2_enable"), "5");
    let mut record = Record::open(dir.path(), &machine.root);
    assert!(record.release().is_empty(), "and once");
    // The next run gives back first, also if it shall not drive.
    fs::write(output(&dir, "pwm2_enable"), "1").unwrap();
    fs::write(dir.path().join("fans.json"), &kept).unwrap();
    machine.memory.put(
        "fan/case",
        &serde_json::json!({"wish": "auto", "measured": null}),
    );
    let mut house = House::new(dir, machine, config());
    house.mode("auto").await;
    assert_eq!(said(&house.dir, "pwm2_enable"), "5");
    house.stop().await;
}

/// The board's chip gets another number, as when its driver is loaded again.
fn renumber(dir: &Path, from: u32, to: u32) {
    let class = dir.join("sys/class/hwmon");
    let chips = dir.join("sys/devices/platform/nct6775.656/hwmon");
    let (old, new) = (format!("hwmon{from}"), format!("hwmon{to}"));
    fs::remove_file(class.join(&old)).unwrap();
    fs::rename(chips.join(&old), chips.join(&new)).unwrap();
    symlink(chips.join(&new), class.join(&new)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_chip_with_another_number_is_given_back_as_it_was_before_the_first_take() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    renumber(house.dir.path(), 1, 6);
    let moved = "sys/devices/platform/nct6775.656/hwmon/hwmon6";
    let moved = house.dir.path().join(moved);
    let said = |file: &str| Root::read(&moved.join(file)).unwrap();
    house.warm("90000");
    house.mode("full").await;
    assert_eq!(
        (said("pwm2_enable"), said("pwm2")),
        ("1".into(), "255".into())
    );
    let kept = fs::read(house.dir.path().join("fans.json")).unwrap();
    let dir = house.stop().await;
    assert_eq!(said("pwm2_enable"), "5", "the board's mode, not ours");
    // As after a `kill -9`, and renumbered before anybody gives back.
    fs::write(moved.join("pwm2_enable"), "1").unwrap();
    fs::write(dir.path().join("fans.json"), &kept).unwrap();
    renumber(dir.path(), 6, 1);
    let told = Record::open(dir.path(), &machine.root).release();
    let told: Vec<_> = told
        .iter()
        .map(|(one, end)| (&**one, end.is_ok()))
        .collect();
    assert_eq!(told, [("nct6775@nct6775-656/2", true)]);
    assert_eq!(super::said(&dir, "pwm2_enable"), "5");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_could_not_be_given_back_keeps_its_first_mode() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    // Its driver is gone at the stop and at the next start.
    let link = house.dir.path().join("sys/class/hwmon/hwmon1");
    let chip = fs::read_link(&link).unwrap();
    fs::remove_file(&link).unwrap();
    let dir = house.stop().await;
    let told = Record::open(dir.path(), &machine.root).release();
    let error = told[0].1.as_ref().unwrap_err().to_string();
    assert_eq!(error, "there is no chip nct6775");
    let mut house = House::new(dir, machine, config());
    house.mode("blind").await;
    symlink(chip, &link).unwrap();
    house.mode("curve").await;
    assert_eq!(said(&house.dir, "pwm2_enable"), "1");
    let dir = house.stop().await;
    assert_eq!(said(&dir, "pwm2_enable"), "5");
}

#[tokio::test(start_paused = true)]
async fn a_board_without_an_automatic_runs_the_fan_fully_afterwards() {
    for mode in [None, Some("1")] {
        let dir = machine();
        fs::remove_file(output(&dir, "pwm2_enable")).unwrap();
        if let Some(mode) = mode {
            fs::write(output(&dir, "pwm2_enable"), mode).unwrap();
        }
        let machine = host(&dir);
        let mut house = House::new(dir, machine, config());
        house.mode("curve").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(said(&house.dir, "pwm2"), "102");
        let dir = house.stop().await;
        assert_eq!(said(&dir, "pwm2"), "255");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_are_told_in_words() {
    let dir = machine();
    let machine = host(&dir);
    let mut house = House::new(dir, machine.clone(), config());
    house.mode("curve").await;
    house.set("pwm2_enable", "5");
    for _ in 0..4 {
        tokio::time::sleep(FansConfig::STEP).await;
        house.set("pwm2_enable", "5");
    }
    let told = house.mode("foreign").await;
    assert!(
        told.detail.unwrap()["fault_text"]
            .as_str()
            .unwrap()
            .contains("something else")
    );
    assert!(house.ask("fan/case/set", "30").await.ok);
    house.mode("fixed").await;
    house.set("fan2_input", "0");
    let told = house.mode("full").await;
    assert!(
        told.detail.unwrap()["fault_text"]
            .as_str()
            .unwrap()
            .contains("not turn")
    );
    house.warm("nonsense");
    let told = house.mode("blind").await;
    assert!(told.value("temperature_c").is_none(), "unknown is absent");
    fs::remove_file(output(&house.dir, "pwm2")).unwrap();
    let gone = |reading: &Reading| {
        let detail = reading.detail.as_ref().unwrap();
        detail["fault_text"]
            .as_str()
            .is_some_and(|text| text.contains("cannot be read"))
    };
    house.told(gone).await;
    house.stop().await;
    // A chip that is not there, and two that cannot be told apart.
    for (name, second, words) in [
        ("it87", "other", "no chip it87"),
        ("nct6775", "nct6775", "several chips"),
    ] {
        let dir = self::machine();
        chip(dir.path(), 7, second, "platform/second.1", &[]);
        let other = FanConfig {
            output: OutputAddress {
                chip: name.to_owned(),
                ..config().output
            },
            ..config()
        };
        let machine = host(&dir);
        let mut house = House::new(dir, machine, other);
        let told = house.told(|_| true).await;
        let text = told.detail.unwrap()["fault_text"].to_string();
        assert!(text.contains(words), "{text}");
        house.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn other_collectors_temperatures_count_while_they_are_fresh() {
    static WARM: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius);
    let dir = machine();
    let clock = Clock::set_to(Timestamp::UNIX_EPOCH);
    let machine = Host::captured(dir.path(), clock.clone());
    let by_disk = FanConfig {
        sensors: vec!["disk-*".to_owned(), "temp-coretemp*".to_owned()],
        ..config()
    };
    let mut house = House::new(dir, machine, by_disk);
    house.mode("blind").await;
    let disk = Subject::of_host(Area::Health, "disk-a", "Disk");
    let batch = |warm: f64| Batch {
        at: Timestamp::UNIX_EPOCH,
        outcomes: vec![Outcome {
            collector: "smart",
            result: Ok(vec![Reading::new(&disk).with(&WARM, warm)]),
        }],
    };
    house.bus.publish(batch(61.0));
    let of_fan = |reading: &Reading| reading.value("mode") == Some(&"curve".into());
    let told = house.told(of_fan).await;
    assert_eq!(told.value("temperature_c"), Some(&61.0.into()));
    house.stop().await;
}

#[test]
fn outputs_are_listed_as_the_configuration_calls_them() {
    let dir = machine();
    chip(
        dir.path(),
        2,
        "pwmfan",
        "platform/cooling_fan",
        &[("pwm1", "0")],
    );
    chip(
        dir.path(),
        3,
        "pwmfan",
        "platform/other_fan",
        &[("pwm1", "0")],
    );
    let found: Vec<_> = super::super::outputs(&host(&dir).root)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        found,
        ["nct6775/2", "pwmfan@cooling-fan/1", "pwmfan@other-fan/1"]
    );
    let machine = host(&dir);
    let may = |output: &OutputAddress| super::super::writable(&machine.root, output);
    assert!(may(&config().output).unwrap());
    let none = OutputAddress {
        channel: 9,
        ..config().output
    };
    assert!(may(&none).unwrap_err().to_string().contains("pwm9"));
}
