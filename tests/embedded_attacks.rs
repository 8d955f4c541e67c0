//! What a client can do to the embedded broker: end its own connection, and nothing else. The
//! first five are the attacks that kill a bare rumqttd for good.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod embedded;

use embedded::{Broker, PATIENCE, Raw, config, connect, packet, publish, subscribe};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

async fn broker() -> (Broker, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Broker::start(config(), dir.path()).await, dir)
}

#[tokio::test]
async fn kill_1_topics_and_filters_that_begin_with_another_script_are_ordinary_ones() {
    let (broker, _dir) = broker().await;
    let mut reader = broker.client("reader").await;
    assert_eq!(reader.subscribe("Öl/#", 1).await, 1);
    let mut writer = broker.client("writer").await;
    writer.send(&publish("Öl/t", b"full", 1, false)).await;
    assert_eq!(writer.packet().await, [0x40, 2, 0, 7]);
    assert!(reader.packet().await.ends_with(b"full"));
    writer.send(&publish("日本", b"x", 0, true)).await;
    broker.assert_serves().await;
}

#[tokio::test]
async fn kill_2_a_client_id_of_odd_signs_may_connect_twice() {
    let (broker, _dir) = broker().await;
    for id in ["a/b", "+", "#", "$SYS", "a/+/#$"] {
        let mut first = broker.client(id).await;
        let _second = broker.client(id).await;
        first.assert_ended().await;
    }
    broker.assert_serves().await;
}

#[tokio::test]
async fn kill_3_a_full_broker_refuses_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.max_connections = 5;
    let broker = Broker::start(config, dir.path()).await;
    let mut inside = Vec::new();
    for index in 0..5 {
        inside.push(broker.client(&format!("c{index}")).await);
    }
    for _ in 0..20 {
        let mut refused = Raw::open(broker.addr).await;
        // It may be closed before the hello is written.
        if refused
            .stream
            .write_all(&connect("again", 2, None))
            .await
            .is_ok()
        {
            refused.assert_ended().await;
        }
    }
    drop(inside);
    wait_until_served(&broker).await;
    broker.assert_serves().await;
}

