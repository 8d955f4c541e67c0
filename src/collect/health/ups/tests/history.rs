//! What is remembered of outages, batteries and tests.

use super::servers::of_toml;
use super::*;

/// One sample of each of upsd's answers about `rack`, with the memory before and after.
fn looks(memory: &Memory, all: &[&str]) -> Vec<Reading> {
    let answers: Vec<_> = all.iter().map(|variables| nut("rack", variables)).collect();
    let count = answers.len();
    let (address, task) = server(answers);
    let text = format!("[servers.nas]\naddress = '{address}'\ntls = 'off'");
    let (mut supplies, _) = of_toml(&text, memory);
    let samples = (0..count).map(|_| supplies.sample().unwrap().remove(0));
    let samples = samples.collect();
    task.join().unwrap();
    samples
}

const OUT: &str = "ups.status: OB DISCHRG\nbattery.charge: 70\nups.load: 30\nups.realpower: 150";
const IN: &str = "ups.status: OL\nbattery.charge: 71\nups.load: 30\nups.realpower: 150";

#[test]
fn outages_are_counted_and_the_last_is_told_also_after_a_restart() {
    let memory = Memory::default();
    let told = looks(&memory, &[IN, OUT, OUT]);
    assert_eq!(figure(&told[0], "outages"), Some(0.0));
    assert_eq!(told[0].value("last_outage"), None);
    assert_eq!(figure(&told[2], "outages"), Some(1.0));
    let told = looks(&memory, &[OUT, IN, IN, IN, OUT]);
    assert!(!is(&told[2], "on_battery"));
    assert_eq!(
        figure(&told[3], "outages"),
        Some(1.0),
        "it was the same one"
    );
    assert_eq!(figure(&told[4], "outages"), Some(2.0));
    let all = crate::power::outages(&memory);
    let kept: Vec<_> = all["ups-rack"].newest().collect();
    assert!(kept[0].lasts() && !kept[1].lasts());
    assert_eq!(kept[1].lowest_charge_pct, Some(70.0));
    assert_eq!(kept[1].power_w, Some(150.0));
    assert!(
        memory
            .get::<battery::Battery>("ups/ups-rack/battery")
            .is_some()
    );
}

#[test]
fn a_server_that_is_restarted_in_an_outage_loses_nothing_of_it() {
    let memory = Memory::default();
    let (address, task) = server(vec![nut("rack", OUT)]);
    let text = format!("[servers.nas]\naddress = '{address}'\ntls = 'off'");
    let (mut supplies, _) = of_toml(&text, &memory);
    assert!(is(&supplies.sample().unwrap()[0], "on_battery"));
    task.join().unwrap();
    let lost = supplies.sample().unwrap().remove(0);
    assert!(is(&lost, "lost_on_battery"));
    assert_eq!(figure(&lost, "charge_pct"), None, "nothing old is told");
    let listener = TcpListener::bind(&address).unwrap();
    let task = spawn(move || {
        for variables in [OUT, IN, IN] {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&nut("rack", variables)).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _rest = stream.read_to_end(&mut Vec::new());
        }
    });
    let back = supplies.sample().unwrap().remove(0);
    assert!(is(&back, "on_battery") && !is(&back, "lost_on_battery"));
    assert_eq!(figure(&back, "outages"), Some(1.0), "it is the same one");
    let after: Vec<_> = (0..2)
        .map(|_| supplies.sample().unwrap().remove(0))
        .collect();
    assert!(!is(&after[1], "on_battery"));
    task.join().unwrap();
    let all = crate::power::outages(&memory);
    let outage = all["ups-rack"].last().unwrap();
    assert!(!outage.lasts(), "{outage:?}");
}

#[test]
fn a_test_of_the_battery_is_no_outage_unless_the_mains_go_meanwhile() {
    let test = "ups.status: OB DISCHRG\nups.test.result: In progress\ninput.voltage: 230";
    let cut = "ups.status: OB DISCHRG\nups.test.result: In progress\ninput.voltage: 0";
    let told = looks(&Memory::default(), &[IN, test, cut]);
    let state = |at: usize| told[at].value("state").cloned();
    assert_eq!(state(1), Some(Value::from("testing")));
    assert_eq!(told[1].value("self_test"), Some(&Value::from("running")));
    assert!(!is(&told[1], "on_battery") && is(&told[2], "on_battery"));
    assert_eq!(state(2), Some(Value::from("on_battery")));
    assert_eq!(figure(&told[2], "outages"), Some(1.0));
}

#[test]
fn a_runtime_that_cannot_be_is_told_as_suspect_with_the_reason() {
    let odd = "ups.status: OL\nbattery.charge: 100\nbattery.runtime: 356400\nups.load: 20";
    let none = "ups.status: OL\nbattery.charge: 100\nups.load: 20";
    let fine = "ups.status: OL\nbattery.charge: 100\nbattery.runtime: 1200\nups.load: 20";
    let told = looks(&Memory::default(), &[odd, none, fine]);
    assert!(is(&told[0], "runtime_suspect"));
    let detail = told[0].detail.as_ref().unwrap();
    assert!(
        detail["runtime_doubt"]
            .to_string()
            .contains("more than a day")
    );
    assert_eq!(told[1].value("runtime_suspect"), None);
    assert!(!is(&told[2], "runtime_suspect"));
}

#[test]
fn the_age_of_a_battery_and_its_last_test_are_told_as_far_as_they_are_known() {
    let apc = by_apcupsd(apc(&[
        "STATUS   : ONLINE NOBATT \n",
        "SELFTEST : BT\n",
        "LASTSTEST: 2024-04-27 10:00:00 -0000\n",
        "BATTDATE : 2020-01-02\n",
    ]));
    let told = apc.unwrap().remove(0);
    assert_eq!(told.value("self_test"), Some(&Value::from("failed")));
    assert!(told.value("self_tested").is_some() && is(&told, "alarm"));
    let alarm = Value::from("no battery connected");
    assert_eq!(told.value("alarm_text"), Some(&alarm));
    assert!(figure(&told, "battery_age_days").unwrap() > 365.0);
    let dumb = looks(&Memory::default(), &["ups.status: OL"]).remove(0);
    assert_eq!(dumb.value("self_test"), None);
    assert_eq!(dumb.value("battery_age_days"), None);
    assert_eq!(dumb.value("battery_health_pct"), None);
    assert_eq!(dumb.value("own_runtime_s"), None);
}

#[test]
fn one_that_says_only_that_it_shuts_down_is_still_on_its_battery() {
    let told = by_apcupsd(apc(&[
        "STATUS   : SHUTTING DOWN\n",
        "STATFLAG : 0x05060650\n",
        "BCHARGE  : 42.0 Percent\n",
    ]));
    let told = told.unwrap().remove(0);
    assert!(is(&told, "on_battery") && is(&told, "low_battery"));
    assert_eq!(stands(&told), Value::from("shutting_down"));
    let fsd = "ups.status: FSD";
    let told = looks(&Memory::default(), &["ups.status: OB", fsd, fsd, IN]);
    let on: Vec<_> = told.iter().map(|one| is(one, "on_battery")).collect();
    assert_eq!(on, [true, true, true, false]);
}
