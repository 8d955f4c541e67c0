//! Meters as they really speak: recorded dialogues of every dialect, with what is published of
//! each meter then. The dialogues run on the memory bus in paused time; `power_brokers` carries
//! some of them over real brokers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod power_support;

use std::time::Duration;

use power_support::{Dialogue, Line, Rig, TICK, meters};

async fn play(name: &str) {
    let dialogue = Dialogue::read(name);
    let mut rig = Rig::start(&dialogue.config).await;
    rig.play(&dialogue).await;
}

macro_rules! dialogues {
    ($($name:ident)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            play(stringify!($name)).await;
        }
    )*};
}

dialogues! {
    tasmota tasmota_channels tasmota_phases tasmota_mixed tasmota_mixed_channel
    shelly shelly_3em shelly_3em_phase shelly_em1 shelly_em1_both
    shelly_gen1 shelly_gen1_em shelly_gen1_two
    zigbee2mqtt zigbee2mqtt_outlets zigbee2mqtt_left zigbee2mqtt_phases
    zigbee2mqtt_attribute zigbee2mqtt_attribute_outlet
    esphome dsmr_reader emonhub homeassistant generic generic_plain
}

#[test]
fn every_dialogue_is_played() {
    let source = include_str!("power_meters.rs");
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power/dialects");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".txt").unwrap();
        let played = source.split_whitespace().any(|word| word == name);
        assert!(played, "{name} is not in the list");
    }
}

/// What is offered when nobody has configured the meter of a dialogue.
async fn offers(name: &str) -> Vec<String> {
    let rig = Rig::start("").await;
    for (_, line) in Dialogue::read(name).lines {
        if let Line::Say { topic, payload, .. } = line {
            rig.say(&topic, &payload, false);
        }
    }
    rig.wait(TICK).await;
    rig.meters.offers()
}

/// One meter of every dialect, with every name that it may be given.
const ALL: &str = r#"
[power.meters.a]
tasmota = "t"
[power.meters.a1]
tasmota = "t"
channel = 1
[power.meters.b]
shelly = "s"
[power.meters.b1]
shelly = "s"
channel = 1
[power.meters.b9]
shelly = "s"
channel = 9
[power.meters.c]
shelly_gen1 = "g"
[power.meters.c1]
shelly_gen1 = "g"
channel = 1
[power.meters.d]
zigbee2mqtt = "z"
[power.meters.d1]
zigbee2mqtt = "z"
channel = 1
[power.meters.e]
esphome = "e"
power = "p"
[power.meters.f]
dsmr_reader = "d"
[power.meters.g]
emonhub = "emon/m"
power = "power1"
[power.meters.h]
homeassistant = "ha"
power = "sensor.p"
[power.meters.i]
mqtt = "m"
power = "/p"
"#;

/// Topics on and beside those of [`ALL`].
const TOPICS: [&str; 40] = [
    "tele/t/SENSOR",
    "tele/t/STATE",
    "tele/t/LWT",
    "tele/t/INFO1",
    "stat/t/STATUS8",
    "stat/t/RESULT",
    "stat/t/POWER",
    "stat/t/POWER2",
    "stat/t/POWER0",
    "s/status/switch:0",
    "s/status/switch:1",
    "s/status/em:0",
    "s/status/emdata:0",
    "s/status/em1:1",
    "s/status/pm1:0",
    "s/status/sys",
    "s/status/switch:x",
    "s/events/rpc",
    "s/online",
    "s/homewatch/rpc",
    "shellies/g/online",
    "shellies/g/relay/0",
    "shellies/g/relay/0/power",
    "shellies/g/relay/1/energy",
    "shellies/g/relay/x",
    "shellies/g/emeter/0/pf",
    "shellies/g/input/0",
    "zigbee2mqtt/z",
    "zigbee2mqtt/z/availability",
    "zigbee2mqtt/bridge/state",
    "zigbee2mqtt/bridge/devices",
    "e/status",
    "e/sensor/p/state",
    "d/json",
    "d/reading/electricity_currently_delivered",
    "d/reading/timestamp",
    "emon/m",
    "emon/m/power1",
    "ha/sensor/p/state",
    "m",
];

const PAYLOADS: [&str; 24] = [
    "",
    " ",
    "0",
    "-1",
    "1e400",
    "nan",
    "ON",
    "online",
    "true",
    "null",
    "[]",
    "{}",
    "[[]]",
    "{\"ENERGY\":null}",
    "{\"ENERGY\":{\"Power\":[1,\"x\"],\"Total\":[]}}",
    "{\"StatusSNS\":7}",
    "{\"POWER\":1,\"POWER2\":\"ON\",\"POWER300\":\"ON\"}",
    "{\"method\":\"NotifyStatus\",\"params\":{\"switch:0\":7,\"em:0\":{},\"switch:999\":{},\"ts\":1}}",
    "{\"method\":\"NotifyStatus\"}",
    "{\"result\":{\"switch:0\":{\"apower\":\"x\",\"aenergy\":7}}}",
    "{\"apower\":null,\"output\":\"yes\",\"aenergy\":{\"total\":null}}",
    "{\"state\":7,\"power\":{},\"energy\":[1],\"power_l1\":true}",
    "{\"electricity_currently_delivered\":[],\"electricity_delivered_1\":\"x\"}",
    "\u{1F4A9}",
];

