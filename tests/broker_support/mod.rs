//! A real Mosquitto and a client that watches it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    missing_docs,
    reason = "test code, shared by several test binaries"
)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use homewatch::bus::{Bus, Request, State};
use homewatch::config::{BrokerConfig, BrokerUrl, Protocol, Secret};
use homewatch::host::Clock;
use homewatch::model::{Timestamp, Topics};
use homewatch::store::Store;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up; never how long it does take.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn topics() -> Topics {
    Topics::new("homewatch", "nas", "homeassistant")
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub struct Mosquitto {
    pub port: u16,
    dir: PathBuf,
    child: Option<Child>,
}

impl Mosquitto {
    /// `None`, said loudly, where Mosquitto is not installed.
    pub fn start(dir: &Path, extra: &str) -> Option<Self> {
        if !Path::new("/usr/sbin/mosquitto").exists() {
            eprintln!("SKIPPED: /usr/sbin/mosquitto is not installed (apt install mosquitto)");
            return None;
        }
        let mut broker = Self {
            port: free_port(),
            dir: dir.to_owned(),
            child: None,
        };
        let anonymous = if extra.contains("allow_anonymous") {
            ""
        } else {
            "allow_anonymous true\n"
        };
        let config = format!(
            "persistence false\nuser root\n{anonymous}listener {} 127.0.0.1\n{extra}\n",
            broker.port
        );
        std::fs::write(dir.join("mosquitto.conf"), config).unwrap();
        broker.resume();
        Some(broker)
    }

    /// Starts it (again), with nothing remembered.
    pub fn resume(&mut self) {
        let log = std::fs::File::create(self.dir.join("mosquitto.log")).unwrap();
        let child = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(self.dir.join("mosquitto.conf"))
            .arg("-v")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        for _ in 0..300 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("mosquitto does not listen: {}", self.log());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("mosquitto.log")).unwrap_or_default()
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let done = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid)
            .status();
        assert!(done.unwrap().success());
    }

    pub fn config(&self) -> BrokerConfig {
        config(&format!("mqtt://127.0.0.1:{}", self.port))
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn config(url: &str) -> BrokerConfig {
    BrokerConfig {
        url: BrokerUrl::parse(url).unwrap(),
        username: None,
        password: None,
        client_id: None,
        protocol: Protocol::Auto,
        keep_alive: Duration::from_secs(5),
        ca_file: None,
        client_identity: None,
    }
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// A running edge to a broker.
pub struct Running {
    pub bus: Bus,
    pub commands: mpsc::Receiver<Request>,
    pub store: Store,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    kept: Option<tempfile::TempDir>,
}

impl Running {
    pub fn start(config: BrokerConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut running = Self::with_store(config, store);
        running.kept = Some(dir);
        running
    }

    pub fn with_store(config: BrokerConfig, store: Store) -> Self {
        let (bus, commands) = Bus::new(State::new(Duration::from_mins(5)));
        Self::with_bus(config, store, bus, commands)
    }

    pub fn with_bus(
        config: BrokerConfig,
        store: Store,
        bus: Bus,
        commands: mpsc::Receiver<Request>,
    ) -> Self {
        let cancel = CancellationToken::new();
        let clock = Clock::set_to(Timestamp::from_second(1_800_000_000).unwrap());
        let (b, s, c) = (bus.clone(), store.clone(), cancel.clone());
        let task = tokio::spawn(async move {
            homewatch::bus::broker::run(&config, topics(), b, clock, s, c).await;
        });
        Self {
            bus,
            commands,
            store,
            cancel,
            task,
            kept: None,
        }
    }

    /// Whether the edge says that it is connected.
    pub fn says(&self, text: &str) -> bool {
        let state = self.bus.state().subject("health/mqtt-broker");
        state.is_some_and(|s| String::from_utf8_lossy(&s.published).contains(text))
    }

    pub async fn until_says(&self, text: &str) {
        until(|| self.says(text), text).await;
    }

    /// Stops in an orderly way and hands the store back.
    pub async fn stop(self) -> (Store, Option<tempfile::TempDir>) {
        self.cancel.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap();
        (self.store, self.kept)
    }

    /// As a crash does: nothing more is done.
    pub async fn crash(self) -> (Store, Option<tempfile::TempDir>) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        (self.store, self.kept)
    }
}

pub async fn until(mut holds: impl FnMut() -> bool, what: &str) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
        "never: {what}"
    );
}

/// One message as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub topic: String,
    pub payload: String,
    pub retain: bool,
}

/// A subscriber to everything.
pub struct Watcher {
    pub client: AsyncClient,
    messages: mpsc::UnboundedReceiver<Seen>,
    /// The newest payload of every topic so far.
    pub last: BTreeMap<String, String>,
    pub all: Vec<Seen>,
    task: tokio::task::JoinHandle<()>,
}

impl Watcher {
    pub async fn start(port: u16, login: Option<(&str, &str)>) -> Self {
        let id = format!("watcher-{}", free_port());
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_inflight(100);
        options.set_max_packet_size(1 << 20, 1 << 20);
        if let Some((user, password)) = login {
            options.set_credentials(user, password);
        }
        let (client, mut events) = AsyncClient::new(options, 100);
        let (send, messages) = mpsc::unbounded_channel();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let mut ready = Some(ready);
        let subscriber = client.clone();
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        subscriber.try_subscribe("#", QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        if let Some(ready) = ready.take() {
                            ready.send(()).unwrap();
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let seen = Seen {
                            topic: publish.topic.clone(),
                            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
                            retain: publish.retain,
                        };
                        if send.send(seen).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        tokio::time::timeout(PATIENCE, is_ready)
            .await
            .unwrap()
            .unwrap();
        Self {
            client,
            messages,
            last: BTreeMap::new(),
            all: Vec::new(),
            task,
        }
    }

    pub async fn next(&mut self) -> Seen {
        let seen = tokio::time::timeout(PATIENCE, self.messages.recv())
            .await
            .unwrap_or_else(|_| panic!("nothing more came after {:#?}", self.last))
            .unwrap();
        self.last.insert(seen.topic.clone(), seen.payload.clone());
        self.all.push(seen.clone());
        seen
    }

    /// Reads on until `topic` has a payload that contains `part`.
    pub async fn until(&mut self, topic: &str, part: &str) -> Seen {
        loop {
            let seen = self.next().await;
            if seen.topic == topic && seen.payload.contains(part) {
                return seen;
            }
        }
    }

    /// Reads on until `holds`.
    pub async fn until_all(&mut self, holds: impl Fn(&BTreeMap<String, String>) -> bool) {
        while !holds(&self.last) {
            self.next().await;
        }
    }

    pub async fn publish(&self, topic: &str, payload: &str, retain: bool) {
        let sent = self
            .client
            .publish(topic, QoS::AtLeastOnce, retain, payload);
        sent.await.unwrap();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn event(bus: &Bus, number: usize) {
    let what = serde_json::json!({ "n": number });
    bus.emit(homewatch::bus::Event::Happened("test", Arc::new(what)));
}

/// Publishes a payload that is larger than a [`Watcher`] sends.
pub async fn publish_large(port: u16, topic: &str, payload: &str, retain: bool) {
    let mut options = MqttOptions::new(format!("large-{}", free_port()), "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 10);
    let sent = client.publish(topic, QoS::AtLeastOnce, retain, payload);
    sent.await.unwrap();
    let acknowledged = async {
        while !matches!(
            events.poll().await.unwrap(),
            Event::Incoming(Packet::PubAck(_))
        ) {}
    };
    tokio::time::timeout(PATIENCE, acknowledged).await.unwrap();
}