/// Places free up when the broker has noticed that clients have gone.
async fn wait_until_served(broker: &Broker) {
    let mut places = Vec::new();
    timeout(PATIENCE, async {
        while places.len() < 3 {
            let mut raw = Raw::open(broker.addr).await;
            let fine = raw
                .stream
                .write_all(&connect("probe", 2, None))
                .await
                .is_ok();
            if fine && raw.try_packet().await.is_some() {
                places.push(raw);
            } else {
                tokio::task::yield_now().await;
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn kill_4_shared_subscriptions_are_refused_and_leave_nothing_behind() {
    let (broker, _dir) = broker().await;
    let mut sharing = Raw::open(broker.addr).await;
    sharing.send(&connect("sharing", 0, None)).await;
    assert_eq!(sharing.packet().await, [0x20, 2, 0, 0]);
    assert_eq!(sharing.subscribe("$share/group/#", 1).await, 0x80);
    assert_eq!(sharing.subscribe("a/#", 1).await, 1);
    let mut writer = broker.client("writer").await;
    writer.send(&publish("a/b", b"x", 1, false)).await;
    writer.packet().await;
    sharing.packet().await;
    drop(sharing);
    broker.assert_serves().await;
}

#[tokio::test]
async fn kill_5_a_slow_reader_that_is_taken_over_and_then_drains() {
    let (broker, _dir) = broker().await;
    let mut slow = broker.client("slow").await;
    assert_eq!(slow.subscribe("flood/#", 0).await, 0);
    let mut writer = broker.client("writer").await;
    for _ in 0..300 {
        writer
            .send(&publish("flood/a", &vec![b'x'; 60_000], 0, false))
            .await;
    }
    writer.send(&publish("flood/a", b"last", 1, false)).await;
    writer.packet().await;
    let mut new = broker.client("slow").await;
    new.subscribe("flood/#", 0).await;
    slow.assert_ended().await;
    writer
        .send(&publish("flood/b", b"for the new one", 0, false))
        .await;
    assert!(new.packet().await.ends_with(b"for the new one"));
    broker.assert_serves().await;
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_its_own_connection_only() {
    let (broker, _dir) = broker().await;
    let mut bystander = broker.client("bystander").await;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("wildcard in a topic", publish("a/+", b"x", 0, false)),
        ("dollar topic", publish("$SYS/x", b"x", 0, false)),
        ("empty topic", publish("", b"x", 0, false)),
        ("not UTF-8", packet(0x30, &[0, 1, 0xff])),
        ("NUL", packet(0x30, &[0, 1, 0])),
        (
            "payload above 512 KiB",
            publish("a", &vec![0; 524_289], 0, false),
        ),
        ("256 MiB announced", vec![0x30, 0xff, 0xff, 0xff, 0x7f]),
        ("length without end", vec![0x30, 0xff, 0xff, 0xff, 0xff]),
        ("reserved type", vec![0xf0, 0]),
        ("server's packet", vec![0x20, 2, 0, 0]),
        ("second CONNECT", connect("again", 2, None)),
        ("no filters", packet(0x82, &[0, 9])),
    ];
    for (name, bytes) in cases {
        let mut attacker = broker.client("attacker").await;
        // The broker may be gone before all is written.
        drop(attacker.stream.write_all(&bytes).await);
        timeout(PATIENCE, attacker.assert_ended())
            .await
            .expect(name);
    }
    for hello in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 2, 0],
        vec![0; 100],
    ] {
        let mut attacker = Raw::open(broker.addr).await;
        attacker.send(&hello).await;
        attacker.assert_ended().await;
    }
    bystander.send(&[0xc0, 0]).await;
    assert_eq!(bystander.packet().await, [0xd0, 0]);
    broker.assert_serves().await;
}

#[tokio::test]
async fn odd_hellos_are_answered_in_the_words_of_the_protocol() {
    let (broker, _dir) = broker().await;
    let mut old = Raw::open(broker.addr).await;
    old.send(b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01a").await;
    assert_eq!(
        old.packet().await,
        [0x20, 2, 0, 1],
        "unacceptable protocol version"
    );
    old.assert_ended().await;
    let mut nameless = Raw::open(broker.addr).await;
    nameless.send(&connect("", 0, None)).await;
    assert_eq!(
        nameless.packet().await,
        [0x20, 2, 0, 2],
        "identifier rejected"
    );
    nameless.assert_ended().await;
    let mut nameless = Raw::open(broker.addr).await;
    assert_eq!(
        nameless.hello("", None).await,
        [0x20, 2, 0, 0],
        "clean, so an id is made"
    );
    let mut quiet = Raw::open(broker.addr).await;
    quiet.send(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01q").await;
    assert_eq!(
        quiet.packet().await,
        [0x20, 2, 0, 0],
        "keep-alive 0 is allowed"
    );
    assert_eq!(
        quiet.subscribe("$SYS/#", 0).await,
        0,
        "and $SYS gives nothing"
    );
    assert_eq!(quiet.subscribe("a/#/b", 0).await, 0x80);
    broker.assert_serves().await;
}

#[tokio::test]
async fn a_thousand_connections_are_capped_and_the_broker_recovers() {
    let (broker, _dir) = broker().await;
    let mut sockets = Vec::new();
    for index in 0..1000 {
        let mut raw = Raw::open(broker.addr).await;
        if raw
            .stream
            .write_all(&connect(&format!("c{index}"), 2, None))
            .await
            .is_ok()
        {
            sockets.push(raw);
        }
    }
    let mut inside = 0;
    for raw in &mut sockets {
        if raw.try_packet().await.is_some() {
            inside += 1;
        }
    }
    assert_eq!(inside, 50);
    drop(sockets);
    wait_until_served(&broker).await;
    broker.assert_serves().await;
}

#[tokio::test]
async fn subscribing_again_and_again_without_acknowledging_ends_the_connection() {
    let (broker, _dir) = broker().await;
    let mut writer = broker.client("writer").await;
    for index in 0..300 {
        writer
            .send(&publish(&format!("t/{index}"), b"x", 1, true))
            .await;
        writer.packet().await;
    }
    let mut greedy = broker.client("greedy").await;
    for _ in 0..100 {
        if greedy.stream.write_all(&subscribe("#", 1)).await.is_err() {
            break;
        }
    }
    greedy.assert_ended().await;
    broker.assert_serves().await;
}

#[tokio::test]
async fn clients_that_come_and_go_under_load_harm_nobody() {
    let (broker, _dir) = broker().await;
    let mut reader = broker.client("reader").await;
    reader.subscribe("count/+", 0).await;
    let mut writer = broker.client("writer").await;
    let mut guests = std::collections::VecDeque::new();
    for round in 0..400_u32 {
        let mut guest = broker.client(&format!("guest-{}", round % 7)).await;
        guest.send(&subscribe("#", 1)).await;
        guests.push_back(guest);
        if guests.len() > 20 {
            guests.pop_front();
        }
        writer
            .send(&publish(&format!("count/{round}"), b"x", 0, false))
            .await;
        let message = reader.packet().await;
        assert!(String::from_utf8_lossy(&message).contains(&format!("count/{round}x")));
    }
    broker.assert_serves().await;
}
