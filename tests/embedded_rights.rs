//! Users, rights, retained messages, commands and what else the embedded broker promises.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod embedded;

use std::sync::Arc;

use bytes::Bytes;
use embedded::{Broker, PATIENCE, Raw, config, connect, publish, subscribe, user};
use homewatch::bus::embedded::bind;
use homewatch::bus::{Event, Heard};
use tokio::time::timeout;

async fn broker() -> (Broker, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Broker::start(config(), dir.path()).await, dir)
}

async fn with_users() -> (Broker, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.users = [
        ("phone", user("p1", &["homewatch/+/status"], &[], false)),
        ("ha", user("p2", &["#"], &["homeassistant/#"], true)),
    ]
    .map(|(name, user)| (name.to_owned(), user))
    .into();
    (Broker::start(config, dir.path()).await, dir)
}

/// The topic and the retain flag of a PUBLISH of `QoS` 0 or above.
fn head(packet: &[u8]) -> (String, bool) {
    assert_eq!(packet[0] >> 4, 3, "{packet:?}");
    let start = 1
        + packet[1..]
            .iter()
            .position(|byte| byte & 0x80 == 0)
            .unwrap()
        + 1;
    let len = usize::from(u16::from_be_bytes([packet[start], packet[start + 1]]));
    let topic = &packet[start + 2..start + 2 + len];
    (
        String::from_utf8(topic.to_vec()).unwrap(),
        packet[0] & 1 == 1,
    )
}

#[tokio::test]
async fn status_is_online_from_the_start_and_offline_at_the_end() {
    let (broker, _dir) = broker().await;
    let mut reader = broker.client("reader").await;
    reader.subscribe("homewatch/+/status", 1).await;
    let online = reader.packet().await;
    assert_eq!(head(&online), ("homewatch/nas/status".to_owned(), true));
    assert!(online.ends_with(b"online"));
    broker.cancel();
    let offline = reader.packet().await;
    assert_eq!(head(&offline), ("homewatch/nas/status".to_owned(), false));
    assert!(offline.ends_with(b"offline"));
    reader.assert_ended().await;
    broker.stop().await;
}

#[tokio::test]
async fn logins_are_demanded_once_there_are_users() {
    let (broker, _dir) = with_users().await;
    for login in [
        None,
        Some(("phone", "p2")),
        Some(("nobody", "p1")),
        Some(("phone", "")),
    ] {
        let mut raw = Raw::open(broker.addr).await;
        assert_eq!(raw.hello("x", login).await, [0x20, 2, 0, 5], "{login:?}");
        raw.assert_ended().await;
    }
    broker.as_user("phone", "p1").await;
}

#[tokio::test]
async fn a_user_reads_what_the_filters_allow_and_no_more() {
    let (broker, _dir) = with_users().await;
    let mut phone = broker.as_user("phone", "p1").await;
    assert_eq!(phone.subscribe("homewatch/nas/power/+", 1).await, 0x80);
    assert_eq!(phone.subscribe("homeassistant/#", 1).await, 0x80);
    assert_eq!(
        phone.subscribe("#", 1).await,
        1,
        "it overlaps with what may be read"
    );
    assert!(phone.packet().await.ends_with(b"online"));
    let secret = Arc::from("homeassistant/device/x/config");
    broker.bus.retain(secret, Bytes::from_static(b"secret"));
    let mut ha = broker.as_user("ha", "p2").await;
    ha.send(&publish("homeassistant/x", b"secret", 1, true))
        .await;
    ha.packet().await;
    phone.subscribe("homewatch/#", 1).await;
    let next = phone.packet().await;
    assert!(
        next.ends_with(b"online"),
        "the retained status again, nothing else: {next:?}"
    );
}

#[tokio::test]
async fn what_may_not_be_published_is_acknowledged_and_dropped() {
    let (broker, _dir) = with_users().await;
    let mut reader = broker.as_user("ha", "p2").await;
    reader.subscribe("#", 0).await;
    while !reader.packet().await.ends_with(b"online") {}
    let mut phone = broker.as_user("phone", "p1").await;
    for topic in [
        "homewatch/nas/cmd/alert/all/ack",
        "homewatch/nas/status",
        "any",
    ] {
        phone.send(&publish(topic, b"x", 1, true)).await;
        assert_eq!(phone.packet().await, [0x40, 2, 0, 7], "{topic}");
    }
    let mut ha = Raw::open(broker.addr).await;
    ha.hello("other", Some(("ha", "p2"))).await;
    ha.send(&publish("homeassistant/end", b"end", 1, false))
        .await;
    assert_eq!(head(&reader.packet().await).0, "homeassistant/end");
}

