//! What servers say that they should not.

use super::servers::of_toml;
use super::*;

fn reason(reading: &Reading) -> String {
    let detail = reading.detail.as_ref().unwrap();
    detail["reason"].as_str().unwrap().to_owned()
}

#[test]
fn one_unit_that_gets_no_answer_of_use_costs_no_other() {
    let mut answer = b"BEGIN LIST UPS\nUPS odd \"\"\nUPS rack \"\"\nEND LIST UPS\nERR\n".to_vec();
    let rack = String::from_utf8(nut("rack", WELL)).unwrap();
    let (_, variables) = rack.split_once("END LIST UPS\n").unwrap();
    answer.extend(variables.as_bytes());
    let told = samples(vec![answer]).remove(0).unwrap();
    assert_eq!(stands(&told[0]), Value::from("lost"));
    assert_eq!(reason(&told[0]), "upsd says ERR");
    assert_eq!(stands(&told[1]), Value::from("on_mains"));
}

#[test]
fn a_unit_that_is_asked_for_and_is_not_there_is_lost() {
    let (address, task) = server(vec![nut("rack", WELL)]);
    let text =
        format!("[servers.nas]\naddress = '{address}'\ntls = 'off'\nunits = ['rack', 'attic']");
    let (mut supplies, faults) = of_toml(&text, &Memory::default());
    assert_eq!(faults, Vec::<String>::new());
    let told = supplies.sample().unwrap();
    task.join().unwrap();
    assert_eq!(told[0].subject.id, "ups-attic");
    assert_eq!(stands(&told[0]), Value::from("lost"));
    assert!(reason(&told[0]).contains("ups.conf"));
    assert_eq!(stands(&told[1]), Value::from("on_mains"));
}

#[test]
fn units_whose_names_have_one_id_stay_apart() {
    let mut answer = b"BEGIN LIST UPS\nUPS a_b \"\"\nUPS a-b \"\"\nEND LIST UPS\n".to_vec();
    for (name, status) in [("a_b", "OL"), ("a-b", "OB")] {
        let text = String::from_utf8(nut(name, &format!("ups.status: {status}"))).unwrap();
        let (_, variables) = text.split_once("END LIST UPS\n").unwrap();
        answer.extend(variables.as_bytes());
    }
    for told in samples(vec![answer; 2]) {
        let told = told.unwrap();
        let ids = told.iter().map(|one| one.subject.id.as_str());
        assert_eq!(ids.collect::<Vec<_>>(), ["ups-a-b", "ups-a-b-2"]);
        assert_eq!(stands(&told[0]), Value::from("on_mains"));
        assert_eq!(stands(&told[1]), Value::from("on_battery"));
    }
}

#[test]
fn figures_in_no_form_that_is_known_are_absent() {
    for text in [
        "99,5", "nan", "inf", "-1", "101", "", "100 %", "0x10", "1e9", "NA",
    ] {
        let told = one(&format!("ups.status: OL\nbattery.charge: {text}"));
        assert_eq!(figure(&told, "charge_pct"), None, "{text}");
        assert_eq!(stands(&told), Value::from("on_mains"));
    }
}

/// A second apcupsd that asks another one, which is out of reach.
#[test]
fn an_apcupsd_that_says_by_a_bit_that_it_knows_nothing_is_lost() {
    let lines = [
        "STATUS   : NETWORK ERROR",
        "STATFLAG : 0x05000500",
        "BCHARGE  : 100.0 Percent",
    ];
    let told = by_apcupsd(apc(&lines)).unwrap().remove(0);
    assert_eq!(stands(&told), Value::from("lost"));
    assert_eq!(figure(&told, "charge_pct"), None);
}
