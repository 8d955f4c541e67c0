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

use power_support::{Dialogue, Rig};

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
    tasmota tasmota_channels tasmota_phases
    shelly shelly_3em shelly_em1 shelly_gen1 shelly_gen1_em
    zigbee2mqtt zigbee2mqtt_outlets zigbee2mqtt_phases
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
