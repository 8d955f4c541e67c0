mod acting;
mod history;
mod odd;
mod servers;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{JoinHandle, spawn};

use super::*;
use crate::config::Problems;
use crate::model::{Device, Value};
use crate::power::{PowerSample, Scope, SourceKind};

/// A server that answers each connection in turn with bytes, whatever it is asked, and ends.
fn server(answers: Vec<Vec<u8>>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            // What the other side does not wait for is nobody's loss.
            let _said = stream.write_all(&answer);
            let _ended = stream.shutdown(std::net::Shutdown::Write);
            let _rest = stream.read_to_end(&mut Vec::new());
        }
    });
    (address, task)
}

fn nut(name: &str, variables: &str) -> Vec<u8> {
    let mut answer = format!(
        "BEGIN LIST UPS\nUPS {name} \"The \\\"big\\\" one\"\nEND LIST UPS\nBEGIN LIST VAR {name}\n"
    );
    let rows = variables.lines().map(|line| {
        let (key, value) = line.trim_start().split_once(": ").unwrap();
        format!("VAR {name} {key} \"{value}\"\r\n")
    });
    answer.extend(rows);
    (answer + &format!("END LIST VAR {name}\n")).into_bytes()
}

fn apc(lines: &[&str]) -> Vec<u8> {
    let mut answer = Vec::new();
    for line in lines {
        answer.extend(u16::try_from(line.len()).unwrap().to_be_bytes());
        answer.extend(line.as_bytes());
    }
    answer.extend([0, 0]);
    answer
}

fn collector(settings: &[(&str, &str)]) -> (Box<dyn Collect>, Vec<String>) {
    let problems = Problems::default();
    let table: std::collections::HashMap<_, _> = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), config::Value::from(*value)))
        .collect();
    let value = config::Value::from(table);
    let section = Section::new("collect.ups".to_owned(), value, &problems);
    let built = build(&Host::real(), section);
    (
        built,
        problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect(),
    )
}

/// One sample of each of upsd's answers.
fn samples(answers: Vec<Vec<u8>>) -> Vec<Result<Vec<Reading>, CollectError>> {
    let count = answers.len();
    let (address, task) = server(answers);
    let set = [
        ("nut", address.as_str()),
        ("apcupsd", "off"),
        ("feeds_host", "rack"),
    ];
    let (mut collector, faults) = collector(&set);
    assert_eq!(faults, Vec::<String>::new());
    let samples = (0..count).map(|_| collector.sample()).collect();
    task.join().unwrap();
    samples
}

fn one(variables: &str) -> Reading {
    let mut samples = samples(vec![nut("rack", variables)]);
    samples.remove(0).unwrap().remove(0)
}

fn figure(reading: &Reading, key: &str) -> Option<f64> {
    reading.value(key).and_then(Value::as_number)
}

fn is(reading: &Reading, key: &str) -> bool {
    reading.value(key) == Some(&Value::from(true))
}

fn stands(reading: &Reading) -> Value {
    reading.value("state").unwrap().clone()
}

const WELL: &str = "battery.charge: 100\nbattery.runtime: 1320\nbattery.voltage: 13.6
input.voltage: 231.0\noutput.voltage: 230.0\nups.load: 20\nups.realpower.nominal: 520
ups.temperature: 30.2\nups.status: OL\ndevice.mfr: APC\nups.model: Back-UPS ES 850G2";