#[tokio::test]
async fn nobody_speaks_for_homewatch() {
    let (broker, _dir) = broker().await;
    let mut liar = broker.client("liar").await;
    liar.send(&publish("homewatch/nas/status", b"offline", 1, true))
        .await;
    liar.packet().await;
    liar.subscribe("homewatch/nas/status", 1).await;
    assert!(liar.packet().await.ends_with(b"online"));
}

#[tokio::test]
async fn a_thousand_retained_messages_reach_readers_of_every_qos_and_again_when_they_ask_again() {
    let (broker, _dir) = broker().await;
    for index in 0..1000 {
        let topic: Arc<str> = format!("homeassistant/device/d{index}/config").into();
        broker.bus.retain(topic, Bytes::from(vec![b'x'; 500]));
    }
    let last: Arc<str> = "homeassistant/zz".into();
    broker.bus.retain(last, Bytes::from_static(b"last"));
    for qos in [0, 1, 2] {
        let mut reader = broker.client(&format!("reader-{qos}")).await;
        for round in 0..2 {
            reader.send(&subscribe("homeassistant/#", qos)).await;
            let mut topics = std::collections::BTreeSet::new();
            while topics.len() < 1001 {
                let packet = reader.packet().await;
                if packet[0] >> 4 != 3 {
                    continue;
                }
                let (topic, retain) = head(&packet);
                if round == 0 || retain {
                    topics.insert(topic.clone());
                }
                let got = (packet[0] >> 1) & 3;
                assert_eq!(got, qos.min(1), "ours are published with QoS 1");
                if got == 1 {
                    let start = 1 + packet[1..].iter().position(|b| b & 0x80 == 0).unwrap() + 1;
                    let id = start + 2 + topic.len();
                    reader.send(&[0x40, 2, packet[id], packet[id + 1]]).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn other_clients_retained_messages_survive_a_restart_until_they_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), dir.path()).await;
    let mut plug = broker.client("plug").await;
    for (topic, payload) in [("tele/plug/LWT", "Online"), ("tele/gone/LWT", "Offline")] {
        plug.send(&publish(topic, payload.as_bytes(), 1, true))
            .await;
        plug.packet().await;
    }
    plug.send(&publish("tele/plug/LWT", b"", 1, false)).await;
    plug.packet().await;
    broker.stop().await;

    let broker = Broker::start(config(), dir.path()).await;
    let mut reader = broker.client("reader").await;
    reader.subscribe("tele/+/LWT", 0).await;
    for (topic, payload) in [("tele/gone/LWT", "Offline"), ("tele/plug/LWT", "Online")] {
        let packet = reader.packet().await;
        assert_eq!(
            head(&packet),
            (topic.to_owned(), true),
            "an empty message is no removal"
        );
        assert!(packet.ends_with(payload.as_bytes()));
    }
    reader.send(&publish("tele/gone/LWT", b"", 1, true)).await;
    while reader.packet().await[0] != 0x40 {}
    broker.stop().await;

    let broker = Broker::start(config(), dir.path()).await;
    let mut reader = broker.client("reader").await;
    reader.subscribe("#", 0).await;
    let mut topics = vec![
        head(&reader.packet().await).0,
        head(&reader.packet().await).0,
    ];
    topics.push(head(&reader.packet().await).0);
    assert_eq!(
        topics,
        [
            "homewatch/nas/alerts",
            "homewatch/nas/status",
            "tele/plug/LWT"
        ]
    );
    broker.stop().await;
}

#[tokio::test]
async fn a_last_will_is_sent_for_who_vanishes_and_not_for_who_says_goodbye() {
    let (broker, _dir) = broker().await;
    let mut reader = broker.client("reader").await;
    reader.subscribe("wills/#", 0).await;
    let hello = |id: u8| {
        [
            b"\x10\x19\0\x04MQTT\x04\x26\0\x3c\0\x01",
            &[id][..],
            b"\0\x07wills/",
            &[id],
            b"\0\x01w",
        ]
        .concat()
    };
    for (id, goodbye) in [(b'a', true), (b'b', false)] {
        let mut client = Raw::open(broker.addr).await;
        client.send(&hello(id)).await;
        assert_eq!(client.packet().await, [0x20, 2, 0, 0]);
        if goodbye {
            client.send(&[0xe0, 0]).await;
            client.assert_ended().await;
        }
    }
    assert_eq!(head(&reader.packet().await).0, "wills/b");
}

#[tokio::test]
async fn commands_reach_the_bus_and_a_retained_one_is_refused_and_forgotten() {
    let (mut broker, _dir) = broker().await;
    let mut client = broker.client("client").await;
    client.subscribe("homewatch/nas/result", 0).await;
    let topic = "homewatch/nas/cmd/alert/cpu-hot/ack";
    client
        .send(&publish(topic, br#"{"id":"1"}"#, 0, true))
        .await;
    let refused = String::from_utf8_lossy(&client.packet().await).into_owned();
    assert!(
        refused.contains(r#""ok":false"#) && refused.contains("retain"),
        "{refused}"
    );
    client.subscribe("homewatch/nas/cmd/#", 0).await;
    client
        .send(&publish(topic, br#"{"id":"2"}"#, 0, false))
        .await;
    assert_eq!(
        head(&client.packet().await),
        (topic.to_owned(), false),
        "only the second"
    );
    let request = timeout(PATIENCE, broker.requests.recv()).await;
    let command = request.unwrap().unwrap().command;
    assert_eq!(command.name, "alert/cpu-hot/ack");
    assert_eq!(command.id.as_deref(), Some("2"));
}

#[tokio::test]
async fn births_and_other_nodes_are_told_to_the_bus() {
    let (broker, _dir) = broker().await;
    let mut events = broker.bus.listen();
    let mut client = broker.client("ha").await;
    client
        .send(&publish("homeassistant/status", b"online", 0, false))
        .await;
    client
        .send(&publish("homewatch/pi/status", b"offline", 0, true))
        .await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        match timeout(PATIENCE, events.next()).await.unwrap() {
            Heard::Event(Event::HomeAssistantBirth { edge }) => heard.push(edge.to_owned()),
            Heard::Event(Event::Node { name, online }) => heard.push(format!("{name} {online}")),
            Heard::Event(_) | Heard::Missed(_) | Heard::Closed => {}
        }
    }
    assert_eq!(heard, ["embedded", "pi false"]);
}

#[tokio::test]
async fn a_taken_port_is_reported_with_who_holds_it() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config();
    config.listen = holder.local_addr().unwrap();
    let Err(error) = bind(&config).await else {
        panic!("bound a taken port");
    };
    let text = error.to_string();
    assert!(text.contains(&config.listen.to_string()), "{text}");
    assert!(
        text.contains(&format!("(pid {})", std::process::id())),
        "{text}"
    );
    assert!(!text.contains('\n'));
    config.listen = "192.0.2.1:1".parse().unwrap();
    let Err(error) = bind(&config).await else {
        panic!("bound an address that is not ours");
    };
    assert!(
        error.to_string().contains("192.0.2.1:1 cannot be opened"),
        "{error}"
    );
}

#[tokio::test]
async fn who_stays_silent_beyond_the_keep_alive_time_is_sent_away() {
    let (broker, _dir) = broker().await;
    let mut silent = Raw::open(broker.addr).await;
    silent
        .send(b"\x10\x0d\0\x04MQTT\x04\x02\0\x01\0\x01s")
        .await;
    silent.packet().await;
    silent.assert_ended().await;
    let mut mute = Raw::open(broker.addr).await;
    mute.send(&connect("mute", 2, None)[..4]).await;
    mute.assert_ended().await;
}

#[tokio::test]
async fn what_was_retained_and_is_gone_is_removed_even_if_the_news_was_missed() {
    let (broker, _dir) = broker().await;
    let topic = |index: u32| -> Arc<str> { format!("homeassistant/device/d{index}/config").into() };
    broker.bus.retain(topic(0), Bytes::from_static(b"{}"));
    let mut reader = broker.client("reader").await;
    reader.subscribe("homeassistant/#", 0).await;
    assert!(reader.packet().await.ends_with(b"{}"));
    // All at once, so that the edge falls behind and must start anew from the state.
    broker.bus.retain(topic(0), Bytes::new());
    for index in 1..600 {
        broker.bus.retain(topic(index), Bytes::from_static(b"[]"));
    }
    let mut removed = false;
    let mut topics = std::collections::BTreeSet::new();
    while !removed || topics.len() < 599 {
        let packet = reader.packet().await;
        if packet.ends_with(b"[]") {
            topics.insert(head(&packet).0);
        } else {
            removed |= head(&packet).0 == *topic(0);
        }
    }
    let mut late = broker.client("late").await;
    late.subscribe(&topic(0), 0).await;
    late.subscribe(&topic(1), 0).await;
    assert_eq!(head(&late.packet().await).0, *topic(1));
}
