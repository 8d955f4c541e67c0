//! Commands as they are offered.

use serde_json::{Value as Json, json};

use super::*;
use crate::model::{Form, Offer};

fn selftest() -> Offer {
    Offer::press(
        "selftest_short",
        "Short self-test",
        "health/disk-wd-wcc4n0/selftest".to_owned(),
    )
    .with("test", "short")
    .diagnostic()
}

fn fan_offers() -> Vec<Offer> {
    let set = || "fan/case/set".to_owned();
    let options = vec!["quiet".to_owned(), "auto".to_owned()];
    let shown = "set";
    vec![
        Offer::new("set_curve", "Curve", set(), Form::Choice { options, shown }),
        Offer::new(
            "set_drive",
            "Fixed drive",
            set(),
            Form::Percent { shown: "drive_pct" },
        ),
        Offer::press("measure", "Measure", "fan/case/measure".to_owned()).hidden(),
    ]
}

fn fan(offers: Vec<Offer>) -> Reading {
    let subject = Subject::of_host(Area::Health, "fancontrol-case", "Fan control Case");
    let mut reading = Reading::new(&subject).with(&USAGE, 40.0);
    reading.offers = offers.into();
    reading
}

fn entities(directory: &mut Directory, topic: &str) -> Json {
    let told = parse(&directory.announce());
    let device = told.iter().find(|(told, _)| told == topic);
    device.map_or(Json::Null, |(_, config)| config["cmps"].clone())
}

#[test]
fn what_is_allowed_of_a_thing_stands_on_its_device() {
    let mut directory = empty();
    let mut reading = Reading::new(&disk()).with(&TEMPERATURE, 41.0);
    reading.offers = [selftest()].into();
    assert!(directory.observe(at(0), "disk", &reading));
    assert!(!directory.observe(at(1), "disk", &reading), "nothing new");
    let of_disk = entities(&mut directory, DISK);
    let button = &of_disk["health_disk-wd-wcc4n0_selftest_short"];
    assert_eq!(button["p"], "button");
    assert_eq!(button["name"], "Short self-test");
    assert_eq!(button["cmd_t"], "~/cmd/health/disk-wd-wcc4n0/selftest");
    assert_eq!(button["ent_cat"], "diagnostic");
    let payload: Json = serde_json::from_str(button["pl_prs"].as_str().unwrap()).unwrap();
    assert_eq!(payload, json!({"test": "short", "by": "Home Assistant"}));
    assert_eq!(button["exp_aft"], Json::Null, "a button does not age");
    assert_eq!(
        button["avty"],
        json!([{"t": "~/status"}, {"t": "~/health/disk-wd-wcc4n0/availability"}])
    );
}

#[test]
fn a_fan_has_a_list_of_curves_and_a_slider() {
    let mut directory = empty();
    directory.observe(at(0), "fans", &fan(fan_offers()));
    let host = entities(&mut directory, HOST);
    let select = &host["health_fancontrol-case_set_curve"];
    assert_eq!(select["p"], "select");
    assert_eq!(select["name"], "Fan control Case curve");
    assert_eq!(select["ops"], json!(["quiet", "auto"]));
    assert_eq!(select["stat_t"], "~/health/fancontrol-case");
    assert_eq!(
        select["cmd_tpl"],
        "{\"by\":\"Home Assistant\",\"set\":{{ value|tojson }}}"
    );
    assert_eq!(
        select["val_tpl"],
        "{% set it = (value_json|default({})).get('set') %}\
         {{ it if it in [\"quiet\",\"auto\"] else None }}"
    );
    let number = &host["health_fancontrol-case_set_drive"];
    assert_eq!(number["p"], "number");
    assert_eq!((&number["min"], &number["max"]), (&json!(0), &json!(100)));
    assert_eq!(
        number["cmd_tpl"],
        "{\"by\":\"Home Assistant\",\"set\":{{ value }}}"
    );
    assert_eq!(
        number["val_tpl"],
        "{{ (value_json|default({})).get('drive_pct') }}"
    );
    let measure = &host["health_fancontrol-case_measure"];
    assert_eq!(
        (&measure["p"], &measure["en"]),
        (&json!("button"), &json!(false))
    );
}

#[test]
fn what_is_no_longer_allowed_is_removed_and_may_come_back() {
    let mut first = empty();
    first.observe(at(0), "fans", &fan(fan_offers()));
    let announced = first.announce();
    let mut directory = restored(&announced.records);
    assert_eq!(
        directory.announce().retain,
        announced.retain,
        "the fan has not been heard of yet"
    );
    assert!(directory.observe(at(60), "fans", &fan(Vec::new())));
    let host = entities(&mut directory, HOST);
    assert_eq!(
        host["health_fancontrol-case_set_curve"],
        json!({"p": "select"})
    );
    assert_eq!(
        host["health_fancontrol-case_set_drive"],
        json!({"p": "number"})
    );
    assert_eq!(
        host["health_fancontrol-case_measure"],
        json!({"p": "button"})
    );
    assert_eq!(host["health_fancontrol-case_usage_pct"]["p"], "sensor");
    assert!(directory.observe(at(120), "fans", &fan(fan_offers())));
    let host = entities(&mut directory, HOST);
    assert_eq!(
        host["health_fancontrol-case_set_curve"]["ops"],
        json!(["quiet", "auto"])
    );
}

#[test]
fn a_new_version_keeps_the_controls() {
    let mut first = empty();
    first.observe(at(0), "fans", &fan(fan_offers()));
    let announced = first.announce();
    let kept = announced.records.iter();
    let kept = kept.filter_map(|one| Some((one.key.clone(), one.value.clone()?)));
    let newer = Identity {
        version: "2.0.0".to_owned(),
        ..identity()
    };
    let mut directory = Directory::restore(newer, topics(), limits(), kept);
    directory.observe(at(60), "fans", &fan(fan_offers()));
    directory.tidy(at(60));
    let host = entities(&mut directory, HOST);
    assert_eq!(host["health_fancontrol-case_set_curve"]["p"], "select");
}

#[test]
fn what_is_allowed_of_the_host_goes_with_the_permission() {
    let reboot = || Offer::press("reboot", "Reboot", "host/reboot".to_owned()).hidden();
    let wake = Offer::press("wake_nas", "Wake nas", "wake/nas".to_owned());
    let mut first = empty();
    assert!(first.offer(at(0), &[reboot(), wake.clone()]));
    assert!(
        !first.offer(at(0), &[reboot(), wake.clone()]),
        "nothing new"
    );
    let announced = first.announce();
    let host = parse(&announced)[0].1["cmps"].clone();
    assert_eq!(host["do_wake_nas"]["cmd_t"], "~/cmd/wake/nas");
    assert_eq!(host["do_reboot"]["en"], false);
    let mut directory = restored(&announced.records);
    assert!(directory.offer(at(60), &[wake]));
    let removal = directory.announce();
    let host = parse(&removal)[0].1["cmps"].clone();
    assert_eq!(host["do_reboot"], json!({"p": "button"}));
    assert_eq!(host["do_wake_nas"]["p"], "button");
    let gone = removal
        .records
        .iter()
        .find(|one| one.key == "offer/do_reboot");
    assert_eq!(gone.unwrap().value, None);
}
