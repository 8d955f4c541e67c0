//! A running embedded broker and a client that speaks raw bytes.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use homewatch::bus::embedded::{self, EmbeddedError};
use homewatch::bus::{Bus, Request, State};
use homewatch::config::{EmbeddedConfig, EmbeddedUser, Secret};
use homewatch::model::Topics;
use homewatch::store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing here takes so long unless it is broken.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub struct Broker {
    pub addr: SocketAddr,
    pub tls_addr: Option<SocketAddr>,
    pub bus: Bus,
    pub requests: mpsc::Receiver<Request>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), EmbeddedError>>,
}

pub fn config() -> EmbeddedConfig {
    EmbeddedConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..EmbeddedConfig::default()
    }
}

pub fn user(password: &str, read: &[&str], publish: &[&str], commands: bool) -> EmbeddedUser {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    EmbeddedUser {
        password: Secret::new(password.to_owned()),
        read: texts(read),
        publish: texts(publish),
        commands,
    }
}

impl Broker {
    pub async fn start(config: EmbeddedConfig, dir: &Path) -> Self {
        let state = State::new(Duration::from_mins(5));
        let (bus, requests) = Bus::new(state);
        let store = Store::open(dir).unwrap();
        let topics = Topics::new("homewatch", "nas", "homeassistant");
        let cancel = CancellationToken::new();
        let listeners = embedded::bind(&config).await.unwrap();
        let (addr, tls_addr) = (listeners.addr().unwrap(), listeners.tls_addr());
        let run = embedded::run(
            listeners,
            config,
            topics,
            bus.clone(),
            store,
            cancel.clone(),
        );
        let task = tokio::spawn(run);
        Self {
            addr,
            tls_addr,
            bus,
            requests,
            cancel,
            task,
        }
    }

    pub async fn stop(self) {
        self.cancel.cancel();
        timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    /// Asks it to stop without waiting.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    pub async fn client(&self, id: &str) -> Raw {
        let mut raw = Raw::open(self.addr).await;
        assert_eq!(raw.hello(id, None).await, [0x20, 2, 0, 0], "{id}");
        raw
    }

    pub async fn as_user(&self, name: &str, password: &str) -> Raw {
        let mut raw = Raw::open(self.addr).await;
        let answer = raw
            .hello(&format!("id-{name}"), Some((name, password)))
            .await;
        assert_eq!(answer, [0x20, 2, 0, 0], "{name}");
        raw
    }

    /// Fails unless one client's message reaches another.
    pub async fn assert_serves(&self) {
        let mut reader = self.client("witness-reader").await;
        reader.subscribe("witness/+", 1).await;
        let mut writer = self.client("witness-writer").await;
        writer.send(&publish("witness/a", b"alive", 1, false)).await;
        assert_eq!(writer.packet().await, [0x40, 2, 0, 7]);
        let message = reader.packet().await;
        assert!(message.ends_with(b"alive"), "{message:?}");
    }
}

pub struct Raw {
    pub stream: TcpStream,
}

impl Raw {
    pub async fn open(addr: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(addr).await.unwrap(),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Says hello in 3.1.1 and returns the answer; empty if there is none.
    pub async fn hello(&mut self, id: &str, login: Option<(&str, &str)>) -> Vec<u8> {
        self.send(&connect(id, 2, login)).await;
        self.try_packet().await.unwrap_or_default()
    }

    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> u8 {
        self.send(&subscribe(filter, qos)).await;
        let ack = self.packet().await;
        assert_eq!(ack[..4], [0x90, 3, 0, 9]);
        ack[4]
    }

    /// The next packet, whole; `None` at the end of the connection.
    pub async fn try_packet(&mut self) -> Option<Vec<u8>> {
        timeout(PATIENCE, async {
            let mut packet = vec![self.stream.read_u8().await.ok()?];
            let (mut length, mut shift) = (0usize, 0);
            loop {
                let byte = self.stream.read_u8().await.ok()?;
                packet.push(byte);
                length |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let head = packet.len();
            packet.resize(head + length, 0);
            self.stream.read_exact(&mut packet[head..]).await.ok()?;
            Some(packet)
        })
        .await
        .expect("no packet and no end")
    }

    pub async fn packet(&mut self) -> Vec<u8> {
        self.try_packet().await.expect("the connection ended")
    }

    /// Waits for the broker to end the connection.
    pub async fn assert_ended(&mut self) {
        while self.try_packet().await.is_some() {}
    }
}

pub fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length % 128).unwrap();
        length /= 128;
        out.push(low | if length > 0 { 0x80 } else { 0 });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

pub fn connect(id: &str, flags: u8, login: Option<(&str, &str)>) -> Vec<u8> {
    let flags = flags | if login.is_some() { 0xc0 } else { 0 };
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60];
    text(&mut body, id);
    if let Some((name, password)) = login {
        text(&mut body, name);
        text(&mut body, password);
    }
    packet(0x10, &body)
}

pub fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 9];
    text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// A PUBLISH whose packet identifier is 7.
pub fn publish(topic: &str, payload: &[u8], qos: u8, retain: bool) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    if qos > 0 {
        body.extend_from_slice(&[0, 7]);
    }
    body.extend_from_slice(payload);
    packet(0x30 | (qos << 1) | u8::from(retain), &body)
}
