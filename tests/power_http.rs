//! Meters that are asked by HTTP, played by a server on loopback.
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

use homewatch::bus::{Bus, State};
use homewatch::host::Clock;
use homewatch::store::Store;
use power_support::{Rig, holds, wants_of};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const PATIENCE: Duration = Duration::from_secs(30);

async fn rig(config: &str) -> (Rig, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let config = format!("[power.meters.it]\n{config}\ninterval = \"1s\"\n");
    let tick = Duration::from_millis(100);
    (Rig::with_tick(&config, bus, store, clock, tick).await, dir)
}

async fn until(rig: &Rig, wants: &str) {
    for want in wants_of(wants) {
        let holding = async {
            while holds(rig.subject().as_ref(), &want).is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let held = tokio::time::timeout(PATIENCE, holding).await.is_ok();
        assert!(held, "{want}: {:?}", holds(rig.subject().as_ref(), &want));
    }
}

/// How the meter fares, as `power/meters` tells.
async fn until_told(rig: &Rig, text: &str) {
    let told = || {
        let state = rig.bus.state().subject("power/meters");
        let published = state.map(|state| String::from_utf8_lossy(&state.published).into_owned());
        published.unwrap_or_default()
    };
    let telling = async {
        while !told().contains(text) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let is_told = tokio::time::timeout(PATIENCE, telling).await.is_ok();
    assert!(is_told, "never {text}: {}", told());
}

async fn answer(server: &MockServer, at: &str, answer: ResponseTemplate) {
    server.reset().await;
    let mock = Mock::given(method("GET"))
        .and(path(at))
        .respond_with(answer);
    mock.mount(server).await;
}

fn text(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(body)
}

#[tokio::test]
async fn a_homewizard_p1_meter() {
    let server = MockServer::start().await;
    let at = "/api/v1/data";
    // As delivered its local API is off.
    answer(&server, at, ResponseTemplate::new(403)).await;
    let (rig, _dir) = rig(&format!(
        "homewizard = \"{}\"\nfeeds = \"house\"",
        server.uri()
    ))
    .await;
    until_told(&rig, "answers with status 403; switch its local API on").await;
    let p1 = r#"{"wifi_ssid":"home","wifi_strength":100,"smr_version":50,"meter_model":"ISKRA","active_tariff":2,"total_power_import_kwh":18664.997,"total_power_import_t1_kwh":10909.724,"total_power_import_t2_kwh":7755.273,"total_power_export_kwh":13823.608,"active_power_w":-543.000,"active_power_l1_w":-676.000,"active_voltage_l1_v":228.000,"total_gas_m3":5175.363,"gas_timestamp":241106093006}"#;
    answer(&server, at, text(p1)).await;
    until(
        &rig,
        "power_w=-543 energy_kwh=18664.997 returned_kwh=13823.608 fault=false",
    )
    .await;
    answer(&server, at, text("<html>")).await;
    until(&rig, "power_w=-543 suspect~cannot be read").await;
    // Older firmware has the tariffs only.
    let old = r#"{"total_power_import_t1_kwh":10909.725,"total_power_import_t2_kwh":7755.273,"active_power_w":100}"#;
    answer(&server, at, text(old)).await;
    until(&rig, "power_w=100 energy_kwh=18664.998").await;
}

#[tokio::test]
async fn a_homewizard_socket() {
    let server = MockServer::start().await;
    let socket = r#"{"wifi_ssid":"home","wifi_strength":94,"total_power_import_kwh":30.511,"total_power_import_t1_kwh":30.511,"total_power_export_kwh":0,"active_power_w":543.312,"active_power_l1_w":543.312,"active_voltage_v":231.539,"active_current_a":2.346,"active_reactive_power_var":123.456,"active_apparent_power_va":666.768,"active_power_factor":0.81688,"active_frequency_hz":50.005}"#;
    answer(&server, "/api/v1/data", text(socket)).await;
    let (rig, _dir) = rig(&format!("homewizard = \"{}/\"", server.uri())).await;
    until(
        &rig,
        "power_w=543.312 energy_kwh=30.511 voltage_v=231.539 current_a=2.346 reactive_var=123.456 \
         apparent_va=666.768 power_factor=0.817 frequency_hz=50.005",
    )
    .await;
}

#[tokio::test]
async fn an_iotawatt() {
    let server = MockServer::start().await;
    let mock = |body: &str| {
        Mock::given(method("GET"))
            .and(path("/query"))
            .and(query_param("select", "[Server_rack.watts]"))
            .and(query_param("begin", "s-10s"))
            .respond_with(text(body))
    };
    mock("[[123.4]]").mount(&server).await;
    let (rig, _dir) = rig(&format!(
        "iotawatt = \"{}\"\npower = \"Server_rack\"",
        server.uri()
    ))
    .await;
    until(&rig, "power_w=123.4").await;
    // A gap in its log is no figure and no fault.
    server.reset().await;
    mock("[[null]]").mount(&server).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    until(&rig, "power_w=123.4 fault=false").await;
    server.reset().await;
    mock("{\"error\":1}").mount(&server).await;
    until(&rig, "suspect~cannot be read").await;
}

#[tokio::test]
async fn any_json_and_a_server_that_is_not_there() {
    let server = MockServer::start().await;
    answer(
        &server,
        "/status.json",
        text(r#"{"ac":{"w":"61.5"},"wh":1500}"#),
    )
    .await;
    let (known, _dir) = rig(&format!(
        "http = \"{}/status.json\"\npower = \"/ac/w\"\nenergy = \"wh\"\nenergy_unit = \"Wh\"",
        server.uri()
    ))
    .await;
    until(&known, "power_w=61.5 energy_kwh=1.5").await;
    answer(
        &server,
        "/status.json",
        ResponseTemplate::new(200).set_body_bytes(b"\xff"),
    )
    .await;
    until_told(&known, "fine").await;
    answer(&server, "/status.json", ResponseTemplate::new(500)).await;
    let (nobody, _dir) = rig("http = \"http://127.0.0.1:9/x\"").await;
    until_told(&nobody, "nothing heard yet: ").await;
    until(&nobody, "away").await;
}
