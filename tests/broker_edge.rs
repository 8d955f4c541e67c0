//! The edge to an outside broker, against a real Mosquitto: what must not be lost is not lost,
//! whatever happens to the broker or to us.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod broker_support;

use broker_support::{Mosquitto, PATIENCE, Running, Watcher, event, secret, until};
use homewatch::config::Protocol;
use homewatch::store::Collection;

const STATUS: &str = "homewatch/nas/status";
const EVENT: &str = "homewatch/nas/event/test";

async fn events_until(watcher: &mut Watcher, last: usize) -> Vec<usize> {
    let whole = format!("{{\"n\":{last}}}");
    watcher.until(EVENT, &whole).await;
    let numbers = watcher.all.iter().filter(|seen| seen.topic == EVENT);
    let mut numbers: Vec<usize> = numbers
        .map(|seen| {
            let json: serde_json::Value = serde_json::from_str(&seen.payload).unwrap();
            usize::try_from(json["n"].as_u64().unwrap()).unwrap()
        })
        .collect();
    numbers.dedup();
    numbers
}

#[tokio::test]
async fn online_while_connected_and_offline_after_a_stop_and_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    for protocol in [Protocol::Auto, Protocol::V5, Protocol::V311] {
        let mut watcher = Watcher::start(broker.port, None).await;
        let mut config = broker.config();
        config.protocol = protocol;
        let running = Running::start(config.clone());
        watcher.until(STATUS, "online").await;
        drop(running.stop().await);
        watcher.until(STATUS, "offline").await;
        let running = Running::start(config);
        watcher.until(STATUS, "online").await;
        drop(running.crash().await);
        watcher.until(STATUS, "offline").await;
    }
}

#[tokio::test]
async fn events_of_an_absence_of_the_broker_arrive_all_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    let running = Running::start(broker.config());
    running.until_says("\"connected\":true").await;
    broker.kill();
    running.until_says("\"connected\":false").await;
    for number in 0..250 {
        event(&running.bus, number);
        tokio::task::yield_now().await;
    }
    broker.resume();
    let mut watcher = Watcher::start(broker.port, None).await;
    let seen = events_until(&mut watcher, 249).await;
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
    watcher.until(STATUS, "online").await;
    drop(running.stop().await);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_stream_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    let running = Running::start(broker.config());
    running.until_says("\"connected\":true").await;
    let mut watcher = Watcher::start(broker.port, None).await;
    for number in 0..60 {
        event(&running.bus, number);
    }
    watcher.until(EVENT, "{\"n\":5}").await;
    broker.kill();
    for number in 60..120 {
        event(&running.bus, number);
    }
    running.until_says("\"connected\":false").await;
    broker.resume();
    // Our watcher reconnects at its own pace and may miss some, so ask for what is certain: a new
    // watcher would not see the past. The outbox must be empty and the last event must have come.
    drop(watcher);
    running.until_says("\"connected\":true").await;
    let mut watcher = Watcher::start(broker.port, None).await;
    event(&running.bus, 999);
    watcher.until(EVENT, "999").await;
    let (store, _dir) = running.stop().await;
    assert_eq!(store.all(Collection::Outbox).unwrap(), vec![]);
}

#[tokio::test]
async fn a_hanging_broker_is_noticed_and_gets_the_rest_when_it_wakes() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    let running = Running::start(broker.config());
    running.until_says("\"connected\":true").await;
    let mut watcher = Watcher::start(broker.port, None).await;
    broker.signal("STOP");
    for number in 0..40 {
        event(&running.bus, number);
    }
    running.until_says("no answer within").await;
    for number in 40..80 {
        event(&running.bus, number);
    }
    broker.signal("CONT");
    let seen = events_until(&mut watcher, 79).await;
    let distinct: std::collections::BTreeSet<usize> = seen.into_iter().collect();
    assert_eq!(distinct.len(), 80, "each at least once");
    drop(running.stop().await);
}

#[tokio::test]
async fn what_waits_survives_our_own_stop() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    broker.kill();
    let running = Running::start(broker.config());
    running.until_says("\"connected\":false").await;
    for number in 0..20 {
        event(&running.bus, number);
    }
    let (store, _dir) = running.stop().await;
    assert_eq!(store.all(Collection::Outbox).unwrap().len(), 20);
    broker.resume();
    let mut watcher = Watcher::start(broker.port, None).await;
    let running = Running::with_store(broker.config(), store);
    let seen = events_until(&mut watcher, 19).await;
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    let (store, _) = running.stop().await;
    assert_eq!(store.all(Collection::Outbox).unwrap(), vec![]);
}

