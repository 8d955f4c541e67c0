//! The embedded broker as the clients people use see it: MQTT 3.1.1, MQTT 5, TLS.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "test code"
)]

mod embedded;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use embedded::{Broker, PATIENCE, config, connect, publish, subscribe, user};
use homewatch::bus::embedded::bind;
use homewatch::config::EmbeddedTls;
use rumqttc::v5;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/embedded/tls")
        .join(name)
}

fn client_v4(broker: &Broker, id: &str) -> (rumqttc::AsyncClient, rumqttc::EventLoop) {
    let mut options = rumqttc::MqttOptions::new(id, "127.0.0.1", broker.addr.port());
    options.set_keep_alive(Duration::from_secs(30));
    rumqttc::AsyncClient::new(options, 10)
}

fn client_v5(broker: &Broker, id: &str) -> (v5::AsyncClient, v5::EventLoop) {
    let mut options = v5::MqttOptions::new(id, "127.0.0.1", broker.addr.port());
    options.set_keep_alive(Duration::from_secs(30));
    v5::AsyncClient::new(options, 10)
}

async fn next_v4(events: &mut rumqttc::EventLoop) -> rumqttc::Publish {
    loop {
        let event = timeout(PATIENCE, events.poll()).await.unwrap().unwrap();
        if let rumqttc::Event::Incoming(rumqttc::Packet::Publish(publish)) = event {
            return publish;
        }
    }
}

async fn next_v5(events: &mut v5::EventLoop) -> v5::mqttbytes::v5::Publish {
    loop {
        let event = timeout(PATIENCE, events.poll()).await.unwrap().unwrap();
        if let v5::Event::Incoming(v5::Incoming::Publish(publish)) = event {
            return publish;
        }
    }
}

#[tokio::test]
async fn clients_of_both_protocols_talk_to_each_other_on_one_port() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), dir.path()).await;
    let (old, mut old_events) = client_v4(&broker, "old");
    let (new, mut new_events) = client_v5(&broker, "new");
    old.subscribe("talk/#", rumqttc::QoS::ExactlyOnce)
        .await
        .unwrap();
    new.subscribe("talk/#", v5::mqttbytes::QoS::AtLeastOnce)
        .await
        .unwrap();
    for events in 0..2 {
        loop {
            let subscribed = if events == 0 {
                let event = timeout(PATIENCE, old_events.poll()).await.unwrap().unwrap();
                matches!(event, rumqttc::Event::Incoming(rumqttc::Packet::SubAck(_)))
            } else {
                let event = timeout(PATIENCE, new_events.poll()).await.unwrap().unwrap();
                matches!(event, v5::Event::Incoming(v5::Incoming::SubAck(_)))
            };
            if subscribed {
                break;
            }
        }
    }
    let properties = v5::mqttbytes::v5::PublishProperties {
        response_topic: Some("answers/here".to_owned()),
        correlation_data: Some(vec![1, 2, 3].into()),
        user_properties: vec![("k".to_owned(), "v".to_owned())],
        message_expiry_interval: Some(60),
        content_type: Some("text/plain".to_owned()),
        ..v5::mqttbytes::v5::PublishProperties::default()
    };
    let qos = v5::mqttbytes::QoS::ExactlyOnce;
    new.publish_with_properties("talk/a", qos, false, "from 5", properties.clone())
        .await
        .unwrap();
    let seen = next_v5(&mut new_events).await;
    assert_eq!(
        (&seen.topic[..], &seen.payload[..]),
        (&b"talk/a"[..], &b"from 5"[..])
    );
    assert_eq!(
        seen.qos,
        v5::mqttbytes::QoS::AtLeastOnce,
        "no higher than was asked for"
    );
    assert_eq!(seen.properties, Some(properties));
    // The exchange of QoS 2 goes on while the other client waits.
    let (seen, ()) = tokio::join!(next_v4(&mut old_events), async {
        for _ in 0..6 {
            if timeout(Duration::from_millis(200), new_events.poll())
                .await
                .is_err()
            {
                break;
            }
        }
    });
    assert_eq!(
        (seen.topic.as_str(), &seen.payload[..]),
        ("talk/a", &b"from 5"[..])
    );
    assert_eq!(seen.qos, rumqttc::QoS::ExactlyOnce);
    old.publish("talk/b", rumqttc::QoS::ExactlyOnce, false, "from 3.1.1")
        .await
        .unwrap();
    let seen = next_v4(&mut old_events).await;
    assert_eq!(
        (seen.topic.as_str(), &seen.payload[..]),
        ("talk/b", &b"from 3.1.1"[..])
    );
    let seen = next_v5(&mut new_events).await;
    assert_eq!(&seen.payload[..], b"from 3.1.1");
}