#[tokio::test(start_paused = true)]
async fn every_dialect_survives_everything_and_believes_nothing_of_it() {
    let rig = Rig::start(ALL).await;
    let mut count = 0;
    for topic in TOPICS {
        for payload in PAYLOADS {
            rig.say(topic, payload, count % 7 == 0);
            count += 1;
            // Slower than the queue is long.
            if count % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    rig.wait(TICK).await;
    for state in rig.bus.state().subjects() {
        for (metric, value) in &state.values {
            let number = value.as_number().unwrap_or(0.0);
            assert!(
                number.is_finite(),
                "{}: {}",
                state.subject.key(),
                metric.key
            );
            let plausible = metric.key != "power_w" || (0.0..=4000.0).contains(&number);
            assert!(plausible, "{}: {number} W", state.subject.key());
        }
    }
    assert_eq!(format!("{:?}", rig.meters).matches('"').count(), 28);
    // None of these, all configured, is offered.
    let known = [
        "tasmota",
        "shelly",
        "zigbee2mqtt",
        "esphome",
        "emonhub",
        "homeassistant",
    ];
    rig.say("ha/sensor/p/unit_of_measurement", "W", true);
    rig.say("tele/t/SENSOR", "{\"ENERGY\":{\"Power\":1}}", false);
    rig.wait(TICK).await;
    for line in rig.meters.offers() {
        assert!(
            !known.iter().any(|dialect| line.contains(dialect)),
            "{line}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_meter_is_not_offered() {
    let rig = Rig::start("").await;
    for (topic, payload) in [
        ("tele/plug/SENSOR", "{\"Time\":\"x\",\"SI7021\":{}}"),
        ("a/b/c/SENSOR", "{\"ENERGY\":{\"Power\":1}}"),
        ("button/events/rpc", "{\"method\":\"NotifyEvent\"}"),
        ("button/events/rpc", "x"),
        ("relay/status/switch:0", "{\"id\":0,\"output\":true}"),
        ("relay/status/switch:0", "x"),
        ("zigbee2mqtt/bridge/info", "{\"power\":1}"),
        ("zigbee2mqtt/lamp", "{\"state\":\"ON\",\"energy\":1}"),
        ("zigbee2mqtt/lamp", "x"),
        ("x/json", "{}"),
        ("emon/pi/temperature", "21"),
        ("emon/pi/Pump", "21"),
        ("emon/pi", "{\"temperature\":21}"),
        ("homeassistant/sensor/x/y/config", "x"),
        (
            "homeassistant/sensor/x/y/config",
            "{\"stat_t\":\"a/b\",\"dev_cla\":\"power\"}",
        ),
        ("ha/sensor/p/unit_of_measurement", "\"°C\""),
    ] {
        rig.say(topic, payload, false);
    }
    rig.wait(TICK).await;
    assert_eq!(rig.meters.offers(), Vec::<String>::new());
    // All variables of a node in one object.
    rig.say("emon/tx4", "{\"Vrms\":230.1,\"P1\":120}", false);
    rig.say("emon/tx4", "7", false);
    rig.wait(TICK).await;
    let line = r#"power.meters.emon-tx4 = { emonhub = "emon/tx4", power = "P1" }"#;
    assert_eq!(rig.meters.offers(), [line]);
    for (topic, full_topic) in [
        ("home/tele/a/SENSOR", "home/%prefix%/%topic%"),
        ("home/b/tele/SENSOR", "home/%topic%/%prefix%"),
    ] {
        rig.say(topic, "{\"ENERGY\":{\"Power\":1}}", false);
        rig.wait(TICK).await;
        let lines = rig.meters.offers().join("\n");
        assert!(lines.contains(full_topic), "{lines}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_meters_are_offered_as_one_line_that_adopts_them() {
    for (name, want) in [
        ("tasmota", r#"plug1 = { tasmota = "plug1" }"#),
        (
            "tasmota_channels",
            r#"strip = { tasmota = "strip", full_topic = "%topic%/%prefix%" }"#,
        ),
        (
            "tasmota_phases",
            r#"cellar-meter = { tasmota = "meter", full_topic = "%prefix%/cellar/%topic%" }"#,
        ),
        (
            "shelly",
            r#"shellyplusplugs-a8032ab1c2d3 = { shelly = "shellyplusplugs-a8032ab1c2d3" }"#,
        ),
        (
            "shelly_3em",
            r#"shellypro3em-0cb815fcaff4 = { shelly = "shellypro3em-0cb815fcaff4" }"#,
        ),
        (
            "shelly_gen1",
            r#"shellyplug-s-1a2b3c = { shelly_gen1 = "shellyplug-s-1A2B3C" }"#,
        ),
        (
            "shelly_gen1_em",
            r#"shellyem3-8caab5 = { shelly_gen1 = "shellyem3-8CAAB5" }"#,
        ),
        (
            "zigbee2mqtt",
            r#"living-room-desk-plug = { zigbee2mqtt = "Living room/desk plug" }"#,
        ),
        (
            "shelly_em1_both",
            r#"home-cellar-em = { shelly = "home/cellar/em" }"#,
        ),
        (
            "shelly_gen1_two",
            r#"shellyswitch-55c39a = { shelly_gen1 = "shellyswitch-55C39A" }"#,
        ),
        (
            "zigbee2mqtt_attribute",
            r#"desk = { zigbee2mqtt = "desk" }"#,
        ),
        (
            "zigbee2mqtt_left",
            r#"hall-ceiling-twin = { zigbee2mqtt = "hall/ceiling/twin" }"#,
        ),
        (
            "dsmr_reader",
            r#"dsmr = { dsmr_reader = "dsmr", feeds = "house" }"#,
        ),
        (
            "emonhub",
            r#"emon-emonpi = { emonhub = "emon/emonpi", power = "power1" }"#,
        ),
    ] {
        let lines = offers(name).await;
        assert_eq!(lines, [format!("power.meters.{want}")], "{name}");
        assert_eq!(meters(&lines[0]).unwrap().len(), 1, "{lines:?}");
    }
    // Those of which one cannot know.
    for name in ["generic", "generic_plain", "esphome"] {
        assert_eq!(offers(name).await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn plugs_of_one_name_in_several_groups_are_all_offered() {
    let rig = Rig::start(
        "[power.meters.a]\ntasmota = \"plug\"\nfull_topic = \"%prefix%/attic/%topic%/\"",
    )
    .await;
    for group in ["kitchen/", "attic/", "cellar/", ""] {
        let topic = format!("tele/{group}plug/SENSOR");
        rig.say(&topic, "{\"ENERGY\":{\"Power\":1}}", false);
    }
    rig.wait(TICK).await;
    let lines = rig.meters.offers();
    assert_eq!(
        lines,
        [
            r#"power.meters.cellar-plug = { tasmota = "plug", full_topic = "%prefix%/cellar/%topic%" }"#,
            r#"power.meters.kitchen-plug = { tasmota = "plug", full_topic = "%prefix%/kitchen/%topic%" }"#,
            r#"power.meters.plug = { tasmota = "plug" }"#,
        ]
    );
    assert_eq!(meters(&lines.join("\n")).unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn sensors_are_found_by_what_home_assistant_is_told_of_them() {
    let rig = Rig::start("").await;
    let config = |class: &str, unit: &str, id: &str| {
        format!(
            r#"{{"dev_cla":"{class}","unit_of_meas":"{unit}","stat_t":"plug3/sensor/{id}/state","name":"x"}}"#
        )
    };
    for (class, unit, id) in [
        ("energy", "Wh", "total"),
        ("temperature", "°C", "heat"),
        ("power", "kW", "load"),
        ("power", "W", "other"),
    ] {
        let topic = format!("homeassistant/sensor/plug3/{id}/config");
        rig.say(&topic, &config(class, unit, id), true);
    }
    rig.say("ha/sensor/fridge_power/unit_of_measurement", "\"kW\"", true);
    rig.say("ha/sensor/fridge_heat/unit_of_measurement", "\"°C\"", true);
    rig.wait(TICK).await;
    let lines = rig.meters.offers();
    assert_eq!(
        lines,
        [
            r#"power.meters.plug3 = { esphome = "plug3", energy = "total", energy_unit = "Wh", power = "load", power_unit = "kW" }"#,
            r#"power.meters.fridge-power = { homeassistant = "ha", power = "sensor.fridge_power", power_unit = "kW" }"#,
        ]
    );
    for line in lines {
        meters(&line).unwrap();
    }
    let state = rig.bus.state().subject("power/meters").unwrap();
    let published = String::from_utf8_lossy(&state.published).into_owned();
    assert!(published.contains("\"found_count\":2"), "{published}");
}

#[tokio::test(start_paused = true)]
async fn a_configured_meter_is_not_offered_and_unknown_ones_are_looked_for_again() {
    let rig = Rig::start("[power.meters.it]\ntasmota = \"plug1\"").await;
    let reading = r#"{"ENERGY":{"Total":1.0,"Power":5}}"#;
    rig.say("tele/plug1/SENSOR", reading, false);
    rig.wait(TICK).await;
    assert_eq!(rig.meters.offers(), Vec::<String>::new());
    // The search is over after ten minutes, and begins again a day later.
    rig.wait(Duration::from_mins(11)).await;
    rig.say("tele/late/SENSOR", reading, false);
    rig.wait(TICK).await;
    assert_eq!(rig.meters.offers(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_hours(24)).await;
    rig.say("tele/late/SENSOR", reading, false);
    rig.wait(TICK).await;
    assert_eq!(
        rig.meters.offers(),
        [r#"power.meters.late = { tasmota = "late" }"#]
    );
}