#[test]
fn a_ups_by_nut_is_told_with_all_that_it_says() {
    let reading = one(WELL);
    assert_eq!(reading.subject.key(), "health/ups-rack");
    assert_eq!(reading.subject.label, "The \"big\" one");
    assert_eq!(stands(&reading), Value::from("on_mains"));
    for (key, want) in [
        ("charge_pct", 100.0),
        ("runtime_s", 1320.0),
        ("load_pct", 20.0),
        ("power_w", 104.0),
        ("battery_voltage_v", 13.6),
        ("input_voltage_v", 231.0),
        ("output_voltage_v", 230.0),
        ("temperature_c", 30.2),
    ] {
        assert_eq!(figure(&reading, key), Some(want), "{key}");
    }
    let sample = PowerSample::of(&reading, jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((sample.kind, sample.scope), (SourceKind::Ups, Scope::Host));
    assert!(sample.suspect.is_some(), "reckoned, not measured");
    // A phone has room for three.
    let first = reading.values.iter().map(|(metric, _)| metric.key).take(3);
    let first: Vec<_> = first.collect();
    assert_eq!(first, ["state", "charge_pct", "runtime_s"]);
}

#[test]
fn watts_are_measured_or_reckoned_or_unknown() {
    for (variables, watts, reckoned) in [
        (
            "ups.realpower: 77\nups.load: 20\nups.realpower.nominal: 520",
            Some(77.0),
            false,
        ),
        ("ups.load: 20\nups.power.nominal: 1000", Some(140.0), true),
        ("ups.load: 20", None, true),
        (
            "ups.realpower: NaN\nups.load: -3\nups.realpower.nominal: 520",
            None,
            true,
        ),
    ] {
        let reading = one(variables);
        assert_eq!(figure(&reading, "power_w"), watts, "{variables}");
        let sample = PowerSample::of(&reading, jiff::Timestamp::UNIX_EPOCH);
        let suspect = sample.map(|sample| sample.suspect.is_some());
        assert_eq!(suspect, watts.map(|_| reckoned), "{variables}");
    }
}

#[test]
fn the_status_is_a_set_of_words_in_any_order() {
    for (status, state, flags) in [
        ("OL CHRG", "on_mains", ""),
        ("OL HE", "on_mains", ""),
        ("OB DISCHRG", "on_battery", "on_battery"),
        (
            "OL LB OVER RB BOOST",
            "low_battery",
            "low_battery replace_battery overload",
        ),
        ("ALARM OB LB", "low_battery", "on_battery low_battery"),
        ("FSD OL", "shutting_down", ""),
        ("OL OFF", "off", ""),
        ("BYPASS", "bypass", ""),
        ("WAIT", "unknown", ""),
        ("", "unknown", ""),
    ] {
        let reading = one(&format!("ups.status: {status}"));
        assert_eq!(stands(&reading), Value::from(state), "{status}");
        let all = ["on_battery", "low_battery", "replace_battery", "overload"];
        let set: Vec<_> = all.into_iter().filter(|key| is(&reading, key)).collect();
        assert_eq!(set.join(" "), flags, "{status}");
    }
}

#[test]
fn a_status_that_says_nothing_of_the_power_denies_nothing() {
    const FLAGS: [&str; 5] = [
        "low_battery",
        "replace_battery",
        "overload",
        "alarm",
        "charging",
    ];
    for (status, told) in [
        ("", &[][..]),
        ("WAIT", &[]),
        ("ALARM RB", &["replace_battery", "alarm"]),
        ("OL", &FLAGS),
        ("OFF", &FLAGS),
        ("FSD", &FLAGS),
    ] {
        let reading = one(&format!("ups.status: {status}"));
        let known = FLAGS.into_iter().filter(|key| reading.value(key).is_some());
        assert_eq!(known.collect::<Vec<_>>(), told, "{status}");
        let set = FLAGS.into_iter().filter(|key| is(&reading, key)).count();
        let want = if status.contains("ALARM") { 2 } else { 0 };
        assert_eq!(set, want, "{status}");
    }
}

#[test]
fn what_those_without_a_sensor_say_is_no_figure() {
    let reading = one(
        "ups.status: OL\nups.alarm: 0\nbattery.temperature: 0.0\ninput.voltage: 227.0\n\
         input.frequency: 000.0\noutput.frequency: 051.0",
    );
    for (key, want) in [
        ("temperature_c", None),
        ("input_frequency_hz", None),
        ("output_frequency_hz", Some(51.0)),
        ("input_voltage_v", Some(227.0)),
    ] {
        assert_eq!(figure(&reading, key), want, "{key}");
    }
    assert_eq!(reading.value("alarm_text"), None);
}

#[test]
fn a_runtime_of_nothing_is_none_unless_the_battery_is_empty() {
    let reading = one("ups.status: OL\nbattery.runtime: 0\nbattery.charge: 100");
    assert_eq!(figure(&reading, "runtime_s"), None);
    for (status, charge, want) in [
        // Some never reckon it, in an outage as little as on the mains.
        ("OB", 87, None),
        ("OB LB", 87, Some(0.0)),
        ("OB", 2, Some(0.0)),
    ] {
        let told = format!("ups.status: {status}\nbattery.runtime: 0\nbattery.charge: {charge}");
        assert_eq!(figure(&one(&told), "runtime_s"), want, "{told}");
    }
}

#[test]
fn a_ups_that_falls_silent_on_its_battery_is_not_forgotten() {
    let stale = b"BEGIN LIST UPS\nUPS rack \"\"\nEND LIST UPS\nERR DATA-STALE\n";
    let none = b"BEGIN LIST UPS\nEND LIST UPS\n";
    let told = samples(vec![
        stale.to_vec(),
        nut("rack", "ups.status: OB"),
        stale.to_vec(),
        b"ERR ACCESS-DENIED\n".to_vec(),
        nut("rack", "ups.status: OL"),
        nut("rack", "ups.status: OL"),
        stale.to_vec(),
        none.to_vec(),
    ]);
    let first = |at: usize| told[at].as_ref().unwrap()[0].clone();
    for (at, lost, battery) in [
        (0, true, false),
        (2, true, true),
        (3, true, true),
        (6, true, false),
    ] {
        assert_eq!(stands(&first(at)) == Value::from("lost"), lost, "{at}");
        assert_eq!(is(&first(at), "lost_on_battery"), battery, "{at}");
        assert_eq!(first(at).value("charge_pct"), None, "nothing old is told");
    }
    assert!(!is(&first(4), "lost_on_battery"));
    let reason = first(2).detail.unwrap()["reason"].to_string();
    assert!(reason.contains("its driver has lost the UPS"), "{reason}");
    assert!(
        matches!(told[7], Err(CollectError::Absent(_))),
        "it was taken away"
    );
}

#[test]
fn a_server_that_goes_away_takes_its_ups_along() {
    let (address, task) = server(vec![nut("rack", "ups.status: OB")]);
    let (mut collector, _) = collector(&[("nut", &address), ("apcupsd", "off")]);
    assert_eq!(collector.sample().unwrap().len(), 1);
    task.join().unwrap();
    let lost = collector.sample().unwrap().remove(0);
    assert!(is(&lost, "lost_on_battery"));
    assert_eq!(lost.detail.unwrap()["reason"], "nobody answers");
}

#[test]
fn what_is_no_answer_gets_one_clear_error() {
    let flood = [b"BEGIN LIST UPS\n".to_vec(), b"UPS\n".repeat(400_000)].concat();
    let long = [b"BEGIN LIST UPS\nUPS ".to_vec(), vec![b'x'; 10_000_000]].concat();
    for (answer, why) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
            "this is no NUT server",
        ),
        (b"BEGIN LIST UPS\nUPS ra".to_vec(), "breaks off"),
        (flood, "breaks off"),
        (long, "a line of more than 1024 bytes"),
        (b"\xff\xfe\n".to_vec(), "this is no NUT server"),
        (
            b"ERR ACCESS-DENIED\n".to_vec(),
            "upsd does not allow that to this machine",
        ),
        (
            b"ERR FEATURE-NOT-CONFIGURED\n".to_vec(),
            "upsd says FEATURE-NOT-CONFIGURED",
        ),
    ] {
        let told = samples(vec![answer]).remove(0);
        let Err(CollectError::Transient(text)) = told else {
            panic!("{told:?}");
        };
        assert!(text.starts_with("nut: ") && text.contains(why), "{text}");
    }
}