#[tokio::test]
async fn many_messages_of_every_qos_all_arrive_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), dir.path()).await;
    let (reader, mut events) = client_v4(&broker, "reader");
    reader
        .subscribe("count", rumqttc::QoS::ExactlyOnce)
        .await
        .unwrap();
    loop {
        let event = timeout(PATIENCE, events.poll()).await.unwrap().unwrap();
        if matches!(event, rumqttc::Event::Incoming(rumqttc::Packet::SubAck(_))) {
            break;
        }
    }
    let (writer, mut writing) = client_v5(&broker, "writer");
    let write = async {
        for number in 0..600_u32 {
            let qos = v5::mqttbytes::qos(u8::try_from(number % 3).unwrap()).unwrap();
            writer
                .publish("count", qos, false, number.to_string())
                .await
                .unwrap();
        }
        std::future::pending::<()>().await;
    };
    let pump = async { while writing.poll().await.is_ok() {} };
    let read = async {
        for number in 0..600_u32 {
            assert_eq!(
                &next_v4(&mut events).await.payload[..],
                number.to_string().as_bytes()
            );
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
        () = pump => panic!("the writer was sent away"),
    }
}

#[tokio::test]
async fn mqtt_5_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config
        .users
        .insert("phone".to_owned(), user("p", &["a/#"], &[], false));
    let broker = Broker::start(config, dir.path()).await;
    let mut options = v5::MqttOptions::new("phone", "127.0.0.1", broker.addr.port());
    options.set_credentials("phone", "p");
    let (client, mut events) = v5::AsyncClient::new(options, 10);
    client
        .subscribe("b/#", v5::mqttbytes::QoS::AtMostOnce)
        .await
        .unwrap();
    client
        .publish("b", v5::mqttbytes::QoS::AtLeastOnce, false, "x")
        .await
        .unwrap();
    let (mut denied, mut refused) = (false, false);
    while !(denied && refused) {
        match timeout(PATIENCE, events.poll()).await.unwrap().unwrap() {
            v5::Event::Incoming(v5::Incoming::SubAck(ack)) => {
                let codes = format!("{:?}", ack.return_codes);
                assert!(codes.contains("NotAuthorized"), "{codes}");
                refused = true;
            }
            v5::Event::Incoming(v5::Incoming::PubAck(ack)) => {
                assert_eq!(ack.reason, v5::mqttbytes::v5::PubAckReason::NotAuthorized);
                denied = true;
            }
            _ => {}
        }
    }
    let options = v5::MqttOptions::new("nobody", "127.0.0.1", broker.addr.port());
    let (_client, mut events) = v5::AsyncClient::new(options, 10);
    let error = timeout(PATIENCE, events.poll()).await.unwrap().unwrap_err();
    assert!(
        format!("{error:?}").contains("BadUserNamePassword"),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_answer_goes_to_the_response_topic_with_its_correlation_data() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), dir.path()).await;
    let (client, mut events) = client_v5(&broker, "asker");
    client
        .subscribe("answers/me", v5::mqttbytes::QoS::AtMostOnce)
        .await
        .unwrap();
    let properties = v5::mqttbytes::v5::PublishProperties {
        response_topic: Some("answers/me".to_owned()),
        correlation_data: Some(vec![9, 9].into()),
        ..v5::mqttbytes::v5::PublishProperties::default()
    };
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    client
        .publish_with_properties("homewatch/nas/cmd/no/such", qos, false, "", properties)
        .await
        .unwrap();
    let answer = next_v5(&mut events).await;
    assert_eq!(&answer.topic[..], b"answers/me");
    assert!(String::from_utf8_lossy(&answer.payload).contains(r#""ok":false"#));
    assert_eq!(
        answer.properties.unwrap().correlation_data.as_deref(),
        Some(&[9, 9][..])
    );
}

async fn over_tls(broker: &Broker) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(pem("cert.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(broker.tls_addr.unwrap()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, stream).await.unwrap()
}

fn with_tls() -> homewatch::config::EmbeddedConfig {
    let mut config = config();
    config.tls = Some(EmbeddedTls {
        listen: "127.0.0.1:0".parse().unwrap(),
        cert: pem("cert.pem"),
        key: pem("key.pem"),
    });
    config
}

#[tokio::test]
async fn the_encrypted_port_serves_the_same_and_a_silent_handshake_blocks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = with_tls();
    config
        .users
        .insert("phone".to_owned(), user("p", &["#"], &["a"], false));
    let broker = Broker::start(config, dir.path()).await;
    let _silent = TcpStream::connect(broker.tls_addr.unwrap()).await.unwrap();
    let mut plain_text = TcpStream::connect(broker.tls_addr.unwrap()).await.unwrap();
    plain_text.write_all(&connect("x", 2, None)).await.unwrap();
    let mut stranger = over_tls(&broker).await;
    stranger.write_all(&connect("x", 2, None)).await.unwrap();
    let mut answer = [0; 4];
    stranger.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 5], "a login is demanded here too");
    let mut client = over_tls(&broker).await;
    client
        .write_all(&connect("x", 2, Some(("phone", "p"))))
        .await
        .unwrap();
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    client.write_all(&subscribe("a", 0)).await.unwrap();
    client
        .write_all(&publish("a", b"hi", 0, false))
        .await
        .unwrap();
    let mut rest = [0; 5 + 7];
    timeout(PATIENCE, client.read_exact(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, *b"\x90\x03\0\x09\0\x30\x05\0\x01ahi");
}