#[tokio::test]
async fn a_refusal_is_told_locally_and_ends_when_we_are_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let passwords = dir.path().join("passwords");
    std::fs::write(&passwords, "").unwrap();
    let extra = format!(
        "allow_anonymous false\npassword_file {}",
        passwords.display()
    );
    let Some(broker) = Mosquitto::start(dir.path(), &extra) else {
        return;
    };
    let mut config = broker.config();
    config.username = Some("nas".into());
    config.password = Some(secret("wrong"));
    let running = Running::start(config.clone());
    running
        .until_says("the broker refuses us: not authorized")
        .await;
    assert!(running.says("\"connected\":false"));
    config.protocol = Protocol::V311;
    drop(running.stop().await);
    let running = Running::start(config);
    running.until_says("the broker refuses us").await;
    drop(running.stop().await);
}

#[tokio::test]
async fn a_broker_that_accepts_and_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let running = Running::start(broker_support::config(&format!("mqtt://127.0.0.1:{port}")));
    let (_socket, _) = silent.accept().await.unwrap();
    running.until_says("no welcome within").await;
    tokio::time::timeout(PATIENCE, running.stop())
        .await
        .unwrap();
}

#[tokio::test]
async fn garbage_from_a_broker_is_an_error_and_no_end() {
    use tokio::io::AsyncWriteExt as _;
    let odd = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = odd.local_addr().unwrap().port();
    let running = Running::start(broker_support::config(&format!("mqtt://127.0.0.1:{port}")));
    for _ in 0..3 {
        let (mut socket, _) = odd.accept().await.unwrap();
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    }
    until(|| running.says("\"connected\":false"), "an error").await;
    drop(running.stop().await);
}

#[tokio::test]
async fn a_websocket_carries_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let port = broker_support::free_port();
    let extra = format!("listener {port} 127.0.0.1\nprotocol websockets");
    let Some(broker) = Mosquitto::start(dir.path(), &extra) else {
        return;
    };
    let mut watcher = Watcher::start(broker.port, None).await;
    let running = Running::start(broker_support::config(&format!("ws://127.0.0.1:{port}")));
    watcher.until(STATUS, "online").await;
    event(&running.bus, 1);
    watcher.until(EVENT, "1").await;
    watcher
        .publish("homewatch/nas/cmd/no/such", "", false)
        .await;
    watcher.until("homewatch/nas/result", "no/such").await;
    drop(running.stop().await);
    watcher.until(STATUS, "offline").await;
}

#[tokio::test]
async fn an_mqtt_5_client_has_its_answer_where_it_asked_for_it() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path(), "") else {
        return;
    };
    let running = Running::start(broker.config());
    running.until_says("\"connected\":true").await;
    let options = rumqttc::v5::MqttOptions::new("asker", "127.0.0.1", broker.port);
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
    client
        .subscribe("answers/1", QoS::AtLeastOnce)
        .await
        .unwrap();
    let properties = PublishProperties {
        response_topic: Some("answers/1".into()),
        correlation_data: Some(vec![7, 0, 255].into()),
        ..Default::default()
    };
    let sent = client.publish_with_properties(
        "homewatch/nas/cmd/no/such",
        QoS::AtLeastOnce,
        false,
        "",
        properties,
    );
    sent.await.unwrap();
    let answer = async {
        loop {
            let heard = events.poll().await.unwrap();
            if let rumqttc::v5::Event::Incoming(Packet::Publish(publish)) = heard {
                return publish;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
    let correlation = answer.properties.and_then(|p| p.correlation_data);
    assert_eq!(correlation.as_deref(), Some(&[7, 0, 255][..]));
    assert!(String::from_utf8_lossy(&answer.payload).contains("\"ok\":false"));
    drop(running.stop().await);
}

#[tokio::test]
async fn tls_trusts_the_authority_it_is_given_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let port = broker_support::free_port();
    let tls = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/embedded/tls");
    let (cert, key) = (tls.join("cert.pem"), tls.join("key.pem"));
    let extra = format!(
        "listener {port} 127.0.0.1\ncertfile {}\nkeyfile {}",
        cert.display(),
        key.display()
    );
    let Some(broker) = Mosquitto::start(dir.path(), &extra) else {
        return;
    };
    let mut watcher = Watcher::start(broker.port, None).await;
    let mut config = broker_support::config(&format!("mqtts://localhost:{port}"));
    let running = Running::start(config.clone());
    running.until_says("certificate").await;
    assert!(running.says("\"connected\":false"));
    drop(running.stop().await);
    config.ca_file = Some(cert);
    let running = Running::start(config.clone());
    watcher.until(STATUS, "online").await;
    drop(running.stop().await);
    config.ca_file = Some(key);
    let running = Running::start(config);
    running.until_says("holds no certificate").await;
    drop(running.stop().await);
}
