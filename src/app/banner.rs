use std::io::{self, Write};
use std::net::SocketAddr;

use super::ground::Ground;
use super::parts::Parts;
use crate::config::Config;

/// Tells a person who has just started homewatch where everything is.
pub(super) fn write(
    out: &mut dyn Write,
    config: &Config,
    ground: &Ground,
    parts: &Parts,
    called: &str,
) -> io::Result<()> {
    let base = ground.topics.base();
    let what = if ground.is_simulated() {
        "a simulated home"
    } else {
        "this machine"
    };
    let version = env!("CARGO_PKG_VERSION");
    let node = ground.topics.node();
    writeln!(out, "homewatch {version} watches {what} as \"{node}\".")?;
    if let Some(addr) = ground.embedded_addr {
        let addr = reachable(addr);
        writeln!(
            out,
            "  MQTT   mqtt://{addr} (embedded broker), topics {base}/{node}/…"
        )?;
        let (host, port) = (addr.ip(), addr.port());
        writeln!(
            out,
            "         mosquitto_sub -h {host} -p {port} -t '{base}/#' -v"
        )?;
    }
    if let Some(broker) = &config.mqtt.broker {
        writeln!(
            out,
            "  MQTT   {} (your broker), topics {base}/{node}/…",
            broker.url
        )?;
    }
    let scheme = if config.api.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let addr = reachable(parts.api_addr());
    writeln!(
        out,
        "  REST   {scheme}://{addr}/api/v1/summary (needs a token)"
    )?;
    let store = std::path::absolute(ground.store_dir())?;
    writeln!(out, "  Store  {}", store.display())?;
    writeln!(out, "  Token  {called} token add phone --scope read,ack")?;
    out.flush()
}

/// Where a listener on `addr` is reached from this machine.
fn reachable(addr: SocketAddr) -> SocketAddr {
    if !addr.ip().is_unspecified() {
        return addr;
    }
    let loopback = if addr.is_ipv4() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        std::net::Ipv6Addr::LOCALHOST.into()
    };
    SocketAddr::new(loopback, addr.port())
}