#[tokio::test]
async fn a_key_that_does_not_fit_its_certificate_is_reported() {
    let mut config = with_tls();
    for (key, what) in [
        ("other_key.pem", "cannot be used together"),
        ("none.pem", "none.pem"),
    ] {
        config.tls.as_mut().unwrap().key = pem(key);
        let Err(error) = bind(&config).await else {
            panic!("{key} was taken");
        };
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[tokio::test]
async fn a_message_names_every_subscription_that_caught_it() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), dir.path()).await;
    let (client, mut events) = client_v5(&broker, "identified");
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    client
        .publish("kept/a", qos, true, "retained")
        .await
        .unwrap();
    for (filter, id) in [("kept/#", Some(7)), ("kept/a", Some(300)), ("#", None)] {
        let properties = v5::mqttbytes::v5::SubscribeProperties {
            id,
            user_properties: Vec::new(),
        };
        client
            .subscribe_with_properties(filter, qos, properties)
            .await
            .unwrap();
    }
    let ids = |publish: &v5::mqttbytes::v5::Publish| {
        let properties = publish.properties.clone().unwrap_or_default();
        properties.subscription_identifiers
    };
    // What is retained comes once for each subscription, with the identifier of that one.
    for want in [vec![7], vec![300]] {
        assert_eq!(ids(&next_v5(&mut events).await), want);
    }
    assert_eq!(ids(&next_v5(&mut events).await), Vec::<usize>::new());
    client.publish("kept/a", qos, false, "live").await.unwrap();
    client.publish("else", qos, false, "live").await.unwrap();
    let mut live = Vec::new();
    while live.len() < 2 {
        let publish = next_v5(&mut events).await;
        if publish.payload == "live" {
            live.push((publish.topic.clone(), ids(&publish)));
        }
    }
    assert_eq!(live[0].1, [7, 300]);
    assert_eq!((&live[1].0[..], live[1].1.len()), (&b"else"[..], 0));
}

/// A filter of a v5 subscription with its options.
fn filter(path: &str, nolocal: bool, preserve_retain: bool) -> v5::mqttbytes::v5::Filter {
    let mut filter = v5::mqttbytes::v5::Filter::new(path, v5::mqttbytes::QoS::AtLeastOnce);
    filter.nolocal = nolocal;
    filter.preserve_retain = preserve_retain;
    filter
}

#[tokio::test]
async fn no_local_and_retain_as_published_are_honoured() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), dir.path()).await;
    let (client, mut events) = client_v5(&broker, "bridge");
    let filters = [
        filter("quiet/#", true, false),
        filter("kept/#", false, true),
        filter("plain/#", false, false),
    ];
    client.subscribe_many(filters).await.unwrap();
    while !matches!(
        timeout(PATIENCE, events.poll()).await.unwrap().unwrap(),
        v5::Event::Incoming(v5::Incoming::SubAck(_))
    ) {}
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    for (topic, retain) in [("quiet/own", true), ("kept/a", true), ("kept/b", false)] {
        client.publish(topic, qos, retain, "x").await.unwrap();
    }
    let mut got = Vec::new();
    for _ in 0..2 {
        got.push(next_v5(&mut events).await);
    }
    let mut other = broker.client("other").await;
    other.send(&publish("quiet/theirs", b"x", 0, true)).await;
    other.send(&publish("plain/x", b"x", 0, true)).await;
    for _ in 0..2 {
        got.push(next_v5(&mut events).await);
    }
    let got: Vec<(&[u8], bool)> = got.iter().map(|m| (&m.topic[..], m.retain)).collect();
    let want: [(&[u8], bool); 4] = [
        (b"kept/a", true),
        (b"kept/b", false),
        (b"quiet/theirs", false),
        (b"plain/x", false),
    ];
    assert_eq!(got, want, "its own message to quiet/own must not come back");
    broker.stop().await;
}
