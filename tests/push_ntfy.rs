//! Pushing against a server that speaks ntfy's protocol over a real socket: what arrives, what is
//! kept while the server is away, and how the press of a button comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State as Extract};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use homewatch::bus::{Bus, Request, State};
use homewatch::config::{NtfyAuth, NtfyConfig, PushConfig, Secret};
use homewatch::host::{Clock, Host};
use homewatch::model::{
    Action, Alert, AlertState, AlertTarget, Command, CommandResult, Origin, Severity,
};
use homewatch::push::{Push, PushError, Tickets, send_test};
use homewatch::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Nothing here takes nearly as long; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A little ntfy server.
#[derive(Clone)]
struct Ntfy {
    messages: Arc<Mutex<Vec<Value>>>,
    count: watch::Sender<usize>,
    live: broadcast::Sender<Value>,
    /// What every publication is answered with; 200 means as ntfy does.
    status: Arc<AtomicU16>,
    token: Option<&'static str>,
    attempts: watch::Sender<usize>,
    streams: watch::Sender<usize>,
}

impl Ntfy {
    async fn start(token: Option<&'static str>) -> (Self, SocketAddr) {
        let ntfy = Self {
            messages: Arc::default(),
            count: watch::Sender::new(0),
            live: broadcast::Sender::new(64),
            status: Arc::new(AtomicU16::new(200)),
            token,
            attempts: watch::Sender::new(0),
            streams: watch::Sender::new(0),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", post(publish_json))
            .route("/{topic}", post(publish_plain))
            .route("/{topic}/json", get(subscribe))
            .with_state(ntfy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (ntfy, address)
    }

    fn take(&self, mut message: Value) -> Value {
        let mut messages = self.messages.lock().unwrap();
        message["id"] = json!(format!("id{}", messages.len() + 1));
        message["time"] = json!(1_790_000_000);
        message["event"] = json!("message");
        messages.push(message.clone());
        drop(self.live.send(message.clone()));
        self.count.send_replace(messages.len());
        message
    }

    fn of(&self, topic: &str) -> Vec<Value> {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .filter(|message| message["topic"] == topic)
            .cloned()
            .collect()
    }

    /// Waits until `count` messages have been taken on `topic`.
    async fn wait(&self, topic: &str, count: usize) -> Vec<Value> {
        let mut changes = self.count.subscribe();
        let enough = changes.wait_for(|_| self.of(topic).len() >= count);
        let seen = tokio::time::timeout(PATIENCE, enough).await;
        seen.expect("messages in time").unwrap();
        self.of(topic)
    }

    async fn wait_for_attempts(&self, count: usize) {
        let mut changes = self.attempts.subscribe();
        let enough = changes.wait_for(|seen| *seen >= count);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .expect("attempts in time")
            .unwrap();
    }

    async fn wait_for_stream(&self) {
        let mut changes = self.streams.subscribe();
        let enough = changes.wait_for(|seen| *seen > 0);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .expect("a subscription in time")
            .unwrap();
    }

    fn refuses(&self, headers: &HeaderMap) -> Option<Response> {
        let want = format!("Bearer {}", self.token?);
        let got = headers
            .get("authorization")
            .map(axum::http::HeaderValue::as_bytes);
        (got != Some(want.as_bytes())).then(|| refusal(401, 40101, "unauthorized"))
    }
}

fn refusal(status: u16, code: u32, error: &str) -> Response {
    let body = json!({"code": code, "http": status, "error": error}).to_string();
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

async fn publish_json(Extract(ntfy): Extract<Ntfy>, headers: HeaderMap, body: Bytes) -> Response {
    ntfy.attempts.send_modify(|count| *count += 1);
    match ntfy.status.load(Ordering::SeqCst) {
        200 => {}
        // The login page of a hotel.
        202 => return "<html>please log in</html>".into_response(),
        status => return refusal(status, u32::from(status) * 100 + 1, "told to"),
    }
    if let Some(refused) = ntfy.refuses(&headers) {
        return refused;
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(message) if message["topic"].is_string() => {
            ntfy.take(message).to_string().into_response()
        }
        _ => refusal(
            400,
            40017,
            "invalid request: request body must be message JSON",
        ),
    }
}

async fn publish_plain(
    Extract(ntfy): Extract<Ntfy>,
    Path(topic): Path<String>,
    body: String,
) -> Response {
    let message = json!({"topic": topic, "message": body});
    ntfy.take(message).to_string().into_response()
}

async fn subscribe(
    Extract(ntfy): Extract<Ntfy>,
    Path(topic): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = ntfy.refuses(&headers) {
        return refused;
    }
    let live = ntfy.live.subscribe();
    let kept = ntfy.of(&topic);
    let after = kept
        .iter()
        .position(|message| query.get("since").is_some_and(|id| message["id"] == *id));
    let old = kept.into_iter().skip(after.map_or(0, |place| place + 1));
    let open = json!({"id": "open", "time": 1, "event": "open", "topic": topic});
    let noise = json!({"id": "alive", "time": 1, "event": "keepalive", "topic": topic});
    let first = [open, noise].into_iter().chain(old);
    let lines = first.fold(String::new(), |lines, message| {
        lines + &message.to_string() + "\n"
    });
    ntfy.streams.send_modify(|count| *count += 1);
    let state = (Some(lines), live, topic);
    let stream = futures_util::stream::unfold(state, |(first, mut live, topic)| async move {
        if let Some(lines) = first {
            return Some((Ok::<_, Infallible>(lines), (None, live, topic)));
        }
        loop {
            let message = live.recv().await.ok()?;
            if message["topic"] == topic.as_str() {
                return Some((Ok(format!("{message}\n")), (None, live, topic)));
            }
        }
    });
    Body::from_stream(stream).into_response()
}

/// Tickets that anybody could make; the real ones are tested where they are made.
struct Plain;

impl Tickets for Plain {
    fn issue(&self, alert: &str, expires: Timestamp) -> String {
        format!("{alert}~{}", expires.as_second())
    }

    fn verify(&self, ticket: &str, alert: &str, _now: Timestamp) -> bool {
        ticket.split_once('~').is_some_and(|(id, _)| id == alert)
    }
}

fn ntfy_config(server: SocketAddr) -> NtfyConfig {
    NtfyConfig {
        server: format!("http://{server}"),
        topic: "house".to_owned(),
        auth: None,
        min_severity: Severity::Warning,
        ca_file: None,
        buttons: true,
        reply_topic: None,
        reply_token: None,
    }
}

/// A program that pushes, on a store of its own, with somebody who answers its commands.
struct Program {
    bus: Bus,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Program {
    fn start(store: &Store, ntfy: NtfyConfig, public_url: Option<&str>) -> Self {
        let (bus, mut requests) = Bus::new(State::new(Duration::from_mins(5)));
        let (seen, commands) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let push = Push {
            host: Host::real(),
            config: PushConfig {
                group: Duration::from_millis(50),
                ntfy: Some(ntfy),
                ..PushConfig::default()
            },
            node: "nas".to_owned(),
            public_url: public_url.map(str::to_owned),
            bus: bus.clone(),
            store: store.clone(),
            tickets: Arc::new(Plain),
        };
        let cancel = stop.clone();
        let pushes = tokio::spawn(async move { push.run(cancel).await.unwrap() });
        let answers = tokio::spawn(async move {
            while let Some(Request { command, respond }) = requests.recv().await {
                let result = CommandResult {
                    id: None,
                    command: command.name.clone(),
                    ok: true,
                    error: None,
                    detail: None,
                };
                drop(respond.send(result));
                seen.send(command).await.unwrap();
            }
        });
        Self {
            bus,
            commands,
            stop,
            tasks: vec![pushes, answers],
        }
    }

    async fn command(&mut self) -> Command {
        let next = tokio::time::timeout(PATIENCE, self.commands.recv());
        next.await.expect("a command in time").unwrap()
    }

    async fn stop(mut self) {
        self.stop.cancel();
        self.tasks.remove(0).await.unwrap();
        self.kill();
    }

    fn kill(self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn alert(id: &str, state: AlertState) -> Alert {
    Alert {
        id: id.to_owned(),
        rule: "hot".to_owned(),
        severity: Severity::Critical,
        state,
        subject: "health/cpu".to_owned(),
        summary: "CPU is at 95 °C, limit 90 °C".to_owned(),
        value: Some(95.0),
        threshold: Some(90.0),
        since: Timestamp::from_second(1_790_000_000).unwrap(),
        acknowledged_by: None,
        acknowledged_at: None,
        note: None,
        silenced_until: None,
        count: 1,
    }
}

/// What a phone does when a button is pressed.
async fn press(button: &Value) {
    let client = Host::real().http;
    let method = button["method"].as_str().unwrap().parse().unwrap();
    let request = client.request(method, button["url"].as_str().unwrap());
    let request = request
        .unwrap()
        .body(button["body"].as_str().unwrap().to_owned());
    assert!(client.exchange(request).await.unwrap().is_success());
}

#[tokio::test]
async fn an_alert_reaches_the_phone_and_its_button_comes_back_without_an_open_port() {
    let (ntfy, address) = Ntfy::start(None).await;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut program = Program::start(&store, ntfy_config(address), None);
    program.bus.alert(alert("hot-cpu", AlertState::Firing));
    let message = ntfy.wait("house", 1).await.remove(0);
    assert_eq!(message["title"], "Critical on nas");
    assert_eq!(message["message"], "CPU is at 95 °C, limit 90 °C");
    assert_eq!(message["priority"], 5);
    assert_eq!(message["tags"], json!(["rotating_light", "nas"]));
    ntfy.wait_for_stream().await;
    press(&message["actions"][0]).await;
    let command = program.command().await;
    assert_eq!(command.name, "alert/hot-cpu/ack");
    assert_eq!(command.origin, Origin::Push);
    let target = AlertTarget::One("hot-cpu".to_owned());
    assert!(matches!(command.action, Action::Ack { target: t, .. } if t == target));
    press(&message["actions"][0]).await;
    press(&message["actions"][1]).await;
    let command = program.command().await;
    assert_eq!(
        command.name, "alert/hot-cpu/silence",
        "a second press of the same is none"
    );
    program.bus.alert(alert("hot-cpu", AlertState::Resolved));
    let messages = ntfy.wait("house", 2).await;
    assert_eq!(messages[1]["priority"], 2);
    assert_eq!(messages[1].get("actions"), None);
    program.stop().await;
}

#[tokio::test]
async fn a_press_while_we_are_down_counts_when_we_are_back_and_once_only() {
    let (ntfy, address) = Ntfy::start(None).await;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let program = Program::start(&store, ntfy_config(address), None);
    program.bus.alert(alert("hot-cpu", AlertState::Firing));
    let message = ntfy.wait("house", 1).await.remove(0);
    program.stop().await;
    press(&message["actions"][0]).await;
    let mut program = Program::start(&store, ntfy_config(address), None);
    assert_eq!(program.command().await.name, "alert/hot-cpu/ack");
    program.stop().await;
    let mut program = Program::start(&store, ntfy_config(address), None);
    press(&message["actions"][1]).await;
    assert_eq!(program.command().await.name, "alert/hot-cpu/silence");
    program.stop().await;
}

#[tokio::test]
async fn what_could_not_be_sent_survives_a_kill_and_goes_out_once() {
    let (ntfy, address) = Ntfy::start(None).await;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for status in [500, 429, 202, 503] {
        ntfy.status.store(status, Ordering::SeqCst);
        let seen = *ntfy.attempts.borrow();
        let program = Program::start(&store, ntfy_config(address), None);
        program.bus.alert(alert("hot-cpu", AlertState::Firing));
        ntfy.wait_for_attempts(seen + 1).await;
        program.kill();
    }
    ntfy.status.store(200, Ordering::SeqCst);
    let program = Program::start(&store, ntfy_config(address), None);
    ntfy.wait("house", 1).await;
    program.stop().await;
    let program = Program::start(&store, ntfy_config(address), None);
    program.bus.alert(alert("hot-cpu", AlertState::Firing));
    program.bus.alert(alert("hot-disk", AlertState::Firing));
    let messages = ntfy.wait("house", 2).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(
        messages[1]["title"], "Critical on nas",
        "one alert, not two"
    );
    program.stop().await;
}

#[tokio::test]
async fn a_server_that_refuses_us_is_told_to_the_rules() {
    let (_ntfy, address) = Ntfy::start(Some("tk_right")).await;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let program = Program::start(&store, ntfy_config(address), None);
    let mut listener = program.bus.listen();
    program.bus.alert(alert("hot-cpu", AlertState::Firing));
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            listener.next().await;
            if let Some((_, Some(error))) = program.bus.state().collectors().pop() {
                return error;
            }
        }
    });
    let error = told.await.expect("a fault in time");
    assert!(error.contains("401 unauthorized"), "{error}");
    assert!(error.contains("push.ntfy.token"), "{error}");
    program.stop().await;
}

#[tokio::test]
async fn credentials_go_to_the_server_and_never_into_a_message() {
    let (ntfy, address) = Ntfy::start(Some("tk_right")).await;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let config = NtfyConfig {
        auth: Some(NtfyAuth::Token(Secret::new("tk_right".to_owned()))),
        ..ntfy_config(address)
    };
    let program = Program::start(&store, config, Some("https://home.example/"));
    program.bus.alert(alert("hot-cpu", AlertState::Firing));
    let message = ntfy.wait("house", 1).await.remove(0);
    assert!(!message.to_string().contains("tk_right"));
    let url = message["actions"][0]["url"].as_str().unwrap();
    assert!(
        url.starts_with("https://home.example/api/v1/alerts/hot-cpu/ack?ticket="),
        "{url}"
    );
    assert_eq!(
        *ntfy.streams.borrow(),
        0,
        "no reply topic when the bridge is public"
    );
    program.stop().await;
}

#[tokio::test]
async fn the_test_message_says_what_happened() {
    let (ntfy, address) = Ntfy::start(None).await;
    let host = Host::real();
    let with = |server: SocketAddr, auth| PushConfig {
        ntfy: Some(NtfyConfig {
            auth,
            ..ntfy_config(server)
        }),
        ..PushConfig::default()
    };
    let said = send_test(&host, &with(address, None), "nas").await.unwrap();
    assert!(said.contains("id1"), "{said}");
    let basic = NtfyAuth::Basic {
        username: "phil".to_owned(),
        password: Secret::new("pass".to_owned()),
    };
    send_test(&host, &with(address, Some(basic)), "nas")
        .await
        .unwrap();
    assert_eq!(ntfy.of("house").len(), 2);
    for (status, want) in [
        (301, "moved"),
        (403, "rights"),
        (404, "is push.ntfy.server right"),
        (413, "refuses the message"),
        (429, "patience"),
        (500, "later"),
        (202, "no ntfy server"),
    ] {
        ntfy.status.store(status, Ordering::SeqCst);
        let error = send_test(&host, &with(address, None), "nas")
            .await
            .unwrap_err();
        assert!(error.to_string().contains(want), "{status}: {error}");
    }
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let error = send_test(&host, &with(nobody, None), "nas")
        .await
        .unwrap_err();
    assert!(
        error.to_string().to_lowercase().contains("refused"),
        "{error}"
    );
    let error = send_test(&host, &PushConfig::default(), "nas")
        .await
        .unwrap_err();
    assert!(matches!(error, PushError::NotConfigured), "{error}");
}

#[tokio::test]
async fn a_ca_file_must_hold_certificates() {
    let (_ntfy, address) = Ntfy::start(None).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    for content in ["", "no certificate"] {
        std::fs::write(&file, content).unwrap();
        let config = PushConfig {
            ntfy: Some(NtfyConfig {
                ca_file: Some(file.clone()),
                ..ntfy_config(address)
            }),
            ..PushConfig::default()
        };
        let error = send_test(&Host::real(), &config, "nas").await.unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}

#[tokio::test]
async fn without_a_service_nothing_is_done_until_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let stop = CancellationToken::new();
    stop.cancel();
    let push = Push {
        host: Host::captured(dir.path(), Clock::Real),
        config: PushConfig::default(),
        node: "nas".to_owned(),
        public_url: None,
        bus,
        store: Store::open(dir.path()).unwrap(),
        tickets: Arc::new(Plain),
    };
    assert!(!format!("{push:?}").is_empty());
    push.run(stop).await.unwrap();
}