#[test]
fn rows_that_make_no_sense_are_left_out_and_a_driver_that_does_not_run_is_told() {
    let answer = b"BEGIN LIST UPS\nUPS odd\nUPS rack \"Description unavailable\"\nnoise\n\
        END LIST UPS\nERR DRIVER-NOT-CONNECTED\n";
    let odd = nut("rack", "ups.status: OL");
    let odd = String::from_utf8(odd).unwrap();
    let odd = odd.replace("VAR rack ups.status", "VAR rack alone\nVAR rack ups.status");
    let told = samples(vec![answer.to_vec(), odd.into_bytes()]);
    let lost = &told[0].as_ref().unwrap()[0];
    assert_eq!(lost.subject.label, "UPS rack");
    let reason = lost.detail.as_ref().unwrap()["reason"].to_string();
    assert!(reason.contains("its driver does not run"), "{reason}");
    assert_eq!(
        stands(&told[1].as_ref().unwrap()[0]),
        Value::from("on_mains")
    );
}

#[test]
fn a_place_that_is_none_is_told() {
    let mut access = server::read(&mut Section::root(
        config::Value::default(),
        &Problems::default(),
    ))
    .remove(0);
    for nowhere in ["no.such.host.invalid:3493", "255.255.255.255:3493"] {
        nowhere.clone_into(&mut access.address);
        let told = nut::ask(&access);
        assert!(matches!(told, Err(Silence::Fault(_))), "{told:?}");
    }
}

