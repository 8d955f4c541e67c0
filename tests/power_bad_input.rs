//! What no meter should say, and what it gets; and what is kept over a restart.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    clippy::format_push_string,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod power_support;

use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, State};
use homewatch::host::Clock;
use homewatch::model::Value;
use homewatch::power::{PowerSample, Scope};
use homewatch::store::{Change, Collection, Store};
use power_support::{Dialogue, Rig, holds, meters};

const TASMOTA: &str = "config tasmota = \"plug1\"\nconfig feeds = \"host\"\n";

async fn play(config: &str, lines: &str) -> Rig {
    let dialogue = Dialogue::parse(&format!("{config}{lines}"));
    let mut rig = Rig::start(&dialogue.config).await;
    rig.play(&dialogue).await;
    rig
}

/// A line of a Tasmota plug.
fn says(figures: &str) -> String {
    format!("< tele/plug1/SENSOR {{\"ENERGY\":{{{figures}}}}}\n+10s\n")
}

#[tokio::test(start_paused = true)]
async fn less_than_nothing_is_withheld_and_noise_is_nothing() {
    let lines = [
        &says(r#""Total":1.0,"Power":-0.4"#),
        "? power_w=0 fault=false\n",
        &says(r#""Total":1.0,"Power":-120"#),
        "? power_w=- energy_kwh=1 fault=true suspect~set scale = -1\n",
        &says(r#""Total":1.0,"Power":30"#),
        "? power_w=30 fault=false\n",
    ];
    play(TASMOTA, &lines.concat()).await;
    let lines = ["< m -120\n+10s\n? power_w=-120 fault=false\n"];
    play("config mqtt = \"m\"\nconfig feeds = \"house\"\n", lines[0]).await;
}

#[tokio::test(start_paused = true)]
async fn more_than_can_be_is_withheld() {
    let lines = [
        &says(r#""Total":1.0,"Power":40"#),
        &says(r#""Total":1.0,"Power":1000000"#),
        "? power_w=- energy_kwh=1 suspect~more than max_w\n",
        &says(r#""Total":1.0,"Power":40"#),
        &says(r#""Total":1.0,"Power":1e999"#),
        "? power_w=40 suspect~cannot be read\n",
        &says(r#""Total":1.001,"Power":41"#),
        "? power_w=41 energy_kwh=1.001 fault=false\n",
    ];
    play(TASMOTA, &lines.concat()).await;
    play(
        "config mqtt = \"m\"\nconfig max_w = 100\n",
        "< m 101\n+10s\n? power_w=-\n< m 100\n+10s\n? power_w=100\n< m inf\n+10s\n\
         ? power_w=- suspect~no number\n",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn kilowatts_called_watts_are_found_out_by_volts_and_amperes() {
    let lines = [
        &says(r#""Total":1.0,"Power":0.126,"Voltage":230,"Current":0.55"#),
        "? power_w=- energy_kwh=1 suspect~power_unit = \"kW\"\n",
    ];
    play(TASMOTA, &lines.concat()).await;
    let remedied = format!("{TASMOTA}config power_unit = \"kW\"\n");
    let lines = [lines[0], "? power_w=126 fault=false\n"];
    play(&remedied, &lines.concat()).await;
}

/// Ten hours of a meter that says `watts` while its counter grows by `per_minute`.
fn hours(watts: &str, per_minute: f64) -> String {
    let mut lines = String::new();
    for minute in 0..600 {
        let total = 100.0 + per_minute * f64::from(minute);
        lines += &format!("< p {{\"w\":{watts},\"e\":{total:.5}}}\n+1m\n");
    }
    lines
}

const PAIR: &str = "config mqtt = \"p\"\nconfig power = \"w\"\nconfig energy = \"e\"\n";

#[tokio::test(start_paused = true)]
async fn units_that_are_wrong_by_a_thousand_are_found_out_by_the_counter() {
    let fine = format!("{}? power_w=120 fault=false\n", hours("120", 0.002));
    play(PAIR, &fine).await;
    let kilowatts = format!("{}? power_w=- suspect~a thousandth\n", hours("0.12", 0.002));
    play(PAIR, &kilowatts).await;
    let watt_hours = format!(
        "{}? power_w=120 energy_kwh=- suspect~energy_unit = \"Wh\"\n",
        hours("120", 2.0)
    );
    let pair = format!("{PAIR}config max_w = 1000\n");
    play(&pair, &watt_hours).await;
}

#[tokio::test(start_paused = true)]
async fn figures_that_hang_are_told_as_they_are_and_doubted() {
    let lines = format!(
        "{}< p {{\"w\":500,\"e\":100.0}}\n+10s\n? power_w=500 suspect~it may hang\n",
        hours("500", 0.0)
    );
    play(PAIR, &lines).await;
    let same = says(r#""Power":40,"Voltage":230.1,"Current":0.201"#).replace("+10s", "+5m");
    let lines = format!("{}? power_w=40 suspect~it may hang\n", same.repeat(30));
    let rig = play(TASMOTA, &lines).await;
    let state = rig.subject().unwrap();
    assert_eq!(holds(Some(&state), "source=meter"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_jumps_by_a_million_counts_on_from_where_it_is() {
    let lines = [
        &says(r#""Total":6.0,"Power":60"#),
        &says(r#""Total":1000006.0,"Power":60"#),
        "? power_w=60 energy_kwh=6\n",
        &says(r#""Total":1000006.001,"Power":60"#),
        "? power_w=60 energy_kwh=6.001 suspect~jumped forward\n",
        &says(r#""Total":1000006.002,"Power":60"#),
        "? energy_kwh=6.002 suspect~jumped forward\n",
        // An hour later it is no news any more; the plug spoke all the while.
        &says(r#""Total":1000006.030,"Power":60"#).replace("+10s", "+12m"),
        &says(r#""Total":1000006.040,"Power":60"#).replace("+10s", "+12m"),
        &says(r#""Total":1000006.050,"Power":60"#).replace("+10s", "+12m"),
        &says(r#""Total":1000006.060,"Power":60"#).replace("+10s", "+12m"),
        &says(r#""Total":1000006.062,"Power":60"#).replace("+10s", "+13m"),
        "? energy_kwh=6.062 fault=false\n",
        // No counter at all.
        &says(r#""Total":-4,"Power":60"#),
        "? power_w=60 energy_kwh=6.062 suspect~no counter can\n",
    ];
    play(TASMOTA, &lines.concat()).await;
}

#[tokio::test(start_paused = true)]
async fn copies_of_a_message_confirm_nothing() {
    let glitch = r#"< tele/plug1/SENSOR {"ENERGY":{"Total":0.0,"Power":60}}"#;
    let lines = [
        &says(r#""Total":100.0,"Power":60"#),
        &format!("{glitch}\n{glitch}\n{glitch}\n+10s\n"),
        "? energy_kwh=100\n",
        &says(r#""Total":100.001,"Power":60"#),
        "? energy_kwh=100.001 fault=false\n",
    ];
    play(TASMOTA, &lines.concat()).await;
}

#[tokio::test(start_paused = true)]
async fn who_says_the_same_without_end_is_alive_and_is_heard_once_it_changes() {
    let rig = Rig::start(&Dialogue::parse(TASMOTA).config).await;
    let said = |watts: u32| format!("{{\"ENERGY\":{{\"Total\":5.0,\"Power\":{watts}}}}}");
    for _ in 0..5 * 60 * 20 {
        rig.say("tele/plug1/SENSOR", &said(60), false);
        rig.wait(Duration::from_millis(200)).await;
    }
    assert_eq!(holds(rig.subject().as_ref(), "power_w=60"), Ok(()));
    rig.say("tele/plug1/SENSOR", &said(70), false);
    rig.wait(Duration::from_secs(10)).await;
    assert_eq!(holds(rig.subject().as_ref(), "power_w=70"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_a_meter_is_never_read() {
    let mut lines = String::new();
    for (time, watts) in [
        ("1970-01-01T00:00:09", 60),
        ("2099-12-31T23:59:59", 61),
        ("2026-01-02T03:04:05", 62),
        ("at noon", 63),
    ] {
        let figures = format!("\"Total\":1.0,\"Power\":{watts}");
        let line = says(&figures).replace("{\"ENERGY", &format!("{{\"Time\":\"{time}\",\"ENERGY"));
        lines += &format!("{line}? power_w={watts} energy_kwh=1 fault=false\n");
    }
    play(TASMOTA, &lines).await;
}

#[tokio::test(start_paused = true)]
async fn a_retained_reading_of_last_week_is_not_taken_for_now() {
    let old = says(r#""Total":90.0,"Power":900"#).replace("< ", "<r ");
    let lines = [
        "<r tele/plug1/LWT Online\n",
        &old,
        "? away\n",
        &says(r#""Total":100.0,"Power":60"#),
        "? power_w=60 energy_kwh=100 fault=false\n",
        &old,
        "? power_w=60 energy_kwh=100 fault=false\n",
    ];
    play(TASMOTA, &lines.concat()).await;
}

#[tokio::test(start_paused = true)]
async fn two_plugs_of_one_name_are_told_and_the_counter_stays_with_one() {
    let mut lines = String::new();
    for round in 0..6 {
        let one = format!(
            "\"Total\":{:.3},\"Power\":60",
            100.0 + 0.001 * f64::from(round)
        );
        let other = format!(
            "\"Total\":{:.3},\"Power\":9",
            5.0 + 0.001 * f64::from(round)
        );
        lines.push_str(&says(&one));
        lines.push_str(&says(&other));
    }
    lines.push_str("? energy_kwh=100.005 fault=true suspect~two devices\n");
    play(TASMOTA, &lines).await;
}

#[tokio::test(start_paused = true)]
async fn more_watts_than_volts_and_amperes_make_are_told_and_doubted() {
    let lines = [
        &says(r#""Total":1.0,"Power":500,"Voltage":230,"Current":0.55"#),
        "? power_w=500 suspect~more than its volts and amperes\n",
    ];
    play(TASMOTA, &lines.concat()).await;
}

#[tokio::test(start_paused = true)]
async fn garbage_is_dropped_and_hurts_nobody() {
    let lines = "< tele/plug1/SENSOR {\"ENERGY\":{\"Power\":5,\"Total\":1}}\n+10s\n? power_w=5\n";
    let rig = play(TASMOTA, lines).await;
    let edge = |payload: &[u8], topic: &str| {
        let incoming = homewatch::bus::Incoming {
            topic: topic.to_owned(),
            payload: bytes::Bytes::copy_from_slice(payload),
            retain: false,
            reply: None,
        };
        let edge = homewatch::bus::Edge {
            name: "memory",
            topics: power_support::topics(),
            bus: rig.bus.clone(),
        };
        edge.receive(incoming);
    };
    edge(b"\xff\xfe\x00", "tele/plug1/SENSOR");
    edge(&vec![b'9'; 1 << 20], "tele/plug1/SENSOR");
    edge(b"", "tele/plug1/SENSOR");
    edge("[".repeat(10_000).as_bytes(), "tele/plug1/SENSOR");
    edge(b"{\"ENERGY\":7}", "tele/plug1/SENSOR");
    edge(b"7", "tele/plug1/STATE");
    edge(b"x", "tele/plug1/POWER99");
    edge(b"ON", "stat/plug1/POWERx");
    edge(
        b"{\"ENERGY\":{\"Power\":[],\"Total\":[1]}}",
        "tele/plug1/SENSOR",
    );
    edge(b"maybe", "tele/plug1/LWT");
    for _ in 0..1000 {
        edge(b"{}", "tele/plug1/SENSOR");
    }
    rig.wait(Duration::from_secs(10)).await;
    edge(
        b"{\"ENERGY\":{\"Power\":6,\"Total\":1}}",
        "tele/plug1/SENSOR",
    );
    rig.wait(Duration::from_secs(10)).await;
    assert_eq!(holds(rig.subject().as_ref(), "power_w=6"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn totals_go_on_over_a_restart_and_not_to_another_device() {
    let lines = [
        &says(r#""Total":100.0,"Power":60"#),
        &says(r#""Total":0.0,"Power":60"#),
        &says(r#""Total":0.001,"Power":60"#),
        "? energy_kwh=100.001\n",
    ];
    let config = Dialogue::parse(TASMOTA).config;
    let rig = play(TASMOTA, &lines.concat()).await;
    let clock = rig.clock.clone();
    let (store, dir) = rig.stop().await;
    // The plug went on counting while nobody listened, far more than fits into ten seconds.
    let later = clock.now() + jiff::SignedDuration::from_hours(50);
    clock.set(later);
    let new = |config: &str, store: Store, clock: Clock| {
        let (bus, requests) = Bus::new(State::new(Duration::from_mins(5)));
        let config = config.to_owned();
        async move {
            let _requests = requests;
            Rig::with(&config, bus, store, clock).await
        }
    };
    let mut rig = new(&config, store, clock.clone()).await;
    let more = Dialogue::parse(&format!(
        "{TASMOTA}{}? energy_kwh=103.001\n",
        says(r#""Total":3.001,"Power":60"#)
    ));
    rig.play(&more).await;
    let (store, _) = rig.stop().await;
    // Another plug under the same name of ours begins with its own total.
    let other = config.replace("plug1", "plug2");
    let mut rig = new(&other, store, clock.clone()).await;
    let line = says(r#""Total":7.5,"Power":60"#).replace("plug1", "plug2");
    rig.play(&Dialogue::parse(&format!("{line}? energy_kwh=7.5\n")))
        .await;
    let (store, _) = rig.stop().await;
    // What is kept can be spoilt.
    let spoilt = Change::Put(Collection::Meters, "it".into(), b"{".to_vec());
    let nobody = Change::Put(Collection::Meters, "gone".into(), b"{}".to_vec());
    store.write(&[spoilt, nobody]).unwrap();
    let mut rig = new(&other, store, clock).await;
    rig.play(&Dialogue::parse(&format!("{line}? energy_kwh=7.5\n")))
        .await;
    drop(dir);
}

#[tokio::test(start_paused = true)]
async fn counters_are_kept_while_it_runs_too() {
    let rig = play(TASMOTA, &says(r#""Total":100.0,"Power":60"#)).await;
    rig.wait(Duration::from_mins(11)).await;
    let kept = rig.store.get(Collection::Meters, "it").unwrap().unwrap();
    assert!(String::from_utf8(kept).unwrap().contains("100.0"));
}

#[tokio::test(start_paused = true)]
async fn a_meter_is_asked_only_if_its_owner_wants_it() {
    let ask = async |config: &str| {
        let config = Dialogue::parse(config).config;
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let dir = tempfile::tempdir().unwrap();
        let mut listener = bus.listen();
        let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
        let store = Store::open(dir.path()).unwrap();
        let rig = Rig::with(&config, bus, store, clock).await;
        rig.wait(Duration::from_mins(1)).await;
        rig.bus
            .emit(Event::Happened("end", std::sync::Arc::default()));
        let mut asked = Vec::new();
        loop {
            match listener.next().await {
                Heard::Event(Event::Ask(topic, payload)) => {
                    asked.push(format!("{topic} {}", String::from_utf8_lossy(&payload)));
                }
                Heard::Event(Event::Happened(..)) => return asked,
                _ => {}
            }
        }
    };
    assert_eq!(ask(TASMOTA).await, Vec::<String>::new());
    let asked = ask(&format!("{TASMOTA}config interval = \"30s\"\n")).await;
    assert_eq!(asked, vec!["cmnd/plug1/STATUS 8"; 3]);
    let asked = ask("config shelly = \"x\"\nconfig interval = \"1m\"\n").await;
    assert!(asked[0].starts_with("x/rpc {") && asked[0].contains("\"src\":\"x/homewatch\""));
    // And its answer is heard.
    let status = r#"{"id":1,"src":"x","dst":"x/homewatch","result":{"switch:0":{"id":0,"apower":5.5,"aenergy":{"total":1000.0}}}}"#;
    let lines = format!("< x/homewatch/rpc {status}\n+10s\n? power_w=5.5 energy_kwh=1\n");
    play("config shelly = \"x\"\n", &lines).await;
}

#[tokio::test(start_paused = true)]
async fn every_reading_of_a_meter_is_a_sample_for_the_power_core() {
    let rig = play(TASMOTA, &says(r#""Total":6.294,"Power":63"#)).await;
    let mut listener = rig.bus.listen();
    rig.wait(Duration::from_secs(30)).await;
    let Heard::Event(Event::Batch(batch, _)) = listener.next().await else {
        panic!("no batch")
    };
    let samples: Vec<PowerSample> = PowerSample::all(&batch).collect();
    assert_eq!(samples.len(), 1, "the summary is none");
    assert_eq!(samples[0].scope, Scope::Host);
    assert_eq!(samples[0].power_w, Some(63.0));
    assert!(
        samples[0].age >= Duration::from_secs(9),
        "{:?}",
        samples[0].age
    );
    let summary = rig.bus.state().subject("power/meters").unwrap();
    let figure = |key: &str| {
        let found = summary.values.iter().find(|(metric, _)| metric.key == key);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(figure("meters_count"), Some(Value::Number(1.0)));
    assert_eq!(figure("silent_count"), Some(Value::Number(0.0)));
    rig.wait(Duration::from_hours(2)).await;
    let text = rig.bus.state().subject("power/meters").unwrap();
    let text = String::from_utf8_lossy(&text.published).into_owned();
    assert!(
        text.contains("\"it\":\"silent for 1 h\"") || text.contains("silent for 2 h"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_part_that_joins_late_adds_no_energy_and_one_that_falls_silent_no_watts() {
    let lines = "< shellies/em/emeter/0/power 100\n< shellies/em/emeter/0/total 5000\n+2m\n\
                 ? power_w=100 energy_kwh=5\n+1m\n\
                 < shellies/em/emeter/1/power 50\n< shellies/em/emeter/1/total 9000\n+10s\n\
                 ? power_w=150 energy_kwh=5\n\
                 < shellies/em/emeter/1/total 9100\n+10s\n? energy_kwh=5.1\n+2m\n\
                 < shellies/em/emeter/1/power 50\n+10s\n? power_w=50 energy_kwh=5.1\n";
    play("config shelly_gen1 = \"em\"\n", lines).await;
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_only_ever_said_goodbye_is_away() {
    let rig = play(TASMOTA, "<r tele/plug1/LWT Offline\n+10s\n? away\n").await;
    let summary = rig.bus.state().subject("power/meters").unwrap();
    let text = String::from_utf8_lossy(&summary.published).into_owned();
    assert!(text.contains("says that it is offline"), "{text}");
}

#[test]
fn faults_of_the_configuration_are_told_with_what_would_be_right() {
    let faults = |text: &str| meters(text).unwrap_err().join("\n");
    for (text, want) in [
        (
            "[power.meters.a]\nfeeds = \"host\"",
            "must say where it speaks",
        ),
        (
            "[power.meters.a]\ntasmota = \"x\"\nshelly = \"y\"",
            "keep one of tasmota, shelly",
        ),
        (
            "[power.meters.a]\ntasmota = \"x\"\n[power.meters.b]\ntasmota = \"x\"",
            "the same meter as [power.meters.a]",
        ),
        ("[power.meters.a]\ntasmota = \"x/#\"", "without wildcards"),
        (
            "[power.meters.a]\ntasmota = \"x\"\nfull_topic = \"x\"",
            "%prefix% and %topic%",
        ),
        (
            "[power.meters.a]\ntasmota = \"x\"\nfeeds = \"moon\"",
            "\"node-NAME\"",
        ),
        (
            "[power.meters.a]\ntasmota = \"x\"\nscale = 0",
            "must not be 0",
        ),
        (
            "[power.meters.a]\ntasmota = \"x\"\nchannel = 99",
            "from 0 to 15",
        ),
        (
            "[power.meters.a]\ntasmota = \"x\"\npower = \"y\"",
            "power.meters.a.power: is not a known key",
        ),
        (
            "[power.meters.a]\nmqtt = \"x\"\npower = \"{{ value_json.x | float / 1000 }}\"",
            "is for power_unit, energy_unit and scale",
        ),
        ("[power.meters.a]\nesphome = \"x\"", "by power or energy"),
        (
            "[power.meters.a]\nesphome = \"x\"\npower = \"\"",
            "where that figure is found",
        ),
        (
            "[power.meters.a]\niotawatt = \"x\"",
            "name of an input or output",
        ),
        (
            "[power.meters.a]\niotawatt = \"x\"\npower = \"a b\"",
            "name of an input or output",
        ),
        (
            "[power.meters.a]\nhomewizard = \"ftp://x\"",
            "an address such as",
        ),
        (
            "[power.meters.\"A b\"]\ntasmota = \"x\"",
            "lower-case letters",
        ),
        (
            "[power.meters.a]\ntasmota = \"x\"\ninterval = \"1ms\"",
            "a duration such as",
        ),
        ("[power]\nmeter = 1", "did you mean \"meters\"?"),
    ] {
        let told = faults(text);
        assert!(told.contains(want), "{text}:\n{told}");
    }
    let fine = "[power.meters.a]\ntasmota = \"x\"\nchannel = 0\nfeeds = \"node-pi\"\n\
                [power.meters.b]\ntasmota = \"x\"\nchannel = 1\n\
                [power.meters.c]\nhttp = \"192.168.1.2/status\"";
    assert_eq!(meters(fine).unwrap().len(), 3);
}
