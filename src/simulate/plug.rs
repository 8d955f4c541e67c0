//! The smart plugs of the simulated home: MQTT clients of their own, which publish as a Tasmota
//! plug (before the server) and a Shelly plug (before the network cabinet) do. Nobody has adopted
//! them yet; they are there to be found. A thermometer speaks as Zigbee2MQTT does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, LastWill, Packet, Publish};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How often each plug says what it measures.
const TELE: Duration = Duration::from_secs(10);
/// How long a plug waits before it tries to reach the broker again.
const AGAIN: Duration = Duration::from_secs(5);
/// Mains.
const VOLTS: f64 = 231.0;
/// What the network cabinet draws, W.
const CABINET: f64 = 14.3;
const SHELLY: &str = "shellyplusplugs-c049ef8a1b2c";

/// What the server draws from its plug.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wall {
    /// W.
    pub(super) watts: f64,
    /// The plug's counter, kWh.
    pub(super) kwh: f64,
    /// How warm the cellar is, °C.
    pub(super) room_c: f64,
}

/// Publishes to the broker at `broker` for ever.
pub(super) async fn run(broker: SocketAddr, wall: watch::Receiver<Wall>) {
    loop {
        if let Err(error) = speak(broker, &wall).await {
            tracing::debug!(%error, "the simulated plugs do not reach the broker");
        }
        sleep(AGAIN).await;
    }
}

async fn speak(broker: SocketAddr, wall: &watch::Receiver<Wall>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(broker).await?;
    let mut out = BytesMut::new();
    let mut hello = Connect::new("DVES_51A1A7");
    hello.keep_alive = 60;
    hello.clean_session = true;
    let gone = LastWill::new("tele/server/LWT", "Offline", QoS::AtLeastOnce, true);
    hello.last_will = Some(gone);
    put(&mut out, &Packet::Connect(hello))?;
    say(&mut out, "tele/server/LWT", "Online", true)?;
    say(&mut out, &format!("{SHELLY}/online"), "true", true)?;
    let begun = Instant::now();
    let mut answer = [0; 64];
    loop {
        let Wall { watts, kwh, room_c } = *wall.borrow();
        say(&mut out, "tele/server/STATE", r#"{"POWER":"ON"}"#, false)?;
        let apparent = watts / 0.93;
        let sensor = format!(
            r#"{{"ENERGY":{{"TotalStartTime":"2025-01-01T00:00:00","Total":{kwh:.3},"Power":{watts:.0},"ApparentPower":{apparent:.0},"Factor":0.93,"Voltage":{VOLTS},"Current":{:.3}}}}}"#,
            apparent / VOLTS
        );
        say(&mut out, "tele/server/SENSOR", &sensor, false)?;
        let wh = CABINET * begun.elapsed().as_secs_f64() / 3600.0 + 5125.4;
        let status = format!(
            r#"{{"id":0,"source":"init","output":true,"apower":{CABINET},"voltage":{VOLTS},"current":0.091,"freq":50.0,"aenergy":{{"total":{wh:.3}}}}}"#
        );
        say(
            &mut out,
            &format!("{SHELLY}/status/switch:0"),
            &status,
            false,
        )?;
        let room = format!(r#"{{"temperature":{room_c:.1},"humidity":61,"battery":87}}"#);
        say(&mut out, "zigbee2mqtt/cellar", &room, false)?;
        stream.write_all_buf(&mut out).await?;
        let end = Instant::now() + TELE;
        // Whatever the broker has to say is no news to a plug, but that it has hung up.
        while let Ok(read) = tokio::time::timeout_at(end, stream.read(&mut answer)).await {
            if read? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn say(out: &mut BytesMut, topic: &str, payload: &str, retain: bool) -> std::io::Result<()> {
    let mut publish = Publish::new(topic, QoS::AtMostOnce, payload);
    publish.retain = retain;
    put(out, &Packet::Publish(publish))
}

fn put(out: &mut BytesMut, packet: &Packet) -> std::io::Result<()> {
    let written = packet.write(out, usize::MAX);
    written.map(drop).map_err(std::io::Error::other)
}