fn by_apcupsd(answer: Vec<u8>) -> Result<Vec<Reading>, CollectError> {
    let (address, task) = server(vec![answer]);
    let (mut collector, _) = collector(&[("nut", "off"), ("apcupsd", &address)]);
    let told = collector.sample();
    task.join().unwrap();
    told
}

#[test]
fn a_ups_by_apcupsd_is_told_in_the_same_words() {
    let told = by_apcupsd(apc(&[
        "APC      : 001,036,0868\n",
        "UPSNAME  : attic\n",
        "MODEL    : Back-UPS RS 1500G\n",
        "SERIALNO : N/A\n",
        "STATUS   : ONBATT LOWBATT \n",
        "LINEV    : N/A\n",
        "LOADPCT  :  24.0 Percent Load Capacity\n",
        "BCHARGE  : 9.0 Percent\n",
        "TIMELEFT : 2.5 Minutes\n",
        "NOMPOWER : 865 Watts\n",
        "nonsense\n",
    ]));
    let reading = told.unwrap().remove(0);
    assert_eq!(reading.subject.key(), "health/ups-attic");
    assert_eq!(stands(&reading), Value::from("low_battery"));
    assert!(is(&reading, "on_battery") && is(&reading, "low_battery"));
    assert_eq!(figure(&reading, "runtime_s"), Some(150.0));
    assert_eq!(figure(&reading, "power_w"), Some(207.6));
    assert_eq!(figure(&reading, "input_voltage_v"), None);
    let sample = PowerSample::of(&reading, jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(sample.scope, Scope::Apart, "nobody said what hangs on it");
}

#[test]
fn an_apcupsd_without_its_ups_and_what_is_no_apcupsd_are_told_apart() {
    let lost = by_apcupsd(apc(&["STATUS   : COMMLOST \n"]))
        .unwrap()
        .remove(0);
    assert_eq!(lost.subject.key(), "health/ups-apc");
    assert_eq!(stands(&lost), Value::from("lost"));
    for (answer, why) in [
        (apc(&["MODEL : x\n"]), "apcupsd: this is no apcupsd"),
        (vec![0], "apcupsd: the answer breaks off"),
        (b"\x00\x20STATUS".to_vec(), "apcupsd: the answer breaks off"),
    ] {
        assert_eq!(by_apcupsd(answer).unwrap_err().to_string(), why);
    }
}

#[test]
fn addresses_are_checked_and_nobody_has_to_be_there() {
    for bad in ["nas", "nas:0", ":3493", "nas:many", ""] {
        let (_, faults) = collector(&[("nut", bad)]);
        assert_eq!(faults.len(), 1, "{bad}");
        assert!(faults[0].contains("or \"off\""), "{faults:?}");
    }
    let (mut none, faults) = collector(&[("nut", "off"), ("apcupsd", "off")]);
    assert_eq!(faults, Vec::<String>::new());
    assert!(matches!(none.sample(), Err(CollectError::Absent(_))));
}
