use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::bus::State;
use crate::model::Topics;

const HELLO: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a";
const SUBSCRIBE: &[u8] = b"\x82\x0a\0\x01\0\x05tele/\0";
const ONLINE: &[u8] = b"\x31\x0b\0\x05tele/plug";

async fn open(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    expect(&mut stream, &[0x20, 2, 0, 0]).await;
    stream
}

async fn expect(stream: &mut TcpStream, want: &[u8]) {
    let mut got = vec![0; want.len()];
    let read = timeout(Duration::from_secs(20), stream.read_exact(&mut got)).await;
    read.unwrap().unwrap();
    assert_eq!(got, want);
}

/// A broker below which the test can reach.
async fn broker(dir: &Path) -> (SocketAddr, Arc<Hub>, Watch, Broker, mpsc::Receiver<Message>) {
    let config = EmbeddedConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..EmbeddedConfig::default()
    };
    let store = Store::open(dir).unwrap();
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let topics = Topics::new("homewatch", "nas", "homeassistant");
    let listeners = bind(&config).await.unwrap();
    let addr = listeners.addr().unwrap();
    let (router, watch) = Router::start(config.max_connections).unwrap();
    let retained = restore(&store).await;
    let (hub, inbox) = Hub::new(&config, topics.clone(), bus.clone(), retained, router);
    let broker = Broker {
        listeners,
        max_connections: config.max_connections,
        edge: Edge {
            name: NAME,
            topics,
            bus,
        },
        hub: Arc::clone(&hub),
        connections: JoinSet::new(),
        full: false,
        warned: None,
    };
    (addr, hub, watch, broker, inbox)
}

#[tokio::test]
async fn a_router_that_dies_is_replaced_and_nothing_retained_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (addr, hub, watch, broker, inbox) = broker(dir.path()).await;
    let cancel = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(broker.serve(inbox, watch, cancel.clone()));

    let mut client = open(addr).await;
    client.write_all(SUBSCRIBE).await.unwrap();
    expect(&mut client, &[0x90, 3, 0, 1, 0]).await;
    client.write_all(ONLINE).await.unwrap();
    expect(&mut client, b"\x30\x0b\0\x05tele/plug").await;
    for _ in 0..2 {
        let dead = hub.router();
        dead.kill();
        let mut rest = Vec::new();
        timeout(Duration::from_secs(20), client.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
        timeout(Duration::from_secs(20), async {
            while Arc::ptr_eq(&dead, &hub.router()) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        client = open(addr).await;
        client.write_all(SUBSCRIBE).await.unwrap();
        expect(&mut client, &[0x90, 3, 0, 1, 0]).await;
        expect(&mut client, ONLINE).await;
        client.write_all(b"\x30\x08\0\x05tele/x").await.unwrap();
        expect(&mut client, b"\x30\x08\0\x05tele/x").await;
    }
    cancel.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_publishing_link_is_renewed_without_losing_a_message() {
    let (router, _watch) = Router::start(4).unwrap();
    let mut reader = router.subscribe().unwrap();
    let topic = "t".repeat(60_000);
    for number in 0..150_u8 {
        router.publish([Message {
            topic: topic.clone(),
            payload: vec![number].into(),
            qos: QoS::ExactlyOnce,
            retain: false,
            properties: None,
            origin: 0,
        }]);
        let message = loop {
            if let Some(message) = reader.next().await.unwrap() {
                break message;
            }
        };
        assert_eq!(
            (message.payload[0], message.qos),
            (number, QoS::ExactlyOnce)
        );
    }
}
